/*
 * swap.c - another backend in the place of the active one, while calls go on.
 *
 * The order (DESIGN.md has the reasons): try the new one out; open it beside the old one; put a tap in front of the old one; copy; carry
 * over what was written meanwhile until little is left; compare; hold writers back; carry over the rest; fence; switch; let writers go;
 * wait for calls inside the old one; close it. Up to the fence everything can be given up, and the old one is as it was.
 */
#include "swap.h"

#include "moved.h"
#include "shadow.h"

#include <base/fail.h>
#include <stdlib.h>
#include <time.h>

#define HOLD_MS 120 /* writers are held back for so long at first; each further attempt takes half as much again */
#define HOLD_MOST_NS INT64_C(2000000000)
#define ATTEMPTS 12
#define ATTEMPT_PAUSE_NS 20000000L
#define COMPARISONS_MOST 3
#define DRAIN_MS 30000u
#define AGAIN 1 /* not this time: let writers go on, and try later */

int64_t swap_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int32_t swap_tell(swap *s, const char *phase, uint64_t done, uint64_t total)
{
    quipu_swap_progress p = { .struct_size = sizeof p, .phase = str_of(phase), .done = done, .total = total };
    if (atomic_load(&s->q->closing))
        return fail(s->error, QUIPU_E_CANCELLED, NULL, "the handle is being closed; the old backend stays");
    if (s->tell && s->tell(s->context, &p) != 0)
        return fail(s->error, QUIPU_E_CANCELLED, NULL, "the swap was given up; the old backend stays");
    return call_check(s->call, s->error);
}

/* ---- the tap ---- */

static tap_end end_of(const side *x)
{
    return (tap_end){ x->api, x->self, x->migrate };
}

/* Puts a generation into the slot and waits for calls inside the one before, as long as the caller of the swap does. */
static int32_t exchange(swap *s, slot_generation *next)
{
    int64_t deadline = s->call ? s->call->deadline_ns : 0;
    slot_generation *before = slot_exchange(&s->q->slot, next);
    return slot_drain(before, deadline, s->error);
}

/* From here on what is written is noted. */
static int32_t insert_tap(swap *s)
{
    tap_end old = end_of(&s->old), new = end_of(&s->new);
    slot_generation *g;
    int32_t code = slot_prepare(&s->q->slot, &g, s->error);
    if (code != QUIPU_OK)
        return code;
    s->tap = tap_new(&old, &new, !s->follows);
    if (!s->tap)
        return fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    g->api = &tap_api;
    g->self = tap_self(s->tap);
    g->tap = s->tap;
    return exchange(s, g);
}

/* Gives up: the old backend stands alone again. Waits for all that are inside the tap. */
static void remove_tap(swap *s)
{
    slot_generation *g;
    if (!s->tap)
        return;
    swap_stop_pacing(s);
    tap_let_go(s->tap, TAP_THROUGH);
    atomic_store(&s->tap->brake_ns, 0);
    if (slot_prepare(&s->q->slot, &g, NULL) != QUIPU_OK)
        return; /* without memory the tap stays: it does no harm, and quipu_close does not need it */
    g->api = s->old.api;
    g->self = s->old.self;
    slot_generation *before = slot_exchange(&s->q->slot, g);
    (void)slot_drain(before, 0, NULL);
    before->tap = NULL;
    tap_free(s->tap);
    s->tap = NULL;
}

/* ---- copying and comparing ---- */

static int32_t note_position(swap *s)
{
    if (s->follows || !s->old.can_fence)
        return QUIPU_OK;
    return s->old.migrate->position(s->old.self, s->position, s->call, s->error);
}

/* All that is there, once. */
static int32_t copy_all(swap *s)
{
    int32_t code = QUIPU_OK;
    if (s->replays)
        code = history_advance(s);
    else if (s->follows)
        code = history_newest(s, s->at);
    if (s->target == TARGET_SAME)
        return code;
    id_list_free(&s->carry); /* what was replayed is compared with all the rest */
    return code == QUIPU_OK ? swap_compare(s, true, "copying") : code;
}

/* The first id of `a` that is not in `b`; both are sorted. */
static bool find_missing(const id_list *a, const id_list *b, quipu_str *out)
{
    size_t at = 0, other = 0;
    quipu_str have = { NULL, 0 };
    while (id_list_next(a, &at, out)) {
        while ((!have.ptr || str_compare(have, *out) < 0) && id_list_next(b, &other, &have))
            continue;
        if (!have.ptr || !str_same(have, *out))
            return true;
    }
    return false;
}

