"""make bench-hosts: quipu.mem0 beside mem0ai's own Memory with its local vector stores, in one process, with the same embedder.

N=10000 memories in each; then ADDS=200 adds without a language model and ASKED=200 searches for ten results, in ROUNDS=5 in which
a peer and Quipu's backends take turns, each after what the one before left to the disk is there. The embedder of all is Quipu's
`hash`: mem0 calls it through the package. Prints one line of JSON a side; a ratio is the median of the rounds' ratios, by the
clock and by processor time, and 10 is wanted. PEERS="qdrant faiss" (qdrant is mem0's own choice), BACKENDS="git sqlite" for some.
"""

import contextlib
import datetime
import hashlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
import uuid

os.environ.update(MEM0_TELEMETRY="False", OPENAI_API_KEY="none", ANONYMIZED_TELEMETRY="False")

import quipu
import quipu.mem0

N, ADDS, ASKED, ROUNDS = (
    int(os.environ.get(name, default)) for name, default in (("N", 10000), ("ADDS", 200), ("ASKED", 200), ("ROUNDS", 5))
)
PEERS = os.environ.get("PEERS", "qdrant faiss").split()
BACKENDS = os.environ.get("BACKENDS", "git sqlite").split()
WANTED = 10
DIMENSION = 384
WORDS = [f"{a}{b}" for a in "ba ce di fo gu la me ni po ru sa te".split() for b in "ran lek mos tin vul dar pes kol".split()]


class Embedder:
    """mem0's interface to Quipu's embedder."""

    def __init__(self, store):
        self.store = store
        self.config = None

    def embed(self, text, memory_action=None):
        return self.store.embed([text], query=memory_action == "search")[0].tolist()

    def embed_batch(self, texts, memory_action=None):
        return [self.embed(text, memory_action) for text in texts]


def sentence(chance):
    return " ".join(chance.choices(WORDS, k=14)) + f" {chance.randrange(100000)}"


def mem0_memory(provider, folder, embedder):
    """mem0's Memory as released, its stores in `folder`, no network."""
    import mem0

    config = {"collection_name": "bench", "embedding_model_dims": DIMENSION, "path": os.path.join(folder, provider)}
    if provider == "qdrant":
        config["on_disk"] = True
    memory = mem0.Memory.from_config(
        {"vector_store": {"provider": provider, "config": config}, "history_db_path": os.path.join(folder, provider + ".db")}
    )
    memory.embedding_model = embedder
    return memory


def fill_mem0(memory, texts, embedder):
    """Through mem0's own vector store, many at once, with the payload that its add writes."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    for start in range(0, len(texts), 1000):
        part = texts[start : start + 1000]
        payloads = [
            {
                "user_id": "ada",
                "role": "user",
                "data": text,
                "hash": hashlib.md5(text.encode()).hexdigest(),
                "created_at": now,
                "updated_at": now,
                "text_lemmatized": text,
            }
            for text in part
        ]
        memory.vector_store.insert(
            vectors=[embedder.embed(text) for text in part], ids=[str(uuid.uuid4()) for _ in part], payloads=payloads
        )


def timed(calls):
    """Seconds a call, by the clock and of the process."""
    began, used = time.perf_counter(), time.process_time()
    for call in calls:
        call()
    return (time.perf_counter() - began) / len(calls), (time.process_time() - used) / len(calls)


def adds(memory, texts):
    return timed([lambda text=text: memory.add(text, user_id="ada", infer=False) for text in texts])


def searches(memory, texts):
    def ask(text):
        found = memory.search(text, filters={"user_id": "ada"}, top_k=10)["results"]
        assert len(found) == 10, (memory, len(found))

    return timed([lambda text=text: ask(text) for text in texts])


def compare(peer, memory, ours, texts, chance):
    """Rounds of one peer and all of ours."""
    sides = {**{f"quipu.{name}": mine for name, mine in ours.items()}, peer: memory}
    took = {(name, what): [] for name in sides for what in ("add", "search")}
    for _ in range(ROUNDS):
        fresh = [sentence(chance) for _ in range(ADDS // ROUNDS)]
        questions = [" ".join(chance.sample(texts[chance.randrange(N)].split(), 5)) for _ in range(ASKED // ROUNDS)]
        for name, side in sides.items():
            os.sync()
            took[name, "add"].append(adds(side, fresh))
            took[name, "search"].append(searches(side, questions))
    for name in sides:
        line = {"bench": "hosts", "memories": N, "peer": peer, "side": name}
        for what in ("add", "search"):
            clock, used = (statistics.median(column) for column in zip(*took[name, what]))
            line.update({f"{what}_ms": round(1000 * clock, 3), f"{what}_cpu_ms": round(1000 * used, 3)})
            if name != peer:
                for i, by in enumerate(("faster", "faster_cpu")):
                    ratios = [b[i] / a[i] for a, b in zip(took[name, what], took[peer, what])]
                    line[f"{what}_{by}"] = round(statistics.median(ratios), 2)
                line["wanted"] = WANTED
        print(json.dumps(line), flush=True)


def main():
    try:
        import mem0
    except ImportError as why:
        print(json.dumps({"bench": "hosts", "skipped": f"mem0ai cannot be imported: {why}"}))
        return 0
    print(json.dumps({"bench": "hosts", "mem0ai": mem0.__version__, "dimension": DIMENSION}))
    chance = random.Random(7)
    settings = {"embedder": "hash", "embedder_config": {"dimension": DIMENSION}}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        vectors = stack.enter_context(quipu.Store(os.path.join(folder, "vectors"), backend="memory", **settings))
        embedder = Embedder(vectors)
        texts = [sentence(chance) for _ in range(N)]
        ours = {}
        for backend in BACKENDS:
            ours[backend] = quipu.mem0.Memory({"path": os.path.join(folder, backend), "backend": backend, **settings})
            stack.callback(ours[backend].store.close)
            for start in range(0, N, 1000):
                part = texts[start : start + 1000]
                ours[backend].store.put_many([{"text": text, "role": "user", "scope": {"user": "ada"}} for text in part])
        for peer in PEERS:
            memory = mem0_memory(peer, folder, embedder)
            fill_mem0(memory, texts, embedder)
            compare(peer, memory, ours, texts, chance)
    return 0


if __name__ == "__main__":
    sys.exit(main())
