/*
 * plan.c - what a batch of change sets will write: each set is checked against what is stored, with what those before it did.
 *
 * The plan keeps one entry for each id of the batch, and one for each of its change ids. A set whose checks fail leaves no trace in it.
 */
#include "write.h"
#include "rows.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/change.h>
#include <sdk/subject.h>
#include <stdlib.h>
#include <string.h>

static const char doing[] = "writing a change";

enum {
    IDS_AT_ONCE = 2000,     /* asked for in one question */
    BATCH_BYTES = 512 << 20 /* of JSON: the server takes up to 1 GiB in one message, and as much in one array */
};

struct plan_entry {
    quipu_str key; /* an id, or a revision's name; borrowed of the batch, or of `name`; absent: free */
    bool is_name;
    uint8_t name[LINE_NAME];
    bool changed;            /* of an id: by this batch */
    bool applied;            /* of a name: there is such a revision, or will be */
    int64_t state;           /* of an id: the newest one, 0: it was never there */
    const quipu_record *now; /* the record that is there; NULL: none */
    record *stored;          /* which owns it, where it was read */
};

/* ---- entries ---- */

static size_t slot_of(const plan *t, quipu_str key, bool is_name)
{
    size_t at = (size_t)hash_table_key(key.ptr, (size_t)key.len, is_name) & (t->capacity - 1);
    while (t->entries[at].key.ptr && (t->entries[at].is_name != is_name || !str_same(t->entries[at].key, key)))
        at = (at + 1) & (t->capacity - 1);
    return at;
}

static plan_entry *find(const plan *t, quipu_str key, bool is_name)
{
    return &t->entries[slot_of(t, key, is_name)];
}

/* A table with room for them all, at most half full. */
static int32_t make_room(plan *t, uint64_t wanted, quipu_error *error)
{
    for (t->capacity = 16; t->capacity < 2 * wanted; t->capacity *= 2)
        continue;
    t->entries = calloc(t->capacity, sizeof *t->entries);
    return t->entries ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a batch of changes");
}

static void add_name(plan *t, const uint8_t change_id[16])
{
    uint8_t name[LINE_NAME];
    line_name_of(change_id, name);
    plan_entry *e = find(t, str_make((const char *)name, LINE_NAME), true);
    if (e->key.ptr)
        return;
    memcpy(e->name, name, LINE_NAME);
    e->key = str_make((const char *)e->name, LINE_NAME);
    e->is_name = true;
}

static void add_set(plan *t, const quipu_change_set *set)
{
    add_name(t, set->change_id);
    for (uint64_t i = 0; i < set->changes.count; i++) {
        quipu_str id = QUIPU_AT(quipu_change, &set->changes, i)->id;
        find(t, id, false)->key = id;
    }
}

static int32_t add_batch(plan *t, const write_request *batch, quipu_error *error)
{
    uint64_t wanted = 0;
    for (const write_request *r = batch; r; r = r->next)
        wanted += 1 + r->set->changes.count;
    int32_t code = make_room(t, wanted, error);
    for (const write_request *r = batch; r && code == QUIPU_OK; r = r->next)
        if (!r->late)
            add_set(t, r->set);
    return code;
}

/* ---- what is stored ---- */

static void take_names(plan *t, const PGresult *r)
{
    for (int i = 0; i < PQntuples(r); i++) {
        quipu_str name = row_text(r, i, 0);
        if (name.ptr && name.len == LINE_NAME)
            find(t, name, true)->applied = true;
    }
}

static int32_t take_states(plan *t, const PGresult *r, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    for (int i = 0; i < PQntuples(r) && code == QUIPU_OK; i++) {
        line_state s = state_of_row(r, i);
        plan_entry *e = find(t, s.id, false);
        if (!e->key.ptr)
            return fail(error, QUIPU_E_CORRUPT, NULL, "%s: the server answers about another record", doing);
        e->state = s.state;
        code = line_record(&s, &e->stored, error);
        e->now = e->stored ? record_view(e->stored) : NULL;
    }
    return code;
}

