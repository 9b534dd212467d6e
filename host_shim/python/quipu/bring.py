"""Brings along what another memory system left on disk, as one audited change set, and writes it back where its format is simple.

    python -m quipu.bring mem0 export.json --store ~/my-agent --user ada
    python -m quipu.bring --export mcp memory.jsonl --store ~/my-agent

What arrived and what could not be read is told, each with its place; the exit status is 1 where something could not. The source
is only read. To bring the same source twice changes nothing more.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import tempfile
from dataclasses import dataclass, field
from typing import Any

from .bring_formats import READERS, unique
from .errors import QuipuError
from .files import replace_json
from .store import Store, scope_of
from .writing import Put, Record

__all__ = ["Report", "bring", "export"]

_SCOPE = ("user", "agent", "session", "app")


@dataclass
class Report:
    """What became of a source. unread: (place, why) of each part that did not arrive as it was. revision: the change set's."""

    records: int = 0
    changed: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)
    revision: str = ""

    def bad(self, where: str, why: str) -> None:
        self.unread.append((where, why))


def bring(store: Store, format: str, source: str | os.PathLike[str], **scope: str | None) -> Report:
    """Stores what is in `source`.

    Args:
        format: of :data:`quipu.bring_formats.READERS`.
        source: the file or the folder.
        scope: user, agent, session, app: whose it is, where an item does not say.

    Raises:
        ValueError: no such format. OSError: the source cannot be read at all. QuipuError: the store cannot be written.
    """
    if format not in READERS:
        raise ValueError(f"there is no format {format}; there are {', '.join(READERS)}")
    path = pathlib.Path(source).expanduser()
    path.stat()
    report = Report()
    named = scope_of(*(scope.get(part) for part in _SCOPE))
    records, entities, relations = READERS[format](path, report.bad)
    for record in records:
        record["scope"] = {**named, **record.get("scope", {})}
    with tempfile.TemporaryDirectory() as folder, Store(os.path.join(folder, "trial"), backend="memory") as trial:
        good = [record for record in unique(records, report.bad) if _is_taken(trial, record, report)]
        good += _graph_records(store, trial, entities, relations, named, report)
    report.records = len(good)
    if good:
        written = store.write(
            [Put(record) for record in good],
            operation="import",
            note=f"{format}: {path.name}: {len(good)} records, {len(report.unread)} parts that could not be read",
        )
        report.changed, report.revision = written.changed, written.revision
    return report


def _is_taken(trial: Store, record: Record, report: Report) -> bool:
    """Whether a store takes this record, tried in one that is thrown away."""
    try:
        trial.put(record)
    except QuipuError as why:
        report.bad(str(record["id"]), str(why))
        return False
    return True


def _graph_records(
    store: Store,
    trial: Store,
    entities: list[dict[str, Any]],
    relations: list[dict[str, Any]],
    scope: dict[str, Any],
    report: Report,
) -> list[Record]:
    """The graph's records, merged with what the store has of it: made in the trial store, so that they are one change set."""
    if not entities and not relations:
        return []
    for record in store.iterate(filter={"kind": {"in": ["entity", "relation"]}}, **scope):
        trial.put(record)
    for entity in entities:
        try:
            trial.graph({"op": "create_entities", "entities": [entity]}, **scope)
            added = {"entityName": entity["name"], "contents": entity["observations"]}
            trial.graph({"op": "add_observations", "observations": [added]}, **scope)
        except QuipuError as why:
            report.bad(f"entity {entity['name']}", str(why))
    for relation in relations:
        try:
            trial.graph({"op": "create_relations", "relations": [relation]}, **scope)
        except QuipuError as why:
            report.bad(f"relation of {relation['from']}", str(why))
    made = list(trial.iterate(filter={"kind": {"in": ["entity", "relation"]}}, **scope))
    changed = []
    for record in made:
        there = store.get(record["id"])
        if there is None or there["version"] != record["version"]:
            changed.append(record)
    return changed


def export(store: Store, format: str, target: str | os.PathLike[str], **scope: str | None) -> int:
    """Writes "mcp" (memory.jsonl), "mem0" (a JSON list) or "basic-memory" (the notes of a folder); how many parts there were."""
    path = pathlib.Path(target).expanduser()
    named = scope_of(*(scope.get(part) for part in _SCOPE))
    if format == "mcp":
        graph = store.graph({"op": "read"}, **named)
        lines = [{"type": "entity", **entity} for entity in graph["entities"]]
        lines += [{"type": "relation", **{p: r[p] for p in ("from", "to", "relationType")}} for r in graph["relations"]]
        path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
        return len(lines)
    if format == "mem0":
        items = [_mem0_item(record) for record in store.iterate(filter={"kind": "memory"}, order="oldest", **named)]
        replace_json(path, items)
        return len(items)
    if format == "basic-memory":
        return _export_notes(store, path, named)
    raise ValueError(f"there is no way back to {format}; there are mcp, mem0, basic-memory")


def _mem0_item(record: Record) -> Record:
    metadata = dict(record.get("metadata", {}))
    scope = record.get("scope", {})
    item = {
        "id": record["id"],
        "memory": record.get("text", ""),
        "hash": metadata.pop("hash", None),
        "metadata": metadata or None,
    }
    item.update(
        {name: scope[part] for name, part in (("user_id", "user"), ("agent_id", "agent"), ("run_id", "session")) if part in scope}
    )
    item.update(
        {name: record[part] for name, part in (("actor_id", "actor"), ("role", "role"), ("categories", "tags")) if part in record}
    )
    return {**item, "created_at": record.get("created_at"), "updated_at": record.get("updated_at")}


def _export_notes(store: Store, folder: pathlib.Path, scope: dict[str, Any]) -> int:
    """Each note at its old place below the folder; a place outside of it is refused."""
    root = folder.resolve()
    count = 0
    for record in store.iterate(filter={"category": "note"}, **scope):
        place = (root / str(record["metadata"]["path"])).resolve()
        if root not in place.parents:
            raise ValueError(f"{record['id']}: metadata.path leads out of the folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "w", encoding="utf-8", newline="") as out:
            out.write(record["value"]["markdown"])
        count += 1
    return count


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m quipu.bring", description="Memories of other systems, in and out.")
    parser.add_argument("format", help=", ".join(READERS))
    parser.add_argument("path", help="the file or folder that is read, or with --export written")
    parser.add_argument("--export", action="store_true", help="write it, from the store")
    parser.add_argument("--store", help="the store's folder")
    parser.add_argument("--backend", help="of a store that is made")
    for part in _SCOPE:
        parser.add_argument(f"--{part}", help="whose it is, where an item does not say")
    given = parser.parse_args(arguments)
    scope = {part: getattr(given, part) for part in _SCOPE}
    try:
        with Store(given.store, backend=given.backend, source="quipu.bring", create=not given.export) as store:
            if given.export:
                print(f"{export(store, given.format, given.path, **scope)} parts written")
                return 0
            report = bring(store, given.format, given.path, **scope)
    except (OSError, ValueError, QuipuError) as why:
        print(f"quipu.bring: {why}", file=sys.stderr)
        return 2
    print(f"{report.records} records read, {report.changed} changed; revision {report.revision or '(none)'}")
    for where, reason in report.unread:
        print(f"could not be read: {where}: {reason}", file=sys.stderr)
    return 1 if report.unread else 0


if __name__ == "__main__":
    sys.exit(main())
