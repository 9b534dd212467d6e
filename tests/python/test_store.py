"""The binding itself: every call of a store, its errors, threads, forks, event loops, and the end of the interpreter."""

import array
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from pathlib import Path

import quipu
from quipu import AsyncStore, CancelToken, Delete, Patch, Put, Store, errors, native


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.store = Store(self.path("store"))
        self.addCleanup(self.store.close)

    def path(self, name):
        return os.path.join(self.folder.name, name)


class Lending(Case):
    def test_a_call_inside_a_call_has_objects_of_its_own(self):
        self.store.put_many([{"id": f"n{i}", "text": f"loaf number{i}"} for i in range(20)])
        inside = []

        def handler(_number, _frame):
            inside.append(self.store.get("n7")["text"])
            with self.assertRaises(errors.InvalidError):
                self.store.search("x", k=-1)

        before = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            for i in range(2000):
                self.assertEqual([r["id"] for r in self.store.search(f"number{i % 20}", k=1)], [f"n{i % 20}"])
            signal.raise_signal(signal.SIGALRM)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        self.assertEqual(set(inside), {"loaf number7"})

    def test_objects_are_used_again_also_after_errors(self):
        self.store.get("nothing")
        first = len(native._free)
        for _ in range(50):
            self.assertIsNone(self.store.get("nothing"))
            self.store.put({"id": "a", "text": "one"})
            self.store.stats()
            with self.assertRaises(errors.InvalidError):
                self.store.list(limit=-1)
        self.assertLessEqual(len(native._free), max(first, 1))

    def test_questions_short_and_long_say_the_same(self):
        self.store.add('an "odd" \\ loaf\n\u2028 é', user='a"b', session="s")
        for scope in ({}, {"user": 'a"b'}, {"user": 'a"b', "session": "s"}, {"user": "other"}):
            short = self.store.search('"odd" \\ loaf\n\u2028 é', **scope)
            long = self.store.search('"odd" \\ loaf\n\u2028 é', explain=True, **scope)
            self.assertEqual([r["id"] for r in short], [r["id"] for r in long])
            self.assertEqual(len(short), 0 if scope.get("user") == "other" else 1)
        for wrong in ({"k": True}, {"k": 2.5}, {"k": None, "query": 7}, {"user": 5}):
            with self.assertRaises(errors.InvalidError):
                self.store.search(**{"query": "loaf", **wrong})
        with self.assertRaises(errors.InvalidError):
            self.store.search("\ud800")


