/*
 * rows.c - the table `records`: one row for each record that is there now, in the transaction that makes it so.
 *
 * It is derived: everything in it follows from the newest states. What metadata holds becomes terms, numbers made of path and value, so that
 * one index serves every key that anybody may think of; the words are those of the sdk, in its stems, so that what is found does not hang on
 * how the server is configured.
 */
#include "rows.h"

#include <base/fail.h>
#include <base/hash.h>
#include <inttypes.h>
#include <sdk/codec/json_find.h>
#include <sdk/json.h>
#include <sdk/search/passage.h>
#include <stdio.h>
#include <string.h>

static const char doing[] = "writing the table of records";

enum {
    TERMS_MAX = 2000,        /* of a record */
    WORDS_BYTES = 300 << 10, /* a tsvector holds less than 1 MiB */
    POSITION_MAX = 16383,    /* in a tsvector */
    DEPTH_MAX = 16           /* of the metadata */
};

#define RECORD_COLUMN(name, type, in_array) ", " #name
#define RECORD_CAST(name, type, in_array) ", t." #name "::" type
#define RECORD_UPDATE(name, type, in_array) ", " #name " = excluded." #name
#define NUMBERED                                                                                                       \
    "array_fill(true, ARRAY[cardinality($1::text[])]), $1::text[], $2::bigint[], $3::bigint[], $4::text[], "           \
    "$5::text[], $6::text[], $7::text[], $8::text[], $9::text[],"                                                      \
    " $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],"         \
    " $18::bigint[], $19::float8[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[],"        \
    " $25::bytea[], $26::text[], $27::text[], $28::text[]"
const char postgres_put_records[] =
    "INSERT INTO records (here" RECORD_COLUMNS(RECORD_COLUMN) ") SELECT true" RECORD_COLUMNS(
        RECORD_CAST) " FROM unnest(" NUMBERED
                     ") AS t(nothing" RECORD_COLUMNS(
                         RECORD_COLUMN) ") ON CONFLICT (id) DO UPDATE SET here = true" RECORD_COLUMNS(RECORD_UPDATE);
#undef RECORD_COLUMN
#undef RECORD_CAST
#undef RECORD_UPDATE

/* ---- terms ---- */

int64_t rows_term(quipu_str path, char type, quipu_str value, buffer *scratch)
{
    uint8_t digest[20];
    uint64_t number = 0;
    buffer_clear(scratch);
    buffer_append_str(scratch, path);
    buffer_append_char(scratch, '\0');
    buffer_append_char(scratch, type);
    buffer_append_str(scratch, value);
    hash_sha1(scratch->bytes ? scratch->bytes : "", scratch->len, digest);
    for (int i = 0; i < 8; i++)
        number = number << 8 | digest[i];
    return (int64_t)number;
}

void rows_number(double value, char out[8])
{
    double same = value == 0 ? 0 : value; /* -0 is 0 */
    memcpy(out, &same, 8);
}

typedef struct term_walk {
    buffer *path, *out;
    buffer scratch, decoded;
    unsigned count;
    bool more; /* than can be told */
} term_walk;

static void add_term(term_walk *w, char type, quipu_str value)
{
    w->more = w->more || w->count >= TERMS_MAX;
    if (w->count++ >= TERMS_MAX)
        return;
    buffer_printf(w->out, "%s%" PRId64, w->out->len > 1 ? "," : "",
                  rows_term(str_make(w->path->bytes, w->path->len), type, value, &w->scratch));
}

static void add_scalar(term_walk *w, quipu_str json)
{
    double number;
    char bytes[8];
    buffer_clear(&w->decoded);
    if (json.ptr[0] == '"') {
        json_unquote(json, &w->decoded);
        add_term(w, 's', str_make(w->decoded.bytes ? w->decoded.bytes : "", w->decoded.len));
    } else if (json.ptr[0] == 't' || json.ptr[0] == 'f') {
        add_term(w, 'b', str_of(json.ptr[0] == 't' ? "1" : "0"));
    } else if (json.ptr[0] != 'n' && json_number_value(json, &number)) {
        rows_number(number, bytes);
        add_term(w, 'n', str_make(bytes, sizeof bytes));
    }
}

static void walk_value(term_walk *w, quipu_str json, int depth);

