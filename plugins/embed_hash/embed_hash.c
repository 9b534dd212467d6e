/*
 * embed_hash.c - the embedder "hash": vectors from hashed words and runs of characters. It needs no model, no network and no
 * set-up. Setting: "dimension" (default 1024).
 */
#include "hashing.h"

#include <base/fail.h>
#include <sdk/embedder.h>
#include <sdk/settings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMENSION_DEFAULT 1024
#define BATCH 256 /* texts at once: enough that calls cost nothing beside the work */

typedef struct hash_model {
    uint32_t dimension;
    char id[32];
} hash_model;

static int32_t take_setting(void *context, const cJSON *item, quipu_error *error)
{
    hash_model *m = context;
    int64_t value = 0;
    if (strcmp(item->string, "dimension") != 0)
        return setting_unknown(item, "the embedder \"hash\"", "dimension", error);
    int32_t code = setting_integer(item, HASHING_DIMENSION_MIN, HASHING_DIMENSION_MAX, "floats", &value, error);
    m->dimension = (uint32_t)value;
    return code;
}

static int32_t hash_open(const quipu_host *host, quipu_str config, const quipu_call *call, void **model,
                         quipu_error *error)
{
    (void)host, (void)call;
    hash_model *m = malloc(sizeof *m);
    if (!m)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an embedder");
    m->dimension = DIMENSION_DEFAULT;
    int32_t code = settings_read(config, take_setting, m, error);
    if (code != QUIPU_OK) {
        free(m);
        return code;
    }
    snprintf(m->id, sizeof m->id, "hash-v1:%u", m->dimension);
    *model = m;
    return QUIPU_OK;
}

static int32_t hash_describe(const void *model, quipu_model *out, quipu_error *error)
{
    const hash_model *m = model;
    (void)error;
    out->dimension = m->dimension;
    out->id = (quipu_str){ m->id, strlen(m->id) };
    out->batch = BATCH;
    return QUIPU_OK;
}

static int32_t hash_embed(void *model, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit, void *context,
                          const quipu_call *call, quipu_error *error)
{
    const hash_model *m = model;
    (void)purpose;
    float *vector = malloc(m->dimension * sizeof *vector);
    if (!vector)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a vector");
    int32_t code = QUIPU_OK;
    for (uint64_t i = 0; i < texts->count; i++) {
        if ((code = call_check(call, error)) != QUIPU_OK ||
            (code = hashing_vector(*QUIPU_AT(quipu_str, texts, i), m->dimension, vector, error)) != QUIPU_OK ||
            !embedder_give(visit, context, i, vector, m->dimension, &code, error))
            break;
    }
    free(vector);
    return code;
}

static const embedder_kind hash_kind = { hash_open, free, hash_describe, hash_embed };

EMBEDDER_API(hash, hash_kind);
EMBEDDER_PLUGIN("quipu.embed_hash", QUIPU_PLUGIN_FORK_SAFE,
                EMBEDDER_DESC(hash, "hash",
                              "hashed words and characters: needs no model, finds spellings rather than meanings"));
