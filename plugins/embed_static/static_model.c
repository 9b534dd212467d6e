/* static_model.c - see static_model.h. */
#include "static_model.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <base/hash.h>
#include <sdk/model/model_files.h>
#include <sdk/vectors.h>
#include <stdlib.h>

#define DIMENSION_MAX 65536
#define TOKENS_MOST 512 /* of a text, where the configuration does not say */

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a model");
}

/* ---- the tensors ---- */

static int32_t read_table(static_model *m, const char *name, quipu_error *error)
{
    tensor *t = &m->table;
    int32_t code = safetensors_find(m->file, name, t, error);
    if (code != QUIPU_OK)
        return code;
    if (!tensor_is_numeric(t))
        return fail(error, QUIPU_E_UNSUPPORTED, name, "the tensor %s is stored neither as F32, F16, F64 nor as I8",
                    name);
    if (t->rank != 2 || t->shape[0] == 0 || t->shape[1] == 0 || t->shape[1] > DIMENSION_MAX)
        return fail(error, QUIPU_E_CORRUPT, name, "the tensor %s must have a row of 1 to %d numbers for each token",
                    name, DIMENSION_MAX);
    m->dimension = (uint32_t)t->shape[1];
    return QUIPU_OK;
}

static int32_t read_weights(static_model *m, quipu_error *error)
{
    tensor t;
    if (!safetensors_has(m->file, "weights"))
        return QUIPU_OK;
    int32_t code = safetensors_find(m->file, "weights", &t, error);
    if (code == QUIPU_OK && (!tensor_is_numeric(&t) || t.rank != 1 || t.shape[0] < m->tokens))
        code = fail(error, QUIPU_E_CORRUPT, "weights",
                    "the tensor weights must have a number for each of the %u tokens", m->tokens);
    if (code == QUIPU_OK && !(m->weights = malloc(m->tokens * sizeof *m->weights)))
        code = no_memory(error);
    if (code == QUIPU_OK)
        tensor_floats(&t, 0, m->tokens, m->weights);
    return code;
}

static int32_t check_rows(static_model *m, const tensor *t, quipu_error *error)
{
    const int64_t *rows = t->data;
    m->rows = malloc(m->tokens * sizeof *m->rows);
    if (!m->rows)
        return no_memory(error);
    memcpy(m->rows, rows, m->tokens * sizeof *m->rows);
    for (uint32_t i = 0; i < m->tokens; i++)
        if (m->rows[i] < 0 || (uint64_t)m->rows[i] >= m->table.shape[0])
            return fail(error, QUIPU_E_CORRUPT, "mapping", "the tensor mapping leads out of the table");
    return QUIPU_OK;
}

/* Where several tokens share a row. */
static int32_t read_mapping(static_model *m, quipu_error *error)
{
    tensor t;
    if (!safetensors_has(m->file, "mapping")) {
        if (m->tokens > m->table.shape[0])
            return fail(error, QUIPU_E_CORRUPT, NULL, "the tokenizer has more tokens than the model has rows");
        return QUIPU_OK;
    }
    int32_t code = safetensors_find(m->file, "mapping", &t, error);
    if (code == QUIPU_OK && (t.type != TENSOR_I64 || t.rank != 1 || t.shape[0] < m->tokens))
        code = fail(error, QUIPU_E_CORRUPT, "mapping", "the tensor mapping must have a row for each of the %u tokens",
                    m->tokens);
    return code == QUIPU_OK ? check_rows(m, &t, error) : code;
}

/* ---- the folder ---- */

static int32_t read_length(static_model *m, const char *folder, quipu_error *error)
{
    cJSON *config = NULL;
    m->tokens_most = TOKENS_MOST;
    if (!model_file_exists(folder, "config.json"))
        return QUIPU_OK;
    int32_t code = model_file_json(folder, "config.json", &config, error);
    int64_t most = model_int(config, "max_length", TOKENS_MOST);
    if (code == QUIPU_OK && (most < 1 || most > 1 << 20))
        code = fail(error, QUIPU_E_CORRUPT, "max_length", "max_length of config.json must be from 1 to %d", 1 << 20);
    else if (code == QUIPU_OK)
        m->tokens_most = (uint32_t)most;
    cJSON_Delete(config);
    return code;
}

