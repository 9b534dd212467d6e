/*
 * write_sets.c - quipu_write_sets: several change sets in one call, through migrate/1 where the backend has it.
 *
 * All sets are made ready first. One that cannot be made ready ends the run in front of it, so that what comes before it is
 * stored, as if each set had been a call of its own.
 */
#include "handle.h"
#include "records.h"
#include "uuid.h"

#include <base/fail.h>
#include <stdlib.h>

/* One set of the call. */
typedef struct member {
    writing w;
    quipu_write_options options; /* the caller's, with a change id for this set alone */
} member;

/* A call of quipu_write_sets. */
typedef struct run {
    quipu *q;
    const quipu_array *groups; /* of quipu_array */
    const quipu_write_options *options;
    quipu_receipt *receipts; /* or NULL */
    const quipu_call *call;
    member *members;
    quipu_change_set *sets;
    uint64_t ready; /* how many of them are */
} run;

static int32_t refuse_patches(const quipu_array *writes, quipu_error *error)
{
    for (uint64_t i = 0; i < writes->count; i++)
        if (QUIPU_AT(quipu_write, writes, i)->op == QUIPU_WRITE_PATCH) {
            int32_t code = fail(error, QUIPU_E_INVALID, "op",
                                "a patch cannot be one of many sets: it reads what an earlier one has not stored yet");
            error->index = i;
            return code;
        }
    return QUIPU_OK;
}

static int32_t make_ready(run *r, uint64_t i, quipu_error *why)
{
    member *m = &r->members[i];
    m->w =
        (writing){ .q = r->q, .writes = QUIPU_AT(quipu_array, r->groups, i), .options = r->options, .call = r->call };
    if (write_options_have_id(r->options)) {
        m->options = *r->options;
        uuid_derive(r->options->change_id, i, m->options.change_id);
        m->w.options = &m->options;
    }
    int32_t code = writing_begin(&m->w, why);
    if (code == QUIPU_OK)
        code = refuse_patches(m->w.writes, why);
    if (code == QUIPU_OK)
        code = writing_prepare(&m->w, why);
    if (code == QUIPU_OK)
        r->sets[r->ready++] = m->w.set;
    else
        writing_end(&m->w);
    return code;
}

static int32_t apply_ready(run *r, uint64_t *done, quipu_error *why)
{
    static const quipu_str id = { QUIPU_EXT_MIGRATE, sizeof QUIPU_EXT_MIGRATE - 1 };
    const quipu_array sets = { r->sets, r->ready, sizeof *r->sets };
    passage p;
    int32_t code = handle_enter(r->q, &p, why);
    if (code != QUIPU_OK)
        return code;
    const quipu_backend_api *api = p.inside->api;
    const quipu_migrate_api *migrate = api->get_extension(p.inside->self, &id);
    if (migrate) {
        code = migrate->write(p.inside->self, &sets, r->receipts, done, r->call, why);
    } else {
        while (*done < r->ready && code == QUIPU_OK) {
            code = api->apply(p.inside->self, &r->sets[*done], r->receipts ? &r->receipts[*done] : NULL, r->call, why);
            *done += code == QUIPU_OK;
        }
    }
    return handle_leave(r->q, &p, code, why);
}

static int32_t check_run(const run *r, quipu_error *error)
{
    const quipu_array *groups = r->groups;
    if (!groups || (groups->count && !groups->ptr) || (groups->count && groups->stride < sizeof(quipu_array)) ||
        groups->stride % 8)
        return fail(error, QUIPU_E_INVALID, "groups", "groups must be an array of quipu_array");
    if (groups->count > SIZE_MAX / 2 / (sizeof(member) + sizeof(quipu_change_set)))
        return fail(error, QUIPU_E_TOO_LARGE, "groups", "%llu sets are too many", (unsigned long long)groups->count);
    for (uint64_t i = 0; r->receipts && i < groups->count; i++) {
        int32_t code = check_struct(&r->receipts[i], sizeof *r->receipts, "receipt", error);
        if (code == QUIPU_OK && r->receipts[i].struct_size != sizeof *r->receipts)
            code =
                fail(error, QUIPU_E_INVALID, "receipt", "receipts of an array have the size %zu", sizeof *r->receipts);
        if (code != QUIPU_OK)
            return code;
    }
    return write_options_check(r->options, error);
}

static int32_t run_sets(run *r, uint64_t *done, quipu_error *why)
{
    quipu_error unready = { .struct_size = sizeof unready };
    int32_t bad = QUIPU_OK;
    for (uint64_t i = 0; i < r->groups->count && bad == QUIPU_OK; i++)
        bad = make_ready(r, i, &unready);
    int32_t code = r->ready ? apply_ready(r, done, why) : QUIPU_OK;
    if (code == QUIPU_OK && bad != QUIPU_OK) {
        *why = unready;
        code = bad;
    }
    return code;
}

int32_t quipu_write_sets(quipu *q, const quipu_array *groups, const quipu_write_options *options,
                         quipu_receipt *receipts, uint64_t *done, const quipu_call *call, quipu_error *error)
{
    run r = { .q = q, .groups = groups, .options = options, .receipts = receipts, .call = call };
    quipu_error why = { .struct_size = sizeof why };
    uint64_t count = 0;
    int32_t code = check_run(&r, &why);
    if (code == QUIPU_OK && groups->count > 0) {
        r.members = calloc((size_t)groups->count, sizeof *r.members);
        r.sets = calloc((size_t)groups->count, sizeof *r.sets);
        code = r.members && r.sets ? run_sets(&r, &count, &why)
                                   : fail(&why, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    for (uint64_t i = 0; i < r.ready; i++)
        writing_end(&r.members[i].w);
    free(r.members);
    free(r.sets);
    if (done)
        *done = count;
    return error_hand_over(&why, error, code);
}
