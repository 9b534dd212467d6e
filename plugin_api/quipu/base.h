/*
 * base.h - the words that every other header uses: version, strings, arrays, times, calls.
 *
 * Quipu's ABI is plain C for 64-bit systems. The rules that every header here obeys:
 *
 *   - A struct that crosses the border begins with `uint32_t struct_size`, set by whoever made it to the sizeof that it
 *     was compiled with. Fields are only ever appended. A field past the first version is read through QUIPU_HAS.
 *     quipu_str and quipu_array are the two exceptions: they are frozen as they stand.
 *   - Bytes past the size that the reader knows must be zero, else it refuses with QUIPU_E_INVALID; into a struct that
 *     is filled for the caller, the callee writes no further than the caller's struct_size.
 *   - Reserved fields are zero. An unknown flag is refused, not ignored.
 *   - No allocation crosses. What a function receives is borrowed for the call unless its comment says otherwise:
 *     "borrowed for the call", "plugin's until X", "host's until X", "handed over".
 *   - A call answers an int32_t: QUIPU_OK (0) or a negative code of error.h.
 *
 * Every function slot carries three tags in its comment, and a script fails the build where one is missing:
 *
 *   thread   [any-thread]   may be called by any number of threads at once; the plugin locks for itself
 *            [main-thread]  is called by one thread at a time, never beside another call to the same object
 *   state    [loaded]       after dlopen, before init        [inited]  between init and deinit
 *            [created]      between create and open          [open]    between open and close
 *            [any-state]    whenever the object exists
 *   cost     [may-block]    may wait for disk, network or locks: takes a quipu_call with deadline and cancel token
 *            [fast]         never waits; microseconds at the most
 */
#ifndef QUIPU_BASE_H
#define QUIPU_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__cplusplus) && __cplusplus >= 201703L
#define QUIPU_NOEXCEPT noexcept
#else
#define QUIPU_NOEXCEPT
#endif

#if defined(__cplusplus)
#define QUIPU_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define QUIPU_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* The version of the call ABI: major in the upper 16 bits, minor in the lower. While the major is 0, a new minor may
 * break; from 1.0 on only a new major may. It moves apart from the stored format and from a plugin's own release. */
#define QUIPU_ABI_MAKE(major, minor) (((uint32_t)(major) << 16) | (uint32_t)(minor))
#define QUIPU_ABI_MAJOR(version) ((uint32_t)(version) >> 16)
#define QUIPU_ABI_MINOR(version) ((uint32_t)(version)&0xffffu)
#define QUIPU_ABI_VERSION QUIPU_ABI_MAKE(0, 1)

/* The version of the stored form of a record (the `format` field of its canonical JSON). */
#define QUIPU_RECORD_FORMAT 1

QUIPU_STATIC_ASSERT(sizeof(void *) == 8, "Quipu's ABI is for 64-bit systems");

/* True when the struct that `pointer` leads to is long enough to hold `field`, as its maker compiled it. */
#define QUIPU_HAS(pointer, field)                                                                                      \
    ((pointer)->struct_size >= (uint32_t)((const char *)(&(pointer)->field + 1) - (const char *)(pointer)))

/* UTF-8 text or plain bytes: `len` bytes at `ptr`, not terminated. A NULL `ptr` means absent, which is not the same as
 * empty. Borrowed for the call: who wants to keep it copies it. Frozen. */
typedef struct quipu_str {
    const char *ptr;
    uint64_t len;
} quipu_str;

/* `count` structs, the first at `ptr`, each `stride` bytes after the one before. The stride is the producer's sizeof,
 * so that both sides may know different lengths of the same struct. Frozen. */
typedef struct quipu_array {
    const void *ptr;
    uint64_t count;
    uint64_t stride;
} quipu_array;

/* Element i of a quipu_array as `const type *`. */
#define QUIPU_AT(type, array, i)                                                                                       \
    ((const type *)(const void *)((const char *)(array)->ptr + (uint64_t)(i) * (array)->stride))

/* Times are microseconds since 1970-01-01T00:00:00Z, leap seconds not counted; this value means "no time given". */
#define QUIPU_TIME_NONE INT64_MIN

/* The same for integers that may be absent. */
#define QUIPU_INT_NONE INT64_MIN

/* How a caller takes back a call that it no longer wants. Host's until the call returns.
 * `flag` is set to a non-zero value from another thread (read it with an atomic load); `fd`, where it is not -1,
 * becomes readable at the same moment, for callees that wait in poll(2). */
typedef struct quipu_cancel {
    uint32_t struct_size;
    int32_t fd;
    int32_t flag;
    uint32_t reserved;
} quipu_cancel;

/* Travels with every call that may block. NULL stands for no deadline and no token.
 * Before its commit point a call that is late or cancelled leaves everything as it was and answers QUIPU_E_TIMEOUT or
 * QUIPU_E_CANCELLED; after it, it succeeds; where nobody can know, QUIPU_E_UNCERTAIN. */
typedef struct quipu_call {
    uint32_t struct_size;
    uint32_t flags;             /* none defined: 0 */
    int64_t deadline_ns;        /* CLOCK_MONOTONIC, nanoseconds; 0: no deadline */
    const quipu_cancel *cancel; /* or NULL */
} quipu_call;

/* Receives bytes that the callee produces: `len` bytes at `bytes`, borrowed for the call of the sink. Several calls
 * make one output. Answers 0 to go on; a negative code of error.h ends the producing call with that code. */
typedef int32_t (*quipu_sink_fn)(void *context, const void *bytes, uint64_t len) QUIPU_NOEXCEPT;

/* 1 when `text` is exactly the `len` bytes at `literal`. For the comparison of ids: trailing bytes make it unequal. */
static inline int32_t quipu_str_equal(const quipu_str *text, const char *literal, uint64_t len)
{
    uint64_t i;
    if (text->len != len || !text->ptr)
        return 0;
    for (i = 0; i < len; i++)
        if (text->ptr[i] != literal[i])
            return 0;
    return 1;
}

/* quipu_str_equal for a string literal, as in QUIPU_IS(id, QUIPU_EXT_HISTORY). */
#define QUIPU_IS(text, literal) quipu_str_equal((text), (literal), sizeof(literal) - 1)

#ifdef __cplusplus
}
#endif
#endif
