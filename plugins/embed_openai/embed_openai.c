/*
 * embed_openai.c - the embedders "openai" (any endpoint with OpenAI's POST /embeddings) and "ollama" (POST /api/embed). Settings:
 *
 *   "model"           as the endpoint calls it (text-embedding-3-small; nomic-embed-text)
 *   "base_url"        what comes before /embeddings ($OPENAI_BASE_URL, else https://api.openai.com/v1), or before /api/embed
 *                     ($OLLAMA_HOST, else http://127.0.0.1:11434)
 *   "key_env"         the environment variable that holds the key; "key_file": a file of mode 600 that does
 *   "dimension"       floats of a vector, where it is no model that is known here; else the endpoint is asked when it is opened
 *   "ask_dimension"   whether requests ask for that dimension (for the models that can shorten their vectors)
 *   "batch"           texts of a request (64); "timeout": seconds of an attempt (60); "attempts" (5)
 *   "query_prefix", "passage_prefix"   what goes before a question, before a text
 *   "authorities"     a file of certificates to trust in place of the system's
 *   "allow_http"      a key may be sent unencrypted to another machine
 */
#include "remote.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/embedder.h>
#include <sdk/services.h>
#include <sdk/settings.h>
#include <stdio.h>
#include <stdlib.h>

#define PROBE_MS 5000 /* that opening may wait for an endpoint to say its dimension */

typedef struct remote_settings {
    char *model, *base_url, *key_env, *key_file, *query_prefix, *passage_prefix, *authorities;
    int64_t dimension, batch, timeout, attempts;
    bool ask_dimension, ask_given, allow_http;
} remote_settings;

/* Dimensions that need not be asked for; from the models' own pages. */
static const struct {
    const char *name;
    uint32_t dimension;
    bool shortens;
} known_models[] = {
    { "text-embedding-3-small", 1536, true },
    { "text-embedding-3-large", 3072, true },
    { "text-embedding-ada-002", 1536, false },
    { "nomic-embed-text", 768, false },
    { "mxbai-embed-large", 1024, false },
    { "all-minilm", 384, false },
    { "bge-m3", 1024, false },
};

/* ---- settings ---- */

static int32_t take_text(remote_settings *s, const cJSON *item, bool *taken, quipu_error *error)
{
    const struct {
        const char *name;
        char **to;
    } texts[] = { { "model", &s->model },
                  { "base_url", &s->base_url },
                  { "key_env", &s->key_env },
                  { "key_file", &s->key_file },
                  { "query_prefix", &s->query_prefix },
                  { "passage_prefix", &s->passage_prefix },
                  { "authorities", &s->authorities } };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(item->string, texts[i].name) == 0) {
            *taken = true;
            return setting_text(item, texts[i].to, error);
        }
    return QUIPU_OK;
}

static int32_t take_setting(void *context, const cJSON *item, quipu_error *error)
{
    remote_settings *s = context;
    bool taken = false;
    int32_t code = take_text(s, item, &taken, error);
    if (taken)
        return code;
    if (strcmp(item->string, "dimension") == 0)
        return setting_integer(item, 1, REMOTE_DIMENSION_MAX, "floats", &s->dimension, error);
    if (strcmp(item->string, "batch") == 0)
        return setting_integer(item, 1, REMOTE_BATCH_MAX, "texts", &s->batch, error);
    if (strcmp(item->string, "timeout") == 0)
        return setting_integer(item, 1, 3600, "seconds", &s->timeout, error);
    if (strcmp(item->string, "attempts") == 0)
        return setting_integer(item, 1, 20, "attempts", &s->attempts, error);
    if (strcmp(item->string, "allow_http") == 0)
        return setting_bool(item, &s->allow_http, error);
    s->ask_given = s->ask_given || strcmp(item->string, "ask_dimension") == 0;
    if (strcmp(item->string, "ask_dimension") == 0)
        return setting_bool(item, &s->ask_dimension, error);
    if (strcmp(item->string, "key") == 0 || strcmp(item->string, "api_key") == 0)
        return fail(error, QUIPU_E_INVALID, item->string,
                    "a key does not belong into settings, which are stored; put it into an environment variable and "
                    "name that with "
                    "key_env, or into a file of mode 600 and name that with key_file");
    return setting_unknown(item, "this embedder",
                           "model, base_url, key_env, key_file, dimension, ask_dimension, batch, timeout, attempts, "
                           "query_prefix, passage_prefix, authorities and allow_http",
                           error);
}

static void free_settings(remote_settings *s)
{
    free(s->model);
    free(s->base_url);
    free(s->key_env);
    free(s->key_file);
    free(s->query_prefix);
    free(s->passage_prefix);
    free(s->authorities);
}

/* ---- where, and with which key ---- */

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an embedder");
}

