/*
 * write.c - apply: change sets to rows, several of them in one transaction.
 *
 * Each set that the queue (sdk/write_queue.h) hands over is checked against what is stored, with what those before it did, and
 * then written; what fails its checks has written nothing. The commit point is COMMIT: before it everything can be taken back. A COMMIT
 * that fails when its bytes may be in the log already is uncertain: SQLite takes it back for all that run now, but a crash of the machine may
 * bring it to life again.
 */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <errno.h>
#include <sdk/change.h>
#include <sdk/subject.h>
#include <stdlib.h>
#include <string.h>

/* One change of a set while it is planned. */
typedef struct step {
    record *before;   /* NULL: nothing is stored */
    int64_t previous; /* the newest state of the id, 0: it was never there */
    bool alters;
} step;

/* A transaction under way, and where it stands. */
typedef struct transaction {
    quipu_backend *self;
    connection *c;
    line_revision at;
    int64_t now;
    bool words; /* the store has a table of words for SQL programs */
} transaction;

static const char doing[] = "writing a change";

enum { TRIES = 20 };

/* ---- planning one set ---- */

static void steps_free(step *steps, uint64_t count)
{
    for (uint64_t i = 0; steps && i < count; i++)
        record_free(steps[i].before);
    free(steps);
}

static int32_t read_before(connection *c, quipu_str id, step *s, quipu_error *error)
{
    sqlite3_stmt *q = connection_statement(c, STATEMENT_PRESENT, error);
    if (!q)
        return error->code;
    bind_text(q, 1, id);
    int rc = sqlite3_step(q);
    int32_t code = QUIPU_OK;
    if (rc == SQLITE_ROW) {
        line_state present = state_of_row(q);
        s->previous = present.state;
        code = line_record(&present, &s->before, error);
    } else if (rc != SQLITE_DONE) {
        code = sqlite_fail(c, rc, doing, error);
    }
    sqlite3_reset(q);
    return code;
}

static int32_t plan_change(transaction *t, const quipu_change *change, uint64_t index, step *s, quipu_error *error)
{
    if (change->op == QUIPU_CHANGE_PUT && change->record->json.len > t->self->record_max) {
        int32_t code = fail(error, QUIPU_E_TOO_LARGE, "record_max", "the record takes %llu bytes, and %llu are allowed",
                            (unsigned long long)change->record->json.len, (unsigned long long)t->self->record_max);
        fail_name_record(error, &change->id);
        return code;
    }
    int32_t code = read_before(t->c, change->id, s, error);
    const quipu_record *stored = s->before ? record_view(s->before) : NULL;
    if (code == QUIPU_OK)
        code = change_check_expectation(change, stored, (size_t)index, error);
    s->alters = code == QUIPU_OK && change_alters(change, stored);
    return code;
}

