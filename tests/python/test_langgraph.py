"""LangGraph's store: its published behaviour, beside the reference InMemoryStore. Skips without langgraph."""

import asyncio
import os
import tempfile
import unittest

from quipu import Store
from quipu.langgraph import QuipuStore

try:
    from langgraph.store.base import (
        GetOp,
        InvalidNamespaceError,
        ListNamespacesOp,
        MatchCondition,
        PutOp,
        SearchOp,
    )
    from langgraph.store.memory import InMemoryStore
except ImportError:
    InMemoryStore = None


class Without(unittest.TestCase):
    @unittest.skipIf(InMemoryStore, "langgraph is installed")
    def test_the_module_is_imported_and_says_what_is_missing(self):
        with self.assertRaisesRegex(ImportError, "pip install langgraph"):
            QuipuStore("/tmp/never")


@unittest.skipUnless(InMemoryStore, "langgraph is not installed; make test-hosts fetches it")
class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "store")
        self.store = QuipuStore(self.path)
        self.addCleanup(self.store.close)
        self.reference = InMemoryStore()

    def both(self, call):
        """What the call gives on both; equal but for times."""

        def plain(result):
            if isinstance(result, list):
                return [plain(part) for part in result]
            return (result.namespace, result.key, result.value) if hasattr(result, "namespace") else result

        mine, theirs = plain(call(self.store)), plain(call(self.reference))
        self.assertEqual(mine, theirs)
        return mine

    def fill(self):
        for n, (namespace, key, value) in enumerate(
            [
                (("users", "ada"), "food", {"likes": "pizza", "n": 1, "tags": ["a", "b"]}),
                (("users", "ada"), "work", {"likes": "late meetings", "n": 2, "deep": {"x": 1}}),
                (("users", "bob"), "food", {"likes": "pasta", "n": 3}),
                (("docs",), "readme", {"text": "how to install", "n": 4.5}),
                (("users", "ada", "old"), "food", {"likes": "soup", "n": None}),
            ]
        ):
            for store in (self.store, self.reference):
                store.put(namespace, key, value)
            self.assertLess(n, 5)


class Items(Case):
    def test_put_get_delete(self):
        self.fill()
        self.both(lambda s: s.get(("users", "ada"), "food"))
        self.both(lambda s: s.get(("users", "ada"), "nothing"))
        item = self.store.get(("users", "ada"), "food")
        self.assertLessEqual(item.created_at, item.updated_at)
        self.assertIsNotNone(item.created_at.tzinfo)
        for store in (self.store, self.reference):
            store.delete(("users", "ada"), "food")
            store.delete(("users", "ada"), "never there")
            store.put(("users", "ada"), "work", {"new": True})
        self.both(lambda s: s.get(("users", "ada"), "food"))
        self.both(lambda s: s.get(("users", "ada"), "work"))

    def test_wrong_namespaces_are_refused(self):
        for namespace in ((), ("a.b",), ("",), ("langgraph", "x"), (3,)):
            with self.subTest(namespace), self.assertRaises(InvalidNamespaceError):
                self.store.put(namespace, "k", {"x": 1})
        with self.assertRaises(InvalidNamespaceError):
            self.store.batch([PutOp(("a.b",), "k", {"x": 1})])

    def test_it_is_there_in_the_next_run(self):
        self.fill()
        self.store.close()
        with QuipuStore(self.path) as again:
            self.assertEqual(again.get(("docs",), "readme").value["n"], 4.5)

    def test_an_item_has_a_history(self):
        self.store.put(("a",), "k", {"v": 1})
        self.store.put(("a",), "k", {"v": 2})
        id = self.store.id_of(("a",), "k")
        self.assertEqual(len(self.store.store.log(id)), 2)
        self.store.store.revert("HEAD")
        self.assertEqual(self.store.get(("a",), "k").value, {"v": 1})

    def test_graphs_share_a_store_by_app(self):
        with QuipuStore(self.store.store, app="one") as one:
            one.put(("a",), "k", {"v": 1})
            self.assertIsNone(QuipuStore(self.store.store, app="two").get(("a",), "k"))
            self.assertEqual(QuipuStore(self.store.store, app="two").search(("a",)), [])
            self.assertEqual(one.get(("a",), "k").value, {"v": 1})
        self.assertFalse(self.store.store.closed)  # it was not opened there


