//! rust_host BACKEND STORE - libquipu from Rust, with nothing but std: rustc main.rs -L DIR -l quipu
//!
//! Structs are copied from host_shim/include/quipu.h; every one begins with its own size, so that an old host and a new
//! libquipu still understand each other.
use std::ffi::{c_char, c_void, CStr};
use std::mem::size_of;
use std::{env, ptr, slice, str, thread};

#[repr(C)]
#[derive(Clone, Copy)]
struct Str { ptr: *const u8, len: u64 }

impl Str {
    const NONE: Str = Str { ptr: ptr::null(), len: 0 };
    fn of(text: &str) -> Str { Str { ptr: text.as_ptr(), len: text.len() as u64 } }
}

#[repr(C)]
struct Options {
    struct_size: u32, flags: u32,
    store: Str, backend: Str, backend_config: Str, embedder: Str, embedder_config: Str, plugin_path: Str, author: Str, source: Str,
    log: *const c_void, services: *const c_void, context: *mut c_void,
}

#[repr(C)]
struct Error {
    struct_size: u32, code: i32, retry: u32, sys_errno: i32, index: u64,
    field: [u8; 64], id: [u8; 256], version: [u8; 48], message: [u8; 256],
}

impl Error {
    fn new() -> Error {
        Error { struct_size: size_of::<Error>() as u32, code: 0, retry: 0, sys_errno: 0, index: 0,
                field: [0; 64], id: [0; 256], version: [0; 48], message: [0; 256] }
    }
    fn must(&self, code: i32, what: &str) {
        let message = self.message.split(|byte| *byte == 0).next().map(String::from_utf8_lossy).unwrap_or_default();
        assert!(code == 0, "{what}: {code}: {message}");
    }
}

type Sink = extern "C" fn(*mut c_void, *const c_void, u64) -> i32;

extern "C" {
    fn quipu_version() -> *const c_char;
    fn quipu_open(options: *const Options, out: *mut *mut c_void, error: *mut Error) -> i32;
    fn quipu_close(q: *mut c_void, error: *mut Error) -> i32;
    fn quipu_put_json(q: *mut c_void, json: *const Str, options: *const c_void, id: *mut u8, call: *const c_void,
                      error: *mut Error) -> i32;
    fn quipu_search_json(q: *mut c_void, request: *const Str, sink: Sink, context: *mut c_void, call: *const c_void,
                         error: *mut Error) -> i32;
}

/// A handle may be used by any number of threads at once.
#[derive(Clone, Copy)]
struct Store(*mut c_void);
unsafe impl Send for Store {}

extern "C" fn collect(context: *mut c_void, bytes: *const c_void, len: u64) -> i32 {
    let out = unsafe { &mut *(context as *mut Vec<u8>) };
    out.extend_from_slice(unsafe { slice::from_raw_parts(bytes as *const u8, len as usize) });
    0
}

impl Store {
    fn put(&self, json: &str) {
        let mut error = Error::new();
        let code = unsafe { quipu_put_json(self.0, &Str::of(json), ptr::null(), ptr::null_mut(), ptr::null(), &mut error) };
        error.must(code, "put");
    }
    fn search(&self, request: &str) -> String {
        let (mut error, mut answer) = (Error::new(), Vec::<u8>::new());
        let context = &mut answer as *mut Vec<u8> as *mut c_void;
        let code = unsafe { quipu_search_json(self.0, &Str::of(request), collect, context, ptr::null(), &mut error) };
        error.must(code, "search");
        String::from_utf8(answer).expect("answers are UTF-8")
    }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    assert!(arguments.len() == 3, "usage: rust_host BACKEND STORE");
    let options = Options {
        struct_size: size_of::<Options>() as u32, flags: 0, store: Str::of(&arguments[2]), backend: Str::of(&arguments[1]),
        backend_config: Str::NONE, embedder: Str::NONE, embedder_config: Str::NONE, plugin_path: Str::NONE,
        author: Str::of("rust"), source: Str::NONE, log: ptr::null(), services: ptr::null(), context: ptr::null_mut(),
    };
    let (mut q, mut error) = (ptr::null_mut(), Error::new());
    let code = unsafe { quipu_open(&options, &mut q, &mut error) };
    error.must(code, "open");
    let threads: Vec<_> = (0..4).map(|n| {
        let store = Store(q);
        thread::spawn(move || {
            let store = store; // the whole of it moves, not the pointer alone
            for i in 0..5 {
                store.put(&format!("{{\"text\":\"crab {n} found pearl {i}\",\"scope\":{{\"user\":\"u{n}\"}}}}"));
            }
        })
    }).collect();
    threads.into_iter().for_each(|t| t.join().expect("a thread failed"));
    let all = Store(q).search("{\"query\":\"pearl\",\"k\":100}");
    let one = Store(q).search("{\"query\":\"pearl\",\"k\":100,\"scope\":{\"user\":\"u2\"}}");
    assert_eq!((all.matches("\"id\"").count(), one.matches("\"id\"").count()), (20, 5));
    let code = unsafe { quipu_close(q, &mut error) };
    error.must(code, "close");
    let version = str::from_utf8(unsafe { CStr::from_ptr(quipu_version()) }.to_bytes()).unwrap_or("?");
    println!("rust_host: libquipu {version}, 4 threads, 20 memories: fine");
}
