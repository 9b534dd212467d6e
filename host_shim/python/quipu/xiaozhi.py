"""xiaozhi-esp32-server's memory on Quipu: what its provider folder ``core/providers/memory/quipu/`` calls.

    python -m quipu.xiaozhi /path/to/xiaozhi-server     writes that folder; then, in data/.config.yaml:

    selected_module: {Memory: quipu}
    Memory:
      quipu: {type: quipu, store: data/quipu}

Each device has memories of its own. A conversation is kept when it ends, word for word; before a turn what is known comes back as
dated lines, newest first. Nothing that goes wrong here reaches the voice turn: it is logged, and the turn goes on without.
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
import sys
from typing import Any

from .sharing import call, shared_store
from .store import Store

__all__ = ["Memory", "install"]

log = logging.getLogger("quipu.xiaozhi")


def _open(config: dict[str, Any]) -> Store:
    return shared_store(
        config.get("store") or "data/quipu",
        backend=config.get("backend"),
        embedder=config.get("embedder"),
        embedder_config=config.get("embedder_config"),
        source="quipu.xiaozhi",
    )


def spoken(content: str) -> str:
    """The words of a message: of JSON with speech tags its ``content``, else all of it."""
    text = content.strip()
    if text.startswith("{") and text.endswith("}"):
        try:
            inner = json.loads(text)
        except ValueError:
            return content
        if isinstance(inner, dict) and "content" in inner:
            return str(inner["content"])
    return content


class Memory:
    """The memory of one provider object. `config`: store, backend, embedder, embedder_config, limit (10).

    ``enabled`` is False where the store cannot be opened: then nothing is kept and nothing is found.
    """

    def __init__(self, config: dict[str, Any] | None) -> None:
        self.config = dict(config or {})
        self.limit = int(self.config.get("limit", 10))
        self.enabled = True
        try:
            _open(self.config)
        except Exception as why:
            self.enabled = False
            log.error("no memory: the store cannot be opened: %s", why)

    async def save(self, role_id: str | None, messages: Any, session_id: str | None = None) -> None:
        """Keeps what user and assistant said. Fewer than two messages are not worth it."""
        if not self.enabled or not role_id or messages is None or len(messages) < 2:
            return
        try:
            records = [
                {
                    "kind": "message",
                    "text": spoken(message.content),
                    "role": message.role,
                    "actor": message.role,
                    "seq": seq,
                    "scope": {"user": role_id, **({"session": session_id} if session_id else {})},
                }
                for seq, message in enumerate(messages)
                if message.role not in ("system", "tool") and message.content is not None
            ]
            if records:
                await call(_open(self.config).put_many, records, author=role_id)
            log.debug("kept %d messages", len(records))
        except Exception as why:
            log.error("the conversation was not kept: %s", why)

    async def query(self, role_id: str | None, question: str) -> str:
        """``- [YYYY-MM-DD HH:MM:SS] text``, newest first, one memory a line; "" for nothing."""
        if not self.enabled or not role_id or not question:
            return ""
        try:
            found = await call(_open(self.config).search, spoken(question), k=self.limit, user=role_id)
            dated = sorted(
                (
                    (str(record.get("updated_at") or record["created_at"]), record["text"])
                    for record in found
                    if record.get("text") and (record.get("updated_at") or record.get("created_at"))
                ),
                key=lambda pair: pair[0],
                reverse=True,
            )
            lines = "\n".join(f"- [{time[:10]} {time[11:19]}] {text}" for time, text in dated)
            log.debug("found %d memories", len(dated))
            return lines
        except Exception as why:
            log.error("nothing was found: %s", why)
            return ""


PROVIDER = '''"""Memory of xiaozhi-server on Quipu; see quipu.xiaozhi. Written by `python -m quipu.xiaozhi`."""

from quipu.xiaozhi import Memory

from ..base import MemoryProviderBase

TAG = __name__


class MemoryProvider(MemoryProviderBase):
    def __init__(self, config, summary_memory=None):
        super().__init__(config)
        self.memory = Memory(config)
        self.use_mem0 = self.memory.enabled

    async def save_memory(self, msgs, session_id=None):
        return await self.memory.save(getattr(self, "role_id", None), msgs, session_id)

    async def query_memory(self, query):
        return await self.memory.query(getattr(self, "role_id", None), query)
'''


def install(server: str | os.PathLike[str]) -> pathlib.Path:
    """Writes core/providers/memory/quipu/ into a xiaozhi-server folder. FileNotFoundError where that is none."""
    memory = pathlib.Path(server) / "core" / "providers" / "memory"
    if not (memory / "base.py").is_file():
        raise FileNotFoundError(f"{memory}/base.py is not there: name the folder main/xiaozhi-server")
    folder = memory / "quipu"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    (folder / "quipu.py").write_text(PROVIDER, encoding="utf-8")
    return folder


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m quipu.xiaozhi XIAOZHI_SERVER_FOLDER", file=sys.stderr)
        return 2
    try:
        folder = install(arguments[0])
    except OSError as why:
        print(f"quipu.xiaozhi: {why}", file=sys.stderr)
        return 1
    print(f"wrote {folder}")
    print("now set, in data/.config.yaml:")
    print("  selected_module: {Memory: quipu}")
    print("  Memory: {quipu: {type: quipu, store: data/quipu}}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
