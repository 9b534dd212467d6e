"""xiaozhi's memory provider: each line of its checklist, in a folder laid out as its server is."""

import asyncio
import importlib
import os
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from types import SimpleNamespace

from quipu import xiaozhi
from quipu.sharing import shared_store

BASE = '''
from abc import ABC, abstractmethod


class MemoryProviderBase(ABC):
    def __init__(self, config):
        self.config = config
        self.role_id = None

    def set_llm(self, llm):
        self.llm = llm

    @abstractmethod
    async def save_memory(self, msgs, session_id=None):
        """Save"""

    @abstractmethod
    async def query_memory(self, query):
        """Query"""

    def init_memory(self, role_id, llm, **kwargs):
        self.role_id = role_id
        self.llm = llm
'''


def message(role, content):
    return SimpleNamespace(role=role, content=content, tool_calls=None)


TURNS = [
    message("system", "You are a lamp."),
    message("user", '{"emotion": "happy", "content": "My cat is called Minka."}'),
    message("assistant", None),
    message("tool", "22 degrees"),
    message("assistant", "What a nice name."),
]


class Provider(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.memory_folder = Path(self.folder.name) / "core" / "providers" / "memory"
        self.memory_folder.mkdir(parents=True)
        (self.memory_folder / "base.py").write_text(BASE)
        for part in (self.memory_folder, *list(self.memory_folder.parents)[:2]):
            (part / "__init__.py").touch()
        xiaozhi.install(self.folder.name)
        sys.path.insert(0, self.folder.name)
        self.addCleanup(sys.path.remove, self.folder.name)
        self.module = importlib.import_module("core.providers.memory.quipu.quipu")
        self.addCleanup(self.forget)
        self.path = os.path.join(self.folder.name, "data", "quipu")
        self.provider = self.make()
        self.addCleanup(lambda: shared_store(self.path).close())

    def forget(self):
        for name in [name for name in sys.modules if name == "core" or name.startswith("core.")]:
            del sys.modules[name]

    def make(self, **config):
        provider = self.module.MemoryProvider({"type": "quipu", "store": self.path, **config}, None)
        provider.init_memory("device-1", llm=None, summary_memory=None, save_to_file=True)
        return provider

    def save(self, messages, provider=None, session="s1"):
        return asyncio.run((provider or self.provider).save_memory(messages, session))

    def query(self, question, provider=None):
        return asyncio.run((provider or self.provider).query_memory(question))

    def test_the_loader_finds_the_class(self):
        self.assertTrue((self.memory_folder / "quipu" / "quipu.py").is_file())
        self.assertTrue(self.provider.use_mem0)

    def test_save_keeps_what_was_said(self):
        self.assertIsNone(self.save(TURNS))
        records = shared_store(self.path).list(order="oldest", user="device-1")
        said = {(r["seq"], r["role"], r["text"]) for r in records}
        self.assertEqual(said, {(1, "user", "My cat is called Minka."), (4, "assistant", "What a nice name.")})
        self.assertEqual({r["scope"]["session"] for r in records}, {"s1"})
        self.assertEqual(len(shared_store(self.path).log()), 2)  # the store's own, and one for the conversation

    def test_fewer_than_two_messages_are_not_kept(self):
        for messages in ([], [message("user", "hi")], None):
            self.save(messages)
        self.assertEqual(len(shared_store(self.path)), 0)

    def test_query_gives_dated_lines_newest_first(self):
        store = shared_store(self.path)
        for time, text in (("2026-01-02T03:04:05Z", "cats like fish"), ("2026-03-02T03:04:05Z", "cats like milk")):
            store.put({"text": text, "scope": {"user": "device-1"}, "created_at": time, "updated_at": time})
        self.assertEqual(
            self.query('{"content": "what do cats like?"}'),
            "- [2026-03-02 03:04:05] cats like milk\n- [2026-01-02 03:04:05] cats like fish",
        )
        self.assertEqual(self.query("unrelated"), "")
        self.assertEqual(self.query(""), "")

    def test_devices_do_not_see_each_other(self):
        self.save(TURNS)
        self.provider.role_id = "device-2"
        self.assertEqual(self.query("cat Minka"), "")
        self.provider.role_id = None
        self.assertEqual(self.query("cat Minka"), "")
        self.save(TURNS)
        self.assertEqual(len(shared_store(self.path)), 2)

    def test_batch_use_for_several_agents(self):
        for agent in ("a", "b"):
            self.provider.role_id = agent
            self.save(TURNS)
        self.assertEqual(len(shared_store(self.path).list(user="b")), 2)

    def test_saving_in_a_daemon_thread_with_a_loop_of_its_own(self):
        threads = [threading.Thread(target=self.save, args=(TURNS, self.make(), f"s{i}"), daemon=True) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(shared_store(self.path)), 8)

    def test_without_a_store_nothing_is_kept_and_nothing_breaks(self):
        with self.assertLogs("quipu.xiaozhi", "ERROR") as logs:
            provider = self.make(store="/dev/null/store")
            self.assertFalse(provider.use_mem0)
            self.assertIsNone(self.save(TURNS, provider))
            self.assertEqual(self.query("cat", provider), "")
        self.assertIn("no memory", logs.output[0])

    def test_any_exception_is_logged_and_falls_back(self):
        shared_store(self.path).close()
        with self.assertLogs("quipu.xiaozhi", "ERROR"):
            self.save([message("user", "\ud800 lone"), message("user", "x")])
        with self.assertLogs("quipu.xiaozhi", "ERROR"):
            self.assertEqual(self.query("\ud800"), "")

    def test_installing(self):
        with self.assertRaises(FileNotFoundError):
            xiaozhi.install(self.folder.name + "/nowhere")
        self.assertEqual(xiaozhi.main([]), 2)
        self.assertEqual(xiaozhi.main([self.folder.name + "/nowhere"]), 1)
        self.assertEqual(xiaozhi.main([self.folder.name]), 0)


if __name__ == "__main__":
    unittest.main()
