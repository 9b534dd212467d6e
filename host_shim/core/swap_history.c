/*
 * swap_history.c - the old store's revisions: which records changed since one of them, and all of them once more in the new store.
 *
 * What is replayed is the line of first parents, so that a merge becomes one revision that holds all it brought. Change ids are derived
 * from the names of revisions: a swap that was cut short goes on where it was, because what arrived is a duplicate.
 */
#include "swap.h"

#include <base/fail.h>
#include <base/hash.h>
#include <stdlib.h>

#define RUN_SETS 512u /* revisions that are written together */

/* ---- the line of revisions ---- */

typedef struct link {
    char name[REVISION_MAX], parent[REVISION_MAX];
} link;

/* From the newest back to, and without, `until`. */
typedef struct line {
    link *items;
    size_t count, room;
    const char *until;
    bool reached; /* `until` was seen, or the first revision where there is none */
    bool failed;
} line;

static bool keep_text(quipu_str text, char out[REVISION_MAX])
{
    out[0] = '\0';
    if (text.len >= REVISION_MAX)
        return false;
    if (text.len)
        memcpy(out, text.ptr, (size_t)text.len);
    out[text.len] = '\0';
    return true;
}

static int32_t keep_link(void *context, const quipu_revision *r) QUIPU_NOEXCEPT
{
    line *l = context;
    link one;
    if (!keep_text(r->name, one.name) || !keep_text(r->parent, one.parent))
        return QUIPU_E_PLUGIN;
    if (strcmp(one.name, l->until) == 0) {
        l->reached = true;
        return 1;
    }
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 256;
        link *items = realloc(l->items, room * sizeof *items);
        if (!items) {
            l->failed = true;
            return QUIPU_E_NO_MEMORY;
        }
        l->items = items;
        l->room = room;
    }
    l->items[l->count++] = one;
    return 0;
}

/* Keeps of all revisions those that follow each other by first parents. */
static void keep_first_parents(line *l)
{
    size_t kept = l->count > 0, at = 0;
    while (at + 1 < l->count) {
        const char *parent = l->items[kept - 1].parent;
        size_t next = at + 1;
        while (next < l->count && strcmp(l->items[next].name, parent) != 0)
            next++;
        if (next == l->count)
            break;
        l->items[kept++] = l->items[next];
        at = next;
    }
    l->count = kept;
    if (kept)
        l->reached = strcmp(l->items[kept - 1].parent, l->until) == 0;
}

static int32_t read_line(swap *s, const char *until, line *l)
{
    quipu_log_query query = { .struct_size = sizeof query };
    *l = (line){ .until = until };
    int32_t code = s->old.history->log(s->old.self, &query, keep_link, l, s->call, s->error);
    if (l->failed)
        return fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    if (code == QUIPU_OK)
        keep_first_parents(l);
    return code;
}

static int32_t keep_name(void *context, const quipu_revision *r) QUIPU_NOEXCEPT
{
    return keep_text(r->name, context) ? 1 : QUIPU_E_PLUGIN;
}

int32_t history_newest(swap *s, char out[REVISION_MAX])
{
    static const quipu_str head = QUIPU_STR_INIT("HEAD");
    quipu_error why = { .struct_size = sizeof why };
    out[0] = '\0';
    int32_t code = s->old.history->resolve(s->old.self, &head, keep_name, out, s->call, &why);
    if (code != QUIPU_OK && code != QUIPU_E_NOT_FOUND)
        *s->error = why;
    return code == QUIPU_E_NOT_FOUND ? QUIPU_OK : code; /* a store that nobody wrote to may have none */
}

/* ---- replaying ---- */

/* A revision that is made ready. */
typedef struct replayed {
    quipu_change *changes;
    record **records;
    size_t count, room;
    uint64_t bytes;
    id_list ids;
    char *author, *operation, *source, *note;
    bool failed;
} replayed;

typedef struct run {
    swap *s;
    replayed items[RUN_SETS];
    quipu_change_set sets[RUN_SETS];
    size_t count;
    uint64_t bytes;
} run;

static void drop(replayed *r)
{
    for (size_t i = 0; i < r->count; i++)
        record_free(r->records[i]);
    free(r->records);
    free(r->changes);
    id_list_free(&r->ids);
    free(r->author);
    free(r->operation);
    free(r->source);
    free(r->note);
    *r = (replayed){ 0 };
}

static void run_empty(run *r)
{
    for (size_t i = 0; i < r->count; i++)
        drop(&r->items[i]);
    r->count = 0;
    r->bytes = 0;
}

