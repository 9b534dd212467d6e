/* edits_look.c - part of edits.h: going through the history for commits by stock git, and what they changed. */
#include "edits_inner.h"
#include "files.h"

#include <base/hash.h>
#include <storage_git/history_split.h>

enum { FAR = 256, SAVE_PASSED = 1024 /* commits */ };

/* One commit by stock git. */
typedef struct edited {
    edits *edits;
    const commit *commit;
    record_place others[COMMIT_PARENTS_MAX]; /* its parents but the first */
    unsigned other_count;
    quipu_error *error;
} edited;

static bool same_time(const record *a, const record *b)
{
    int64_t x = a ? record_view(a)->updated_at : QUIPU_TIME_NONE;
    return x == (b ? record_view(b)->updated_at : QUIPU_TIME_NONE);
}

/* A merge makes what no parent has. *made: it did; *touched: it said when. */
static int32_t ask_other_parents(const edited *c, quipu_str id, const record *after, bool *made, bool *touched)
{
    int32_t code = QUIPU_OK;
    for (unsigned i = 0; i < c->other_count && code == QUIPU_OK && *made; i++) {
        stored there;
        code = stored_read(&c->others[i], id, &there, c->error);
        if (code != QUIPU_OK)
            break;
        *made = !there.record || !str_same(record_view(there.record)->version, record_view(after)->version);
        *touched = *touched && !same_time(there.record, after);
        stored_free(&there);
    }
    return code;
}

static int32_t note_change(void *context, quipu_str id, stored *before, stored *after)
{
    const edited *c = context;
    uint8_t version[20];
    bool made = true;
    if (!after->record)
        return QUIPU_OK;
    bool touched = !same_time(before->record, after->record);
    int32_t code = ask_other_parents(c, id, after->record, &made, &touched);
    if (code != QUIPU_OK || !made || touched ||
        hex_decode(record_view(after->record)->version.ptr, sizeof version, version) != 0)
        return code;
    return edits_add(c->edits, version, c->commit->committed, id, c->error);
}

static int32_t tree_of(objects *o, const object_id *commit_id, record_place *out, quipu_error *error)
{
    commit c;
    int32_t code = commit_read(o, commit_id, &c, error);
    *out = (record_place){ .objects = o };
    if (code == QUIPU_OK) {
        out->tree = c.tree;
        commit_free(&c);
    }
    return code;
}

static int32_t note_changes(edits *e, const commit *c, quipu_error *error)
{
    edited work = { .edits = e, .commit = c, .error = error };
    record_changes changes = { .from.objects = e->objects,
                               .to = { .objects = e->objects, .tree = c->tree },
                               .visit = note_change,
                               .context = &work,
                               .error = error };
    int32_t code = c->parent_count ? tree_of(e->objects, &c->parents[0], &changes.from, error) : QUIPU_OK;
    for (unsigned i = 1; i < c->parent_count && code == QUIPU_OK; i++)
        code = tree_of(e->objects, &c->parents[i], &work.others[work.other_count++], error);
    return code == QUIPU_OK ? record_changes_all(&changes) : code;
}

/* What cannot be read is for `verify` to tell, and keeps nobody from the rest. */
static bool is_gone(int32_t code)
{
    return code == QUIPU_E_CORRUPT || code == QUIPU_E_NOT_FOUND;
}

/* What is to be known of a commit to go on from it. */
typedef struct step {
    object_id parent; /* none: it has none, or several */
    bool merge;
    int64_t committed;
} step;

/* Notes what the commit changed, if stock git made it. Errors: NO_MEMORY, IO. */
static int32_t look_at(edits *e, const object_id *commit_id, step *out, quipu_error *error)
{
    commit c;
    message_facts facts;
    *out = (step){ .committed = INT64_MIN };
    int32_t code = commit_read(e->objects, commit_id, &c, error);
    if (code != QUIPU_OK)
        return is_gone(code) ? QUIPU_OK : code;
    message_read(c.message, &facts);
    if (!facts.operation.ptr)
        code = note_changes(e, &c, error);
    out->merge = c.parent_count > 1;
    out->committed = c.committed;
    if (c.parent_count == 1)
        out->parent = c.parents[0];
    commit_free(&c);
    return is_gone(code) ? QUIPU_OK : code;
}

/* Another line of history is only remembered, unless it is long: it would have to be gone through again and again, or else the
 * branch would. */
static void move_on(edits *e, const object_id *to, bool forward, size_t looked)
{
    if (forward || object_id_is_none(&e->tip) || looked > FAR)
        e->tip = *to;
    else
        e->covered[e->next_covered++ % EDITS_COVERED] = *to;
}

static int64_t time_of(edits *e, const object_id *commit_id)
{
    commit c;
    if (object_id_is_none(commit_id) || commit_read(e->objects, commit_id, &c, NULL) != QUIPU_OK)
        return INT64_MIN;
    int64_t time = c.committed;
    commit_free(&c);
    return time;
}

/* Where a history has no merges each commit is read once, and not before that to find out which are new. *at: where the rest begins, after
 * a merge or behind the time of `until`; none: all was looked at. */
