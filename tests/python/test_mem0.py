"""mem0's Memory and AsyncMemory: calls of both major releases, their answers and their errors."""

import asyncio
import datetime
import os
import tempfile
import unittest

from quipu.mem0 import AsyncMemory, Memory


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "store")
        self.memory = Memory({"path": self.path})
        self.addCleanup(lambda: self.memory.store.close())

    def texts(self, answer):
        return [item["memory"] for item in answer["results"]]


class Adding(Case):
    def test_a_text_a_message_a_list(self):
        (item,) = self.memory.add("I like tea", user_id="ada")["results"]
        self.assertEqual((item["memory"], item["event"], item["role"], item["actor_id"]), ("I like tea", "ADD", "user", None))
        self.memory.add({"role": "user", "content": "one"}, user_id="ada")
        answer = self.memory.add(
            [
                {"role": "system", "content": "be kind"},
                {"role": "user", "content": "two", "name": "Ada"},
                {"role": "assistant", "content": ""},
                {"content": "no role"},
                "no message",
                {"role": "assistant", "content": "three"},
            ],
            user_id="ada",
            run_id="r",
            metadata={"topic": "x", "user_id": "forged"},
        )
        self.assertEqual([(i["memory"], i["actor_id"]) for i in answer["results"]], [("two", "Ada"), ("three", None)])
        shown = self.memory.get(answer["results"][0]["id"])
        self.assertEqual((shown["user_id"], shown["run_id"], shown["metadata"]), ("ada", "r", {"topic": "x"}))
        self.assertEqual(len(shown["hash"]), 32)

    def test_inference_is_said_to_be_unavailable_and_a_text_is_kept_once(self):
        self.assertEqual(self.memory.add("same", user_id="ada")["infer"], "unavailable")
        self.assertEqual(self.memory.add(["same"] and [{"role": "user", "content": "same"}] * 2, user_id="ada")["results"], [])
        self.assertEqual(len(self.memory.add("same", user_id="bob")["results"]), 1)
        answer = self.memory.add("same", user_id="ada", infer=False)
        self.assertEqual((len(answer["results"]), "infer" in answer), (1, False))

    def test_wrong_calls(self):
        for call in (
            lambda: self.memory.add("x"),
            lambda: self.memory.add("x", user_id=" "),
            lambda: self.memory.add("x", user_id="a b"),
            lambda: self.memory.add(3, user_id="a"),
            lambda: self.memory.add("x", user_id="a", memory_type="other"),
            lambda: self.memory.search("x"),
            lambda: self.memory.get_all(),
            lambda: self.memory.delete_all(),
            lambda: self.memory.delete("absent"),
            lambda: self.memory.update("absent", "x"),
            lambda: self.memory.update("absent"),
        ):
            with self.assertRaises(ValueError):
                call()
        with self.assertRaises(NotImplementedError):
            self.memory.chat("x")


class Reading(Case):
    def setUp(self):
        super().setUp()
        for text, user, topic in (
            ("tea is green", "ada", "tea"),
            ("bread is brown", "ada", "bread"),
            ("tea is black", "bob", "tea"),
        ):
            self.memory.add(text, user_id=user, metadata={"topic": topic})

    def test_search_by_ids_of_1_x_and_by_filters_of_2_x(self):
        self.assertEqual(self.texts(self.memory.search("tea", user_id="ada")), ["tea is green"])
        self.assertEqual(self.texts(self.memory.search("tea", filters={"user_id": "bob"}, top_k=5)), ["tea is black"])
        self.assertEqual(
            self.texts(self.memory.search("tea bread", user_id="ada", filters={"topic": "bread"})), ["bread is brown"]
        )
        self.assertEqual(
            self.texts(self.memory.search("tea bread", user_id="ada", metadata_filters={"topic": "tea"})), ["tea is green"]
        )
        both = {"OR": [{"user_id": "ada"}, {"user_id": "bob"}]}
        self.assertEqual(set(self.texts(self.memory.search("tea", filters=both))), {"tea is green", "tea is black"})
        self.assertEqual(len(self.memory.search("is", user_id="ada", limit=1)["results"]), 1)
        self.assertGreater(self.memory.search("tea", user_id="ada")["results"][0]["score"], 0)
        self.assertEqual(self.memory.search("tea", user_id="ada", threshold=1e9)["results"], [])

    def test_get_all(self):
        self.assertEqual(self.texts(self.memory.get_all(user_id="ada")), ["bread is brown", "tea is green"])
        self.assertEqual(len(self.memory.get_all(filters={"user_id": "ada"}, top_k=1)["results"]), 1)
        self.assertIsNone(self.memory.get("absent"))

    def test_another_object_and_another_process_see_it(self):
        self.assertEqual(len(Memory.from_config({"path": self.path}).get_all(user_id="ada")["results"]), 2)
        config = {"vector_store": {"provider": "qdrant", "config": {"path": self.path + "/../qdrant"}}}
        self.assertTrue(Memory(config)._path.endswith("/quipu"))