/* *applied: a revision has this change id. */
static int32_t was_applied(transaction *t, const uint8_t change_id[16], bool *applied, quipu_error *error)
{
    uint8_t name[20];
    *applied = recent_ids_has(&t->self->base.unchanged, change_id);
    sqlite3_stmt *s = connection_statement(t->c, STATEMENT_IS_APPLIED, error);
    if (!s)
        return error->code;
    line_name_of(change_id, name);
    sqlite3_bind_blob(s, 1, name, sizeof name, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    *applied = *applied || rc == SQLITE_ROW;
    int32_t code = rc == SQLITE_ROW || rc == SQLITE_DONE ? QUIPU_OK : sqlite_fail(t->c, rc, doing, error);
    sqlite3_reset(s);
    return code;
}

/* ---- writing one set ---- */

static int32_t finish(transaction *t, sqlite3_stmt *s, quipu_error *error)
{
    int rc = sqlite3_step(s);
    int32_t code = rc == SQLITE_DONE ? QUIPU_OK : sqlite_fail(t->c, rc, doing, error);
    sqlite3_reset(s);
    return code;
}

/* Of a state that just became the newest one. */
static int32_t write_words(transaction *t, const quipu_change *change, const step *planned, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    sqlite3_stmt *s;
    if (planned->before) {
        if (!(s = connection_statement(t->c, STATEMENT_DROP_WORDS, error)))
            return error->code;
        sqlite3_bind_int64(s, 1, planned->previous);
        code = finish(t, s, error);
    }
    if (code != QUIPU_OK || change->op != QUIPU_CHANGE_PUT)
        return code;
    if (!(s = connection_statement(t->c, STATEMENT_PUT_WORDS, error)))
        return error->code;
    sqlite3_bind_int64(s, 1, t->at.last_state);
    bind_text(s, 2, change->id);
    bind_text(s, 3, change->record->text);
    return finish(t, s, error);
}

static int32_t write_change(transaction *t, const quipu_change *change, const step *planned, quipu_error *error)
{
    uint8_t version[20];
    sqlite3_stmt *s = connection_statement(t->c, STATEMENT_PUT_STATE, error);
    if (!s)
        return error->code;
    sqlite3_bind_int64(s, 1, ++t->at.last_state);
    sqlite3_bind_int64(s, 2, t->at.revision);
    if (planned->previous)
        sqlite3_bind_int64(s, 3, planned->previous);
    bind_text(s, 4, change->id);
    if (change->op == QUIPU_CHANGE_PUT) {
        hex_decode(change->record->version.ptr, sizeof version, version);
        sqlite3_bind_blob(s, 5, version, sizeof version, SQLITE_STATIC);
        bind_text(s, 6, change->record->json);
    } else {
        sqlite3_bind_zeroblob(s, 5, 0);
    }
    int32_t code = finish(t, s, error);
    if (code != QUIPU_OK)
        return code;
    t->at.records += (change->op == QUIPU_CHANGE_PUT) - (planned->before != NULL);
    s = connection_statement(t->c, planned->previous ? STATEMENT_MOVE_HEAD : STATEMENT_NEW_HEAD, error);
    if (!s)
        return error->code;
    bind_text(s, 1, change->id);
    sqlite3_bind_int64(s, 2, t->at.last_state);
    code = finish(t, s, error);
    return code == QUIPU_OK && t->words ? write_words(t, change, planned, error) : code;
}

/* A bulk brings history from elsewhere: who asks later for the state of a time then finds what was there at that time. It never goes back. */
static int64_t committed_at(const transaction *t, const write_request *r)
{
    int64_t then = r->bulk && r->set->time < t->now ? r->set->time : t->now;
    return then > t->at.committed_at ? then : t->at.committed_at;
}

static int32_t write_revision(transaction *t, write_request *r, const quipu_record *told)
{
    const quipu_change_set *set = r->set;
    quipu_error *error = &r->error;
    buffer subject = { 0 };
    sqlite3_stmt *s = connection_statement(t->c, STATEMENT_PUT_REVISION, error);
    if (!s)
        return error->code;
    change_subject(set, told, r->changed, t->self->quote_subjects, &subject);
    if (subject.failed) {
        buffer_free(&subject);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a revision");
    }
    t->at.committed_at = committed_at(t, r);
    sqlite3_bind_int64(s, 1, t->at.revision);
    sqlite3_bind_blob(s, 2, t->at.name, sizeof t->at.name, SQLITE_STATIC);
    sqlite3_bind_blob(s, 3, set->change_id, sizeof set->change_id, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, t->at.last_state);
    sqlite3_bind_int64(s, 5, t->at.records);
    sqlite3_bind_int64(s, 6, set->time);
    sqlite3_bind_int64(s, 7, t->at.committed_at);
    bind_text(s, 8, set->author.ptr ? set->author : str_of("quipu"));
    bind_text(s, 9, set->operation);
    bind_text(s, 10, set->source);
    sqlite3_bind_text64(s, 11, subject.bytes, subject.len, SQLITE_STATIC, SQLITE_UTF8);
    int32_t code = finish(t, s, error);
    buffer_free(&subject);
    return code;
}

/* From here on a failure leaves the transaction half done: it must be given up. */
static int32_t write_set(transaction *t, write_request *r, const step *steps)
{
    const quipu_change_set *set = r->set;
    const quipu_record *told = NULL;
    int32_t code = QUIPU_OK;
    t->at.revision++;
    line_name_of(set->change_id, t->at.name);
    for (uint64_t i = 0; i < set->changes.count && code == QUIPU_OK; i++) {
        const quipu_change *change = QUIPU_AT(quipu_change, &set->changes, i);
        if (!steps[i].alters)
            continue;
        if (!told)
            told = change->record ? change->record : record_view(steps[i].before);
        code = write_change(t, change, &steps[i], &r->error);
    }
    if (code == QUIPU_OK)
        code = write_revision(t, r, told);
    if (code == QUIPU_OK)
        hex_encode(t->at.name, sizeof t->at.name, r->revision);
    return code;
}

/* Plans one set and writes it. *broken: the transaction must be given up. */
static int32_t stage(transaction *t, write_request *r, bool *broken)
{
    uint64_t count = r->set->changes.count;
    bool applied = false;
    step *steps = calloc(count ? (size_t)count : 1, sizeof *steps);
    int32_t code = QUIPU_OK;
    r->flags = 0;
    r->changed = 0;
    memset(r->revision, 0, sizeof r->revision);
    if (!steps || !recent_ids_reserve(&t->self->base.unchanged))
        code =
            fail(&r->error, QUIPU_E_NO_MEMORY, NULL, "no memory for a set of %llu changes", (unsigned long long)count);
    if (code == QUIPU_OK)
        code = was_applied(t, r->set->change_id, &applied, &r->error);
    for (uint64_t i = 0; i < count && code == QUIPU_OK && !applied; i++) {
        code = plan_change(t, QUIPU_AT(quipu_change, &r->set->changes, i), i, &steps[i], &r->error);
        r->changed += code == QUIPU_OK && steps[i].alters;
    }
    if (code == QUIPU_OK && !applied)
        code = call_check(r->call, &r->error); /* the last moment to be taken back */
    if (code == QUIPU_OK)
        r->flags = applied ? QUIPU_RECEIPT_DUPLICATE : r->changed == 0 ? QUIPU_RECEIPT_UNCHANGED : 0;
    if (code == QUIPU_OK && r->changed > 0) {
        code = write_set(t, r, steps);
        *broken = code != QUIPU_OK;
    } else if (code == QUIPU_OK && !applied) {
        recent_ids_add(&t->self->base.unchanged, r->set->change_id);
    }
    steps_free(steps, count);
    return code;
}

/* ---- the batch ---- */

/* Where the log may hold the bytes of a COMMIT that failed, nobody can know. */
static int32_t commit(transaction *t, quipu_error *error)
{
    errno = 0; /* SQLite keeps what the log's sync failed with nowhere else */
    int32_t code = connection_run(t->c, STATEMENT_COMMIT, "making a change durable", error);
    int rc = sqlite3_extended_errcode(t->c->db), system_errno = errno;
    if (code == QUIPU_OK)
        return code;
    connection_rollback(t->c);
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC) {
        code =
            fail(error, QUIPU_E_UNCERTAIN, NULL,
                 "syncing failed: it is not known whether the change was made; send it again with the same change id");
        error->sys_errno = system_errno;
    }
    return code;
}

