"""MassGen's memory on Quipu: the same two classes, and a store with a history that several agents and processes may share.

    from quipu.massgen import ConversationMemory, PersistentMemory     # in place of: from massgen.memory import ...

`install()` gives these classes to a MassGen that is not changed, its command line too: ``python -m quipu.massgen ARGUMENTS`` in
place of ``massgen ARGUMENTS``. Neither mem0 nor an API key is needed. Nothing is inferred: what is recorded is kept word for
word, and found by its words, and by its meaning where the store has an embedder.
"""

from __future__ import annotations

import abc
import importlib
import os
import pathlib
import re
import tempfile
import uuid
from collections.abc import Iterable
from typing import Any

from .sharing import call, shared_store
from .store import Store

__all__ = ["ConversationMemory", "MemoryBase", "PersistentMemory", "PersistentMemoryBase", "install"]

DEFAULT_STORE = ".massgen/quipu"
SHORTEST = 10  # characters that are worth recording
Message = dict[str, Any]


class MemoryBase(abc.ABC):
    """What every memory offers. To add a type, inherit and implement all of it."""

    @abc.abstractmethod
    async def add(self, *args: Any, **kwargs: Any) -> None:
        """Adds items."""

    @abc.abstractmethod
    async def delete(self, *args: Any, **kwargs: Any) -> None:
        """Removes items."""

    @abc.abstractmethod
    async def retrieve(self, *args: Any, **kwargs: Any) -> Any:
        """Finds items."""

    @abc.abstractmethod
    async def size(self) -> int:
        """How many items there are."""

    @abc.abstractmethod
    async def clear(self) -> None:
        """Removes all items."""

    @abc.abstractmethod
    async def get_messages(self, *args: Any, **kwargs: Any) -> list[Message]:
        """The items as messages."""

    @abc.abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All of it, for :meth:`load_state_dict`."""

    @abc.abstractmethod
    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
        """Takes the place of all items."""


class PersistentMemoryBase:
    """What a memory that outlives the process offers. The host catches NotImplementedError, so any part may be left out."""

    async def record(self, messages: list[Message], **kwargs: Any) -> None:
        """Keeps messages of a conversation."""
        raise NotImplementedError("record is not implemented")

    async def retrieve(self, query: str | Message | list[Message], **kwargs: Any) -> str:
        """What is known about the query, one memory a line."""
        raise NotImplementedError("retrieve is not implemented")

    async def save_to_memory(self, thinking: str, content: list[str], **kwargs: Any) -> dict[str, Any]:
        """A tool of the agent: keeps what it finds important."""
        raise NotImplementedError("save_to_memory is not implemented")

    async def recall_from_memory(self, keywords: list[str], **kwargs: Any) -> dict[str, Any]:
        """A tool of the agent: finds what it kept."""
        raise NotImplementedError("recall_from_memory is not implemented")


class ConversationMemory(MemoryBase):
    """The messages of one conversation, in order, in RAM."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def add(self, messages: Message | list[Message] | None, allow_duplicates: bool = False) -> None:
        """Appends copies, with an `id` each; one that is stored already is skipped, unless duplicates are allowed."""
        if messages is None:
            return
        if isinstance(messages, dict):
            messages = [messages]
        if not isinstance(messages, list):
            raise TypeError(f"Messages should be a list of dicts or a single dict, but got {type(messages)}")
        for message in messages:
            if not isinstance(message, dict):
                raise TypeError(f"Each message should be a dictionary, but got {type(message)}")
        copies = [{**message, "id": message.get("id") or f"msg_{uuid.uuid4().hex[:12]}"} for message in messages]
        if not allow_duplicates:
            stored = {message.get("id") for message in self.messages}
            copies = [message for message in copies if message["id"] not in stored]
        self.messages.extend(copies)

    async def delete(self, index: int | Iterable[int]) -> None:
        """Removes the messages at these places; IndexError, and nothing removed, where one is out of range."""
        wanted = [index] if isinstance(index, int) else list(index)
        missing = [i for i in wanted if not 0 <= i < len(self.messages)]
        if missing:
            raise IndexError(f"The following indices do not exist: {missing}. Valid range is 0-{len(self.messages) - 1}")
        gone = set(wanted)
        self.messages = [message for i, message in enumerate(self.messages) if i not in gone]

    async def retrieve(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a conversation is read with get_messages(); PersistentMemory searches")

    async def get_messages(self, limit: int | None = None) -> list[Message]:
        """Copies, the last `limit` of them; None, 0 or less: all."""
        chosen = self.messages[-limit:] if limit is not None and limit > 0 else self.messages
        return [dict(message) for message in chosen]

    async def get_last_message(self) -> Message | None:
        return dict(self.messages[-1]) if self.messages else None

    async def get_messages_by_role(self, role: str) -> list[Message]:
        return [dict(message) for message in self.messages if message.get("role") == role]

    async def truncate_to_size(self, max_messages: int) -> None:
        """Keeps the newest. As in MassGen, 0 keeps everything."""
        if len(self.messages) > max_messages:
            self.messages = self.messages[-max_messages:]

    async def size(self) -> int:
        return len(self.messages)

    async def clear(self) -> None:
        self.messages = []

    def state_dict(self) -> dict[str, Any]:
        return {"messages": [dict(message) for message in self.messages]}

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
        if strict and "messages" not in state_dict:
            raise ValueError("State dictionary must contain 'messages' key when strict=True")
        self.messages = [dict(message) for message in state_dict.get("messages", []) if isinstance(message, dict)]


class PersistentMemory(PersistentMemoryBase):
    """Long-term memory of an agent, of the same constructor as MassGen's.

    Args:
        agent_name, user_name, session_name: whose memory it is; one of them is needed. A session of None sees all sessions.
        memory_type: kept with each record as its category.
        vector_store_config: a ``path`` in its ``config`` says where the store lies: beside it.
        llm_backend, llm_config, embedding_backend, embedding_config, mem0_config, qdrant_client, debug: taken, and not needed.
        store: (further arguments) the store's folder; default ``$QUIPU_STORE``, else ``.massgen/quipu``.
        backend, embedder, embedder_config: as of :class:`quipu.Store`.
        on_disk: False keeps everything in RAM.
    """

    def __init__(
        self,
        agent_name: str | None = None,
        user_name: str | None = None,
        session_name: str | None = None,
        llm_backend: Any | None = None,
        llm_config: dict[str, Any] | None = None,
        embedding_backend: Any | None = None,
        embedding_config: dict[str, Any] | None = None,
        vector_store_config: Any | None = None,
        mem0_config: Any | None = None,
        memory_type: str | None = None,
        qdrant_client: Any | None = None,
        debug: bool = False,
        **kwargs: Any,
    ) -> None:
        if not any((agent_name, user_name, session_name)):
            raise ValueError("At least one of agent_name, user_name, or session_name must be provided to organize memories.")
        self.agent_id = agent_name
        self.user_id = user_name
        self.session_id = session_name
        self.debug = debug
        self.default_memory_type = memory_type
        self._backend: str | None = kwargs.get("backend")
        self._settings = {name: kwargs[name] for name in ("embedder", "embedder_config") if kwargs.get(name) is not None}
        self._path: str = kwargs.get("store") or os.environ.get("QUIPU_STORE") or _beside(vector_store_config) or DEFAULT_STORE
        if not kwargs.get("on_disk", True):
            self._backend = "memory"
            self._path = os.path.join(tempfile.gettempdir(), f"quipu-massgen-{os.getpid()}")

    @property
    def store(self) -> Store:
        """The store itself: its history, search and swap."""
        return shared_store(self._path, backend=self._backend, source="quipu.massgen", **self._settings)

    def _scope(self, agent_id: str | None) -> dict[str, Any]:
        named = (("agent", agent_id), ("user", self.user_id), ("session", self.session_id))
        return {name: value for name, value in named if value}

    async def _add(self, content: str, name: str, memory_type: str | None, metadata: Message) -> list[Message]:
        record: Message = {"text": content, "role": "assistant", "actor": name, "scope": self._scope(self.agent_id)}
        category = memory_type or self.default_memory_type
        if category:
            record["category"] = category
        if metadata:
            record["metadata"] = metadata
        id = await call(self.store.put, record, author=self.agent_id or self.user_id or self.session_id)
        return [{"id": id, "memory": content, "event": "ADD"}]

    async def _search(self, query: str, agent_id: str | None, limit: int, turn: Any = None) -> list[str]:
        filter = {"metadata.turn": turn} if turn else None
        found = await call(self.store.search, query, k=limit, filter=filter, **self._scope(agent_id))
        return [record["text"] for record in found]

    async def record(self, messages: list[Message], memory_type: str | None = None, infer: bool = True, **kwargs: Any) -> None:
        """Keeps messages of a conversation as one memory; system messages and empty ones are left out, and too short a rest.

        metadata: (further arguments) kept with it, ``{"turn": 3}`` for one. infer: taken; nothing is inferred.
        """
        kept = [message for message in messages or () if _is_worth_recording(message)]
        content = "\n".join(f"{message.get('role', 'unknown')}: {message.get('content', '')}" for message in kept)
        if len(content.strip()) < SHORTEST:
            return
        metadata = {**_extract_metadata(kept), **(kwargs.get("metadata") or {})}
        await self._add(content, "conversation", memory_type, metadata)

    async def retrieve(
        self,
        query: str | Message | list[Message],
        limit: int = 5,
        previous_winners: list[Message] | None = None,
        **_kwargs: Any,
    ) -> str:
        """What is known, one memory a line: the agent's own, then those of earlier winners from the turns that they won."""
        queries = _queries_of(query)
        found: list[str] = []
        for question in queries:
            found += await self._search(question, self.agent_id, limit)
        for winner in previous_winners or ():
            agent_id, turn = winner.get("agent_id"), winner.get("turn")
            if agent_id == self.agent_id:
                continue
            for question in queries:
                theirs = await self._search(question, agent_id, limit, turn)
                found += [f"[From {agent_id} Turn {turn}] {memory}" for memory in theirs]
        return "\n".join(found)

    async def save_to_memory(self, thinking: str, content: list[str], **kwargs: Any) -> dict[str, Any]:
        """A tool of the agent: keeps `content`, with `thinking` as why. Never raises."""
        try:
            text = "\n".join(([f"Context: {thinking}"] if thinking else []) + list(content))
            stored = await self._add(text, "memory_save", kwargs.get("memory_type"), kwargs.get("metadata") or {})
        except Exception as e:
            return {"success": False, "message": f"Error saving to memory: {e}", "memory_ids": []}
        return {"success": True, "message": f"Successfully saved {len(content)} items to memory", "memory_ids": stored}

    async def recall_from_memory(self, keywords: list[str], limit: int = 5, **kwargs: Any) -> dict[str, Any]:
        """A tool of the agent: finds memories, keyword by keyword. Never raises."""
        try:
            memories: list[str] = []
            for keyword in keywords:
                memories += await self._search(keyword, self.agent_id, limit)
        except Exception as e:
            return {"success": False, "message": f"Error retrieving memories: {e}", "memories": []}
        return {"success": True, "memories": memories, "count": len(memories)}


def _beside(vector_store_config: Any) -> str | None:
    config = getattr(vector_store_config, "config", vector_store_config)
    path = config.get("path") if isinstance(config, dict) else getattr(config, "path", None)
    return str(pathlib.Path(path).parent / "quipu") if path else None


def _is_worth_recording(message: Message | None) -> bool:
    if message is None or message.get("role") == "system":
        return False
    content = message.get("content")
    return bool(content.strip() if isinstance(content, str) else content is not None)


def _extract_metadata(messages: list[Message]) -> Message:
    """tools_used (from "[Tool Call: NAME]"), has_tools, message_count."""
    tools: dict[str, None] = {}
    for message in messages:
        if isinstance(message.get("content"), str):
            tools.update(dict.fromkeys(re.findall(r"\[Tool Call: ([^\]]+)\]", message["content"])))
    return {"tools_used": list(tools), "has_tools": bool(tools), "message_count": len(messages)}


def _queries_of(query: str | Message | list[Message]) -> list[str]:
    if isinstance(query, str):
        return [query] if query else []
    messages = [query] if isinstance(query, dict) else query if isinstance(query, list) else []
    return [str(m["content"]) for m in messages if isinstance(m, dict) and m.get("content")]


def install() -> None:
    """Gives these classes to the MassGen that is installed. ImportError where there is none."""
    memory = importlib.import_module("massgen.memory")
    for module in (memory, importlib.import_module("massgen.memory._persistent")):
        setattr(module, "PersistentMemory", PersistentMemory)  # noqa: B010


def main() -> None:
    """MassGen's own command line, with this memory."""
    install()
    importlib.import_module("massgen.cli").cli_main()


if __name__ == "__main__":
    main()