class Records(Case):
    def test_a_memory_is_added_and_read(self):
        id = self.store.add("Rye bread at nine.", user="ada", tags=["bread"], metadata={"n": 1}, importance=0.5)
        record = self.store.get(id)
        self.assertEqual(record["text"], "Rye bread at nine.")
        self.assertEqual(record["scope"], {"user": "ada"})
        self.assertEqual((record["tags"], record["metadata"], record["importance"]), (["bread"], {"n": 1}, 0.5))
        self.assertEqual(len(record["version"]), 40)
        self.assertIn(id, self.store)
        self.assertEqual(self.store[id], record)
        self.assertEqual(len(self.store), 1)

    def test_what_is_not_there_is_none_and_a_key_error(self):
        self.assertIsNone(self.store.get("nothing"))
        self.assertNotIn("nothing", self.store)
        with self.assertRaises(KeyError):
            self.store["nothing"]

    def test_a_scope_hides_the_records_of_others(self):
        id = self.store.add("secret", user="ada")
        self.assertIsNone(self.store.get(id, user="bob"))
        self.assertEqual(self.store.list(user="bob"), [])
        self.assertEqual(self.store.search("secret", user="bob"), [])

    def test_a_record_that_was_read_can_be_put_again(self):
        self.store.put({"id": "a", "text": "one"})
        record = self.store["a"]
        record["text"] = "two"
        self.assertEqual(self.store.put(record), "a")
        self.assertEqual(self.store["a"]["text"], "two")

    def test_upsert_keeps_one_record_of_a_key(self):
        for value in ("light", "dark"):
            self.store.put({"category": "preferences", "key": "theme", "text": value}, upsert=True)
        self.assertEqual([r["text"] for r in self.store], ["dark"])

    def test_an_update_merges_and_removes(self):
        self.store.put({"id": "a", "text": "one", "metadata": {"x": 1, "y": 2}})
        self.store.update("a", {"metadata": {"x": None, "z": 3}})
        self.assertEqual(self.store["a"]["metadata"], {"y": 2, "z": 3})

    def test_an_update_of_another_version_is_a_conflict(self):
        self.store.put({"id": "a", "text": "one"})
        old = self.store["a"]["version"]
        self.store.update("a", {"text": "two"})
        with self.assertRaises(errors.ConflictError) as caught:
            self.store.update("a", {"text": "three"}, if_version=old)
        self.assertEqual(caught.exception.id, "a")
        self.assertEqual(caught.exception.version, self.store["a"]["version"])
        self.assertEqual(caught.exception.retry, errors.Retry.NOW)

    def test_a_change_set_is_all_or_nothing(self):
        self.store.put({"id": "a", "text": "one"})
        with self.assertRaises(errors.NotFoundError):
            self.store.write([Put({"id": "b", "text": "two"}), Delete("missing", must_exist=True)])
        self.assertNotIn("b", self.store)
        written = self.store.write([Put({"id": "b", "text": "two"}), Patch("a", {"text": "uno"}), Delete("c")])
        self.assertEqual(list(written), ["b", "a", "c"])
        self.assertEqual(written.changed, 2)
        self.assertEqual(len(written.revision), 40)

    def test_the_same_change_id_counts_once(self):
        change = os.urandom(16)
        self.store.write([Put({"id": "a", "text": "one"})], change_id=change)
        self.assertTrue(self.store.write([Put({"id": "a", "text": "one"})], change_id=change).duplicate)
        with self.assertRaises(errors.InvalidError):
            self.store.write([Delete("a")], change_id=b"short")

    def test_many_records_are_one_revision(self):
        before = len(self.store.log())
        self.assertEqual(len(self.store.put_many({"text": f"n {i}"} for i in range(50))), 50)
        self.assertEqual(len(self.store.log()), before + 1)
        self.assertEqual(self.store.write([]), [])

    def test_deleting_what_is_not_there(self):
        with self.assertRaises(errors.NotFoundError):
            self.store.delete("nothing")
        self.assertEqual(self.store.delete("nothing", must_exist=False).changed, 0)

    def test_pages_lead_through_all_records(self):
        ids = {self.store.put({"id": f"r{i:03}", "text": "x"}) for i in range(25)}
        page = self.store.list(limit=10, order="id")
        self.assertEqual(len(page), 10)
        self.assertIsNotNone(page.cursor)
        self.assertEqual({r["id"] for r in self.store.iterate(page=7)}, ids)
        self.assertEqual([r["id"] for r in self.store], sorted(ids))

    def test_filters_narrow_lists_and_searches(self):
        self.store.add("red apple", metadata={"colour": "red"})
        self.store.add("green apple", metadata={"colour": "green"})
        wanted = {"metadata.colour": "red"}
        self.assertEqual([r["text"] for r in self.store.list(filter=wanted)], ["red apple"])
        self.assertEqual([r["text"] for r in self.store.search("apple", filter=wanted)], ["red apple"])
        with self.assertRaises(errors.InvalidError):
            self.store.list(filter={"metadata.colour": {"like": "r"}})

    def test_texts_of_all_scripts_survive(self):
        for text in ("\U0001f600 smile", "東京の桜", "a\u0301 ö ß", "tab\tnew\nline", '"quoted" \\ back'):
            self.assertEqual(self.store[self.store.add(text)]["text"], text)

    def test_a_nul_and_a_lone_surrogate_are_refused(self):
        for text in ("a\0b", "\ud800"):
            with self.subTest(text=ascii(text)), self.assertRaises(errors.InvalidError):
                self.store.add(text)