/* Asks for the entries of one kind from *at on, at most IDS_AT_ONCE of them. */
static int32_t read_some(plan *t, connection *c, bool names, size_t *at, quipu_error *error)
{
    sql_params p = { 0 };
    sql_array keys = { 0 };
    PGresult *r = NULL;
    array_begin(&keys, names ? OID_BYTEA : OID_TEXT);
    for (; *at < t->capacity && keys.count < IDS_AT_ONCE; ++*at)
        if (t->entries[*at].key.ptr && t->entries[*at].is_name == names)
            array_text(&keys, t->entries[*at].key);
    array_end(&keys);
    param_array(&p, &keys);
    int32_t code =
        keys.bytes.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a batch of changes") : QUIPU_OK;
    if (code == QUIPU_OK && keys.count > 0)
        code = connection_run(c, names ? STATEMENT_NAMES : STATEMENT_PRESENT, &p, &r, doing, error);
    if (code == QUIPU_OK && r && names)
        take_names(t, r);
    else if (code == QUIPU_OK && r)
        code = take_states(t, r, error);
    PQclear(r);
    array_free(&keys);
    return code;
}

int32_t plan_read(plan *t, connection *c, write_request *batch, quipu_error *error)
{
    int32_t code = add_batch(t, batch, error);
    if (code == QUIPU_OK)
        code = revision_newest(c, &t->at, error);
    for (int names = 1; names >= 0; names--)
        for (size_t at = 0; code == QUIPU_OK && at < t->capacity;)
            code = read_some(t, c, names, &at, error);
    return code;
}

/* ---- checking one set ---- */

static int32_t check_change(const plan *t, const quipu_change *change, uint64_t index, bool *alters, quipu_error *error)
{
    if (change->op == QUIPU_CHANGE_PUT && change->record->json.len > t->self->set.record_max) {
        int32_t code = fail(error, QUIPU_E_TOO_LARGE, "record_max", "the record takes %llu bytes, and %llu are allowed",
                            (unsigned long long)change->record->json.len, (unsigned long long)t->self->set.record_max);
        fail_name_record(error, &change->id);
        return code;
    }
    const quipu_record *stored = find(t, change->id, false)->now;
    int32_t code = change_check_expectation(change, stored, (size_t)index, error);
    *alters = code == QUIPU_OK && change_alters(change, stored);
    return code;
}

/* ---- its rows ---- */

static void add_state(plan *t, const quipu_change *change)
{
    uint8_t version[LINE_NAME];
    plan_entry *e = find(t, change->id, false);
    const quipu_record *put = change->op == QUIPU_CHANGE_PUT ? change->record : NULL;
    if (put)
        hex_decode(put->version.ptr, sizeof version, version);
    array_int(&t->rows[ROW_STATE], ++t->at.last_state);
    array_int(&t->rows[ROW_STATE_REVISION], t->at.revision);
    array_int_or_null(&t->rows[ROW_PREVIOUS], e->state, 0);
    array_text(&t->rows[ROW_ID], change->id);
    array_text(&t->rows[ROW_VERSION], put ? str_make((const char *)version, sizeof version) : str_of(""));
    array_text(&t->rows[ROW_JSON], put ? put->json : (quipu_str){ 0 });
    t->at.records += (put != NULL) - (e->now != NULL);
    e->changed = true;
    e->state = t->at.last_state;
    e->now = put;
}

/* A bulk brings history from elsewhere: who asks later for the state of a time then finds what was there at that time. It never goes back. */
static int64_t committed_at(const plan *t, const write_request *r)
{
    int64_t then = r->bulk && r->set->time < t->now ? r->set->time : t->now;
    return then > t->at.committed_at ? then : t->at.committed_at;
}

