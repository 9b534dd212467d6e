"""For adapters: one handle a store and process, however many objects, event loops and threads of a host use it."""

from __future__ import annotations

import asyncio
import os
import pathlib
import threading
from typing import Any, Callable, TypeVar

from .store import Store

T = TypeVar("T")

_stores: dict[tuple[str, int], Store] = {}
_lock = threading.Lock()


def shared_store(path: str | os.PathLike[str], **settings: Any) -> Store:
    """The store of this folder, opened with these settings where it is not open yet. It closes at the end of the interpreter."""
    absolute = os.path.abspath(os.path.expanduser(os.fspath(path)))
    with _lock:
        store = _stores.get((absolute, os.getpid()))
        if store is None or store.closed:
            pathlib.Path(absolute).parent.mkdir(parents=True, exist_ok=True)
            store = _stores[absolute, os.getpid()] = Store(absolute, **settings)
        return store


async def call(function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Calls it in a thread of the running loop's pool, so that the loop goes on."""
    return await asyncio.to_thread(function, *arguments, **options)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
