"""Synthians' MemoryPersistence: each line of its checklist."""

import asyncio
import contextlib
import json
import logging
import os
import pathlib
import tempfile
import threading
import unittest
from dataclasses import dataclass, field

from quipu.errors import ConflictError
from quipu.synthians import MemoryAssembly, MemoryEntry, MemoryPersistence, effective_score


class Vectors:
    """A MemoryVectorIndex that tells what it was told."""

    def __init__(self):
        self.id_to_index = {}
        self.calls = []
        self.broken = False

    def add_vector(self, id, vector):
        if self.broken:
            raise RuntimeError("the index is away")
        self.calls.append(("add", id))
        self.id_to_index[id] = vector

    def remove_vector(self, id):
        self.calls.append(("remove", id))
        self.id_to_index.pop(id, None)


@dataclass
class SeedEntry:
    """As a program of before has it: memory_id, and a set."""

    memory_id: str
    content: str
    quickrecal_score: float = 0.9
    tags: set = field(default_factory=lambda: {"b", "a"})


class Case(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "deep" / "storage"
        self.opened = []
        self.persistence = self.make()

    def make(self, **settings):
        persistence = MemoryPersistence(self.path, **settings)
        self.opened.append(persistence)
        self.addCleanup(lambda: persistence._store and persistence._store.close())
        return persistence

    async def again(self, **settings):
        await self.persistence.shutdown()
        self.persistence = self.make(**settings)
        return self.persistence

    def read(self, name):
        return json.loads((self.path / name).read_text())


class Memories(Case):
    async def test_save_memory(self):
        memory = MemoryEntry("likes tea", [0.5, 0.25], metadata={"n": 1})
        await self.persistence.save_memory(memory)
        await self.persistence.flush()
        text = (self.path / "memories" / f"{memory.id}.json").read_text()
        self.assertIn('\n  "content": "likes tea"', text)  # indent 2
        row = self.read("memory_index.json")["memories"][memory.id]
        self.assertEqual(row["filepath"], f"memories/{memory.id}.json")
        self.assertEqual(set(row), {"filepath", "created_at", "updated_at", "quickrecal_score", "content_hash"})
        self.assertRegex(row["content_hash"], "^sha256:[0-9a-f]{64}$")
        self.assertRegex(memory.id, "^mem_[0-9a-f]{12}$")

    async def test_load_memory(self):
        memory = MemoryEntry("likes tea", [0.5], quickrecal_score=0.75, access_count=3)
        await self.persistence.save_memory(memory)
        self.assertEqual(await self.persistence.load_memory(memory.id), memory)
        self.assertEqual(await (await self.again()).load_memory(memory.id), memory)
        self.assertIsNone(await self.persistence.load_memory("absent"))
        self.assertEqual(await self.persistence.list_memories(), [memory.id])

    async def test_classes_of_before(self):
        await self.persistence.save_memory(SeedEntry("m-1", "old class"))
        loaded = await self.persistence.load_memory("m-1")
        self.assertEqual((loaded.memory_id, loaded.content, loaded.quickrecal_score), ("m-1", "old class", 0.9))
        await self.persistence.save_memory({"id": "m-2", "content": "a dictionary"})
        self.assertEqual(len(await self.persistence.list_memories()), 2)
        with self.assertRaises(ValueError):
            await self.persistence.save_memory({"content": "no id"})

    async def test_delete_memory(self):
        vectors = Vectors()
        persistence = self.make(vector_index=vectors)
        memory = MemoryEntry("x", [1.0])
        await persistence.save_memory(memory)
        self.assertTrue(await persistence.delete_memory(memory.id))
        self.assertEqual(vectors.calls[-1], ("remove", memory.id))
        self.assertFalse((self.path / "memories" / f"{memory.id}.json").exists())
        self.assertIsNone(await persistence.load_memory(memory.id))
        self.assertFalse(await persistence.delete_memory(memory.id))

    async def test_save_memories_batch_is_one_update_of_the_index(self):
        persistence = self.make(flush_threshold=1)
        await persistence.initialize()
        revisions, before = len(persistence.store.log()), persistence.index_path.stat().st_mtime_ns
        await persistence.save_memories_batch([MemoryEntry(f"memory {n}") for n in range(50)])
        self.assertEqual(len(persistence.store.log()), revisions + 1)
        self.assertNotEqual(persistence.index_path.stat().st_mtime_ns, before)
        self.assertEqual(len(self.read("memory_index.json")["memories"]), 50)
        self.assertEqual(len(list((self.path / "memories").glob("*.json"))), 50)

    async def test_optimistic_locking(self):
        memory = MemoryEntry("first")
        await self.persistence.save_memory(memory)
        await self.persistence.load_memory(memory.id)
        other = self.make(auto_repair=False)
        memory.content = "of the other"
        await other.save_memory(memory)
        memory.content = "too late"
        with self.assertRaises(ConflictError):
            await self.persistence.save_memory(memory)
        self.assertEqual((await self.persistence.load_memory(memory.id)).content, "of the other")

    async def test_ids_that_would_leave_the_folder(self):
        for id in ("../../escape", "/etc/x", ".hidden", "a/b"):
            await self.persistence.save_memory({"id": id, "content": "x"})
            self.assertEqual((await self.persistence.load_memory(id)).id, id)
        names = os.listdir(self.path / "memories")
        self.assertEqual(len(names), 4)
        self.assertTrue(all(name.startswith("id-") for name in names))

    async def test_the_cache_is_bounded(self):
        import quipu.synthians as module

        before, module.CACHE_MOST = module.CACHE_MOST, 3
        self.addCleanup(setattr, module, "CACHE_MOST", before)
        await self.persistence.save_memories_batch([{"id": f"m{n}", "content": "x"} for n in range(6)])
        for n in range(6):
            await self.persistence.load_memory(f"m{n}")
        self.assertEqual([id for _, id in self.persistence._cache], ["m3", "m4", "m5"])

    async def test_a_history_and_a_search(self):
        memory = MemoryEntry("the garden gate is green")
        await self.persistence.save_memory(memory)
        memory.content = "the garden gate is blue"
        await self.persistence.save_memory(memory)
        self.assertEqual(len(self.persistence.store.log(memory.id)), 2)
        self.assertEqual(self.persistence.store.search("garden gate")[0]["id"], memory.id)


class Assemblies(Case):
    async def test_save_load_list_delete(self):
        assembly = MemoryAssembly("trips", ["mem_a", "mem_b"], [0.5, 0.5], activation_level=0.25)
        self.assertRegex(assembly.assembly_id, "^asm_[0-9a-f]{12}$")
        await self.persistence.save_assembly(assembly)
        await self.persistence.flush()
        self.assertEqual(self.read("memory_index.json")["assemblies"][assembly.id]["member_count"], 2)
        self.assertTrue((self.path / "assemblies" / f"{assembly.id}.json").is_file())
        self.assertEqual(await (await self.again()).load_assembly(assembly.id), assembly)
        self.assertEqual(await self.persistence.list_assemblies(), [assembly.id])
        self.assertIsNone(await self.persistence.load_memory(assembly.id))
        self.assertTrue(await self.persistence.delete_assembly(assembly.id))
        self.assertFalse(await self.persistence.delete_assembly(assembly.id))

    async def test_members_are_links(self):
        await self.persistence.save_assembly(MemoryAssembly("trips", ["b", "a"], id="asm_1"))
        self.assertEqual(self.persistence.store["asm_1"]["links"], [{"rel": "member", "to": "a"}, {"rel": "member", "to": "b"}])

    async def test_their_vectors(self):
        vectors = Vectors()
        persistence = self.make(vector_index=vectors)
        await persistence.save_assembly(MemoryAssembly("trips", [], [0.5], id="asm_1"))
        self.assertEqual(vectors.calls, [("add", "asm:asm_1")])


class Files(Case):
    async def test_the_index_file(self):
        await self.persistence.save_memory({"id": "m", "content": "x"})
        await self.persistence.shutdown()
        index = self.read("memory_index.json")
        self.assertEqual(set(index), {"memories", "assemblies", "metadata"})
        self.assertEqual(set(index["metadata"]), {"version", "last_updated", "memory_count", "assembly_count"})
        self.assertEqual((index["metadata"]["version"], index["metadata"]["memory_count"]), ("2.3.0", 1))

    async def test_flush_threshold(self):
        persistence = self.make(flush_threshold=3)
        await persistence.initialize()
        for n in range(2):
            await persistence.save_memory({"id": f"m{n}", "content": "x"})
        self.assertEqual(len(self.read("memory_index.json")["memories"]), 0)
        await persistence.save_memory({"id": "m2", "content": "x"})
        self.assertEqual(len(self.read("memory_index.json")["memories"]), 3)

    async def test_backups_rotate(self):
        persistence = self.make(flush_threshold=1, backup_interval=0, index_backup_count=2)
        for n in range(5):
            await persistence.save_memory({"id": f"m{n}", "content": "x"})
        counts = [self.read(f"memory_index.json{end}")["metadata"]["memory_count"] for end in ("", ".bak1", ".bak2")]
        self.assertEqual(counts, [5, 4, 3])
        self.assertFalse((self.path / "memory_index.json.bak3").exists())

    async def test_backup_interval(self):
        persistence = self.make(flush_threshold=1, backup_interval=3600)
        for n in range(4):
            await persistence.save_memory({"id": f"m{n}", "content": "x"})
        self.assertFalse((self.path / "memory_index.json.bak2").exists())

    async def test_a_corrupt_index_is_rebuilt(self):
        await self.persistence.save_memory({"id": "m", "content": "x"})
        await self.persistence.shutdown()
        for copy in self.path.glob("memory_index.json*"):
            copy.write_text("{half")
        self.assertEqual(await self.make().list_memories(), ["m"])
        self.assertEqual(self.read("memory_index.json")["metadata"]["memory_count"], 1)

    async def test_an_older_copy_takes_the_place_of_a_corrupt_index(self):
        persistence = self.make(flush_threshold=1, backup_interval=0)
        for n in range(3):
            await persistence.save_memory({"id": f"m{n}", "content": "x"})
        await persistence.shutdown()
        (self.path / "memory_index.json").write_text("")
        self.assertEqual(set(await self.make().list_memories()), {"m0", "m1", "m2"})

    async def test_a_folder_that_cannot_be_written(self):
        with self.assertRaises(OSError) as caught:
            await MemoryPersistence("/proc/nothing").save_memory({"id": "m", "content": "x"})
        self.assertIn("/proc/nothing", str(caught.exception))

    async def test_a_mirror_that_cannot_be_written_loses_nothing(self):
        await self.persistence.initialize()
        os.rmdir(self.path / "memories")
        (self.path / "memories").write_text("in the way")
        await self.persistence.save_memory({"id": "m", "content": "kept"})
        self.assertEqual((await self.persistence.load_memory("m")).content, "kept")


class Consistency(Case):
    async def test_verify_and_repair_consistency(self):
        await self.persistence.save_memories_batch([{"id": f"m{n}", "content": "x"} for n in range(4)])
        await self.persistence.flush()
        (self.path / "memories" / "m0.json").unlink()  # a file that is gone comes back
        (self.path / "memories" / "new.json").write_text('{"id": "new", "content": "put there by hand"}')
        del self.persistence.memory_index["memories"]["m1"]
        self.persistence.memory_index["memories"]["ghost"] = {"filepath": "memories/ghost.json"}
        report = await self.persistence.verify_and_repair_consistency()
        self.assertEqual(
            {name: report[name] for name in ("entries_taken_in", "files_rewritten", "files_not_in_index", "index_without_file")},
            {"entries_taken_in": 1, "files_rewritten": 1, "files_not_in_index": 2, "index_without_file": 1},
        )
        self.assertEqual((report["memory_files"], report["memory_index_entries"], report["repairs"]), (4, 4, 5))
        self.assertEqual((await self.persistence.load_memory("new")).content, "put there by hand")
        self.assertEqual((await self.persistence.verify_and_repair_consistency())["repairs"], 0)

    async def test_auto_repair_at_start(self):
        await self.persistence.save_memory({"id": "m", "content": "x"})
        await self.persistence.shutdown()
        (self.path / "memories" / "m.json").unlink()
        await self.make(auto_repair=False).initialize()
        self.assertFalse((self.path / "memories" / "m.json").exists())
        await self.make().initialize()
        self.assertTrue((self.path / "memories" / "m.json").exists())

    async def test_vectors_are_rebuilt_and_removed(self):
        await self.persistence.save_memory(MemoryEntry("x", [1.0], id="m"))
        await self.persistence.shutdown()
        vectors = Vectors()
        vectors.id_to_index["ghost"] = [0.0]
        await self.make(vector_index=vectors).initialize()
        self.assertEqual(set(vectors.id_to_index), {"m"})

    async def test_a_file_that_is_damaged_is_left_alone(self):
        await self.persistence.initialize()
        (self.path / "memories" / "bad.json").write_text("{half")
        report = await self.persistence.verify_and_repair_consistency()
        self.assertEqual(report["entries_taken_in"], 0)
        self.assertEqual((self.path / "memories" / "bad.json").read_text(), "{half")


class Before(Case):
    """Folders that were written before Quipu was there."""

    async def test_the_layout_of_the_seed(self):
        (self.path / "memories").mkdir(parents=True)
        (self.path / "assemblies").mkdir()
        (self.path / "memories" / "u-1.json").write_text('{"memory_id": "u-1", "content": "old"}')
        (self.path / "memories" / "bad.json").write_text("{half")
        (self.path / "memories" / "worse.json").write_text("{half")
        (self.path / "memories" / "worse.json.bak").write_text('{"id": "worse", "content": "from the copy"}')
        (self.path / "assemblies" / "a-1.json").write_text('{"assembly_id": "a-1", "name": "old group", "memories": ["u-1"]}')
        (self.path / "memory_index.json").write_text("{}")
        self.assertEqual((await self.persistence.load_memory("u-1")).content, "old")
        self.assertEqual((await self.persistence.load_memory("worse")).content, "from the copy")
        self.assertEqual((await self.persistence.load_assembly("a-1")).name, "old group")
        self.assertEqual((self.path / "memories" / "bad.json").read_text(), "{half")
        self.assertEqual(len(self.persistence.store), 3)

    async def test_the_flat_layout(self):
        self.path.mkdir(parents=True)
        (self.path / "mem_000000000001.json").write_text('{"id": "mem_000000000001", "content": "flat"}')
        (self.path / "asm_000000000001.json").write_text('{"id": "asm_000000000001", "name": "group"}')
        self.assertEqual((await self.persistence.load_memory("mem_000000000001")).content, "flat")
        self.assertEqual((await self.persistence.load_assembly("asm_000000000001")).name, "group")
        self.assertTrue((self.path / "memories" / "mem_000000000001.json").is_file())
        self.assertTrue((self.path / "mem_000000000001.json").is_file())


class Retries(Case):
    async def test_a_vector_that_failed_is_tried_again(self):
        vectors = Vectors()
        vectors.broken = True
        persistence = self.make(vector_index=vectors, auto_repair=False)
        await persistence.save_memory(MemoryEntry("x", [1.0], id="m"))
        row = persistence.pending_updates()["m"]
        self.assertEqual((row["retries"], row["error"]), (0, "the index is away"))
        self.assertEqual(await persistence.retry_pending_updates(), 0)  # not due yet
        self.assertEqual(await persistence.retry_pending_updates(at=row["next_at"] + 1), 0)
        self.assertEqual(persistence.pending_updates()["m"]["retries"], 1)
        vectors.broken = False
        self.assertEqual(await persistence.retry_pending_updates(at=2e10), 1)
        self.assertEqual((persistence.pending_updates(), vectors.calls), ({}, [("add", "m")]))

    async def test_after_five_tries_it_is_given_up(self):
        vectors = Vectors()
        vectors.broken = True
        persistence = self.make(vector_index=vectors, auto_repair=False)
        await persistence.save_memory(MemoryEntry("x", [1.0], id="m"))
        for _ in range(5):
            await persistence.retry_pending_updates(at=2e10)
        self.assertEqual(persistence.pending_updates(), {})


class Rest(Case):
    async def test_moving(self):
        await self.persistence.save_memory({"id": "m", "content": "x"})
        target = self.path.parent / "elsewhere"
        await self.persistence.move_storage(target)
        self.assertFalse(self.path.exists())
        self.assertEqual((await self.persistence.load_memory("m")).content, "x")
        (self.path.parent / "full").mkdir()
        (self.path.parent / "full" / "x").touch()
        with self.assertRaises(FileExistsError):
            await self.persistence.move_storage(self.path.parent / "full")

    async def test_two_programs_at_once(self):
        await self.persistence.initialize()

        def work(name):
            async def save():
                persistence = MemoryPersistence(self.path, auto_repair=False)
                for n in range(10):
                    await persistence.save_memory({"id": f"{name}-{n}", "content": "x"})
                await persistence.shutdown()

            asyncio.run(save())

        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        self.assertEqual(len(self.persistence.store), 30)
        await self.persistence.verify_and_repair_consistency()
        self.assertEqual(len(await self.persistence.list_memories()), 30)

    def test_effective_score(self):
        self.assertEqual(effective_score(0.8, 0.5), 0.8)
        self.assertAlmostEqual(effective_score(1.0, 11), 2.718281828459045**-0.5)
        self.assertGreater(effective_score(0.9, 30) / 0.9, effective_score(0.1, 30) / 0.1)

    async def test_shutdown_is_idempotent(self):
        await self.persistence.shutdown()
        await self.persistence.save_memory({"id": "m", "content": "x"})
        await self.persistence.shutdown()
        await self.persistence.shutdown()
        with contextlib.suppress(Exception):
            self.assertEqual(len(await self.persistence.list_memories()), 1)


del Case

if __name__ == "__main__":
    unittest.main()
