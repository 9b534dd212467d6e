#!/usr/bin/env python3
"""Peers of `make bench-search`, on the vectors that it wrote: search_peers.py FOLDER DIMENSION "PEER PEER".

One thread each, processor time, JSON lines; then the ratios to what bench_search itself measured in the same run. A peer that is not
installed is skipped, saying how to install it; nothing is installed here. HNSW_INDEX=FILE keeps hnswlib's index for another run.
"""
import json
import os
import sys
import time

PACKAGES = {"faiss": "faiss-cpu", "hnswlib": "hnswlib", "usearch": "usearch", "sqlite-vec": "sqlite-vec pysqlite3-binary"}
K = 10
ROUNDS = 3
ours = {}
theirs = {}


def say(**line):
    print(json.dumps({"bench": "search", **line}), flush=True)


def value(subject, number, unit, recall=None):
    theirs[subject] = (number, recall)
    say(subject=subject, value=float("%.5g" % number), unit=unit, **({} if recall is None else {"recall": round(recall, 4)}))


def ratio(subject, to, number, wanted=None):
    say(subject=subject, ratio_to=to, ratio=round(number, 3), **({} if wanted is None else {"wanted": wanted}))


def spent(work):
    begin = time.process_time()
    work()
    return time.process_time() - begin


def recall_of(found, truth):
    return sum(len(set(a[:K]) & set(b[:K])) for a, b in zip(found.tolist(), truth.tolist())) / (len(truth) * K)


