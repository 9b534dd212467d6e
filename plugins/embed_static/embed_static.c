/*
 * embed_static.c - the embedder "static": the mean of token vectors (model2vec's potion and others), from a folder on this machine.
 * Setting: "model", its name or folder (potion-base-8M); sdk/model/model_folder.h says where it is looked for.
 */
#include "static_model.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <sdk/embedder.h>
#include <sdk/model/model_folder.h>
#include <sdk/settings.h>
#include <sdk/vectors.h>
#include <stdlib.h>

#define MODEL_DEFAULT "potion-base-8M"
#define BATCH 256 /* texts at once: enough that calls cost nothing beside the work */

static int32_t take_setting(void *context, const cJSON *item, quipu_error *error)
{
    if (strcmp(item->string, "model") == 0)
        return setting_text(item, context, error);
    return setting_unknown(item, "the embedder \"static\"", "model", error);
}

static int32_t embed_static_open(const quipu_host *host, quipu_str config, const quipu_call *call, void **model,
                                 quipu_error *error)
{
    (void)host, (void)call;
    char *name = NULL;
    buffer folder = { 0 };
    static_model *m = NULL;
    int32_t code = settings_read(config, take_setting, &name, error);
    if (code == QUIPU_OK)
        code = model_folder_find(name ? name : MODEL_DEFAULT, &folder, error);
    if (code == QUIPU_OK)
        code = static_model_open(folder.bytes, &m, error);
    if (code == QUIPU_OK)
        *model = m;
    free(name);
    buffer_free(&folder);
    return code;
}

static void embed_static_close(void *model)
{
    static_model_close(model);
}

static int32_t embed_static_describe(const void *model, quipu_model *out, quipu_error *error)
{
    const static_model *m = model;
    (void)error;
    out->dimension = m->dimension;
    out->id = str_of(m->id);
    out->batch = BATCH;
    return QUIPU_OK;
}

static int32_t embed_static_embed(void *model, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                                  void *context, const quipu_call *call, quipu_error *error)
{
    const static_model *m = model;
    (void)purpose;
    uint32_t *room = malloc(m->tokens_most * sizeof *room);
    float *vector = malloc(m->dimension * sizeof *vector), *row = malloc(m->dimension * sizeof *row);
    int32_t code =
        room && vector && row ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to embed with");
    for (uint64_t i = 0; code == QUIPU_OK && i < texts->count; i++) {
        if ((code = call_check(call, error)) != QUIPU_OK)
            break;
        static_model_vector(m, *QUIPU_AT(quipu_str, texts, i), room, row, vector);
        if (!vectors_are_finite(vector, m->dimension))
            code = fail(error, QUIPU_E_CORRUPT, "model", "the model's table holds numbers that are not finite");
        else if (!embedder_give(visit, context, i, vector, m->dimension, &code, error))
            break;
    }
    free(room);
    free(vector);
    free(row);
    return code;
}

static const embedder_kind static_kind = { embed_static_open, embed_static_close, embed_static_describe,
                                           embed_static_embed };

EMBEDDER_API(embed_static, static_kind);
EMBEDDER_PLUGIN("quipu.embed_static", QUIPU_PLUGIN_FORK_SAFE,
                EMBEDDER_DESC(embed_static, "static", "the mean of token vectors (model2vec, potion): fast and small"));
