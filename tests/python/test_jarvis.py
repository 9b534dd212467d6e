"""Jarvis' memory module: each line of its checklist, on both of its backends and on git."""

import datetime
import os
import subprocess
import sys
import tempfile
import unittest

from quipu import jarvis
from quipu.errors import InvalidError, StateError
from quipu.jarvis import Container, MemoryEntry, MemoryModule, QuipuStorage, StorageBackend


class Dictionary(StorageBackend):
    """A backend that somebody wrote before Quipu was there."""

    def __init__(self):
        self.entries = {}
        self.calls = []

    def bootstrap(self):
        self.calls.append("bootstrap")

    def shutdown(self):
        self.calls.append("shutdown")

    def create(self, entry):
        self.entries[entry.id] = entry

    def read(self, id):
        return self.entries.get(id)

    def update(self, entry):
        self.entries[entry.id] = entry
        return True

    def delete(self, id):
        return self.entries.pop(id, None) is not None

    def query(self, category=None, key=None, tags=None, entity_type=None, entity_id=None):
        return [
            e
            for e in self.entries.values()
            if (category is None or e.category == category)
            and (key is None or e.key == key)
            and (not tags or set(tags) & set(e.tags))
            and (entity_type is None or e.entity_type == entity_type)
            and (entity_id is None or e.entity_id == entity_id)
        ]

    def list_all(self):
        return list(self.entries.values())