class Searches(Case):
    def test_best_first_with_score_and_version(self):
        self.store.add("The oven door sticks.")
        wanted = self.store.add("My meetings are after lunch.")
        found = self.store.search("when are my meetings?")
        self.assertEqual(found[0]["id"], wanted)
        self.assertGreater(found[0]["score"], 0)
        self.assertEqual(found.vectors_pending, 0)

    def test_explain_names_the_parts_of_a_score(self):
        self.store.add("bread")
        self.assertIn("bm25", "".join(self.store.search("bread", explain=True)[0]["components"]))

    def test_a_receipt_is_replayed(self):
        self.store.add("bread")
        receipt = self.store.search("bread", receipt=True).receipt
        self.store.add("bread bread bread")
        self.assertTrue(self.store.replay(receipt)["same"])

    def test_the_past_is_searched(self):
        self.store.put({"id": "a", "text": "one loaf"})
        then = self.store.log(limit=1)[0]["revision"]
        self.store.update("a", {"text": "no bread"})
        self.assertEqual(self.store.search("loaf", as_of=then)[0]["text"], "one loaf")
        self.assertEqual(self.store.search("loaf"), [])

    def test_a_search_by_vector(self):
        with Store(self.path("vectors"), embedder="hash") as store:
            wanted = store.add("blue whale")
            store.add("tax return")
            store.embed_pending()
            found = store.search("blue whale", mode="vector", k=1)
            self.assertEqual(found[0]["id"], wanted)
            with self.assertRaises(errors.InvalidError):
                store.search_vector([0.5, 0.5])
            for vector in ([0.0] * 3 + ["x"],):
                with self.assertRaises(errors.InvalidError):
                    store.search_vector(vector)
            model, dimension = store.model
            self.assertIn("hash", model)
            vector = store.embed(["blue whale"], query=True)[0]
            self.assertEqual(len(vector), dimension)
            self.assertAlmostEqual(sum(x * x for x in vector), 1, places=4)
            self.assertEqual(store.search_vector(vector, k=2)[0]["id"], wanted)
            self.assertEqual(len(store.search_vector(list(vector), k=2)), 2)

    def test_vectors_are_written_where_the_caller_wants_them(self):
        with Store(self.path("vectors"), embedder="hash") as store:
            dimension = store.model[1]
            out = array.array("f", bytes(2 * dimension * 4))
            self.assertIs(store.embed(["a b c", "d e f"], out=out), out)
            self.assertEqual(out[dimension:], store.embed(["d e f"])[0])
            for wrong in (array.array("f", [0.0]), array.array("d", bytes(2 * dimension * 8)), bytes(2 * dimension * 4)):
                with self.assertRaises(errors.InvalidError):
                    store.embed(["a", "b"], out=wrong)
            with self.assertRaises(errors.InvalidError):
                store.embed("one text")
            self.assertEqual(store.embed([]), [])
        with self.assertRaises(errors.UnsupportedError):
            self.store.embed(["x"])

    def test_bad_questions(self):
        self.assertEqual(self.store.search(""), [])
        for question in (dict(query="x", k=0), dict(query="x", k=10**9), dict(query="x", mode="magic")):
            with self.subTest(question), self.assertRaises(errors.InvalidError):
                self.store.search(**question)


class History(Case):
    def test_who_changed_what(self):
        self.store.put({"id": "a", "text": "one"}, author="Ada", note="first try")
        self.store.update("a", {"text": "two"}, author="Bob")
        log = self.store.log("a")
        self.assertEqual([r["author"] for r in log], ["Bob", "Ada"])
        change = self.store.diff()[0]
        self.assertEqual((change["id"], change["change"]), ("a", "changed"))
        self.assertIn({"field": "text", "before": "one", "after": "two"}, change["fields"])

    def test_revert_and_restore(self):
        self.store.put({"id": "a", "text": "one"})
        first = self.store.log(limit=1)[0]["revision"]
        self.store.update("a", {"text": "two"})
        self.assertEqual(len(self.store.revert("HEAD")), 40)
        self.assertEqual(self.store["a"]["text"], "one")
        self.store.delete("a")
        self.store.restore("a", first)
        self.assertEqual(self.store.get("a")["text"], "one")
        self.assertIsNone(self.store.get("a", as_of="HEAD~1"))
        with self.assertRaises(errors.NotFoundError):
            self.store.get("a", as_of="0123456789")

    def test_stock_git_reads_the_store(self):
        self.store.add("Moving day is Tuesday.")
        said = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", self.store.path, "log", "--oneline"], capture_output=True, text=True
        )
        self.assertIn("Moving day is Tuesday.", said.stdout)


