/*
 * purge.h - taking expired records away, for backends with maintain/1 (plugin_api/quipu/ext/maintain.h).
 */
#ifndef SDK_PURGE_H
#define SDK_PURGE_H

#include <quipu/backend.h>
#include <quipu/ext/maintain.h>
#include <stdbool.h>

/* One call of maintain. */
typedef struct maintenance {
    const quipu_backend_api *api; /* scan and apply are used */
    quipu_backend *self;
    const quipu_host *host;
    const quipu_maintain *params;
    quipu_maintain_fn visit;
    void *context;
    const quipu_call *call;
    quipu_error *error;
    int64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
    quipu_maintained report;
} maintenance;

/* What a backend with maintain/1 is, for maintain_run. Both functions may answer MAINTAIN_ENOUGH. */
typedef struct maintain_owner {
    const quipu_backend_api *api; /* scan and apply are used */
    /* How much there is, before and after. */
    int32_t (*measure)(maintenance *m, uint64_t *packs, uint64_t *bytes);
    int32_t (*repack)(maintenance *m);
} maintain_owner;

enum { MAINTAIN_ENOUGH = 1 }; /* time is up, or the visitor wants no more: no fault */

/* The function of maintain/1, once the backend has checked that a store is open (and `m->call`): the parts that were asked for, in order. m: with self,
 * host, params, visit, context, call and error. flags: the store's QUIPU_OPEN_*. */
int32_t maintain_run(const maintain_owner *owner, maintenance *m, uint32_t flags, quipu_maintained *report);
/* A call that ends when the one of `m` does, or its time is up: true where that comes first, so that TIMEOUT means MAINTAIN_ENOUGH. */
bool maintain_call(const maintenance *m, quipu_call *out);
int32_t maintain_time(const maintenance *m); /* QUIPU_OK or MAINTAIN_ENOUGH */
/* Tells the visitor how far it is: QUIPU_OK, MAINTAIN_ENOUGH, or the visitor's code. */
int32_t maintain_tell(maintenance *m, const char *phase, uint64_t done, uint64_t total);
/* Takes expired records away, up to 1,000 in a change set (operation "expire"), each with the version that was seen, so that one which
 * somebody gave more time stays. Counts in report.purged. */
int32_t maintain_purge(maintenance *m);

#endif