static int32_t read_files(static_model *m, const char *folder, quipu_error *error)
{
    buffer inside = { 0 }, path = { 0 };
    bool below = model_file_exists(folder, "0_StaticEmbedding/model.safetensors");
    buffer_printf(&inside, "%s%s", folder, below ? "/0_StaticEmbedding" : "");
    buffer_printf(&path, "%s/model.safetensors", inside.failed ? "" : inside.bytes);
    int32_t code = inside.failed || path.failed ? no_memory(error) : safetensors_open(path.bytes, &m->file, error);
    if (code == QUIPU_OK)
        code = wordpiece_open(inside.bytes, &m->tokenizer, error);
    buffer_free(&inside);
    buffer_free(&path);
    if (code != QUIPU_OK)
        return code;
    m->tokens = wordpiece_size(m->tokenizer);
    m->keep_unknown = !safetensors_has(m->file, "embeddings");
    if (m->tokens == 0)
        return fail(error, QUIPU_E_CORRUPT, NULL, "the tokenizer has no tokens");
    if (m->keep_unknown && !safetensors_has(m->file, "embedding.weight"))
        return fail(
            error, QUIPU_E_UNSUPPORTED, "model",
            "%s is no model of static embeddings: it has no tensor \"embeddings\"; a sentence encoder is opened by the "
            "embedder \"bert\"",
            folder);
    return read_table(m, m->keep_unknown ? "embedding.weight" : "embeddings", error);
}

static int32_t make_id(static_model *m, const char *folder, quipu_error *error)
{
    uint8_t digest[32];
    char digits[17] = "";
    buffer id = { 0 };
    const char *slash = strrchr(folder, '/');
    safetensors_fingerprint(m->file, digest);
    hex_encode(digest, 8, digits);
    buffer_printf(&id, "static:%.64s:%u:%s", slash ? slash + 1 : folder, m->dimension, digits);
    m->id = id.bytes;
    return id.failed ? no_memory(error) : QUIPU_OK;
}

int32_t static_model_open(const char *folder, static_model **out, quipu_error *error)
{
    static_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m)
        return no_memory(error);
    int32_t code = read_files(m, folder, error);
    if (code == QUIPU_OK)
        code = read_mapping(m, error);
    if (code == QUIPU_OK)
        code = read_weights(m, error);
    if (code == QUIPU_OK)
        code = read_length(m, folder, error);
    if (code == QUIPU_OK)
        code = make_id(m, folder, error);
    if (code == QUIPU_OK)
        *out = m;
    else
        static_model_close(m);
    return code;
}

void static_model_close(static_model *m)
{
    if (!m)
        return;
    wordpiece_free(m->tokenizer);
    safetensors_close(m->file);
    free(m->weights);
    free(m->rows);
    free(m->id);
    free(m);
}

/* ---- texts ---- */

void static_model_vector(const static_model *m, quipu_str text, uint32_t *room, float *row, float *out)
{
    uint32_t count = wordpiece_encode(m->tokenizer, text, room, m->tokens_most);
    memset(out, 0, m->dimension * sizeof *out);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t token = room[i];
        if (token >= m->tokens || (!m->keep_unknown && token == wordpiece_unknown(m->tokenizer)))
            continue;
        uint64_t at = m->rows ? (uint64_t)m->rows[token] : token;
        float weight = m->weights ? m->weights[token] : 1;
        tensor_floats(&m->table, at * m->dimension, m->dimension, row);
        for (uint32_t j = 0; j < m->dimension; j++)
            out[j] += weight * row[j];
    }
    vectors_normalise(out, m->dimension, out); /* the length of a mean does not count: a sum is enough */
}
