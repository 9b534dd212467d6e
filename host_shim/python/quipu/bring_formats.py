"""What other memory systems leave on disk, read as Quipu's records. Sources are only read; what cannot be used is named.

A reader takes the source, the scope and a function ``bad(where, why)``, and returns records and graph steps. :mod:`quipu.bring`
stores what it returns.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterable
from typing import Any, Callable

from .synthians_entries import KINDS, read_entry
from .synthians_entries import record_of as synthians_record
from .writing import Record, words_of

Bad = Callable[[str, str], None]
Found = tuple[list[Record], list[dict[str, Any]], list[dict[str, Any]]]  # records, entities, relations
MOST_TRIES = 1000  # places at which an item may begin again after a damage
_decode = json.JSONDecoder().raw_decode


def read_text(path: pathlib.Path, bad: Bad) -> str:
    """UTF-8; bytes that are none are named, and replaced."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        bad(f"{path.name}, byte {why.start}", "is not UTF-8")
        return data.decode("utf-8", "replace")


def items_of(path: pathlib.Path, bad: Bad, is_item: Callable[[Any], bool]) -> list[tuple[str, Any]]:
    """The items of a JSON array, or of an object by name, or of JSON lines; of a damaged file those that are whole."""
    text = read_text(path, bad)
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as why:
        return _items_of_damaged(path, text, str(why), bad, is_item)
    for name in ("results", "memories", "entries", "items"):
        if isinstance(whole, dict) and isinstance(whole.get(name), (list, dict)):
            whole = whole[name]
            break
    if isinstance(whole, dict) and is_item(whole):
        whole = [whole]
    pairs: Iterable[tuple[Any, Any]] = (
        whole.items() if isinstance(whole, dict) else enumerate(whole if isinstance(whole, list) else ())
    )
    if not isinstance(whole, (dict, list)):
        bad(path.name, "is neither an array nor an object")
    found = []
    for name, item in pairs:
        if is_item(item):
            found.append((str(name), item))
        else:
            bad(f"{path.name}, item {name}", "is no item of this format")
    return found


def _items_of_damaged(path: pathlib.Path, text: str, why: str, bad: Bad, is_item: Callable[[Any], bool]) -> list[tuple[str, Any]]:
    """Every whole item that begins anywhere: after one, the search goes on behind it; inside a broken one, behind its brace."""
    found: list[tuple[str, Any]] = []
    tries, at = 0, text.find("{")
    while at >= 0 and tries < MOST_TRIES:
        step = 1
        try:
            item, end = _decode(text, at)
        except (ValueError, RecursionError):
            tries += 1
        else:
            if is_item(item):
                name = re.search(r'"((?:[^"\\]|\\.){1,255})"\s*:\s*$', text[max(0, at - 300) : at])
                found.append((name.group(1) if name else str(len(found)), item))
                step = end - at
        at = text.find("{", at + step)
    rest = f", byte {len(text[:at].encode())} and on" if at >= 0 else ""
    bad(f"{path.name}{rest}", f"is damaged ({why}); {len(found)} whole items were found in it")
    return found


def _time(value: Any) -> str | None:
    """A time as a record has it, where it is one."""
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value):
        stamp = value.strip().replace(" ", "T")
        stamp = re.sub(r"(\.\d{6})\d+", r"\1", stamp)
        return stamp if re.search(r"(Z|[+-]\d\d:?\d\d)$", stamp) else stamp + "Z"
    return None


def _fields(**fields: Any) -> Record:
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


# ---- mem0 ----


def read_mem0(source: pathlib.Path, bad: Bad) -> Found:
    """What mem0's get_all or export returned, as JSON or a line each."""

    def is_memory(item: Any) -> bool:
        return isinstance(item, dict) and any(isinstance(item.get(name), str) for name in ("memory", "text", "data"))

    records = []
    for _, item in items_of(source, bad, is_memory):
        text = next(item[field] for field in ("memory", "text", "data") if isinstance(item.get(field), str))
        parts = {part: item.get(field) for field, part in (("user_id", "user"), ("agent_id", "agent"), ("run_id", "session"))}
        metadata = {**(item.get("metadata") or {}), **_fields(hash=item.get("hash"))}
        records.append(
            _fields(
                id=str(item.get("id") or f"mem0-{hashlib.sha256(text.encode()).hexdigest()[:32]}"),
                text=text,
                kind="memory",
                scope={part: str(value) for part, value in parts.items() if value},
                metadata=metadata,
                actor=item.get("actor_id"),
                role=item.get("role"),
                tags=sorted({tag for tag in item.get("categories") or () if isinstance(tag, str)}),
                created_at=_time(item.get("created_at")),
                updated_at=_time(item.get("updated_at")),
            )
        )
    return records, [], []


# ---- Agent Zero's Mem0MemorySystem ----


