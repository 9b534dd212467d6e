/*
 * faulty_calls.h - makes a file operation of this process fail, whoever makes it: the plugin, a library or libc itself.
 *
 * Linux only (x86-64, aarch64): a seccomp filter turns each operation into a SIGSYS, whose handler counts it and does it,
 * cuts it short, refuses it or kills the process (seccomp(2), SECCOMP_RET_TRAP). The filter stays until the process ends.
 */
#ifndef VALIDATE_FAULTY_CALLS_H
#define VALIDATE_FAULTY_CALLS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
    FAULT_COUNT,       /* nothing fails */
    FAULT_ONCE,        /* operation number `at` fails with `error` */
    FAULT_FROM,        /* that one and all after it */
    FAULT_SHORT,       /* that one, a write, writes half; only writes are counted */
    FAULT_INTERRUPTED, /* that one is interrupted (EINTR); only what can be is counted */
    FAULT_KILL         /* the process is killed just before that one */
};

typedef struct call_fault {
    enum fault_kind kind;
    uint32_t at; /* from 1 */
    int error;   /* errno */
} call_fault;

/* NULL, or why this system cannot do it. Once in a process. */
const char *faulty_calls_install(void);
/* From now on; operations are counted from 1 again. */
void faulty_calls_begin(const call_fault *fault);
/* Back to peace. Answers how many operations there were. */
uint32_t faulty_calls_end(void);

#endif