static int32_t look_along(edits *e, const object_id *until, object_id *at, size_t *looked, quipu_error *error)
{
    int64_t time = time_of(e, until);
    step s = { .committed = INT64_MAX };
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && !s.merge && s.committed >= time && !object_id_is_none(at) &&
           !object_id_equal(at, until)) {
        code = look_at(e, at, &s, error);
        if (!s.merge)
            *at = s.parent;
        ++*looked;
    }
    return code;
}

static int32_t look_from(edits *e, const object_id *from, const object_id *to, quipu_error *error)
{
    history_split split = { .only_in_b_count = 0 };
    object_id at = *to;
    step s;
    size_t before = e->count, looked = 0;
    int32_t code = look_along(e, from, &at, &looked, error);
    bool forward = object_id_equal(&at, from);
    if (code == QUIPU_OK && !forward && !object_id_is_none(&at)) {
        code = history_split_read(e->objects, from, e->objects, &at, &split, error);
        for (size_t i = 0; i < split.only_in_b_count && code == QUIPU_OK; i++, looked++)
            code = look_at(e, &split.only_in_b[i], &s, error);
        forward = object_id_equal(&split.base, from);
    }
    if (code == QUIPU_OK)
        move_on(e, to, forward, looked);
    if (code == QUIPU_OK && object_id_equal(&e->tip, to) && (e->count != before || looked >= EDITS_WORTH_SAVING))
        edits_save(e);
    history_split_free(&split);
    return code;
}

static bool is_covered(const edits *e, const object_id *commit_id)
{
    bool is = object_id_equal(&e->tip, commit_id) || object_id_is_none(commit_id);
    for (size_t i = 0; i < EDITS_COVERED && !is; i++)
        is = object_id_equal(&e->covered[i], commit_id);
    return is;
}

/* Notes that a commit lies behind the tip; what lies behind itself is gone through later. */
static int32_t note_behind(edits *e, const object_id *commit_id, quipu_error *error)
{
    uint32_t number;
    bool known;
    if (!id_map_add(&e->behind, commit_id, &number, &known))
        return edits_no_memory(error);
    if (!known)
        buffer_append(&e->pending, commit_id, sizeof *commit_id);
    return e->pending.failed ? edits_no_memory(error) : QUIPU_OK;
}

/* Goes on from the commit that was noted last; *done where that is older than `least`, and what is asked for cannot lie behind it. */
static int32_t note_parents(edits *e, int64_t least, bool *done, quipu_error *error)
{
    object_id last;
    commit c;
    int32_t code = QUIPU_OK;
    memcpy(&last, e->pending.bytes + e->pending.len - sizeof last, sizeof last);
    if (commit_read(e->objects, &last, &c, NULL) != QUIPU_OK) { /* where history was cut off nothing lies behind it */
        e->pending.len -= sizeof last;
        return QUIPU_OK;
    }
    *done = c.committed < least;
    if (!*done)
        e->pending.len -= sizeof last;
    for (unsigned i = 0; i < c.parent_count && code == QUIPU_OK && !*done; i++)
        code = note_behind(e, &c.parents[i], error);
    commit_free(&c);
    return code;
}

/* Whether it leads to the tip, or to one before: then it was looked at, too. Each commit is gone through once, however many are asked
 * for, the latest first and no further than to the one that is asked for: mostly that is close by. A clock that went back may hide it;
 * then it is compared with the tip. */
static int32_t is_behind(edits *e, const object_id *commit_id, int64_t time, bool *behind, quipu_error *error)
{
    bool done = false;
    int32_t code = QUIPU_OK;
    *behind = id_map_has(&e->behind, commit_id);
    if (!*behind && !object_id_is_none(&e->tip))
        code = note_behind(e, &e->tip, error);
    while (code == QUIPU_OK && !*behind && !done && e->pending.len > 0) {
        code = note_parents(e, time, &done, error);
        *behind = id_map_has(&e->behind, commit_id);
    }
    return code;
}

int32_t edits_cover(edits *e, const object_id *commit_id, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    pthread_mutex_lock(&e->lock);
    if (!e->loaded)
        edits_load(e);
    bool covered = is_covered(e, commit_id);
    int64_t time = covered ? 0 : time_of(e, commit_id);
    if (!covered && time <= time_of(e, &e->tip))
        code = is_behind(e, commit_id, time, &covered, error);
    if (code == QUIPU_OK && !covered) {
        code = look_from(e, &e->tip, commit_id, error);
        if (is_gone(code) && !object_id_is_none(&e->tip)) { /* where we were, somebody has taken away */
            static const object_id none;
            memset(&e->tip, 0, sizeof e->tip);
            code = look_from(e, &none, commit_id, error);
        }
        if (is_gone(code)) {
            e->tip = *commit_id;
            code = QUIPU_OK;
        }
    }
    pthread_mutex_unlock(&e->lock);
    return code;
}

void edits_pass(edits *e, const object_id *base, const object_id *head, size_t commits)
{
    pthread_mutex_lock(&e->lock);
    if (!e->loaded)
        edits_load(e);
    if (object_id_equal(&e->tip, base)) {
        e->tip = *head;
        e->unsaved += commits;
        if (e->unsaved >= SAVE_PASSED)
            edits_save(e);
    }
    pthread_mutex_unlock(&e->lock);
}
