"""mem0's own `Memory` and `AsyncMemory` on Quipu.

    from quipu.mem0 import Memory          # in place of: from mem0 import Memory

Calls and answers are those of mem0ai 1.x and 2.x: a scope may be named by ``user_id=`` and the like, or in ``filters=``;
``limit=`` and ``top_k=`` are the same. Nothing is inferred, because there is no language model here: every message is kept word
for word, once in its scope, and the answer says ``"infer": "unavailable"`` where inference was asked for. Deleted memories stay
in the history.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from typing import Any

from .errors import NotFoundError
from .sharing import call, shared_store
from .store import Store
from .writing import Put, Record

__all__ = ["AsyncMemory", "Memory"]

_SCOPE = {"user_id": "user", "agent_id": "agent", "run_id": "session"}
DEFAULT_STORE = "~/.mem0/quipu"
NO_SCOPE = "At least one of 'user_id', 'agent_id', or 'run_id' must be provided."
NO_FILTER = (
    "At least one filter is required to delete all memories. If you want to delete all memories, use the `reset()` method."
)


class Memory:
    """Memories in a Quipu store.

    config: ``{"path": FOLDER, "backend": ..., "embedder": ..., "embedder_config": ...}``, or mem0's own configuration, whose
    ``vector_store.config.path`` says where the store lies (beside it); the rest of that is not needed.
    """

    def __init__(self, config: Any = None) -> None:
        settings = config if isinstance(config, dict) else {}
        self._path = str(settings.get("path") or _path_of(config) or os.environ.get("QUIPU_STORE") or DEFAULT_STORE)
        self._settings = {name: settings.get(name) for name in ("backend", "embedder_config")}
        embedder = settings.get("embedder")
        self._settings["embedder"] = embedder if isinstance(embedder, str) else None

    @classmethod
    def from_config(cls, config_dict: dict[str, Any]) -> Memory:
        return cls(config_dict)

    @property
    def store(self) -> Store:
        """The store itself: its history, search and swap."""
        return shared_store(self._path, source="quipu.mem0", **self._settings)

    def close(self) -> None:
        """Makes everything durable. The store stays open for the others that share it."""
        self.store.flush()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # ---- writing ----

    def add(
        self,
        messages: Any,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        infer: bool = True,
        memory_type: str | None = None,
        prompt: str | None = None,
        expiration_date: str | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """Keeps messages: a text, a message or a list of them. System messages are left out.

        Returns: ``{"results": [{"id","memory","event":"ADD","actor_id","role"}]}``; what the scope has already gives no item.
        """
        if memory_type not in (None, "procedural_memory"):
            raise ValueError("Invalid 'memory_type'. Please pass 'procedural_memory' to create procedural memories.")
        scope = _scope_of({"user_id": user_id, "agent_id": agent_id, "run_id": run_id})
        if not scope:
            raise ValueError(NO_SCOPE)
        kept = [message for message in _messages_of(messages) if _is_kept(message)]
        records = [_record_of(message, scope, metadata, memory_type, expiration_date) for message in kept]
        if infer:
            records = self._new_ones(records, scope)
        if records:
            written = self.store.write([Put(record) for record in records], operation="add", author=next(iter(scope.values())))
            for record, id in zip(records, written):
                record["id"] = id
        answer: dict[str, Any] = {"results": [_added(record) for record in records]}
        if infer:
            answer["infer"] = "unavailable"
        return answer

    def _new_ones(self, records: list[Record], scope: dict[str, str]) -> list[Record]:
        """Those whose text the scope does not have yet, each once."""
        fresh: dict[str, Record] = {}
        for record in records:
            digest = record["metadata"]["hash"]
            if digest not in fresh and not self.store.list(filter={"metadata.hash": digest}, limit=1, **_named(scope)):
                fresh[digest] = record
        return list(fresh.values())

    def update(
        self,
        memory_id: str,
        data: str | None = None,
        metadata: dict[str, Any] | None = None,
        text: str | None = None,
        **more: Any,
    ) -> dict[str, str]:
        """Changes the text, and merges metadata. expiration_date (further arguments): a date, or None to clear it."""
        changes: Record = {}
        said = data if data is not None else text
        if said is not None:
            changes["text"] = said
        merged = {name: value for name, value in (metadata or {}).items() if name not in (*_SCOPE, "actor_id")}
        if said is not None:
            merged["hash"] = _hash_of(said)
        if merged:
            changes["metadata"] = merged
        if "expiration_date" in more:
            changes["expires_at"] = _end_of(more["expiration_date"])
        if not changes:
            raise ValueError("nothing to change: give data, metadata or expiration_date")
        record = self.store.get(memory_id, include_expired=True)
        if record is None:
            raise ValueError(f"Memory with id {memory_id} not found. Please provide a valid 'memory_id'")
        if merged:
            changes["metadata"] = {**record.get("metadata", {}), **merged}
        changed = {name: value for name, value in {**record, **changes}.items() if value is not None}
        changed.pop("updated_at", None)
        self.store.write([Put(changed, if_version=record["version"])], operation="update")
        return {"message": "Memory updated successfully!"}

    def delete(self, memory_id: str) -> dict[str, str]:
        try:
            self.store.delete(memory_id)
        except NotFoundError:
            raise ValueError(f"Memory with id {memory_id} not found. Please provide a valid 'memory_id'") from None
        return {"message": "Memory deleted successfully!"}

    def delete_all(self, user_id: str | None = None, agent_id: str | None = None, run_id: str | None = None) -> dict[str, str]:
        scope = _scope_of({"user_id": user_id, "agent_id": agent_id, "run_id": run_id})
        if not scope:
            raise ValueError(NO_FILTER)
        ids = [record["id"] for record in self.store.iterate(include_expired=True, **_named(scope))]
        if ids:
            self.store.delete(*ids, must_exist=False)
        return {"message": "Memories deleted successfully!"}

    def reset(self) -> None:
        """Deletes everything of every scope. The history stays."""
        ids = [record["id"] for record in self.store.iterate(include_expired=True)]
        if ids:
            self.store.delete(*ids, must_exist=False)

    # ---- reading ----

    def get(self, memory_id: str) -> dict[str, Any] | None:
        record = self.store.get(memory_id, include_expired=True)
        return None if record is None else _shown(record)

    def get_all(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        filters: dict[str, Any] | None = None,
        limit: int | None = None,
        top_k: int | None = None,
        show_expired: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """``{"results": [...]}``, newest first."""
        scope, rest = _narrowed({"user_id": user_id, "agent_id": agent_id, "run_id": run_id}, filters)
        most = top_k or limit or 100
        found = self.store.list(filter=rest, limit=most, include_expired=show_expired, **_named(scope))
        return {"results": [_shown(record) for record in found]}

    def search(
        self,
        query: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        filters: dict[str, Any] | None = None,
        limit: int | None = None,
        top_k: int | None = None,
        threshold: float | None = None,
        metadata_filters: dict[str, Any] | None = None,
        show_expired: bool = False,
        **_: Any,
    ) -> dict[str, Any]:
        """``{"results": [...]}``, best first, each with its ``score``. threshold: results of less are left out."""
        scope, rest = _narrowed(
            {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}, {**(filters or {}), **(metadata_filters or {})}
        )
        most = top_k or limit or 20
        found = self.store.search(query, k=most, filter=rest, include_expired=show_expired, **_named(scope))
        kept = [record for record in found if threshold is None or record["score"] >= threshold]
        return {"results": [{**_shown(record), "score": record["score"]} for record in kept]}

    def history(self, memory_id: str) -> list[dict[str, Any]]:
        """What became of a memory, oldest first; also of one that was deleted. [] for an id that never was."""
        try:
            revisions = self.store.log(memory_id, limit=1000)
        except NotFoundError:
            return []
        rows = [self._history_row(memory_id, revision) for revision in reversed(revisions)]
        return [row for row in rows if row is not None]

    def _history_row(self, id: str, revision: Record) -> dict[str, Any] | None:
        changes = self.store.diff(end=revision["revision"], id=id)
        if not changes:
            return None
        before, after = changes[0].get("before"), changes[0].get("after")
        state: Record = after or before or {}
        return {
            "id": revision["revision"],
            "memory_id": id,
            "old_memory": before and before.get("text"),
            "new_memory": after and after.get("text"),
            "event": "ADD" if before is None else "DELETE" if after is None else "UPDATE",
            "created_at": state["created_at"],
            "updated_at": revision["time"],
            "is_deleted": after is None,
            "actor_id": state.get("actor"),
            "role": state.get("role"),
        }

    def chat(self, query: str) -> Any:
        raise NotImplementedError("Chat function not implemented yet.")


class AsyncMemory:
    """The same calls as coroutines; none of them blocks the loop."""

    def __init__(self, config: Any = None) -> None:
        self.memory = Memory(config)

    @classmethod
    def from_config(cls, config_dict: dict[str, Any]) -> AsyncMemory:
        return cls(config_dict)

    async def __aenter__(self) -> AsyncMemory:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await call(self.memory.close)

    def close(self) -> None:
        self.memory.close()

    async def add(self, messages: Any, **options: Any) -> dict[str, Any]:
        return await call(self.memory.add, messages, **options)

    async def update(self, memory_id: str, data: str | None = None, **options: Any) -> dict[str, str]:
        return await call(self.memory.update, memory_id, data, **options)

    async def delete(self, memory_id: str) -> dict[str, str]:
        return await call(self.memory.delete, memory_id)

    async def delete_all(self, **scope: Any) -> dict[str, str]:
        return await call(self.memory.delete_all, **scope)

    async def reset(self) -> None:
        await call(self.memory.reset)

    async def get(self, memory_id: str) -> dict[str, Any] | None:
        return await call(self.memory.get, memory_id)

    async def get_all(self, **question: Any) -> dict[str, Any]:
        return await call(self.memory.get_all, **question)

    async def search(self, query: str, **question: Any) -> dict[str, Any]:
        return await call(self.memory.search, query, **question)

    async def history(self, memory_id: str) -> list[dict[str, Any]]:
        return await call(self.memory.history, memory_id)

    async def chat(self, query: str) -> Any:
        return self.memory.chat(query)


# ---- forms ----


def _path_of(config: Any) -> str | None:
    """Beside the vector store of mem0's own configuration, as an object or a dictionary."""

    def part(thing: Any, name: str) -> Any:
        return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)

    path = part(part(part(config, "vector_store"), "config"), "path")
    return os.path.join(os.path.dirname(str(path)), "quipu") if path else None