static int32_t look_for_words(transaction *t, quipu_error *error)
{
    sqlite3_stmt *s = connection_statement(t->c, STATEMENT_HAS_WORDS, error);
    if (!s)
        return error->code;
    int rc = sqlite3_step(s);
    t->words = rc == SQLITE_ROW;
    int32_t code = rc == SQLITE_ROW || rc == SQLITE_DONE ? QUIPU_OK : sqlite_fail(t->c, rc, doing, error);
    sqlite3_reset(s);
    return code;
}

static int32_t try_batch(transaction *t, write_request *batch, uint64_t *written, quipu_error *error)
{
    bool broken = false;
    connection_use(t->c, NULL, batch);
    int32_t code = connection_run(t->c, STATEMENT_BEGIN_WRITE, "waiting for the store", error);
    if (code == QUIPU_OK)
        code = moved_check(t->self, error);
    if (code == QUIPU_OK)
        code = revision_newest(t->c, &t->at, error);
    if (code == QUIPU_OK)
        code = look_for_words(t, error);
    for (write_request *r = batch; r && code == QUIPU_OK && !broken; r = r->next) {
        if (r->late)
            continue;
        r->code = r->after ? r->after->code : QUIPU_OK;
        if (r->code != QUIPU_OK)
            continue;
        r->code = stage(t, r, &broken);
        *written += r->code == QUIPU_OK && r->changed > 0;
        if (broken) {
            code = r->code;
            *error = r->error;
        }
    }
    if (code == QUIPU_OK && *written > 0)
        code = commit(t, error);
    connection_rollback(t->c);
    return code;
}

void sqlite_write_batch(void *context, write_request *batch)
{
    quipu_backend *self = context;
    quipu_error error = { .struct_size = sizeof error };
    transaction t = { .self = self, .c = self->writer, .now = host_now(self->base.host) };
    uint64_t written = 0;
    int32_t code = try_batch(&t, batch, &written, &error);
    for (int i = 0; i < TRIES && code == QUIPU_E_UNCERTAIN && error.sys_errno == EINTR; i++) {
        error = (quipu_error){ .struct_size =
                                   sizeof error }; /* a signal came in between: everything is written and synced anew */
        written = 0;
        code = try_batch(&t, batch, &written, &error);
    }
    connection_use(self->writer, NULL, NULL);
    if (code == QUIPU_OK)
        return;
    recent_ids_free(&self->base.unchanged); /* what they left unchanged may not have come to be */
    recent_ids_begin(&self->base.unchanged, (uint64_t)t.now);
    write_batch_fail(batch, code, &error);
}

const quipu_migrate_api sqlite_migrate = {
    .struct_size = sizeof(quipu_migrate_api),
    .write = line_bulk,
    .position = moved_position,
    .fence = moved_fence,
    .unfence = moved_unfence,
    .fenced = moved_fenced,
    .hold = moved_hold,
    .release = moved_release,
};