class Searches(Case):
    def test_by_prefix(self):
        self.fill()
        for prefix in ((), ("users",), ("users", "ada"), ("use",), ("docs",)):
            self.both(lambda s, prefix=prefix: s.search(prefix))
        self.both(lambda s: s.search(("users",), limit=2))
        self.both(lambda s: s.search(("users",), limit=2, offset=1))
        self.both(lambda s: s.search(("users",), offset=10))

    def test_by_filter(self):
        self.fill()
        for filter in (
            {"likes": "pizza"},
            {"n": 2},
            {"n": {"$eq": 3}},
            {"n": {"$ne": 3}},
            {"tags": ["a", "b"]},
            {"tags": ["a"]},
            {"deep": {"x": 1}},
            {"absent": None},
            {"likes": {"$ne": "pizza"}, "n": 3},
        ):
            with self.subTest(filter):
                self.both(lambda s, filter=filter: s.search((), filter=filter))
        bounds = [({"$gt": 2}, {3, 4.5}), ({"$gte": 2}, {2, 3, 4.5}), ({"$lt": 2}, {1}), ({"$gte": 2, "$lte": 3}, {2, 3})]
        for filter, wanted in bounds:
            self.assertEqual({item.value["n"] for item in self.store.search((), filter={"n": filter})}, wanted)
        with self.assertRaises(ValueError):
            self.store.search((), filter={"n": {"$like": 2}})

    def test_by_words(self):
        self.fill()
        found = self.store.search(("users",), query="what pizza does she like?")
        self.assertEqual(found[0].value["likes"], "pizza")
        self.assertGreater(found[0].score, 0)
        self.assertEqual(len(found), 4)  # the rest follows unscored
        self.assertIsNone(found[-1].score)
        self.assertEqual([i.value["n"] for i in self.store.search((), query="pizza", filter={"n": {"$gt": 1}}, limit=1)], [2])

    def test_index_fields(self):
        with QuipuStore(self.store.store, index={"fields": ["title", "parts[*].name"]}) as store:
            store.put(("x",), "1", {"title": "apple", "body": "hidden"})
            store.put(("x",), "2", {"title": "pear", "parts": [{"name": "stem"}, {"name": "seed"}]})
            store.put(("x",), "3", {"title": "quince"}, index=False)
            store.put(("x",), "4", {"title": "plum", "body": "stone"}, index=["body"])
            scored = {
                query: [i.key for i in store.search(("x",), query=query) if i.score]
                for query in ("apple", "hidden", "seed", "quince", "stone", "plum")
            }
        self.assertEqual(scored, {"apple": ["1"], "hidden": [], "seed": ["2"], "quince": [], "stone": ["4"], "plum": []})


class Namespaces(Case):
    def test_list_namespaces(self):
        self.fill()
        self.both(lambda s: s.list_namespaces())
        self.both(lambda s: s.list_namespaces(prefix=("users",)))
        self.both(lambda s: s.list_namespaces(suffix=("ada",)))
        self.both(lambda s: s.list_namespaces(prefix=("users", "*", "old")))
        self.both(lambda s: s.list_namespaces(prefix=("users",), suffix=("old",)))
        self.both(lambda s: s.list_namespaces(max_depth=1))
        self.both(lambda s: s.list_namespaces(max_depth=2, limit=2, offset=1))
        with self.assertRaises(ValueError):
            self.store.batch([ListNamespacesOp(match_conditions=(MatchCondition("middle", ("a",)),))])


class Batches(Case):
    def test_reads_see_the_state_before_and_the_last_put_wins(self):
        self.fill()
        ops = [
            PutOp(("users", "ada"), "food", {"likes": "rice"}),
            GetOp(("users", "ada"), "food"),
            PutOp(("users", "ada"), "food", {"likes": "beans"}),
            SearchOp(("users", "ada"), filter={"likes": "beans"}),
            ListNamespacesOp(match_conditions=(MatchCondition("prefix", ("docs",)),)),
            PutOp(("docs",), "readme", None),
        ]
        before = len(self.store.store.log())
        results = self.both(lambda s: s.batch(ops))
        self.assertEqual(results[1][2]["likes"], "pizza")
        self.assertEqual(len(self.store.store.log()), before + 1)
        self.both(lambda s: s.get(("users", "ada"), "food"))
        self.both(lambda s: s.get(("docs",), "readme"))
        with self.assertRaises(ValueError):
            self.store.batch([object()])

    def test_async(self):
        async def use():
            await self.store.aput(("a",), "k", {"v": 1})
            self.assertEqual((await self.store.aget(("a",), "k")).value, {"v": 1})
            self.assertEqual(len(await self.store.asearch(("a",))), 1)
            self.assertEqual(await self.store.alist_namespaces(), [("a",)])
            await self.store.adelete(("a",), "k")
            self.assertIsNone(await self.store.aget(("a",), "k"))

        asyncio.run(use())

    def test_a_put_that_fails_changes_nothing(self):
        with self.assertRaises(ValueError):
            self.store.batch([PutOp(("a",), "1", {"v": 1}), PutOp(("a",), "2", {"v": object()})])
        self.assertIsNone(self.store.get(("a",), "1"))


class Ttl(Case):
    def test_an_item_ends(self):
        self.assertTrue(self.store.supports_ttl)
        self.store.put(("a",), "soon", {"v": 1}, ttl=0)
        self.store.put(("a",), "later", {"v": 2}, ttl=60)
        self.assertIsNone(self.store.get(("a",), "soon"))
        self.assertEqual([item.key for item in self.store.search(("a",))], ["later"])

    def test_reading_puts_the_end_off(self):
        self.store.put(("a",), "k", {"v": 1}, ttl=60)
        id = self.store.id_of(("a",), "k")
        first = self.store.store[id]["expires_at"]
        self.store.get(("a",), "k", refresh_ttl=False)
        self.assertEqual(self.store.store[id]["expires_at"], first)
        self.store.get(("a",), "k")
        self.assertGreater(self.store.store[id]["expires_at"], first)

    def test_the_default(self):
        with QuipuStore(self.store.store, ttl={"default_ttl": 5, "refresh_on_read": False}) as store:
            store.put(("a",), "k", {"v": 1})
            end = store.store[store.id_of(("a",), "k")]["expires_at"]
            store.get(("a",), "k")
            self.assertEqual(store.store[store.id_of(("a",), "k")]["expires_at"], end)


class WithAnEmbedder(Case):
    def test_meaning_counts_where_the_store_has_an_embedder(self):
        with Store(self.path + "-hash", embedder="hash") as inner, QuipuStore(inner) as store:
            store.put(("a",), "1", {"text": "the colour of the sea"})
            store.put(("a",), "2", {"text": "tax return"})
            self.assertEqual(store.search(("a",), query="colours of seas")[0].key, "1")


del Case  # it has no cases of its own

if __name__ == "__main__":
    unittest.main()