static int32_t add_revision(plan *t, write_request *r, const quipu_record *told)
{
    const quipu_change_set *set = r->set;
    buffer subject = { 0 };
    change_subject(set, told, r->changed, t->self->set.quote_subjects, &subject);
    if (subject.failed) {
        buffer_free(&subject);
        return fail(&r->error, QUIPU_E_NO_MEMORY, NULL, "no memory for a revision");
    }
    t->at.committed_at = committed_at(t, r);
    array_int(&t->rows[ROW_REVISION], t->at.revision);
    array_text(&t->rows[ROW_NAME], str_make((const char *)t->at.name, LINE_NAME));
    array_text(&t->rows[ROW_CHANGE_ID], str_make((const char *)set->change_id, sizeof set->change_id));
    array_int(&t->rows[ROW_LAST_STATE], t->at.last_state);
    array_int(&t->rows[ROW_RECORDS], t->at.records);
    array_int(&t->rows[ROW_TIME], set->time);
    array_int(&t->rows[ROW_COMMITTED_AT], t->at.committed_at);
    array_text(&t->rows[ROW_AUTHOR], set->author.ptr ? set->author : str_of("quipu"));
    array_text(&t->rows[ROW_OPERATION], set->operation.ptr ? set->operation : str_of(""));
    array_text(&t->rows[ROW_SOURCE], set->source);
    array_text(&t->rows[ROW_SUBJECT], str_make(subject.bytes ? subject.bytes : "", subject.len));
    buffer_free(&subject);
    return QUIPU_OK;
}

static int32_t add_rows(plan *t, write_request *r, const bool *alters)
{
    const quipu_change_set *set = r->set;
    const quipu_record *told = NULL;
    t->at.revision++;
    line_name_of(set->change_id, t->at.name);
    for (uint64_t i = 0; i < set->changes.count; i++) {
        const quipu_change *change = QUIPU_AT(quipu_change, &set->changes, i);
        if (!alters[i])
            continue;
        if (!told)
            told = change->record ? change->record : find(t, change->id, false)->now;
        add_state(t, change);
    }
    int32_t code = add_revision(t, r, told);
    if (code == QUIPU_OK)
        hex_encode(t->at.name, LINE_NAME, r->revision);
    t->written++;
    return code;
}

static bool was_applied(const plan *t, const uint8_t change_id[16])
{
    uint8_t name[LINE_NAME];
    line_name_of(change_id, name);
    return recent_ids_has(&t->self->base.unchanged, change_id) ||
           find(t, str_make((const char *)name, LINE_NAME), true)->applied;
}

static void note_applied(plan *t, const uint8_t change_id[16])
{
    uint8_t name[LINE_NAME];
    line_name_of(change_id, name);
    find(t, str_make((const char *)name, LINE_NAME), true)->applied = true;
}

/* Plans one set. *broken: the plan must be given up. */
static int32_t stage(plan *t, write_request *r, bool *broken)
{
    uint64_t count = r->set->changes.count;
    bool applied = was_applied(t, r->set->change_id);
    bool *alters = calloc(count ? (size_t)count : 1, sizeof *alters);
    int32_t code = QUIPU_OK;
    r->error = (quipu_error){ .struct_size = sizeof r->error };
    r->flags = 0;
    r->changed = 0;
    memset(r->revision, 0, sizeof r->revision);
    if (!alters || !recent_ids_reserve(&t->self->base.unchanged))
        code =
            fail(&r->error, QUIPU_E_NO_MEMORY, NULL, "no memory for a set of %llu changes", (unsigned long long)count);
    for (uint64_t i = 0; i < count && code == QUIPU_OK && !applied; i++) {
        code = check_change(t, QUIPU_AT(quipu_change, &r->set->changes, i), i, &alters[i], &r->error);
        r->changed += code == QUIPU_OK && alters[i];
    }
    if (code == QUIPU_OK && !applied)
        code = call_check(r->call, &r->error); /* the last moment to be taken back */
    if (code == QUIPU_OK)
        r->flags = applied ? QUIPU_RECEIPT_DUPLICATE : r->changed == 0 ? QUIPU_RECEIPT_UNCHANGED : 0;
    if (code == QUIPU_OK && r->changed > 0) {
        code = add_rows(t, r, alters);
        *broken = code != QUIPU_OK;
        note_applied(t, r->set->change_id);
    } else if (code == QUIPU_OK && !applied) {
        recent_ids_add(&t->self->base.unchanged, r->set->change_id);
    }
    free(alters);
    return code;
}

