/* answer.c - see remote.h: what an endpoint answers. Nothing in it is believed before it is checked. */
#include "remote.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <sdk/vectors.h>
#include <stdio.h>
#include <stdlib.h>

#define SAID_MAX 300 /* bytes of an endpoint's own words that a message may hold */

/* ---- what is wrong ---- */

/* The endpoint's own words: {"error":{"message":...}}, {"error":"..."}, or nothing. */
static const char *said(const cJSON *tree)
{
    const cJSON *fault = cJSON_GetObjectItemCaseSensitive(tree, "error");
    const cJSON *text = cJSON_IsObject(fault) ? cJSON_GetObjectItemCaseSensitive(fault, "message") : fault;
    return cJSON_IsString(text) ? text->valuestring : "";
}

static int32_t code_of(int status)
{
    if (status == 401 || status == 403)
        return QUIPU_E_DENIED;
    if (status == 404)
        return QUIPU_E_NOT_FOUND;
    return status == 408 || status == 429 || status >= 500 ? QUIPU_E_NETWORK : QUIPU_E_INVALID;
}

static int32_t refuse_key(const remote *r, int status, quipu_error *error)
{
    /* Endpoints repeat part of the key in their words: they are left out. */
    if (!r->key_from)
        return fail(
            error, QUIPU_E_DENIED, "key_env",
            "%s wants a key (HTTP %d); name the variable that holds it with the setting key_env, or a file with "
            "key_file",
            r->url, status);
    return fail(error, QUIPU_E_DENIED, "key_env", "%s refuses the key of %s (HTTP %d)", r->url, r->key_from, status);
}

int32_t answer_fault(const remote *r, const http_answer *answer, quipu_error *error)
{
    cJSON *tree = NULL;
    quipu_error ignored = { .struct_size = sizeof ignored };
    char again[64] = "";
    int status = answer->status;
    if (status == 401 || status == 403)
        return refuse_key(r, status, error);
    if (answer->body.len > 0)
        json_parse(str_make(answer->body.bytes, answer->body.len), &tree, &ignored);
    const char *words = said(tree);
    if (answer->retry_ms > 0)
        snprintf(again, sizeof again, "; it asks to wait %lld s", (long long)(answer->retry_ms / 1000));
    const char *advice = status == 404 && r->ollama ? "; ollama pull fetches a model" : "";
    if (status >= 300 && status < 400)
        advice = "; redirects are not followed, set base_url to where it leads";
    int32_t code = fail(error, code_of(status), NULL, "%s answers HTTP %d%s%.*s%s%s after %u %s", r->url, status,
                        *words ? ": " : "", SAID_MAX, words, again, advice, answer->tried,
                        answer->tried == 1 ? "attempt" : "attempts");
    cJSON_Delete(tree);
    return code;
}

static int32_t no_answer(const remote *r, quipu_error *error, const char *why)
{
    return fail(error, QUIPU_E_PLUGIN, NULL, "what %s answers cannot be used: %s", r->url, why);
}

/* ---- vectors ---- */

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Floats, little-endian, in base64; how many, 0 where it is none. `out` may be NULL, to count. */
static uint64_t read_base64(const char *text, float *out)
{
    size_t len = strlen(text), count = 0;
    uint32_t bits = 0, held = 0, word = 0, bytes = 0;
    while (len > 0 && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return 0;
        bits = bits << 6 | (uint32_t)value;
        if ((held += 6) < 8)
            continue;
        held -= 8;
        word |= (bits >> held & 0xffu) << (8 * bytes++);
        if (bytes < 4)
            continue;
        if (out)
            memcpy(&out[count], &word, sizeof word);
        count++;
        word = bytes = 0;
    }
    return bytes == 0 ? count : 0;
}

static uint64_t vector_length(const cJSON *vector)
{
    if (cJSON_IsString(vector))
        return read_base64(vector->valuestring, NULL);
    return cJSON_IsArray(vector) ? (uint64_t)cJSON_GetArraySize(vector) : 0;
}