/* A record that differed although nobody wrote it is in doubt: that a single look at it finds it equal does not explain what the scan has
 * shown. *doubt is such a one; its text is in s->error. */
static int32_t compare_once(swap *s, bool *doubt)
{
    quipu_str id;
    uint64_t seed = s->known.seed;
    ledger_free(&s->known);
    s->known.seed = seed;
    swap_free_samples(s);
    s->seen = 0;
    int32_t code = note_position(s);
    if (code == QUIPU_OK)
        code = swap_compare(s, false, "verifying");
    if (code == QUIPU_OK)
        code = swap_gather(s);
    swap_pace_end(s);
    id_list_sort(&s->carry);
    id_list_sort(&s->differing);
    *doubt = code == QUIPU_OK && find_missing(&s->differing, &s->carry, &id);
    if (*doubt) {
        fail(s->error, QUIPU_E_CONFLICT, NULL,
             "the two backends list a record differently, although nobody has written it");
        fail_name_record(s->error, &id);
    }
    id_list_move(&s->differing, &s->carry);
    return code;
}

/* More than once where others write, whose changes are no surprise. */
static int32_t verify(swap *s)
{
    bool doubt = true;
    int32_t code = QUIPU_OK;
    for (int i = 0; i < COMPARISONS_MOST && code == QUIPU_OK && doubt; i++) {
        code = compare_once(s, &doubt);
        if (code == QUIPU_OK && doubt && i + 1 == COMPARISONS_MOST)
            return QUIPU_E_CONFLICT;
        if (code == QUIPU_OK)
            code = swap_catch_up(s);
    }
    return code == QUIPU_OK ? swap_compare_searches(s) : code;
}

/* ---- switching: writers wait ---- */

/* Where others may have written without a trace in a history, all is compared again; usually nothing was. */
static int32_t look_for_others(swap *s)
{
    char now[QUIPU_POSITION_MAX + 1];
    size_t count;
    if (s->follows || !s->old.can_fence || s->target == TARGET_SAME)
        return QUIPU_OK;
    int32_t code = s->old.migrate->position(s->old.self, now, s->call, s->error);
    if (code != QUIPU_OK || strcmp(now, s->position) == 0)
        return code;
    swap_free_samples(s);
    code = swap_compare(s, false, "switching");
    id_list_move(&s->differing, &s->carry);
    if (code == QUIPU_OK)
        code = swap_carry(s, true, &count);
    if (code == QUIPU_OK) /* not before: what was not compared to its end is compared at the next attempt */
        memcpy(s->position, now, sizeof now);
    return code;
}

/* Nobody writes through this handle, and where the backend can hold them, nobody else does. */
static int32_t last_page(swap *s)
{
    size_t count = 1;
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && count > 0)
        code = swap_carry(s, true, &count);
    if (code == QUIPU_OK)
        code = look_for_others(s);
    return code == QUIPU_OK ? s->new.api->flush(s->new.self, s->call, s->error) : code;
}

static bool sets_fence(const swap *s)
{
    return s->old.can_fence && s->target != TARGET_SAME && !s->shadow && !(s->options->flags & QUIPU_SWAP_VOLATILE);
}

static bool can_hold(const swap *s)
{
    const quipu_migrate_api *migrate = s->old.migrate;
    return sets_fence(s) && QUIPU_HAS(migrate, release) && migrate->hold;
}

static int32_t see_place(void *context, const void *bytes, uint64_t len) QUIPU_NOEXCEPT
{
    (void)bytes, (void)len;
    *(bool *)context = true;
    return QUIPU_OK;
}

/* After a failure of which nobody knows on which side of the fence it was. */
static int32_t ask_whether_fenced(swap *s, int32_t code)
{
    bool fenced = false;
    if (code == QUIPU_E_TIMEOUT || code == QUIPU_E_CANCELLED || code == QUIPU_E_CONFLICT || code == QUIPU_E_MOVED)
        return code;
    int32_t asked = s->old.migrate->fenced(s->old.self, see_place, &fenced, NULL, NULL);
    return asked == QUIPU_OK && fenced ? QUIPU_OK : code;
}

