"""Anthropic's memory tool: the same commands to the SDK's own file helper and to ours, and the same answers."""

import asyncio
import os
import re
import subprocess
import tempfile
import unittest

from quipu import Store, errors
from quipu.anthropic import QuipuAsyncMemoryTool, QuipuMemoryTool

try:
    from anthropic.lib.tools import BetaAbstractMemoryTool, ToolError
    from anthropic.lib.tools._beta_builtin_memory_tool import BetaAsyncLocalFilesystemMemoryTool, BetaLocalFilesystemMemoryTool
except ImportError:
    BetaAbstractMemoryTool = None


class Without(unittest.TestCase):
    @unittest.skipIf(BetaAbstractMemoryTool, "anthropic is installed")
    def test_the_module_is_imported_and_says_what_is_missing(self):
        with self.assertRaisesRegex(ImportError, "pip install anthropic"):
            QuipuMemoryTool("/tmp/never")


class Commands(unittest.TestCase):
    """The calls below the tool, which need no SDK."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.store = Store(os.path.join(folder.name, "store"))
        self.addCleanup(self.store.close)

    def test_a_file_command(self):
        said = self.store.file_command({"command": "create", "path": "/memories/a.md", "file_text": "x\n"}, user="ada")
        self.assertEqual(said, "File created successfully at: /memories/a.md")
        self.assertIn("     1\tx", self.store.file_command({"command": "view", "path": "/memories/a.md"}, user="ada"))
        with self.assertRaises(errors.NotFoundError) as caught:
            self.store.file_command({"command": "view", "path": "/memories/a.md"}, user="bob")
        self.assertEqual(caught.exception.answer, "The path /memories/a.md does not exist. Please provide a valid path.")

    def test_the_graph(self):
        made = self.store.graph(
            {"op": "create_entities", "entities": [{"name": "Ada", "entityType": "person", "observations": ["baker"]}]}
        )
        self.assertEqual(made["entities"][0]["name"], "Ada")
        self.store.graph({"op": "create_relations", "relations": [{"from": "Ada", "to": "bread", "relationType": "bakes"}]})
        read = self.store.graph({"op": "read"})
        self.assertEqual((len(read["entities"]), len(read["relations"])), (1, 1))
        self.assertEqual(self.store.graph({"op": "search", "query": "BAKER"})["entities"][0]["name"], "Ada")
        self.assertEqual(self.store.graph({"op": "read"}, user="bob")["entities"], [])
        with self.assertRaises(errors.InvalidError):
            self.store.graph({"op": "explode"})


@unittest.skipUnless(BetaAbstractMemoryTool, "anthropic is not installed; make test-hosts fetches it")
class Both(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "store")
        self.mine = QuipuMemoryTool(self.path, user="ada")
        self.addCleanup(lambda: self.mine.store.close())
        self.theirs = BetaLocalFilesystemMemoryTool(os.path.join(folder.name, "files"))
        self.mine_async = QuipuAsyncMemoryTool(self.mine.store, user="eve")
        self.theirs_async = BetaAsyncLocalFilesystemMemoryTool(os.path.join(folder.name, "more"))

    @staticmethod
    def said(call):
        """The answer; sizes of folders are the file system's own."""
        try:
            return "ok", re.sub(r"(?m)^[0-9.]+[BKMG]\t(.*/|/memories)$", r"SIZE\t\1", call())
        except (ToolError, NotImplementedError) as why:
            return type(why).__name__, str(getattr(why, "content", why))

    def both(self, **command):
        mine, theirs = self.said(lambda: self.mine.call(command)), self.said(lambda: self.theirs.call(command))
        self.assertEqual(mine, theirs)
        mine_async = self.said(lambda: asyncio.run(self.mine_async.call(command)))
        self.assertEqual(mine_async, self.said(lambda: asyncio.run(self.theirs_async.call(command))))
        return mine

    def create(self, path, text):
        return self.both(command="create", path=path, file_text=text)

    def test_create(self):
        self.assertIsInstance(self.mine, BetaAbstractMemoryTool)
        self.assertEqual(self.mine.to_dict(), self.theirs.to_dict())
        self.assertEqual(self.create("/memories/a.txt", "one\ntwo\n")[0], "ok")
        self.create("/memories/deep/er/b.txt", "nested")
        self.assertEqual(self.create("/memories/a.txt", "again")[0], "ToolError")

    def test_view(self):
        self.both(command="view", path="/memories")
        for path, text in (
            ("a.txt", "1\n2\n3\n4\n5"),
            ("z/b.txt", ""),
            ("z/y/c.txt", "deep"),
            (".hidden", "h"),
            ("z/y/x/d.txt", "deeper"),
        ):
            self.create(f"/memories/{path}", text)
        self.both(command="view", path="/memories")
        self.both(command="view", path="/memories/z")
        self.both(command="view", path="/memories/a.txt")
        self.both(command="view", path="/memories/.hidden")
        for span in ([2, 4], [0, 2], [4, 99], [9, 12], [3, -1], [2]):
            self.both(command="view", path="/memories/a.txt", view_range=span)
        self.both(command="view", path="/memories/absent")

    def test_str_replace(self):
        self.create("/memories/a.txt", "\n".join(f"line {n}" for n in range(1, 10)))
        self.both(command="str_replace", path="/memories/a.txt", old_str="line 5", new_str="changed\nand more")
        self.both(command="str_replace", path="/memories/a.txt", old_str="absent", new_str="x")
        self.both(command="str_replace", path="/memories/a.txt", old_str="line", new_str="x")
        self.both(command="str_replace", path="/memories/absent", old_str="a", new_str="b")
        self.both(command="str_replace", path="/memories", old_str="a", new_str="b")
        self.both(command="view", path="/memories/a.txt")

    def test_insert(self):
        self.create("/memories/a.txt", "one\ntwo\n")
        for line, text in ((0, "top"), (2, "middle\n"), (4, "end\n\n"), (99, "x"), (-1, "x")):
            self.both(command="insert", path="/memories/a.txt", insert_line=line, insert_text=text)
            self.both(command="view", path="/memories/a.txt")
        self.both(command="insert", path="/memories/absent", insert_line=0, insert_text="x")

    def test_delete_and_rename(self):
        for path in ("a.txt", "b.txt", "d/c.txt", "d/e/f.txt"):
            self.create(f"/memories/{path}", "x")
        self.both(command="rename", old_path="/memories/a.txt", new_path="/memories/b.txt")
        self.both(command="rename", old_path="/memories/absent", new_path="/memories/n.txt")
        self.both(command="rename", old_path="/memories/a.txt", new_path="/memories/new/a.txt")
        self.both(command="rename", old_path="/memories/d", new_path="/memories/moved")
        self.both(command="delete", path="/memories/b.txt")
        self.both(command="delete", path="/memories/moved")
        self.both(command="delete", path="/memories/absent")
        self.both(command="delete", path="/memories")
        self.both(command="view", path="/memories/new")

    def test_paths(self):
        for path in ("/etc/passwd", "/memories/../etc", "/memories/../../x", "relative"):
            self.assertEqual(self.both(command="view", path=path)[0], "ToolError")

    def test_unknown_command_and_clearing(self):
        self.assertEqual(self.both(command="explode", path="/memories")[0], "NotImplementedError")
        self.create("/memories/a.txt", "x")
        self.assertEqual(self.mine.clear_all_memory(), self.theirs.clear_all_memory())
        self.assertEqual(asyncio.run(self.mine_async.clear_all_memory()), asyncio.run(self.theirs_async.clear_all_memory()))
        self.both(command="view", path="/memories/a.txt")

    def test_git_shows_the_files(self):
        self.mine.call({"command": "create", "path": "/memories/notes/a.md", "file_text": "tea\n"})
        self.mine.call({"command": "str_replace", "path": "/memories/notes/a.md", "old_str": "tea", "new_str": "coffee"})
        git = ["git", "-c", "safe.directory=*", "-C", self.path]
        diff = subprocess.run([*git, "show", "--format=", "HEAD"], capture_output=True, text=True).stdout
        self.assertIn("-tea\n+coffee\n", diff)


if __name__ == "__main__":
    unittest.main()
