"""mem0's Python client 2: every method of it that a server answers."""
# needs: pip mem0ai==2.0.18
import asyncio

from mem0 import AsyncMemoryClient, MemoryClient
from mem0.exceptions import AuthenticationError, MemoryNotFoundError, ValidationError
from mem0_shared import KEY, URL, end, is_memory, raises, tried

client = MemoryClient(api_key=KEY, host=URL)
ids = {}


@tried
def a_wrong_key_is_refused_when_the_client_is_made():
    error = raises(ValueError, MemoryClient, api_key="wrong", host=URL)
    assert "Invalid API key" in str(error), error


@tried
def messages_are_added():
    answer = client.add([{"role": "user", "content": "I bake rye bread."}, {"role": "assistant", "content": "Good!"}],
                        user_id="ana", metadata={"place": "kitchen", "n": {"a": [1, 2.50]}})
    assert [r["event"] for r in answer["results"]] == ["ADD", "ADD"], answer
    assert answer["results"][0]["memory"] == "I bake rye bread."
    ids["bread"] = answer["results"][0]["id"]
    assert client.add("I bake rye bread.", user_id="ana")["results"] == []  # it is there already
    ids["agent"] = client.add("Answers in verse.", agent_id="poet", infer=False)["results"][0]["id"]
    ids["run"] = client.add({"role": "user", "content": "Only in this run."}, user_id="ana", run_id="r1", app_id="shop",
                            expiration_date="2099-01-31", infer=False)["results"][0]["id"]


@tried
def nobody_named_is_a_bad_request():
    error = raises(ValidationError, client.add, "to nobody")
    assert "user_id" in str(error), error
    raises(ValidationError, client.search, "bread")
    raises(ValidationError, client.get_all)
    raises(ValidationError, client.delete_all)


@tried
def a_memory_is_got_by_its_id():
    memory = is_memory(client.get(ids["bread"]), "I bake rye bread.", "ana")
    assert memory["metadata"] == {"place": "kitchen", "n": {"a": [1, 2.5]}}, memory
    run = is_memory(client.get(ids["run"]))
    assert (run["run_id"], run["app_id"], run["expiration_date"]) == ("r1", "shop", "2099-01-31"), run
    raises(MemoryNotFoundError, client.get, "00000000-0000-4000-8000-000000000000")
    raises(ValidationError, client.get, "no-such-thing")


@tried
def memories_are_listed():
    results = client.get_all(filters={"user_id": "ana"})["results"]
    assert len(results) == 3, results
    assert all(is_memory(m)["user_id"] == "ana" for m in results)
    results = client.get_all(filters={"AND": [{"user_id": "ana"}, {"run_id": "r1"}]})["results"]
    assert [m["id"] for m in results] == [ids["run"]], results
    page = client.get_all(filters={"OR": [{"user_id": "ana"}, {"agent_id": "poet"}]}, page=1, page_size=3)
    assert page["count"] == 4 and len(page["results"]) == 3 and page["next"] and page["previous"] is None, page
    page = client.get_all(filters={"OR": [{"user_id": "ana"}, {"agent_id": "poet"}]}, page=2, page_size=3)
    assert len(page["results"]) == 1 and page["next"] is None and page["previous"], page


@tried
def memories_are_found():
    results = client.search("what bread?", filters={"user_id": "ana"})["results"]
    assert results[0]["id"] == ids["bread"], results
    assert 0 < results[0]["score"] <= 1
    scores = [m["score"] for m in results]
    assert scores == sorted(scores, reverse=True)
    assert client.search("what bread?", filters={"user_id": "ben"})["results"] == []
    assert client.search("bread", filters={"AND": [{"user_id": "ana"}, {"metadata": {"place": "kitchen"}}]})["results"]
    assert not client.search("bread", filters={"AND": [{"user_id": "ana"}, {"metadata": {"place": "attic"}}]})["results"]
    assert len(client.search("bread good run", filters={"user_id": "ana"}, top_k=1)["results"]) == 1
    raises(ValueError, client.search, "  ", filters={"user_id": "ana"})  # seen by the client


@tried
def a_memory_is_changed_and_its_history_told():
    memory = is_memory(client.update(ids["bread"], text="I bake wheat bread.", metadata={"place": "oven"}))
    assert memory["memory"] == "I bake wheat bread." and memory["metadata"]["place"] == "oven", memory
    assert memory["metadata"]["n"] == {"a": [1, 2.5]}  # merged
    history = client.history(ids["bread"])
    assert [e["event"] for e in history] == ["ADD", "UPDATE"], history
    assert history[1]["old_memory"] == "I bake rye bread." and history[1]["new_memory"] == "I bake wheat bread."
    assert history[0]["input"] == [{"role": "user", "content": "I bake rye bread."}], history[0]
    assert client.history("00000000-0000-4000-8000-000000000000") == []
    raises(MemoryNotFoundError, client.update, "00000000-0000-4000-8000-000000000000", text="x")
    assert client.update(ids["run"], expiration_date="2098-12-31")["expiration_date"] == "2098-12-31"
    assert client.update(ids["run"], expiration_date=None)["expiration_date"] is None


