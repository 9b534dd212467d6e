"""AutoGen's Memory on Quipu.

    from quipu.autogen import QuipuMemory

    agent = AssistantAgent("helper", model_client=client, memory=[QuipuMemory(path="~/my-agent", user="ada")])

Before each answer what is known about the last message joins the model's context. The component can be written and read
as AutoGen's declarations (``dump_component``, ``load_component``).
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from .native import CancelToken
from .sharing import call, shared_store
from .store import Store, scope_of
from .writing import Record

try:
    import autogen_core as core
    from autogen_core import Component
    from autogen_core.memory import Memory, MemoryContent, MemoryMimeType, MemoryQueryResult, UpdateContextResult
    from autogen_core.models import SystemMessage
    from pydantic import BaseModel
except ImportError:
    core = None
    BaseModel = object

__all__ = ["QuipuMemory", "QuipuMemoryConfig"]


class QuipuMemoryConfig(BaseModel):  # type: ignore[misc]
    """Where memories lie and whose they are; see :class:`QuipuMemory`."""

    path: str
    name: str = "quipu"
    user: str | None = None
    agent: str | None = None
    session: str | None = None
    backend: str | None = None
    embedder: str | None = None
    embedder_config: dict[str, Any] | None = None
    k: int = 5


_bases: tuple[Any, ...] = (object,) if core is None else (Memory, Component[QuipuMemoryConfig])


class QuipuMemory(*_bases):  # type: ignore[misc]
    """Memories of a scope in a Quipu store.

    Args:
        path: the store's folder; objects of one folder share it.
        user, agent, session: whose memories they are; what is left out matches any.
        backend, embedder, embedder_config: as of :class:`quipu.Store`.
        k: how many memories join the context.
        name: of this memory.
    """

    component_type = "memory"
    component_provider_override = "quipu.autogen.QuipuMemory"
    component_config_schema = QuipuMemoryConfig

    def __init__(self, path: str, **settings: Any) -> None:
        if core is None:
            raise ImportError("quipu.autogen needs the package autogen-core: pip install autogen-core")
        self._config = QuipuMemoryConfig(path=str(path), **settings)

    @property
    def name(self) -> str:
        return str(self._config.name)

    @property
    def store(self) -> Store:
        """The store itself: its history, search and swap."""
        c = self._config
        return shared_store(
            c.path, backend=c.backend, embedder=c.embedder, embedder_config=c.embedder_config, source="quipu.autogen"
        )

    def _scope(self) -> dict[str, Any]:
        return scope_of(self._config.user, self._config.agent, self._config.session, None)

    async def update_context(self, model_context: Any) -> Any:
        """Adds a system message with what is known about the last message."""
        messages = await model_context.get_messages()
        last = messages[-1].content if messages else ""
        found = await self.query(last if isinstance(last, str) else str(last))
        if found.results:
            lines = "\n".join(f"{n}. {_text_of(content)}" for n, content in enumerate(found.results, 1))
            await model_context.add_message(
                SystemMessage(content=f"\nRelevant memory content (in chronological order):\n{lines}\n")
            )
        return UpdateContextResult(memories=found)

    async def query(self, query: Any, cancellation_token: Any = None, **kwargs: Any) -> Any:
        """What is known, in the order in which it was learned; ``score`` and ``id`` are in the metadata. kwargs: k, filter."""
        question = query if isinstance(query, str) else _text_of(query)
        if not question.strip():
            return MemoryQueryResult(results=[])
        found = await _cancellable(
            cancellation_token,
            self.store.search,
            question,
            k=int(kwargs.get("k", self._config.k)),
            filter=kwargs.get("filter"),
            **self._scope(),
        )
        found.sort(key=lambda record: record["created_at"])
        return MemoryQueryResult(results=[_content_of(record) for record in found])

    async def add(self, content: Any, cancellation_token: Any = None) -> None:
        await _cancellable(cancellation_token, self.store.put, _record_of(content, self._scope()))

    async def clear(self) -> None:
        """Deletes the memories of this scope. Their history stays."""
        ids = [record["id"] for record in self.store.iterate(filter={"category": "autogen"}, **self._scope())]
        if ids:
            await call(self.store.delete, *ids, must_exist=False)

    async def close(self) -> None:
        """Makes everything durable. The store stays open for the others that share it."""
        await call(self.store.flush)

    def _to_config(self) -> Any:
        return self._config

    @classmethod
    def _from_config(cls, config: Any) -> QuipuMemory:
        return cls(**config.model_dump())


async def _cancellable(token: Any, function: Any, *arguments: Any, **options: Any) -> Any:
    """The call as AutoGen takes it back: by its token."""
    mine = CancelToken()
    task = asyncio.ensure_future(call(function, *arguments, cancel=mine, **options))
    if token is not None:
        token.link_future(task)
    try:
        return await task
    except asyncio.CancelledError:
        mine.cancel()
        raise


def _mime_of(content: Any) -> str:
    return str(getattr(content.mime_type, "value", content.mime_type))


def _text_of(content: Any) -> str:
    """What is searched, and what a model reads."""
    if isinstance(content.content, str):
        return content.content
    if isinstance(content.content, dict):
        return json.dumps(content.content, ensure_ascii=False)
    return f"[{_mime_of(content)}]"


def _record_of(content: Any, scope: dict[str, Any]) -> Record:
    record: Record = {"category": "autogen", "text": _text_of(content), "scope": scope, "value": {"mime_type": _mime_of(content)}}
    if isinstance(content.content, dict):
        record["value"]["json"] = content.content
    elif isinstance(content.content, bytes):
        record["value"]["base64"] = base64.b64encode(content.content).decode("ascii")
    elif not isinstance(content.content, str):
        record["value"]["image"] = content.content.to_base64()
    if content.metadata:
        record["metadata"] = content.metadata
    if not scope:
        del record["scope"]
    return record


def _content_of(record: Record) -> Any:
    value = record.get("value") or {}
    content: Any = record.get("text", "")
    if "json" in value:
        content = value["json"]
    elif "base64" in value:
        content = base64.b64decode(value["base64"])
    elif "image" in value:
        content = core.Image.from_base64(value["image"])
    metadata = {**record.get("metadata", {}), "id": record["id"], "score": record.get("score")}
    mime = value.get("mime_type", "text/plain")
    known = {mime_type.value: mime_type for mime_type in MemoryMimeType}
    return MemoryContent(content=content, mime_type=known.get(mime, mime), metadata=metadata)
