"""A store of memories: what an agent writes, finds, and can look back on.

    from quipu import Store

    with Store("~/my-agent", backend="git") as store:
        store.add("I like my meetings after lunch.", user="ada")
        for hit in store.search("meetings", user="ada"):
            print(hit["score"], hit["text"])

Records are plain dictionaries of the form that docs/record.md describes. Any thread may call; the GIL is released while
libquipu works. After ``os.fork`` the child opens the store anew by itself, at its first call.
"""

from __future__ import annotations

import array
import atexit
import builtins
import ctypes
import json
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from ctypes import byref, c_uint64, c_void_p, create_string_buffer, sizeof
from typing import (
    Any,
    Callable,
)

from . import native
from .errors import InvalidError, NotFoundError, StateError
from .native import CancelToken, lend_text, lent, text
from .writing import Delete, JsonObject, Patch, Put, Record, Step, Written, encode, native_step, plain, write_options

# What libquipu answers is one value without white space around it.
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_quote = json.encoder.encode_basestring
_SCOPE = ("user", "agent", "session", "app")
_monotonic = time.monotonic_ns
_live: weakref.WeakSet[Store] = weakref.WeakSet()


class SearchResult(list[Record]):
    """The records that a search found, best first; each has ``score`` and ``version`` beside its own fields.

    Attributes:
        receipt: what :meth:`Store.replay` takes, where it was asked for; else None.
        vectors_pending: how many records the answer was without by meaning, because their vector is still to be made.
    """

    receipt: Record | None = None
    vectors_pending: int = 0


class Page(list[Record]):
    """Some records of a list. ``cursor`` leads on, None after the last."""

    cursor: str | None = None


def scope_of(user: str | None, agent: str | None, session: str | None, app: str | None) -> dict[str, Any]:
    """The scope that these name; fields that are None are left out."""
    if user is agent is session is app is None:
        return {}
    return {name: value for name, value in zip(_SCOPE, (user, agent, session, app)) if value is not None}


