/*
 * embed_bert.c - the embedder "bert": sentence encoders of the BERT family, from a folder on this machine, on BLAS. Settings:
 *
 *   "model"           its name or folder (all-MiniLM-L6-v2); sdk/model/model_folder.h says where it is looked for
 *   "threads"         how many cores a batch may use (the machine's, 4 at the most)
 *   "query_prefix"    what goes before a question, "passage_prefix" before a text; else what the model's own files say
 */
#include "bert.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <sdk/embedder.h>
#include <sdk/model/model_folder.h>
#include <sdk/settings.h>
#include <sdk/vectors.h>
#include <stdlib.h>
#include <unistd.h>

#define MODEL_DEFAULT "all-MiniLM-L6-v2"
#define BATCH 64 /* texts at once */
#define THREADS_MOST 64

typedef struct bert_embedder {
    bert *model;
    uint32_t threads;
} bert_embedder;

typedef struct bert_settings {
    char *model, *query_prefix, *passage_prefix; /* NULL where none was given */
    int64_t threads;
} bert_settings;

static int32_t take_setting(void *context, const cJSON *item, quipu_error *error)
{
    bert_settings *s = context;
    if (strcmp(item->string, "model") == 0)
        return setting_text(item, &s->model, error);
    if (strcmp(item->string, "query_prefix") == 0)
        return setting_text(item, &s->query_prefix, error);
    if (strcmp(item->string, "passage_prefix") == 0)
        return setting_text(item, &s->passage_prefix, error);
    if (strcmp(item->string, "threads") == 0)
        return setting_integer(item, 1, THREADS_MOST, "threads", &s->threads, error);
    return setting_unknown(item, "the embedder \"bert\"", "model, threads, query_prefix and passage_prefix", error);
}

static int32_t load(bert_embedder *self, const bert_settings *s, quipu_error *error)
{
    buffer folder = { 0 };
    int32_t code = vectors_check_blas(error);
    if (code == QUIPU_OK)
        code = model_folder_find(s->model ? s->model : MODEL_DEFAULT, &folder, error);
    if (code == QUIPU_OK)
        code = bert_open(folder.bytes, s->query_prefix, s->passage_prefix, &self->model, error);
    self->threads = (uint32_t)s->threads;
    buffer_free(&folder);
    return code;
}

static void bert_embedder_close(void *model)
{
    bert_embedder *self = model;
    bert_close(self->model);
    free(self);
}

static int32_t bert_embedder_open(const quipu_host *host, quipu_str config, const quipu_call *call, void **model,
                                  quipu_error *error)
{
    (void)host, (void)call;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    bert_settings s = { .threads = cores < 1 ? 1 : cores > 4 ? 4 : cores };
    bert_embedder *self = calloc(1, sizeof *self);
    if (!self)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an embedder");
    int32_t code = settings_read(config, take_setting, &s, error);
    if (code == QUIPU_OK)
        code = load(self, &s, error);
    if (code == QUIPU_OK)
        *model = self;
    else
        bert_embedder_close(self);
    free(s.model);
    free(s.query_prefix);
    free(s.passage_prefix);
    return code;
}

static int32_t bert_embedder_describe(const void *model, quipu_model *out, quipu_error *error)
{
    const bert_embedder *self = model;
    (void)error;
    out->dimension = self->model->hidden;
    out->id = str_of(self->model->id);
    out->batch = BATCH;
    return QUIPU_OK;
}

static int32_t bert_embedder_embed(void *model, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                                   void *context, const quipu_call *call, quipu_error *error)
{
    const bert_embedder *self = model;
    return bert_embed(self->model, texts, purpose, self->threads, visit, context, call, error);
}

static const embedder_kind bert_kind = { bert_embedder_open, bert_embedder_close, bert_embedder_describe,
                                         bert_embedder_embed };

EMBEDDER_API(bert, bert_kind);
EMBEDDER_PLUGIN("quipu.embed_bert", 0,
                EMBEDDER_DESC(bert, "bert",
                              "sentence encoders of the BERT family (MiniLM, BGE, GTE, E5), from a folder, on BLAS"));