static int32_t fence(swap *s)
{
    quipu_change_set set;
    buffer place = { 0 };
    if (!sets_fence(s))
        return QUIPU_OK;
    const char *at = s->follows ? s->at : s->position;
    quipu_str position = str_of(at), text;
    place_print(str_of(s->to->name), s->to->path, &place);
    text = str_make(place.bytes, place.len);
    int32_t code = place.failed ? fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : QUIPU_OK;
    if (code == QUIPU_OK)
        code = swap_begin_set(s, &set);
    if (code == QUIPU_OK) {
        code = s->old.migrate->fence(s->old.self, &position, &text, &set, s->call, s->error);
        code = code == QUIPU_OK ? code : ask_whether_fenced(s, code);
    }
    buffer_free(&place);
    s->report.flags |= code == QUIPU_OK ? QUIPU_SWAPPED_FENCED : 0;
    return code;
}

/* Carries over the rest and sets the fence; again, where other processes were faster. */
static int32_t close_old(swap *s)
{
    int32_t code = can_hold(s) ? s->old.migrate->hold(s->old.self, s->call, s->error) : QUIPU_OK;
    for (bool faster = true; code == QUIPU_OK && faster;) {
        code = last_page(s);
        if (code == QUIPU_OK)
            code = fence(s);
        faster = code == QUIPU_E_CONFLICT && strcmp(s->error->field, "position") == 0;
        if (faster)
            code = call_check(s->call, s->error);
    }
    if (code != QUIPU_OK && can_hold(s))
        s->old.migrate->release(s->old.self);
    return code;
}

/* In shadow mode the old one stays; from now on the same calls go to both, which are equal. */
static void publish(swap *s, slot_generation *next, slot_generation **before)
{
    if (s->shadow) {
        s->tap->shadow = s->shadow;
        shadow_bind(s->shadow, s->tap, s->to);
        s->q->shadow = s->shadow;
        tap_let_go(s->tap, TAP_BOTH);
        return;
    }
    next->api = s->new.api;
    next->self = s->new.self;
    *before = slot_exchange(&s->q->slot, next);
    atomic_store(&s->q->active, s->to);
    tap_let_go(s->tap, TAP_SWITCHED);
}

/* One attempt. AGAIN, or any failure: writers have been let go, and the old backend is the active one. */
static int32_t try_switch(swap *s, int64_t hold_ns, slot_generation **before)
{
    slot_generation *next;
    const quipu_call *call = s->call;
    int64_t began = swap_clock();
    quipu_call held = { .struct_size = sizeof held,
                        .deadline_ns = began + hold_ns,
                        .cancel = call ? call->cancel : NULL };
    int32_t code = slot_prepare(&s->q->slot, &next, s->error);
    if (code != QUIPU_OK)
        return code;
    swap_stop_pacing(s);
    if (!tap_shut(s->tap, began + (int64_t)HOLD_MS * 1000000))
        return AGAIN;
    s->call = &held;
    code = close_old(s);
    s->call = call;
    if (code == QUIPU_OK)
        publish(s, next, before);
    else
        tap_let_go(s->tap, TAP_THROUGH);
    s->report.waited_ns = swap_clock() - began;
    return code == QUIPU_E_TIMEOUT && call_check(call, NULL) == QUIPU_OK ? AGAIN : code;
}

static int32_t switch_over(swap *s, slot_generation **before)
{
    int64_t hold = (int64_t)HOLD_MS * 1000000;
    int32_t code = swap_tell(s, "switching", 0, 0);
    for (int i = 0; code == QUIPU_OK && i < ATTEMPTS; i++) {
        struct timespec rest = { 0, i > 0 ? ATTEMPT_PAUSE_NS : 0 };
        nanosleep(&rest, NULL);
        code = swap_catch_up(s);
        if (code == QUIPU_OK && (code = try_switch(s, hold, before)) != AGAIN)
            return code;
        if (code == AGAIN) {
            *s->error = (quipu_error){ .struct_size = sizeof *s->error };
            hold = hold < HOLD_MOST_NS ? hold + hold / 2 : HOLD_MOST_NS;
            code = QUIPU_OK;
        }
    }
    return code != QUIPU_OK
               ? code
               : fail(s->error, QUIPU_E_BUSY, NULL,
                      "there was no moment for the switch: others write all the time, or a lease is held; the old "
                      "backend stays");
}

/* ---- afterwards ---- */