class Module:
    """The same cases for every backend: the same calls give the same results."""

    def make(self):
        raise NotImplementedError

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.memory = self.make()
        self.memory.bootstrap()
        self.addCleanup(self.memory.shutdown)

    def test_create_memory_and_get_memory(self):
        id = self.memory.create_memory("devices", "lamp", {"on": True}, "device", "lamp-1", ["light", "bedroom"], "home", "t1")
        entry = self.memory.get_memory(id)
        self.assertEqual((entry.category, entry.key, entry.value), ("devices", "lamp", {"on": True}))
        self.assertEqual((entry.entity_type, entry.entity_id, entry.tags), ("device", "lamp-1", ["light", "bedroom"]))
        self.assertEqual((entry.provenance["module"], entry.provenance["task_id"]), ("home", "t1"))
        datetime.datetime.fromisoformat(entry.provenance["created_at"])
        self.assertIsInstance(entry.timestamp, datetime.datetime)
        self.assertIsNone(self.memory.get_memory("nothing"))

    def test_types_in_value_are_preserved(self):
        value = {"i": 1, "f": 1.5, "b": False, "n": None, "l": [1, [2, {"x": "é"}]], "o": {"東": "京"}, "big": 9007199254740993}
        id = self.memory.create_memory("a", "b", value, "c")
        got = self.memory.get_memory(id).value
        self.assertEqual(got, value)
        self.assertEqual({k: type(v) for k, v in got.items()}, {k: type(v) for k, v in value.items()})

    def test_record_task(self):
        id = self.memory.record_task("t-7", {"status": "done"}, ["weekly"])
        entry = self.memory.get_memory(id)
        self.assertEqual((entry.category, entry.entity_type, entry.entity_id), ("tasks", "task", "t-7"))
        self.assertEqual((entry.value, entry.tags), ({"status": "done"}, ["weekly"]))

    def test_get_memory_by_key_gives_the_newest(self):
        for n in range(3):
            self.memory.create_memory("a", "same", {"n": n}, "x")
        self.assertEqual(self.memory.get_memory_by_key("same").value, {"n": 2})
        self.assertIsNone(self.memory.get_memory_by_key("other"))

    def test_queries(self):
        a = self.memory.create_memory("c1", "k1", {}, "t1", "e1", ["x", "y"])
        b = self.memory.create_memory("c1", "k2", {}, "t1", "e2", ["y"])
        c = self.memory.create_memory("c2", "k1", {}, "t2", None, ["z"])

        def ids(entries):
            return {e.id for e in entries}

        self.assertEqual(ids(self.memory.get_memories_by_category("c1")), {a, b})
        self.assertEqual(ids(self.memory.get_memories_by_entity("t1")), {a, b})
        self.assertEqual(ids(self.memory.get_memories_by_entity("t1", "e2")), {b})
        self.assertEqual(ids(self.memory.get_memories_by_tags(["x", "z"])), {a, c})
        self.assertEqual(self.memory.get_memories_by_tags([]), [])
        self.assertEqual(ids(self.memory.search_memories(category="c1", tags=["y"], entity_id="e1")), {a})
        self.assertEqual(ids(self.memory.search_memories(key="k1", category="c2")), {c})
        self.assertEqual(ids(self.memory.search_memories()), {a, b, c})

    def test_update_memory(self):
        id = self.memory.create_memory("a", "b", {"n": 1}, "c", tags=["old"])
        self.assertTrue(self.memory.update_memory(id, value={"n": 2}, module="editor"))
        entry = self.memory.get_memory(id)
        self.assertEqual((entry.value, entry.tags), ({"n": 2}, ["old"]))
        self.assertEqual(entry.provenance["updated_by"], "editor")
        datetime.datetime.fromisoformat(entry.provenance["updated_at"])
        self.assertTrue(self.memory.update_memory(id, tags=["new", "new"]))
        self.assertEqual(self.memory.get_memory(id).tags, ["new", "new"])
        self.assertFalse(self.memory.update_memory("nothing", value={}))

    def test_delete_memory_and_clear_all(self):
        id = self.memory.create_memory("a", "b", {}, "c")
        self.assertTrue(self.memory.delete_memory(id))
        self.assertFalse(self.memory.delete_memory(id))
        self.memory.create_memory("a", "b", {}, "c")
        self.memory.clear_all()
        self.assertEqual(self.memory.search_memories(), [])

    def test_user_preferences(self):
        self.memory.set_user_preference("theme", {"mode": "light"})
        self.memory.set_user_preference("theme", {"mode": "dark"})
        self.memory.set_user_preference("volume", 7)
        self.assertEqual(self.memory.get_user_preferences(), {"theme": {"mode": "dark"}, "volume": {"value": 7}})
        self.assertEqual(len(self.memory.get_memories_by_category("preferences")), 2)

    def test_device_info(self):
        self.assertEqual(self.memory.get_device_info(), {})
        self.memory.set_device_info({"os": "linux"})
        self.memory.set_device_info({"os": "debian"})
        self.assertEqual(self.memory.get_device_info(), {"os": "debian"})

    def test_task_history_is_newest_first(self):
        for n in range(4):
            self.memory.record_task(f"t{n}", {"n": n})
        self.assertEqual([e.value["n"] for e in self.memory.get_task_history(limit=3)], [3, 2, 1])
        self.assertEqual(self.memory.get_task_history(limit=0), [])

    def test_conversation_execution_and_tool_knowledge(self):
        id = self.memory.save_conversation_turn("hello", "hi", session_id="s1", mood="good")
        self.assertEqual(self.memory.get_memory(id).value, {"user": "hello", "assistant": "hi", "mood": "good"})
        id = self.memory.record_execution("ls", ["a"], success=False)
        self.assertEqual(self.memory.get_memory(id).value, {"command": "ls", "result": ["a"], "success": False})
        self.memory.set_tool_knowledge("grep", {"flags": ["-n"]})
        self.assertEqual(self.memory.get_tool_knowledge("grep"), {"flags": ["-n"]})
        self.assertIsNone(self.memory.get_tool_knowledge("awk"))

    def test_shutdown_is_idempotent(self):
        self.memory.shutdown()
        self.memory.shutdown()


