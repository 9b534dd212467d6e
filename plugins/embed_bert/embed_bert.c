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
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <sdk/json.h>
#include <sdk/model/model_folder.h>
#include <sdk/vectors.h>
#include <stdlib.h>
#include <unistd.h>

#define MODEL_DEFAULT "all-MiniLM-L6-v2"
#define BATCH 64 /* texts at once */
#define THREADS_MOST 64

struct quipu_embedder {
    bert *model; /* NULL: created, not open */
    uint32_t threads;
};

/* What the configuration says; texts are the tree's. */
typedef struct settings {
    cJSON *tree;
    const char *model, *query_prefix, *passage_prefix;
    int64_t threads;
} settings;

static int32_t bert_embedder_create(const quipu_host *host, quipu_embedder **out, quipu_error *error)
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

static void bert_embedder_destroy(quipu_embedder *self)
{
    if (!self)
        return;
    bert_close(self->model);
    free(self);
}

static int32_t read_setting(const cJSON *node, settings *s, quipu_error *error)
{
    const struct {
        const char *name;
        const char **to;
    } texts[] = { { "model", &s->model },
                  { "query_prefix", &s->query_prefix },
                  { "passage_prefix", &s->passage_prefix } };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(node->string, texts[i].name) == 0) {
            if (!cJSON_IsString(node))
                return fail(error, QUIPU_E_INVALID, node->string, "%s must be a string", node->string);
            *texts[i].to = node->valuestring;
            return QUIPU_OK;
        }
    if (strcmp(node->string, "threads") != 0)
        return fail(error, QUIPU_E_INVALID, node->string,
                    "the embedder \"bert\" has no setting \"%s\"; it has model, threads, query_prefix, passage_prefix",
                    node->string);
    if (!json_is_int(node, &s->threads) || s->threads < 1 || s->threads > THREADS_MOST)
        return fail(error, QUIPU_E_INVALID, "threads", "threads must be a whole number from 1 to %d", THREADS_MOST);
    return QUIPU_OK;
}

static int32_t read_config(const quipu_str *config, settings *s, quipu_error *error)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *s = (settings){ .model = MODEL_DEFAULT, .threads = cores < 1 ? 1 : cores > 4 ? 4 : cores };
    if (!config || (!config->ptr && config->len == 0))
        return QUIPU_OK;
    int32_t code = abi_check_text(*config, false, "config", error);
    if (code == QUIPU_OK)
        code = json_parse(*config, &s->tree, error);
    if (code == QUIPU_OK && !cJSON_IsObject(s->tree))
        code = fail(error, QUIPU_E_INVALID, "config", "the configuration must be a JSON object");
    for (const cJSON *node = code == QUIPU_OK ? s->tree->child : NULL; node && code == QUIPU_OK; node = node->next)
        code = read_setting(node, s, error);
    return code;
}

static int32_t bert_embedder_open(quipu_embedder *self, const quipu_str *config, const quipu_call *call,
                                  quipu_error *error)
{
    settings s = { 0 };
    buffer folder = { 0 };
    if (self->model)
        return fail(error, QUIPU_E_STATE, NULL, "the embedder is open already; close it first");
    int32_t code = abi_check_call(call, error);
    if (code == QUIPU_OK)
        code = vectors_check_blas(error);
    if (code == QUIPU_OK)
        code = read_config(config, &s, error);
    if (code == QUIPU_OK)
        code = model_folder_find(s.model, &folder, error);
    if (code == QUIPU_OK)
        code = bert_open(folder.bytes, s.query_prefix, s.passage_prefix, &self->model, error);
    self->threads = (uint32_t)s.threads;
    cJSON_Delete(s.tree);
    buffer_free(&folder);
    return code;
}

static int32_t need_open(const quipu_embedder *self, quipu_error *error)
{
    return self->model ? QUIPU_OK : fail(error, QUIPU_E_STATE, NULL, "the embedder is not open; call open first");
}

static int32_t bert_embedder_close(quipu_embedder *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = need_open(self, error);
    (void)call;
    bert_close(self->model);
    self->model = NULL;
    return code;
}

static int32_t bert_embedder_model(quipu_embedder *self, quipu_model *out, quipu_error *error)
{
    int32_t code;
    if ((code = need_open(self, error)) != QUIPU_OK ||
        (code = abi_check_out(out, sizeof *out, "quipu_model", error)) != QUIPU_OK)
        return code;
    out->dimension = self->model->hidden;
    out->id = str_of(self->model->id);
    out->batch = BATCH;
    return QUIPU_OK;
}

static int32_t bert_embedder_embed(quipu_embedder *self, const quipu_array *texts, uint32_t purpose,
                                   quipu_vector_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code;
    if ((code = need_open(self, error)) != QUIPU_OK ||
        (code = abi_check_embed(texts, purpose, visit, error)) != QUIPU_OK ||
        (code = abi_check_call(call, error)) != QUIPU_OK)
        return code;
    return bert_embed(self->model, texts, purpose, self->threads, visit, context, call, error);
}

static const void *bert_embedder_extension(quipu_embedder *self, const quipu_str *id)
{
    (void)self;
    (void)id;
    return NULL;
}

/* ---- the plugin ---- */

static void plugin_deinit(void)
{
}

static const quipu_embedder_api bert_api = {
    .struct_size = sizeof(quipu_embedder_api),
    .create = bert_embedder_create,
    .destroy = bert_embedder_destroy,
    .open = bert_embedder_open,
    .close = bert_embedder_close,
    .model = bert_embedder_model,
    .embed = bert_embedder_embed,
    .get_extension = bert_embedder_extension,
};

static const quipu_embedder_desc bert_desc = {
    .struct_size = sizeof(quipu_embedder_desc),
    .name = QUIPU_STR_INIT("bert"),
    .summary = QUIPU_STR_INIT("sentence encoders of the BERT family (MiniLM, BGE, GTE, E5), from a folder, on BLAS"),
    .api = &bert_api,
};

static const quipu_embedder_list bert_list = {
    .struct_size = sizeof(quipu_embedder_list),
    .items = { &bert_desc, 1, sizeof(quipu_embedder_desc) },
};

static const void *plugin_factory(const quipu_str *id)
{
    return id && QUIPU_IS(id, QUIPU_EMBEDDERS) ? &bert_list : NULL;
}

QUIPU_PLUGIN("quipu.embed_bert", QUIPU_VERSION, "Apache-2.0", 0, abi_negotiate, plugin_deinit, plugin_factory);
