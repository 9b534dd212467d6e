"""What Synthians keeps: memories and assemblies, as its programs, its files and Quipu's records have them."""

from __future__ import annotations

import json
import math
import pathlib
import uuid
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime, timezone
from typing import Any

from .errors import QuipuError
from .writing import Record

MEMORIES, ASSEMBLIES = "memories", "assemblies"
KINDS = {MEMORIES: "memory", ASSEMBLIES: "assembly"}


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass
class MemoryEntry:
    """One memory. `id` is mem_ and twelve hexadecimal digits unless given."""

    content: str
    embedding: list[float] | None = None
    id: str = field(default_factory=lambda: f"mem_{uuid.uuid4().hex[:12]}")
    timestamp: str = field(default_factory=now)
    quickrecal_score: float = 0.5
    quickrecal_updated: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    access_count: int = 0
    last_access_time: str | None = None
    hyperbolic_embedding: list[float] | None = None

    @property
    def memory_id(self) -> str:
        return self.id


@dataclass
class MemoryAssembly:
    """A group of memories, with the mean of their embeddings. `id` is asm_ and twelve hexadecimal digits unless given."""

    name: str
    memories: list[str] = field(default_factory=list)
    composite_embedding: list[float] | None = None
    id: str = field(default_factory=lambda: f"asm_{uuid.uuid4().hex[:12]}")
    activation_level: float = 0.0
    created_at: str = field(default_factory=now)
    updated_at: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def assembly_id(self) -> str:
        return self.id


def effective_score(score: float, age_days: float) -> float:
    """A QuickRecal score after some days: s * exp(-(0.05 / max(0.1, 0.5 + 0.5 s)) * (days - 1)), and s within the first day.

    The formula is that of Synthians' memory core.
    """
    if age_days < 1:
        return score
    return score * math.exp(-(0.05 / max(0.1, 0.5 + 0.5 * score)) * (age_days - 1))


def entry_of(thing: Any) -> Record:
    """Of an own class, of Synthians', or of a dictionary."""
    if isinstance(thing, dict):
        entry = dict(thing)
    elif hasattr(thing, "to_dict"):
        entry = dict(thing.to_dict())
    elif is_dataclass(thing) and not isinstance(thing, type):
        entry = asdict(thing)
    else:
        entry = {name: value for name, value in vars(thing).items() if not name.startswith("_")}
    id = entry.get("id") or entry.get("memory_id") or entry.get("assembly_id")
    if not id:
        raise ValueError("an entry needs an id: id, memory_id or assembly_id")
    return {name: _plain(value) for name, value in {**entry, "id": str(id)}.items()}


def _plain(value: Any) -> Any:
    """Times, sets and arrays as JSON has them."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return value.tolist() if hasattr(value, "tolist") else value


def record_of(sort: str, entry: Record) -> Record:
    record: Record = {"id": entry["id"], "kind": KINDS[sort], "value": entry}
    text = entry.get("content") if sort == MEMORIES else entry.get("name")
    if isinstance(text, str) and text:
        record["text"] = text
    score = entry.get("quickrecal_score" if sort == MEMORIES else "activation_level")
    if isinstance(score, (int, float)) and 0 <= score <= 1:
        record["importance"] = score
    if sort == ASSEMBLIES and entry.get("memories"):
        record["links"] = [{"rel": "member", "to": id} for id in sorted(set(entry["memories"]))]
    return record


def known(cls: type, entry: Record) -> Record:
    names = cls.__dataclass_fields__  # type: ignore[attr-defined]
    return {name: value for name, value in entry.items() if name in names}


def vector_id(sort: str, id: str) -> str:
    return f"asm:{id}" if sort == ASSEMBLIES else id


def read_entry(path: pathlib.Path) -> Record | None:
    """From the file, or from its .bak where that is damaged."""
    for candidate in (path, path.with_name(path.name + ".bak")):
        try:
            return entry_of(json.loads(candidate.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, QuipuError):
            continue
    return None