def read_agent_zero(source: pathlib.Path, bad: Bad) -> Found:
    """A folder with vector_store.json and graph_store_list.json, or one of these files. A gpickle is not opened."""
    folder = source if source.is_dir() else source.parent
    vectors = folder / "vector_store.json" if source.is_dir() else source if "graph" not in source.name else folder / "-"
    graph = folder / "graph_store_list.json" if source.is_dir() else source if "graph" in source.name else folder / "-"
    records: list[Record] = []
    if vectors.exists():
        for name, item in items_of(vectors, bad, lambda item: isinstance(item, dict) and "data" in item):
            value = {part: item[part] for part in ("data", "type", "updated_at", "embedding") if item.get(part)}
            text = item.get("text_for_embedding")
            record = _fields(id=str(item.get("id") or name), kind="memory", value=value, metadata=item.get("metadata"))
            records.append({**record, **_fields(text=text if isinstance(text, str) else words_of(item["data"]))})
    relations = []
    if graph.exists():
        parts = ("head", "relation", "tail")
        for _, item in items_of(graph, bad, lambda item: isinstance(item, dict) and all(item.get(part) for part in parts)):
            relation = {"from": str(item["head"]), "to": str(item["tail"]), "relationType": str(item["relation"])}
            relations.append({**relation, **_fields(properties=item.get("properties"))})
    elif (folder / "graph_store.gpickle").exists():
        bad("graph_store.gpickle", "is a pickle, which is not opened; make a list of it: python -m quipu.gpickle")
    return records, [], relations


# ---- Jarvis ----


def read_jarvis(source: pathlib.Path, bad: Bad) -> Found:
    """memory.db or memory.json, or the folder with one of them."""
    if source.is_dir():
        source = next((source / name for name in ("memory.db", "memory.json") if (source / name).exists()), source / "memory.db")
    rows = _rows_of(source, bad) if source.suffix in (".db", ".sqlite") else items_of(source, bad, _is_jarvis)
    records = []
    for name, row in rows:
        item = dict(row)
        for field in ("value", "tags", "provenance"):
            if isinstance(item.get(field), str):
                try:
                    item[field] = json.loads(item[field])
                except ValueError:
                    if field == "value":
                        bad(f"{source.name}, {item.get('id', name)}", "its value is not JSON; it is kept as text")
                        item[field] = {"text": item[field]}
                    else:
                        item[field] = item[field].split(",") if field == "tags" else None
        entity = _fields(type=item.get("entity_type"), id=item.get("entity_id"))
        value, tags = item["value"], item.get("tags")
        records.append(
            _fields(
                id=str(item.get("id") or name),
                kind="memory",
                category=item["category"],
                key=item["key"],
                value=value if isinstance(value, dict) else {"value": value},
                text=f"{item['key']}: {words_of(value)}",
                tags=sorted({str(tag) for tag in tags}) if isinstance(tags, list) else None,
                entity=entity,
                provenance=item.get("provenance") if isinstance(item.get("provenance"), dict) else None,
                created_at=_time(item.get("timestamp") or item.get("created_at")),
            )
        )
    return records, [], []


def _is_jarvis(item: Any) -> bool:
    return (
        isinstance(item, dict) and isinstance(item.get("category"), str) and isinstance(item.get("key"), str) and "value" in item
    )


