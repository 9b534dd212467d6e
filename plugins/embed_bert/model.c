/* model.c - see bert.h: what is in a model's folder. */
#include "bert.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <sdk/model/model_files.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HIDDEN_MAX 8192
#define LAYERS_MAX 256
#define POSITIONS_MAX 65536

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a model");
}

/* ---- configuration ---- */

static int32_t read_size(const cJSON *config, const char *name, int64_t most, uint32_t *out, quipu_error *error)
{
    int64_t value = model_int(config, name, 0);
    if (value < 1 || value > most)
        return fail(error, QUIPU_E_CORRUPT, name, "config.json needs \"%s\", a whole number from 1 to %lld", name,
                    (long long)most);
    *out = (uint32_t)value;
    return QUIPU_OK;
}

static int32_t check_kind(const cJSON *config, quipu_error *error)
{
    static const char *const wanted[][3] = {
        { "model_type", "bert", "bert" },
        { "hidden_act", "gelu", "gelu" },
        { "position_embedding_type", "absolute", "absolute" },
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const char *has = model_text(config, wanted[i][0], wanted[i][2]);
        if (strcmp(has, wanted[i][1]) != 0)
            return fail(error, QUIPU_E_UNSUPPORTED, wanted[i][0],
                        "the model has \"%s\": \"%s\"; \"%s\" is what there is", wanted[i][0], has, wanted[i][1]);
    }
    return QUIPU_OK;
}

static int32_t read_config(bert *b, const cJSON *config, quipu_error *error)
{
    double epsilon = 1e-12;
    int32_t code = check_kind(config, error);
    if (code == QUIPU_OK)
        code = read_size(config, "hidden_size", HIDDEN_MAX, &b->hidden, error);
    if (code == QUIPU_OK)
        code = read_size(config, "intermediate_size", 4 * HIDDEN_MAX, &b->inner, error);
    if (code == QUIPU_OK)
        code = read_size(config, "num_attention_heads", HIDDEN_MAX, &b->heads, error);
    if (code == QUIPU_OK)
        code = read_size(config, "num_hidden_layers", LAYERS_MAX, &b->layer_count, error);
    if (code == QUIPU_OK)
        code = read_size(config, "max_position_embeddings", POSITIONS_MAX, &b->tokens_most, error);
    if (code == QUIPU_OK)
        code = read_size(config, "vocab_size", INT32_MAX, &b->vocabulary, error);
    if (code == QUIPU_OK && (b->hidden % 8 || b->inner % 8 || b->hidden % b->heads))
        code = fail(error, QUIPU_E_UNSUPPORTED, "hidden_size",
                    "sizes that are multiples of 8, and of the number of heads, are what there is");
    if (json_is_number(cJSON_GetObjectItemCaseSensitive(config, "layer_norm_eps"), &epsilon) && epsilon < 0)
        epsilon = 1e-12;
    b->epsilon = (float)epsilon;
    return code;
}

static int32_t check_modules(const char *folder, char pooling[64], quipu_error *error)
{
    cJSON *modules = NULL;
    const cJSON *module;
    int32_t code = QUIPU_OK;
    snprintf(pooling, 64, "1_Pooling");
    if (!model_file_exists(folder, "modules.json"))
        return QUIPU_OK;
    code = model_file_json(folder, "modules.json", &modules, error);
    cJSON_ArrayForEach(module, modules)
    {
        const char *type = model_text(module, "type", ""), *path = model_text(module, "path", "");
        const char *last = strrchr(type, '.') ? strrchr(type, '.') + 1 : type;
        if (strcmp(last, "Pooling") == 0 && strlen(path) < 64 && !strchr(path, '/') && *path && *path != '.')
            snprintf(pooling, 64, "%s", path);
        else if (code == QUIPU_OK && strcmp(last, "Transformer") != 0 && strcmp(last, "Normalize") != 0)
            code = fail(error, QUIPU_E_UNSUPPORTED, "modules.json",
                        "the model has a module %s; Transformer, Pooling and Normalize are what there is", last);
    }
    cJSON_Delete(modules);
    return code;
}

