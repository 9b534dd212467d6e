/*
 * write.c - apply: change sets to commits, several of them in one publication.
 *
 * Of each set that the queue (sdk/write_queue.h) hands over at once a commit is made, and all are published together, so that they share
 * one round of syncs. The commit point is the move of
 * the branch in git_publish. When somebody else moved the branch first, the whole batch is planned again on what is
 * there now.
 */
#include "files.h"
#include "inbox.h"

#include <base/fail.h>
#include <sdk/change.h>
#include <stdlib.h>
#include <time.h>

enum { LOST_MAX = 50, LOCK_SLICE_NS = 20000000 };

#define CLOCK_SLACK ((int64_t)2000000) /* microseconds by which two clocks of one machine may disagree */

/* One change of a set while it is planned. */
typedef struct step {
    stored before;
    bool alters;
} step;

/* ---- has this change id been applied before? ---- */

/* The time that a UUIDv7 carries (RFC 9562, 5.7: 48 bits of milliseconds), or 0 for any other id: it may be of any age. */
static int64_t time_of_change_id(const uint8_t id[16])
{
    int64_t ms = 0;
    if (id[6] >> 4 != 7)
        return 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id[i];
    return ms * 1000;
}

typedef struct id_walk {
    applied_ids *applied;
    int64_t until;  /* commits before this time need not be looked at */
    object_id stop; /* nor this one and those before it; none: no such */
    bool merges;    /* a commit with several parents was seen: what it brought may be older than `stop` */
    bool failed;
} id_walk;

enum { WALK_ENOUGH = 1 };

static int32_t learn_id(void *context, const commit *c)
{
    id_walk *walk = context;
    message_facts facts;
    if (object_id_equal(&c->id, &walk->stop) || c->committed < walk->until)
        return WALK_ENOUGH;
    walk->merges = walk->merges || c->parent_count > 1;
    message_read(c->message, &facts);
    if (!facts.has_change_id)
        return QUIPU_OK;
    if (!recent_ids_reserve(&walk->applied->ids)) {
        walk->failed = true;
        return WALK_ENOUGH;
    }
    recent_ids_add(&walk->applied->ids, facts.change_id);
    return QUIPU_OK;
}

