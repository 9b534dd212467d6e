/*
 * findings.h - what verify/1 (plugin_api/quipu/ext/verify.h) tells, for backends that have it.
 */
#ifndef SDK_FINDINGS_H
#define SDK_FINDINGS_H

#include <quipu/ext/verify.h>
#include <stdbool.h>

/* One call of verify. */
typedef struct findings {
    uint32_t flags;   /* QUIPU_VERIFY_* */
    uint64_t damages; /* how many were told */
    quipu_finding_fn visit;
    void *context;
    quipu_error *error; /* of the call */
} findings;

enum { FINDINGS_ENOUGH = 1 }; /* the visitor wants no more: no fault */

/* Checks what verify was given beside its visitor. open: a store is; store_flags: its QUIPU_OPEN_*. Errors: STATE, INVALID, READ_ONLY. */
int32_t findings_check(bool open, uint32_t store_flags, uint32_t flags, const quipu_call *call, quipu_error *error);
/* Whether what is found is to be repaired. */
bool findings_repair(const findings *f);
/* Tells one; progress only where it was asked for. QUIPU_OK, FINDINGS_ENOUGH, or the visitor's code. message may be NULL. */
int32_t findings_tell(findings *f, uint32_t severity, const char *area, quipu_str subject, const char *message,
                      uint64_t count);

#endif