class Stored(Module):
    """Those that keep what they hold."""

    backend = ""

    def make(self):
        return MemoryModule(storage_dir=self.folder.name, backend_type=self.backend)

    def test_calls_before_bootstrap_lose_nothing(self):
        memory = MemoryModule(storage_dir=self.folder.name + "/new", backend_type=self.backend)
        id = memory.create_memory("a", "b", {"n": 1}, "c")
        memory.bootstrap()
        self.assertEqual(memory.get_memory(id).value, {"n": 1})
        memory.shutdown()

    def test_the_next_run_finds_it(self):
        id = self.memory.create_memory("a", "b", {"n": 1}, "c")
        self.memory.shutdown()
        again = self.make()
        self.assertEqual(again.get_memory(id).value, {"n": 1})
        again.shutdown()

    def test_several_processes_at_once(self):
        program = (
            "import sys; from quipu.jarvis import MemoryModule\n"
            f"m = MemoryModule(storage_dir={self.folder.name!r}, backend_type={self.backend!r})\n"
            "for n in range(20): m.create_memory('a', sys.argv[1], {'n': n}, 'x')\n"
            "m.shutdown()"
        )
        workers = [subprocess.Popen([sys.executable, "-c", program, str(i)]) for i in range(3)]
        self.assertEqual([w.wait(timeout=100) for w in workers], [0, 0, 0])
        self.assertEqual(len(self.memory.get_memories_by_category("a")), 60)

    def test_a_value_that_is_no_dictionary_is_refused(self):
        with self.assertRaises(InvalidError):
            self.memory.create_memory("a", "b", "text", "c")


class OnSqlite(Stored, unittest.TestCase):
    backend = "sqlite"


class OnJson(Stored, unittest.TestCase):
    backend = "json"


class OnGit(Stored, unittest.TestCase):
    backend = "git"

    def test_git_log_tells_who_wrote_what(self):
        id = self.memory.create_memory("a", "b", {"n": 1}, "c", module="planner")
        store = self.memory.backend.store
        self.assertEqual(store.log(id)[0]["author"], "planner")
        self.assertEqual(store.search("n 1")[0]["id"], id)


class OnAnOwnBackend(Module, unittest.TestCase):
    def make(self):
        return MemoryModule(Dictionary())


class Surroundings(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        before = os.environ["HOME"]
        os.environ["HOME"] = self.home.name
        self.addCleanup(os.environ.__setitem__, "HOME", before)

    def test_memory_module_alone_is_the_same_store_in_the_next_run(self):
        memory = MemoryModule()
        id = memory.create_memory("a", "b", {}, "c")
        memory.shutdown()
        self.assertTrue(os.path.isdir(self.home.name + "/.jarvis/memory"))
        again = MemoryModule()
        self.assertIsNotNone(again.get_memory(id))
        again.shutdown()

    def test_the_config_file_says_where(self):
        os.mkdir(self.home.name + "/.jarvis")
        with open(self.home.name + "/.jarvis/config.yaml", "w") as config:
            config.write("llm:\n  data_dir: no\nstorage:\n  # here\n  data_dir: '~/data' # below home\n")
        self.assertEqual(str(jarvis.default_storage_dir()), self.home.name + "/data/persistent_memory")

    def test_the_container_caches_one_object(self):
        self.addCleanup(setattr, Container, "_module", None)
        memory = Container().get_memory_module()
        self.addCleanup(memory.shutdown)
        self.assertIs(Container().get_memory_module(), memory)

    def test_the_shim_path(self):
        jarvis.install()
        self.addCleanup(sys.modules.pop, "jarvis.persistent_memory")
        from jarvis.persistent_memory import MemoryModule as imported

        self.assertIs(imported, MemoryModule)
        with self.assertRaises(StateError):
            jarvis.install()

    def test_storage_backend_is_an_abc(self):
        with self.assertRaises(TypeError):
            StorageBackend()
        self.assertTrue(issubclass(QuipuStorage, StorageBackend))
        self.assertEqual(MemoryEntry("a", "b", {}).tags, [])


if __name__ == "__main__":
    unittest.main()