/* Reads the ids of commits that are new to us (other processes made them), and older ones back to `time`. */
static int32_t learn_ids(quipu_backend *self, const object_id *head, int64_t time, quipu_error *error)
{
    applied_ids *applied = &self->applied;
    id_walk walk = { .applied = applied, .until = time - CLOCK_SLACK };
    int32_t code = QUIPU_OK;
    if (walk.until < applied->floor) {
        code = commit_walk(git_store_objects(self->store), head, NULL, NULL, learn_id, &walk, error);
        applied->floor = walk.until;
    } else if (!object_id_equal(head, &applied->newest)) {
        walk.until = applied->floor;
        walk.stop = applied->newest;
        code = commit_walk(git_store_objects(self->store), head, NULL, NULL, learn_id, &walk, error);
        if (walk.merges && (code == QUIPU_OK || code == WALK_ENOUGH)) {
            memset(&walk.stop, 0, sizeof walk.stop);
            code = commit_walk(git_store_objects(self->store), head, NULL, NULL, learn_id, &walk, error);
        }
    }
    applied->newest = *head;
    if (walk.failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to look for an earlier use of the change id");
    return code == WALK_ENOUGH ? QUIPU_OK : code;
}

/* ---- planning one change set ---- */

static void steps_free(step *steps, uint64_t count)
{
    for (uint64_t i = 0; steps && i < count; i++)
        stored_free(&steps[i].before);
    free(steps);
}

/* What is expected was read as what it counts as (edits.h); else how the file has it is enough, and the history need not be looked at. */
static int32_t place_of(quipu_backend *self, git_transaction *t, const quipu_change *change, record_place *out,
                        quipu_error *error)
{
    *out = (record_place){ .t = t, .time = INT64_MAX };
    if (change->expect != QUIPU_EXPECT_VERSION)
        return QUIPU_OK;
    out->edits = &self->edits;
    return edits_cover(&self->edits, git_transaction_base(t), error);
}

static int32_t plan_change(quipu_backend *self, git_transaction *t, const quipu_change *change, uint64_t index, step *s,
                           quipu_error *error)
{
    record_place place;
    uint64_t record_max = self->record_max;
    if (change->op == QUIPU_CHANGE_PUT && change->record->json.len > record_max) {
        int32_t code = fail(error, QUIPU_E_TOO_LARGE, "record_max", "the record takes %llu bytes, and %llu are allowed",
                            (unsigned long long)change->record->json.len, (unsigned long long)record_max);
        fail_name_record(error, &change->id);
        return code;
    }
    int32_t code = place_of(self, t, change, &place, error);
    if (code == QUIPU_OK)
        code = stored_read(&place, change->id, &s->before, error);
    const quipu_record *now = s->before.record ? record_view(s->before.record) : NULL;
    if (code == QUIPU_OK)
        code = change_check_expectation(change, now, (size_t)index, error);
    s->alters = code == QUIPU_OK && change_alters(change, now);
    return code;
}

/* A bulk brings history from elsewhere: who asks later for the state of a time then finds what was there at that time. */
static int64_t committed_at(quipu_backend *self, const write_request *r)
{
    int64_t now = host_now(self->host);
    return r->bulk && r->set->time < now ? r->set->time : now;
}

/* Makes the commit. From here on a failure leaves the transaction half done: it must be given up. */
static int32_t make_commit(quipu_backend *self, git_transaction *t, write_request *r, const step *steps,
                           quipu_error *error)
{
    const quipu_change_set *set = r->set;
    const quipu_record *told = NULL;
    object_id made;
    buffer message = { 0 };
    int32_t code = QUIPU_OK;
    for (uint64_t i = 0; i < set->changes.count && code == QUIPU_OK; i++) {
        const quipu_change *change = QUIPU_AT(quipu_change, &set->changes, i);
        if (!steps[i].alters)
            continue;
        if (!told)
            told = change->record ? change->record : record_view(steps[i].before.record);
        code = change->op == QUIPU_CHANGE_PUT ? stored_put(t, change->record, error)
                                              : stored_delete(t, change->id, &steps[i].before, error);
    }
    if (code == QUIPU_OK) {
        message_print(set, told, r->changed, self->quote_subjects, &message);
        commit_words words = { .author = set->author,
                               .time = set->time,
                               .committed = committed_at(self, r),
                               .message = str_make(message.bytes, message.len) };
        code = message.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a commit")
                              : git_transaction_commit(t, &words, &made, error);
        if (code == QUIPU_OK)
            object_id_print(&made, r->revision);
    }
    buffer_free(&message);
    return code;
}

/* Plans one set and makes its commit. *broken: the transaction must be given up. */
static int32_t stage(quipu_backend *self, git_transaction *t, write_request *r, bool *broken)
{
    uint64_t count = r->set->changes.count;
    step *steps = calloc(count ? (size_t)count : 1, sizeof *steps);
    int32_t code = QUIPU_OK;
    r->flags = 0;
    r->changed = 0;
    r->revision[0] = '\0';
    if (!steps || !recent_ids_reserve(&self->applied.ids))
        code =
            fail(&r->error, QUIPU_E_NO_MEMORY, NULL, "no memory for a set of %llu changes", (unsigned long long)count);
    if (code == QUIPU_OK && recent_ids_has(&self->applied.ids, r->set->change_id)) {
        r->flags = QUIPU_RECEIPT_DUPLICATE;
        goto done;
    }
    for (uint64_t i = 0; i < count && code == QUIPU_OK; i++) {
        code = plan_change(self, t, QUIPU_AT(quipu_change, &r->set->changes, i), i, &steps[i], &r->error);
        r->changed += code == QUIPU_OK && steps[i].alters;
    }
    if (code == QUIPU_OK)
        code = call_check(r->call, &r->error); /* the last moment to be taken back */
    if (code == QUIPU_OK && r->changed == 0)
        r->flags = QUIPU_RECEIPT_UNCHANGED;
    if (code == QUIPU_OK && r->changed > 0) {
        code = make_commit(self, t, r, steps, &r->error);
        *broken = code != QUIPU_OK;
    }
    if (code == QUIPU_OK)
        recent_ids_add(&self->applied.ids, r->set->change_id);
done:
    steps_free(steps, count);
    return code;
}

/* ---- the batch ---- */

/* What was learned while staging may not have come to be. */
static void forget_ids(quipu_backend *self)
{
    recent_ids_free(&self->applied.ids);
    recent_ids_begin(&self->applied.ids, (uint64_t)host_now(self->host));
    self->applied.floor = INT64_MAX;
    memset(&self->applied.newest, 0, sizeof self->applied.newest);
}

/* Waits for the store's lock as long as any request may: in slices, so that each is given up in its own time. */
static int32_t begin_batch(quipu_backend *self, write_request *batch, git_transaction **out, quipu_error *error)
{
    bool bounded = write_batch_bounded(batch);
    for (;;) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        quipu_call slice = { .struct_size = sizeof slice,
                             .deadline_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + LOCK_SLICE_NS };
        int32_t code = git_begin(self->store, bounded ? &slice : NULL, out, error);
        if (code != QUIPU_E_TIMEOUT || !write_batch_drop_late(batch))
            return code;
    }
}

