"""Hindsight's Python client: what its hosts call of it."""
# needs: pip hindsight-client==0.9.1
import asyncio
import datetime

from hindsight_client import Hindsight
from mem0_shared import KEY, URL, end, tried

client = Hindsight(base_url=URL, api_key=KEY)


@tried
def the_version_has_all_features():
    answer = client.get_version()
    assert answer.api_version == "0.9.1", answer
    assert answer.features.store_document_text is True


@tried
def a_bank_is_made():
    answer = client.create_bank("kitchen", name="The kitchen", mission="Remember recipes.")
    assert answer.bank_id == "kitchen" and answer.name == "The kitchen", answer
    assert answer.mission == "Remember recipes."


@tried
def a_text_is_retained_and_recalled():
    stamp = datetime.datetime(2025, 5, 1, 10, 0)
    answer = client.retain("kitchen", "Rye bread needs sour dough.", timestamp=stamp, context="book",
                           document_id="d1", metadata={"page": "7"}, tags=["bread"])
    assert answer.success and answer.items_count == 1 and answer.var_async is False, answer
    answer = client.recall("kitchen", "sour dough", types=["observation"], include_entities=True, include_chunks=True)
    first = answer.results[0]
    assert first.text == "Rye bread needs sour dough." and first.type == "observation", first
    assert first.metadata == {"page": "7"} and first.tags == ["bread"] and first.document_id == "d1"
    assert first.mentioned_at.startswith("2025-05-01T10:00:00")


@tried
def a_document_supersedes_itself():
    client.retain("kitchen", "Rye bread needs yeast.", document_id="d1")
    texts = [r.text for r in client.recall("kitchen", "rye bread").results]
    assert texts == ["Rye bread needs yeast."], texts
    client.retain("kitchen", "And salt.", document_id="d1", update_mode="append")
    assert client.list_memories("kitchen").total == 2


@tried
def a_batch_is_done_once():
    items = [{"content": "Oats are boiled."}, {"content": "Barley is soaked."}]
    for _ in range(2):
        answer = client.retain_batch("kitchen", items, retain_async=True, operation_id="op-1", document_tags=["grain"])
        assert answer.success and answer.operation_id == "op-1", answer
    assert client.list_memories("kitchen").total == 4
    found = client.recall("kitchen", "oats", tags=["grain"], tags_match="any_strict")
    assert [r.text for r in found.results] == ["Oats are boiled."], found


@tried
def it_reflects():
    answer = client.reflect("kitchen", "yeast")
    assert "yeast" in answer.text, answer


client.close()


@tried
def the_generated_interfaces_agree():
    async def all_of_them():
        c = Hindsight(base_url=URL, api_key=KEY)
        status = await c.operations.get_operation_status("kitchen", "op-1")
        assert status.status == "completed", status
        assert (await c.operations.list_operations("kitchen")).total == 1
        assert (await c.banks.list_banks()).banks[0].bank_id == "kitchen"
        assert (await c.banks.get_agent_stats("kitchen")).total_nodes == 4
        assert (await c.banks.get_bank_config("kitchen")).bank_id == "kitchen"
        assert (await c.documents.list_documents("kitchen")).total == 1
        document = await c.documents.get_document("kitchen", "d1")
        assert document.original_text == "Rye bread needs yeast.\nAnd salt.", document
        assert (await c.memory.list_tags("kitchen")).items[0].tag == "grain"
        assert (await c.documents.delete_document("kitchen", "d1")).memory_units_deleted == 2
        await c.adelete_bank("kitchen")
        assert (await c.arecall("kitchen", "oats")).results == []
        await c.aclose()

    asyncio.run(all_of_them())


end()
