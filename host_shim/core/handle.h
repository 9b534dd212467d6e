/*
 * handle.h - what a `quipu` is, for the files of this folder.
 */
#ifndef CORE_HANDLE_H
#define CORE_HANDLE_H

#include "fork.h"
#include "host.h"
#include "slot.h"
#include "store.h"
#include "tap.h"
#include "tenant.h"

#include <pthread.h>

/* Everything but the first block is constant from quipu_open to quipu_close. */
struct quipu {
    slot slot;
    _Atomic(tenant *) active; /* whose backend is in the slot */
    tenant *tenants;          /* all of them, the newest first: under `control` */
    struct shadow *shadow;    /* likewise; or NULL */
    pthread_mutex_t control;  /* one thread at a time exchanges what is in the slot */
    atomic_bool closing;      /* who holds `control` should come to an end */

    uint32_t epoch; /* of fork.h, when it was opened */
    uint32_t flags; /* QUIPU_OPEN_* */
    host host;
    plugin_use embedder;
    bool embedder_open;
    char *plugin_path; /* NULL: absent */
    char *author;
    char *source;
    store_settings with; /* what is used, whichever store it was read from */
};

/* A call on its way through the slot. */
typedef struct passage {
    const slot_generation *inside;
    atomic_uint_fast64_t *count;
} passage;

/* The slow ends of the two below. */
int32_t handle_refuse(const quipu *q, quipu_error *error);
/* name: of the backend; NULL: the active one. */
int32_t handle_settle(const quipu *q, const char *name, int32_t code, quipu_error *error);

static inline int32_t handle_enter(quipu *q, passage *p, quipu_error *error)
{
    if (__builtin_expect(!q || q->epoch != fork_epoch_now(), 0))
        return handle_refuse(q, error);
    p->inside = slot_enter(&q->slot, &p->count);
    return __builtin_expect(p->inside != NULL, 1) ? QUIPU_OK : handle_refuse(q, error);
}

/* Leaves; `code` is what the backend answered, and becomes one that keeps the contract: never positive, and with a filled
 * error object where it is negative. */
static inline int32_t handle_leave(quipu *q, passage *p, int32_t code, quipu_error *error)
{
    slot_leave(p->count);
    return __builtin_expect(code == QUIPU_OK, 1) ? code : handle_settle(q, NULL, code, error);
}

/* Refuses a struct that crossed the border when it is too short, or has bytes that this version does not know. */
int32_t check_struct(const void *object, size_t known, const char *name, quipu_error *error);
/* A settings text must be one JSON object; absent is fine. */
int32_t check_settings_text(quipu_str config, const char *field, quipu_error *error);

#endif
