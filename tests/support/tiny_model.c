/* tiny_model.c - see tiny_model.h. */
#include "tiny_model.h"

#include <base/buffer.h>
#include <base/hash.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

const char *const tiny_words[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "the",   "cat", "sat",
                                   "##s",   "on",    "mat",   ".",     "query", ":" };
const uint32_t tiny_word_count = sizeof tiny_words / sizeof tiny_words[0];

static void need(bool good)
{
    if (!good) {
        perror("tiny_model");
        abort();
    }
}

void tiny_write(const char *folder, const char *name, const void *bytes, uint64_t len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    need(file && fwrite(bytes, 1, (size_t)len, file) == len && fclose(file) == 0);
}

void tiny_text(const char *folder, const char *name, const char *text)
{
    tiny_write(folder, name, text, strlen(text));
}

/* Small multiples of 1/64. */
float tiny_value(const char *tensor, uint64_t at)
{
    uint64_t hash = hash_table_key(&at, sizeof at, hash_table_key(tensor, strlen(tensor), 1));
    float value = (float)((int)(hash >> 20 & 63) - 32) / 64.0f;
    return strstr(tensor, "LayerNorm.weight") ? 1.0f + value / 2 : value;
}

static uint16_t half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value == 0)
        return 0;
    return (uint16_t)((bits >> 16 & 0x8000u) | (((bits >> 23 & 0xffu) - 112) << 10) | (bits >> 13 & 0x3ffu));
}

/* ---- the files ---- */

typedef struct weights {
    buffer header, data;
    const char *leave_out;
    bool half;
} weights;

static void put_tensor(weights *w, const char *name, uint32_t rows, uint32_t columns)
{
    uint64_t count = (uint64_t)columns * (rows ? rows : 1), begin = w->data.len;
    char shape[32];
    if (w->leave_out && strcmp(w->leave_out, name) == 0)
        return;
    for (uint64_t i = 0; i < count; i++) {
        float value = tiny_value(name, i);
        uint16_t narrow = half_of(value);
        if (w->half)
            buffer_append(&w->data, &narrow, sizeof narrow);
        else
            buffer_append(&w->data, &value, sizeof value);
    }
    if (rows)
        snprintf(shape, sizeof shape, "[%u,%u]", rows, columns);
    else
        snprintf(shape, sizeof shape, "[%u]", columns);
    buffer_printf(&w->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%llu,%llu]}",
                  w->header.len ? "," : "{", name, w->half ? "F16" : "F32", shape, (unsigned long long)begin,
                  (unsigned long long)w->data.len);
}

static void put_pair(weights *w, const char *name, uint32_t out, uint32_t in)
{
    char full[128];
    snprintf(full, sizeof full, "%s.weight", name);
    put_tensor(w, full, in ? out : 0, in ? in : out);
    snprintf(full, sizeof full, "%s.bias", name);
    put_tensor(w, full, 0, out);
}

static const struct {
    const char *name;
    uint32_t out, in;
} layer_parts[] = {
    { "attention.self.query", TINY_HIDDEN, TINY_HIDDEN }, { "attention.self.key", TINY_HIDDEN, TINY_HIDDEN },
    { "attention.self.value", TINY_HIDDEN, TINY_HIDDEN }, { "attention.output.dense", TINY_HIDDEN, TINY_HIDDEN },
    { "attention.output.LayerNorm", TINY_HIDDEN, 0 },     { "intermediate.dense", TINY_INNER, TINY_HIDDEN },
    { "output.dense", TINY_HIDDEN, TINY_INNER },          { "output.LayerNorm", TINY_HIDDEN, 0 },
};