@tried
def many_are_changed_and_deleted_at_once():
    made = [client.add(f"thing {i}", user_id="many", infer=False)["results"][0]["id"] for i in range(3)]
    answer = client.batch_update([{"memory_id": i, "text": "changed"} for i in made])
    assert answer["message"] == "Successfully updated 3 memories", answer
    assert {m["memory"] for m in client.get_all(filters={"user_id": "many"})["results"]} == {"changed"}
    raises(MemoryNotFoundError, client.batch_delete, [{"memory_id": made[0]}, {"memory_id": "00000000-0000-4000-8000-000000000000"}])
    assert len(client.get_all(filters={"user_id": "many"})["results"]) == 3  # all or nothing
    assert client.batch_delete([{"memory_id": i} for i in made])["message"] == "Successfully deleted 3 memories"
    assert client.get_all(filters={"user_id": "many"})["results"] == []


@tried
def feedback_is_taken():
    answer = client.feedback(ids["bread"], feedback="POSITIVE", feedback_reason="true")
    assert answer == {"id": ids["bread"], "feedback": "POSITIVE", "feedback_reason": "true"}, answer
    raises(ValidationError, client.feedback, ids["bread"], feedback="POSITIVE", feedback_reason=5)


@tried
def exports_and_summaries_are_made():
    answer = client.create_memory_export(schema='{"type":"object"}', filters={"user_id": "ana"})
    assert answer["id"]
    export = client.get_memory_export(memory_export_id=answer["id"])
    assert len(export["results"]) == 3, export
    raises(MemoryNotFoundError, client.get_memory_export, memory_export_id="none")
    assert "bread" in client.get_summary(filters={"user_id": "ana"})["summary"]


@tried
def projects_have_settings_and_members():
    assert client.project.get()["project_id"] == "default"
    client.project.update(custom_instructions="Only food.", custom_categories=[{"food": "eaten"}])
    project = client.project.get(fields=["custom_instructions"])
    assert project == {"custom_instructions": "Only food."}, project
    assert client.get_project()["custom_categories"] == [{"food": "eaten"}]
    client.update_project(custom_instructions="All.")
    made = client.project.create("second", description="another")
    assert made["project_id"]
    client.project.add_member("eve@example.org")
    client.project.update_member("eve@example.org", "OWNER")
    assert client.project.get_members()["members"] == [{"username": "eve@example.org", "role": "OWNER"}]
    client.project.remove_member("eve@example.org")
    assert client.project.get_members()["members"] == []
    client.project.delete()


@tried
def webhooks_are_kept():
    hook = client.create_webhook(url="https://example.org/x", name="hook", project_id="default", event_types=["memory_add"])
    assert hook["webhook_id"] and hook["is_active"] is False, hook
    client.update_webhook(webhook_id=hook["webhook_id"], name="other", url="https://example.org/y", event_types=["memory_delete"])
    hooks = client.get_webhooks(project_id="default")
    assert [(h["name"], h["url"], h["event_types"]) for h in hooks] == [("other", "https://example.org/y", ["memory_delete"])], hooks
    client.delete_webhook(webhook_id=hook["webhook_id"])
    assert client.get_webhooks(project_id="default") == []


@tried
def users_are_listed_and_deleted():
    client.add("odd", user_id="odd/name@example.org", infer=False)
    users = client.users()
    assert users["total_users"] >= 2 and users["count"] == len(users["results"])
    named = {(u["type"], u["name"]) for u in users["results"]}
    assert {("user", "ana"), ("agent", "poet"), ("run", "r1"), ("app", "shop")} <= named, named
    client.delete_users(agent_id="poet")
    assert ("agent", "poet") not in {(u["type"], u["name"]) for u in client.users()["results"]}
    client.delete_all(user_id="odd/name@example.org")


@tried
def memories_are_deleted():
    assert client.delete(ids["bread"]) == {"message": "Memory deleted successfully!"}
    raises(MemoryNotFoundError, client.get, ids["bread"])
    raises(MemoryNotFoundError, client.delete, ids["bread"])
    assert client.history(ids["bread"])[-1]["event"] == "DELETE"
    assert client.delete(ids["run"], delete_linked=True)["cascade_count"] == 0
    assert client.delete_all(user_id="ana") == {"message": "Memories deleted successfully!"}
    assert client.get_all(filters={"user_id": "ana"})["results"] == []


@tried
def reset_leaves_nothing():
    client.add("one", user_id="u1", infer=False)
    client.add("two", agent_id="a1", infer=False)
    client.reset()
    assert client.users()["results"] == []


@tried
def the_asynchronous_client_does_the_same():
    async def run():
        async with AsyncMemoryClient(api_key=KEY, host=URL) as remote:
            made = await asyncio.gather(*(remote.add(f"number {i}", user_id="async", infer=False) for i in range(20)))
            assert len({m["results"][0]["id"] for m in made}) == 20
            one = made[7]["results"][0]["id"]
            is_memory(await remote.get(one), "number 7", "async")
            await remote.update(one, text="number seven")
            assert (await remote.search("seven", filters={"user_id": "async"}))["results"][0]["id"] == one
            assert len((await remote.get_all(filters={"user_id": "async"}))["results"]) == 20
            assert len(await remote.history(one)) == 2
            await remote.delete(one)
            await remote.delete_all(user_id="async")
            assert (await remote.users())["results"] == []

    asyncio.run(run())
    raises(ValueError, AsyncMemoryClient, api_key="wrong", host=URL)


end()
