"""Agent Zero: each line of the checklist of Mem0MemorySystem, the tool, and the store behind Memory.index of release 1.7."""

import asyncio
import contextlib
import io
import json
import os
import pathlib
import tempfile
import time
import unittest
from types import SimpleNamespace

from quipu import agent_zero_plugin
from quipu.agent_zero import Mem0MemorySystem, MemoryAgentTool
from quipu.agent_zero_plugin import DocumentStore

try:
    import networkx
except ImportError:
    networkx = None


def run(coroutine):
    return asyncio.run(coroutine)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.addCleanup(os.environ.pop, "OPENAI_API_KEY", None)
        os.environ.pop("OPENAI_API_KEY", None)
        self.printed = io.StringIO()
        self.memory = self.make()

    def make(self, agent="agent", config=None):
        with contextlib.redirect_stdout(self.printed):
            memory = Mem0MemorySystem(agent, config, str(self.folder / "deep" / "memory"))
        self.addCleanup(lambda: memory.memories.close())
        return memory

    def file(self, name="vector_store.json"):
        return self.folder / "deep" / "memory" / "agent" / name

    def again(self):
        """A new object on the same folder, as after a restart."""
        self.memory.memories.close()
        return self.make()


class Construction(Case):
    def test_the_folder_is_made_and_said(self):
        self.assertTrue(self.file().parent.is_dir())
        self.assertIn(f"Mem0MemorySystem: Persistence enabled at {self.file().parent}", self.printed.getvalue())

    def test_any_client_config_is_taken(self):
        memory = self.make("other", {"vector_store": {"provider": "nowhere"}, "llm": object()})
        self.assertIsNone(memory._llm_client_for_summary)
        run(memory.add("works"))

    def test_environment(self):
        self.assertEqual(self.memory.summary_llm_model, "gpt-4o-mini")
        os.environ["OPENAI_MODEL_SUMMARY"] = "other"
        self.addCleanup(os.environ.pop, "OPENAI_MODEL_SUMMARY")
        self.assertEqual(self.make("b").summary_llm_model, "other")

    def test_attributes(self):
        memory = self.memory
        self.assertEqual((memory.agent_id, memory.persistence_dir), ("agent", self.file().parent))
        self.assertEqual(memory.vector_store_file.name, "vector_store.json")
        self.assertEqual(memory.graph_store_file_nx.name, "graph_store.gpickle")
        self.assertEqual(memory.graph_store_file_list.name, "graph_store_list.json")
        self.assertEqual(memory.store, {})
        self.assertEqual(memory.graph_store is None, networkx is None)
        self.assertTrue(hasattr(memory, "_mem0_client"))
        vector = run(memory.embedding_generator.generate_single_embedding("text"))
        self.assertAlmostEqual(sum(x * x for x in vector), 1, places=4)

    def test_the_default_folder(self):
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        with contextlib.redirect_stdout(self.printed):
            memory = Mem0MemorySystem()
        self.addCleanup(memory.memories.close)
        self.assertTrue((self.folder / "memory/mem0_persistence/default_agent_zero_user").is_dir())