static int32_t read_pooling(bert *b, const char *folder, quipu_error *error)
{
    char where[64], name[80];
    cJSON *config = NULL;
    int32_t code = check_modules(folder, where, error);
    snprintf(name, sizeof name, "%s/config.json", where);
    if (code != QUIPU_OK || !model_file_exists(folder, name))
        return code;
    if ((code = model_file_json(folder, name, &config, error)) != QUIPU_OK)
        return code;
    bool mean = model_bool(config, "pooling_mode_mean_tokens", false);
    b->first_token = model_bool(config, "pooling_mode_cls_token", false);
    const char *mode = model_text(config, "pooling_mode", NULL); /* of newer files */
    if (mode) {
        mean = strcmp(mode, "mean") == 0;
        b->first_token = strcmp(mode, "cls") == 0;
    }
    if (mean == b->first_token)
        code = fail(error, QUIPU_E_UNSUPPORTED, "pooling_mode",
                    "the mean of the tokens, or the first token, is what there is");
    cJSON_Delete(config);
    return code;
}

/* How long a text may be: the least that any of the files says. */
static int32_t read_length(bert *b, const char *folder, quipu_error *error)
{
    cJSON *config = NULL;
    if (!model_file_exists(folder, "sentence_bert_config.json"))
        return QUIPU_OK;
    int32_t code = model_file_json(folder, "sentence_bert_config.json", &config, error);
    int64_t most = model_int(config, "max_seq_length", b->tokens_most);
    if (code == QUIPU_OK && most < 3)
        code = fail(error, QUIPU_E_CORRUPT, "max_seq_length", "sentence_bert_config.json allows no text at all");
    else if (code == QUIPU_OK && most < b->tokens_most)
        b->tokens_most = (uint32_t)most;
    cJSON_Delete(config);
    return code;
}

/* ---- prefixes ---- */

/* What a family wants before a question or a passage where its files do not say so; from the models' cards. */
static const struct {
    const char *name, *query, *passage;
} families[] = {
    { "e5-", "query: ", "passage: " },
    { "bge-", "Represent this sentence for searching relevant passages: ", "" },
};

static const char *known_prefix(const char *folder, const cJSON *config, bool query)
{
    const char *slash = strrchr(folder, '/'), *own = model_text(config, "_name_or_path", "");
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (strstr(slash ? slash + 1 : folder, families[i].name) || strstr(own, families[i].name))
            return query ? families[i].query : families[i].passage;
    return "";
}

static int32_t read_prefixes(bert *b, const char *folder, const cJSON *config, const char *query, const char *passage,
                             quipu_error *error)
{
    cJSON *sentence = NULL;
    int32_t code = QUIPU_OK;
    if (model_file_exists(folder, "config_sentence_transformers.json"))
        code = model_file_json(folder, "config_sentence_transformers.json", &sentence, error);
    if (code != QUIPU_OK)
        return code;
    const cJSON *prompts = cJSON_GetObjectItemCaseSensitive(sentence, "prompts");
    if (!query)
        query = model_text(prompts, "query", known_prefix(folder, config, true));
    if (!passage)
        passage = model_text(prompts, "passage", model_text(prompts, "document", known_prefix(folder, config, false)));
    b->query_prefix = str_dup(str_of(query));
    b->passage_prefix = str_dup(str_of(passage));
    cJSON_Delete(sentence);
    return b->query_prefix && b->passage_prefix ? QUIPU_OK : no_memory(error);
}

/* ---- weights ---- */

static int32_t convert(bert *b, const tensor *t, const char *name, const float **out, quipu_error *error)
{
    if (t->type != TENSOR_F16)
        return fail(error, QUIPU_E_UNSUPPORTED, NULL, "the tensor %s is stored neither as F32 nor as F16", name);
    size_t count = (size_t)(t->bytes / 2);
    float **more = realloc(b->converted, (b->converted_count + 1) * sizeof *more);
    float *wide = more ? malloc(count * sizeof *wide) : NULL;
    if (more)
        b->converted = more;
    if (!wide)
        return no_memory(error);
    tensor_floats(t, 0, count, wide);
    b->converted[b->converted_count++] = wide;
    *out = wide;
    return QUIPU_OK;
}