def measure(subject, ask, questions, truth):
    """ask(one question as a matrix of one row) -> ids; the median of the rounds."""
    times = []
    for _ in range(ROUNDS):
        found = []
        begin = time.process_time()
        for i in range(len(questions)):
            found.append(ask(questions[i:i + 1])[0])
        times.append((time.process_time() - begin) / len(questions))
    value(subject, 1 / sorted(times)[ROUNDS // 2], "queries/s", recall_of(np.array(found), truth))


def run_faiss(base, questions, truth):
    import faiss
    faiss.omp_set_num_threads(1)
    flat = faiss.IndexFlatIP(base.shape[1])
    flat.add(base)
    few = questions[:20]
    measure("faiss flat, one", lambda q: flat.search(q, K)[1], few, truth[:20])
    batch = questions[:64]
    times = [spent(lambda: flat.search(batch, K)) / len(batch) for _ in range(ROUNDS)]
    value("faiss flat, 64 at once", 1 / sorted(times)[ROUNDS // 2], "queries/s")
    lists = int(len(base) ** 0.5)
    ivf = faiss.IndexIVFFlat(faiss.IndexFlatIP(base.shape[1]), base.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    took = spent(lambda: (ivf.train(base), ivf.add(base)))
    value("faiss IVF insertion", len(base) / took, "rows/s")
    for probes in (8, 16, 32, 64):
        ivf.nprobe = probes
        measure("faiss IVF, %d probes" % probes, lambda q: ivf.search(q, K)[1], questions, truth)


def run_hnswlib(base, questions, truth):
    import hnswlib
    kept = os.environ.get("HNSW_INDEX")
    index = hnswlib.Index(space="ip", dim=base.shape[1])
    if kept and os.path.exists(kept):
        index.load_index(kept, max_elements=len(base))
    else:
        index.init_index(max_elements=len(base), M=16, ef_construction=200, random_seed=1)
        took = spent(lambda: index.add_items(base, num_threads=1))
        value("hnswlib insertion", len(base) / took, "rows/s")
        if kept:
            index.save_index(kept)
    index.set_num_threads(1)
    for ef in (20, 50, 100, 200, 400, 800):
        index.set_ef(ef)
        measure("hnswlib, ef %d" % ef, lambda q: index.knn_query(q, K, num_threads=1)[0], questions, truth)


def run_usearch(base, questions, truth):
    from usearch.index import Index
    index = Index(ndim=base.shape[1], metric="ip", dtype="f32")
    took = spent(lambda: index.add(np.arange(len(base)), base, threads=1))
    value("usearch insertion", len(base) / took, "rows/s")
    for ef in (64, 200):
        index.expansion_search = ef
        measure("usearch, expansion %d" % ef, lambda q: index.search(q[0], K, threads=1).keys[None, :], questions, truth)


def run_sqlite_vec(base, questions, truth):
    import sqlite3
    import sqlite_vec
    if not hasattr(sqlite3.Connection, "enable_load_extension"):  # some builds of Python leave it out
        import pysqlite3 as sqlite3
    db = sqlite3.connect(":memory:")
    db.enable_load_extension(True)
    sqlite_vec.load(db)
    db.execute("create virtual table v using vec0(e float[%d] distance_metric=cosine)" % base.shape[1])
    took = spent(lambda: db.executemany("insert into v(rowid, e) values (?, ?)", ((i, row.tobytes()) for i, row in enumerate(base))))
    value("sqlite-vec insertion", len(base) / took, "rows/s")
    few = questions[:10]

    def ask(q):
        return np.array([[r[0] for r in db.execute("select rowid from v where e match ? and k = ?", (q[0].tobytes(), K))]])
    measure("sqlite-vec", ask, few, truth[:10])


def at_recall(family, wanted):
    """Queries a second at this recall, between the two measured points around it."""
    points = sorted((r, n) for s, (n, r) in theirs.items() if s.startswith(family) and r is not None)
    for (r0, n0), (r1, n1) in zip(points, points[1:]):
        if r0 <= wanted <= r1 and r1 > r0:
            return n0 + (n1 - n0) * (wanted - r0) / (r1 - r0)
    return None


def print_ratios():
    for mine, other, subject, wanted in (("exact, one", "faiss flat, one", "exact, one: speed", 1),
                                         ("exact, 64 at once", "faiss flat, 64 at once", "exact, 64 at once: speed", 1),
                                         ("exact, one", "sqlite-vec", "exact, one: speed", None),
                                         ("insertion", "hnswlib insertion", "insertion: speed", 20),
                                         ("insertion", "usearch insertion", "insertion: speed", None),
                                         ("insertion", "sqlite-vec insertion", "insertion: speed", None),
                                         ("insertion", "faiss IVF insertion", "insertion: speed", None)):
        if mine in ours and other in theirs:
            ratio(subject, other, ours[mine]["value"] / theirs[other][0], wanted)
    for subject, line in ours.items():
        if subject.startswith("partitions, effort"):
            for family, wanted in (("hnswlib, ef", 0.7), ("faiss IVF, ", None), ("usearch, expansion", None)):
                speed = at_recall(family, line["recall"])
                if speed:
                    ratio(subject + ": speed", "%s at recall %.4f" % (family.split(",")[0], line["recall"]), line["value"] / speed, wanted)


def main():
    folder, dimension, peers = sys.argv[1], int(sys.argv[2]), sys.argv[3].split()
    for line in open(os.path.join(folder, "ours.jsonl")):
        line = json.loads(line)
        if "value" in line:
            ours[line["subject"]] = line
    base = np.fromfile(os.path.join(folder, "base.f32"), dtype=np.float32).reshape(-1, dimension)
    questions = np.fromfile(os.path.join(folder, "questions.f32"), dtype=np.float32).reshape(-1, dimension)
    scores = questions @ base.T
    truth = np.argsort(-scores, axis=1)[:, :K] if len(base) < 100000 else np.argpartition(-scores, K, axis=1)[:, :K]
    del scores
    for peer in peers:
        try:
            {"faiss": run_faiss, "hnswlib": run_hnswlib, "usearch": run_usearch, "sqlite-vec": run_sqlite_vec}[peer](base, questions, truth)
        except ImportError:
            say(note="%s is not here: pip install %s, into the venv of PYTHON=" % (peer, PACKAGES[peer]))
    print_ratios()


try:
    import numpy as np
except ImportError:
    say(note="no peers without numpy: pip install numpy %s, into the venv of PYTHON=" % " ".join(PACKAGES.values()))
    sys.exit(0)
main()