def _scope_of(ids: dict[str, Any]) -> dict[str, str]:
    """Quipu's scope; an id must be a word."""
    scope = {}
    for name, value in ids.items():
        if value is None:
            continue
        trimmed = str(value).strip()
        if not trimmed or any(c.isspace() for c in trimmed):
            raise ValueError(f"{name} must not be empty, and without white space inside")
        scope[_SCOPE[name]] = trimmed
    return scope


def _named(scope: dict[str, str]) -> dict[str, Any]:
    return dict(scope)


def _narrowed(ids: dict[str, Any], filters: dict[str, Any] | None) -> tuple[dict[str, str], dict[str, Any] | None]:
    """The scope, from wherever it was named, and the rest of the filters."""
    rest = dict(filters or {})
    for name in _SCOPE:
        if isinstance(rest.get(name), str) and rest[name] != "*":
            ids = {**ids, name: rest.pop(name)}
    scope = _scope_of(ids)
    if not scope and not any(name in str(rest) for name in _SCOPE):
        raise ValueError(NO_SCOPE)
    return scope, rest or None


def _messages_of(messages: Any) -> list[Any]:
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    if isinstance(messages, dict):
        return [messages]
    if isinstance(messages, list):
        return messages
    raise ValueError("messages must be str, dict, or list[dict]")


