"""LangGraph's long-term store on Quipu: a BaseStore, so LangMem and deepagents stand on it too.

    from quipu.langgraph import QuipuStore

    graph = builder.compile(store=QuipuStore("~/my-agent"))

A batch is one revision: all its puts or none. Items keep their history: ``store.store.log(store.id_of(namespace, key))``. A
search with a query ranks by words, and by meaning where the store has an embedder; what it does not reach follows unscored,
as in LangGraph's own stores.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .errors import InvalidError
from .sharing import call
from .store import Store
from .writing import Delete, Patch, Put, Record, Step, words_of

if TYPE_CHECKING:
    BaseStore: Any = object
    base: Any = None
else:
    try:
        import langgraph.store.base as base
        from langgraph.store.base import BaseStore
    except ImportError:
        base, BaseStore = None, object

__all__ = ["QuipuStore"]

SEARCH_MOST = 10_000  # results of one search
_COMPARISONS = {"$eq": "eq", "$ne": "ne", "$gt": "gt", "$gte": "gte", "$lt": "lt", "$lte": "lte"}


class QuipuStore(BaseStore):  # type: ignore[misc]
    """Items in a Quipu store.

    Args:
        path: the store's folder, or a :class:`quipu.Store` that is open.
        app: the scope's app for all items, so that several graphs may share a store.
        index: ``{"fields": [...]}``: which parts of a value a query finds; default ``["$"]``, all of it. A put may name others.
            An embedder of LangGraph is not used; give the store one (``embedder="bert"``).
        ttl: LangGraph's TTLConfig: default_ttl (minutes), refresh_on_read (True). What has expired is hidden at once, and
            purged by maintenance.
        settings: further settings of :class:`quipu.Store`.
    """

    supports_ttl = True

    def __init__(
        self,
        path: str | os.PathLike[str] | Store,
        *,
        app: str | None = None,
        index: dict[str, Any] | None = None,
        ttl: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        if base is None:
            raise ImportError("quipu.langgraph needs the package langgraph: pip install langgraph")
        self._own = not isinstance(path, Store)
        self.store = path if isinstance(path, Store) else Store(path, source="quipu.langgraph", **settings)
        self.app = app
        self.ttl_config = ttl
        self._fields = list((index or {}).get("fields") or ["$"])

    def close(self) -> None:
        """Closes the store, where it was opened here."""
        if self._own:
            self.store.close()

    def __enter__(self) -> QuipuStore:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # ---- batches ----

    def batch(self, ops: Iterable[Any]) -> list[Any]:
        """Reads see the state before the batch; of two puts to one key the last wins; the puts are one revision."""
        ops = list(ops)
        for op in ops:
            getattr(base, "validate_op_namespace", _validate_op_namespace)(op)
        results = [self._read(op) for op in ops]
        puts = {(op.namespace, op.key): op for op in ops if isinstance(op, base.PutOp)}
        steps: list[Step] = [
            Delete(self.id_of(*key)) if op.value is None else Put(self._record_of(op)) for key, op in puts.items()
        ]
        if steps:
            self.store.write(steps)
        return results

    async def abatch(self, ops: Iterable[Any]) -> list[Any]:
        return await call(self.batch, list(ops))

    def _read(self, op: Any) -> Any:
        if isinstance(op, base.GetOp):
            return self._get(op)
        if isinstance(op, base.SearchOp):
            return self._search(op)
        if isinstance(op, base.ListNamespacesOp):
            return self._list_namespaces(op)
        if isinstance(op, base.PutOp):
            return None
        raise ValueError(f"Unknown operation type: {type(op)}")

    # ---- items and records ----

    def id_of(self, namespace: tuple[str, ...], key: str) -> str:
        """The id of an item's record, for the history."""
        name = json.dumps([self.app, list(namespace), key], ensure_ascii=True)
        return "item-" + hashlib.sha256(name.encode()).hexdigest()[:40]

    def _record_of(self, op: Any) -> Record:
        record: Record = {
            "id": self.id_of(op.namespace, op.key),
            "kind": "item",
            "category": ".".join(op.namespace),
            "key": op.key,
            "tags": [".".join(op.namespace[:n]) for n in range(1, len(op.namespace) + 1)],
            "metadata": {"value": dict(op.value)},
        }
        if self.app is not None:
            record["scope"] = {"app": self.app}
        text = self._text_of(op)
        if text:
            record["text"] = text
        ttl = getattr(op, "ttl", None)
        if ttl is not None:
            record["metadata"]["ttl"] = float(ttl)
            record["expires_at"] = _minutes_from_now(ttl)
        return record

    def _text_of(self, op: Any) -> str:
        """What a query finds of it."""
        if op.index is False:
            return ""
        texts: list[str] = []
        for path in self._fields if op.index is None else op.index:
            if path == "$":
                texts.append(words_of(op.value, names=False))
            else:
                texts += base.get_text_at_path(op.value, base.tokenize_path(path))
        return "\n".join(texts)

    @staticmethod
    def _fields_of(record: Record) -> dict[str, Any]:
        return {
            "namespace": tuple(record["category"].split(".")),
            "key": record["key"],
            "value": record["metadata"]["value"],
            "created_at": _time_of(record["created_at"]),
            "updated_at": _time_of(record["updated_at"]),
        }

    # ---- reading ----

    def _refresh(self, records: list[Record], wanted: bool | None) -> None:
        """Reading puts off the end of what ends, where that is wanted."""
        if not (wanted if wanted is not None else (self.ttl_config or {}).get("refresh_on_read", True)):
            return
        steps = [
            Patch(record["id"], {"expires_at": _minutes_from_now(record["metadata"]["ttl"])})
            for record in records
            if "ttl" in record.get("metadata", {})
        ]
        if steps:
            self.store.write(steps, operation="refresh")

    def _get(self, op: Any) -> Any:
        record = self.store.get(self.id_of(op.namespace, op.key), app=self.app)
        if record is None:
            return None
        self._refresh([record], op.refresh_ttl)
        return base.Item(**self._fields_of(record))

    def _search(self, op: Any) -> list[Any]:
        wanted = op.offset + op.limit
        records = list(itertools.islice(self._candidates(op, wanted), op.offset, wanted))
        self._refresh(records, op.refresh_ttl)
        return [base.SearchItem(score=record.get("score"), **self._fields_of(record)) for record in records]

    def _candidates(self, op: Any, wanted: int) -> Iterator[Record]:
        """First what the query finds, best first; then the rest, in the order in which it came."""
        filter: dict[str, Any] = {"kind": "item"}
        if op.namespace_prefix:
            filter["tags"] = ".".join(op.namespace_prefix)
        filter["AND"] = [*_narrow(op.filter)]
        if not filter["AND"]:
            del filter["AND"]
        found: set[str] = set()
        if op.query:
            most = SEARCH_MOST if op.filter else max(1, min(wanted, SEARCH_MOST))
            for record in self.store.search(op.query, k=most, filter=filter, app=self.app):
                found.add(record["id"])
                if _matches(record, op.filter):
                    yield record
        for record in self.store.iterate(filter=filter, order="oldest", app=self.app):
            if record["id"] not in found and _matches(record, op.filter):
                yield record

    def _list_namespaces(self, op: Any) -> list[tuple[str, ...]]:
        filter: dict[str, Any] = {"kind": "item"}
        for condition in op.match_conditions or ():
            if condition.match_type == "prefix" and condition.path and "*" not in condition.path:
                filter["tags"] = ".".join(condition.path)
            elif condition.match_type not in ("prefix", "suffix"):
                raise ValueError(f"Unsupported match type: {condition.match_type}")
        names = {record["category"] for record in self.store.iterate(filter=filter, app=self.app)}
        namespaces = {tuple(name.split(".")) for name in names}
        kept = {n for n in namespaces if all(_does_match(c, n) for c in op.match_conditions or ())}
        if op.max_depth is not None:
            kept = {namespace[: op.max_depth] for namespace in kept}
        return sorted(kept)[op.offset : op.offset + op.limit]


