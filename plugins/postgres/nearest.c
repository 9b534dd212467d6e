/*
 * nearest.c - vectors in the database, where it has pgvector: one for each text that a model has seen, found by an HNSW index.
 *
 *   models    the models that were used; complete_to: every record up to this state has its vector
 *   vectors   model, key (the hash of the passage), the vector at unit length
 *
 * A search first looks whether a state came since complete_to, embeds what has no vector and stores it for all machines. Scores are not the
 * server's: what it names is ranked again by the sdk, with the vectors themselves. An extension lies in any schema, so type and operator are
 * named with theirs.
 */
#include "nearest.h"

#include <base/fail.h>
#include <base/hash.h>
#include <math.h>
#include <sdk/search/passage.h>
#include <sdk/vectors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char doing[] = "reading the vectors";

enum { BATCH = 64, INDEXED_MOST = 2000 /* floats that pgvector's index takes */ };

/* ---- the tables ---- */

static int32_t find_extension(quipu_backend *self, connection *c, quipu_error *error)
{
    PGresult *r = NULL;
    self->vector[0] = '\0';
    int32_t code = connection_script(c,
                                     "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON"
                                     " n.oid = e.extnamespace WHERE e.extname = 'vector'",
                                     &r, "looking for pgvector", error);
    if (code == QUIPU_OK && PQntuples(r) == 1 && PQgetlength(r, 0, 0) < (int)sizeof self->vector)
        snprintf(self->vector, sizeof self->vector, "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    return code;
}

static int32_t make_tables(quipu_backend *self, connection *c, quipu_error *error)
{
    char sql[700];
    bool records;
    snprintf(
        sql, sizeof sql,
        "CREATE TABLE IF NOT EXISTS models (model bytea PRIMARY KEY, name text NOT NULL, dimension integer NOT NULL,"
        " complete_to bigint NOT NULL DEFAULT 0);"
        "CREATE TABLE IF NOT EXISTS vectors (model bytea NOT NULL, key bytea NOT NULL, embedding %s.vector NOT NULL,"
        " PRIMARY KEY (model, key))",
        self->vector);
    int32_t code = store_lock(c, &records, error);
    if (code == QUIPU_OK)
        code = connection_script(c, sql, NULL, "making the tables of vectors", error);
    if (code == QUIPU_OK)
        code = connection_run(c, STATEMENT_COMMIT, NULL, NULL, "making the tables of vectors", error);
    connection_rollback(c);
    return code;
}

int32_t nearest_open(quipu_backend *self, connection *c, quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why };
    bool writing = !(self->base.flags & QUIPU_OPEN_READ_ONLY);
    int32_t code = find_extension(self, c, error);
    if (code == QUIPU_OK && !self->vector[0] && writing) {
        if (connection_script(c, "CREATE EXTENSION IF NOT EXISTS vector SCHEMA public", NULL, "installing pgvector",
                              &why) != QUIPU_OK)
            host_log(self->base.host, QUIPU_LOG_INFO, "postgres", "no pgvector, vectors are kept here: %s",
                     why.message);
        code = find_extension(self, c, error);
    }
    return code == QUIPU_OK && self->vector[0] && writing ? make_tables(self, c, error) : code;
}

/* ---- models ---- */

int32_t nearest_model_of(quipu_backend *self, nearest_model *out, quipu_error *error)
{
    const quipu_str id = str_of(QUIPU_SERVICE_EMBED);
    uint8_t digest[20];
    buffer name = { 0 };
    *out = (nearest_model){ .embedder = self->base.host->get_service(self->base.host, &id),
                            .model = { .struct_size = sizeof out->model } };
    if (!out->embedder)
        return fail(error, QUIPU_E_UNSUPPORTED, "mode", "there are no vectors: choose an embedder, or search by words");
    int32_t code = out->embedder->model(self->base.host, &out->model, error);
    if (code != QUIPU_OK)
        return code;
    if (out->model.dimension == 0 || out->model.dimension > 16000 || !out->model.id.ptr)
        return fail(error, QUIPU_E_PLUGIN, NULL, "the embedder names no model that pgvector could hold");
    buffer_append_str(&name, out->model.id);
    buffer_printf(&name, "\n%u", out->model.dimension);
    hash_sha1(name.bytes ? name.bytes : "", name.len, digest);
    hex_encode(digest, sizeof digest, out->digits);
    code = name.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for vectors") : QUIPU_OK;
    buffer_free(&name);
    return code;
}

