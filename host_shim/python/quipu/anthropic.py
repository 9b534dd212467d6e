"""Anthropic's memory tool on Quipu, for its SDK's tool runner.

    from quipu.anthropic import QuipuMemoryTool

    client.beta.messages.tool_runner(tools=[QuipuMemoryTool("~/my-agent")], ...)

The model sees a folder /memories; each file is a record of kind "file", which a git store shows as a plain text file, every
command a commit. `QuipuAsyncMemoryTool` is the same for the asynchronous client.
"""

from __future__ import annotations

import os
from typing import Any

from .errors import ExistsError, InvalidError, NotFoundError
from .sharing import call, shared_store
from .store import Store, scope_of

try:
    from anthropic.lib.tools import BetaAbstractMemoryTool, BetaAsyncAbstractMemoryTool, ToolError
except ImportError:
    BetaAbstractMemoryTool = BetaAsyncAbstractMemoryTool = None

__all__ = ["QuipuAsyncMemoryTool", "QuipuMemoryTool"]


class _Files:
    """What both tools are made of: whose files, in which store, in which words."""

    def __init__(self, path: str | os.PathLike[str] | Store, documented: bool, scope: dict[str, Any], settings: dict[str, Any]):
        if BetaAbstractMemoryTool is None:
            raise ImportError("quipu.anthropic needs the package anthropic: pip install anthropic")
        self._store = path if isinstance(path, Store) else None
        self._path = path
        self._documented = documented
        self._scope = scope
        self._settings = settings

    @property
    def store(self) -> Store:
        if self._store is not None:
            return self._store
        assert not isinstance(self._path, Store)
        return shared_store(self._path, source="quipu.anthropic", **self._settings)

    def run(self, command: dict[str, Any]) -> str:
        try:
            return self.store.file_command(command, documented=self._documented, **self._scope)
        except (InvalidError, NotFoundError, ExistsError) as why:
            if why.answer is None:
                raise
            raise ToolError(why.answer) from why


def _plain(command: Any) -> dict[str, Any]:
    members: dict[str, Any] = command.model_dump(exclude_none=True) if hasattr(command, "model_dump") else dict(command)
    return members


class QuipuMemoryTool(BetaAbstractMemoryTool or object):  # type: ignore[misc]
    """The tool for the synchronous client.

    Args:
        path: the store's folder, or a :class:`quipu.Store` that is open.
        user, agent, session, app: whose files.
        documented: answer in the words of the documentation, where the Python helper's are others.
        cache_control: as of the SDK.
        settings: further settings of :class:`quipu.Store`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Store,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
        documented: bool = False,
        cache_control: Any = None,
        **settings: Any,
    ) -> None:
        self._files = _Files(path, documented, scope_of(user, agent, session, app), settings)
        super().__init__(cache_control=cache_control)

    @property
    def store(self) -> Store:
        """The store itself: its history, search and swap."""
        return self._files.store

    def view(self, command: Any) -> str:
        return self._files.run(_plain(command))

    def create(self, command: Any) -> str:
        return self._files.run(_plain(command))

    def str_replace(self, command: Any) -> str:
        return self._files.run(_plain(command))

    def insert(self, command: Any) -> str:
        return self._files.run(_plain(command))

    def delete(self, command: Any) -> str:
        return self._files.run(_plain(command))

    def rename(self, command: Any) -> str:
        return self._files.run(_plain(command))

    def clear_all_memory(self) -> str:
        return self._files.run({"command": "clear_all_memory"})


class QuipuAsyncMemoryTool(BetaAsyncAbstractMemoryTool or object):  # type: ignore[misc]
    """The tool for the asynchronous client; arguments as of :class:`QuipuMemoryTool`."""

    def __init__(
        self,
        path: str | os.PathLike[str] | Store,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        app: str | None = None,
        documented: bool = False,
        cache_control: Any = None,
        **settings: Any,
    ) -> None:
        self._files = _Files(path, documented, scope_of(user, agent, session, app), settings)
        super().__init__(cache_control=cache_control)

    @property
    def store(self) -> Store:
        """The store itself: its history, search and swap."""
        return self._files.store

    async def view(self, command: Any) -> str:
        return await call(self._files.run, _plain(command))

    async def create(self, command: Any) -> str:
        return await call(self._files.run, _plain(command))

    async def str_replace(self, command: Any) -> str:
        return await call(self._files.run, _plain(command))

    async def insert(self, command: Any) -> str:
        return await call(self._files.run, _plain(command))

    async def delete(self, command: Any) -> str:
        return await call(self._files.run, _plain(command))

    async def rename(self, command: Any) -> str:
        return await call(self._files.run, _plain(command))

    async def clear_all_memory(self) -> str:
        return await call(self._files.run, {"command": "clear_all_memory"})
