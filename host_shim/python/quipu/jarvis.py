"""Jarvis' persistent memory module on Quipu: the same classes and calls, and a history behind them.

    from quipu.jarvis import MemoryModule      # in place of: from jarvis.persistent_memory import MemoryModule

`install()` puts these classes under the name ``jarvis.persistent_memory``, for programs whose import cannot be changed. An entry
is a record (docs/record.md): a search, a filter and the log see its category, key, value and tags.
"""

from __future__ import annotations

import abc
import datetime
import importlib
import os
import pathlib
import sys
import threading
import types
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .errors import InvalidError, NotFoundError, StateError
from .store import Store
from .writing import Put, Record, words_of

__all__ = ["Container", "MemoryEntry", "MemoryModule", "QuipuStorage", "StorageBackend", "default_storage_dir", "install"]

PREFERENCES, TASKS, DEVICES, TOOLS, CONVERSATIONS, EXECUTIONS = (
    "preferences",
    "tasks",
    "devices",
    "tools",
    "conversations",
    "executions",
)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


@dataclass
class MemoryEntry:
    """One memory. `value` holds what JSON can; `provenance` module, task_id, created_at, and later updated_by, updated_at."""

    category: str
    key: str
    value: dict[str, Any]
    entity_type: str = ""
    entity_id: str | None = None
    tags: list[str] = field(default_factory=list)
    timestamp: datetime.datetime = field(default_factory=_now)
    provenance: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class StorageBackend(abc.ABC):
    """What keeps entries. Own ones go on working: give one to :class:`MemoryModule`."""

    @abc.abstractmethod
    def bootstrap(self) -> None:
        """Opens or creates the store."""

    @abc.abstractmethod
    def shutdown(self) -> None:
        """Makes everything durable and closes. Twice is once."""

    @abc.abstractmethod
    def create(self, entry: MemoryEntry) -> None:
        """Stores a new entry."""

    @abc.abstractmethod
    def read(self, id: str) -> MemoryEntry | None:
        """The entry of an id, or None."""

    @abc.abstractmethod
    def update(self, entry: MemoryEntry) -> bool:
        """Replaces the entry of this id; False where there is none."""

    @abc.abstractmethod
    def delete(self, id: str) -> bool:
        """False where there is none."""

    @abc.abstractmethod
    def query(
        self,
        category: str | None = None,
        key: str | None = None,
        tags: list[str] | None = None,
        entity_type: str | None = None,
        entity_id: str | None = None,
    ) -> list[MemoryEntry]:
        """Entries that match all that is given, newest first; of tags any one matches."""

    @abc.abstractmethod
    def list_all(self) -> list[MemoryEntry]:
        """Every entry, newest first."""


class QuipuStorage(StorageBackend):
    """Entries as records of a Quipu store.

    path: the store's folder. backend: "git", "sqlite", "json", or any other that is installed.
    """

    def __init__(self, path: str | os.PathLike[str], backend: str = "sqlite", **settings: Any) -> None:
        self.path = pathlib.Path(path).expanduser()
        self._backend = backend
        self._settings = settings
        self._store: Store | None = None
        self._lock = threading.Lock()

    @property
    def store(self) -> Store:
        """The store itself: its search, history and swap. It is opened at its first use."""
        with self._lock:
            if self._store is None or self._store.closed:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._store = Store(self.path, backend=self._backend, source="quipu.jarvis", **self._settings)
            return self._store

    def bootstrap(self) -> None:
        _ = self.store

    def shutdown(self) -> None:
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()

    def create(self, entry: MemoryEntry) -> None:
        self.store.write([Put(_record_of(entry))], operation="add", author=entry.provenance.get("module"))

    def read(self, id: str) -> MemoryEntry | None:
        record = self.store.get(id)
        return None if record is None else _entry_of(record)

    def update(self, entry: MemoryEntry) -> bool:
        stored = self.store.get(entry.id)
        if stored is None:
            return False
        self.store.write(
            [Put(_record_of(entry), if_version=stored["version"])],
            operation="update",
            author=entry.provenance.get("updated_by"),
        )
        return True

    def delete(self, id: str) -> bool:
        try:
            self.store.delete(id)
        except NotFoundError:
            return False
        return True

    def query(
        self,
        category: str | None = None,
        key: str | None = None,
        tags: list[str] | None = None,
        entity_type: str | None = None,
        entity_id: str | None = None,
    ) -> list[MemoryEntry]:
        wanted: dict[str, Any] = {
            name: value
            for name, value in (
                ("category", category),
                ("key", key),
                ("entity.type", entity_type),
                ("entity.id", entity_id),
            )
            if value is not None
        }
        if tags:
            wanted["OR"] = [{"tags": tag} for tag in tags]
        return [_entry_of(record) for record in self.store.iterate(filter=wanted or None)]

    def list_all(self) -> list[MemoryEntry]:
        return self.query()