static void walk_object(term_walk *w, quipu_str json, int depth)
{
    size_t len = w->path->len;
    quipu_str rest = json_elements(json), key, value;
    while (json_next_member(&rest, &key, &value)) {
        buffer_append_char(w->path, '.');
        json_unquote(key, w->path);
        walk_value(w, value, depth + 1);
        w->path->len = len;
    }
}

static void walk_value(term_walk *w, quipu_str json, int depth)
{
    w->more = w->more || depth > DEPTH_MAX;
    if (!json.ptr || json.len == 0 || depth > DEPTH_MAX || w->path->failed)
        return;
    if (json.ptr[0] != 'n')
        add_term(w, 'e', (quipu_str){ 0 });
    if (json.ptr[0] == '{') {
        walk_object(w, json, depth);
    } else if (json.ptr[0] == '[') {
        quipu_str rest = json_elements(json), element;
        while (json_next_element(&rest, &element))
            add_scalar(w, element);
    } else {
        add_scalar(w, json);
    }
}

static void print_terms(record_rows *rows, const quipu_record *r)
{
    static const char odd[] = "\"metadata.";
    term_walk w = { .path = &rows->path, .out = &rows->scratch };
    quipu_str rest = json_elements(r->json), key, value;
    buffer_append_char(&rows->scratch, '{');
    while (json_next_member(&rest, &key, &value)) {
        if (QUIPU_IS(&key, "\"metadata\"")) {
            buffer_clear(&rows->path);
            buffer_append_text(&rows->path, "metadata");
            walk_value(&w, value, 0);
        } else if (key.len > sizeof odd && memcmp(key.ptr, odd, sizeof odd - 1) == 0) {
            w.more = true; /* an unknown field whose name looks like a path */
        }
    }
    if (w.more)
        buffer_printf(&rows->scratch, "%s%d", rows->scratch.len > 1 ? "," : "", ROWS_TERM_MORE);
    buffer_append_char(&rows->scratch, '}');
    rows->scratch.failed = rows->scratch.failed || rows->path.failed || w.scratch.failed || w.decoded.failed;
    buffer_free(&w.scratch);
    buffer_free(&w.decoded);
}

/* ---- words ---- */

typedef struct word_walk {
    text_stemmer *stemmer;
    buffer *out;
    unsigned position; /* 0: of a question, which has none */
    bool stop_words;   /* are taken too */
} word_walk;

/* What the text form of a tsvector takes as it is. */
static bool is_plain(quipu_str word)
{
    return word.len > 0 && !memchr(word.ptr, '\'', (size_t)word.len) && !memchr(word.ptr, '\\', (size_t)word.len) &&
           utf8_first_bad(word.ptr, (size_t)word.len) < 0;
}

static void add_word(void *context, const char *word, size_t len)
{
    word_walk *w = context;
    quipu_str stem = text_stem(w->stemmer, word, len);
    if (w->out->len > WORDS_BYTES || (!w->stop_words && text_is_stop_word(word, len)) || !is_plain(stem))
        return;
    if (w->position == 0) {
        buffer_printf(w->out, "%s'%.*s'", w->out->len ? " | " : "", (int)stem.len, stem.ptr);
        return;
    }
    buffer_printf(w->out, "%s'%.*s':%u", w->out->len ? " " : "", (int)stem.len, stem.ptr, w->position);
    w->position += w->position < POSITION_MAX;
}

static void print_words(record_rows *rows, const quipu_record *r)
{
    const quipu_str parts[] = { r->actor, r->text, r->head, r->relation, r->tail };
    word_walk w = { rows->stemmer, &rows->scratch, 1, true };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].ptr)
            text_words(parts[i], TEXT_STORED, add_word, &w);
}

void rows_question(text_language language, quipu_str text, buffer *out)
{
    word_walk w = { text_stemmer_create(TEXT_STEM_SCRIPTS, language), out, 0, false };
    if (!w.stemmer)
        out->failed = true;
    for (int all = 0; all < 2 && w.stemmer && out->len == 0; all++) { /* of nothing but stop words these */
        w.stop_words = all;
        text_words(text, TEXT_QUESTION, add_word, &w);
    }
    text_stemmer_free(w.stemmer);
}