/* $OLLAMA_HOST as Ollama's own client reads it: a host, with or without scheme and port; 0.0.0.0 is what a server is told. */
static void append_ollama_host(buffer *out)
{
    const char *host = getenv("OLLAMA_HOST");
    if (!host || !*host)
        host = "127.0.0.1:11434";
    if (!strstr(host, "://"))
        buffer_append_text(out, "http://");
    const char *any = strstr(host, "0.0.0.0"), *rest = any ? any + 7 : host;
    if (any)
        buffer_printf(out, "%.*s127.0.0.1", (int)(any - host), host);
    buffer_append_text(out, rest);
    const char *authority = strstr(host, "://") ? strstr(host, "://") + 3 : host;
    const char *bracket = strchr(authority, ']');
    if (!strchr(bracket ? bracket : authority, ':') && !strchr(authority, '/') && !strstr(host, "://"))
        buffer_append_text(out, ":11434");
}

static int32_t make_url(remote *r, const remote_settings *s, quipu_error *error)
{
    buffer url = { 0 };
    const char *variable = getenv("OPENAI_BASE_URL");
    if (s->base_url)
        buffer_append_text(&url, s->base_url);
    else if (r->ollama)
        append_ollama_host(&url);
    else
        buffer_append_text(&url, variable && *variable ? variable : "https://api.openai.com/v1");
    int32_t code = url.failed ? no_memory(error) : http_check_url(url.bytes ? url.bytes : "", "base_url", error);
    if (url.len > 0 && url.bytes[url.len - 1] == '/')
        url.bytes[--url.len] = '\0';
    buffer_append_text(&url, r->ollama ? "/api/embed" : "/embeddings");
    r->url = url.bytes;
    return code == QUIPU_OK && url.failed ? no_memory(error) : code;
}

/* $OPENAI_API_KEY goes to where the environment says, never by itself to an address that a store names. */
static int32_t make_client(remote *r, const remote_settings *s, quipu_error *error)
{
    const char *name = s->key_env ? s->key_env : r->ollama || s->base_url ? NULL : "OPENAI_API_KEY";
    char *key = NULL;
    int32_t code = key_read(name, s->key_file, &key, error);
    if (code == QUIPU_OK && s->key_env && !s->key_file && !key)
        code = fail(error, QUIPU_E_NOT_FOUND, "key_env",
                    "the environment variable %s, which is to hold the key, is not set", s->key_env);
    if (code == QUIPU_OK && key && !s->allow_http && !http_url_is_private(r->url))
        code = fail(error, QUIPU_E_INVALID, "base_url",
                    "the key would be sent unencrypted to %s; use https://, or set allow_http to true", r->url);
    if (code == QUIPU_OK && key && !(r->key_from = str_dup(str_of(s->key_file ? s->key_file : name))))
        code = no_memory(error);
    http_options options = {
        .user_agent = "quipu/" QUIPU_VERSION, .key = key, .authorities = s->authorities, .attempt_ms = s->timeout * 1000
    };
    if (code == QUIPU_OK)
        code = http_client_create(&options, &r->http, error);
    key_free(key);
    return code;
}

/* ---- which model ---- */

/* Vectors may be mixed where these are equal. The address does not count: a model may move. */
static int32_t make_id(remote *r, quipu_error *error)
{
    uint8_t digest[32];
    char digits[17] = "";
    buffer all = { 0 }, id = { 0 };
    buffer_printf(&all, "%d\n%s\n%s\n%s", r->ollama, r->model, r->query_prefix, r->passage_prefix);
    if (!all.failed)
        hash_sha256(all.bytes, all.len, digest);
    hex_encode(digest, all.failed ? 0 : 4, digits);
    buffer_printf(&id, "%s:%.100s:%s", r->ollama ? "ollama" : "openai", r->model, digits);
    bool failed = all.failed || id.failed;
    buffer_free(&all);
    r->id = id.bytes;
    return failed ? no_memory(error) : QUIPU_OK;
}

/* Models are looked up without what follows ':', as "nomic-embed-text:latest" of Ollama. */
static void look_up(remote *r, const remote_settings *s)
{
    size_t len = strcspn(r->model, ":");
    r->ask_dimension = s->ask_dimension;
    r->dimension_given = (uint64_t)s->dimension;
    for (size_t i = 0; i < sizeof known_models / sizeof known_models[0]; i++)
        if (strlen(known_models[i].name) == len && strncmp(known_models[i].name, r->model, len) == 0) {
            if (!s->ask_given)
                r->ask_dimension = known_models[i].shortens && s->dimension > 0;
            if (s->dimension == 0)
                r->dimension_given = known_models[i].dimension;
        }
}

int32_t remote_dimension(remote *r, uint64_t found, quipu_error *error)
{
    pthread_mutex_lock(&r->lock);
    uint32_t known = atomic_load(&r->dimension);
    if (known == 0) {
        snprintf(r->id_text, sizeof r->id_text, "%s:%llu", r->id, (unsigned long long)found);
        atomic_store(&r->dimension, (uint32_t)found);
    }
    pthread_mutex_unlock(&r->lock);
    if (known != 0 && known != found)
        return fail(error, QUIPU_E_PLUGIN, "dimension",
                    "%s answers with vectors of %llu floats for the model %s, but %u are expected; set dimension to "
                    "what it has",
                    r->url, (unsigned long long)found, r->model, known);
    return QUIPU_OK;
}

