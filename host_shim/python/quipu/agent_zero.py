"""Agent Zero's memory on Quipu: the class Mem0MemorySystem, and the tool that gives it to an agent.

    from quipu.agent_zero import Mem0MemorySystem          # in place of the class written by hand

What is kept lies in a Quipu store below the persistence folder, change by change. ``vector_store.json`` and
``graph_store_list.json`` are written beside it in the form of old: after every change while there are few items, and by
:meth:`Mem0MemorySystem.flush`. They are read once, when there is no Quipu store yet.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib
import json
import os
import pathlib
import uuid
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from .errors import NotFoundError, QuipuError
from .files import replace_json
from .sharing import call, shared_store
from .store import Store
from .writing import Put, Record, words_of

__all__ = ["Mem0MemorySystem", "MemoryAgentTool"]

AUTOFLUSH_MOST = 256  # items up to which the JSON files are written after every change
SUMMARY_LENGTH = 1000
Item = dict[str, Any]


class _StoreEmbeddings:
    """Embeddings by the embedder of a Quipu store."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store

    async def generate_single_embedding(self, text: str) -> list[float]:
        return [] if not text else list((await call(self._store().embed, [text]))[0])


class _NoClient:
    """In the place of a mem0 client: there is none, and none is needed."""


class Mem0MemorySystem:
    """Memories and a knowledge graph of one agent.

    Args:
        agent_id: whose; the folder's name below `persistence_dir`.
        config: ``embedder`` and ``embedder_config`` choose the store's embedder (default ``"hash"``, which needs no model);
            the rest is taken and not needed.
        persistence_dir: where everything lies; made with its parents.
    """

    def __init__(
        self,
        agent_id: str = "default_agent_zero_user",
        config: dict[str, Any] | None = None,
        persistence_dir: str = "memory/mem0_persistence",
    ) -> None:
        self.agent_id = agent_id
        self.config = dict(config or {})
        self.persistence_dir = pathlib.Path(persistence_dir) / agent_id
        self.persistence_dir.mkdir(parents=True, exist_ok=True)
        self.vector_store_file = self.persistence_dir / "vector_store.json"
        self.graph_store_file_nx = self.persistence_dir / "graph_store.gpickle"
        self.graph_store_file_list = self.persistence_dir / "graph_store_list.json"
        self._mem0_client: Any = _NoClient()
        self.summary_llm_model = os.environ.get("OPENAI_MODEL_SUMMARY", "gpt-4o-mini")
        self._llm_client_for_summary = _summary_client()
        self._own_embeddings = _StoreEmbeddings(lambda: self.memories)
        self.embedding_generator: Any = self._own_embeddings
        self.store: dict[str, Item] = {}
        self.graph_store: Any = None
        self.graph_store_list_fallback: list[Item] | None = None
        self._load_vector_store()
        self._load_graph_store()
        print(f"Mem0MemorySystem: Persistence enabled at {self.persistence_dir}")

    @property
    def memories(self) -> Store:
        """The Quipu store: its history, search and swap."""
        return shared_store(
            self.persistence_dir / "quipu",
            embedder=self.config.get("embedder", "hash"),
            embedder_config=self.config.get("embedder_config"),
            source="quipu.agent_zero",
        )

    # ---- loading and saving ----

    def _load_vector_store(self) -> None:
        """From the Quipu store; from vector_store.json where that is all there is. Errors are printed."""
        try:
            self.store = {r["id"]: _item_of(r) for r in self.memories.iterate(filter={"kind": "memory"}, order="oldest")}
            if not self.store and self.vector_store_file.exists():
                self._import_vector_store()
        except (OSError, ValueError, QuipuError) as why:
            print(f"Mem0MemorySystem: the memories could not be read: {why}")

    def _import_vector_store(self) -> None:
        items = json.loads(self.vector_store_file.read_text(encoding="utf-8"))
        if not isinstance(items, dict):
            raise ValueError(f"{self.vector_store_file} is not an object of items")
        good = {id: item for id, item in items.items() if isinstance(item, dict) and "data" in item}
        for id in items.keys() - good.keys():
            print(f"Mem0MemorySystem: {self.vector_store_file}: {id} is no item, and was left out")
        records = [self._record_of({**item, "id": id}, self.agent_id) for id, item in good.items()]
        self.memories.put_many(records, operation="import", note=f"from {self.vector_store_file.name}")
        self.store = {id: {**item, "id": id} for id, item in good.items()}

    def _save_vector_store(self) -> None:
        """Writes vector_store.json as it was of old. Errors are printed."""
        try:
            for item in self.store.values():
                if not item.get("embedding") and item.get("text_for_embedding") and self._embeds_itself():
                    item["embedding"] = list(self.memories.embed([item["text_for_embedding"]])[0])
            _save_json(self.vector_store_file, self.store)
        except (OSError, QuipuError, TypeError) as why:
            print(f"Mem0MemorySystem: {self.vector_store_file} could not be written: {why}")

    def _load_graph_store(self) -> None:
        """From the Quipu store; from graph_store_list.json where that is all there is. A pickle is never opened."""
        try:
            networkx = importlib.import_module("networkx")
        except ImportError:
            self.graph_store_list_fallback = []
        else:
            self.graph_store = networkx.MultiDiGraph()
        try:
            relations = list(self.memories.iterate(filter={"kind": "relation"}, order="oldest"))
            for record in relations:
                self._hold_triplet(_triplet_of(record))
            if not relations and self.graph_store_file_list.exists():
                triplets = json.loads(self.graph_store_file_list.read_text(encoding="utf-8"))
                self._add_triplets([t for t in triplets if isinstance(t, dict)], None)
        except (OSError, ValueError, QuipuError) as why:
            print(f"Mem0MemorySystem: the knowledge graph could not be read: {why}")

    def _save_graph_store(self) -> None:
        """Writes graph_store_list.json. Errors are printed."""
        try:
            _save_json(self.graph_store_file_list, self._triplets())
        except (OSError, TypeError) as why:
            print(f"Mem0MemorySystem: {self.graph_store_file_list} could not be written: {why}")

    def flush(self) -> None:
        """Writes both JSON files."""
        self._save_vector_store()
        if self._triplets():
            self._save_graph_store()

    def _embeds_itself(self) -> bool:
        return self.embedding_generator is self._own_embeddings

    # ---- memories ----

    async def _get_text_for_embedding(self, data: Any) -> str:
        """A text as it is; of an object its content or text; else its JSON."""
        if isinstance(data, str):
            return data
        if isinstance(data, dict):
            for name in ("content", "text"):
                if isinstance(data.get(name), str):
                    return str(data[name])
        return json.dumps(data, ensure_ascii=False)

    def _record_of(self, item: Item, user: str) -> Record:
        """The vector is the store's own where its embedder made it, and kept with the item where another did."""
        value = {name: part for name, part in item.items() if name not in ("id", "metadata", "text_for_embedding", "embedding")}
        if item.get("embedding") and not self._embeds_itself():
            value["embedding"] = item["embedding"]
        record: Record = {"id": item["id"], "kind": "memory", "value": value, "scope": {"agent": self.agent_id, "user": user}}
        if item.get("text_for_embedding"):
            record["text"] = item["text_for_embedding"]
        if item.get("metadata"):
            record["metadata"] = item["metadata"]
        return record

    async def _embed(self, text: str) -> list[float]:
        return [] if not text.strip() else list(await self.embedding_generator.generate_single_embedding(text))

    async def _keep(self, item: Item, user: str | None, operation: str) -> None:
        record = self._record_of(item, user or self.agent_id)
        stored = await call(self.memories.get, item["id"])
        if stored is not None:  # an id never leaves its scope
            record["scope"] = stored["scope"]
        await call(self.memories.write, [Put(record)], operation=operation, author=self.agent_id)
        self.store[item["id"]] = item
        await self._autoflush()

    async def _autoflush(self) -> None:
        if len(self.store) <= AUTOFLUSH_MOST:
            await call(self._save_vector_store)

    async def add(
        self,
        memory_data: Any,
        memory_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        text_for_embedding: str | None = None,
    ) -> str:
        """Keeps anything that JSON can hold, and returns its id; one that is there already is replaced."""
        return await self._add(memory_data, memory_id, metadata, text_for_embedding, None)

    async def _add(self, data: Any, id: str | None, metadata: dict[str, Any] | None, text: str | None, user: str | None) -> str:
        text = text if text is not None else await self._get_text_for_embedding(data)
        item = {
            "id": id or f"mem_{uuid.uuid4()}",
            "data": data,
            "text_for_embedding": text,
            "embedding": await self._embed(text),
            "type": "generic_memory",
            "metadata": dict(metadata or {}),
        }
        await self._keep(item, user, "add")
        return str(item["id"])

    async def add_messages(self, messages: list[dict[str, Any]], user_id_override: str | None = None) -> list[str]:
        """Keeps each message that says something; returns their ids."""
        ids = []
        for index, message in enumerate(messages):
            role, content = message.get("role", "unknown"), message.get("content") or ""
            if not str(content).strip():
                continue
            user = user_id_override or self.agent_id
            ids.append(
                await self._add(
                    {"role": role, "content": content, "original_message_index": index},
                    None,
                    {"source_type": "message", "role": role, "user_id": user},
                    f"{role}: {content}",
                    user,
                )
            )
        return ids

    async def update(
        self,
        memory_id: str,
        new_data: Any,
        user_id_override: str | None = None,
        new_text_for_embedding: str | None = None,
        new_metadata: dict[str, Any] | None = None,
    ) -> bool:
        """Replaces data and text, merges metadata; False where there is no such memory."""
        item = self.store.get(memory_id)
        if item is None:
            return False
        text = new_text_for_embedding if new_text_for_embedding is not None else await self._get_text_for_embedding(new_data)
        changed = {
            **item,
            "data": new_data,
            "text_for_embedding": text,
            "embedding": await self._embed(text),
            "metadata": {**item.get("metadata", {}), **(new_metadata or {})},
            "updated_at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        }
        await self._keep(changed, user_id_override, "update")
        return True

    async def delete(self, memory_id: str, user_id_override: str | None = None) -> bool:
        """False where there is no such memory. Its history stays."""
        if memory_id not in self.store:
            return False
        with contextlib.suppress(NotFoundError):
            await call(self.memories.delete, memory_id, author=self.agent_id)
        del self.store[memory_id]
        await self._autoflush()
        return True

    async def get(self, memory_id: str, user_id_override: str | None = None) -> Item | None:
        item = self.store.get(memory_id)
        return dict(item) if item is not None else None

    async def get_all(self, user_id_override: str | None = None) -> list[Item]:
        """Every item; with an override those that name that user."""
        return [dict(item) for item in self.store.values() if _is_of(item, user_id_override)]

    async def search(
        self,
        query: str,
        user_id_override: str | None = None,
        limit: int = 5,
        filters: dict[str, Any] | None = None,
    ) -> list[Item]:
        """The items that are nearest, best first, each with its ``score``. filters: metadata that must be equal."""
        if not query or limit < 1:
            return []
        if not self._embeds_itself():
            return self._nearest(await self._embed(query), user_id_override, limit, filters)
        wanted: dict[str, Any] = {"kind": "memory", "AND": [{f"metadata.{n}": v} for n, v in (filters or {}).items()]}
        if not wanted["AND"]:
            del wanted["AND"]
        if user_id_override:
            wanted["metadata.user_id"] = user_id_override
        found = await call(self.memories.search, query, k=limit, filter=wanted)
        return [{**self.store.get(r["id"], _item_of(r)), "score": r["score"]} for r in found]

    def _nearest(self, query: list[float], user: str | None, limit: int, filters: dict[str, Any] | None) -> list[Item]:
        """By vectors that somebody else made."""
        scored = [
            {**item, "score": _cosine(query, item["embedding"])}
            for item in self.store.values()
            if item.get("embedding")
            and _is_of(item, user)
            and all(item.get("metadata", {}).get(name) == value for name, value in (filters or {}).items())
        ]
        return sorted(scored, key=lambda item: -item["score"])[:limit]

    # ---- the knowledge graph ----

    async def add_knowledge_graph_triplets(
        self, triplets: list[dict[str, Any]], user_id_override: str | None = None
    ) -> dict[str, Any]:
        """Adds head, relation, tail and properties; with networkx only those that have all three."""
        added = await call(self._add_triplets, triplets, user_id_override)
        return {"status": "success", "triplets_added": added}

    def _add_triplets(self, triplets: Iterable[dict[str, Any]], user: str | None) -> int:
        kept = [
            {**triplet, "user_id": triplet.get("user_id") or user or self.agent_id}
            for triplet in triplets
            if self.graph_store is None or all(triplet.get(part) for part in ("head", "relation", "tail"))
        ]
        if not kept:
            return 0
        self.memories.write([Put(self._relation_of(triplet)) for triplet in _last_of_each(kept, self.graph_store)])
        for triplet in kept:
            self._hold_triplet(triplet)
        self._save_graph_store()
        return len(kept)

    def _relation_of(self, triplet: Item) -> Record:
        """In a graph an edge is named by its ends and its relation; in a list every triplet stands for itself."""
        head, relation, tail = (triplet.get(part) for part in ("head", "relation", "tail"))
        name = json.dumps([self.agent_id, head, relation, tail]) if self.graph_store is not None else uuid.uuid4().hex
        record: Record = {
            "id": f"rel_{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
            "kind": "relation",
            "value": triplet,
            "text": words_of([head, relation, tail]),
            "scope": {"agent": self.agent_id},
        }
        for part, text in (("head", head), ("relation", relation), ("tail", tail)):
            if isinstance(text, str) and text:
                record[part] = text
        return record

    def _hold_triplet(self, triplet: Item) -> None:
        if self.graph_store is None:
            assert self.graph_store_list_fallback is not None
            self.graph_store_list_fallback.append(triplet)
            return
        user, head, tail = triplet.get("user_id"), triplet["head"], triplet["tail"]
        for node in (head, tail):
            self.graph_store.add_node(node, type="entity", user_id=user)
        details = {"relation_type": triplet["relation"], "user_id": user, **(triplet.get("properties") or {})}
        self.graph_store.add_edge(head, tail, key=triplet["relation"])
        self.graph_store[head][tail][triplet["relation"]].update(details)

    def _triplets(self) -> list[Item]:
        if self.graph_store is None:
            return list(self.graph_store_list_fallback or ())
        return [
            {
                "head": head,
                "relation": key,
                "tail": tail,
                "properties": {n: v for n, v in details.items() if n not in ("relation_type", "user_id")},
                "user_id": details.get("user_id"),
            }
            for head, tail, key, details in self.graph_store.edges(keys=True, data=True)
        ]

    async def search_knowledge_graph(self, query: str, user_id_override: str | None = None, limit: int = 10) -> list[Item]:
        """Triplets whose head, relation or tail has the query in it, or a word of it."""
        words = [word for word in query.lower().split() if len(word) > 2] or [query.lower()]

        def rank(triplet: Item) -> int:
            text = " ".join(str(triplet.get(part, "")) for part in ("head", "relation", "tail")).lower()
            return (len(words) + 1 if query.lower() in text else 0) + sum(word in text for word in words)

        found = [(rank(t), t) for t in self._triplets() if not user_id_override or t.get("user_id") == user_id_override]
        ranked = sorted((pair for pair in found if pair[0]), key=lambda pair: -pair[0])
        return [triplet for _, triplet in ranked[: max(limit, 0)]]

    # ---- summaries ----

    async def summarize_memory_content(self, memory_ids_or_text: Any, max_length: int = SUMMARY_LENGTH) -> str:
        """Of memories by their ids, or of a text: by a language model where OPENAI_API_KEY is set, else the text, cut."""
        if isinstance(memory_ids_or_text, str) and memory_ids_or_text not in self.store:
            text = memory_ids_or_text
        else:
            ids = [memory_ids_or_text] if isinstance(memory_ids_or_text, str) else list(memory_ids_or_text)
            text = "\n".join(self.store[id]["text_for_embedding"] for id in ids if id in self.store)
        if self._llm_client_for_summary is not None and text:
            try:
                said = await self._llm_client_for_summary.chat.completions.create(
                    model=self.summary_llm_model,
                    messages=[{"role": "user", "content": f"Summarise in a few sentences:\n\n{text}"}],
                )
                return str(said.choices[0].message.content)
            except Exception as why:
                print(f"Mem0MemorySystem: no summary by the language model: {why}")
        return text if len(text) <= max_length else text[: max_length - 3].rstrip() + "..."


def _summary_client() -> Any:
    if not os.environ.get("OPENAI_API_KEY"):
        return None
    try:
        return importlib.import_module("openai").AsyncOpenAI()
    except Exception:  # no library, or settings that it refuses: summaries are cut
        return None


def _item_of(record: Record) -> Item:
    value = record.get("value") if isinstance(record.get("value"), dict) else {}
    item = {
        "id": record["id"],
        "data": None,
        "text_for_embedding": record.get("text", ""),
        "embedding": [],
        "type": "generic_memory",
        "metadata": record.get("metadata", {}),
    }
    item.update(value or {})
    return item


def _triplet_of(record: Record) -> Item:
    return dict(record["value"])


def _last_of_each(triplets: list[Item], graph: Any) -> list[Item]:
    """A change set holds one of each id, and a graph one edge of each name."""
    if graph is None:
        return triplets
    return list({(t["head"], t["relation"], t["tail"]): t for t in triplets}.values())


def _is_of(item: Item, user: str | None) -> bool:
    return not user or item.get("metadata", {}).get("user_id") == user


def _cosine(a: list[float], b: list[float]) -> float:
    if len(a) != len(b):
        return 0.0
    norm = sum(x * x for x in a) ** 0.5 * sum(x * x for x in b) ** 0.5
    return sum(x * y for x, y in zip(a, b)) / norm if norm else 0.0


def _save_json(path: pathlib.Path, value: Any) -> None:
    """What was there and cannot be read is set aside first."""
    if path.exists():
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            path.rename(path.with_name(f"{path.name}.unreadable-{uuid.uuid4().hex[:8]}"))
    replace_json(path, value)


# ---- the tool ----


def _tool_classes() -> tuple[Any, Any]:
    """Agent Zero's own Tool and Response, where it is there."""
    for name in ("helpers.tool", "python.helpers.tool"):
        try:
            module = importlib.import_module(name)
            return module.Tool, module.Response
        except (ImportError, AttributeError):
            continue
    return object, SimpleNamespace


_Tool, _Response = _tool_classes()


class MemoryAgentTool(_Tool):  # type: ignore[misc, valid-type]
    """The tool ``memory_agent_tool``: one call of the memory system, named by ``action``."""

    name = "memory_agent_tool"
    _ACTIONS = (
        "add",
        "add_messages",
        "update",
        "delete",
        "get",
        "get_all",
        "search",
        "add_knowledge_graph_triplets",
        "search_knowledge_graph",
        "summarize_memory_content",
    )

    def __init__(self, agent: Any, *arguments: Any, **options: Any) -> None:
        if _Tool is not object:
            super().__init__(agent, *arguments, **options)
        self.agent = agent
        agent_id = _call_of(agent, "get_user_id") or _call_of(agent, "get_thread_id") or "agent0_default_user"
        config = getattr(agent, "config", None)
        settings = (config.get("mem0_config") if isinstance(config, dict) else getattr(config, "mem0_config", None)) or {}
        folder = settings.get("persistence_dir_base") or os.path.join(os.getcwd(), "memory", "mem0_data")
        self.memory = Mem0MemorySystem(str(agent_id), settings.get("client_config"), folder)

    async def execute(self, action: str = "", **arguments: Any) -> Any:
        if action not in self._ACTIONS:
            message: Any = {"error": f"unknown action {action!r}; there are {', '.join(self._ACTIONS)}"}
        else:
            try:
                message = await getattr(self.memory, action)(**arguments)
            except (QuipuError, TypeError) as why:
                message = {"error": str(why)}
        return _Response(message=json.dumps(message, ensure_ascii=False), break_loop=False)


def _call_of(thing: Any, name: str) -> Any:
    method = getattr(thing, name, None)
    return method() if callable(method) else None