/* ---- tags: an array in its text form ---- */

static void print_tags(record_rows *rows, const quipu_record *r)
{
    buffer *out = &rows->scratch;
    for (uint64_t i = 0; i < r->tags.count; i++) {
        const quipu_str *tag = QUIPU_AT(quipu_str, &r->tags, i);
        buffer_append_text(out, i ? ",\"" : "{\"");
        for (uint64_t j = 0; j < tag->len; j++) {
            if (tag->ptr[j] == '"' || tag->ptr[j] == '\\')
                buffer_append_char(out, '\\');
            buffer_append_char(out, tag->ptr[j]);
        }
        buffer_append_char(out, '"');
    }
    buffer_append_char(out, '}');
}

/* ---- rows ---- */

#define RECORD_COLUMN(name, type, in_array)                                                                            \
    (in_array)[0] == 'b'   ? ((in_array)[1] == 'y' ? OID_BYTEA : OID_BIGINT)                                           \
    : (in_array)[0] == 'd' ? OID_DOUBLE                                                                                \
                           : OID_TEXT,
static void begin_rows(record_rows *rows)
{
    const uint32_t types[COLUMN_COUNT] = { RECORD_COLUMNS(RECORD_COLUMN) };
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        array_begin(&rows->columns[i], types[i]);
    array_begin(&rows->gone, OID_TEXT);
}
#undef RECORD_COLUMN

bool rows_begin(record_rows *rows, text_language language)
{
    *rows = (record_rows){ .stemmer = text_stemmer_create(TEXT_STEM_SCRIPTS, language) };
    begin_rows(rows);
    return rows->stemmer != NULL;
}

void rows_free(record_rows *rows)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        array_free(&rows->columns[i]);
    array_free(&rows->gone);
    text_stemmer_free(rows->stemmer);
    buffer_free(&rows->scratch);
    buffer_free(&rows->path);
}

static void add_printed(record_rows *rows, int column, void (*print)(record_rows *rows, const quipu_record *r),
                        const quipu_record *r)
{
    buffer_clear(&rows->scratch);
    print(rows, r);
    array_text(&rows->columns[column], str_make(rows->scratch.bytes ? rows->scratch.bytes : "", rows->scratch.len));
    rows->columns[column].bytes.failed = rows->columns[column].bytes.failed || rows->scratch.failed;
}

static void add_passage(record_rows *rows, const quipu_record *r)
{
    uint8_t key[PASSAGE_KEY];
    quipu_str passage;
    buffer_clear(&rows->scratch);
    passage = passage_of(r, &rows->scratch);
    if (passage.ptr)
        passage_key(passage, key);
    array_text(&rows->columns[COLUMN_passage],
               passage.ptr ? str_make((const char *)key, sizeof key) : (quipu_str){ 0 });
}

void rows_add(record_rows *rows, const quipu_record *r, int64_t state)
{
    const quipu_str texts[] = { r->user,  r->agent, r->session,     r->app,       r->kind, r->category, r->key,
                                r->actor, r->role,  r->entity_type, r->entity_id, r->head, r->relation, r->tail };
    const int64_t times[] = { r->created_at, r->updated_at, r->valid_from, r->valid_to, r->expires_at };
    sql_array *columns = rows->columns;
    int64_t bits;
    array_text(&columns[COLUMN_id], r->id);
    array_int(&columns[COLUMN_state], state);
    array_int(&columns[COLUMN_sort_at], r->created_at);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        array_text(&columns[COLUMN_user_id + i], texts[i]);
    array_int_or_null(&columns[COLUMN_seq], r->seq, QUIPU_INT_NONE);
    memcpy(&bits, &r->importance, sizeof bits); /* a double goes over the wire as a number of as many bits */
    if (r->importance < 0)
        array_text(&columns[COLUMN_importance], (quipu_str){ 0 });
    else
        array_int(&columns[COLUMN_importance], bits);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        array_int_or_null(&columns[COLUMN_created_at + i], times[i], QUIPU_TIME_NONE);
    add_passage(rows, r);
    if (r->tags.count)
        add_printed(rows, COLUMN_tags, print_tags, r);
    else
        array_text(&columns[COLUMN_tags], (quipu_str){ 0 });
    add_printed(rows, COLUMN_terms, print_terms, r);
    add_printed(rows, COLUMN_words, print_words, r);
}

