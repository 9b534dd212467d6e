"""MassGen's memory: each line of its checklist. The released package itself is driven by tests/hosts."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import unittest

from quipu.massgen import ConversationMemory, MemoryBase, PersistentMemory, PersistentMemoryBase


class Bases(unittest.TestCase):
    def test_memory_base_has_eight_abstract_methods(self):
        self.assertEqual(
            MemoryBase.__abstractmethods__,
            {"add", "delete", "retrieve", "size", "clear", "get_messages", "state_dict", "load_state_dict"},
        )
        with self.assertRaises(TypeError):
            MemoryBase()

    def test_persistent_memory_base_raises_not_implemented(self):
        base = PersistentMemoryBase()
        for call in (
            base.record([]),
            base.retrieve("x"),
            base.save_to_memory("why", ["what"]),
            base.recall_from_memory(["x"]),
        ):
            with self.assertRaises(NotImplementedError):
                asyncio.run(call)

    def test_a_type_is_added_by_inheriting(self):
        class Mine(PersistentMemoryBase):
            async def retrieve(self, query, **kwargs):
                return "mine"

        self.assertEqual(asyncio.run(Mine().retrieve("x")), "mine")


class Conversation(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.memory = ConversationMemory()

    async def test_add(self):
        await self.memory.add(None)
        self.assertEqual(self.memory.messages, [])
        message = {"role": "user", "content": "hi"}
        await self.memory.add(message)
        await self.memory.add([{"id": "a", "role": "user"}, {"id": "a", "role": "user"}])
        self.assertNotIn("id", message)
        self.assertRegex(self.memory.messages[0]["id"], "^msg_[0-9a-f]{12}$")
        self.assertEqual(len(self.memory.messages), 3)  # duplicates inside one call are both kept
        await self.memory.add({"id": "a", "role": "user"})
        self.assertEqual(await self.memory.size(), 3)
        await self.memory.add({"id": "a", "role": "user"}, allow_duplicates=True)
        self.assertEqual(await self.memory.size(), 4)

    async def test_add_refuses_what_is_no_message(self):
        with self.assertRaisesRegex(TypeError, "Messages should be a list of dicts or a single dict, but got <class 'str'>"):
            await self.memory.add("text")
        with self.assertRaisesRegex(TypeError, "Each message should be a dictionary, but got <class 'int'>"):
            await self.memory.add([{"role": "user"}, 3])
        self.assertEqual(self.memory.messages, [])

    async def test_delete(self):
        await self.memory.add([{"id": str(i)} for i in range(5)])
        await self.memory.delete(0)
        await self.memory.delete([0, 2])
        self.assertEqual([m["id"] for m in self.memory.messages], ["2", "4"])
        with self.assertRaisesRegex(IndexError, re.escape("The following indices do not exist: [7, -1]. Valid range is 0-1")):
            await self.memory.delete([0, 7, -1])
        self.assertEqual(await self.memory.size(), 2)

    async def test_retrieve_is_not_implemented(self):
        with self.assertRaises(NotImplementedError):
            await self.memory.retrieve("x")

    async def test_reading(self):
        await self.memory.add([{"role": "user", "n": 1}, {"role": "assistant", "n": 2}, {"role": "user", "n": 3}])
        self.assertEqual([m["n"] for m in await self.memory.get_messages(limit=2)], [2, 3])
        for limit in (None, 0, -4):
            self.assertEqual(len(await self.memory.get_messages(limit)), 3)
        (await self.memory.get_messages())[0]["n"] = 99
        self.assertEqual(self.memory.messages[0]["n"], 1)
        self.assertEqual((await self.memory.get_last_message())["n"], 3)
        self.assertEqual([m["n"] for m in await self.memory.get_messages_by_role("user")], [1, 3])
        self.assertIsNone(await ConversationMemory().get_last_message())

    async def test_truncate_and_clear(self):
        await self.memory.add([{"n": n} for n in range(5)])
        await self.memory.truncate_to_size(0)  # the reference's slice keeps everything
        self.assertEqual(await self.memory.size(), 5)
        await self.memory.truncate_to_size(2)
        self.assertEqual([m["n"] for m in self.memory.messages], [3, 4])
        await self.memory.clear()
        self.assertEqual(await self.memory.size(), 0)

    async def test_state(self):
        await self.memory.add({"role": "user", "content": "x"})
        state = self.memory.state_dict()
        other = ConversationMemory()
        other.load_state_dict({"messages": [*state["messages"], "no message"]})
        self.assertEqual(other.messages, self.memory.messages)
        with self.assertRaisesRegex(ValueError, "State dictionary must contain 'messages' key when strict=True"):
            other.load_state_dict({})
        other.load_state_dict({}, strict=False)
        self.assertEqual(other.messages, [])


class Persistent(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "store")
        self.memory = self.make("agent_a")
        self.addCleanup(self.memory.store.close)

    def make(self, agent, **more):
        return PersistentMemory(agent_name=agent, session_name="s1", store=self.path, **more)

    async def test_constructor(self):
        with self.assertRaisesRegex(
            ValueError, "At least one of agent_name, user_name, or session_name must be provided to organize memories."
        ):
            PersistentMemory(llm_config={"provider": "openai"})
        memory = PersistentMemory(user_name="u", store=self.path, on_disk=True, debug=True, qdrant_client=object())
        self.assertEqual((memory.agent_id, memory.user_id, memory.session_id), (None, "u", None))
        config = {"path": os.path.join(self.folder.name, "beside/qdrant")}
        memory = PersistentMemory(agent_name="a", vector_store_config=type("C", (), {"config": config})())
        self.assertEqual(memory._path, os.path.join(self.folder.name, "beside/quipu"))

    async def test_record_keeps_a_conversation_as_one_memory(self):
        await self.memory.record(
            [
                None,
                {"role": "system", "content": "be kind"},
                {"role": "user", "content": "  "},
                {"role": "user", "content": "What is a quipu?"},
                {"role": "assistant", "content": "[Tool Call: wiki] Knots on cords."},
            ],
            metadata={"turn": 2},
        )
        (record,) = self.memory.store.list()
        self.assertEqual(record["text"], "user: What is a quipu?\nassistant: [Tool Call: wiki] Knots on cords.")
        self.assertEqual((record["role"], record["actor"]), ("assistant", "conversation"))
        self.assertEqual(record["metadata"], {"tools_used": ["wiki"], "has_tools": True, "message_count": 2, "turn": 2})
        self.assertEqual(record["scope"], {"agent": "agent_a", "session": "s1"})

    async def test_record_of_too_little_stores_nothing(self):
        for messages in ([], [{"role": "u", "content": "hi"}], [{"role": "system", "content": "long enough"}]):
            await self.memory.record(messages)
        self.assertEqual(len(self.memory.store), 0)

    async def test_retrieve_own_then_winners(self):
        other = self.make("agent_b")
        await self.memory.record([{"role": "user", "content": "quantum computing basics"}], metadata={"turn": 1})
        await other.record([{"role": "user", "content": "quantum computing advanced"}], metadata={"turn": 1})
        await other.record([{"role": "user", "content": "quantum computing later"}], metadata={"turn": 2})
        found = await self.memory.retrieve(
            [{"role": "user", "content": "quantum computing"}, {"content": ""}, "no dict"],
            previous_winners=[{"agent_id": "agent_a", "turn": 1}, {"agent_id": "agent_b", "turn": 1}],
        )
        self.assertEqual(found, "user: quantum computing basics\n[From agent_b Turn 1] user: quantum computing advanced")
        self.assertEqual(await self.memory.retrieve({"content": "quantum"}), "user: quantum computing basics")
        for nothing in ("", [], {"content": None}, "unrelated words"):
            self.assertEqual(await self.memory.retrieve(nothing), "")

    async def test_retrieve_has_a_limit(self):
        for n in range(8):
            await self.memory.record([{"role": "user", "content": f"quantum fact number {n}"}])
        self.assertEqual(len((await self.memory.retrieve("quantum")).split("\n")), 5)
        self.assertEqual(len((await self.memory.retrieve("quantum", limit=2)).split("\n")), 2)

    async def test_save_to_memory(self):
        said = await self.memory.save_to_memory("she told me", ["birthday: March 15", "likes tea"])
        self.assertEqual((said["success"], said["message"]), (True, "Successfully saved 2 items to memory"))
        record = self.memory.store[said["memory_ids"][0]["id"]]
        self.assertEqual(record["text"], "Context: she told me\nbirthday: March 15\nlikes tea")
        self.assertEqual(record["actor"], "memory_save")
        self.memory.store.close()
        broken = PersistentMemory(agent_name="a", store="/dev/null/store")
        said = await broken.save_to_memory("", ["x"])
        self.assertEqual((said["success"], said["memory_ids"]), (False, []))
        self.assertTrue(said["message"].startswith("Error saving to memory: "))

    async def test_recall_from_memory(self):
        await self.memory.save_to_memory("", ["tea is green"])
        said = await self.memory.recall_from_memory(["tea", "green", "absent"])
        self.assertEqual(said, {"success": True, "memories": ["tea is green"] * 2, "count": 2})
        broken = PersistentMemory(agent_name="a", store="/dev/null/store")
        said = await broken.recall_from_memory(["x"])
        self.assertEqual((said["success"], said["memories"]), (False, []))
        self.assertTrue(said["message"].startswith("Error retrieving memories: "))

    async def test_a_second_process_recalls_what_the_first_recorded(self):
        await self.memory.record([{"role": "user", "content": "the launch is on Friday"}])
        program = (
            "import asyncio; from quipu.massgen import PersistentMemory\n"
            f"m = PersistentMemory(agent_name='agent_a', session_name='s1', store={self.path!r})\n"
            "print(asyncio.run(m.retrieve('when is the launch?')))"
        )
        said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        self.assertEqual(said.stdout, "user: the launch is on Friday\n")
        log = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", self.path, "log", "--format=%an %s"], capture_output=True, text=True
        )
        self.assertIn("agent_a add: user: the launch is on Friday", log.stdout)

    async def test_memories_in_ram(self):
        memory = PersistentMemory(agent_name="a", on_disk=False)
        await memory.save_to_memory("", ["for now only"])
        self.assertEqual((await memory.recall_from_memory(["now"]))["count"], 1)
        self.assertEqual(memory.store.backend, "memory")
        memory.store.close()


if __name__ == "__main__":
    unittest.main()
