"""Hermes' MemoryProvider: each member of its contract."""

import contextlib
import importlib.util
import io
import json
import os
import tempfile
import unittest
from pathlib import Path

from quipu import hermes
from quipu.hermes import QuipuMemoryProvider


class Provider(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = folder.name
        self.provider = self.make()

    def make(self, session="s1", **kwargs):
        provider = QuipuMemoryProvider()
        kwargs.setdefault("user_id", "ada")
        provider.initialize(session, hermes_home=self.home, platform="cli", **kwargs)
        self.addCleanup(lambda: provider.store.close())
        self.addCleanup(provider.shutdown)
        return provider

    def settle(self):
        self.provider.on_session_end([])

    def test_what_it_is(self):
        self.assertEqual(self.provider.name, "quipu")
        self.assertTrue(QuipuMemoryProvider().is_available())
        self.assertEqual(self.provider.unavailable_reason(), "")
        self.provider.initialize_for_inspection()
        self.assertIn("quipu_recall", self.provider.system_prompt_block())
        self.assertEqual(self.provider.backup_paths(), [os.path.join(self.home, "quipu")])

    def test_a_turn_is_kept_and_found_by_the_next_session(self):
        self.assertEqual(self.provider.prefetch("rye bread"), "")
        self.assertIsNone(self.provider.recall_status())
        self.provider.sync_turn("The rye bread is baked at nine.", " ", session_id="s1")
        self.settle()
        later = self.make("s2")
        self.assertRegex(
            later.prefetch("when is the rye bread baked?"), r"^- \[\d{4}-\d\d-\d\d\] The rye bread is baked at nine\.$"
        )
        self.assertEqual((later.recall_status().count, later.recall_status().provider_label), (1, "Quipu"))
        self.assertEqual(self.make(user_id="bob").prefetch("rye bread"), "")

    def test_prefetching(self):
        self.provider.sync_turn("rye bread", "", session_id="s1")
        self.provider.queue_prefetch("bread")
        self.settle()
        self.assertIn(("s1", "bread"), self.provider._prefetched)
        self.assertIn("rye bread", self.provider.prefetch("bread"))
        self.provider.queue_prefetch("bread")
        self.settle()
        self.provider.on_session_switch("s2", parent_session_id="s1", reset=True, rewound=False)
        self.assertEqual(self.provider._prefetched, {})

    def test_subagents_and_scheduled_runs_keep_nothing(self):
        for context in ("subagent", "cron", "flush"):
            provider = self.make(agent_context=context)
            provider.sync_turn("secret", "plan")
            provider.on_memory_write("add", "user", "secret", {})
            provider.on_session_end([])
        self.assertEqual(len(self.provider.store), 0)

    def test_hooks(self):
        self.provider.on_turn_start(1, "hi")
        self.assertEqual(self.provider.on_pre_compress([]), "")
        self.provider.on_delegation("count the loaves", "there are nine", child_session_id="c1")
        self.provider.on_memory_write("add", "user", "likes tea", {})
        self.provider.on_memory_write("replace", "memory", "door code changed", {})
        self.settle()
        self.assertEqual(
            sorted((r["category"], r["text"]) for r in self.provider.store),
            [
                ("delegation", "count the loaves\nthere are nine"),
                ("hermes-memory", "door code changed"),
                ("hermes-user", "likes tea"),
            ],
        )
        self.provider.on_memory_write("remove", "user", "likes tea", {})
        self.settle()
        self.assertEqual(len(self.provider.store), 2)

    def test_tools(self):
        schemas = self.provider.get_tool_schemas()
        self.assertEqual({s["name"] for s in schemas}, {"quipu_remember", "quipu_recall", "quipu_forget"})
        for schema in schemas:
            self.assertEqual(set(schema), {"name", "description", "parameters"})
        id = json.loads(self.provider.handle_tool_call("quipu_remember", {"text": "tea at four"}))["id"]
        found = json.loads(self.provider.handle_tool_call("quipu_recall", {"query": "tea", "limit": 3}))["memories"]
        self.assertEqual((found[0]["id"], found[0]["text"]), (id, "tea at four"))
        other = self.make(user_id="bob")
        self.assertIn("error", json.loads(other.handle_tool_call("quipu_forget", {"id": id})))
        self.assertEqual(json.loads(self.provider.handle_tool_call("quipu_forget", {"id": id})), {"forgotten": id})
        for name, args in (("quipu_forget", {"id": id}), ("quipu_recall", {}), ("no_tool", {}), ("quipu_recall", None)):
            self.assertIn("error", json.loads(self.provider.handle_tool_call(name, args)))

    def test_settings(self):
        self.assertEqual([s["key"] for s in self.provider.get_config_schema()], ["store", "backend", "embedder"])
        self.provider.shutdown()
        self.provider.save_config({"backend": "sqlite", "store": self.home + "/elsewhere", "embedder": ""}, self.home)
        provider = self.make()
        provider.sync_turn("tea", "")
        provider.on_session_end([])
        self.assertEqual((provider.store.backend, provider.store.path), ("sqlite", self.home + "/elsewhere"))

    def test_a_store_that_cannot_be_opened_is_told_not_raised(self):
        self.provider.shutdown()
        self.provider.save_config({"store": "/dev/null/store"}, self.home)
        self.provider.sync_turn("tea", "")
        self.settle()
        self.assertEqual(self.provider.prefetch("tea"), "")
        self.assertEqual(self.provider.recall_status().glyph, "!")
        self.assertIn("error", json.loads(self.provider.handle_tool_call("quipu_recall", {"query": "x"})))
        self.provider.save_config({}, self.home)

    def test_shutdown_twice_and_on(self):
        self.provider.sync_turn("tea", "")
        self.provider.shutdown()
        self.provider.shutdown()
        self.assertEqual(len(self.provider.store), 1)
        self.provider.sync_turn("coffee", "")
        self.settle()
        self.assertEqual(len(self.provider.store), 2)

    def test_after_a_fork_the_worker_is_begun_anew(self):
        self.provider.sync_turn("before", "")
        self.settle()
        child = os.fork()
        if child == 0:
            try:
                self.provider.sync_turn("in the child", "")
                self.settle()
                good = len(self.provider.store) == 2
            finally:
                os._exit(0 if good else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_the_plugin_folder(self):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(hermes.main([self.home]), 0)
            self.assertEqual(hermes.main(["a", "b"]), 2)
            self.assertEqual(hermes.main(["/dev/null"]), 1)
        init = Path(self.home) / "plugins" / "quipu" / "__init__.py"
        self.assertIn("register_memory_provider", init.read_text()[:8192])
        self.assertIn("name: quipu", (init.parent / "plugin.yaml").read_text())
        spec = importlib.util.spec_from_file_location("hermes_plugin", init)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        registered = []
        module.register(type("Context", (), {"register_memory_provider": staticmethod(registered.append)})())
        self.assertEqual(registered[0].name, "quipu")


if __name__ == "__main__":
    unittest.main()