def _time_of(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _minutes_from_now(minutes: float) -> str:
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=float(minutes))
    return end.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _validate_op_namespace(op: Any) -> None:
    """For releases of langgraph that leave it to the store."""
    parts = getattr(op, "namespace", None) or getattr(op, "namespace_prefix", None) or ()
    for label in parts:
        if not isinstance(label, str) or not label or "." in label:
            raise base.InvalidNamespaceError(f"Namespace label {label!r} must be a non-empty string without a period")


def _does_match(condition: Any, namespace: tuple[str, ...]) -> bool:
    path = condition.path
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for label, wanted in zip(part, path))


# ---- filters ----


def _narrow(filter: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """What of a filter the store can decide itself; the rest is left to :func:`_matches`."""
    for key, wanted in (filter or {}).items():
        name = f"metadata.value.{key}"
        if "." in key or not key:
            continue
        if isinstance(wanted, dict):
            for operator, value in wanted.items():
                if operator in _COMPARISONS and isinstance(value, (str, int, float, bool)) and operator != "$ne":
                    if operator == "$eq" or (isinstance(value, (int, float)) and not isinstance(value, bool)):
                        yield {name: {_COMPARISONS[operator]: value}}
        elif isinstance(wanted, str) and wanted != "*":
            yield {name: wanted}


def _matches(record: Record, filter: dict[str, Any] | None) -> bool:
    value = record["metadata"]["value"]
    return all(_compare(value.get(key), wanted) for key, wanted in (filter or {}).items())


def _compare(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        if any(name.startswith("$") for name in wanted):
            return all(_operate(value, operator, operand) for operator, operand in wanted.items())
        return isinstance(value, dict) and all(_compare(value.get(name), part) for name, part in wanted.items())
    if isinstance(wanted, (list, tuple)):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(_compare, value, wanted))
    return bool(value == wanted)


def _operate(value: Any, operator: str, operand: Any) -> bool:
    if operator not in _COMPARISONS:
        raise InvalidError(f"Unsupported operator: {operator}; there are {', '.join(_COMPARISONS)}", code=-1, field="filter")
    if operator in ("$eq", "$ne"):
        return bool((value == operand) == (operator == "$eq"))
    try:
        number, bound = float(value), float(operand)
    except (TypeError, ValueError):
        return False  # a value that cannot be compared does not match
    return {"$gt": number > bound, "$gte": number >= bound, "$lt": number < bound, "$lte": number <= bound}[operator]