/* The new backend is in place; what goes wrong from here on is told, not undone. */
static void clear_up(swap *s, slot_generation *before)
{
    quipu_error why = { .struct_size = sizeof why };
    uint64_t ms = s->options->drain_ms ? s->options->drain_ms : DRAIN_MS;
    swap_settle_stores(s);
    if (s->tell) {
        quipu_swap_progress p = { .struct_size = sizeof p, .phase = str_of("draining") };
        (void)s->tell(s->context, &p);
    }
    if (slot_drain(before, swap_clock() + (int64_t)ms * 1000000, NULL) != QUIPU_OK) {
        s->report.flags |= QUIPU_SWAPPED_LINGERS;
        host_write_log(&s->q->host, QUIPU_LOG_WARNING, "swap",
                       str_of("calls are still inside the old backend; it is closed with the handle"));
        return; /* the tap stays for them */
    }
    before->tap = NULL;
    tap_free(s->tap);
    if (tenant_close(s->q, s->from, &why) != QUIPU_OK)
        host_write_log(&s->q->host, QUIPU_LOG_WARNING, "swap", str_of(why.message));
}

static void fill_report(const swap *s, int64_t began, quipu_swap_report *out)
{
    if (!out)
        return;
    *out = s->report;
    out->struct_size = sizeof *out;
    out->records = s->known.count;
    out->took_ns = swap_clock() - began;
    out->backend = str_of(s->to->name);
    out->store = str_of(s->to->path);
    digest_print(&s->known.sum, out->digest);
    out->flags |= s->report.revisions ? QUIPU_SWAPPED_HISTORY : 0;
    out->flags |= s->target == TARGET_SAME ? QUIPU_SWAPPED_RELOADED : 0;
    out->flags |= s->target == TARGET_BACK ? QUIPU_SWAPPED_RETURNED : 0;
    out->flags |= s->options->flags & QUIPU_SWAP_TRIAL ? QUIPU_SWAPPED_TRIAL : 0;
}

static int32_t prepare(swap *s)
{
    int32_t code = swap_lock_old(s);
    if (code == QUIPU_OK)
        code = swap_choose_target(s);
    if (code == QUIPU_OK && s->shadow && s->target == TARGET_SAME)
        code = fail(s->error, QUIPU_E_INVALID, "store", "shadow mode needs a second store: name its place");
    if (code == QUIPU_OK)
        code = swap_try_out(s);
    if (code == QUIPU_OK)
        code = swap_open_target(s);
    s->follows = s->old.history != NULL;
    return code == QUIPU_OK ? insert_tap(s) : code;
}

static int32_t run_swap(swap *s)
{
    slot_generation *before = NULL;
    int32_t code = prepare(s);
    if (code == QUIPU_OK)
        code = copy_all(s);
    if (code == QUIPU_OK)
        code = swap_catch_up(s);
    if (code == QUIPU_OK)
        code = verify(s);
    if (code == QUIPU_OK && (s->options->flags & QUIPU_SWAP_TRIAL))
        code = s->new.api->flush(s->new.self, s->call, s->error);
    else if (code == QUIPU_OK)
        code = switch_over(s, &before);
    if (before)
        clear_up(s, before);
    if (before || s->q->shadow)
        return QUIPU_OK;
    remove_tap(s);
    if (s->to)
        tenant_close(s->q, s->to, NULL);
    return code;
}

static void swap_end(swap *s)
{
    swap_unlock(s);
    swap_free_samples(s);
    ledger_free(&s->known);
    id_list_free(&s->carry);
    id_list_free(&s->differing);
    store_settings_free(&s->settings);
    free(s->target_path);
}

static int32_t check_options(const quipu *q, const quipu_swap_options *o, const quipu_swap_report *report,
                             quipu_error *error)
{
    int32_t code = check_struct(o, sizeof *o, "options", error);
    if (code == QUIPU_OK && report)
        code = check_struct(report, sizeof *report, "report", error);
    if (code != QUIPU_OK)
        return code;
    if (o->flags & ~(QUIPU_SWAP_DROP_HISTORY | QUIPU_SWAP_VOLATILE | QUIPU_SWAP_TRIAL))
        return fail(error, QUIPU_E_INVALID, "flags", "unknown flags 0x%x", o->flags);
    if (!str_present(o->backend))
        return fail(error, QUIPU_E_INVALID, "backend", "name the new backend");
    if (o->samples > 1000)
        return fail(error, QUIPU_E_INVALID, "samples", "samples: at most 1000 searches are compared");
    if (o->drain_ms > 86400000)
        return fail(error, QUIPU_E_INVALID, "drain_ms", "drain_ms: at most a day (86400000)");
    if (q->flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED))
        return fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    return check_settings_text(o->backend_config, "backend_config", error);
}