/* The model's row, and an index of its vectors while there are none yet. */
static int32_t register_model(quipu_backend *self, connection *c, const nearest_model *m, quipu_error *error)
{
    char sql[700];
    sql_params p = { 0 };
    bool records;
    param_text(&p, m->model.id);
    param_int(&p, m->model.dimension);
    snprintf(
        sql, sizeof sql,
        "INSERT INTO models (model, name, dimension) VALUES ('\\x%s', $1::text, $2::bigint) ON CONFLICT DO NOTHING",
        m->digits);
    int32_t code = store_lock(c, &records, error); /* another machine may be at it */
    if (code == QUIPU_OK)
        code = connection_query(c, sql, &p, NULL, doing, error);
    snprintf(
        sql, sizeof sql,
        "CREATE INDEX IF NOT EXISTS vectors_%.40s ON vectors USING hnsw ((embedding::%s.vector(%u)) %s.vector_ip_ops)"
        " WHERE model = '\\x%s'",
        m->digits, self->vector, m->model.dimension, self->vector, m->digits);
    if (code == QUIPU_OK && m->model.dimension <= INDEXED_MOST)
        code = connection_script(c, sql, NULL, "making an index of vectors", error);
    if (code == QUIPU_OK)
        code = connection_run(c, STATEMENT_COMMIT, NULL, NULL, "making an index of vectors", error);
    connection_rollback(c);
    return code;
}

/* ---- what is missing ---- */

/* Of a record r whose text has no vector yet. */
static void print_missing(const nearest_model *m, buffer *sql)
{
    buffer_printf(
        sql,
        "r.state > coalesce((SELECT complete_to FROM models WHERE model = '\\x%s'), 0) AND r.passage IS NOT NULL AND"
        " NOT EXISTS (SELECT 1 FROM vectors v WHERE v.model = '\\x%s' AND v.key = r.passage)",
        m->digits, m->digits);
}

static int32_t query_built(connection *c, buffer *sql, const sql_params *p, PGresult **out, quipu_error *error)
{
    int32_t code = sql->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for vectors")
                               : connection_query(c, sql->bytes, p, out, doing, error);
    buffer_free(sql);
    return code;
}

/* *complete: no state came since all had their vectors. */
static int32_t is_complete(connection *c, const nearest_model *m, bool *complete, bool *known, quipu_error *error)
{
    buffer sql = { 0 };
    PGresult *r = NULL;
    buffer_printf(&sql,
                  "SELECT (complete_to >= (SELECT coalesce(max(state), 0) FROM states))::int::bigint FROM models WHERE "
                  "model = '\\x%s'",
                  m->digits);
    int32_t code = query_built(c, &sql, NULL, &r, error);
    *known = code == QUIPU_OK && PQntuples(r) == 1;
    *complete = *known && row_int(r, 0, 0) != 0;
    PQclear(r);
    return code;
}

/* In one statement, so of one moment: nothing is missing, up to the newest state. */
static int32_t note_complete(connection *c, const nearest_model *m, quipu_error *error)
{
    buffer sql = { 0 };
    buffer_printf(&sql,
                  "UPDATE models SET complete_to = (SELECT coalesce(max(state), 0) FROM states) WHERE model = '\\x%s' "
                  "AND NOT EXISTS"
                  " (SELECT 1 FROM records r WHERE ",
                  m->digits);
    print_missing(m, &sql);
    buffer_append_char(&sql, ')');
    return query_built(c, &sql, NULL, NULL, error);
}

/* ---- embedding ---- */

typedef struct batch {
    uint32_t dimension;
    size_t count, given;
    record *records[BATCH];
    buffer passages[BATCH]; /* own the texts */
    quipu_str texts[BATCH];
    sql_array keys, vectors;
    buffer *printed; /* one text of a vector each */
} batch;

void nearest_print(const float *vector, uint32_t dimension, buffer *out)
{
    for (uint32_t i = 0; i < dimension; i++)
        buffer_printf(out, "%c%.9g", i ? ',' : '[', (double)vector[i]);
    buffer_append_char(out, ']');
}

static int32_t take_vector(void *context, uint64_t index, const float *vector, uint64_t dimension) QUIPU_NOEXCEPT
{
    batch *b = context;
    if (index >= b->count || dimension != b->dimension || b->printed[index].len ||
        !vectors_are_finite(vector, b->dimension))
        return QUIPU_E_PLUGIN;
    float *unit = malloc(b->dimension * sizeof *unit);
    if (!unit)
        return QUIPU_E_NO_MEMORY;
    if (!vectors_normalise(vector, b->dimension, unit))
        memset(unit, 0, b->dimension * sizeof *unit);
    nearest_print(unit, b->dimension, &b->printed[index]);
    free(unit);
    b->given++;
    return 0;
}

static void batch_free(batch *b)
{
    for (size_t i = 0; i < BATCH; i++) {
        record_free(b->records[i]);
        buffer_free(&b->passages[i]);
        if (b->printed)
            buffer_free(&b->printed[i]);
    }
    free(b->printed);
    array_free(&b->keys);
    array_free(&b->vectors);
    free(b);
}

