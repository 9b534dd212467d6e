"""Quipu: memory for agents, with a history. `Store` for threads, `AsyncStore` for event loops.

Adapters for hosts are modules of their names (quipu.langgraph, quipu.massgen, ...), each imported on its own.
"""

from . import errors
from .aio import AsyncStore
from .errors import QuipuError
from .native import CancelToken
from .native import version as _version
from .store import Page, SearchResult, Store
from .writing import Delete, Patch, Put, Written

__version__ = _version().decode("ascii")

__all__ = [
    "AsyncStore",
    "CancelToken",
    "Delete",
    "Page",
    "Patch",
    "Put",
    "QuipuError",
    "SearchResult",
    "Store",
    "Written",
    "errors",
]