static void put_weights(const char *folder, const char *leave_out, bool half)
{
    weights w = { .leave_out = leave_out, .half = half };
    buffer all = { 0 };
    char name[96];
    put_tensor(&w, "embeddings.word_embeddings.weight", tiny_word_count, TINY_HIDDEN);
    put_tensor(&w, "embeddings.position_embeddings.weight", TINY_POSITIONS, TINY_HIDDEN);
    put_tensor(&w, "embeddings.token_type_embeddings.weight", 2, TINY_HIDDEN);
    put_pair(&w, "embeddings.LayerNorm", TINY_HIDDEN, 0);
    for (uint32_t layer = 0; layer < TINY_LAYERS; layer++)
        for (size_t i = 0; i < sizeof layer_parts / sizeof layer_parts[0]; i++) {
            snprintf(name, sizeof name, "encoder.layer.%u.%s", layer, layer_parts[i].name);
            put_pair(&w, name, layer_parts[i].out, layer_parts[i].in);
        }
    buffer_append_text(&w.header, "}");
    while (w.header.len % 8)
        buffer_append_char(&w.header, ' ');
    uint64_t len = w.header.len;
    buffer_append(&all, &len, sizeof len);
    buffer_append(&all, w.header.bytes, w.header.len);
    buffer_append(&all, w.data.bytes, w.data.len);
    tiny_write(folder, "model.safetensors", all.bytes, all.len);
    buffer_free(&all);
    buffer_free(&w.header);
    buffer_free(&w.data);
}

void tiny_model(const char *folder, const char *leave_out, bool half)
{
    char config[512], path[512];
    buffer words = { 0 };
    snprintf(config, sizeof config,
             "{\"model_type\":\"bert\",\"hidden_size\":%d,\"intermediate_size\":%d,\"num_attention_heads\":%d,"
             "\"num_hidden_layers\":%d,\"max_position_embeddings\":%d,\"vocab_size\":%u,\"hidden_act\":\"gelu\","
             "\"layer_norm_eps\":1e-12}",
             TINY_HIDDEN, TINY_INNER, TINY_HEADS, TINY_LAYERS, TINY_POSITIONS, tiny_word_count);
    tiny_text(folder, "config.json", config);
    for (uint32_t i = 0; i < tiny_word_count; i++)
        buffer_printf(&words, "%s\n", tiny_words[i]);
    tiny_write(folder, "vocab.txt", words.bytes, words.len);
    buffer_free(&words);
    snprintf(path, sizeof path, "%s/1_Pooling", folder);
    mkdir(path, 0700);
    tiny_text(folder, "1_Pooling/config.json", "{\"pooling_mode_mean_tokens\":true,\"pooling_mode_cls_token\":false}");
    tiny_text(folder, "modules.json",
              "[{\"path\":\"\",\"type\":\"sentence_transformers.models.Transformer\"},"
              "{\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models.Pooling\"},"
              "{\"path\":\"2_Normalize\",\"type\":\"sentence_transformers.models.Normalize\"}]");
    put_weights(folder, leave_out, half);
}

/* ---- the same by hand ---- */

typedef double state[TINY_HIDDEN];

static double value_of(uint32_t layer, const char *part, const char *which, uint64_t at)
{
    char name[128];
    snprintf(name, sizeof name, "encoder.layer.%u.%s.%s", layer, part, which);
    return (double)tiny_value(name, at);
}

static void linear_by_hand(uint32_t layer, const char *part, const double *from, uint32_t in, double *to, uint32_t out)
{
    for (uint32_t i = 0; i < out; i++) {
        to[i] = value_of(layer, part, "bias", i);
        for (uint32_t j = 0; j < in; j++)
            to[i] += from[j] * value_of(layer, part, "weight", (uint64_t)i * in + j);
    }
}

static void norm_by_hand(const char *prefix, double *x)
{
    char weight[128], bias[128];
    double mean = 0, variance = 0;
    snprintf(weight, sizeof weight, "%s.weight", prefix);
    snprintf(bias, sizeof bias, "%s.bias", prefix);
    for (int i = 0; i < TINY_HIDDEN; i++)
        mean += x[i] / TINY_HIDDEN;
    for (int i = 0; i < TINY_HIDDEN; i++)
        variance += (x[i] - mean) * (x[i] - mean) / TINY_HIDDEN;
    for (int i = 0; i < TINY_HIDDEN; i++)
        x[i] = (x[i] - mean) / sqrt(variance + 1e-12) * (double)tiny_value(weight, (uint64_t)i) +
               (double)tiny_value(bias, (uint64_t)i);
}