/* A tensor of [rows, columns], or of [columns] where rows is 0. */
static int32_t take_tensor(bert *b, const char *name, uint64_t rows, uint64_t columns, const float **out,
                           quipu_error *error)
{
    char prefixed[160];
    tensor t;
    snprintf(prefixed, sizeof prefixed, "bert.%s", name);
    int32_t code = safetensors_find(b->file, safetensors_has(b->file, prefixed) ? prefixed : name, &t, error);
    if (code != QUIPU_OK)
        return code;
    bool fits =
        rows ? t.rank == 2 && t.shape[0] == rows && t.shape[1] == columns : t.rank == 1 && t.shape[0] == columns;
    if (!fits)
        return fail(error, QUIPU_E_CORRUPT, NULL, "the tensor %s has not the shape that config.json asks for", name);
    if (t.type != TENSOR_F32)
        return convert(b, &t, name, out, error);
    *out = t.data;
    return QUIPU_OK;
}

static int32_t take_linear(bert *b, const char *name, uint32_t out, uint32_t in, linear *l, quipu_error *error)
{
    char full[128];
    *l = (linear){ .in = in, .out = out };
    snprintf(full, sizeof full, "%s.weight", name);
    int32_t code = take_tensor(b, full, out, in, &l->weight, error);
    snprintf(full, sizeof full, "%s.bias", name);
    return code == QUIPU_OK ? take_tensor(b, full, 0, out, &l->bias, error) : code;
}

static int32_t take_norm(bert *b, const char *name, layer_norm *n, quipu_error *error)
{
    char full[128];
    snprintf(full, sizeof full, "%s.weight", name);
    int32_t code = take_tensor(b, full, 0, b->hidden, &n->weight, error);
    snprintf(full, sizeof full, "%s.bias", name);
    return code == QUIPU_OK ? take_tensor(b, full, 0, b->hidden, &n->bias, error) : code;
}

static int32_t take_layer(bert *b, uint32_t number, quipu_error *error)
{
    bert_layer *l = &b->layers[number];
    const struct {
        const char *name;
        linear *to;
        uint32_t out, in;
    } parts[] = {
        { "attention.self.query", &l->query, b->hidden, b->hidden },
        { "attention.self.key", &l->key, b->hidden, b->hidden },
        { "attention.self.value", &l->value, b->hidden, b->hidden },
        { "attention.output.dense", &l->attended, b->hidden, b->hidden },
        { "intermediate.dense", &l->inner, b->inner, b->hidden },
        { "output.dense", &l->outer, b->hidden, b->inner },
    };
    char name[96];
    int32_t code = QUIPU_OK;
    for (size_t i = 0; code == QUIPU_OK && i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(name, sizeof name, "encoder.layer.%u.%s", number, parts[i].name);
        code = take_linear(b, name, parts[i].out, parts[i].in, parts[i].to, error);
    }
    snprintf(name, sizeof name, "encoder.layer.%u.attention.output.LayerNorm", number);
    if (code == QUIPU_OK)
        code = take_norm(b, name, &l->after_attention, error);
    snprintf(name, sizeof name, "encoder.layer.%u.output.LayerNorm", number);
    return code == QUIPU_OK ? take_norm(b, name, &l->after_feed, error) : code;
}

