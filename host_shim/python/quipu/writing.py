"""What a write is made of: records, the steps of a change set, and how they cross to libquipu."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ctypes import sizeof
from typing import Any, Union

from . import native
from .errors import InvalidError
from .native import text

Record = dict[str, Any]
JsonObject = Mapping[str, Any]

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class Written(list[str]):
    """The ids that a write stored or deleted, in order.

    Attributes:
        revision: the revision that holds the change, ``""`` where nothing changed or the backend has none.
        changed: records whose state is now another one.
        duplicate: this change id had been applied before; nothing was done now.
    """

    revision: str = ""
    changed: int = 0
    duplicate: bool = False


class Put:
    """One step of :meth:`Store.write`: a record becomes the state of its id."""

    __slots__ = ("record", "if_version")

    def __init__(self, record: JsonObject, if_version: str | None = None) -> None:
        self.record = record
        self.if_version = if_version


class Patch:
    """One step: a JSON Merge Patch (RFC 7396) to the stored record, by compare-and-swap."""

    __slots__ = ("id", "changes", "if_version")

    def __init__(self, id: str, changes: JsonObject, if_version: str | None = None) -> None:
        self.id = id
        self.changes = changes
        self.if_version = if_version


class Delete:
    """One step: what has this id is gone afterwards. ``must_exist``: NotFoundError where nothing has."""

    __slots__ = ("id", "if_version", "must_exist")

    def __init__(self, id: str, if_version: str | None = None, must_exist: bool = False) -> None:
        self.id = id
        self.if_version = if_version
        self.must_exist = must_exist


Step = Union[Put, Patch, Delete]


def encode(value: Any, what: str) -> str:
    try:
        return _dumps(value)
    except (TypeError, ValueError) as why:
        raise InvalidError(f"{what} cannot be written as JSON: {why}", code=-1, field=what) from None


def plain(record: JsonObject) -> JsonObject:
    if not isinstance(record, Mapping):
        raise InvalidError("a record must be a dictionary", code=-1, field="record")
    if "version" in record or "score" in record or "components" in record:
        return {name: value for name, value in record.items() if name not in ("version", "score", "components")}
    return record


def write_options(
    upsert: bool, author: str | None, operation: str | None, note: str | None, change_id: bytes | None
) -> native.WriteOptions | None:
    """None where everything is at its default."""
    if not upsert and author is None and operation is None and note is None and change_id is None:
        return None
    options = native.WriteOptions(sizeof(native.WriteOptions), native.WRITE_UPSERT if upsert else 0)
    options.author, options.operation, options.note = text(author), text(operation), text(note)
    if change_id is not None:
        if len(change_id) != 16:
            raise InvalidError("change_id must have 16 bytes", code=-1, field="change_id")
        options.change_id[:] = change_id
    return options


def native_step(step: Step) -> native.Write:
    expect, version = native.EXPECT_ANY, step.if_version
    if version is not None:
        expect = native.EXPECT_ABSENT if version == "" else native.EXPECT_VERSION
    write = native.Write(sizeof(native.Write), 0, expect, 0)
    if version:
        write.expected_version = text(version)
    if isinstance(step, Put):
        write.op, write.json = native.CHANGE_PUT, text(encode(plain(step.record), "record"))
    elif isinstance(step, Patch):
        write.op, write.id, write.json = native.WRITE_PATCH, text(step.id), text(encode(step.changes, "changes"))
    else:
        write.op, write.id = native.CHANGE_DELETE, text(step.id)
        if step.must_exist and version is None:
            write.expect = native.EXPECT_PRESENT
    return write


def words_of(value: Any, names: bool = True) -> str:
    """What a search looks at in a JSON value: its names (where wanted) and values, without JSON's punctuation."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words_of(part)}" if names else words_of(part, False) for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(words_of(part, names) for part in value)
    return value if isinstance(value, str) else encode(value, "value")