def _is_kept(message: Any) -> bool:
    return (
        isinstance(message, dict) and bool(message.get("role")) and bool(message.get("content")) and message["role"] != "system"
    )


def _hash_of(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _end_of(date: Any) -> str | None:
    """The end of a day; None clears it."""
    if date is None:
        return None
    day = date if isinstance(date, datetime.date) else datetime.date.fromisoformat(str(date)[:10])
    return f"{day + datetime.timedelta(days=1):%Y-%m-%d}T00:00:00Z"


def _record_of(
    message: dict[str, Any],
    scope: dict[str, str],
    metadata: dict[str, Any] | None,
    memory_type: str | None,
    expiration_date: Any,
) -> Record:
    text = message["content"] if isinstance(message["content"], str) else str(message["content"])
    free = {name: value for name, value in (metadata or {}).items() if name not in (*_SCOPE, "actor_id")}
    record: Record = {"text": text, "role": message["role"], "scope": scope, "metadata": {**free, "hash": _hash_of(text)}}
    if message.get("name"):
        record["actor"] = message["name"]
    if memory_type:
        record["metadata"]["memory_type"] = memory_type
    if expiration_date is not None:
        record["expires_at"] = _end_of(expiration_date)
    return record


def _added(record: Record) -> dict[str, Any]:
    return {
        "id": record["id"],
        "memory": record["text"],
        "event": "ADD",
        "actor_id": record.get("actor"),
        "role": record["role"],
    }


def _shown(record: Record) -> dict[str, Any]:
    """As mem0 shows a memory: members that there are none of are left out."""
    metadata = dict(record.get("metadata", {}))
    shown: dict[str, Any] = {
        "id": record["id"],
        "memory": record.get("text", ""),
        "hash": metadata.pop("hash", None),
        "metadata": metadata or None,
        "created_at": record.get("created_at"),
        "updated_at": record.get("updated_at"),
    }
    scope = record.get("scope", {})
    shown.update({name: scope[part] for name, part in _SCOPE.items() if part in scope})
    shown.update({name: record[part] for name, part in (("actor_id", "actor"), ("role", "role")) if part in record})
    if "expires_at" in record:
        last = datetime.datetime.fromisoformat(record["expires_at"].replace("Z", "+00:00")) - datetime.timedelta(seconds=1)
        shown["expiration_date"] = f"{last:%Y-%m-%d}"
    return shown