/* An endpoint that is away does not keep a store from being opened. */
static int32_t find_dimension(remote *r, const quipu_host *host, const quipu_call *call, quipu_error *error)
{
    quipu_error why = { .struct_size = sizeof why };
    quipu_call probe = { .struct_size = sizeof probe };
    if (r->dimension_given)
        return remote_dimension(r, r->dimension_given, error);
    if (call)
        probe = *call;
    int64_t until = monotonic_now() + (int64_t)PROBE_MS * 1000000;
    if (probe.deadline_ns == 0 || probe.deadline_ns > until)
        probe.deadline_ns = until;
    int32_t code = remote_learn(r, 1, &probe, &why);
    if (code == QUIPU_OK)
        return code;
    if (code != QUIPU_E_NETWORK && code != QUIPU_E_TIMEOUT)
        return fail(error, code, why.field[0] ? why.field : NULL, "%s", why.message);
    host_log(host, QUIPU_LOG_WARNING, r->ollama ? "ollama" : "openai", "%s", why.message);
    return QUIPU_OK;
}

/* ---- life ---- */

static void remote_close(void *model)
{
    remote *r = model;
    http_client_free(r->http);
    pthread_mutex_destroy(&r->lock);
    free(r->url);
    free(r->model);
    free(r->key_from);
    free(r->query_prefix);
    free(r->passage_prefix);
    free(r->id);
    free(r);
}

static int32_t begin(remote *r, const remote_settings *s, quipu_error *error)
{
    const char *model = s->model ? s->model : r->ollama ? "nomic-embed-text" : "text-embedding-3-small";
    r->batch = (uint32_t)s->batch;
    r->attempts = (uint32_t)s->attempts;
    r->model = str_dup(str_of(model));
    r->query_prefix = str_dup(str_of(s->query_prefix ? s->query_prefix : ""));
    r->passage_prefix = str_dup(str_of(s->passage_prefix ? s->passage_prefix : ""));
    if (!r->model || !r->query_prefix || !r->passage_prefix)
        return no_memory(error);
    if (!*r->model)
        return fail(error, QUIPU_E_INVALID, "model", "model is empty; name the model as the endpoint does");
    look_up(r, s);
    int32_t code = make_url(r, s, error);
    if (code == QUIPU_OK)
        code = make_client(r, s, error);
    return code == QUIPU_OK ? make_id(r, error) : code;
}

static int32_t remote_open(bool ollama, const quipu_host *host, quipu_str config, const quipu_call *call, void **model,
                           quipu_error *error)
{
    remote_settings s = { .batch = 64, .timeout = 60, .attempts = 5 };
    remote *r = calloc(1, sizeof *r);
    if (!r)
        return no_memory(error);
    pthread_mutex_init(&r->lock, NULL);
    r->ollama = ollama;
    int32_t code = settings_read(config, take_setting, &s, error);
    if (code == QUIPU_OK)
        code = begin(r, &s, error);
    if (code == QUIPU_OK)
        code = find_dimension(r, host, call, error);
    free_settings(&s);
    if (code == QUIPU_OK)
        *model = r;
    else
        remote_close(r);
    return code;
}

static int32_t open_openai(const quipu_host *host, quipu_str config, const quipu_call *call, void **model,
                           quipu_error *error)
{
    return remote_open(false, host, config, call, model, error);
}

static int32_t open_ollama(const quipu_host *host, quipu_str config, const quipu_call *call, void **model,
                           quipu_error *error)
{
    return remote_open(true, host, config, call, model, error);
}

static int32_t remote_describe(const void *model, quipu_model *out, quipu_error *error)
{
    const remote *r = model;
    out->dimension = atomic_load(&r->dimension);
    if (out->dimension == 0)
        return fail(error, QUIPU_E_NETWORK, "dimension",
                    "%s has not said yet how long the vectors of %s are; start it, or set dimension", r->url, r->model);
    out->id = str_of(r->id_text);
    out->batch = r->batch;
    return QUIPU_OK;
}

static int32_t remote_embed_texts(void *model, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                                  void *context, const quipu_call *call, quipu_error *error)
{
    return remote_embed(model, texts, purpose, visit, context, call, error);
}

static const embedder_kind openai_kind = { open_openai, remote_close, remote_describe, remote_embed_texts };
static const embedder_kind ollama_kind = { open_ollama, remote_close, remote_describe, remote_embed_texts };

EMBEDDER_API(openai, openai_kind);
EMBEDDER_API(ollama, ollama_kind);
EMBEDDER_PLUGIN("quipu.embed_openai", 0,
                EMBEDDER_DESC(openai, "openai", "an endpoint that speaks OpenAI's /embeddings, here or elsewhere"),
                EMBEDDER_DESC(ollama, "ollama", "a model that Ollama runs (/api/embed)"));