static bool make_room(replayed *r)
{
    size_t room = r->room ? r->room * 2 : 4;
    if (r->count < r->room)
        return true;
    record **records = realloc(r->records, room * sizeof *records);
    if (!records)
        return false;
    r->records = records;
    quipu_change *changes = realloc(r->changes, room * sizeof *changes);
    if (!changes)
        return false;
    r->changes = changes;
    r->room = room;
    return true;
}

static int32_t keep_difference(void *context, const quipu_difference *d) QUIPU_NOEXCEPT
{
    replayed *r = context;
    if (!make_room(r))
        return QUIPU_E_NO_MEMORY;
    r->records[r->count] = NULL;
    if (d->after) {
        int32_t code = record_from_view(d->after, false, &r->records[r->count], NULL);
        if (code != QUIPU_OK)
            return code;
        r->bytes += d->after->json.len;
    }
    id_list_add(&r->ids, d->id);
    r->count++;
    return r->ids.bytes.failed ? QUIPU_E_NO_MEMORY : 0;
}

static void copy_text(replayed *r, quipu_str text, char **out)
{
    if (!text.ptr || text.len == 0)
        return;
    *out = str_dup(text);
    r->failed = r->failed || !*out;
}

/* What the subject says behind the operation. */
static quipu_str words_of(const quipu_revision *v)
{
    quipu_str subject = v->subject;
    if (v->operation.len && subject.len > v->operation.len + 2 &&
        memcmp(subject.ptr, v->operation.ptr, (size_t)v->operation.len) == 0 &&
        memcmp(subject.ptr + v->operation.len, ": ", 2) == 0)
        return str_make(subject.ptr + v->operation.len + 2, (size_t)(subject.len - v->operation.len - 2));
    return subject;
}

typedef struct telling {
    replayed *r;
    quipu_change_set *set;
} telling;

