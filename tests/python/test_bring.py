"""Bringing memories along: every format, and of each a damaged source: the rest arrives, what is damaged is named."""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import pickle
import sqlite3
import tempfile
import unittest

from quipu import Store, bring, gpickle


def digest_of(path):
    """Of every file below, with its name and time."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [(str(p), p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.store = Store(self.root / "store", backend="git", author="tester")
        self.addCleanup(self.store.close)

    def write(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def bring(self, format, source, **scope):
        """Brings, and checks that it was one change set at most and that the source is as it was."""
        before, revisions = digest_of(source), len(self.store.log())
        report = bring.bring(self.store, format, source, **scope)
        self.assertEqual(digest_of(source), before)
        self.assertEqual(len(self.store.log()) - revisions, 1 if report.records else 0)
        return report

    def texts(self, **question):
        return sorted(record["text"] for record in self.store.iterate(**question))


MEM0 = [
    {
        "id": "m1",
        "memory": "Likes rye bread.",
        "hash": "abc",
        "metadata": {"shop": "east"},
        "user_id": "ada",
        "created_at": "2025-05-01T10:00:00.123456-07:00",
    },
    {"id": "m2", "memory": "Meets at nine.", "user_id": "ada", "agent_id": "bot", "role": "user", "categories": ["time"]},
    {"id": "m3", "memory": "Is called Ada."},
]


class Mem0(Case):
    def test_an_export(self):
        source = self.write("mem0.json", json.dumps({"results": MEM0}))
        report = self.bring("mem0", source, user="bob")
        self.assertEqual((report.records, report.changed, report.unread), (3, 3, []))
        record = self.store["m1"]
        self.assertEqual((record["scope"], record["metadata"]), ({"user": "ada"}, {"shop": "east", "hash": "abc"}))
        self.assertEqual(record["created_at"], "2025-05-01T17:00:00.123456Z")
        self.assertEqual(self.store["m2"]["scope"], {"user": "ada", "agent": "bot"})
        self.assertEqual(self.store["m3"]["scope"], {"user": "bob"})
        self.assertEqual(self.store.log(limit=1)[0]["revision"], report.revision)

    def test_twice_is_once(self):
        source = self.write("mem0.json", json.dumps(MEM0))
        self.bring("mem0", source)
        first = self.store.digest()
        bring.bring(self.store, "mem0", source)
        self.assertEqual(self.store.digest()[1], first[1])

    def test_lines(self):
        report = self.bring("mem0", self.write("mem0.jsonl", "\n".join(map(json.dumps, MEM0))))
        self.assertEqual(report.records, 3)

    def test_damaged(self):
        whole = json.dumps(MEM0, indent=2)
        report = self.bring("mem0", self.write("cut.json", whole[: whole.index("Is called")]))
        self.assertEqual(self.texts(), ["Likes rye bread.", "Meets at nine."])
        self.assertIn("cut.json", report.unread[0][0])
        middle = whole.replace('"memory": "Meets', '"memory" "Meets')
        report = self.bring("mem0", self.write("middle.json", middle))
        self.assertEqual((report.records, len(report.unread)), (2, 1))

    def test_a_wrong_item_is_named_and_the_rest_arrives(self):
        report = self.bring("mem0", self.write("mem0.json", json.dumps([*MEM0, 7, {"id": "x" * 300, "memory": "long id"}])))
        self.assertEqual(report.records, 3)
        self.assertEqual([where for where, _ in report.unread], ["mem0.json, item 3", "x" * 300])

    def test_there_and_back(self):
        self.bring("mem0", self.write("mem0.json", json.dumps(MEM0)))
        self.assertEqual(bring.export(self.store, "mem0", self.root / "out.json"), 3)
        back = {item["id"]: item for item in json.loads((self.root / "out.json").read_text())}
        self.assertEqual(back["m1"]["memory"], "Likes rye bread.")
        self.assertEqual((back["m1"]["hash"], back["m1"]["user_id"], back["m2"]["categories"]), ("abc", "ada", ["time"]))


class AgentZero(Case):
    ITEMS = {
        "mem_1": {
            "id": "mem_1",
            "data": {"content": "Rye."},
            "text_for_embedding": "Rye.",
            "embedding": [0.5, 1.0],
            "type": "generic_memory",
            "metadata": {"a": 1},
        },
        "mem_2": {"id": "mem_2", "data": "Nine.", "text_for_embedding": "Nine.", "embedding": [], "type": "t", "metadata": {}},
    }
    TRIPLETS = [
        {"head": "Ada", "relation": "likes", "tail": "rye", "properties": {"since": 3}, "user_id": "u"},
        {"head": "Ada", "relation": "knows", "tail": "Bob", "properties": {}},
    ]

    def test_a_folder(self):
        self.write("old/vector_store.json", json.dumps(self.ITEMS, indent=2))
        self.write("old/graph_store_list.json", json.dumps(self.TRIPLETS))
        report = self.bring("agent-zero", self.root / "old", agent="zero")
        self.assertEqual((report.records, report.unread), (4, []))
        self.assertEqual(self.store["mem_1"]["value"]["embedding"], [0.5, 1.0])
        relations = self.store.graph({"op": "read"}, agent="zero")["relations"]
        self.assertEqual(
            {(r["from"], r["relationType"], r["to"]) for r in relations}, {("Ada", "likes", "rye"), ("Ada", "knows", "Bob")}
        )

    def test_damaged(self):
        whole = json.dumps(self.ITEMS, indent=2)
        self.write("old/vector_store.json", whole[: whole.index("Nine.")])
        self.write("old/graph_store_list.json", json.dumps(self.TRIPLETS)[:-30])
        report = self.bring("agent-zero", self.root / "old")
        self.assertEqual((report.records, len(report.unread)), (2, 2))
        self.assertIn("mem_1", self.store)

    def test_a_pickle_is_named_and_not_opened(self):
        self.write("old/vector_store.json", json.dumps(self.ITEMS))
        self.write("old/graph_store.gpickle", pickle.dumps({}))
        report = self.bring("agent-zero", self.root / "old")
        self.assertEqual([where for where, _ in report.unread], ["graph_store.gpickle"])


class Graph:
    """Stands for networkx' MultiDiGraph where that is not installed: the same state."""

    def __init__(self, count):
        self._adj = {}
        for i in range(count):
            self._adj[f"n{i}"] = {f"n{i + 1}": {"knows": {"relation_type": "knows", "user_id": "u", "since": i}}}
        self._succ = self._adj