static bool read_floats(const cJSON *vector, float *out)
{
    const cJSON *item;
    double value;
    if (cJSON_IsString(vector)) {
        read_base64(vector->valuestring, out);
        return true;
    }
    cJSON_ArrayForEach(item, vector)
    {
        if (!json_is_number(item, &value))
            return false;
        *out++ = (float)value;
    }
    return true;
}

static int32_t take_vector(const remote *r, const cJSON *vector, uint64_t at, remote_vectors *out, quipu_error *error)
{
    float *to = out->floats + at * out->dimension;
    if (vector_length(vector) != out->dimension)
        return no_answer(r, error, "its vectors are not all of one length");
    if (!read_floats(vector, to) || !vectors_are_finite(to, (uint32_t)out->dimension))
        return no_answer(r, error, "a vector holds what is no finite number");
    vectors_normalise(to, (uint32_t)out->dimension, to);
    return QUIPU_OK;
}

/* The vector number `i` of the list, and which text it belongs to. */
static const cJSON *vector_at(const remote *r, const cJSON *item, uint64_t i, uint64_t *index)
{
    int64_t given;
    *index = i;
    if (r->ollama)
        return item;
    if (json_is_int(cJSON_GetObjectItemCaseSensitive(item, "index"), &given))
        *index = given < 0 ? UINT64_MAX : (uint64_t)given;
    return cJSON_GetObjectItemCaseSensitive(item, "embedding");
}

static int32_t take_all(const remote *r, const cJSON *list, uint32_t count, bool *seen, remote_vectors *out,
                        quipu_error *error)
{
    const cJSON *item;
    uint64_t i = 0, index;
    int32_t code = QUIPU_OK;
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *vector = vector_at(r, item, i++, &index);
        if (code != QUIPU_OK)
            return code;
        if (index >= count || seen[index])
            return no_answer(r, error, "it does not say which vector is of which text");
        seen[index] = true;
        code = take_vector(r, vector, index, out, error);
    }
    return code;
}

static int32_t read_list(const remote *r, const cJSON *list, uint32_t count, remote_vectors *out, quipu_error *error)
{
    uint64_t index;
    out->dimension = vector_length(vector_at(r, cJSON_GetArrayItem(list, 0), 0, &index));
    if (out->dimension == 0 || out->dimension > REMOTE_DIMENSION_MAX)
        return no_answer(r, error, "its vectors are empty, or far too long");
    bool *seen = calloc(count, sizeof *seen);
    out->floats = calloc(count * out->dimension, sizeof *out->floats);
    int32_t code = seen && out->floats ? take_all(r, list, count, seen, out, error)
                                       : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
    free(seen);
    if (code != QUIPU_OK) {
        free(out->floats);
        out->floats = NULL;
    }
    return code;
}

int32_t answer_read(const remote *r, const http_answer *answer, uint32_t count, remote_vectors *out, quipu_error *error)
{
    cJSON *tree = NULL;
    quipu_error why = { .struct_size = sizeof why };
    *out = (remote_vectors){ 0 };
    int32_t code = json_parse(str_make(answer->body.bytes ? answer->body.bytes : "", answer->body.len), &tree, &why);
    if (code == QUIPU_E_NO_MEMORY)
        return fail(error, code, NULL, "there is no memory for an answer");
    if (code != QUIPU_OK)
        return no_answer(r, error, why.message);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(tree, r->ollama ? "embeddings" : "data");
    if (*said(tree)) /* some gateways report with HTTP 200 */
        code = fail(error, QUIPU_E_NETWORK, NULL, "%s answers with an error: %.*s", r->url, SAID_MAX, said(tree));
    else if (!cJSON_IsArray(list))
        code = no_answer(r, error, r->ollama ? "it has no list \"embeddings\"" : "it has no list \"data\"");
    else if (cJSON_GetArraySize(list) != (int)count)
        code = no_answer(r, error, "it has not one vector for each text");
    else
        code = read_list(r, list, count, out, error);
    cJSON_Delete(tree);
    return code;
}
