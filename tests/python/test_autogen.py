"""AutoGen's Memory: its contract, with autogen-core's own contexts. Skips without autogen-core."""

import asyncio
import os
import tempfile
import unittest

from quipu.autogen import QuipuMemory
from quipu.sharing import shared_store

try:
    from autogen_core import CancellationToken
    from autogen_core.memory import Memory, MemoryContent, MemoryMimeType
    from autogen_core.model_context import BufferedChatCompletionContext
    from autogen_core.models import UserMessage
except ImportError:
    CancellationToken = None


class Without(unittest.TestCase):
    @unittest.skipIf(CancellationToken, "autogen-core is installed")
    def test_the_module_is_imported_and_says_what_is_missing(self):
        with self.assertRaisesRegex(ImportError, "pip install autogen-core"):
            QuipuMemory("/tmp/never")


@unittest.skipUnless(CancellationToken, "autogen-core is not installed; make test-hosts fetches it")
class WithAutogen(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "store")
        self.memory = QuipuMemory(self.path, user="ada")
        self.addCleanup(lambda: shared_store(self.path).close())

    @staticmethod
    def content(text, **metadata):
        return MemoryContent(content=text, mime_type=MemoryMimeType.TEXT, metadata=metadata or None)

    async def test_add_and_query(self):
        self.assertIsInstance(self.memory, Memory)
        await self.memory.add(self.content("Rye bread is baked at nine.", topic="bread"))
        await self.memory.add(self.content("The oven door sticks."))
        (found,) = (await self.memory.query("when is rye bread baked?", k=1)).results
        self.assertEqual((found.content, found.mime_type), ("Rye bread is baked at nine.", MemoryMimeType.TEXT))
        self.assertEqual(found.metadata["topic"], "bread")
        self.assertGreater(found.metadata["score"], 0)
        self.assertEqual(len((await self.memory.query(self.content("oven"))).results), 1)
        self.assertEqual((await self.memory.query("  ")).results, [])

    async def test_all_kinds_of_content(self):
        await self.memory.add(MemoryContent(content={"colour": "red"}, mime_type=MemoryMimeType.JSON))
        await self.memory.add(MemoryContent(content=b"\0\1", mime_type="application/x-own"))
        self.assertEqual((await self.memory.query("colour")).results[0].content, {"colour": "red"})
        found = (await self.memory.query("own application")).results[0]
        self.assertEqual((found.content, found.mime_type), (b"\0\1", "application/x-own"))

    async def test_update_context(self):
        context = BufferedChatCompletionContext(buffer_size=10)
        self.assertEqual((await self.memory.update_context(context)).memories.results, [])
        await self.memory.add(self.content("Rye bread is baked at nine."))
        await context.add_message(UserMessage(content="When is rye bread baked?", source="user"))
        result = await self.memory.update_context(context)
        self.assertEqual(len(result.memories.results), 1)
        self.assertIn("1. Rye bread is baked at nine.", (await context.get_messages())[-1].content)

    async def test_scopes_and_clear(self):
        other = QuipuMemory(self.path, user="bob")
        await self.memory.add(self.content("bread of ada"))
        await other.add(self.content("bread of bob"))
        self.assertEqual([r.content for r in (await other.query("bread")).results], ["bread of bob"])
        await self.memory.clear()
        await self.memory.clear()
        self.assertEqual((await self.memory.query("bread")).results, [])
        self.assertEqual(len((await other.query("bread")).results), 1)
        await self.memory.close()
        self.assertEqual(len((await other.query("bread")).results), 1)

    async def test_a_token_takes_a_call_back(self):
        token = CancellationToken()
        token.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await self.memory.add(self.content("never"), cancellation_token=token)

    async def test_the_declaration(self):
        await self.memory.add(self.content("bread of ada"))
        declared = self.memory.dump_component()
        self.assertEqual(declared.provider, "quipu.autogen.QuipuMemory")
        again = Memory.load_component(declared)
        self.assertEqual((again.name, len((await again.query("bread")).results)), ("quipu", 1))


if __name__ == "__main__":
    unittest.main()