class Changing(Case):
    def test_update_and_history(self):
        id = self.memory.add("tea at four", user_id="ada", metadata={"a": 1})["results"][0]["id"]
        said = self.memory.update(id, "tea at five", metadata={"b": 2})
        self.assertEqual(said, {"message": "Memory updated successfully!"})
        shown = self.memory.get(id)
        self.assertEqual((shown["memory"], shown["metadata"]), ("tea at five", {"a": 1, "b": 2}))
        self.assertEqual(self.memory.delete(id), {"message": "Memory deleted successfully!"})
        rows = self.memory.history(id)
        self.assertEqual(
            [(r["event"], r["old_memory"], r["new_memory"], r["is_deleted"]) for r in rows],
            [
                ("ADD", None, "tea at four", False),
                ("UPDATE", "tea at four", "tea at five", False),
                ("DELETE", "tea at five", None, True),
            ],
        )
        self.assertEqual(self.memory.history("absent"), [])

    def test_delete_all_and_reset(self):
        for user in ("ada", "bob"):
            self.memory.add(f"of {user}", user_id=user)
        self.assertEqual(self.memory.delete_all(user_id="ada"), {"message": "Memories deleted successfully!"})
        self.assertEqual(self.texts(self.memory.get_all(user_id="bob")), ["of bob"])
        self.memory.reset()
        self.memory.reset()
        self.assertEqual(len(self.memory.store), 0)

    def test_expiry(self):
        today = datetime.datetime.now(datetime.timezone.utc).date()
        yesterday = str(today - datetime.timedelta(days=1))
        id = self.memory.add("over", user_id="a", expiration_date=yesterday)["results"][0]["id"]
        self.memory.add("still", user_id="a", expiration_date=today + datetime.timedelta(days=1))
        self.assertEqual(self.texts(self.memory.get_all(user_id="a")), ["still"])
        self.assertEqual(len(self.memory.get_all(user_id="a", show_expired=True)["results"]), 2)
        self.assertEqual(self.memory.get(id)["expiration_date"], yesterday)
        self.memory.update(id, expiration_date=None)
        self.assertEqual(len(self.memory.search("over", user_id="a")["results"]), 1)


class Async(Case):
    def test_every_call(self):
        async def use():
            async with AsyncMemory.from_config({"path": self.path}) as memory:
                id = (await memory.add("tea", user_id="a"))["results"][0]["id"]
                await memory.update(id, "green tea")
                self.assertEqual((await memory.get(id))["memory"], "green tea")
                self.assertEqual(len((await memory.search("tea", user_id="a"))["results"]), 1)
                self.assertEqual(len((await memory.get_all(user_id="a"))["results"]), 1)
                self.assertEqual(len(await memory.history(id)), 2)
                await memory.delete(id)
                await memory.add("x", user_id="a")
                await memory.delete_all(user_id="a")
                await memory.reset()
                with self.assertRaises(NotImplementedError):
                    await memory.chat("x")
                memory.close()

        asyncio.run(use())


del Case

if __name__ == "__main__":
    unittest.main()