/* A UUIDv7 with the revision's time, so that it is looked for where it would be. */
static void derive_change_id(const quipu_revision *v, uint8_t id[16])
{
    uint8_t hash[32];
    uint64_t ms = v->time > 0 ? (uint64_t)v->time / 1000 : 0;
    hash_sha256(v->name.ptr, (size_t)v->name.len, hash);
    memcpy(id, hash, 16);
    for (int i = 0; i < 6; i++)
        id[i] = (uint8_t)(ms >> (40 - 8 * i));
    id[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
    id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
}

static int32_t keep_facts(void *context, const quipu_revision *v) QUIPU_NOEXCEPT
{
    const telling *t = context;
    replayed *r = t->r;
    copy_text(r, v->author, &r->author);
    copy_text(r, v->operation, &r->operation);
    copy_text(r, v->source, &r->source);
    copy_text(r, words_of(v), &r->note);
    *t->set = (quipu_change_set){ .struct_size = sizeof *t->set,
                                  .time = v->time,
                                  .author = str_of(r->author),
                                  .operation = str_of(r->operation ? r->operation : "import"),
                                  .source = str_of(r->source),
                                  .note = str_of(r->note) };
    derive_change_id(v, t->set->change_id);
    return r->failed ? QUIPU_E_NO_MEMORY : 1;
}

/* Makes one revision ready; one that changed no record is left out. */
static int32_t add_revision(run *r, const char *name)
{
    swap *s = r->s;
    quipu_str spec = str_of(name), id;
    size_t at = 0;
    replayed *one = &r->items[r->count];
    quipu_change_set *set = &r->sets[r->count];
    telling t = { one, set };
    int32_t code = s->old.history->diff(s->old.self, NULL, &spec, NULL, keep_difference, one, s->call, s->error);
    if (code == QUIPU_OK && one->count > 0)
        code = s->old.history->resolve(s->old.self, &spec, keep_facts, &t, s->call, s->error);
    if (code != QUIPU_OK || one->count == 0) {
        drop(one);
        return code;
    }
    for (size_t i = 0; i < one->count && id_list_next(&one->ids, &at, &id); i++)
        one->changes[i] = (quipu_change){ .struct_size = sizeof one->changes[i],
                                          .op = one->records[i] ? QUIPU_CHANGE_PUT : QUIPU_CHANGE_DELETE,
                                          .id = id,
                                          .record = one->records[i] ? record_view(one->records[i]) : NULL };
    set->changes = (quipu_array){ one->changes, one->count, sizeof *one->changes };
    r->bytes += one->bytes;
    r->count++;
    return QUIPU_OK;
}

/* Writes what is ready, and notes which records that was. A revision that the new store refuses (a record that stock git gave another
 * scope, for one) is left out of its history: its records are looked at again, and come across as they are. */
static int32_t run_write(run *r)
{
    swap *s = r->s;
    uint64_t from = 0;
    int32_t code = QUIPU_OK;
    while (from < r->count) {
        uint64_t done = 0;
        quipu_array sets = { &r->sets[from], r->count - from, sizeof r->sets[0] };
        code = s->new.migrate->write(s->new.self, &sets, NULL, &done, s->call, s->error);
        s->report.revisions += done;
        from += done;
        if (code != QUIPU_OK && code != QUIPU_E_SCOPE)
            break;
        from += code == QUIPU_E_SCOPE;
        code = QUIPU_OK;
    }
    for (size_t i = 0; i < r->count; i++)
        id_list_move(&r->items[i].ids, &s->carry);
    run_empty(r);
    return code == QUIPU_OK && s->carry.bytes.failed ? fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                                                     : code;
}

static int32_t replay(swap *s, const line *l)
{
    int32_t code = QUIPU_OK;
    run *r = calloc(1, sizeof *r);
    if (!r)
        return fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    r->s = s;
    for (size_t i = l->count; i > 0 && code == QUIPU_OK; i--) {
        const char *name = l->items[i - 1].name;
        swap_pace(s);
        code = add_revision(r, name);
        if (code == QUIPU_OK && (r->count == RUN_SETS || r->bytes >= PAGE_BYTES)) {
            code = run_write(r);
            if (code == QUIPU_OK)
                memcpy(s->at, name, strlen(name) + 1); /* what fails from here on need not begin anew */
        }
        if (code == QUIPU_OK && l->count > RUN_SETS)
            code = swap_tell(s, "history", l->count - i + 1, l->count);
    }
    if (code == QUIPU_OK)
        code = run_write(r);
    run_empty(r);
    free(r);
    return code;
}

/* ---- what changed ---- */

static int32_t keep_id(void *context, const quipu_difference *d) QUIPU_NOEXCEPT
{
    id_list *ids = context;
    id_list_add(ids, d->id);
    return ids->bytes.failed ? QUIPU_E_NO_MEMORY : 0;
}

/* Of a store that had no revision when the swap began. */
static int32_t note_all(swap *s)
{
    line l;
    int32_t code = read_line(s, "", &l);
    for (size_t i = 0; i < l.count && code == QUIPU_OK; i++) {
        quipu_str spec = str_of(l.items[i].name);
        code = s->old.history->diff(s->old.self, NULL, &spec, NULL, keep_id, &s->carry, s->call, s->error);
    }
    free(l.items);
    return code;
}

static int32_t note_changes(swap *s, const char *newest)
{
    quipu_str from = str_of(s->at), to = str_of(newest);
    return s->old.history->diff(s->old.self, &from, &to, NULL, keep_id, &s->carry, s->call, s->error);
}

int32_t history_advance(swap *s)
{
    char newest[REVISION_MAX];
    line l = { 0 };
    int32_t code = history_newest(s, newest);
    if (code != QUIPU_OK || strcmp(newest, s->at) == 0)
        return code;
    if (s->at[0])
        code = note_changes(s, newest);
    else if (!s->replays)
        code = note_all(s);
    swap_pace_begin(s, s->carry.count);
    if (code == QUIPU_OK && s->replays)
        code = read_line(s, s->at, &l);
    /* A branch that was set back or switched has another line: its records come across, its revisions do not. */
    if (code == QUIPU_OK && s->replays && l.reached)
        code = replay(s, &l);
    free(l.items);
    if (code == QUIPU_OK)
        memcpy(s->at, newest, sizeof newest);
    return code;
}

/* ---- consent ---- */

typedef struct counting {
    uint64_t revisions;
} counting;

static int32_t count_revision(void *context, const quipu_stat *stat) QUIPU_NOEXCEPT
{
    counting *c = context;
    if (QUIPU_IS(&stat->name, "revisions"))
        c->revisions = (uint64_t)stat->value;
    return 0;
}

int32_t history_consent(swap *s)
{
    counting c = { 0 };
    if (!s->old.history || (s->options->flags & QUIPU_SWAP_DROP_HISTORY))
        return QUIPU_OK;
    int32_t code = s->old.api->stats(s->old.self, count_revision, &c, s->call, s->error);
    if (code != QUIPU_OK)
        return code;
    return fail(s->error, QUIPU_E_UNSUPPORTED, "history",
                "the backend %.*s does not take in history: %llu revisions would stay behind in %.100s, where they can "
                "still be read",
                (int)s->options->backend.len, s->options->backend.ptr, (unsigned long long)c.revisions, s->from->path);
}