def _record_of(entry: MemoryEntry) -> Record:
    if not isinstance(entry.value, dict):
        raise InvalidError("the value of a memory must be a dictionary", code=-1, field="value")
    record: Record = {
        "id": entry.id,
        "kind": "memory",
        "category": entry.category,
        "key": entry.key,
        "value": entry.value,
        "text": f"{entry.key}: {words_of(entry.value)}",
        "created_at": _print_time(entry.timestamp),
    }
    if entry.tags:
        record["tags"] = sorted(set(entry.tags))
        if record["tags"] != entry.tags:
            record["metadata"] = {"tags": entry.tags}  # as they were given
    if entry.entity_type or entry.entity_id is not None:
        record["entity"] = {
            name: value for name, value in (("type", entry.entity_type), ("id", entry.entity_id)) if value not in (None, "")
        }
    if entry.provenance:
        record["provenance"] = entry.provenance
    return record


def _entry_of(record: Record) -> MemoryEntry:
    entity = record.get("entity", {})
    return MemoryEntry(
        id=record["id"],
        category=record.get("category", ""),
        key=record.get("key", ""),
        value=record.get("value", {}),
        tags=list(record.get("metadata", {}).get("tags") or record.get("tags", [])),
        entity_type=entity.get("type", ""),
        entity_id=entity.get("id"),
        timestamp=datetime.datetime.fromisoformat(record["created_at"].replace("Z", "+00:00")),
        provenance=dict(record.get("provenance", {})),
    )