/* `why` is not NULL. */
static int32_t swap_locked(quipu *q, const quipu_swap_options *options, shadow *beside, quipu_swap_fn tell,
                           void *context, quipu_swap_report *report, const quipu_call *call, quipu_error *why)
{
    int64_t began = swap_clock();
    swap s = {
        .q = q, .options = options, .tell = tell, .context = context, .call = call, .error = why, .shadow = beside
    };
    s.known.seed = (uint64_t)began * 0x9e3779b97f4a7c15u;
    s.old_lock = s.new_lock = -1;
    s.from = atomic_load(&q->active);
    s.old = side_of(s.from);
    int32_t code = run_swap(&s);
    if (code == QUIPU_OK)
        fill_report(&s, began, report);
    swap_end(&s);
    return code;
}

/* beside: NULL, or taken where shadow mode begins. */
static int32_t run_public(quipu *q, const quipu_swap_options *options, shadow *beside, quipu_swap_fn progress,
                          void *context, quipu_swap_report *report, const quipu_call *call, quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why, .index = UINT64_MAX };
    if (pthread_mutex_trylock(&q->control) != 0)
        return fail(error, QUIPU_E_BUSY, NULL, "another swap of this handle is under way");
    int32_t code = q->shadow ? fail(&why, QUIPU_E_BUSY, NULL, "shadow mode is on: end it first")
                             : swap_locked(q, options, beside, progress, context, report, call, &why);
    pthread_mutex_unlock(&q->control);
    if (code != QUIPU_OK && why.code != code)
        fail(&why, code, NULL, "%s", error_text(code));
    return error_hand_over(&why, error, code);
}

int32_t quipu_swap(quipu *q, const quipu_swap_options *options, quipu_swap_fn progress, void *context,
                   quipu_swap_report *report, const quipu_call *call, quipu_error *error)
{
    if (!q || q->epoch != fork_epoch_now())
        return handle_refuse(q, error);
    int32_t code = check_options(q, options, report, error);
    return code == QUIPU_OK ? run_public(q, options, NULL, progress, context, report, call, error) : code;
}

int32_t quipu_shadow_begin(quipu *q, const quipu_swap_options *options, quipu_swap_fn progress, void *context,
                           quipu_swap_report *report, const quipu_call *call, quipu_error *error)
{
    if (!q || q->epoch != fork_epoch_now())
        return handle_refuse(q, error);
    int32_t code = check_options(q, options, report, error);
    if (code == QUIPU_OK && (options->flags & QUIPU_SWAP_TRIAL))
        code = fail(error, QUIPU_E_INVALID, "flags", "shadow mode is more than a trial: leave QUIPU_SWAP_TRIAL out");
    shadow *s = code == QUIPU_OK ? shadow_new() : NULL;
    if (code == QUIPU_OK && !s)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK)
        code = run_public(q, options, s, progress, context, report, call, error);
    if (code != QUIPU_OK)
        shadow_free(s);
    return code;
}

/* ---- the digest ---- */

typedef struct summing {
    digest_sum sum;
    uint64_t count;
} summing;

static int32_t sum_hit(void *context, const quipu_hit *hit) QUIPU_NOEXCEPT
{
    summing *d = context;
    digest_add(&d->sum, hit->record->id, hit->record->version);
    d->count++;
    return 0;
}

int32_t quipu_digest(quipu *q, char digest[72], uint64_t *count, const quipu_call *call, quipu_error *error)
{
    static const quipu_filter all = { .struct_size = sizeof all,
                                      .flags = QUIPU_FILTER_EXPIRED,
                                      .now = QUIPU_TIME_NONE };
    quipu_scan query = { .struct_size = sizeof query, .filter = &all };
    summing d = { 0 };
    if (!digest)
        return fail(error, QUIPU_E_INVALID, "digest", "digest is NULL");
    int32_t code = quipu_scan_records(q, &query, sum_hit, &d, call, error);
    if (code != QUIPU_OK)
        return code;
    digest_print(&d.sum, digest);
    if (count)
        *count = d.count;
    return QUIPU_OK;
}
