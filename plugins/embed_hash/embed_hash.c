/*
 * embed_hash.c - the embedder "hash": vectors from hashed words and runs of characters. It needs no model, no network and no
 * set-up. Setting: "dimension" (default 1024).
 */
#include "hashing.h"

#include <base/fail.h>
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>

#define DIMENSION_DEFAULT 1024
#define BATCH 256 /* texts at once: enough that calls cost nothing beside the work */

struct quipu_embedder {
    uint32_t dimension; /* 0: created, not open */
    char model[32];
};

static int32_t hash_create(const quipu_host *host, quipu_embedder **out, quipu_error *error)
{
    int32_t code;
    if (!out)
        return fail(error, QUIPU_E_INVALID, "out", "out is NULL; give a place for the embedder");
    *out = NULL;
    if ((code = abi_check_struct(host, sizeof *host, "quipu_host", error)) != QUIPU_OK)
        return code;
    *out = calloc(1, sizeof **out);
    return *out ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an embedder");
}

static void hash_destroy(quipu_embedder *self)
{
    free(self);
}

static int32_t read_dimension(const cJSON *node, uint32_t *out, quipu_error *error)
{
    int64_t value = 0;
    if (!json_is_int(node, &value) || value < HASHING_DIMENSION_MIN || value > HASHING_DIMENSION_MAX)
        return fail(error, QUIPU_E_INVALID, "dimension", "dimension must be a whole number from %d to %d",
                    HASHING_DIMENSION_MIN, HASHING_DIMENSION_MAX);
    *out = (uint32_t)value;
    return QUIPU_OK;
}

static int32_t read_config(const quipu_str *config, uint32_t *dimension, quipu_error *error)
{
    cJSON *tree = NULL;
    *dimension = DIMENSION_DEFAULT;
    if (!config || (!config->ptr && config->len == 0))
        return QUIPU_OK;
    int32_t code = abi_check_text(*config, false, "config", error);
    if (code == QUIPU_OK)
        code = json_parse(*config, &tree, error);
    if (code == QUIPU_OK && !cJSON_IsObject(tree))
        code = fail(error, QUIPU_E_INVALID, "config", "the configuration must be a JSON object");
    for (const cJSON *node = code == QUIPU_OK ? tree->child : NULL; node && code == QUIPU_OK; node = node->next) {
        if (strcmp(node->string, "dimension") == 0)
            code = read_dimension(node, dimension, error);
        else
            code = fail(error, QUIPU_E_INVALID, node->string,
                        "the embedder \"hash\" has no setting \"%s\"; it has \"dimension\"", node->string);
    }
    cJSON_Delete(tree);
    return code;
}

static int32_t hash_open(quipu_embedder *self, const quipu_str *config, const quipu_call *call, quipu_error *error)
{
    uint32_t dimension;
    int32_t code;
    if (self->dimension)
        return fail(error, QUIPU_E_STATE, NULL, "the embedder is open already; close it first");
    if ((code = abi_check_call(call, error)) != QUIPU_OK || (code = read_config(config, &dimension, error)) != QUIPU_OK)
        return code;
    snprintf(self->model, sizeof self->model, "hash-v1:%u", dimension);
    self->dimension = dimension;
    return QUIPU_OK;
}

static int32_t need_open(const quipu_embedder *self, quipu_error *error)
{
    return self->dimension ? QUIPU_OK : fail(error, QUIPU_E_STATE, NULL, "the embedder is not open; call open first");
}

static int32_t hash_close(quipu_embedder *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = need_open(self, error);
    (void)call;
    self->dimension = 0;
    return code;
}

static int32_t hash_model(quipu_embedder *self, quipu_model *out, quipu_error *error)
{
    int32_t code;
    if ((code = need_open(self, error)) != QUIPU_OK ||
        (code = abi_check_out(out, sizeof *out, "quipu_model", error)) != QUIPU_OK)
        return code;
    out->dimension = self->dimension;
    out->id = (quipu_str){ self->model, strlen(self->model) };
    out->batch = BATCH;
    return QUIPU_OK;
}

static int32_t hash_embed(quipu_embedder *self, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                          void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code;
    if ((code = need_open(self, error)) != QUIPU_OK ||
        (code = abi_check_embed(texts, purpose, visit, error)) != QUIPU_OK ||
        (code = abi_check_call(call, error)) != QUIPU_OK)
        return code;
    float *vector = malloc(self->dimension * sizeof *vector);
    if (!vector)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a vector");
    bool stop = false;
    for (uint64_t i = 0; code == QUIPU_OK && !stop && i < texts->count; i++) {
        if ((code = call_check(call, error)) == QUIPU_OK)
            code = hashing_vector(*QUIPU_AT(quipu_str, texts, i), self->dimension, vector, error);
        if (code != QUIPU_OK)
            break;
        int32_t answer = visit(context, i, vector, self->dimension);
        stop = answer > 0;
        if (answer < 0)
            code = fail(error, answer, NULL, "the visitor ended the call: %s", error_text(answer));
    }
    free(vector);
    return code;
}

static const void *hash_get_extension(quipu_embedder *self, const quipu_str *id)
{
    (void)self;
    (void)id;
    return NULL;
}

/* ---- the plugin ---- */

static void plugin_deinit(void)
{
}

static const quipu_embedder_api hash_api = {
    .struct_size = sizeof(quipu_embedder_api),
    .create = hash_create,
    .destroy = hash_destroy,
    .open = hash_open,
    .close = hash_close,
    .model = hash_model,
    .embed = hash_embed,
    .get_extension = hash_get_extension,
};

static const quipu_embedder_desc hash_desc = {
    .struct_size = sizeof(quipu_embedder_desc),
    .name = QUIPU_STR_INIT("hash"),
    .summary = QUIPU_STR_INIT("hashed words and characters: needs no model, finds spellings rather than meanings"),
    .api = &hash_api,
};

static const quipu_embedder_list hash_list = {
    .struct_size = sizeof(quipu_embedder_list),
    .items = { &hash_desc, 1, sizeof(quipu_embedder_desc) },
};

static const void *plugin_factory(const quipu_str *id)
{
    return id && QUIPU_IS(id, QUIPU_EMBEDDERS) ? &hash_list : NULL;
}

QUIPU_PLUGIN("quipu.embed_hash", QUIPU_VERSION, "Apache-2.0", QUIPU_PLUGIN_FORK_SAFE, abi_negotiate, plugin_deinit,
             plugin_factory);