class Call:
    called = []

    def __reduce__(self):
        return Call.called.append, ("called",)


class Pickles(Case):
    def test_every_protocol(self):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            triplets, fault = gpickle.read_triplets(pickle.dumps(Graph(20), protocol))
            self.assertEqual((len(triplets), fault), (20, None), protocol)
            wanted = {"head": "n3", "relation": "knows", "tail": "n4", "user_id": "u", "properties": {"since": 3}}
            self.assertEqual(triplets[3], wanted)

    def test_nothing_is_called(self):
        data = pickle.dumps({"_adj": {"a": {"b": {"k": {"x": Call(), "y": 1}}}}})
        self.assertEqual(gpickle.read_triplets(data)[0][0]["properties"], {"y": 1})
        self.assertEqual(Call.called, [])

    def test_a_damaged_one_gives_its_beginning(self):
        for protocol in range(1, pickle.HIGHEST_PROTOCOL + 1):
            data = pickle.dumps(Graph(50), protocol)
            triplets, fault = gpickle.read_triplets(data[: len(data) * 3 // 4])
            self.assertTrue(0 < len(triplets) <= 50, (protocol, len(triplets)))
            self.assertIn("damaged at byte", fault)

    def test_garbage_and_bombs_end(self):
        for data in (b"", b"\x80\x04.", b"no pickle", b"\x80\x04]\x94" + b"(h\x00h\x00t\x94" * 1000, bytes(range(256))):
            self.assertEqual(gpickle.read_triplets(data)[0], [])
        bomb = b"\x80\x04]\x94"
        for level in range(60):  # a list of two times the one before, sixty times over
            bomb += b"(" + b"h" + bytes([level]) + b"h" + bytes([level]) + b"l\x94"
        head = pickle.dumps({"_adj": {"a": {"b": {"k": {"x": "PLACE"}}}}}, 2)
        self.assertEqual(gpickle.read_triplets(head)[0][0]["properties"], {"x": "PLACE"})
        self.assertEqual(gpickle.read_triplets(bomb + b".")[0], [])
        nested = []
        for _ in range(60):
            nested = [nested, nested]
        self.assertEqual(
            gpickle.read_triplets(pickle.dumps({"_adj": {"a": {"b": {"k": {"x": nested}}}}}))[0][0]["properties"], {}
        )

    def test_the_command(self):
        source = self.write("graph_store.gpickle", pickle.dumps(Graph(3)))
        before, target = digest_of(source), self.root / "graph_store_list.json"
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(gpickle.main([str(source), str(target)]), 0)
            self.assertEqual(gpickle.main([str(source), str(target)]), 2)
            source.write_bytes(source.read_bytes()[:-20])
            self.assertEqual(gpickle.main([str(source), str(self.root / "other.json")]), 1)
        self.assertNotEqual(digest_of(source), before)
        self.assertEqual(len(json.loads(target.read_text())), 3)


class Jarvis(Case):
    def rows(self, count=3):
        return [
            {
                "id": f"j{i}",
                "category": "preferences",
                "key": f"theme{i}",
                "value": {"mode": "dark", "i": i},
                "tags": ["ui", "a"],
                "entity_type": "user",
                "entity_id": "ada",
                "timestamp": "2025-05-01T10:00:00",
                "provenance": {"module": "settings"},
            }
            for i in range(count)
        ]

    def database(self, name, rows):
        path = self.root / name
        with contextlib.closing(sqlite3.connect(path)) as database:
            columns = "id, category, key, value, tags, entity_type, entity_id, timestamp, provenance"
            database.execute(f"CREATE TABLE memories ({columns})")
            for row in rows:
                values = [json.dumps(v) if isinstance(v, (dict, list)) else v for v in row.values()]
                database.execute(f"INSERT INTO memories VALUES ({','.join('?' * 9)})", values)
            database.commit()
        return path

    def test_a_database_and_a_file(self):
        for source in (self.database("memory.db", self.rows()), self.write("memory.json", json.dumps(self.rows(4)))):
            report = self.bring("jarvis", source, user="ada")
            self.assertEqual(report.unread, [])
            record = self.store["j2"]
            self.assertEqual(
                (record["category"], record["key"], record["value"]), ("preferences", "theme2", {"mode": "dark", "i": 2})
            )
            self.assertEqual((record["tags"], record["entity"]), (["a", "ui"], {"id": "ada", "type": "user"}))
            self.assertEqual(record["created_at"], "2025-05-01T10:00:00Z")
        self.assertIn("j3", self.store)
        self.assertEqual(sorted(p.name for p in self.root.iterdir()), ["memory.db", "memory.json", "store"])

    def test_a_damaged_file(self):
        whole = json.dumps({row["id"]: row for row in self.rows()}, indent=1)
        report = self.bring("jarvis", self.write("memory.json", whole[:-200]))
        self.assertEqual((report.records, len(report.unread)), (2, 1))

    def test_a_damaged_database(self):
        rows = self.rows(400)
        path = self.database("memory.db", rows)
        data = bytearray(path.read_bytes())
        middle = len(data) // 2 // 4096 * 4096
        data[middle : middle + 4096] = b"\xff" * 4096
        path.write_bytes(data)
        report = self.bring("jarvis", path)
        self.assertTrue(300 <= report.records < 400, report.records)
        self.assertIn("is damaged", report.unread[0][1])
        self.assertIn("j0", self.store)
        self.assertIn("j399", self.store)
        path.write_bytes(b"this is no database" * 100)
        self.assertIn("cannot be read", bring.bring(self.store, "jarvis", path).unread[0][1])

    def test_a_value_that_is_no_json_is_kept_and_named(self):
        row = {**self.rows(1)[0], "value": "{half"}
        report = self.bring("jarvis", self.database("memory.db", [row]))
        self.assertEqual(self.store["j0"]["value"], {"text": "{half"})
        self.assertEqual([where for where, _ in report.unread], ["memory.db, j0"])


class Synthians(Case):
    def test_a_folder_with_a_damaged_file(self):
        for i in range(3):
            entry = {"id": f"mem_{i}", "content": f"loaf {i}", "quickrecal_score": 0.5, "embedding": [0.1]}
            self.write(f"old/memories/mem_{i}.json", json.dumps(entry))
        self.write("old/assemblies/asm_1.json", json.dumps({"id": "asm_1", "name": "bread", "memories": ["mem_0"]}))
        self.write("old/memories/mem_9.json", '{"id": "mem_9", "content": "ha')
        report = self.bring("synthians", self.root / "old")
        self.assertEqual((report.records, [where for where, _ in report.unread]), (4, ["memories/mem_9.json"]))
        self.assertEqual(self.store["asm_1"]["links"], [{"rel": "member", "to": "mem_0"}])


MCP = (
    '{"type":"entity","name":"Ana","entityType":"person","observations":["likes tea","is tall"]}\n'
    '{"type":"entity","name":"Bo","entityType":"person","observations":[]}\n'
    '{"type":"relation","from":"Ana","to":"Bo","relationType":"knows"}'
)


class Mcp(Case):
    def test_there_and_back(self):
        source = self.write("memory.jsonl", MCP)
        self.assertEqual(self.bring("mcp", source, user="u").records, 3)
        self.assertEqual(bring.export(self.store, "mcp", self.root / "out.jsonl", user="u"), 3)
        self.assertEqual((self.root / "out.jsonl").read_text(), MCP.replace(":", ": ").replace(",", ", "))
        self.assertEqual(bring.bring(self.store, "mcp", source, user="u").changed, 0)

    def test_what_is_there_is_merged(self):
        self.store.graph(
            {"op": "create_entities", "entities": [{"name": "Ana", "entityType": "person", "observations": ["old"]}]}
        )
        self.bring("mcp", self.write("memory.jsonl", MCP))
        ana = self.store.graph({"op": "open", "names": ["Ana"]})["entities"][0]
        self.assertEqual(ana["observations"], ["old", "likes tea", "is tall"])

    def test_damaged(self):
        lines = MCP.split("\n")
        source = self.write(
            "memory.jsonl", "\n".join([lines[0], '{"type":"entity","name', '{"type":"thing"}', *lines[1:]]).encode()
        )
        report = self.bring("mcp", source)
        self.assertEqual(report.records, 3)
        self.assertEqual([where for where, _ in report.unread], ["memory.jsonl, line 2", "memory.jsonl, line 3"])


NOTE = """---
title: Rye bread
type: recipe
permalink: food/rye
tags:
- bread
- slow
---
# Rye bread

- [step] Bake at noon #bread
- uses [[Flour]]
"""


class BasicMemory(Case):
    def test_there_and_back(self):
        self.write("notes/food/rye.md", NOTE)
        self.write("notes/plain.md", "Just text.\n")
        report = self.bring("basic-memory", self.root / "notes")
        self.assertEqual((report.records, report.unread), (5, []))
        note = self.store.list(filter={"key": "food/rye"})[0]
        self.assertEqual((note["tags"], note["metadata"]["title"]), (["bread", "slow"], "Rye bread"))
        graph = self.store.graph({"op": "open", "names": ["Rye bread"]})
        self.assertEqual(graph["entities"][0]["observations"], ["[step] Bake at noon #bread"])
        self.assertEqual(self.store.graph({"op": "read"})["relations"][0]["to"], "Flour")
        self.assertEqual(bring.export(self.store, "basic-memory", self.root / "out"), 2)
        self.assertEqual((self.root / "out/food/rye.md").read_text(), NOTE)

    def test_damaged(self):
        self.write("notes/good.md", NOTE)
        self.write("notes/bytes.md", b"caf\xe9 opens at nine\n")
        self.write("notes/front.md", "---\ntitle: never ends\nText.\n")
        report = self.bring("basic-memory", self.root / "notes")
        self.assertEqual([where for where, _ in report.unread], ["bytes.md, byte 3", "front.md"])
        self.assertEqual(len(self.store.list(filter={"category": "note"})), 3)

    def test_a_note_never_leaves_its_folder(self):
        self.store.put({"id": "n", "category": "note", "text": "x", "value": {"markdown": "x"}, "metadata": {"path": "../x.md"}})
        with self.assertRaises(ValueError):
            bring.export(self.store, "basic-memory", self.root / "out")
        self.assertFalse(os.path.exists(self.root / "x.md"))


class Command(Case):
    def test_statuses(self):
        source = self.write("mem0.json", json.dumps([*MEM0, 7]))
        store = ["--store", str(self.root / "other"), "--user", "u"]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.assertEqual(bring.main(["mem0", str(source), *store]), 1)
            self.assertEqual(bring.main(["mem0", str(self.root / "nowhere"), *store]), 2)
            self.assertEqual(bring.main(["nothing", str(source), *store]), 2)
            self.assertEqual(bring.main(["--export", "mem0", str(self.root / "back.json"), *store]), 0)
            self.assertEqual(bring.main(["--export", "jarvis", str(self.root / "back.db"), *store]), 2)
        self.assertIn("3 records read, 3 changed", out.getvalue())
        self.assertIn("mem0.json, item 3: is no item of this format", err.getvalue())


if __name__ == "__main__":
    unittest.main()
