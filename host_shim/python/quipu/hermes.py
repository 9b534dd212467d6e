"""Hermes' MemoryProvider on Quipu.

    python -m quipu.hermes            writes $HERMES_HOME/plugins/quipu/; then:  hermes config set memory.provider quipu

A turn is kept in the background, word for word; what is known about the next question is found before it is asked. The model has
the tools quipu_remember, quipu_recall and quipu_forget. Nothing leaves the machine, and no model is needed.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import queue
import sys
import threading
from types import SimpleNamespace
from typing import Any

from . import __version__
from .errors import NotFoundError
from .sharing import shared_store
from .store import Store, scope_of
from .writing import Record

__all__ = ["QuipuMemoryProvider", "install", "register"]

SETTINGS = "quipu.json"  # below hermes_home


def _base_class() -> Any:
    try:
        return importlib.import_module("agent.memory_provider").MemoryProvider
    except (ImportError, AttributeError):
        return object


_Base = _base_class()

TOOLS = [
    {
        "name": "quipu_remember",
        "description": "Keep a fact for later conversations.",
        "parameters": {
            "type": "object",
            "properties": {"text": {"type": "string", "description": "the fact, in one sentence"}},
            "required": ["text"],
        },
    },
    {
        "name": "quipu_recall",
        "description": "Find what is known about something.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "what to look for"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 50, "description": "how many, 5 unless told"},
            },
            "required": ["query"],
        },
    },
    {
        "name": "quipu_forget",
        "description": "Delete what was kept, by the id that quipu_recall gave.",
        "parameters": {
            "type": "object",
            "properties": {"id": {"type": "string", "description": "its id"}},
            "required": ["id"],
        },
    },
]


class QuipuMemoryProvider(_Base):  # type: ignore[misc, valid-type]
    """One provider of a Hermes process. Hooks come back at once; what fails is told by :meth:`recall_status`, never raised."""

    def __init__(self) -> None:
        self._home = os.path.expanduser(os.environ.get("HERMES_HOME", "~/.hermes"))
        self._session = ""
        self._user: str | None = None
        self._agent: str | None = None
        self._writes = True
        self._found = 0
        self._fault = ""
        self._prefetched: dict[tuple[str, str], str] = {}
        self._jobs: queue.Queue[Any] = queue.Queue()
        self._worker: threading.Thread | None = None
        self._worker_pid = 0
        self._lock = threading.Lock()

    # ---- what it is ----

    @property
    def name(self) -> str:
        return "quipu"

    def is_available(self) -> bool:
        """Always: it is on this machine."""
        return True

    def unavailable_reason(self) -> str:
        return ""

    def initialize_for_inspection(self) -> None:
        """Nothing is opened."""

    def initialize(self, session_id: str, **kwargs: Any) -> None:
        """The beginning of a session. Of a subagent, a scheduled run or a flush nothing is kept."""
        self._home = str(kwargs.get("hermes_home") or self._home)
        self._session = session_id
        self._user = kwargs.get("user_id") or kwargs.get("user_id_alt")
        self._agent = kwargs.get("agent_identity")
        self._writes = kwargs.get("agent_context", "primary") == "primary"
        self._later(lambda: self.store)

    def get_config_schema(self) -> list[Record]:
        return [
            {"key": "store", "description": "folder of the store", "default": "<hermes home>/quipu", "secret": False},
            {"key": "backend", "description": "git, sqlite, json, ...", "default": "git", "secret": False},
            {"key": "embedder", "description": "hash, bert, ...; none: by words only", "default": "none", "secret": False},
        ]

    def save_config(self, values: Record, hermes_home: str) -> None:
        path = pathlib.Path(hermes_home) / SETTINGS
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({k: v for k, v in values.items() if v not in (None, "")}, indent=2) + "\n", encoding="utf-8")

    def backup_paths(self) -> list[str]:
        return [self._settings()["store"]]

    def _settings(self) -> Record:
        try:
            values = json.loads((pathlib.Path(self._home) / SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            values = {}
        values = values if isinstance(values, dict) else {}
        values.setdefault("store", os.path.join(self._home, "quipu"))
        return values

    @property
    def store(self) -> Store:
        """The store itself: its history, search and swap."""
        s = self._settings()
        return shared_store(s["store"], backend=s.get("backend"), embedder=s.get("embedder"), source="quipu.hermes")

    def _scope(self, session: str | None = None) -> dict[str, Any]:
        return scope_of(self._user, self._agent, session, None)

    # ---- work in the background ----

    def _later(self, job: Any) -> None:
        """One worker, begun at the first job; anew after a fork."""
        with self._lock:
            if self._worker is None or self._worker_pid != os.getpid() or not self._worker.is_alive():
                self._jobs = queue.Queue() if self._worker_pid != os.getpid() else self._jobs
                self._worker_pid = os.getpid()
                self._worker = threading.Thread(target=self._work, args=(self._jobs,), name="quipu-hermes", daemon=True)
                self._worker.start()
        self._jobs.put(job)

    def _work(self, jobs: queue.Queue[Any]) -> None:
        while True:
            job = jobs.get()
            try:
                if job is None:
                    return
                job()
                self._fault = ""
            except Exception as why:
                self._fault = str(why)
            finally:
                jobs.task_done()

    def _put(self, text: str, session: str, **fields: Any) -> None:
        if self._writes and text and text.strip():
            scope = self._scope(session or None)
            record = {"text": text, "scope": scope, **fields} if scope else {"text": text, **fields}
            self._later(lambda: self.store.put(record, author=self._agent or self._user))

    # ---- recalling ----

    def system_prompt_block(self) -> str:
        return (
            "You have a long-term memory. What is known about a question comes with it; "
            "quipu_recall finds more, quipu_remember keeps a fact, quipu_forget deletes one."
        )

    def _recall(self, query: str, limit: int = 5) -> list[Record]:
        found = self.store.search(query, k=limit, **self._scope()) if query.strip() else []
        self._found = len(found)
        return list(found)

    def prefetch(self, query: str, *, session_id: str = "") -> str:
        """What is known about it, as dated lines; found before where :meth:`queue_prefetch` was called."""
        ready = self._prefetched.pop((session_id or self._session, query), None)
        if ready is not None:
            return ready
        try:
            return _lines_of(self._recall(query))
        except Exception as why:
            self._fault = str(why)
            return ""

    def queue_prefetch(self, query: str, *, session_id: str = "") -> None:
        key = (session_id or self._session, query)

        def find() -> None:
            while len(self._prefetched) > 16:
                self._prefetched.pop(next(iter(self._prefetched)))
            self._prefetched[key] = _lines_of(self._recall(query))

        self._later(find)

    def recall_status(self) -> Any:
        """How many memories the last recall found; None before the first."""
        if self._fault:
            return SimpleNamespace(provider_label=f"Quipu: {self._fault}", count=0, glyph="!")
        if not self._found:
            return None
        return SimpleNamespace(provider_label="Quipu", count=self._found, glyph="⌇")

    # ---- keeping ----

    def sync_turn(self, user_content: str, assistant_content: str, *, session_id: str = "", messages: Any = None) -> None:
        """Keeps both sides of a turn, in the background."""
        session = session_id or self._session
        for role, content in (("user", user_content), ("assistant", assistant_content)):
            self._put(content, session, kind="message", role=role, actor=role)

    def on_turn_start(self, turn_number: int, message: str, **kwargs: Any) -> None:
        """Nothing to do."""

    def on_session_end(self, messages: Any) -> None:
        """Waits until what the session said is durable."""
        self._jobs.join()

    def on_session_switch(
        self, new_session_id: str, *, parent_session_id: str = "", reset: bool = False, rewound: bool = False
    ) -> None:
        self._session = new_session_id
        self._prefetched.clear()

    def on_pre_compress(self, messages: Any) -> str:
        """What is cut out of the context was kept turn by turn."""
        return ""

    def on_delegation(self, task: str, result: str, *, child_session_id: str = "") -> None:
        self._put(f"{task}\n{result}", child_session_id, category="delegation")

    def on_memory_write(self, action: str, target: str, content: str, metadata: Any = None) -> None:
        """What Hermes writes into its own memory files is kept as well; what it removes there is deleted here."""
        if action in ("add", "replace"):
            self._put(content, "", category=f"hermes-{target}")
        elif action == "remove" and self._writes:

            def remove() -> None:
                same = {"category": f"hermes-{target}", "text": content}
                ids = [r["id"] for r in self.store.list(filter=same, **self._scope())]
                if ids:
                    self.store.delete(*ids, must_exist=False)

            self._later(remove)

    def shutdown(self) -> None:
        """Waits for what is under way."""
        worker = self._worker
        if worker is not None and self._worker_pid == os.getpid() and worker.is_alive():
            self._jobs.put(None)
            worker.join()
        self._worker = None

    # ---- the model's tools ----

    def get_tool_schemas(self) -> list[Record]:
        return [dict(tool) for tool in TOOLS]

    def handle_tool_call(self, tool_name: str, args: Record, **kwargs: Any) -> str:
        """One JSON text, always."""
        try:
            return json.dumps(self._tool(tool_name, args or {}), ensure_ascii=False)
        except Exception as why:
            return json.dumps({"error": str(why)}, ensure_ascii=False)

    def _tool(self, name: str, args: Record) -> Record:
        if name == "quipu_remember":
            return {"id": self.store.add(str(args["text"]), author=self._agent or self._user, **self._scope())}
        if name == "quipu_recall":
            found = self._recall(str(args["query"]), int(args.get("limit", 5)))
            return {"memories": [{"id": r["id"], "text": r["text"], "time": r["created_at"]} for r in found]}
        if name == "quipu_forget":
            if self.store.get(str(args["id"]), **self._scope()) is None:
                raise NotFoundError(f"there is no memory {args['id']}", code=-2)
            self.store.delete(str(args["id"]))
            return {"forgotten": args["id"]}
        raise ValueError(f"there is no tool {name}")


def _lines_of(records: list[Record]) -> str:
    return "\n".join(f"- [{r['created_at'][:10]}] {r['text']}" for r in records if r.get("text"))


def register(ctx: Any) -> None:
    """What Hermes calls when it loads the plugin."""
    ctx.register_memory_provider(QuipuMemoryProvider())


PLUGIN = '''"""Quipu as a MemoryProvider. Written by `python -m quipu.hermes`."""

from quipu.hermes import register  # noqa: F401  (calls ctx.register_memory_provider)
'''


def install(hermes_home: str | os.PathLike[str] | None = None) -> pathlib.Path:
    """Writes plugins/quipu/ below Hermes' home."""
    home = pathlib.Path(hermes_home or os.environ.get("HERMES_HOME", "~/.hermes")).expanduser()
    plugin = home / "plugins" / "quipu"
    plugin.mkdir(parents=True, exist_ok=True)
    (plugin / "__init__.py").write_text(PLUGIN, encoding="utf-8")
    (plugin / "plugin.yaml").write_text(
        f"name: quipu\nversion: {__version__}\ndescription: Memory with a history, in a git repository\n", encoding="utf-8"
    )
    return plugin


def main(arguments: list[str]) -> int:
    if len(arguments) > 1:
        print("usage: python -m quipu.hermes [HERMES_HOME]", file=sys.stderr)
        return 2
    try:
        print(f"wrote {install(*arguments)}; now:  hermes config set memory.provider quipu")
    except OSError as why:
        print(f"quipu.hermes: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