class Memories(Case):
    def test_item_shape(self):
        id = run(self.memory.add({"content": "likes tea", "n": 1}, metadata={"k": "v"}))
        item = self.memory.store[id]
        self.assertEqual(list(item), ["id", "data", "text_for_embedding", "embedding", "type", "metadata"])
        self.assertEqual(item["data"], {"content": "likes tea", "n": 1})
        self.assertEqual(
            (item["text_for_embedding"], item["type"], item["metadata"]), ("likes tea", "generic_memory", {"k": "v"})
        )
        self.assertGreater(len(item["embedding"]), 100)

    def test_add(self):
        id = run(self.memory.add("a text"))
        self.assertRegex(id, "^mem_[0-9a-f-]{36}$")
        self.assertEqual(run(self.memory.add("one", memory_id="m")), "m")
        self.assertEqual(run(self.memory.add("two", memory_id="m", text_for_embedding="")), "m")
        self.assertEqual((self.memory.store["m"]["data"], self.memory.store["m"]["embedding"]), ("two", []))
        self.assertEqual(len(self.memory.store), 2)

    def test_text_for_embedding(self):
        text = self.memory._get_text_for_embedding
        self.assertEqual(run(text("as is")), "as is")
        self.assertEqual(run(text({"content": "c", "text": "t"})), "c")
        self.assertEqual(run(text({"text": "t"})), "t")
        self.assertEqual(run(text({"n": [1]})), '{"n": [1]}')

    def test_the_vector_file_is_exact_after_each_call(self):
        run(self.memory.add("one", memory_id="m"))
        text = self.file().read_text()
        self.assertEqual(json.loads(text), self.memory.store)
        self.assertIn('\n  "m": {\n', text)  # indent 2
        run(self.memory.update("m", "two"))
        self.assertEqual(json.loads(self.file().read_text())["m"]["data"], "two")
        run(self.memory.delete("m"))
        self.assertEqual(json.loads(self.file().read_text()), {})

    def test_add_messages(self):
        messages = [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "  "},
            {"content": "no role"},
        ]
        ids = run(self.memory.add_messages(messages))
        self.assertEqual(len(ids), 2)
        first, last = (self.memory.store[id] for id in ids)
        self.assertEqual(first["data"], {"role": "user", "content": "hello", "original_message_index": 0})
        self.assertEqual(first["text_for_embedding"], "user: hello")
        self.assertEqual(first["metadata"], {"source_type": "message", "role": "user", "user_id": "agent"})
        self.assertEqual((last["data"]["original_message_index"], last["metadata"]["role"]), (2, "unknown"))
        (id,) = run(self.memory.add_messages(messages[:1], user_id_override="ada"))
        self.assertEqual(self.memory.store[id]["metadata"]["user_id"], "ada")

    def test_update(self):
        run(self.memory.add("one", memory_id="m", metadata={"a": 1, "b": 2}))
        before = self.memory.store["m"]["embedding"]
        self.assertTrue(run(self.memory.update("m", "something else", new_metadata={"b": 3})))
        item = self.memory.store["m"]
        self.assertEqual((item["data"], item["metadata"]), ("something else", {"a": 1, "b": 3}))
        self.assertNotEqual(item["embedding"], before)
        self.assertLess(abs(time.time() - time.mktime(time.strptime(item["updated_at"][:19], "%Y-%m-%dT%H:%M:%S"))), 90000)
        self.assertFalse(run(self.memory.update("absent", "x")))

    def test_delete(self):
        run(self.memory.add("one", memory_id="m"))
        self.assertTrue(run(self.memory.delete("m")))
        self.assertFalse(run(self.memory.delete("m")))
        self.assertEqual(self.again().store, {})

    def test_search(self):
        run(self.memory.add("the cat sleeps", memory_id="cat", metadata={"kind": "pet", "user_id": "ada"}))
        run(self.memory.add("tax return in May", memory_id="tax", metadata={"kind": "duty"}))
        found = run(self.memory.search("where does the cat sleep?"))
        self.assertEqual(found[0]["id"], "cat")
        self.assertIn("score", found[0])
        self.assertEqual(found[0]["data"], "the cat sleeps")
        self.assertEqual(len(run(self.memory.search("cat tax", limit=1))), 1)
        self.assertEqual([i["id"] for i in run(self.memory.search("cat tax", filters={"kind": "duty"}))], ["tax"])
        self.assertEqual([i["id"] for i in run(self.memory.search("cat tax", user_id_override="ada"))], ["cat"])
        self.assertEqual(run(self.memory.search("")), [])

    def test_get_and_get_all(self):
        run(self.memory.add("one", memory_id="m"))
        self.assertEqual(run(self.memory.get("m"))["data"], "one")
        self.assertIsNone(run(self.memory.get("absent")))
        self.assertEqual([i["id"] for i in run(self.memory.get_all())], ["m"])
        self.assertEqual(run(self.memory.get_all(user_id_override="nobody")), [])

    def test_an_embedding_generator_of_ones_own(self):
        class Letters:
            async def generate_single_embedding(self, text):
                return [float(text.count(letter)) for letter in "abc"]

        self.memory.embedding_generator = Letters()
        run(self.memory.add("aaa", memory_id="a"))
        run(self.memory.add("bbb", memory_id="b"))
        self.assertEqual(self.memory.store["a"]["embedding"], [3.0, 0.0, 0.0])
        found = run(self.memory.search("ab a"))
        self.assertEqual([i["id"] for i in found], ["a", "b"])
        self.assertAlmostEqual(found[0]["score"], 2 / 5**0.5)
        self.assertEqual(self.again().store["a"]["embedding"], [3.0, 0.0, 0.0])

    def test_reading_writes_no_files(self):
        run(self.memory.add("one", memory_id="m"))
        run(self.memory.add_knowledge_graph_triplets([{"head": "a", "relation": "r", "tail": "b"}]))
        before = {path: path.stat().st_mtime_ns for path in self.file().parent.glob("*.json")}
        revision = self.memory.memories.log(limit=1)
        run(self.memory.search("one"))
        run(self.memory.get("m"))
        run(self.memory.get_all())
        run(self.memory.search_knowledge_graph("a"))
        run(self.memory.summarize_memory_content(["m"]))
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.file().parent.glob("*.json")}, before)
        self.assertEqual(self.memory.memories.log(limit=1), revision)

    def test_it_survives_a_restart(self):
        run(self.memory.add({"content": "tea"}, memory_id="m", metadata={"k": 1}))
        before = dict(self.memory.store["m"])
        after = self.again()
        after.flush()
        self.assertEqual(after.store["m"], before)

    def test_what_was_there_before_is_taken_over(self):
        old = {
            "mem_1": {
                "id": "mem_1",
                "data": "old",
                "text_for_embedding": "old",
                "embedding": [1.0],
                "type": "generic_memory",
                "metadata": {"m": 1},
            },
            "bad": 3,
        }
        self.file().write_text(json.dumps(old))
        memory = self.again()
        self.assertEqual(list(memory.store), ["mem_1"])
        self.assertIn("bad is no item", self.printed.getvalue())
        self.assertEqual(run(memory.search("old"))[0]["id"], "mem_1")
        self.assertEqual(memory.memories.log(limit=1)[0]["operation"], "import")

    def test_a_corrupt_file_is_printed_and_kept(self):
        self.file().write_text('{"half": ')
        memory = self.again()
        self.assertEqual(memory.store, {})
        self.assertIn("could not be read", self.printed.getvalue())
        run(memory.add("new"))
        self.assertEqual(len(list(self.file().parent.glob("vector_store.json.unreadable-*"))), 1)
        self.assertEqual(len(json.loads(self.file().read_text())), 1)

    def test_a_folder_that_cannot_be_written_is_printed(self):
        self.memory.vector_store_file = pathlib.Path("/dev/null/x.json")
        with contextlib.redirect_stdout(self.printed):
            run(self.memory.add("kept all the same"))
        self.assertIn("could not be written", self.printed.getvalue())
        self.assertEqual(len(self.memory.memories), 1)

    def test_git_log_tells_what_the_agent_learned(self):
        run(self.memory.add("one", memory_id="m"))
        run(self.memory.update("m", "two"))
        log = self.memory.memories.log("m")
        self.assertEqual([r["subject"] for r in log], ["update: two", "add: one"])
        self.assertEqual({r["author"] for r in log}, {"agent"})


