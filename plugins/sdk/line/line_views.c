/* line_views.c - see line.h: what sdk/views.h asks of a history: positions, and the way from one to another, which is a run of states. */
#include <sdk/line.h>

#include <base/fail.h>
#include <base/hash.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- positions: "REVISION STATE NAME" ---- */

static void print_position(const line_revision *at, view_position *out)
{
    char digits[2 * LINE_NAME + 1] = "";
    memset(out, 0, sizeof *out);
    if (at->revision == 0)
        return;
    hex_encode(at->name, sizeof at->name, digits);
    snprintf(out->text, sizeof out->text, "%" PRId64 " %" PRId64 " %.40s", at->revision, at->last_state, digits);
}

static bool read_position(const view_position *p, line_revision *out)
{
    const char *text = p->text;
    char *end;
    *out = (line_revision){ 0 };
    if (!text[0])
        return true;
    out->revision = strtoll(text, &end, 10);
    if (*end != ' ' || out->revision < 1)
        return false;
    out->last_state = strtoll(end + 1, &end, 10);
    return *end == ' ' && out->last_state >= 1 && strlen(end + 1) == 40 && hex_decode(end + 1, 20, out->name) == 0;
}

static int32_t find_head(void *owner, view_position *out, quipu_error *error)
{
    const line_store *l = owner;
    quipu_error own = { .struct_size = sizeof own };
    line_reader *r;
    line_revision newest = { 0 };
    if (!error)
        error = &own;
    int32_t code = l->api->take(l->self, NULL, &r, error);
    if (code != QUIPU_OK)
        return code;
    code = l->api->newest(r, &newest, error);
    l->api->give(l->self, r);
    print_position(&newest, out);
    return code;
}

static bool is_later(void *owner, const view_position *a, const view_position *b)
{
    line_revision x, y;
    (void)owner;
    return read_position(a, &x) && read_position(b, &y) && x.revision > y.revision;
}

/* A database that was put back from a copy has other revisions than what was saved beside it, or fewer. */
static bool is_known(void *owner, const view_position *p)
{
    const line_store *l = owner;
    quipu_error why = { .struct_size = sizeof why };
    line_reader *r;
    line_revision saved, stored = { 0 };
    if (!read_position(p, &saved) || l->api->take(l->self, NULL, &r, &why) != QUIPU_OK)
        return false;
    int32_t code = line_read(l, r, saved.revision, &stored, &why);
    l->api->give(l->self, r);
    return code == QUIPU_OK && stored.last_state == saved.last_state && memcmp(stored.name, saved.name, LINE_NAME) == 0;
}

static int32_t resolve(void *owner, quipu_str as_of, view_position *out, int64_t *committed, quipu_error *error)
{
    const line_store *l = owner;
    quipu_error own = { .struct_size = sizeof own };
    line_reader *r;
    line_revision at;
    if (!error)
        error = &own;
    int32_t code = l->api->take(l->self, NULL, &r, error);
    if (code != QUIPU_OK)
        return code;
    code = line_resolve(l, r, as_of, &at, error);
    l->api->give(l->self, r);
    print_position(&at, out);
    *committed = at.committed_at;
    return code;
}

/* ---- from one position to another ---- */

/* A state becomes a put or a removal. */
static int32_t take_state(void *context, const line_state *s, quipu_error *error)
{
    view *v = context;
    record *r;
    view_changed(v);
    int32_t code = line_record(s, &r, error);
    if (code == QUIPU_OK && r)
        code = record_index_put(view_index(v), r, error);
    else if (code == QUIPU_OK)
        record_index_remove(view_index(v), s->id);
    record_free(r);
    return code;
}

/* What was there before the first change of an id since then: its version is in the index, as a rule. */
static int32_t take_older(void *context, const line_state *s, quipu_error *error)
{
    view *v = context;
    if (s->state == 0) {
        record_index_remove(view_index(v), s->id);
        return QUIPU_OK;
    }
    if (s->version.ptr && s->version.len == 20 &&
        record_index_revive(view_index(v), s->id, (const uint8_t *)s->version.ptr))
        return QUIPU_OK;
    return take_state(v, s, error);
}

/* Damage may hide rows: what the newest revision says of states and records must be so. */
static int32_t check_counts(const line_store *l, line_reader *r, view *v, const line_revision *newest,
                            quipu_error *error)
{
    int64_t last = 0;
    int32_t code = l->api->last_state(r, &last, error);
    bool good = last == newest->last_state && record_index_count(view_index(v)) == (uint64_t)newest->records;
    return code == QUIPU_OK && !good
               ? fail(error, QUIPU_E_CORRUPT, NULL, "records are missing or too many; run `quipu verify`")
               : code;
}

/* One moment of the database is read: where `to` is its newest revision, only the newest state of each id is looked at. */
static int32_t go(void *owner, view *v, const view_position *from, const view_position *to, quipu_error *error)
{
    const line_store *l = owner;
    quipu_error own = { .struct_size = sizeof own };
    line_reader *r;
    line_revision a, b, newest = { 0 };
    if (!error)
        error = &own;
    if (!read_position(from, &a) || !read_position(to, &b))
        return fail(error, QUIPU_E_INTERNAL, NULL, "a position cannot be read");
    int32_t code = l->api->take(l->self, NULL, &r, error);
    if (code != QUIPU_OK)
        return code;
    code = l->api->snapshot(r, error);
    if (code == QUIPU_OK)
        code = l->api->newest(r, &newest, error);
    if (code == QUIPU_OK && b.last_state < a.last_state)
        code = l->api->older(r, b.last_state, a.last_state, take_older, v, error);
    else if (code == QUIPU_OK && newest.revision == b.revision)
        code = l->api->newer(r, a.last_state, b.last_state, take_state, v, error);
    else if (code == QUIPU_OK)
        code = l->api->replay(r, a.last_state, b.last_state, take_state, v, error);
    if (code == QUIPU_OK && newest.revision == b.revision)
        code = check_counts(l, r, v, &newest, error);
    l->api->give(l->self, r);
    return code;
}

const views_owner line_views = {
    .struct_size = sizeof(views_owner),
    .component = "history",
    .head = find_head,
    .go = go,
    .is_later = is_later,
    .is_known = is_known,
    .resolve = resolve,
};
