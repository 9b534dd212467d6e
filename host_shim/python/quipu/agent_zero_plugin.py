"""Agent Zero 1.7: its `_memory` plugin on Quipu, in the place of the FAISS index.

    python -m quipu.agent_zero_plugin /path/to/agent-zero         # writes usr/plugins/quipu/

The plugin's tools, its dashboard and its recall go on unchanged: they ask ``Memory.index`` for a store, and find this one.
"""

from __future__ import annotations

import importlib
import os
import pathlib
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from .sharing import call, shared_store
from .store import Store
from .writing import Record

__all__ = ["DocumentStore", "install"]


class _Document:
    """What langchain's Document is, where that is not there."""

    def __init__(self, page_content: str, metadata: dict[str, Any] | None = None) -> None:
        self.page_content = page_content
        self.metadata = metadata or {}


def _document_class() -> Any:
    try:
        return importlib.import_module("langchain_core.documents").Document
    except ImportError:
        return _Document


class DocumentStore:
    """What Agent Zero 1.7 asks of its vector store (``Memory.index[subdir]``), on Quipu.

    Scores are those of the store of old: the cosine v as (1 + v) / 2, from 0 to 1.
    """

    def __init__(self, path: str | os.PathLike[str], **settings: Any) -> None:
        settings.setdefault("embedder", "hash")
        self.path = path
        self._settings = settings
        self._document = _document_class()

    @property
    def store(self) -> Store:
        return shared_store(self.path, source="quipu.agent_zero_plugin", **self._settings)

    def _of(self, record: Record) -> Any:
        return self._document(page_content=record.get("text", ""), metadata=dict(record.get("metadata", {})))

    async def aadd_documents(self, documents: list[Any], ids: list[str] | None = None, **_: Any) -> list[str]:
        names = list(ids) if ids else [d.metadata.get("id") or uuid.uuid4().hex[:10] for d in documents]
        records = [
            {"id": id, "text": d.page_content, "metadata": {**d.metadata, "id": d.metadata.get("id", id)}}
            for id, d in zip(names, documents)
        ]
        await call(self.store.put_many, list({r["id"]: r for r in records}.values()))
        return names

    async def adelete(self, ids: list[str] | None = None, **_: Any) -> bool:
        if ids:
            await call(self.store.delete, *dict.fromkeys(ids), must_exist=False)
        return True

    def get_by_ids(self, ids: Iterable[str]) -> list[Any]:
        found = (self.store.get(id) for id in ([ids] if isinstance(ids, str) else ids))
        return [self._of(record) for record in found if record is not None]

    async def aget_by_ids(self, ids: Iterable[str]) -> list[Any]:
        return await call(self.get_by_ids, ids)

    def get_all_docs(self) -> dict[str, Any]:
        return {record["id"]: self._of(record) for record in self.store}

    async def asearch(
        self,
        query: str,
        search_type: str = "similarity_score_threshold",
        k: int = 4,
        score_threshold: float = 0.0,
        filter: Callable[[dict[str, Any]], bool] | None = None,
        **_: Any,
    ) -> list[Any]:
        """The k best documents whose score reaches the threshold and whose metadata passes the filter, best first."""
        documents: list[Any] = []
        width = k if filter is None else max(10 * k, 100)
        while True:
            found = await call(self.store.search, query, k=min(width, 10_000), mode="vector", wait=True)
            documents = []
            for record in found:
                score = min(1.0, max(0.0, (1 + record["score"]) / 2))
                if search_type == "similarity_score_threshold" and score < score_threshold:
                    break
                if filter is None or filter(record.get("metadata", {})):
                    documents.append(self._of(record))
            if len(documents) >= k or len(found) < width or width >= 10_000 or len(documents) < len(found) and filter is None:
                return documents[:k]
            width *= 10

    def save_local(self, folder_path: str | None = None, **_: Any) -> None:
        """Everything is durable already."""


PLUGIN_YAML = """name: quipu
title: Quipu
description: Memories in a git repository, with their history, in the place of the FAISS index.
version: 0.1.0
settings_sections: []
per_project_config: false
per_agent_config: false
"""

EXTENSION = '''"""Puts a Quipu store where the memory plugin looks for it. Written by `python -m quipu.agent_zero_plugin`."""

import importlib
import os

from helpers.extension import Extension

from quipu.agent_zero_plugin import DocumentStore


class QuipuMemory(Extension):
    async def execute(self, **kwargs):
        memory = importlib.import_module("plugins._memory.helpers.memory")
        subdir = memory.get_agent_memory_subdir(self.agent)
        if not isinstance(memory.Memory.index.get(subdir), DocumentStore):
            folder = memory.abs_db_dir(subdir)
            os.makedirs(folder, exist_ok=True)
            memory.Memory.index[subdir] = DocumentStore(os.path.join(folder, "quipu"))
'''


def install(agent_zero: str | os.PathLike[str]) -> pathlib.Path:
    """Writes usr/plugins/quipu/ into an Agent Zero folder. FileNotFoundError where that is none."""
    root = pathlib.Path(agent_zero)
    if not (root / "plugins" / "_memory").is_dir():
        raise FileNotFoundError(f"{root}/plugins/_memory is not there: name the folder of Agent Zero 1.7 or later")
    plugin = root / "usr" / "plugins" / "quipu"
    for point in ("monologue_start/_05_quipu_memory.py", "embedding_model_changed/_15_quipu_memory.py"):
        path = plugin / "extensions" / "python" / point
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(EXTENSION, encoding="utf-8")
    (plugin / "plugin.yaml").write_text(PLUGIN_YAML, encoding="utf-8")
    return plugin


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m quipu.agent_zero_plugin AGENT_ZERO_FOLDER", file=sys.stderr)
        return 2
    try:
        print(f"wrote {install(arguments[0])}; start Agent Zero anew")
    except OSError as why:
        print(f"quipu.agent_zero_plugin: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