class Life(Case):
    def test_an_empty_store_is_true_and_a_closed_one_is_not(self):
        self.assertTrue(self.store)
        self.store.close()
        self.assertFalse(self.store)

    def test_closed_stores_say_so(self):
        self.store.close()
        self.store.close()
        self.assertTrue(self.store.closed)
        for call in (lambda: self.store.add("x"), lambda: self.store.backend, lambda: len(self.store)):
            with self.assertRaises(errors.StateError):
                call()
        self.assertIn("closed", repr(self.store))

    def test_a_store_that_is_not_there(self):
        with self.assertRaises(errors.NotFoundError):
            Store(self.path("nowhere"), create=False)
        with self.assertRaises(errors.NotFoundError) as caught:
            Store(self.path("new"), backend="no-such-backend")
        self.assertEqual(caught.exception.field, "backend")

    def test_a_read_only_store_refuses_writes(self):
        self.store.add("x")
        with Store(self.store.path, read_only=True) as reader:
            self.assertEqual(len(reader), 1)
            with self.assertRaises(errors.ReadOnlyError):
                reader.add("y")

    def test_two_handles_see_each_other(self):
        with Store(self.store.path) as other:
            id = other.add("from the other")
            self.assertEqual(self.store.search("other")[0]["id"], id)

    def test_figures_digest_and_flush(self):
        self.store.add("x")
        figures = self.store.stats()
        self.assertEqual((figures["records"], figures["backend"]), (1, "git"))
        digest, count = self.store.digest()
        self.assertEqual((len(digest), count), (64, 1))
        self.store.flush()

    def test_another_backend_takes_over(self):
        for i in range(20):
            self.store.add(f"memory {i}")
        phases = []
        before = self.store.digest()
        report = self.store.swap("sqlite", progress=lambda phase, done, total: phases.append(phase))
        self.assertEqual((report["records"], report["backend"], self.store.backend), (20, "sqlite", "sqlite"))
        self.assertEqual(self.store.digest(), before)
        self.assertIn("copying", phases)
        with self.assertRaises(errors.NotFoundError):
            self.store.swap("no-such-backend")

    def test_a_deadline_and_a_token(self):
        with self.assertRaises(errors.TimeoutError):
            self.store.add("late", timeout=1e-9)
        token = CancelToken()
        token.cancel()
        self.assertTrue(token.cancelled)
        with self.assertRaises(errors.CancelledError):
            self.store.add("taken back", cancel=token)
        self.assertEqual(len(self.store), 0)

    def test_errors_are_built_in_ones_as_well(self):
        self.assertTrue(issubclass(errors.NotFoundError, LookupError))
        self.assertTrue(issubclass(errors.InvalidError, ValueError))
        self.assertIs(errors.class_of(-999), errors.QuipuError)
        with self.assertRaises(ValueError) as caught:
            self.store.put({"text": "x", "metadata": 3})
        self.assertEqual((caught.exception.field, caught.exception.name), ("metadata", "INVALID"))
        for record in ({"text": float("nan")}, {"text": object()}, "text"):
            with self.subTest(str(record)), self.assertRaises(errors.InvalidError):
                self.store.put(record)


class Threads(Case):
    def test_threads_write_and_read_together(self):
        def work(number):
            for i in range(20):
                self.store.put({"id": f"t{number}-{i}", "text": f"thread {number}, {i}"})
                self.store.get(f"t{number}-{i}")

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(self.store), 160)

    def test_close_waits_for_calls_under_way(self):
        stop, faults = threading.Event(), []

        def work():
            while not stop.is_set():
                try:
                    self.store.add("x")
                except errors.StateError:
                    return
                except Exception as why:
                    faults.append(why)
                    return

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(self.store) == 0:
            time.sleep(0.001)
        self.store.close()
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])

    def test_a_hundred_forks(self):
        self.store.add("before")
        for i in range(100):
            child = os.fork()
            if child == 0:
                try:
                    good = len(self.store) == i + 1 and self.store.add(f"child {i}")
                finally:
                    os._exit(0 if good else 1)
            self.assertEqual(os.waitpid(child, 0)[1], 0, f"child {i}")
        self.assertEqual(len(self.store), 101)


