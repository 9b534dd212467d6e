/*
 * swap_catch_up.c - rounds of carrying over what was written meanwhile, until so little is left that writers can wait for it.
 *
 * Writers that are faster than the swap would keep it busy for ever: each round takes as long as the one before left to do. So where a
 * round does not halve what is left, writers are slowed down: those of this handle by a pause before each write (tap.h), and those of
 * other handles and processes, of whom the tap knows nothing, by holding the old store for one slice of time after the other. In a slice
 * the swap gets on and they do not; between two they write what has piled up. Slices become longer, the gaps do not. What was found
 * necessary stays until the switch: the comparison takes its time, too.
 */
#include "swap.h"

#define ROUNDS_MOST 60          /* for each attempt to switch */
#define BRAKE_FIRST_NS 1000000L /* doubles each round */
#define BRAKE_MOST_NS 50000000L
/* Others are held where a round takes longer than this, first for so long at a time, and twice as long as before where rounds still do. */
#define PATIENCE_NS INT64_C(200000000)
#define SLICE_FIRST_NS INT64_C(100000000)
#define SLICE_RISE_NS INT64_C(500000000)
#define SLICE_MOST_NS INT64_C(1000000000)
#define GAP_NS INT64_C(5000000)   /* between two slices */
#define TRY_NS INT64_C(100000000) /* to get hold of them */

/* ---- others ---- */

static bool can_hold(const swap *s)
{
    return s->target != TARGET_SAME && s->old.migrate && QUIPU_HAS(s->old.migrate, release) && s->old.migrate->hold;
}

void swap_pace_begin(swap *s, size_t count)
{
    pace *p = &s->pace;
    uint64_t own = atomic_load(&s->tap->written);
    p->others = p->others || (can_hold(s) && count > own - p->own_before + LAST_PAGE);
    p->own_before = own;
    p->round_began = swap_clock();
}

void swap_pace_end(swap *s)
{
    s->pace.round_began = 0;
}

/* Slices begin, and become longer, only where rounds take their time; once begun they go on between rounds. */
static void raise_slice(pace *p, int64_t now)
{
    if (p->round_began == 0 || now < p->round_began + PATIENCE_NS || now < p->rises_at)
        return;
    p->slice_ns = p->slice_ns ? p->slice_ns * 2 : SLICE_FIRST_NS;
    p->slice_ns = p->slice_ns > SLICE_MOST_NS ? SLICE_MOST_NS : p->slice_ns;
    p->rises_at = now + SLICE_RISE_NS;
}

static void let_others_go(swap *s)
{
    pace *p = &s->pace;
    if (!p->held)
        return;
    s->old.migrate->release(s->old.self);
    p->held = false;
    p->until = swap_clock() + GAP_NS;
}

void swap_pace(swap *s)
{
    pace *p = &s->pace;
    if (!p->on || !p->others)
        return;
    int64_t now = swap_clock();
    raise_slice(p, now);
    if (p->slice_ns == 0 || now < p->until)
        return;
    if (p->held) {
        let_others_go(s);
        return;
    }
    quipu_call soon = { .struct_size = sizeof soon,
                        .deadline_ns = now + TRY_NS,
                        .cancel = s->call ? s->call->cancel : NULL };
    p->held = s->old.migrate->hold(s->old.self, &soon, NULL) == QUIPU_OK; /* what is wrong the switch will say */
    p->until = swap_clock() + (p->held ? p->slice_ns : GAP_NS);
}

/* ---- rounds ---- */

/* The writers of this handle. */
static void brake(swap *s)
{
    long ns = atomic_load(&s->tap->brake_ns);
    ns = ns ? ns * 2 : BRAKE_FIRST_NS;
    atomic_store(&s->tap->brake_ns, ns > BRAKE_MOST_NS ? BRAKE_MOST_NS : ns);
}

int32_t swap_catch_up(swap *s)
{
    size_t count = SIZE_MAX, before;
    int32_t code = QUIPU_OK;
    s->pace.on = true;
    for (int round = 0; round < ROUNDS_MOST && count > LAST_PAGE && code == QUIPU_OK; round++) {
        before = count;
        code = swap_carry(s, false, &count);
        if (code == QUIPU_OK)
            code = swap_tell(s, "catching up", s->report.late, 0);
        if (round > 0 && count > LAST_PAGE && count > before / 2)
            brake(s);
    }
    return code;
}

void swap_stop_pacing(swap *s)
{
    let_others_go(s);
    s->pace = (pace){ .own_before = s->pace.own_before, .others = s->pace.others };
}