void rows_remove(record_rows *rows, quipu_str id)
{
    array_text(&rows->gone, id);
}

int32_t rows_send(record_rows *rows, connection *c, quipu_error *error)
{
    sql_params put = { 0 }, remove = { 0 };
    bool failed = rows->gone.bytes.failed;
    array_end(&rows->gone);
    param_array(&remove, &rows->gone);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        array_end(&rows->columns[i]);
        param_array(&put, &rows->columns[i]);
        failed = failed || rows->columns[i].bytes.failed;
    }
    int32_t code = failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "%s: no memory", doing) : QUIPU_OK;
    if (code == QUIPU_OK && rows->gone.count)
        code = connection_run(c, STATEMENT_DROP_RECORDS, &remove, NULL, doing, error);
    if (code == QUIPU_OK && rows->columns[COLUMN_id].count)
        code = connection_run(c, STATEMENT_PUT_RECORDS, &put, NULL, doing, error);
    begin_rows(rows);
    return code;
}

/* ---- making the table ---- */

#define RECORD_COLUMN(name, type, in_array) ", " #name " " type
/* `here` takes the comma before each, and says nothing. */
static const char make[] = "CREATE TABLE records (here boolean" RECORD_COLUMNS(RECORD_COLUMN) ", PRIMARY KEY (id))";
#undef RECORD_COLUMN

/* Hash indexes hold texts of any length. */
static const char make_indexes[] = "CREATE INDEX ON records (sort_at, id);"
                                   "CREATE INDEX ON records (state);"
                                   "CREATE INDEX ON records USING hash (passage);"
                                   "CREATE INDEX ON records USING hash (user_id);"
                                   "CREATE INDEX ON records USING hash (agent_id);"
                                   "CREATE INDEX ON records USING hash (session_id);"
                                   "CREATE INDEX ON records USING hash (app_id);"
                                   "CREATE INDEX ON records USING hash (key);"
                                   "CREATE INDEX ON records (expires_at) WHERE expires_at IS NOT NULL;"
                                   "CREATE INDEX ON records USING gin (tags);"
                                   "CREATE INDEX ON records USING gin (terms);"
                                   "CREATE INDEX ON records USING gin (words);"
                                   "ALTER TABLE records ALTER id TYPE text COLLATE \"C\";"
                                   "ANALYZE records";

typedef struct filling {
    record_rows rows;
    connection *c;
} filling;

static int32_t fill_row(void *context, const line_state *s, quipu_error *error)
{
    enum { AT_ONCE = 400 };
    filling *f = context;
    record *r;
    int32_t code = line_record(s, &r, error);
    if (code == QUIPU_OK && r)
        rows_add(&f->rows, record_view(r), s->state);
    record_free(r);
    return code == QUIPU_OK && f->rows.columns[COLUMN_id].count >= AT_ONCE ? rows_send(&f->rows, f->c, error) : code;
}

static int32_t fill_table(quipu_backend *self, connection *c, quipu_error *error)
{
    filling f = { .c = c };
    int32_t code = rows_begin(&f.rows, self->set.language)
                       ? QUIPU_OK
                       : fail(error, QUIPU_E_NO_MEMORY, NULL, "%s: no memory", doing);
    if (code == QUIPU_OK)
        code = postgres_line.newer(c, 0, INT64_MAX, fill_row, &f, error);
    if (code == QUIPU_OK)
        code = rows_send(&f.rows, c, error);
    rows_free(&f.rows);
    return code;
}

int32_t rows_make_table(quipu_backend *self, connection *c, quipu_error *error)
{
    bool there = false;
    int32_t code = store_lock(c, &there, error);
    if (code == QUIPU_OK && !there) {
        code = connection_script(c, make, NULL, "making the table of records", error);
        if (code == QUIPU_OK)
            code = fill_table(self, c, error);
        if (code == QUIPU_OK)
            code = connection_script(c, make_indexes, NULL, "making the table of records", error);
        if (code == QUIPU_OK)
            code = connection_run(c, STATEMENT_COMMIT, NULL, NULL, "making the table of records", error);
    }
    connection_rollback(c);
    return code;
}