class Graph(Case):
    TRIPLET = {"head": "Ada", "relation": "likes", "tail": "tea", "properties": {"since": 2020}}

    def test_triplets_are_added(self):
        said = run(self.memory.add_knowledge_graph_triplets([self.TRIPLET], user_id_override="u"))
        self.assertEqual(said, {"status": "success", "triplets_added": 1})
        if networkx is None:
            self.assertEqual(self.memory.graph_store_list_fallback, [{**self.TRIPLET, "user_id": "u"}])
        else:
            edge = self.memory.graph_store["Ada"]["tea"]["likes"]
            self.assertEqual(edge, {"relation_type": "likes", "user_id": "u", "since": 2020})
            self.assertEqual(self.memory.graph_store.nodes["Ada"], {"type": "entity", "user_id": "u"})
        self.assertEqual(json.loads(self.file("graph_store_list.json").read_text()), [{**self.TRIPLET, "user_id": "u"}])

    def test_incomplete_triplets(self):
        said = run(self.memory.add_knowledge_graph_triplets([{"head": "x"}]))
        self.assertEqual(said["triplets_added"], 1 if networkx is None else 0)
        self.assertEqual(self.file("graph_store_list.json").exists(), networkx is None)

    def test_the_same_triplet_twice(self):
        run(self.memory.add_knowledge_graph_triplets([self.TRIPLET, {**self.TRIPLET, "properties": {"since": 2021}}]))
        self.assertEqual(len(self.again()._triplets()), 2 if networkx is None else 1)

    def test_search_knowledge_graph(self):
        run(self.memory.add_knowledge_graph_triplets([self.TRIPLET, {"head": "Bob", "relation": "knows", "tail": "Ada"}]))
        self.assertEqual(len(run(self.memory.search_knowledge_graph("ada"))), 2)
        self.assertEqual(run(self.memory.search_knowledge_graph("what does Bob do?"))[0]["head"], "Bob")
        self.assertEqual(len(run(self.memory.search_knowledge_graph("ada", limit=1))), 1)
        self.assertEqual(run(self.memory.search_knowledge_graph("ada", user_id_override="nobody")), [])

    def test_it_survives_a_restart(self):
        run(self.memory.add_knowledge_graph_triplets([self.TRIPLET]))
        self.assertEqual(self.again()._triplets(), [{**self.TRIPLET, "user_id": "agent"}])

    def test_a_list_of_before_is_taken_over_and_a_pickle_is_not_opened(self):
        self.file("graph_store_list.json").write_text(json.dumps([self.TRIPLET, 3]))
        self.file("graph_store.gpickle").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
        self.assertEqual(self.again()._triplets(), [{**self.TRIPLET, "user_id": "agent"}])