class Store:
    """A store, opened; made where there is none. See the parameters of :meth:`__init__`."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        backend: str | None = None,
        backend_config: JsonObject | None = None,
        embedder: str | None = None,
        embedder_config: JsonObject | None = None,
        plugin_path: str | None = None,
        author: str | None = None,
        source: str | None = None,
        read_only: bool = False,
        create: bool = True,
    ) -> None:
        """Opens the store.

        Args:
            path: its folder; ``~`` is home. None: ``$QUIPU_STORE``, else ``$XDG_DATA_HOME/quipu``, else ``~/.local/share/quipu``.
            backend: a backend's name; None: what the store was made with, else ``"git"``.
            backend_config: the backend's settings; None: what the store was made with.
            embedder: an embedder's name, or ``"none"``; None: what the store was made with, else none.
            embedder_config: the embedder's settings.
            plugin_path: folders with plugins, separated by ``:``; None: those that came with this package, else the system's.
            author: who acts, where a call does not say.
            source: the program that acts, as ``"my-agent/1.2"``.
            read_only: every change raises ReadOnlyError.
            create: False: a store that is not there raises NotFoundError.

        Raises:
            NotFoundError: no such backend (field ``backend``), or no such store.
            MovedError: the store was swapped to another backend, and ``backend`` names the old one.
            PluginError, AbiError, IoError, DeniedError, BusyError: see quipu/error.h.
        """
        self._settings: dict[str, str | None] = {
            "store": os.path.expanduser(os.fspath(path)) if path is not None else None,
            "backend": backend,
            "backend_config": None if backend_config is None else encode(backend_config, "backend_config"),
            "embedder": embedder,
            "embedder_config": None if embedder_config is None else encode(embedder_config, "embedder_config"),
            "plugin_path": plugin_path or _own_plugins(),
            "author": author,
            "source": source or _source(),
        }
        self._flags = (native.OPEN_READ_ONLY if read_only else 0) | (0 if create else native.OPEN_NO_CREATE)
        self._lock = threading.Lock()
        self._inside: list[None] = []  # one entry a call under way: append and pop are atomic
        self._q: c_void_p | None = self._open()
        _live.add(self)

    def _open(self) -> c_void_p:
        mine = lent()
        options = native.Options(sizeof(native.Options), self._flags)
        for name, value in self._settings.items():
            setattr(options, name, text(value))
        q = c_void_p()
        code = native.open_(byref(options), byref(q), mine.error_ref)
        if code:
            raise mine.failure(code)
        return q

    # ---- life ----

    def close(self) -> None:
        """Waits for calls under way, makes everything durable, and closes. Closing twice is nothing to do."""
        with self._lock:
            q, self._q = self._q, None
        if q is None:
            return
        while self._inside:
            time.sleep(0.001)
        mine = lent()
        code = native.close(q, mine.error_ref)
        if code and code != native.E_FORKED:
            raise mine.failure(code)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # an interpreter that is going down, or a store that failed to open
            pass

    def __repr__(self) -> str:
        return f"<quipu.Store {self.path} ({self.backend})>" if self._q else "<quipu.Store, closed>"

    @property
    def closed(self) -> bool:
        return self._q is None

    @property
    def path(self) -> str:
        """The store's folder; after a swap the new one's."""
        return os.fsdecode(self._name(native.store_path))

    @property
    def backend(self) -> str:
        """The name of the active backend."""
        return os.fsdecode(self._name(native.backend_name))

    def _name(self, function: Any) -> bytes:
        self._inside.append(None)
        try:
            return function(self._handle()) or b""
        finally:
            self._inside.pop()

    def _handle(self) -> c_void_p:
        q = self._q
        if q is None:
            raise StateError("the store is closed; open it again", code=-20)
        return q

    def _reopen(self, stale: c_void_p) -> None:
        """In a forked child: the parent's handle is given up, and the store opened anew, once."""
        with self._lock:
            if self._q is stale:
                native.close(stale, None)
                self._q = None
                self._q = self._open()

    def _call(self, function: Any, *arguments: Any, mine: native.Lent | None = None) -> None:
        """Calls libquipu with the handle before the arguments and the error behind them."""
        used = mine or lent()
        self._inside.append(None)
        try:
            q = self._handle()
            code = function(q, *arguments, used.error_ref)
            if code == native.E_FORKED:
                self._reopen(q)
                code = function(self._handle(), *arguments, used.error_ref)
        finally:
            self._inside.pop()
        if code:
            raise used.failure(code)
        if mine is None:
            native.give_back(used)

    def _ask(
        self,
        function: Any,
        request: JsonObject,
        timeout: float | None,
        cancel: CancelToken | None,
    ) -> Any:
        """A question as JSON, and its answer."""
        return self._ask_text(function, encode(request, "request"), timeout, cancel)

    def _ask_text(self, function: Any, question: str, timeout: float | None, cancel: CancelToken | None) -> Any:
        mine = lent()
        lend_text(mine.question, question)
        call = native.call_of(timeout, cancel, _monotonic) if timeout is not None or cancel is not None else None
        self._call(function, mine.question_ref, mine.sink, None, call, mine=mine)
        return _scan(mine.answer().decode("utf-8"), 0)[0]

    # ---- writing ----

    def add(
        self,
        text: str,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
        author: str | None = None,
        note: str | None = None,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
        **fields: Any,
    ) -> str:
        """Stores one memory, durably, and returns its id.

        Args:
            text: what is searched.
            user, agent, session, app: whose it is.
            author: who acts; None: that of the store.
            note: one line of why, for the log.
            timeout: seconds after which the call gives up and leaves everything as it was.
            cancel: takes the call back from another thread.
            fields: further fields of the record: ``kind``, ``tags``, ``metadata``, ``actor``, ``importance``, ``expires_at``, ...
        """
        record: Record = {"text": text, **fields}
        scope = scope_of(user, agent, session, app)
        if scope:
            record["scope"] = scope
        return self.put(record, author=author, note=note, timeout=timeout, cancel=cancel)

    def put(
        self,
        record: JsonObject,
        *,
        upsert: bool = False,
        author: str | None = None,
        operation: str | None = None,
        note: str | None = None,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> str:
        """Stores a record, and returns its id: its own, or a new one where it has none.

        Args:
            record: docs/record.md; a ``version`` or ``score`` that a read added is left out.
            upsert: a record without id takes the one derived from its scope, category and key, so that there is one of each key.
            operation: one lower-case word for the log.
            author, note, timeout, cancel: as in :meth:`add`.
        """
        options = write_options(upsert, author, operation, note, None)
        json_text = native.text(encode(plain(record), "record"))
        id = create_string_buffer(256)
        self._call(
            native.put_json,
            byref(json_text),
            None if options is None else byref(options),
            id,
            native.call_of(timeout, cancel, _monotonic),
        )
        return id.value.decode("utf-8")

    def put_many(self, records: Iterable[JsonObject], **options: Any) -> Written:
        """Stores several records as one change set: all of them or none. Options as of :meth:`write`."""
        return self.write([Put(record) for record in records], **options)

    def update(self, id: str, changes: JsonObject, *, if_version: str | None = None, **options: Any) -> Written:
        """Changes fields of a record by a JSON Merge Patch (RFC 7396): None removes a field.

        Raises NotFoundError where there is no such record, ConflictError where `if_version` is not its version.
        """
        return self.write([Patch(id, changes, if_version)], **options)

    def delete(self, *ids: str, if_version: str | None = None, must_exist: bool = True, **options: Any) -> Written:
        """Deletes records, all of them or none. Their history stays. NotFoundError where one is missing and `must_exist`."""
        return self.write([Delete(id, if_version, must_exist) for id in ids], **options)

    def write(
        self,
        steps: Sequence[Step],
        *,
        upsert: bool = False,
        author: str | None = None,
        operation: str | None = None,
        note: str | None = None,
        change_id: bytes | None = None,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Written:
        """Writes several steps as one change set, which is one revision: all of it or nothing.

        Args:
            steps: of Put, Patch and Delete; an id may occur once.
            change_id: 16 bytes; applying the same one twice has the effect of once. To send again after UncertainError.
            others: as in :meth:`put`.
        """
        written = Written()
        if not steps:
            return written
        writes = (native.Write * len(steps))(*map(native_step, steps))
        array = native.Array(ctypes.addressof(writes), len(steps), sizeof(native.Write))
        options = write_options(upsert, author, operation, note, change_id)
        receipt = native.Receipt(sizeof(native.Receipt))

        def take(_context: Any, _index: int, id: Any, _record: Any) -> None:
            written.append(id.contents.get())

        self._call(
            native.write_records,
            byref(array),
            None if options is None else byref(options),
            native.WrittenFn(take),
            None,
            byref(receipt),
            native.call_of(timeout, cancel, _monotonic),
        )
        written.revision = receipt.revision.decode("utf-8")
        written.changed = receipt.changed
        written.duplicate = bool(receipt.flags & 1)
        return written

    # ---- reading ----

    def get(
        self,
        id: str,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
        as_of: str | None = None,
        include_expired: bool = False,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Record | None:
        """The record of an id, with its ``version``; None where there is none, or none of the scope.

        as_of: a revision, or a time (RFC 3339), whose state is read.
        """
        scope = scope_of(user, agent, session, app)
        if scope or as_of is not None or include_expired or not isinstance(id, str):
            request = _question(id=id, as_of=as_of, scope=scope)
            if include_expired:
                request["include_expired"] = True
            question = encode(request, "request")
        else:
            question = f'{{"id":{_quote(id)}}}'
        try:
            answer: Record = self._ask_text(native.ask_get, question, timeout, cancel)
        except NotFoundError as why:
            if as_of is not None and why.id is None and why.field != "id":
                raise  # no such revision
            return None
        return answer

    def __getitem__(self, id: str) -> Record:
        record = self.get(id)
        if record is None:
            raise KeyError(id)
        return record

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self.get(id) is not None

    def __bool__(self) -> bool:
        """Also an empty store is one; only a closed one is not."""
        return not self.closed

    def __len__(self) -> int:
        return int(self.stats()["records"])

    def list(
        self,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
        filter: JsonObject | None = None,
        limit: int = 100,
        cursor: str | None = None,
        order: str = "newest",
        as_of: str | None = None,
        include_expired: bool = False,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Page:
        """One page of the records that match.

        Args:
            filter: docs/filters.md.
            limit: records at the most, 1 to 100,000.
            cursor: of the page before.
            order: ``"newest"``, ``"oldest"`` or ``"id"``.
        """
        request = _question(
            scope=scope_of(user, agent, session, app),
            filter=filter,
            limit=limit,
            cursor=cursor,
            order=order,
            as_of=as_of,
        )
        if include_expired:
            request["include_expired"] = True
        answer = self._ask(native.list_json, request, timeout, cancel)
        page = Page(answer["results"])
        page.cursor = answer.get("cursor")
        return page

    def iterate(self, *, page: int = 1000, **question: Any) -> Iterator[Record]:
        """All records that match, page by page; what is there all the time is seen exactly once. Questions as of :meth:`list`."""
        cursor: str | None = None
        while True:
            records = self.list(limit=page, cursor=cursor, **question)
            yield from records
            cursor = records.cursor
            if cursor is None:
                return

    def __iter__(self) -> Iterator[Record]:
        return self.iterate(order="id")

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
        filter: JsonObject | None = None,
        mode: str = "auto",
        as_of: str | None = None,
        explain: bool = False,
        receipt: bool = False,
        wait: bool = False,
        recency: float = 0.0,
        importance: float = 0.0,
        half_life_days: float | None = None,
        include_expired: bool = False,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> SearchResult:
        """The `k` best records for a question, best first. It sees every write that returned before it began, of any process.

        Args:
            query: the question, in words.
            k: 1 to 10,000.
            filter: docs/filters.md; narrows first, so that k results come back whenever k match.
            mode: ``"auto"``, ``"hybrid"``, ``"lexical"`` or ``"vector"``.
            explain: each result has ``components``, the parts of its score.
            receipt: the answer has one, which :meth:`replay` takes.
            wait: make every vector that is pending first.
            recency, importance: weights, 0 to 100, of a record's age and of its importance.
            half_life_days: after how many days recency counts half; None: 30.
        """
        scope = scope_of(user, agent, session, app)
        plain_one = filter is None and as_of is None and half_life_days is None and mode == "auto" and type(k) is int
        if plain_one and not (explain or receipt or wait or include_expired or recency or importance) and isinstance(query, str):
            question = _short_question(query, k, scope)
        else:
            request = _question(filter=filter, as_of=as_of, half_life_days=half_life_days, scope=scope, query=query, k=k)
            options = {
                "mode": None if mode == "auto" else mode,
                "explain": explain,
                "receipt": receipt,
                "wait": wait,
                "recency": recency,
                "importance": importance,
                "include_expired": include_expired,
            }
            request.update({name: given for name, given in options.items() if given})
            question = encode(request, "request")
        answer = self._ask_text(native.ask_search, question, timeout, cancel)
        found = SearchResult(answer["results"])
        if len(answer) > 1:
            found.receipt = answer.get("receipt")
            found.vectors_pending = answer.get("vectors_pending", 0)
        return found

    def search_vector(
        self,
        vector: Any,
        *,
        k: int = 10,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
        filter: JsonObject | None = None,
        as_of: str | None = None,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> SearchResult:
        """The `k` records whose vectors are nearest to this one, best first.

        vector: a float32 array in one piece (numpy, array.array) is read where it lies; other numbers are copied.
        """
        floats, count = native.floats_of(vector)
        found = SearchResult()
        fault: list[BaseException] = []

        def take(_context: Any, hit: Any) -> int:
            try:
                record = json.loads(ctypes.string_at(hit[0].record[0].json.ptr, hit[0].record[0].json.len))
                record["version"] = hit[0].record[0].version.get()
                record["score"] = hit[0].score
                found.append(record)
                return 0
            except BaseException as why:  # nothing may leave a visitor
                fault.append(why)
                return 1

        with _Filter(scope_of(user, agent, session, app), filter) as compiled:
            query = native.Search(sizeof(native.Search), 0, compiled, text(as_of), text(None))
            query.vector, query.dimension, query.k, query.mode = floats, count, k, 3
            self._call(
                native.search_records,
                byref(query),
                native.HitFn(take),
                None,
                native.call_of(timeout, cancel, _monotonic),
            )
        if fault:
            raise fault[0]
        return found

    def replay(self, receipt: JsonObject, query: str | None = None) -> Record:
        """Asks again what a receipt was made for, of the same revision and moment.

        Returns: ``{"same","results","commit","differences"}``.
        """
        mine = lent()
        asked, question = text(encode(receipt, "receipt")), text(query)
        self._call(native.replay_json, byref(asked), byref(question), mine.sink, None, None, mine=mine)
        answer: Record = json.loads(mine.answer())
        return answer

    # ---- history ----

    def log(
        self,
        id: str | None = None,
        *,
        limit: int = 100,
        start: str | None = None,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
    ) -> builtins.list[Record]:
        """Revisions, newest first: of one record, or all. start: the revision to go back from. With a scope only its own."""
        request = _question(id=id, limit=limit, scope=scope_of(user, agent, session, app))
        if start is not None:
            request["from"] = start
        revisions: list[Record] = self._ask(native.log_json, request, None, None)["revisions"]
        return revisions

    def diff(
        self,
        start: str | None = None,
        end: str = "HEAD",
        *,
        id: str | None = None,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
    ) -> builtins.list[Record]:
        """The records that `end` holds otherwise than `start` (None: the revision before `end`), field by field."""
        request = _question(id=id, to=end, scope=scope_of(user, agent, session, app))
        if start is not None:
            request["from"] = start
        changes: list[Record] = self._ask(native.diff_json, request, None, None)["changes"]
        return changes

    def revert(self, revision: str, *, author: str | None = None, note: str | None = None) -> str:
        """Takes back what a revision changed, as a new revision, whose name is returned; ``""`` where there was nothing to do."""
        return self._undo({"revision": revision}, author, note)

    def restore(self, id: str, as_of: str, *, author: str | None = None, note: str | None = None) -> str:
        """Gives a record the state that it had as of a revision or time, as a new revision, whose name is returned."""
        return self._undo({"id": id, "as_of": as_of}, author, note)

    def _undo(self, request: JsonObject, author: str | None, note: str | None) -> str:
        question = text(encode(request, "request"))
        options = write_options(False, author, None, note, None)
        by = None if options is None else byref(options)
        mine = lent()
        self._call(native.undo_json, byref(question), by, mine.sink, None, None, mine=mine)
        return str(json.loads(mine.answer())["revision"])

    # ---- above the records ----

    def file_command(
        self,
        command: JsonObject,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
        documented: bool = False,
    ) -> str:
        """One command of Anthropic's memory tool (``quipu_files.h``), and the text for the model.

        A command that fails as a tool fails raises InvalidError, NotFoundError or ExistsError, whose ``answer`` is that text.
        documented: the wording of the documentation, where that of the Python helper is another one.
        """
        return self._json(native.files_json, command, (1 if documented else 0,), scope_of(user, agent, session, app)).decode(
            "utf-8"
        )

    def graph(
        self,
        request: JsonObject,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
    ) -> Record:
        """One step on the knowledge graph of a scope (``quipu_graph.h``): ``{"op": "create_entities", ...}``."""
        answer: Record = json.loads(self._json(native.graph_json, request, (), scope_of(user, agent, session, app)))
        return answer

    def _json(self, function: Any, request: JsonObject, flags: tuple[int, ...], scope: dict[str, Any]) -> bytes:
        question = text(encode(request, "request"))
        options = native.WriteOptions(sizeof(native.WriteOptions), 0)
        for name, value in scope.items():
            setattr(options, name, text(value))
        mine = lent()
        self._call(function, byref(question), *flags, byref(options), mine.sink, None, None, mine=mine)
        return mine.answer()

    # ---- the store ----

    def stats(self) -> Record:
        """Figures about the store: ``records``, ``revisions``, ``bytes``, ... as the backend tells them."""
        mine = lent()
        self._call(native.stats_json, mine.sink, None, None, mine=mine)
        figures: Record = json.loads(mine.answer())
        return figures

    def flush(self) -> None:
        """Makes durable what a relaxed setting had put off."""
        self._call(native.flush, None)

    def digest(self) -> tuple[str, int]:
        """A digest over every record, equal for equal stores whatever the backend; and the number of records."""
        out, count = create_string_buffer(72), c_uint64()
        self._call(native.digest, out, byref(count), None)
        return out.value.decode("ascii"), count.value

    @property
    def model(self) -> tuple[str, int]:
        """The id of the embedder's model, and the numbers in a vector. UnsupportedError where there is no embedder."""
        model = native.Model(sizeof(native.Model))
        self._call(native.read_model, byref(model))
        return model.id.get() or "", model.dimension

    def embed(
        self,
        texts: Sequence[str],
        *,
        query: bool = False,
        out: Any = None,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Any:
        """The vectors of these texts by the store's embedder, each of unit length.

        Args:
            texts: what is embedded.
            query: they are questions, not texts that are stored; some models tell them apart.
            out: a float32 array of (texts, dimension), numpy's for one, into which the vectors are written; it is returned.
                None: a list of array.array.
        """
        if isinstance(texts, str):
            raise InvalidError("texts must be a list of texts", code=-1, field="texts")
        width = self.model[1]
        rows = [array.array("f", bytes(4 * width)) for _ in texts] if out is None else []
        start = 0 if out is None else native.floats_into(out, len(texts), width)
        strings = (native.Str * len(texts))(*map(text, texts))

        def take(_context: Any, index: int, vector: int, count: int) -> int:
            if count != width or index >= len(texts):
                return -22
            place = rows[index].buffer_info()[0] if out is None else start + index * width * 4
            ctypes.memmove(place, vector, count * 4)
            return 0

        self._call(
            native.embed_texts,
            byref(native.Array(ctypes.addressof(strings), len(texts), sizeof(native.Str))),
            1 if query else 0,
            native.VectorFn(take),
            None,
            native.call_of(timeout, cancel, _monotonic),
        )
        return rows if out is None else out

    def embed_pending(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Makes every vector that is pending. progress: told (done, total) after each batch."""
        told = native.VectorsFn(lambda _context, done, total: progress(done, total) and 0 or 0 if progress else 0)
        self._call(native.embed_pending, told, None, None)

    def swap(
        self,
        backend: str,
        path: str | os.PathLike[str] | None = None,
        *,
        config: JsonObject | None = None,
        drop_history: bool = False,
        volatile: bool = False,
        trial: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Record:
        """Puts another backend in the place of the active one while other threads go on calling (docs/swapping.md).

        Args:
            backend: the new backend's name.
            path: its folder, not there or empty; None: beside the old one.
            config: its settings.
            drop_history: go on where the new backend keeps no history.
            volatile: go on where it keeps nothing on the disk.
            trial: do everything but switch.
            progress: told (phase, done, total); total is 0 where it is not known.

        Returns: what became of it: ``records, revisions, digest, backend, store, waited_ns, took_ns`` and more.
        """
        options = native.SwapOptions(
            sizeof(native.SwapOptions), (1 if drop_history else 0) | (2 if volatile else 0) | (4 if trial else 0)
        )
        options.backend = text(backend)
        options.backend_config = text(None if config is None else encode(config, "config"))
        options.store = text(None if path is None else os.path.abspath(os.path.expanduser(os.fspath(path))))
        report = native.SwapReport(sizeof(native.SwapReport))

        def tell(_context: Any, at: Any) -> int:
            if progress:
                progress(at[0].phase.get() or "", at[0].done, at[0].total)
            return 0

        self._call(native.swap, byref(options), native.SwapFn(tell), None, byref(report), None)
        return {
            "backend": report.backend.get(),
            "store": report.store.get(),
            "digest": report.digest.decode("ascii"),
            "history": bool(report.flags & 2),
            "fenced": bool(report.flags & 1),
            "trial": bool(report.flags & 16),
            **{
                name: getattr(report, name)
                for name in ("records", "revisions", "written", "late", "searches", "agreement", "waited_ns", "took_ns")
            },
        }


class _Filter:
    """A compiled filter for a call that takes structs."""

    def __init__(self, scope: JsonObject, expression: JsonObject | None) -> None:
        mine = lent()
        self._parsed = c_void_p()
        asked_scope = text(encode(scope, "scope") if scope else None)
        asked = text(encode(expression, "filter") if expression is not None else None)
        code = native.filter_parse(byref(asked_scope), byref(asked), byref(self._parsed), mine.error_ref)
        if code:
            raise mine.failure(code)

    def __enter__(self) -> int | None:
        address: int | None = native.filter_get(self._parsed)
        return address

    def __exit__(self, *_: Any) -> None:
        native.filter_free(self._parsed)


def _short_question(query: str, k: int, scope: dict[str, Any]) -> str:
    """A search of a scope with nothing but k, as JSON: most are, and an encoder takes as long as all the rest."""
    if not scope:
        return f'{{"query":{_quote(query)},"k":{k}}}'
    if all(isinstance(name, str) for name in scope.values()):
        parts = ",".join([f'"{part}":{_quote(name)}' for part, name in scope.items()])
        return f'{{"query":{_quote(query)},"k":{k},"scope":{{{parts}}}}}'
    return encode({"query": query, "k": k, "scope": scope}, "request")


def _question(**members: Any) -> dict[str, Any]:
    """A request; members that are None, and an empty scope, are left out."""
    if not members.get("scope", True):
        del members["scope"]
    if None in members.values():
        return {name: value for name, value in members.items() if value is not None}
    return members


def _source() -> str:
    return f"python-quipu/{native.version().decode('ascii')}"


def _own_plugins() -> str | None:
    """The plugins that lie beside the library that was loaded; None where there are none."""
    beside = os.path.join(os.path.dirname(os.path.realpath(native.library._name)), "plugins")
    return str(beside) if os.path.isdir(beside) and "QUIPU_PLUGIN_PATH" not in os.environ else None


def _after_fork_in_child() -> None:
    for store in list(_live):
        store._lock = threading.Lock()  # another thread of the parent may have held it
        store._inside = []


def _close_all() -> None:
    for store in list(_live):
        try:
            store.close()
        except Exception:  # nobody is there to be told
            pass


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_close_all)