static int32_t read_batch(connection *c, const nearest_model *m, batch *b, quipu_error *error)
{
    buffer sql = { 0 };
    PGresult *r = NULL;
    buffer_append_text(&sql, "SELECT " STATE_COLUMNS " FROM records r JOIN states s ON s.state = r.state WHERE ");
    print_missing(m, &sql);
    buffer_printf(&sql, " ORDER BY r.state LIMIT %d", BATCH);
    int32_t code = query_built(c, &sql, NULL, &r, error);
    for (int i = 0; code == QUIPU_OK && i < PQntuples(r) && b->count < BATCH; i++) {
        line_state s = state_of_row(r, i);
        code = line_record(&s, &b->records[b->count], error);
        if (code != QUIPU_OK || !b->records[b->count])
            continue;
        quipu_str passage = passage_of(record_view(b->records[b->count]), &b->passages[b->count]);
        b->texts[b->count] = passage.ptr ? passage : str_of("");
        b->count++;
    }
    PQclear(r);
    return code;
}

static int32_t store_batch(connection *c, const quipu_backend *self, const nearest_model *m, batch *b,
                           quipu_error *error)
{
    buffer sql = { 0 };
    sql_params p = { 0 };
    uint8_t key[PASSAGE_KEY];
    array_begin(&b->keys, OID_BYTEA);
    array_begin(&b->vectors, OID_TEXT);
    for (size_t i = 0; i < b->count; i++) {
        passage_key(b->texts[i], key);
        array_text(&b->keys, str_make((const char *)key, sizeof key));
        array_text(&b->vectors, str_make(b->printed[i].bytes, b->printed[i].len));
        b->vectors.bytes.failed = b->vectors.bytes.failed || b->printed[i].failed;
    }
    array_end(&b->keys);
    array_end(&b->vectors);
    if (b->keys.bytes.failed || b->vectors.bytes.failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for vectors");
    param_array(&p, &b->keys);
    param_array(&p, &b->vectors);
    buffer_printf(&sql,
                  "INSERT INTO vectors (model, key, embedding) SELECT '\\x%s', t.key, t.text::%s.vector FROM"
                  " unnest($1::bytea[], $2::text[]) AS t(key, text) ON CONFLICT DO NOTHING",
                  m->digits, self->vector);
    return query_built(c, &sql, &p, NULL, error);
}

/* One batch; *count: how many texts had none. No connection is held while the embedder works. */
static int32_t embed_batch(quipu_backend *self, const nearest_model *m, const quipu_call *call, size_t *count,
                           quipu_error *error)
{
    connection *c;
    batch *b = calloc(1, sizeof *b);
    *count = 0;
    if (!b || !(b->printed = calloc(BATCH, sizeof *b->printed))) {
        free(b);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for vectors");
    }
    b->dimension = m->model.dimension;
    int32_t code = reader_take(self, call, &c, error);
    if (code == QUIPU_OK) {
        code = read_batch(c, m, b, error);
        if (code == QUIPU_OK && b->count == 0)
            code = note_complete(c, m, error);
        reader_give(self, c);
    }
    *count = code == QUIPU_OK ? b->count : 0;
    quipu_array texts = { b->texts, b->count, sizeof b->texts[0] };
    if (*count)
        code = m->embedder->embed(self->base.host, &texts, QUIPU_EMBED_PASSAGE, take_vector, b, call, error);
    if (code == QUIPU_OK && b->given != b->count)
        code = fail(error, QUIPU_E_PLUGIN, NULL, "the embedder did not answer with one finite vector a text");
    if (code == QUIPU_OK && *count && (code = reader_take(self, call, &c, error)) == QUIPU_OK) {
        code = store_batch(c, self, m, b, error);
        reader_give(self, c);
    }
    batch_free(b);
    return code;
}

static int32_t begin_embedding(quipu_backend *self, const nearest_model *m, const quipu_call *call, bool *complete,
                               quipu_error *error)
{
    connection *c;
    bool known;
    int32_t code = reader_take(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = is_complete(c, m, complete, &known, error);
    if (code == QUIPU_OK && !known && !(self->base.flags & QUIPU_OPEN_READ_ONLY))
        code = register_model(self, c, m, error);
    reader_give(self, c);
    return code;
}

int32_t nearest_embed(quipu_backend *self, const nearest_model *m, quipu_vectors_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    bool complete = false, enough = false;
    uint64_t done = 0;
    int32_t code = begin_embedding(self, m, call, &complete, error);
    if (self->base.flags & QUIPU_OPEN_READ_ONLY)
        return code;
    while (code == QUIPU_OK && !complete && !enough) {
        size_t count = 0;
        code = call_check(call, error);
        if (code == QUIPU_OK)
            code = embed_batch(self, m, call, &count, error);
        complete = code == QUIPU_OK && count == 0;
        done += code == QUIPU_OK ? count : 0;
        int32_t answer = code == QUIPU_OK && count && visit ? visit(context, done, done) : 0;
        enough = answer > 0;
        if (answer < 0)
            code = fail(error, answer, NULL, "the visitor ended the call: %s", error_text(answer));
    }
    return code;
}

/* ---- searching ---- */

void nearest_join(const quipu_backend *self, const nearest_model *m, buffer *sql)
{
    (void)self;
    buffer_printf(sql, " JOIN vectors v ON v.key = r.passage AND v.model = '\\x%s'", m->digits);
}

void nearest_order(const quipu_backend *self, const nearest_model *m, int place, bool exact, buffer *sql)
{
    buffer_printf(sql, " ORDER BY (v.embedding::%s.vector(%u) OPERATOR(%s.<#>) $%d::text::%s.vector(%u))%s",
                  self->vector, m->model.dimension, self->vector, place, self->vector, m->model.dimension,
                  exact ? " + 0" : "");
}

/* A vector on the wire: its dimension and a zero in two bytes each, then floats, the most significant byte first. */
static bool read_vector(quipu_str bytes, uint32_t dimension, float *out)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    if (!p || bytes.len != 4 + 4 * (uint64_t)dimension || ((uint32_t)p[0] << 8 | p[1]) != dimension)
        return false;
    for (uint32_t i = 0; i < dimension; i++) {
        const uint8_t *f = p + 4 + (size_t)4 * i;
        uint32_t bits = (uint32_t)f[0] << 24 | (uint32_t)f[1] << 16 | (uint32_t)f[2] << 8 | f[3];
        memcpy(&out[i], &bits, 4);
    }
    return true;
}

static int32_t take_vectors(const PGresult *r, const nearest_model *m, record_index *into, quipu_error *error)
{
    float *vector = malloc(m->model.dimension * sizeof *vector);
    int32_t code = vector ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for vectors");
    for (int i = 0; code == QUIPU_OK && i < PQntuples(r); i++) {
        quipu_str key = row_text(r, i, 0);
        if (key.len == PASSAGE_KEY && read_vector(row_text(r, i, 1), m->model.dimension, vector))
            code = record_index_add_vector(into, (const uint8_t *)key.ptr, vector, m->model.dimension, error);
    }
    free(vector);
    return code;
}

int32_t nearest_fetch(quipu_backend *self, const nearest_model *m, const int64_t *states, size_t count,
                      const quipu_call *call, record_index *into, quipu_error *error)
{
    connection *c;
    buffer sql = { 0 };
    sql_params p = { 0 };
    sql_array list = { 0 };
    PGresult *r = NULL;
    array_begin(&list, OID_BIGINT);
    for (size_t i = 0; i < count; i++)
        array_int(&list, states[i]);
    array_end(&list);
    param_array(&p, &list);
    buffer_printf(&sql,
                  "SELECT DISTINCT ON (v.key) v.key, v.embedding FROM records r JOIN vectors v ON v.key = r.passage AND"
                  " v.model = '\\x%s' WHERE r.state = ANY($1::bigint[])",
                  m->digits);
    sql.failed = sql.failed || list.bytes.failed;
    int32_t code = reader_take(self, call, &c, error);
    if (code == QUIPU_OK) {
        code = query_built(c, &sql, &p, &r, error);
        reader_give(self, c);
    }
    if (code == QUIPU_OK)
        code = take_vectors(r, m, into, error);
    PQclear(r);
    buffer_free(&sql);
    array_free(&list);
    return code;
}

/* ---- figures ---- */

int32_t nearest_state(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call, quipu_error *error)
{
    nearest_model m;
    connection *c;
    buffer sql = { 0 };
    PGresult *r = NULL;
    int32_t code = nearest_model_of(self, &m, error);
    if (code == QUIPU_OK)
        code = reader_take(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    buffer_printf(
        &sql,
        "SELECT count(*) FILTER (WHERE r.passage IS NOT NULL), (SELECT count(*) FROM vectors WHERE model = '\\x%s'),"
        " count(*) FILTER (WHERE ",
        m.digits);
    print_missing(&m, &sql);
    buffer_append_text(&sql, ") FROM records r");
    code = query_built(c, &sql, NULL, &r, error);
    reader_give(self, c);
    if (code == QUIPU_OK) {
        out->dimension = m.model.dimension;
        out->model = m.model.id;
        out->passages = (uint64_t)row_int(r, 0, 0);
        out->vectors = (uint64_t)row_int(r, 0, 1);
        out->pending = (uint64_t)row_int(r, 0, 2);
    }
    PQclear(r);
    return code;
}