class Summaries(Case):
    def test_without_a_model_the_text_is_cut(self):
        run(self.memory.add("tea at four", memory_id="a"))
        run(self.memory.add("cake at five", memory_id="b"))
        self.assertEqual(run(self.memory.summarize_memory_content(["a", "b", "absent"])), "tea at four\ncake at five")
        self.assertEqual(run(self.memory.summarize_memory_content("a")), "tea at four")
        self.assertEqual(run(self.memory.summarize_memory_content("long " * 1000))[-3:], "...")

    def test_with_a_model(self):
        class Completions:
            async def create(self, model, messages):
                message = SimpleNamespace(content=f"{model}: {len(messages)}")
                return SimpleNamespace(choices=[SimpleNamespace(message=message)])

        self.memory._llm_client_for_summary = SimpleNamespace(chat=SimpleNamespace(completions=Completions()))
        self.assertEqual(run(self.memory.summarize_memory_content("some text")), "gpt-4o-mini: 1")
        self.memory._llm_client_for_summary = SimpleNamespace()
        with contextlib.redirect_stdout(self.printed):
            self.assertEqual(run(self.memory.summarize_memory_content("some text")), "some text")


class Tool(Case):
    def tool(self, **agent):
        agent.setdefault("config", {"mem0_config": {"persistence_dir_base": str(self.folder / "tool")}})
        with contextlib.redirect_stdout(self.printed):
            tool = MemoryAgentTool(SimpleNamespace(**agent))
        self.addCleanup(lambda: tool.memory.memories.close())
        return tool

    def test_whose_memory_it_is(self):
        self.assertEqual(MemoryAgentTool.name, "memory_agent_tool")
        self.assertEqual(self.tool(get_user_id=lambda: "u", get_thread_id=lambda: "t").memory.agent_id, "u")
        self.assertEqual(self.tool(get_user_id=lambda: None, get_thread_id=lambda: "t").memory.agent_id, "t")
        self.assertEqual(self.tool().memory.agent_id, "agent0_default_user")
        self.assertTrue((self.folder / "tool" / "u").is_dir())

    def test_its_actions(self):
        tool = self.tool()
        id = json.loads(run(tool.execute(action="add", memory_data="tea at four")).message)
        self.assertEqual(json.loads(run(tool.execute(action="search", query="tea")).message)[0]["id"], id)
        self.assertIn("unknown action", run(tool.execute(action="rm")).message)
        self.assertIn("error", json.loads(run(tool.execute(action="add")).message))


