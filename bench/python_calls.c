/* The calls that bench/python_overhead.py makes through the package, made from C: what they cost without Python. */

#include <stdint.h>
#include <time.h>

#include "quipu.h"

typedef int32_t (*json_call)(quipu *q, const quipu_str *request, quipu_sink_fn sink, void *context,
                             const quipu_call *call, quipu_error *err);

uint64_t bench_json_calls(json_call function, quipu *q, const quipu_str *request, uint64_t count);

static int32_t take(void *context, const void *bytes, uint64_t length)
{
    (void)bytes;
    *(uint64_t *)context += length;
    return 0;
}

/* Nanoseconds of this thread's processor time for that many calls; 0 where one of them failed or answered nothing. */
__attribute__((visibility("default"))) uint64_t bench_json_calls(json_call function, quipu *q, const quipu_str *request,
                                                                 uint64_t count)
{
    struct timespec began, ended;
    uint64_t bytes = 0;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
    for (uint64_t i = 0; i < count; i++) {
        if (function(q, request, take, &bytes, NULL, NULL)) {
            return 0;
        }
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
    if (bytes == 0) {
        return 0;
    }
    return (uint64_t)(ended.tv_sec - began.tv_sec) * 1000000000u + (uint64_t)ended.tv_nsec - (uint64_t)began.tv_nsec;
}
