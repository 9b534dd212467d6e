"""libquipu through ctypes: where it is found, its structs, and the calls that the rest of the package makes.

The only module that knows ctypes. A call releases the GIL while it is inside libquipu. Texts cross as pointer and length, so that
an embedded NUL arrives where the record form allows it, and is refused by name where it does not.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import pathlib
import sys
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
    sizeof,
    string_at,
)
from typing import Any, Callable

from . import errors

UINT64_MAX = 2**64 - 1

OPEN_READ_ONLY = 1
OPEN_NO_CREATE = 2
WRITE_UPSERT = 1
CHANGE_PUT = 1
CHANGE_DELETE = 2
WRITE_PATCH = 100
EXPECT_ANY, EXPECT_ABSENT, EXPECT_PRESENT, EXPECT_VERSION = range(4)
E_CANCELLED = -12
E_FORKED = -19

# ---- structs, field by field as the public headers have them ----


class Str(Structure):
    """quipu_str: `len` bytes at `ptr`; None is absent."""

    _fields_ = [("ptr", c_char_p), ("len", c_uint64)]


class Text(Structure):
    """quipu_str as it arrives: the bytes need not end with a NUL."""

    _fields_ = [("ptr", c_void_p), ("len", c_uint64)]

    def get(self) -> str | None:
        return string_at(self.ptr, self.len).decode("utf-8") if self.ptr else None


class Array(Structure):
    _fields_ = [("ptr", c_void_p), ("count", c_uint64), ("stride", c_uint64)]


class Error(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("code", c_int32),
        ("retry", c_uint32),
        ("sys_errno", c_int32),
        ("index", c_uint64),
        ("field", c_char * 64),
        ("id", c_char * 256),
        ("version", c_char * 48),
        ("message", c_char * 256),
    ]


class Cancel(Structure):
    _fields_ = [("struct_size", c_uint32), ("fd", c_int32), ("flag", c_int32), ("reserved", c_uint32)]


class Call(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("deadline_ns", c_int64),
        ("cancel", POINTER(Cancel)),
    ]


LogFn = CFUNCTYPE(None, c_void_p, c_uint32, POINTER(Text), POINTER(Text))


class Options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("store", Str),
        ("backend", Str),
        ("backend_config", Str),
        ("embedder", Str),
        ("embedder_config", Str),
        ("plugin_path", Str),
        ("author", Str),
        ("source", Str),
        ("log", LogFn),
        ("services", c_void_p),
        ("context", c_void_p),
    ]


class WriteOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("author", Str),
        ("operation", Str),
        ("note", Str),
        ("user", Str),
        ("agent", Str),
        ("session", Str),
        ("app", Str),
        ("change_id", c_uint8 * 16),
    ]


class Write(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("op", c_uint32),
        ("expect", c_uint32),
        ("reserved", c_uint32),
        ("id", Str),
        ("expected_version", Str),
        ("json", Str),
    ]


class Receipt(Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("changed", c_uint64), ("revision", c_char * 64)]


class SwapOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("backend", Str),
        ("backend_config", Str),
        ("store", Str),
        ("samples", c_uint64),
        ("drain_ms", c_uint64),
    ]


class SwapReport(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("records", c_uint64),
        ("revisions", c_uint64),
        ("written", c_uint64),
        ("late", c_uint64),
        ("searches", c_uint64),
        ("agreement", c_uint64),
        ("waited_ns", c_int64),
        ("took_ns", c_int64),
        ("digest", c_char * 72),
        ("backend", Text),
        ("store", Text),
    ]


class SwapProgress(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("phase", Text),
        ("done", c_uint64),
        ("total", c_uint64),
    ]


class Record(Structure):
    """The head of quipu_record: what a visitor needs."""

    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("id", Text), ("version", Text), ("json", Text)]


class Hit(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("record", POINTER(Record)),
        ("cursor", Text),
        ("score", c_double),
        ("components", Array),
    ]


class Search(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("filter", c_void_p),
        ("as_of", Str),
        ("text", Str),
        ("vector", POINTER(c_float)),
        ("dimension", c_uint64),
        ("k", c_uint64),
        ("mode", c_uint32),
        ("reserved", c_uint32),
        ("recency", c_double),
        ("importance", c_double),
        ("half_life", c_int64),
    ]


class Model(Structure):
    _fields_ = [("struct_size", c_uint32), ("dimension", c_uint32), ("id", Text), ("batch", c_uint64)]


SinkFn = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_uint64)
HitFn = CFUNCTYPE(c_int32, c_void_p, POINTER(Hit))
WrittenFn = CFUNCTYPE(None, c_void_p, c_uint64, POINTER(Text), c_void_p)
VectorFn = CFUNCTYPE(c_int32, c_void_p, c_uint64, c_void_p, c_uint64)
SwapFn = CFUNCTYPE(c_int32, c_void_p, POINTER(SwapProgress))
VectorsFn = CFUNCTYPE(c_int32, c_void_p, c_uint64, c_uint64)

# ---- the library ----


def _candidates() -> list[str]:
    """Where libquipu may be, best first: as the environment says, in the wheel, in a build tree, as the system has it."""
    here = pathlib.Path(__file__).resolve().parent
    found = [os.environ.get("QUIPU_LIBRARY", ""), str(here / "lib" / "libquipu.so")]
    if here.parent.name == "python" and here.parent.parent.name == "host_shim":
        found.append(str(here.parents[2] / "build" / "libquipu.so"))
    found += ["/usr/local/lib/libquipu.so", ctypes.util.find_library("quipu") or ""]
    return [name for name in found if name and ("/" not in name or os.path.exists(name))]


def _load() -> ctypes.CDLL:
    if sys.platform != "linux" or sizeof(c_void_p) != 8:
        raise ImportError("quipu: this release is for 64-bit Linux")
    if _is_subinterpreter():
        raise ImportError("quipu: callbacks from C need the main interpreter; import it there, not in a sub-interpreter")
    names = _candidates()
    if not names:
        raise ImportError(
            "quipu: libquipu.so was not found; install Quipu, or set QUIPU_LIBRARY to the file (build/libquipu.so of a build)"
        )
    try:
        return ctypes.CDLL(names[0], mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except OSError as why:
        raise ImportError(f"quipu: {names[0]} cannot be loaded: {why}") from why


def _is_subinterpreter() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            module = __import__(name)
            current, main = module.get_current(), module.get_main()
        except (ImportError, AttributeError):
            continue
        return bool(current != main)
    return False


library = _load()


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    return function


_json_call = (c_void_p, POINTER(Str), SinkFn, c_void_p, POINTER(Call), POINTER(Error))

version = _function("quipu_version", c_char_p)
open_ = _function("quipu_open", c_int32, POINTER(Options), POINTER(c_void_p), POINTER(Error))
close = _function("quipu_close", c_int32, c_void_p, POINTER(Error))
backend_name = _function("quipu_backend_name", c_char_p, c_void_p)
store_path = _function("quipu_store_path", c_char_p, c_void_p)
put_json = _function(
    "quipu_put_json", c_int32, c_void_p, POINTER(Str), POINTER(WriteOptions), c_char_p, POINTER(Call), POINTER(Error)
)
write_records = _function(
    "quipu_write_records",
    c_int32,
    c_void_p,
    POINTER(Array),
    POINTER(WriteOptions),
    WrittenFn,
    c_void_p,
    POINTER(Receipt),
    POINTER(Call),
    POINTER(Error),
)
search_json = _function("quipu_search_json", c_int32, *_json_call)
# Without argument types: for calls whose arguments are byref, None and the like already, so that nothing is converted.
ask_search, ask_get = library["quipu_search_json"], library["quipu_get_json"]
list_json = _function("quipu_list_json", c_int32, *_json_call)
get_json = _function("quipu_get_json", c_int32, *_json_call)
log_json = _function("quipu_log_json", c_int32, *_json_call)
diff_json = _function("quipu_diff_json", c_int32, *_json_call)
undo_json = _function(
    "quipu_undo_json",
    c_int32,
    c_void_p,
    POINTER(Str),
    POINTER(WriteOptions),
    SinkFn,
    c_void_p,
    POINTER(Call),
    POINTER(Error),
)
files_json = _function(
    "quipu_files_json",
    c_int32,
    c_void_p,
    POINTER(Str),
    c_uint32,
    POINTER(WriteOptions),
    SinkFn,
    c_void_p,
    POINTER(Call),
    POINTER(Error),
)
graph_json = _function(
    "quipu_graph_json",
    c_int32,
    c_void_p,
    POINTER(Str),
    POINTER(WriteOptions),
    SinkFn,
    c_void_p,
    POINTER(Call),
    POINTER(Error),
)
replay_json = _function(
    "quipu_replay_json",
    c_int32,
    c_void_p,
    POINTER(Str),
    POINTER(Str),
    SinkFn,
    c_void_p,
    POINTER(Call),
    POINTER(Error),
)
stats_json = _function("quipu_stats_json", c_int32, c_void_p, SinkFn, c_void_p, POINTER(Call), POINTER(Error))
flush = _function("quipu_flush", c_int32, c_void_p, POINTER(Call), POINTER(Error))
digest = _function("quipu_digest", c_int32, c_void_p, c_char_p, POINTER(c_uint64), POINTER(Call), POINTER(Error))
embed_pending = _function("quipu_embed_pending", c_int32, c_void_p, VectorsFn, c_void_p, POINTER(Call), POINTER(Error))
read_model = _function("quipu_read_model", c_int32, c_void_p, POINTER(Model), POINTER(Error))
embed_texts = _function(
    "quipu_embed_texts", c_int32, c_void_p, POINTER(Array), c_uint32, VectorFn, c_void_p, POINTER(Call), POINTER(Error)
)
swap = _function(
    "quipu_swap",
    c_int32,
    c_void_p,
    POINTER(SwapOptions),
    SwapFn,
    c_void_p,
    POINTER(SwapReport),
    POINTER(Call),
    POINTER(Error),
)
search_records = _function(
    "quipu_search_records", c_int32, c_void_p, POINTER(Search), HitFn, c_void_p, POINTER(Call), POINTER(Error)
)
filter_parse = _function("quipu_filter_parse", c_int32, POINTER(Str), POINTER(Str), POINTER(c_void_p), POINTER(Error))
filter_get = _function("quipu_filter_get", c_void_p, c_void_p)
filter_free = _function("quipu_filter_free", None, c_void_p)

# ---- helpers ----


def text(value: str | None) -> Str:
    """A quipu_str that keeps its bytes alive; None is absent. A lone surrogate is refused, as it is no text."""
    if value is None:
        return Str(None, 0)
    place = Str()
    lend_text(place, value)
    return place


def lend_text(place: Str, value: str) -> None:
    """The same into one that is there."""
    try:
        raw = value.encode("utf-8")
    except UnicodeEncodeError as why:
        raise errors.InvalidError(f"the text is not valid Unicode: {why.reason} at {why.start}", code=-1) from None
    place.ptr = raw
    place.len = len(raw)


class Lent:
    """What every call lends to libquipu: an error object, a question, and a sink that collects an answer. See :func:`lent`."""

    __slots__ = ("error", "error_ref", "parts", "question", "question_ref", "sink")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.error = Error()
        self.error.struct_size = sizeof(Error)
        self.error_ref = byref(self.error)
        self.question = Str()
        self.question_ref = byref(self.question)
        append = self.parts.append

        def take(_context: Any, at: int, count: int) -> int:
            append(string_at(at, count))
            return 0

        self.sink = SinkFn(take)

    def answer(self) -> bytes:
        """What the call answered. That ends it: these objects go to another call."""
        parts = self.parts
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        give_back(self)
        return whole

    def failure(self, code: int) -> errors.QuipuError:
        """The exception for what the call answered. ``answer`` is what the sink received all the same. That ends it, too."""
        e = self.error
        said = b"".join(self.parts)
        self.parts.clear()
        if e.code != code:  # nothing was filled in
            why = errors.class_of(code)(f"the call failed with code {code}", code=code)
        else:
            why = errors.class_of(code)(
                e.message.decode("utf-8", "replace"),
                code=code,
                field=e.field.decode("utf-8", "replace") or None,
                id=e.id.decode("utf-8", "replace") or None,
                version=e.version.decode("ascii", "replace") if code == errors.ConflictError.code else None,
                index=None if e.index == UINT64_MAX else e.index,
                retry=e.retry,
            )
        why.answer = said.decode("utf-8", "replace") if said else None
        e.code = 0
        give_back(self)
        return why


_free: list[Lent] = []  # pop and append are atomic; a call inside another one, by a signal handler for one, takes a second object
give_back = _free.append


def lent() -> Lent:
    """One that no other call has: one of before, or a new one."""
    try:
        return _free.pop()
    except IndexError:
        return Lent()


class CancelToken:
    """Takes a call back from another thread: pass it as ``cancel=`` and call :meth:`cancel`."""

    def __init__(self) -> None:
        self.native = Cancel(sizeof(Cancel), -1, 0, 0)

    def cancel(self) -> None:
        """A call that has not reached its commit point answers CancelledError and leaves everything as it was."""
        self.native.flag = 1

    @property
    def cancelled(self) -> bool:
        return bool(self.native.flag)


def call_of(timeout: float | None, cancel: CancelToken | None, now_ns: Callable[[], int]) -> Any:
    """A quipu_call by reference, or None where neither a timeout nor a token was given."""
    if timeout is None and cancel is None:
        return None
    call = Call(sizeof(Call), 0, 0, None)
    if timeout is not None:
        call.deadline_ns = now_ns() + max(1, int(timeout * 1e9))
    if cancel is not None:
        call.cancel = ctypes.pointer(cancel.native)
    return byref(call)


def floats_into(out: Any, rows: int, width: int) -> int:
    """The address of a float32 array that takes `rows` vectors; INVALID where it cannot."""
    view = memoryview(out)
    if view.format != "f" or view.readonly or not view.contiguous or view.nbytes != rows * width * 4:
        raise errors.InvalidError(
            f"the array must be float32, writable, in one piece, with {rows} x {width} numbers", code=-1, field="out"
        )
    return ctypes.addressof(c_char.from_buffer(view.cast("B"))) if view.nbytes else 0


def floats_of(vector: Any) -> Any:
    """A pointer to float32 numbers and their count: where they lie, when they lie in one piece, else a copy."""
    try:
        view = memoryview(vector)
    except TypeError:
        view = None
    if view is not None and view.format == "f" and view.ndim == 1 and view.contiguous:
        count = view.shape[0] if view.shape else 0
        if view.readonly:
            address = _address_of_read_only(view)
            if address:
                return ctypes.cast(address, POINTER(c_float)), count
        else:
            return ctypes.cast((c_float * count).from_buffer(view), POINTER(c_float)), count
    try:
        numbers = [float(number) for number in vector]
    except (TypeError, ValueError) as why:
        raise errors.InvalidError(f"the vector must hold numbers: {why}", code=-1, field="vector") from None
    return ctypes.cast((c_float * len(numbers))(*numbers), POINTER(c_float)), len(numbers)


def _address_of_read_only(view: Any) -> int | None:
    """Of numpy arrays that may not be written; None for other read-only buffers, which are copied."""
    interface = getattr(view.obj, "__array_interface__", None)
    return interface["data"][0] if interface else None