def _rows_of(source: pathlib.Path, bad: Bad) -> list[tuple[str, dict[str, Any]]]:
    """Of the table with category, key and value, in a copy, so that SQLite leaves nothing beside the source."""
    found: list[tuple[str, dict[str, Any]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            if os.path.exists(f"{source}{suffix}"):
                shutil.copyfile(f"{source}{suffix}", os.path.join(folder, f"copy.db{suffix}"))
        database = sqlite3.connect(os.path.join(folder, "copy.db"))
        database.row_factory = sqlite3.Row
        database.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                quoted = '"' + table.replace('"', '""') + '"'
                columns = {row["name"] for row in database.execute(f"PRAGMA table_info({quoted})")}
                if {"category", "key", "value"} <= columns:
                    for direction in ("ASC", "DESC"):  # from both ends up to the damage
                        if _rows_from(database, f"SELECT rowid AS _row, * FROM {quoted} ORDER BY rowid {direction}", found):
                            break
                        if direction == "ASC":
                            bad(f"{source.name}, table {table}", f"is damaged after {len(found)} rows")
                    break
            else:
                bad(source.name, "has no table with category, key and value")
        except sqlite3.Error as why:
            bad(source.name, f"cannot be read: {why}")
        finally:
            database.close()
    rows = {row["_row"]: (name, row) for name, row in found}
    for name, row in rows.values():
        if not _is_jarvis(row):
            bad(f"{source.name}, row {name}", "is no memory")
    return [(name, row) for name, row in rows.values() if _is_jarvis(row)]


def _rows_from(database: sqlite3.Connection, question: str, found: list[tuple[str, dict[str, Any]]]) -> bool:
    try:
        for row in database.execute(question):
            found.append((str(row["_row"]), dict(row)))
    except sqlite3.Error:
        return False
    return True


# ---- Synthians ----


def read_synthians(source: pathlib.Path, bad: Bad) -> Found:
    """A folder with memories/ and assemblies/."""
    records = []
    if not any((source / sort).is_dir() for sort in KINDS):
        bad(source.name, "has neither memories/ nor assemblies/")
    for sort in KINDS:
        for path in sorted((source / sort).glob("*.json")):
            entry = read_entry(path)
            if entry is None:
                bad(f"{sort}/{path.name}", "is no entry, and has no .bak that is one")
            else:
                records.append(synthians_record(sort, entry))
    return records, [], []


# ---- the MCP memory server ----


def read_mcp(source: pathlib.Path, bad: Bad) -> Found:
    """memory.jsonl: an entity or a relation a line."""
    entities: list[dict[str, Any]] = []
    relations: list[dict[str, Any]] = []
    for number, line in enumerate(read_text(source, bad).split("\n"), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            if item["type"] == "entity":
                observations = [str(text) for text in item.get("observations") or ()]
                entities.append({"name": str(item["name"]), "entityType": str(item["entityType"]), "observations": observations})
            elif item["type"] == "relation":
                relations.append({part: str(item[part]) for part in ("from", "to", "relationType")})
            else:
                bad(f"{source.name}, line {number}", "is neither an entity nor a relation")
        except (ValueError, KeyError, TypeError, RecursionError) as why:
            bad(f"{source.name}, line {number}", f"cannot be read: {type(why).__name__} {why}")
    return [], entities, relations


# ---- basic-memory ----

_OBSERVATION = re.compile(r"^- \[([^\]\[]{1,100})\] (.+)$")
_RELATION = re.compile(r"^- ([^\[]{1,100}?)\s*\[\[([^\]]{1,255})\]\]")


def read_basic_memory(source: pathlib.Path, bad: Bad) -> Found:
    """A folder of Markdown notes: each a record with its text, an entity with its observations, and its relations."""
    records: list[Record] = []
    entities: list[dict[str, Any]] = []
    relations: list[dict[str, Any]] = []
    for path in sorted(source.rglob("*.md")) if source.is_dir() else [source]:
        name = path.relative_to(source).as_posix() if source.is_dir() else path.name
        text = read_text(path, bad)
        front, body = _front_of(text)
        if front is None:
            bad(name, "its front matter does not end; the note is kept without it")
            front = {}
        title = str(front.get("title") or path.stem)
        permalink = str(front.get("permalink") or name[:-3])
        kind = str(front.get("type") or "note")
        observations = []
        for line in body.splitlines():
            observed, related = _OBSERVATION.match(line), _RELATION.match(line)
            if observed:
                observations.append(f"[{observed.group(1)}] {observed.group(2)}")
            elif related:
                relations.append({"from": title, "to": related.group(2), "relationType": related.group(1).strip()})
        entities.append({"name": title, "entityType": kind, "observations": observations})
        tags = front.get("tags") or []
        record = _fields(
            id=f"note-{uuid.uuid5(uuid.NAMESPACE_URL, permalink)}",
            kind="memory",
            category="note",
            key=permalink,
            text=body.strip() or title,
            tags=sorted({str(tag).strip().lstrip("#") for tag in tags} - {""}) if isinstance(tags, list) else None,
            metadata=_fields(title=title, type=kind, path=name),
        )
        records.append({**record, "value": {"markdown": text}})
    return records, entities, relations


def _front_of(text: str) -> tuple[dict[str, Any] | None, str]:
    """The front matter as far as it is plain names, texts and lists of words; None where it does not end."""
    if not text.startswith("---\n"):
        return {}, text
    end = re.search(r"^---\s*$", text[4:], re.MULTILINE)
    if end is None:
        return None, text[4:]
    front: dict[str, Any] = {}
    last = ""
    for line in text[4 : 4 + end.start()].splitlines():
        name, colon, value = line.partition(":")
        if line.lstrip().startswith("- ") and last:
            front[last] = (
                [*(front[last] or []), line.lstrip()[2:].strip().strip("'\"")]
                if not isinstance(front[last], str)
                else front[last]
            )
        elif colon and name and not name[0].isspace():
            last, value = name.strip(), value.strip()
            listed = value.startswith("[") and value.endswith("]")
            front[last] = [part.strip().strip("'\"") for part in value[1:-1].split(",")] if listed else value.strip("'\"") or None
    return front, text[4 + end.end() :]


READERS: dict[str, Callable[[pathlib.Path, Bad], Found]] = {
    "agent-zero": read_agent_zero,
    "basic-memory": read_basic_memory,
    "jarvis": read_jarvis,
    "mcp": read_mcp,
    "mem0": read_mem0,
    "synthians": read_synthians,
}


def unique(records: Iterable[Record], bad: Bad) -> list[Record]:
    """One record of each id, the last; others are named."""
    kept: dict[str, Record] = {}
    for record in records:
        if record["id"] in kept:
            bad(record["id"], "occurs more than once; the last one is kept")
        kept[record["id"]] = record
    return list(kept.values())