class Loops(Case):
    def run_async(self, make):
        async def main():
            async with AsyncStore(self.path("async")) as store:
                return await make(store)

        return asyncio.run(main())

    def test_every_call_is_a_coroutine(self):
        async def use(store):
            id = await store.add("bread at nine", user="ada")
            await store.put({"id": "b", "text": "two"})
            await store.update("b", {"text": "three"})
            self.assertEqual((await store.get("b"))["text"], "three")
            self.assertEqual((await store.search("bread"))[0]["id"], id)
            self.assertEqual(len(await store.list()), 2)
            self.assertEqual({r["id"] async for r in store.iterate(page=1)}, {id, "b"})
            await store.put_many([{"text": "x"}])
            await store.write([Delete("b")])
            await store.delete(id)
            self.assertEqual((await store.stats())["records"], 1)
            self.assertTrue(await store.log())
            with self.assertRaises(AttributeError):
                getattr(store, "no_such_call")  # noqa: B009

        self.run_async(use)

    def test_ten_thousand_awaits_need_few_threads(self):
        async def use(store):
            await store.add("bread")
            answers = await asyncio.gather(*[store.get("nothing") for _ in range(10000)])
            self.assertEqual(len(answers), 10000)
            self.assertLess(threading.active_count(), 20)

        self.run_async(use)

    def test_the_loop_goes_on_meanwhile(self):
        async def use(store):
            ticks = 0

            async def tick():
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0)

            ticker = asyncio.create_task(tick())
            await asyncio.gather(*[store.add(f"n {i}") for i in range(20)])
            ticker.cancel()
            return ticks

        self.assertGreater(self.run_async(use), 5)

    def test_a_cancelled_task_takes_its_call_back(self):
        async def use(store):
            store._executor()
            gate = threading.Event()
            blockers = [asyncio.ensure_future(store._run(gate.wait)) for _ in range(8)]
            await asyncio.sleep(0)
            task = asyncio.ensure_future(store.add("never"))
            await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            gate.set()
            await asyncio.gather(*blockers)
            self.assertEqual((await store.stats())["records"], 0)

        self.run_async(use)

    def test_wrong_settings(self):
        with self.assertRaises(ValueError):
            AsyncStore(self.path("async"), workers=0)


class Processes(Case):
    def python(self, program, **environment):
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={**os.environ, **environment},
            cwd=self.folder.name,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def test_the_interpreter_ends_with_calls_in_flight(self):
        said = self.python(
            """
            import quipu, threading, time
            store = quipu.Store("store")
            def work():
                while True:
                    store.add("x")
            for _ in range(4):
                threading.Thread(target=work, daemon=True).start()
            while len(store) < 4:
                time.sleep(0.001)
            """
        )
        self.assertEqual(said.returncode, 0, said.stderr)
        with Store(self.path("store")) as store:
            self.assertGreaterEqual(len(store), 4)
            self.assertEqual(len(list(store)), len(store))

    def test_a_library_that_is_not_there(self):
        said = self.python("import quipu.native as n; print(n._candidates())", QUIPU_LIBRARY="/nowhere/libquipu.so")
        self.assertNotIn("/nowhere", said.stdout)
        Path(self.path("not-elf.so")).write_text("x")
        said = self.python("import quipu", QUIPU_LIBRARY=self.path("not-elf.so"))
        self.assertIn("cannot be loaded", said.stderr)

    def test_a_sub_interpreter_is_refused_politely(self):
        said = self.python(
            """
            try:
                import _interpreters as interpreters
            except ImportError:
                import _xxsubinterpreters as interpreters
            id = interpreters.create()
            program = "try:\\n    import quipu\\nexcept ImportError as why:\\n    print(why)"
            try:
                interpreters.run_string(id, program)
            except AttributeError:
                interpreters.exec(id, program)
            """
        )
        self.assertIn("main interpreter", said.stdout + said.stderr)

    def test_numpy_arrays_are_read_where_they_lie(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        vector = numpy.zeros(8, dtype=numpy.float32)
        pointer, count = quipu.native.floats_of(vector)
        self.assertEqual(count, 8)
        vector[3] = 2.5
        self.assertEqual(pointer[3], 2.5)
        vector.setflags(write=False)
        pointer, count = quipu.native.floats_of(vector)
        self.assertEqual((pointer[3], count), (2.5, 8))
        numpy.dot(numpy.ones((64, 64), numpy.float32), numpy.ones((64, 64), numpy.float32))  # its own OpenBLAS
        with Store(self.path("numpy"), embedder="hash") as store:
            store.add("beside numpy")
            self.assertEqual(len(store.search("numpy")), 1)


if __name__ == "__main__":
    unittest.main()