static void attend_by_hand(state *query, state *key, state *value, uint32_t count, uint32_t at, double *out)
{
    enum { SIZE = TINY_HIDDEN / TINY_HEADS };
    for (int head = 0; head < TINY_HEADS; head++) {
        double share[TINY_POSITIONS], total = 0;
        for (uint32_t j = 0; j < count; j++) {
            double dot = 0;
            for (int i = head * SIZE; i < (head + 1) * SIZE; i++)
                dot += query[at][i] * key[j][i];
            total += share[j] = exp(dot / sqrt(SIZE));
        }
        for (int i = head * SIZE; i < (head + 1) * SIZE; i++) {
            out[i] = 0;
            for (uint32_t j = 0; j < count; j++)
                out[i] += share[j] / total * value[j][i];
        }
    }
}

static void layer_by_hand(uint32_t layer, state *x, uint32_t count)
{
    state query[TINY_POSITIONS], key[TINY_POSITIONS], value[TINY_POSITIONS];
    char name[96];
    for (uint32_t i = 0; i < count; i++) {
        linear_by_hand(layer, "attention.self.query", x[i], TINY_HIDDEN, query[i], TINY_HIDDEN);
        linear_by_hand(layer, "attention.self.key", x[i], TINY_HIDDEN, key[i], TINY_HIDDEN);
        linear_by_hand(layer, "attention.self.value", x[i], TINY_HIDDEN, value[i], TINY_HIDDEN);
    }
    for (uint32_t i = 0; i < count; i++) {
        double attended[TINY_HIDDEN], out[TINY_HIDDEN], inner[TINY_INNER];
        attend_by_hand(query, key, value, count, i, attended);
        linear_by_hand(layer, "attention.output.dense", attended, TINY_HIDDEN, out, TINY_HIDDEN);
        for (int j = 0; j < TINY_HIDDEN; j++)
            x[i][j] += out[j];
        snprintf(name, sizeof name, "encoder.layer.%u.attention.output.LayerNorm", layer);
        norm_by_hand(name, x[i]);
        linear_by_hand(layer, "intermediate.dense", x[i], TINY_HIDDEN, inner, TINY_INNER);
        for (int j = 0; j < TINY_INNER; j++)
            inner[j] = inner[j] / 2 * (1 + erf(inner[j] / sqrt(2)));
        linear_by_hand(layer, "output.dense", inner, TINY_INNER, out, TINY_HIDDEN);
        for (int j = 0; j < TINY_HIDDEN; j++)
            x[i][j] += out[j];
        snprintf(name, sizeof name, "encoder.layer.%u.output.LayerNorm", layer);
        norm_by_hand(name, x[i]);
    }
}

void tiny_reference(const uint32_t *tokens, uint32_t count, bool first_token, double out[TINY_HIDDEN])
{
    state x[TINY_POSITIONS] = { { 0 } };
    double squares = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < TINY_HIDDEN; j++)
            x[i][j] = (double)tiny_value("embeddings.word_embeddings.weight", (uint64_t)tokens[i] * TINY_HIDDEN + j) +
                      (double)tiny_value("embeddings.position_embeddings.weight", (uint64_t)i * TINY_HIDDEN + j) +
                      (double)tiny_value("embeddings.token_type_embeddings.weight", j);
        norm_by_hand("embeddings.LayerNorm", x[i]);
    }
    for (uint32_t layer = 0; layer < TINY_LAYERS; layer++)
        layer_by_hand(layer, x, count);
    for (int j = 0; j < TINY_HIDDEN; j++) {
        out[j] = 0;
        for (uint32_t i = 0; i < (first_token ? 1 : count); i++)
            out[j] += x[i][j];
        squares += out[j] * out[j];
    }
    for (int j = 0; j < TINY_HIDDEN; j++)
        out[j] /= sqrt(squares);
}
