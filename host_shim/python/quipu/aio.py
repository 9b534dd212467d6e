"""The same store for an event loop: every call is a coroutine, and none of them blocks the loop.

    async with AsyncStore("~/my-agent") as store:
        await store.add("I like my meetings after lunch.", user="ada")
        hits = await store.search("meetings", user="ada")

Calls wait in one queue for a few worker threads, however many are awaited at once. A call whose task is cancelled is taken back:
before its commit point it leaves everything as it was.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

from .native import CancelToken
from .store import Page, SearchResult, Store
from .writing import Record, Written

DEFAULT_WORKERS = 8


class AsyncStore:
    """A :class:`quipu.Store` for asyncio. Parameters as there, and `workers`: calls that run at once, at the most."""

    def __init__(self, *arguments: Any, workers: int = DEFAULT_WORKERS, **settings: Any) -> None:
        if workers < 1:
            raise ValueError("workers must be 1 at the least")
        self.store = Store(*arguments, **settings)
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0
        self._lock = threading.Lock()

    async def __aenter__(self) -> AsyncStore:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    def _executor(self) -> ThreadPoolExecutor:
        """Made at the first call; anew after a fork, which leaves threads behind."""
        if self._pool is None or self._pid != os.getpid():
            with self._lock:
                if self._pool is None or self._pid != os.getpid():
                    self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="quipu")
                    self._pid = os.getpid()
        return self._pool

    async def _run(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            self._executor(), functools.partial(function, *arguments, **options)
        )

    async def _run_cancellable(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """The token of the caller, or one that follows the task."""
        token = options.pop("cancel", None) or CancelToken()
        try:
            return await self._run(function, *arguments, cancel=token, **options)
        except asyncio.CancelledError:
            token.cancel()
            raise

    async def close(self) -> None:
        """Waits for calls under way, and closes."""
        await self._run(self.store.close)
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    async def add(self, text: str, **fields: Any) -> str:
        """See :meth:`quipu.Store.add`."""
        id: str = await self._run_cancellable(self.store.add, text, **fields)
        return id

    async def put(self, record: Any, **options: Any) -> str:
        """See :meth:`quipu.Store.put`."""
        id: str = await self._run_cancellable(self.store.put, record, **options)
        return id

    async def put_many(self, records: Any, **options: Any) -> Written:
        """See :meth:`quipu.Store.put_many`."""
        written: Written = await self._run_cancellable(self.store.put_many, records, **options)
        return written

    async def write(self, steps: Any, **options: Any) -> Written:
        """See :meth:`quipu.Store.write`."""
        written: Written = await self._run_cancellable(self.store.write, steps, **options)
        return written

    async def update(self, id: str, changes: Any, **options: Any) -> Written:
        """See :meth:`quipu.Store.update`."""
        written: Written = await self._run_cancellable(self.store.update, id, changes, **options)
        return written

    async def delete(self, *ids: str, **options: Any) -> Written:
        """See :meth:`quipu.Store.delete`."""
        written: Written = await self._run_cancellable(self.store.delete, *ids, **options)
        return written

    async def get(self, id: str, **options: Any) -> Record | None:
        """See :meth:`quipu.Store.get`."""
        record: Record | None = await self._run_cancellable(self.store.get, id, **options)
        return record

    async def list(self, **question: Any) -> Page:
        """See :meth:`quipu.Store.list`."""
        page: Page = await self._run_cancellable(self.store.list, **question)
        return page

    async def iterate(self, *, page: int = 1000, **question: Any) -> AsyncIterator[Record]:
        """See :meth:`quipu.Store.iterate`."""
        cursor: str | None = None
        while True:
            records = await self.list(limit=page, cursor=cursor, **question)
            for record in records:
                yield record
            cursor = records.cursor
            if cursor is None:
                return

    async def search(self, query: str, **question: Any) -> SearchResult:
        """See :meth:`quipu.Store.search`."""
        found: SearchResult = await self._run_cancellable(self.store.search, query, **question)
        return found

    async def search_vector(self, vector: Any, **question: Any) -> SearchResult:
        """See :meth:`quipu.Store.search_vector`."""
        found: SearchResult = await self._run_cancellable(self.store.search_vector, vector, **question)
        return found

    def __getattr__(self, name: str) -> Any:
        """log, diff, revert, restore, stats, flush, digest, swap, replay, embed, embed_pending: as of the store, coroutines."""
        if name not in _OTHERS:
            raise AttributeError(f"AsyncStore has no {name}")
        return functools.partial(self._run, getattr(self.store, name))


_OTHERS = frozenset(("log", "diff", "revert", "restore", "stats", "flush", "digest", "swap", "replay", "embed", "embed_pending"))
