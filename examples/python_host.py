"""python_host.py BACKEND - libquipu from Python, by ctypes alone: threads, and a fork. Needs $QUIPU_PLUGIN_PATH and $LIBQUIPU."""
import ctypes as C, json, os, sys, tempfile, threading
try:
    import numpy  # brings a BLAS of its own into the process: the plugin must keep to its own
    numpy.dot(numpy.ones((64, 64), dtype=numpy.float32), numpy.ones((64, 64), dtype=numpy.float32))
except ImportError:
    print("numpy is not installed: the test runs without it")

class Str(C.Structure):
    _fields_ = [("ptr", C.c_char_p), ("len", C.c_uint64)]
class Options(C.Structure):
    _fields_ = ([("struct_size", C.c_uint32), ("flags", C.c_uint32)]
                + [(name, Str) for name in ("store", "backend", "backend_config", "embedder", "embedder_config",
                                            "plugin_path", "author", "source")]
                + [(name, C.c_void_p) for name in ("log", "services", "context")])
class Error(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("code", C.c_int32), ("retry", C.c_uint32), ("sys_errno", C.c_int32),
                ("index", C.c_uint64), ("field", C.c_char * 64), ("id", C.c_char * 256), ("version", C.c_char * 48),
                ("message", C.c_char * 256)]
SINK = C.CFUNCTYPE(C.c_int32, C.c_void_p, C.c_void_p, C.c_uint64)
FORKED = -19
lib = C.CDLL(os.environ["LIBQUIPU"])

def text(value):
    return Str(value.encode(), len(value.encode()))
def check(code, error):
    assert code == 0, f"{code}: {error.message.decode()} ({error.field.decode()})"

class Store:
    def __init__(self, folder, backend):
        self.handle, error = C.c_void_p(), Error(C.sizeof(Error))
        options = Options(C.sizeof(Options), store=text(folder), backend=text(backend), author=text("python"))
        check(lib.quipu_open(C.byref(options), C.byref(self.handle), C.byref(error)), error)
    def put(self, record):
        error = Error(C.sizeof(Error))
        return lib.quipu_put_json(self.handle, C.byref(text(json.dumps(record))), None, None, None, C.byref(error)), error
    def search(self, question, k):
        parts, error = [], Error(C.sizeof(Error))
        sink = SINK(lambda context, data, size: parts.append(C.string_at(data, size)) or 0)
        request = text(json.dumps({"query": question, "k": k}))
        check(lib.quipu_search_json(self.handle, C.byref(request), sink, None, None, C.byref(error)), error)
        return json.loads(b"".join(parts))["results"]
    def close(self):
        return lib.quipu_close(self.handle, None)

def write(store, number):
    for i in range(10):
        check(*store.put({"text": f"thread {number} likes apple number {i}", "scope": {"user": f"u{number}"}}))
        assert store.search("apple", 3)

with tempfile.TemporaryDirectory() as folder:
    store = Store(folder + "/store", sys.argv[1])
    threads = [threading.Thread(target=write, args=(store, n)) for n in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    found = store.search("apple", 100)
    assert len(found) == 40 and all("apple" in r["text"] for r in found), len(found)
    child = os.fork()
    if child == 0:  # the parent's handle must refuse; a new one works
        code = store.put({"text": "from the child"})[0]
        again = Store(folder + "/child", sys.argv[1]) if store.close() == 0 else None
        os._exit(0 if code == FORKED and again and again.put({"text": "hello apple"})[0] == 0
                 and len(again.search("apple", 5)) == 1 and again.close() == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0, "the child failed"
    assert len(store.search("apple", 100)) == 40 and store.close() == 0
    print("python_host: 4 threads, 40 memories, a fork: fine")
