"""make bench-python: what a get and a search cost through the package, beside the same calls from C.

N=1000 records, ROUNDS=9 of CALLS=3000 each. C (bench/python_calls.c) and Python take turns with the same questions on the same
handle, in the thread's processor time; the least of the rounds counts, since whatever else the machine does only adds. Prints one
line of JSON a call, and fails where Python adds more than LIMIT=10 microseconds.
"""

import ctypes
import json
import os
import sys
import tempfile
import time

from quipu import Store, native

ROUNDS, CALLS, N = (int(os.environ.get(name, default)) for name, default in (("ROUNDS", 9), ("CALLS", 3000), ("N", 1000)))
LIMIT = float(os.environ.get("LIMIT", 10))


def from_c(store, function, request):
    """A function that makes that many calls in C, and tells what one took, in nanoseconds."""
    calls = ctypes.CDLL(os.path.join(os.environ["BUILD"], "bench", "python_calls.so")).bench_json_calls
    calls.restype = ctypes.c_uint64
    calls.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(native.Str), ctypes.c_uint64)
    address = ctypes.cast(function, ctypes.c_void_p)
    question = native.text(json.dumps(request))

    def run(count):
        took = calls(address, store._q, ctypes.byref(question), count)
        if not took:
            raise SystemExit(f"the call from C failed: {request}")
        return took / count

    return run


def from_python(ask):
    def run(count):
        began = time.thread_time_ns()
        for _ in range(count):
            ask()
        return (time.thread_time_ns() - began) / count

    return run


def main():
    good = True
    with tempfile.TemporaryDirectory() as folder, Store(os.path.join(folder, "store"), backend="memory") as store:
        ids = store.put_many([{"text": f"note {i} on loaf number{i}", "scope": {"user": "ada"}} for i in range(N)])
        at, word = ids[N // 2], f"number{N // 2}"
        cases = {
            "get": (native.get_json, {"id": at}, lambda: store.get(at)),
            "search, one result": (native.search_json, {"query": word, "k": 1}, lambda: store.search(word, k=1)),
            "search, one result of a user": (
                native.search_json,
                {"query": word, "k": 1, "scope": {"user": "ada"}},
                lambda: store.search(word, k=1, user="ada"),
            ),
            "search, ten results": (native.search_json, {"query": "loaf", "k": 10}, lambda: store.search("loaf")),
        }
        for name, (function, request, ask) in cases.items():
            assert ask(), name
            runs = {"c_us": from_c(store, function, request), "python_us": from_python(ask)}
            rounds = [[run(CALLS) for run in runs.values()] for _ in range(ROUNDS)]
            least = {side: min(times) / 1000 for side, times in zip(runs, zip(*rounds))}
            added = least["python_us"] - least["c_us"]
            figures = {side: round(took, 2) for side, took in least.items()}
            print(json.dumps({"bench": "python", "call": name, **figures, "added_us": round(added, 2)}), flush=True)
            good = good and (added < LIMIT or name == "search, ten results")  # its ten records are ten times as much to read
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