/* One try at the whole batch. Answers with `lost` where it has to be tried again. */
static int32_t try_batch(quipu_backend *self, write_request *batch, bool *lost, quipu_error *error)
{
    git_transaction *t;
    bool broken = false;
    int64_t oldest = INT64_MAX;
    size_t commits = 0; /* or fewer */
    *lost = false;
    int32_t code = begin_batch(self, batch, &t, error);
    if (code != QUIPU_OK)
        return code;
    for (write_request *r = batch; r; r = r->next, commits++) {
        int64_t time = time_of_change_id(r->set->change_id);
        oldest = time < oldest ? time : oldest;
    }
    code = moved_check(self, error);
    if (code == QUIPU_OK)
        code = learn_ids(self, git_transaction_head(t), oldest, error);
    for (write_request *r = batch; r && code == QUIPU_OK && !broken; r = r->next) {
        if (r->late)
            continue;
        r->code = r->after ? r->after->code : QUIPU_OK;
        if (r->code == QUIPU_OK)
            r->code = stage(self, t, r, &broken);
        if (broken) {
            code = r->code;
            if (error)
                *error = r->error;
        }
    }
    if (code != QUIPU_OK) {
        git_abort(t);
        forget_ids(self);
        return code;
    }
    object_id base = *git_transaction_base(t), head = *git_transaction_head(t);
    code = git_publish(t, lost, error);
    if (code != QUIPU_OK || *lost) {
        forget_ids(self);
    } else {
        self->applied.newest = head;
        edits_pass(&self->edits, &base, &head, commits);
    }
    return code;
}

void git_write_batch(void *context, write_request *batch)
{
    quipu_backend *self = context;
    quipu_error error = { .struct_size = sizeof error };
    bool lost = true;
    int32_t code = QUIPU_OK;
    inbox_empty(self, NULL);
    for (int i = 0; i < LOST_MAX && lost && code == QUIPU_OK; i++)
        code = try_batch(self, batch, &lost, &error);
    if (code == QUIPU_OK && lost)
        code = fail(&error, QUIPU_E_BUSY, NULL, "another program moves the branch all the time; try again");
    if (code != QUIPU_OK)
        write_batch_fail(batch, code, &error);
}

int32_t git_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                  quipu_error *error)
{
    write_request r = { .set = set, .call = call, .error = { .struct_size = sizeof r.error } };
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = write_request_check(set, receipt, error);
    if (code == QUIPU_OK)
        code = check_writable(self, call, error);
    if (code != QUIPU_OK)
        return code;
    write_queue_run(&self->queue, &r);
    if (r.code == QUIPU_OK && r.revision[0]) {
        view_follow_writer(self);
        background_note(self, 1);
        embed_thread_wake(self->follower);
    }
    return write_request_answer(&r, receipt, error);
}
