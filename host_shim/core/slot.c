/* slot.c - see slot.h. */
#include "slot.h"

#include <base/fail.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Thread_local uint32_t slot_stripe_index __attribute__((tls_model("initial-exec")));

uint32_t slot_choose_stripe(void)
{
    static atomic_uint next;
    slot_stripe_index = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % SLOT_STRIPES + 1;
    return slot_stripe_index;
}

static bool is_empty(slot_generation *g)
{
    for (uint32_t i = 0; i < SLOT_STRIPES; i++)
        if (atomic_load(&g->stripes[i].inside) != 0)
            return false;
    return true;
}

int32_t slot_drain(slot_generation *g, int64_t deadline_ns, quipu_error *error)
{
    long pause = 20000; /* ns; leaving does not wake anybody, so that it stays cheap */
    while (!is_empty(g)) {
        struct timespec now, rest = { 0, pause };
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (deadline_ns && (int64_t)now.tv_sec * 1000000000 + now.tv_nsec >= deadline_ns)
            return fail(error, QUIPU_E_TIMEOUT, NULL,
                        "calls are still inside the old backend; it stays until they return");
        nanosleep(&rest, NULL);
        pause = pause < 1000000 ? pause * 2 : pause;
    }
    g->spare = true;
    return QUIPU_OK;
}

int32_t slot_prepare(slot *s, slot_generation **out, quipu_error *error)
{
    void *memory = NULL;
    slot_generation *g = s->all;
    while (g && !g->spare)
        g = g->older;
    if (!g) {
        if (posix_memalign(&memory, _Alignof(slot_generation), sizeof *g) != 0)
            return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
        memset(memory, 0, sizeof *g);
        g = memory;
        for (uint32_t i = 0; i < SLOT_STRIPES; i++)
            g->stripes[i].of = g;
        g->older = s->all;
        s->all = g;
    }
    g->api = NULL;
    g->self = NULL;
    g->tap = NULL;
    g->spare = true; /* until it is exchanged */
    *out = g;
    return QUIPU_OK;
}

slot_generation *slot_exchange(slot *s, slot_generation *next)
{
    if (next)
        next->spare = false;
    return atomic_exchange(&s->current, next);
}

int32_t slot_publish(slot *s, const quipu_backend_api *api, quipu_backend *self, int64_t deadline_ns,
                     slot_generation **old, quipu_error *error)
{
    slot_generation *next = NULL;
    if (api) {
        int32_t code = slot_prepare(s, &next, error);
        if (code != QUIPU_OK)
            return code;
        next->api = api;
        next->self = self;
    }
    slot_generation *before = slot_exchange(s, next);
    if (old)
        *old = before;
    return before ? slot_drain(before, deadline_ns, error) : QUIPU_OK;
}

void slot_drain_all(slot *s)
{
    for (slot_generation *g = s->all; g; g = g->older)
        if (g != atomic_load(&s->current) && !g->spare)
            (void)slot_drain(g, 0, NULL);
}

void slot_end(slot *s)
{
    atomic_store(&s->current, NULL);
    while (s->all) {
        slot_generation *older = s->all->older;
        free(s->all);
        s->all = older;
    }
}
