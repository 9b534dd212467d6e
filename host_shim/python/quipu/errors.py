"""Errors of Quipu as exceptions: one class a code of quipu/error.h, so that a caller catches what it can act on."""

from __future__ import annotations

import enum


class Retry(enum.IntEnum):
    """What a caller can do about a failure."""

    NEVER = 0  #: the same call fails again: change it
    NOW = 1  #: read what is there now, then try again
    LATER = 2  #: the same call may succeed after a while
    SAME_ID = 3  #: send the same change again, with the same change id


class QuipuError(Exception):
    """A call that failed.

    Attributes:
        code: the number of quipu/error.h, negative.
        name: its name there, as ``"NOT_FOUND"``.
        message: what failed, why, and what to do.
        field: the record field or argument at fault, as ``"metadata.a.b"``; None where there is none.
        id: the record at fault, or None.
        version: of a conflict, the version that was found (``""``: there is no such record); else None.
        index: position of the change that failed, or None.
        retry: what can be done about it.
        answer: of a tool's command that failed as tools fail, the text for the model; else None.
    """

    answer: str | None = None
    code = 0
    name = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        field: str | None = None,
        id: str | None = None,
        version: str | None = None,
        index: int | None = None,
        retry: int = Retry.NEVER,
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.message = message
        self.field = field
        self.id = id
        self.version = version
        self.index = index
        self.retry = Retry(retry) if retry in set(Retry) else Retry.NEVER

    def __str__(self) -> str:
        return f"{self.message} ({self.field})" if self.field else self.message


_classes: dict[int, type[QuipuError]] = {}


def _make(name: str, code: int, *bases: type) -> type[QuipuError]:
    words = "".join(part.capitalize() for part in name.split("_"))
    cls = type(words + "Error", (QuipuError, *bases), {"code": code, "name": name, "__module__": __name__})
    _classes[code] = cls
    return cls


# The order and the numbers are those of the table in quipu/error.h.
InvalidError = _make("INVALID", -1, ValueError)
NotFoundError = _make("NOT_FOUND", -2, LookupError)
ExistsError = _make("EXISTS", -3)
ConflictError = _make("CONFLICT", -4)
UnsupportedError = _make("UNSUPPORTED", -5)
NoMemoryError = _make("NO_MEMORY", -6, MemoryError)
IoError = _make("IO", -7)
FullError = _make("FULL", -8)
ReadOnlyError = _make("READ_ONLY", -9)
BusyError = _make("BUSY", -10)
TimeoutError = _make("TIMEOUT", -11, TimeoutError)
CancelledError = _make("CANCELLED", -12)
UncertainError = _make("UNCERTAIN", -13)
CorruptError = _make("CORRUPT", -14)
FormatError = _make("FORMAT", -15)
TooLargeError = _make("TOO_LARGE", -16)
ScopeError = _make("SCOPE", -17)
MovedError = _make("MOVED", -18)
ForkedError = _make("FORKED", -19)
StateError = _make("STATE", -20)
AbiError = _make("ABI", -21)
PluginError = _make("PLUGIN", -22)
NetworkError = _make("NETWORK", -23)
DeniedError = _make("DENIED", -24, PermissionError)
InternalError = _make("INTERNAL", -25)


def class_of(code: int) -> type[QuipuError]:
    """The class of a code; QuipuError itself for one that this release does not know."""
    return _classes.get(code, QuipuError)
