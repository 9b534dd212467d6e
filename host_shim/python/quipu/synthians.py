"""Synthians' MemoryPersistence on Quipu: memories and assemblies, a readable mirror in files, and a history behind them.

    from quipu.synthians import MemoryPersistence

Everything lies in a Quipu store below `storage_path`. Beside it the files of old are kept up: ``memories/ID.json``,
``assemblies/ID.json`` and ``memory_index.json`` with its rotating backups. A folder that was written by Synthians itself, in
either of its layouts, is taken over at the first start: what can be read arrives, what cannot is named, and the files stay.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import hashlib
import json
import logging
import os
import pathlib
import shutil
import time
from collections.abc import Iterable
from typing import Any

from .errors import ConflictError, NotFoundError
from .files import replace_json
from .sharing import call
from .store import Store
from .synthians_entries import (
    ASSEMBLIES,
    KINDS,
    MEMORIES,
    MemoryAssembly,
    MemoryEntry,
    effective_score,
    entry_of,
    known,
    now,
    read_entry,
    record_of,
    vector_id,
)
from .writing import Put, Record

__all__ = ["MemoryAssembly", "MemoryEntry", "MemoryPersistence", "effective_score"]

log = logging.getLogger("quipu.synthians")

INDEX_VERSION = "2.3.0"
CACHE_MOST = 1000
CHUNK = 500  # memories of a batch that become one change set
RETRIES_MOST = 5


class MemoryPersistence:
    """Memories and assemblies on the disk.

    Args:
        storage_path: the folder; made with its parents.
        index_backup_count: how many older copies of memory_index.json are kept.
        auto_repair: at the first call, mend what files, index and store do not agree on.
        backup_interval: seconds between two of those copies.
        flush_threshold: changes after which memory_index.json is written; :meth:`flush` and :meth:`shutdown` write it too.
        vector_index: an object with ``add_vector(id, vector)`` and ``remove_vector(id)``, told of every embedding; or None.
        embedder: of the store, for searches by meaning; None: by words.
    """

    def __init__(
        self,
        storage_path: str | os.PathLike[str] = "./storage",
        index_backup_count: int = 3,
        auto_repair: bool = True,
        backup_interval: float = 3600,
        flush_threshold: int = 20,
        vector_index: Any = None,
        embedder: str | None = None,
    ) -> None:
        self.storage_path = pathlib.Path(storage_path)
        self.index_backup_count = max(0, index_backup_count)
        self.auto_repair = auto_repair
        self.backup_interval = backup_interval
        self.flush_threshold = max(1, flush_threshold)
        self.vector_index = vector_index
        self._embedder = embedder
        self.memory_index: dict[str, dict[str, Record]] = {MEMORIES: {}, ASSEMBLIES: {}}
        self._cache: collections.OrderedDict[tuple[str, str], Record] = collections.OrderedDict()
        self._changes = 0
        self._last_backup = 0.0
        self._store: Store | None = None
        self._ready = False
        self._lock = asyncio.Lock()

    # ---- life ----

    @property
    def store(self) -> Store:
        """The Quipu store: its history, search and swap."""
        if self._store is None or self._store.closed:
            self.storage_path.mkdir(parents=True, exist_ok=True)
            self._store = Store(self.storage_path / "quipu", embedder=self._embedder, source="quipu.synthians")
        return self._store

    @property
    def index_path(self) -> pathlib.Path:
        return self.storage_path / "memory_index.json"

    async def initialize(self) -> None:
        """Opens, takes over what an older program left, and repairs. Every call does it by itself."""
        async with self._lock:
            if self._ready:
                return
            try:
                await call(self._open)
            except PermissionError as why:
                raise PermissionError(f"{why.filename or self.storage_path} cannot be written: {why.strerror}") from why
            self._ready = True
        if self.auto_repair:
            await self.verify_and_repair_consistency()

    def _open(self) -> None:
        for folder in (MEMORIES, ASSEMBLIES):
            (self.storage_path / folder).mkdir(parents=True, exist_ok=True)
        if not len(self.store):
            self._take_over()
        self._load_memory_index()

    async def flush(self) -> None:
        """Writes memory_index.json, where something has changed."""
        await self.initialize()
        if self._changes:
            await call(self._save_index)

    async def shutdown(self) -> None:
        """Writes the index, and closes. The next call opens again."""
        if self._ready:
            await self.flush()
        if self._store is not None:
            await call(self._store.close)
        self._ready = False

    # ---- memories ----

    async def save_memory(self, memory: Any) -> None:
        """Keeps a memory, durably. ConflictError where it was changed meanwhile by somebody else."""
        await self._save(MEMORIES, [memory])

    async def save_memories_batch(self, memories: list[Any]) -> None:
        """Keeps many: one change set for every few hundred, one update of the index."""
        await self._save(MEMORIES, memories)

    async def load_memory(self, memory_id: str) -> MemoryEntry | None:
        """The memory, or None."""
        entry = await self._load(MEMORIES, memory_id)
        return None if entry is None else MemoryEntry(**known(MemoryEntry, entry))

    async def delete_memory(self, memory_id: str) -> bool:
        """First from the index, then from the vector index, then the memory itself. False where there is none."""
        return await self._delete(MEMORIES, memory_id)

    async def list_memories(self) -> list[str]:
        await self.initialize()
        return list(self.memory_index[MEMORIES])

    # ---- assemblies ----

    async def save_assembly(self, assembly: Any) -> None:
        await self._save(ASSEMBLIES, [assembly])

    async def load_assembly(self, assembly_id: str) -> MemoryAssembly | None:
        entry = await self._load(ASSEMBLIES, assembly_id)
        return None if entry is None else MemoryAssembly(**known(MemoryAssembly, entry))

    async def delete_assembly(self, assembly_id: str) -> bool:
        return await self._delete(ASSEMBLIES, assembly_id)

    async def list_assemblies(self) -> list[str]:
        await self.initialize()
        return list(self.memory_index[ASSEMBLIES])

    # ---- what both are made of ----

    async def _save(self, sort: str, things: Iterable[Any]) -> None:
        await self.initialize()
        entries = [entry_of(thing) for thing in things]
        for start in range(0, len(entries), CHUNK):
            chunk = {entry["id"]: entry for entry in entries[start : start + CHUNK]}
            await call(self._write, sort, list(chunk.values()))
        for entry in entries:
            self._tell_vector(sort, entry)
        await call(self._update_memory_index_batch, sort, entries)

    def _write(self, sort: str, entries: list[Record]) -> None:
        """One change set, each by compare-and-swap against what this object saw last; then the mirror."""
        steps = []
        for entry in entries:
            seen = self._cache.get((sort, entry["id"]))
            steps.append(Put(record_of(sort, entry), if_version=seen["version"] if seen else None))
        try:
            self.store.write(steps)
        except ConflictError as why:
            self._cache.pop((sort, why.id or ""), None)
            raise
        for entry in entries:
            self._cache.pop((sort, entry["id"]), None)
            self._save_memory_file(sort, entry)

    async def _load(self, sort: str, id: str) -> Record | None:
        await self.initialize()
        cached = self._cache.get((sort, id))
        if cached is None:
            record = await call(self.store.get, id)
            if record is None or record.get("kind") != KINDS[sort]:
                return None
            cached = {"entry": record["value"], "version": record["version"]}
            self._cache[sort, id] = cached
            while len(self._cache) > CACHE_MOST:
                self._cache.popitem(last=False)
        self._cache.move_to_end((sort, id))
        return dict(cached["entry"])

    async def _delete(self, sort: str, id: str) -> bool:
        await self.initialize()
        row = self.memory_index[sort].pop(id, None)
        if self.vector_index is not None:
            with contextlib.suppress(Exception):
                self.vector_index.remove_vector(vector_id(sort, id))
        self._cache.pop((sort, id), None)
        try:
            await call(self.store.delete, id)
        except NotFoundError:
            if row is None:
                return False
        await call(self._forget_file, sort, id)
        return True

    def _forget_file(self, sort: str, id: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._file(sort, id).unlink()
        self._changed(1)

    def _tell_vector(self, sort: str, entry: Record) -> None:
        vector = entry.get("embedding" if sort == MEMORIES else "composite_embedding")
        if self.vector_index is None or not vector:
            return
        try:
            self.vector_index.add_vector(vector_id(sort, entry["id"]), vector)
        except Exception as why:
            self._retry_later(vector_id(sort, entry["id"]), str(why))

    # ---- the mirror in files ----

    def _file(self, sort: str, id: str) -> pathlib.Path:
        """A name that leaves its folder is made harmless."""
        safe = id if id and all(c.isalnum() or c in "-_:." for c in id) and not id.startswith(".") else ""
        return self.storage_path / sort / f"{safe or 'id-' + hashlib.sha256(id.encode()).hexdigest()[:32]}.json"

    def _save_memory_file(self, sort: str, entry: Record) -> None:
        try:
            replace_json(self._file(sort, entry["id"]), entry)
        except OSError as why:  # the memory itself is durable in the store
            log.error("%s was not mirrored: %s", self._file(sort, entry["id"]), why)

    def _scan_memory_files(self, sort: str) -> dict[str, pathlib.Path]:
        """The files that are there, by the id that they hold; unreadable ones are named."""
        found: dict[str, pathlib.Path] = {}
        for path in sorted((self.storage_path / sort).glob("*.json")):
            entry = read_entry(path)
            if entry is None:
                log.error("%s is no entry, and was left alone", path)
            else:
                found[entry["id"]] = path
        return found

    def _changed(self, count: int) -> None:
        self._changes += count
        if self._changes >= self.flush_threshold:
            self._save_index()

    def _update_memory_index(self, sort: str, entry: Record) -> None:
        self._update_memory_index_batch(sort, [entry])

    def _update_memory_index_batch(self, sort: str, entries: list[Record]) -> None:
        for entry in entries:
            old = self.memory_index[sort].get(entry["id"], {})
            self.memory_index[sort][entry["id"]] = self._index_row(sort, entry, old.get("created_at"))
        if entries:
            self._changed(len(entries))

    def _index_row(self, sort: str, entry: Record, created_at: str | None) -> Record:
        row = {
            "filepath": str(self._file(sort, entry["id"]).relative_to(self.storage_path)),
            "created_at": created_at or entry.get("timestamp") or entry.get("created_at") or now(),
            "updated_at": now(),
        }
        if sort == ASSEMBLIES:
            return {**row, "member_count": len(entry.get("memories") or ())}
        text = json.dumps(entry, sort_keys=True, ensure_ascii=False)
        return {
            **row,
            "quickrecal_score": entry.get("quickrecal_score"),
            "content_hash": "sha256:" + hashlib.sha256(text.encode()).hexdigest(),
        }

    def _save_index(self, backup: bool = True) -> None:
        """Atomically, after a copy of the old one where the last copy is old enough."""
        if backup:
            self._backup_index()
        index = {
            **self.memory_index,
            "metadata": {
                "version": INDEX_VERSION,
                "last_updated": now(),
                "memory_count": len(self.memory_index[MEMORIES]),
                "assembly_count": len(self.memory_index[ASSEMBLIES]),
            },
        }
        try:
            replace_json(self.index_path, index)
            self._changes = 0
        except OSError as why:  # it is derived: the next flush, or the next start, writes it
            log.error("%s was not written: %s", self.index_path, why)

    def _backup_index(self) -> None:
        if not self.index_backup_count or not self.index_path.exists():
            return
        if self._last_backup and time.monotonic() - self._last_backup < self.backup_interval:
            return
        self._last_backup = time.monotonic()
        copies = [self.index_path.with_name(f"memory_index.json.bak{n}") for n in range(1, self.index_backup_count + 1)]
        for older, newer in zip(reversed(copies), reversed([self.index_path, *copies[:-1]])):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(newer, older)

    def _load_memory_index(self) -> None:
        """From its file, else from a copy of it, else from the store."""
        copies = [self.index_path.with_name(f"memory_index.json.bak{n}") for n in range(1, self.index_backup_count + 1)]
        for path in (self.index_path, *copies):
            try:
                index = json.loads(path.read_text(encoding="utf-8"))
                self.memory_index = {sort: dict(index[sort]) for sort in KINDS}
                return
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError) as why:
                log.error("%s cannot be read: %s", path, why)
        self.memory_index = {MEMORIES: {}, ASSEMBLIES: {}}
        for sort, kind in KINDS.items():
            for record in self.store.iterate(filter={"kind": kind}):
                entry = record["value"]
                self.memory_index[sort][record["id"]] = self._index_row(sort, entry, record.get("created_at"))
        self._save_index(backup=False)

    # ---- what an older program left ----

    def _take_over(self) -> None:
        """Both layouts: memories/ and assemblies/, or flat files beside the index. The files stay."""
        arrived: dict[str, list[Record]] = {MEMORIES: [], ASSEMBLIES: []}
        for path in sorted(self.storage_path.glob("*.json")) + sorted(self.storage_path.glob("*/*.json")):
            if path.name.startswith(("memory_index", "pending_")) or path.parent.name in ("quipu", "vector_index"):
                continue
            entry = read_entry(path)
            if entry is None:
                log.error("%s is no entry, and was not taken over", path)
                continue
            sort = ASSEMBLIES if path.parent.name == ASSEMBLIES or entry["id"].startswith("asm") else MEMORIES
            arrived[sort].append(entry)
        for sort, entries in arrived.items():
            for start in range(0, len(entries), CHUNK):
                chunk = {entry["id"]: entry for entry in entries[start : start + CHUNK]}
                self.store.write([Put(record_of(sort, e)) for e in chunk.values()], operation="import")
                for entry in chunk.values():
                    if not self._file(sort, entry["id"]).exists():
                        self._save_memory_file(sort, entry)

    # ---- consistency ----

    async def verify_and_repair_consistency(self) -> dict[str, Any]:
        """Compares store, files and index, and mends: the store decides, and a file that it does not know is taken in.

        Returns: counts: memory_files, memory_index_entries, assembly_files, assembly_index_entries, files_not_in_index,
        index_without_file, files_rewritten, entries_taken_in, repairs, errors.
        """
        if not self._ready:
            async with self._lock:
                await call(self._open)
                self._ready = True
        report = await call(self._repair_inconsistencies)
        if self.vector_index is not None:
            report["vectors_rebuilt"] = await call(self._repair_vectors)
        return report

    def _repair_inconsistencies(self) -> dict[str, Any]:
        report: collections.Counter[str] = collections.Counter()
        for sort, kind in KINDS.items():
            files, index = self._scan_memory_files(sort), self.memory_index[sort]
            stored = {record["id"]: record["value"] for record in self.store.iterate(filter={"kind": kind})}
            word = "memory" if sort == MEMORIES else "assembly"
            report[f"{word}_files"], report[f"{word}_index_entries"] = len(files), len(index)
            for id in files.keys() - stored.keys():
                entry = read_entry(files[id])
                if entry is not None:
                    self.store.write([Put(record_of(sort, entry))], operation="repair")
                    stored[id] = entry
                    report["entries_taken_in"] += 1
            for id in stored.keys() - files.keys():
                self._save_memory_file(sort, stored[id])
                report["files_rewritten"] += 1
            for id in stored.keys() - index.keys():
                index[id] = self._index_row(sort, stored[id], None)
                report["files_not_in_index"] += 1
            for id in index.keys() - stored.keys():
                del index[id]
                report["index_without_file"] += 1
        names = ("entries_taken_in", "files_rewritten", "files_not_in_index", "index_without_file")
        report["repairs"] = sum(report[name] for name in names)
        if report["repairs"] or not self.index_path.exists():
            self._save_index()
        return {**dict.fromkeys((*names, "errors"), 0), **report}

    def _repair_vectors(self) -> int:
        """Tells the vector index of every embedding that it does not have, where it can say what it has."""
        has = getattr(self.vector_index, "id_to_index", None)
        rebuilt = 0
        for sort, kind in KINDS.items():
            for record in self.store.iterate(filter={"kind": kind}):
                if has is None or vector_id(sort, record["id"]) not in has:
                    self._tell_vector(sort, record["value"])
                    rebuilt += 1
        for id in list(has or ()):
            bare = id[4:] if id.startswith("asm:") else id
            if self.store.get(bare) is None:
                with contextlib.suppress(Exception):
                    self.vector_index.remove_vector(id)
        return rebuilt

    # ---- updates of the vector index that failed ----

    @property
    def _pending_path(self) -> pathlib.Path:
        return self.storage_path / "pending_assembly_updates.json"

    def pending_updates(self) -> dict[str, Record]:
        """Those that are still to be made: how often they were tried, when they are next, and why they failed."""
        try:
            pending = json.loads(self._pending_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return pending if isinstance(pending, dict) else {}

    def _retry_later(self, id: str, why: str) -> None:
        pending = self.pending_updates()
        tries = int(pending.get(id, {}).get("retries", 0)) + (id in pending)
        pending[id] = {"retries": tries, "next_at": time.time() + min(5 * 2**tries, 300), "error": why[:200]}
        if tries >= RETRIES_MOST:
            log.error("the vector of %s was given up after %d tries: %s", id, tries, why)
            del pending[id]
        replace_json(self._pending_path, pending)

    async def retry_pending_updates(self, at: float | None = None) -> int:
        """Tries again what is due; how many succeeded."""
        done = 0
        for id, row in self.pending_updates().items():
            if row.get("next_at", 0) > (time.time() if at is None else at) or self.vector_index is None:
                continue
            sort = ASSEMBLIES if id.startswith("asm:") else MEMORIES
            entry = await self._load(sort, id[4:] if sort == ASSEMBLIES else id)
            if entry is not None:
                self._tell_vector(sort, entry)
            pending = self.pending_updates()
            if entry is None or pending.get(id) == row:
                pending.pop(id, None)
                replace_json(self._pending_path, pending)
                done += entry is not None
        return done

    # ---- moving ----

    async def move_storage(self, target: str | os.PathLike[str]) -> None:
        """Moves everything to a folder that is not there, or empty. FileExistsError where it holds something."""
        destination = pathlib.Path(target)
        if destination.exists() and any(destination.iterdir()):
            raise FileExistsError(f"{destination} is not empty")
        await self.shutdown()
        destination.parent.mkdir(parents=True, exist_ok=True)
        if destination.exists():
            destination.rmdir()
        await call(shutil.move, str(self.storage_path), str(destination))
        self.storage_path = destination
        self._store = None