/* ---- the batch ---- */

int32_t plan_make(plan *t, write_request *batch, quipu_error *error)
{
    static const uint32_t types[PLAN_ARRAYS] = {
        [ROW_STATE] = OID_BIGINT,        [ROW_STATE_REVISION] = OID_BIGINT,
        [ROW_PREVIOUS] = OID_BIGINT,     [ROW_ID] = OID_TEXT,
        [ROW_VERSION] = OID_BYTEA,       [ROW_JSON] = OID_TEXT,
        [ROW_REVISION] = OID_BIGINT,     [ROW_NAME] = OID_BYTEA,
        [ROW_CHANGE_ID] = OID_BYTEA,     [ROW_LAST_STATE] = OID_BIGINT,
        [ROW_RECORDS] = OID_BIGINT,      [ROW_TIME] = OID_BIGINT,
        [ROW_COMMITTED_AT] = OID_BIGINT, [ROW_AUTHOR] = OID_TEXT,
        [ROW_OPERATION] = OID_TEXT,      [ROW_SOURCE] = OID_TEXT,
        [ROW_SUBJECT] = OID_TEXT,
    };
    bool broken = false;
    for (size_t i = 0; i < PLAN_ARRAYS; i++)
        array_begin(&t->rows[i], types[i]);
    for (write_request *r = batch; r && !broken; r = r->next) {
        if (r->late)
            continue;
        r->code = r->after ? r->after->code : QUIPU_OK;
        if (r->code == QUIPU_OK)
            r->code = stage(t, r, &broken);
        if (broken) {
            *error = r->error;
            return r->code;
        }
    }
    if (t->rows[ROW_JSON].bytes.len > BATCH_BYTES)
        return fail(error, QUIPU_E_TOO_LARGE, "changes",
                    "%s: the server takes no more than %d MiB at once; send fewer changes in a set", doing,
                    BATCH_BYTES >> 20);
    return QUIPU_OK;
}

int32_t plan_send_records(plan *t, connection *c, quipu_error *error)
{
    enum { AT_ONCE = 1000 };
    record_rows rows;
    int32_t code = rows_begin(&rows, t->self->set.language)
                       ? QUIPU_OK
                       : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a batch of changes");
    for (size_t i = 0; i < t->capacity && code == QUIPU_OK; i++) {
        const plan_entry *e = &t->entries[i];
        if (!e->key.ptr || !e->changed)
            continue;
        if (e->now)
            rows_add(&rows, e->now, e->state);
        else
            rows_remove(&rows, e->key);
        if (rows.columns[0].count >= AT_ONCE)
            code = rows_send(&rows, c, error);
    }
    if (code == QUIPU_OK)
        code = rows_send(&rows, c, error);
    rows_free(&rows);
    return code;
}

plan *plan_new(quipu_backend *self, quipu_error *error)
{
    plan *t = calloc(1, sizeof *t);
    if (!t) {
        fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a batch of changes");
        return NULL;
    }
    t->self = self;
    t->now = host_now(self->base.host);
    return t;
}

void plan_forget(plan *t)
{
    recent_ids_free(&t->self->base.unchanged);
    recent_ids_begin(&t->self->base.unchanged, (uint64_t)t->now);
}

void plan_free(plan *t)
{
    for (size_t i = 0; t->entries && i < t->capacity; i++)
        record_free(t->entries[i].stored);
    free(t->entries);
    for (size_t i = 0; i < PLAN_ARRAYS; i++)
        array_free(&t->rows[i]);
    free(t);
}