class Documents(Case):
    def setUp(self):
        super().setUp()
        self.documents = DocumentStore(self.folder / "documents")
        self.addCleanup(lambda: self.documents.store.close())
        make = self.documents._document
        run(
            self.documents.aadd_documents(
                [
                    make(page_content="the garden gate is green", metadata={"area": "main", "id": "aaaaaaaaaa"}),
                    make(page_content="restart the router when the line drops", metadata={"area": "solutions"}),
                ],
                ids=["aaaaaaaaaa", "bbbbbbbbbb"],
            )
        )

    def test_search_by_threshold_and_filter(self):
        found = run(
            self.documents.asearch("the green garden gate", k=5, score_threshold=0.6, filter=lambda m: m["area"] == "main")
        )
        self.assertEqual([d.page_content for d in found], ["the garden gate is green"])
        self.assertEqual(found[0].metadata["id"], "aaaaaaaaaa")
        self.assertEqual(run(self.documents.asearch("the green garden gate", k=5, score_threshold=1.0)), [])
        self.assertEqual(len(run(self.documents.asearch("gate", k=5, score_threshold=0))), 2)
        self.assertEqual(run(self.documents.asearch("gate", k=5, filter=lambda m: False)), [])

    def test_by_ids_all_and_delete(self):
        self.assertEqual([d.metadata["area"] for d in self.documents.get_by_ids(["bbbbbbbbbb", "x"])], ["solutions"])
        self.assertEqual(len(run(self.documents.aget_by_ids(["aaaaaaaaaa"]))), 1)
        self.assertEqual(set(self.documents.get_all_docs()), {"aaaaaaaaaa", "bbbbbbbbbb"})
        self.assertTrue(run(self.documents.adelete(ids=["aaaaaaaaaa", "x"])))
        self.documents.save_local(folder_path="anywhere")
        self.assertEqual(set(self.documents.get_all_docs()), {"bbbbbbbbbb"})

    def test_the_plugin_folder(self):
        with self.assertRaises(FileNotFoundError):
            agent_zero_plugin.install(self.folder)
        (self.folder / "plugins" / "_memory").mkdir(parents=True)
        plugin = agent_zero_plugin.install(self.folder)
        self.assertTrue((plugin / "plugin.yaml").is_file())
        extension = plugin / "extensions/python/monologue_start/_05_quipu_memory.py"
        compile(extension.read_text(), str(extension), "exec")
        with contextlib.redirect_stdout(self.printed), contextlib.redirect_stderr(self.printed):
            self.assertEqual(agent_zero_plugin.main([str(self.folder)]), 0)
            self.assertEqual(agent_zero_plugin.main([]), 2)
            self.assertEqual(agent_zero_plugin.main([str(self.folder / "none")]), 1)


del Case

if __name__ == "__main__":
    unittest.main()