def _print_time(time: datetime.datetime) -> str:
    if time.tzinfo is None:
        time = time.astimezone()
    return time.astimezone(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def default_storage_dir() -> pathlib.Path:
    """``storage.data_dir`` of ~/.jarvis/config.yaml, with persistent_memory/ below it; else ~/.jarvis/memory."""
    config = pathlib.Path("~/.jarvis/config.yaml").expanduser()
    try:
        data_dir = _read_data_dir(config.read_text(encoding="utf-8"))
    except OSError:
        data_dir = None
    if data_dir:
        return pathlib.Path(data_dir).expanduser() / "persistent_memory"
    return pathlib.Path("~/.jarvis/memory").expanduser()


def _read_data_dir(yaml: str) -> str | None:
    """The one setting that is needed, where it stands as a plain or quoted word below `storage:`."""
    inside = False
    for line in yaml.splitlines():
        bare = line.split(" #")[0].rstrip()
        if bare and not bare[0].isspace():
            inside = bare == "storage:"
        elif inside and bare.strip().startswith("data_dir:"):
            return bare.split(":", 1)[1].strip().strip("'\"") or None
    return None


class MemoryModule:
    """Jarvis' memory. `MemoryModule()` alone is the same store in the next run.

    Args:
        storage_backend: what keeps the entries; None: a Quipu store.
        storage_dir: its folder; None: :func:`default_storage_dir`.
        backend_type: "sqlite" or "json", as before; "git" and every other backend of Quipu as well.
    """

    def __init__(
        self,
        storage_backend: StorageBackend | None = None,
        storage_dir: str | os.PathLike[str] | None = None,
        backend_type: str = "sqlite",
    ) -> None:
        if storage_backend is None:
            folder = pathlib.Path(storage_dir) if storage_dir is not None else default_storage_dir()
            storage_backend = QuipuStorage(folder / f"quipu.{backend_type}", backend_type)
        self.backend = storage_backend
        self._open = False

    # ---- life ----

    def bootstrap(self) -> None:
        """Opens or creates the store. A call before it does that by itself."""
        self.backend.bootstrap()
        self._open = True

    def shutdown(self) -> None:
        """Makes everything durable and closes. Twice is once; the next call opens again."""
        self.backend.shutdown()
        self._open = False

    def _ready(self) -> StorageBackend:
        if not self._open:
            self.bootstrap()
        return self.backend

    # ---- entries ----

    def create_memory(
        self,
        category: str,
        key: str,
        value: dict[str, Any],
        entity_type: str,
        entity_id: str | None = None,
        tags: list[str] | None = None,
        module: str | None = None,
        task_id: str | None = None,
    ) -> str:
        """Stores a memory, and returns its id."""
        provenance = {name: text for name, text in (("module", module), ("task_id", task_id)) if text is not None}
        provenance["created_at"] = _now().isoformat()
        entry = MemoryEntry(category, key, value, entity_type, entity_id, list(tags or ()), provenance=provenance)
        self._ready().create(entry)
        return entry.id

    def record_task(self, task_id: str, task_data: dict[str, Any], tags: list[str] | None = None) -> str:
        """A task that was done, under its id."""
        return self.create_memory(TASKS, task_id, task_data, "task", task_id, tags, task_id=task_id)

    def get_memory(self, memory_id: str) -> MemoryEntry | None:
        return self._ready().read(memory_id)

    def get_memory_by_key(self, key: str) -> MemoryEntry | None:
        """The newest of this key."""
        return next(iter(_newest_first(self._ready().query(key=key))), None)

    def get_memories_by_category(self, category: str) -> list[MemoryEntry]:
        return self.search_memories(category=category)

    def get_memories_by_entity(self, entity_type: str, entity_id: str | None = None) -> list[MemoryEntry]:
        return self.search_memories(entity_type=entity_type, entity_id=entity_id)

    def get_memories_by_tags(self, tags: list[str]) -> list[MemoryEntry]:
        """Those that have any of the tags."""
        return self.search_memories(tags=tags) if tags else []

    def search_memories(
        self,
        category: str | None = None,
        key: str | None = None,
        tags: list[str] | None = None,
        entity_type: str | None = None,
        entity_id: str | None = None,
    ) -> list[MemoryEntry]:
        """Those that match all that is given, newest first; of tags any one matches."""
        return _newest_first(self._ready().query(category, key, tags, entity_type, entity_id))

    def update_memory(
        self,
        memory_id: str,
        value: dict[str, Any] | None = None,
        tags: list[str] | None = None,
        module: str | None = None,
    ) -> bool:
        """Changes what is given; False where there is no such memory."""
        entry = self._ready().read(memory_id)
        if entry is None:
            return False
        if value is not None:
            entry.value = value
        if tags is not None:
            entry.tags = list(tags)
        if module is not None:
            entry.provenance["updated_by"] = module
        entry.provenance["updated_at"] = _now().isoformat()
        return self.backend.update(entry)

    def delete_memory(self, memory_id: str) -> bool:
        return self._ready().delete(memory_id)

    def clear_all(self) -> None:
        """Deletes every memory. Their history stays."""
        for entry in self._ready().list_all():
            self.backend.delete(entry.id)

    # ---- conveniences ----

    def _set(self, category: str, key: str, value: dict[str, Any], entity_type: str, entity_id: str | None = None) -> str:
        """One memory of each key in its category."""
        for entry in self.search_memories(category=category, key=key):
            self.update_memory(entry.id, value=value)
            return entry.id
        return self.create_memory(category, key, value, entity_type, entity_id)

    def set_user_preference(self, key: str, value: Any) -> None:
        self._set(PREFERENCES, key, value if isinstance(value, dict) else {"value": value}, "user")

    def get_user_preferences(self) -> dict[str, Any]:
        """Key to value, as {"theme": {"mode": "dark"}}."""
        return {entry.key: entry.value for entry in reversed(self.get_memories_by_category(PREFERENCES))}

    def set_device_info(self, info: dict[str, Any]) -> None:
        self._set(DEVICES, "device_info", info, "device")

    def get_device_info(self) -> dict[str, Any]:
        entry = next(iter(self.search_memories(category=DEVICES, key="device_info")), None)
        return {} if entry is None else entry.value

    def get_task_history(self, limit: int = 10) -> list[MemoryEntry]:
        """Tasks, newest first."""
        return self.get_memories_by_category(TASKS)[: max(limit, 0)]

    def set_tool_knowledge(self, tool: str, knowledge: dict[str, Any]) -> None:
        self._set(TOOLS, tool, knowledge, "tool", tool)

    def get_tool_knowledge(self, tool: str) -> dict[str, Any] | None:
        entry = next(iter(self.search_memories(category=TOOLS, key=tool)), None)
        return None if entry is None else entry.value

    def save_conversation_turn(
        self, user_input: str, assistant_response: str, session_id: str | None = None, **details: Any
    ) -> str:
        """One turn of a conversation; `details` are kept beside it."""
        value = {"user": user_input, "assistant": assistant_response, **details}
        return self.create_memory(CONVERSATIONS, session_id or "conversation", value, "conversation", session_id)

    def record_execution(self, command: str, result: Any, success: bool = True, **details: Any) -> str:
        """That something was executed, and how it ended."""
        value = {"command": command, "result": result, "success": success, **details}
        return self.create_memory(EXECUTIONS, command, value, "execution")


def _newest_first(entries: Iterable[MemoryEntry]) -> list[MemoryEntry]:
    return sorted(entries, key=lambda entry: _print_time(entry.timestamp), reverse=True)


class Container:
    """Hands out the one memory module of a program."""

    _module: MemoryModule | None = None
    _lock = threading.Lock()

    def get_memory_module(self) -> MemoryModule:
        with Container._lock:
            if Container._module is None:
                Container._module = MemoryModule()
                Container._module.bootstrap()
            return Container._module


def install() -> None:
    """Puts these classes under the name jarvis.persistent_memory. StateError where that was imported before."""
    if "jarvis.persistent_memory" in sys.modules:
        raise StateError("jarvis.persistent_memory is imported already; call quipu.jarvis.install() before", code=-20)
    shim = types.ModuleType("jarvis.persistent_memory", __doc__)
    for name in __all__:
        setattr(shim, name, globals()[name])
    sys.modules["jarvis.persistent_memory"] = shim
    try:
        package = importlib.import_module("jarvis")
    except ImportError:
        package = sys.modules["jarvis"] = types.ModuleType("jarvis")
        package.__path__ = []
    setattr(package, "persistent_memory", shim)  # noqa: B010
