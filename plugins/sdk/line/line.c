/* line.c - see line.h: which revision is meant, and what a record was then. */
#include <sdk/line.h>

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <sdk/query.h>
#include <string.h>

enum { NAME_HEX = 2 * LINE_NAME, PREFIX_LEAST = 4 };

void line_name_of(const uint8_t change_id[16], uint8_t out[LINE_NAME])
{
    uint8_t bytes[6 + 16] = { 'q', 'u', 'i', 'p', 'u', 0 };
    memcpy(bytes + 6, change_id, 16);
    hash_sha1(bytes, sizeof bytes, out);
}

/* ---- records ---- */

static int32_t corrupt(quipu_str id, const char *why, quipu_error *error)
{
    int32_t code = fail(error, QUIPU_E_CORRUPT, NULL, "what is stored is not this record: %s; run `quipu verify`", why);
    fail_name_record(error, &id);
    return code;
}

int32_t line_record(const line_state *s, record **out, quipu_error *error)
{
    static const record_defaults limit = { .created_at = QUIPU_TIME_NONE,
                                           .updated_at = QUIPU_TIME_NONE,
                                           .max_bytes = (uint64_t)64 << 20 };
    quipu_error why = { .struct_size = sizeof why };
    char digits[QUIPU_VERSION_LEN];
    *out = NULL;
    if (!s->json.ptr) /* what is gone has a version without bytes */
        return s->version.ptr && s->version.len == 0 ? QUIPU_OK : corrupt(s->id, "its text is missing", error);
    int32_t code = record_decode(s->json, &limit, out, &why);
    if (code == QUIPU_E_NO_MEMORY)
        return fail(error, code, NULL, "no memory for a record");
    if (code == QUIPU_OK && s->version.ptr && s->version.len == QUIPU_VERSION_LEN / 2) {
        hex_encode((const uint8_t *)s->version.ptr, QUIPU_VERSION_LEN / 2, digits);
        if (str_same(record_view(*out)->id, s->id) &&
            str_same(record_view(*out)->version, str_make(digits, sizeof digits)))
            return QUIPU_OK;
    }
    record_free(*out);
    *out = NULL;
    return corrupt(s->id, code == QUIPU_OK ? "its id or version is another one" : why.message, error);
}

static int32_t keep_record(void *context, const line_state *s, quipu_error *error)
{
    return line_record(s, context, error);
}

int32_t line_record_at(const line_store *l, line_reader *r, quipu_str id, int64_t last_state, record **out,
                       quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    *out = NULL;
    return l->api->state_of(r, id, last_state, keep_record, out, error ? error : &own);
}

/* ---- revisions ---- */

static int32_t keep_revision(void *context, const line_revision *r, const uint8_t parent[LINE_NAME],
                             const quipu_revision *texts, quipu_error *error)
{
    (void)parent, (void)texts, (void)error;
    *(line_revision *)context = *r;
    return LINE_ENOUGH;
}

int32_t line_read(const line_store *l, line_reader *r, int64_t number, line_revision *out, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    *out = (line_revision){ 0 };
    if (number == 0)
        return QUIPU_OK;
    int32_t code = l->api->revisions(r, number, 1, keep_revision, out, error ? error : &own);
    if (code == QUIPU_OK && out->revision != number) {
        *out = (line_revision){ 0 };
        code = fail(error, QUIPU_E_NOT_FOUND, "revision", "there is no revision %lld", (long long)number);
    }
    return code;
}

/* committed_at never falls, so that the last revision made by then is found by halving. */
static int32_t resolve_time(const line_store *l, line_reader *r, int64_t end, line_revision *out, quipu_error *error)
{
    int64_t low = 0, high;
    int32_t code = l->api->newest(r, out, error);
    high = out->revision;
    while (code == QUIPU_OK && low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        code = line_read(l, r, middle, out, error);
        if (out->committed_at <= end)
            low = middle;
        else
            high = middle - 1;
    }
    if (code == QUIPU_OK && low == 0)
        return fail(error, QUIPU_E_NOT_FOUND, "as_of", "the store has no revision that old");
    return code == QUIPU_OK ? line_read(l, r, low, out, error) : code;
}

static int32_t unknown(quipu_str spec, quipu_error *error)
{
    return fail(error, QUIPU_E_NOT_FOUND, "revision", "there is no revision \"%.*s\"; see `quipu log`",
                (int)(spec.len < 100 ? spec.len : 100), spec.ptr);
}

/* The N of "~N" at the end of a spec, which is cut off; "~" alone is one. */
static int32_t take_distance(quipu_str *spec, int64_t *back, quipu_error *error)
{
    const char *tilde = spec->ptr && spec->len ? memchr(spec->ptr, '~', (size_t)spec->len) : NULL;
    *back = 0;
    if (!tilde)
        return QUIPU_OK;
    quipu_str digits = { tilde + 1, spec->len - (uint64_t)(tilde + 1 - spec->ptr) };
    spec->len = (uint64_t)(tilde - spec->ptr);
    *back = 1;
    if (digits.len > 0 && (!json_integer_value(digits, back) || *back < 0))
        return fail(error, QUIPU_E_INVALID, "revision", "behind ~ stands a number of revisions, as in HEAD~2");
    return QUIPU_OK;
}

static int32_t resolve_name(const line_store *l, line_reader *r, quipu_str spec, line_revision *out, quipu_error *error)
{
    char low[NAME_HEX], high[NAME_HEX];
    uint8_t from[LINE_NAME], to[LINE_NAME];
    int64_t numbers[2] = { 0 };
    unsigned count = 0;
    memset(low, '0', sizeof low);
    memset(high, 'f', sizeof high);
    if (spec.len < PREFIX_LEAST || spec.len > NAME_HEX)
        return unknown(spec, error);
    memcpy(low, spec.ptr, (size_t)spec.len);
    memcpy(high, spec.ptr, (size_t)spec.len);
    if (hex_decode(low, LINE_NAME, from) != 0 || hex_decode(high, LINE_NAME, to) != 0)
        return unknown(spec, error);
    int32_t code = l->api->named(r, from, to, numbers, &count, error);
    if (code == QUIPU_OK && count == 0)
        code = unknown(spec, error);
    else if (code == QUIPU_OK && count > 1)
        code = fail(error, QUIPU_E_INVALID, "revision", "several revisions begin with %.*s; give more of it",
                    (int)spec.len, spec.ptr);
    return code == QUIPU_OK ? line_read(l, r, numbers[0], out, error) : code;
}

int32_t line_resolve(const line_store *l, line_reader *r, quipu_str spec, line_revision *out, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    int64_t time = 0;
    *out = (line_revision){ 0 };
    if (!error)
        error = &own;
    if (query_as_of_time(spec, &time))
        return resolve_time(l, r, time, out, error);
    quipu_str base = spec;
    int64_t back;
    int32_t code = take_distance(&base, &back, error);
    if (code != QUIPU_OK)
        return code;
    code = QUIPU_IS(&base, "HEAD") ? l->api->newest(r, out, error) : resolve_name(l, r, base, out, error);
    if (code == QUIPU_OK && out->revision <= back)
        return unknown(spec, error);
    return code == QUIPU_OK && back > 0 ? line_read(l, r, out->revision - back, out, error) : code;
}