static int32_t read_weights(bert *b, const char *folder, quipu_error *error)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/model.safetensors", folder);
    uint32_t positions = b->tokens_most;
    int32_t code = path.failed ? no_memory(error) : safetensors_open(path.bytes, &b->file, error);
    if (code == QUIPU_OK)
        code = take_tensor(b, "embeddings.word_embeddings.weight", b->vocabulary, b->hidden, &b->words, error);
    if (code == QUIPU_OK)
        code = take_tensor(b, "embeddings.position_embeddings.weight", positions, b->hidden, &b->positions, error);
    if (code == QUIPU_OK)
        code = take_tensor(b, "embeddings.token_type_embeddings.weight", 2, b->hidden, &b->types, error);
    if (code == QUIPU_OK)
        code = take_norm(b, "embeddings.LayerNorm", &b->after_embedding, error);
    b->layers = calloc(b->layer_count, sizeof *b->layers);
    if (code == QUIPU_OK && !b->layers)
        code = no_memory(error);
    for (uint32_t i = 0; code == QUIPU_OK && i < b->layer_count; i++)
        code = take_layer(b, i, error);
    buffer_free(&path);
    return code;
}

/* ---- the whole ---- */

static int32_t read_tokenizer(bert *b, const char *folder, quipu_error *error)
{
    int32_t code = wordpiece_open(folder, &b->tokenizer, error);
    if (code != QUIPU_OK)
        return code;
    b->begin_token = wordpiece_token(b->tokenizer, "[CLS]");
    b->end_token = wordpiece_token(b->tokenizer, "[SEP]");
    if (b->begin_token == UINT32_MAX || b->end_token == UINT32_MAX)
        return fail(error, QUIPU_E_CORRUPT, NULL, "the vocabulary has no [CLS] and [SEP]");
    if (wordpiece_size(b->tokenizer) > b->vocabulary)
        return fail(error, QUIPU_E_CORRUPT, "vocab_size", "the tokenizer has more tokens than the model has rows");
    return QUIPU_OK;
}

/* Unequal for any two models whose vectors must not be mixed: name, weights, prefixes, pooling and length all count. */
static int32_t make_id(bert *b, const char *folder, quipu_error *error)
{
    uint8_t digest[32];
    char digits[17] = { 0 };
    buffer all = { 0 }, id = { 0 };
    const char *slash = strrchr(folder, '/');
    safetensors_fingerprint(b->file, digest);
    buffer_append(&all, digest, sizeof digest);
    buffer_printf(&all, "%s\n%s\n%d %u", b->query_prefix, b->passage_prefix, b->first_token, b->tokens_most);
    if (!all.failed)
        hash_sha256(all.bytes, all.len, digest);
    hex_encode(digest, 8, digits);
    buffer_printf(&id, "bert:%.64s:%u:%s", slash ? slash + 1 : folder, b->hidden, digits);
    bool failed = all.failed || id.failed;
    buffer_free(&all);
    b->id = failed ? NULL : id.bytes;
    if (failed)
        buffer_free(&id);
    return failed ? no_memory(error) : QUIPU_OK;
}

int32_t bert_open(const char *folder, const char *query_prefix, const char *passage_prefix, bert **out,
                  quipu_error *error)
{
    bert *b = calloc(1, sizeof *b);
    cJSON *config = NULL;
    *out = NULL;
    if (!b)
        return no_memory(error);
    int32_t code = model_file_json(folder, "config.json", &config, error);
    if (code == QUIPU_OK)
        code = read_config(b, config, error);
    if (code == QUIPU_OK)
        code = read_pooling(b, folder, error);
    if (code == QUIPU_OK)
        code = read_weights(b, folder, error);
    if (code == QUIPU_OK)
        code = read_length(b, folder, error);
    if (code == QUIPU_OK)
        code = read_tokenizer(b, folder, error);
    if (code == QUIPU_OK)
        code = read_prefixes(b, folder, config, query_prefix, passage_prefix, error);
    if (code == QUIPU_OK)
        code = make_id(b, folder, error);
    cJSON_Delete(config);
    if (code == QUIPU_OK)
        *out = b;
    else
        bert_close(b);
    return code;
}

void bert_close(bert *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->converted_count; i++)
        free(b->converted[i]);
    free(b->converted);
    free(b->layers);
    free(b->query_prefix);
    free(b->passage_prefix);
    free(b->id);
    wordpiece_free(b->tokenizer);
    safetensors_close(b->file);
    free(b);
}
