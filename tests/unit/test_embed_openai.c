/* test_embed_openai.c - what the embedders "openai" and "ollama" promise, against a server that misbehaves in every way there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/embed_server.h"
#include "../support/scratch.h"

#include <base/buffer.h>
#include <math.h>
#include <pthread.h>
#include <quipu/embedder.h>
#include <quipu/plugin.h>
#include <sdk/services.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern const quipu_plugin quipu_plugin_entry; /* the plugin is linked in */

#define SECRET "sk-neverToBeSeen0123456789"

static embed_server *server;
static quipu_error fault;
static char logged[4096];

static void keep_log(const quipu_host *host, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    size_t len = strlen(logged);
    (void)host, (void)level, (void)component;
    snprintf(logged + len, sizeof logged - len, "%.*s\n", (int)message->len, message->ptr);
}

static const void *log_only(const quipu_host *host, const quipu_str *id)
{
    static const quipu_log_service log = { sizeof log, 0, keep_log };
    (void)host;
    return QUIPU_IS(id, QUIPU_SERVICE_LOG) ? &log : NULL;
}

static const quipu_host host = { .struct_size = sizeof host, .abi = QUIPU_ABI_VERSION, .get_service = log_only };

static const quipu_embedder_api *api(const char *name)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EMBEDDERS);
    const quipu_embedder_list *list = quipu_plugin_entry.get_factory(&id);
    for (uint64_t i = 0; i < list->items.count; i++) {
        const quipu_embedder_desc *d = QUIPU_AT(quipu_embedder_desc, &list->items, i);
        if (d->name.len == strlen(name) && memcmp(d->name.ptr, name, d->name.len) == 0)
            return d->api;
    }
    return NULL;
}

static int begin(void **state)
{
    static const char *const unset[] = { "OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST", "http_proxy",
                                         "HTTP_PROXY",     "ALL_PROXY",       "all_proxy",   "TEST_KEY" };
    (void)state;
    for (size_t i = 0; i < sizeof unset / sizeof unset[0]; i++)
        unsetenv(unset[i]);
    server = embed_server_start();
    fault = (quipu_error){ .struct_size = sizeof fault };
    logged[0] = '\0';
    return 0;
}

static int end(void **state)
{
    (void)state;
    embed_server_stop(server);
    return 0;
}

static void script(embed_step first, embed_step rest)
{
    const embed_step steps[] = { first, rest };
    embed_server_script(server, steps, 2);
}

/* members: after base_url and model, as ",\"batch\":2". */
static int32_t open_as(const char *name, const char *members, quipu_embedder **out)
{
    char config[1024];
    snprintf(config, sizeof config, "{\"base_url\":\"http://127.0.0.1:%d%s\",\"model\":\"m\"%s}",
             embed_server_port(server), strcmp(name, "ollama") == 0 ? "" : "/v1", members);
    quipu_str text = str_of(config);
    assert_int_equal(api(name)->create(&host, out, NULL), QUIPU_OK);
    int32_t code = api(name)->open(*out, &text, NULL, &fault);
    if (code != QUIPU_OK) {
        api(name)->destroy(*out);
        *out = NULL;
    }
    return code;
}

static int32_t open_with(const char *members, quipu_embedder **out)
{
    return open_as("openai", members, out);
}

typedef struct answer {
    uint64_t count;
    bool seen[64];
    float vectors[64][EMBED_SERVER_DIMENSION];
} answer;

static int32_t take(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    answer *a = context;
    assert_true(index < 64 && !a->seen[index]);
    assert_int_equal(dimension, EMBED_SERVER_DIMENSION);
    a->seen[index] = true;
    memcpy(a->vectors[index], vector, sizeof a->vectors[index]);
    a->count++;
    return 0;
}

static int32_t embed(quipu_embedder *e, const char *const *texts, uint64_t count, uint32_t purpose,
                     const quipu_call *call, answer *a)
{
    quipu_str list[64];
    for (uint64_t i = 0; i < count; i++)
        list[i] = str_of(texts[i]);
    quipu_array array = { list, count, sizeof list[0] };
    memset(a, 0, sizeof *a);
    fault = (quipu_error){ .struct_size = sizeof fault };
    return api("openai")->embed(e, &array, purpose, take, a, call, &fault);
}

static void assert_vector(const answer *a, uint64_t at, const char *text)
{
    float expected[EMBED_SERVER_DIMENSION];
    embed_server_vector(text, expected);
    assert_true(a->seen[at]);
    for (int i = 0; i < EMBED_SERVER_DIMENSION; i++)
        assert_true(fabs((double)a->vectors[at][i] - (double)expected[i]) < 1e-6);
}

static const char *const three[] = { "one", "two \"quoted\"\n\xc3\xa9", "three" };

static void assert_three(const answer *a)
{
    assert_int_equal(a->count, 3);
    for (uint64_t i = 0; i < 3; i++)
        assert_vector(a, i, three[i]);
}

static void vectors_come_in_any_form_that_servers_send(void **state)
{
    static const embed_step forms[] = { STEP_GOOD, STEP_BASE64, STEP_SHUFFLED, STEP_NO_INDEX };
    answer a;
    quipu_embedder *e;
    quipu_model model = { .struct_size = sizeof model };
    (void)state;
    assert_int_equal(open_with("", &e), QUIPU_OK);
    assert_int_equal(embed_server_requests(server), 1); /* it asked how long vectors are */
    assert_int_equal(api("openai")->model(e, &model, NULL), QUIPU_OK);
    assert_int_equal(model.dimension, EMBED_SERVER_DIMENSION);
    assert_memory_equal(model.id.ptr, "openai:m:", 9);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        script(forms[i], forms[i]);
        assert_int_equal(embed(e, three, 3, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
        assert_three(&a);
        assert_int_equal(embed_server_requests(server), 1);
    }
    assert_true(embed_server_saw(server, "\"encoding_format\":\"float\""));
    assert_false(embed_server_saw(server, "dimensions"));
    assert_false(embed_server_saw(server, "Authorization"));
    api("openai")->destroy(e);
}

static void ollama_is_asked_in_its_own_way(void **state)
{
    answer a;
    quipu_embedder *e;
    quipu_model model = { .struct_size = sizeof model };
    (void)state;
    assert_int_equal(open_as("ollama", "", &e), QUIPU_OK);
    assert_int_equal(embed(e, three, 3, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    assert_three(&a);
    assert_true(embed_server_saw(server, "POST /api/embed "));
    assert_false(embed_server_saw(server, "encoding_format"));
    assert_int_equal(api("ollama")->model(e, &model, NULL), QUIPU_OK);
    assert_memory_equal(model.id.ptr, "ollama:m:", 9);
    script(STEP_404, STEP_404);
    assert_int_equal(embed(e, three, 1, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_E_NOT_FOUND);
    assert_non_null(strstr(fault.message, "no such thing"));
    assert_non_null(strstr(fault.message, "ollama pull"));
    api("ollama")->destroy(e);
}

static void blank_texts_are_zeros_and_are_not_sent(void **state)
{
    answer a;
    quipu_embedder *e;
    const char *const texts[] = { "", "one", " \n" };
    (void)state;
    assert_int_equal(open_with(",\"dimension\":8", &e), QUIPU_OK);
    assert_int_equal(embed_server_requests(server), 0);
    assert_int_equal(embed(e, texts, 3, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    assert_int_equal(a.count, 3);
    assert_vector(&a, 1, "one");
    for (int i = 0; i < EMBED_SERVER_DIMENSION; i++)
        assert_true(a.vectors[0][i] == 0 && a.vectors[2][i] == 0);
    assert_true(embed_server_saw(server, "\"input\":[\"one\"]"));
    api("openai")->destroy(e);
}

static void batches_are_split_as_set_and_where_the_server_finds_them_too_large(void **state)
{
    answer a;
    quipu_embedder *e;
    const char *texts[10];
    char names[10][8], *longest = malloc(5001);
    (void)state;
    assert_non_null(longest);
    for (int i = 0; i < 10; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        texts[i] = names[i];
    }
    assert_int_equal(open_with(",\"dimension\":8,\"batch\":4", &e), QUIPU_OK);
    assert_int_equal(embed(e, texts, 10, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    assert_int_equal(a.count, 10);
    assert_int_equal(embed_server_requests(server), 3);
    script(STEP_TOO_MANY, STEP_TOO_MANY);
    assert_int_equal(embed(e, texts, 10, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    assert_int_equal(a.count, 10);
    for (uint64_t i = 0; i < 10; i++)
        assert_vector(&a, i, texts[i]);
    assert_int_equal(embed_server_requests(server), 7); /* 4: refused, 2, 2; again; then 2 */
    memset(longest, 'x', 5000);                         /* cut to 2,500, then to 1,250 */
    longest[5000] = '\0';
    texts[0] = longest;
    script(STEP_TOO_MANY, STEP_TOO_MANY);
    assert_int_equal(embed(e, texts, 1, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    longest[1250] = '\0';
    assert_vector(&a, 0, longest);
    free(longest);
    api("openai")->destroy(e);
}

static void prefixes_and_dimensions_are_sent_where_they_are_set(void **state)
{
    answer a;
    quipu_embedder *e;
    (void)state;
    assert_int_equal(
        open_with(",\"dimension\":8,\"ask_dimension\":true,\"query_prefix\":\"q: \",\"passage_prefix\":\"p: \"", &e),
        QUIPU_OK);
    assert_int_equal(embed(e, three, 1, QUIPU_EMBED_QUERY, NULL, &a), QUIPU_OK);
    assert_vector(&a, 0, "q: one");
    assert_true(embed_server_saw(server, "\"dimensions\":8"));
    assert_int_equal(embed(e, three, 1, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    assert_vector(&a, 0, "p: one");
    api("openai")->destroy(e);
}

/* ---- what goes wrong for a while ---- */

static void what_passes_is_tried_again(void **state)
{
    static const embed_step passing[] = { STEP_429, STEP_500, STEP_503, STEP_HANG_UP, STEP_CUT };
    answer a;
    quipu_embedder *e;
    (void)state;
    assert_int_equal(open_with(",\"dimension\":8", &e), QUIPU_OK);
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        int64_t began = monotonic_now();
        script(passing[i], STEP_GOOD);
        assert_int_equal(embed(e, three, 3, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
        assert_three(&a);
        assert_int_equal(embed_server_requests(server), 2);
        int64_t took = (monotonic_now() - began) / 1000000;
        int64_t least = passing[i] == STEP_429 ? 900 : 100; /* Retry-After; else a pause that is drawn at random */
        assert_true(took >= least);
    }
    api("openai")->destroy(e);
}

static void attempts_end(void **state)
{
    answer a;
    quipu_embedder *e;
    (void)state;
    assert_int_equal(open_with(",\"dimension\":8,\"attempts\":3", &e), QUIPU_OK);
    script(STEP_500, STEP_500);
    assert_int_equal(embed(e, three, 3, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_E_NETWORK);
    assert_int_equal(embed_server_requests(server), 3);
    assert_non_null(strstr(fault.message, "HTTP 500: no such thing after 3 attempts"));
    assert_int_equal(a.count, 0);
    script(STEP_500, STEP_500);
    assert_int_equal(embed(e, three, 1, QUIPU_EMBED_QUERY, NULL, &a), QUIPU_E_NETWORK);
    assert_int_equal(embed_server_requests(server), 2); /* somebody waits for the answer to a question */
    script(STEP_429_LATER, STEP_GOOD);                  /* an hour is longer than anybody waits */
    assert_int_equal(embed(e, three, 3, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_E_NETWORK);
    assert_int_equal(embed_server_requests(server), 1);
    assert_non_null(strstr(fault.message, "it asks to wait 3600 s"));
    api("openai")->destroy(e);
}

static void an_endpoint_that_is_away_keeps_nothing_from_being_opened(void **state)
{
    answer a;
    quipu_embedder *e;
    quipu_model model = { .struct_size = sizeof model };
    int port = embed_server_port(server);
    char config[128];
    (void)state;
    embed_server_stop(server);
    snprintf(config, sizeof config, "{\"base_url\":\"http://127.0.0.1:%d/v1\",\"model\":\"m\",\"attempts\":1}", port);
    quipu_str text = str_of(config);
    assert_int_equal(api("openai")->create(&host, &e, NULL), QUIPU_OK);
    assert_int_equal(api("openai")->open(e, &text, NULL, &fault), QUIPU_OK);
    assert_non_null(strstr(logged, "cannot be reached"));
    assert_int_equal(api("openai")->model(e, &model, &fault), QUIPU_E_NETWORK);
    assert_string_equal(fault.field, "dimension");
    assert_int_equal(embed(e, three, 1, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_E_NETWORK);
    assert_non_null(strstr(fault.message, "cannot be reached"));
    api("openai")->destroy(e);
    server = embed_server_start();
}

static void the_dimension_is_learnt_once_the_endpoint_answers(void **state)
{
    answer a;
    quipu_embedder *e;
    quipu_model model = { .struct_size = sizeof model };
    (void)state;
    script(STEP_500, STEP_GOOD);
    assert_int_equal(open_with("", &e), QUIPU_OK);
    assert_int_equal(api("openai")->model(e, &model, &fault), QUIPU_E_NETWORK);
    assert_int_equal(embed(e, three, 3, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    assert_int_equal(api("openai")->model(e, &model, NULL), QUIPU_OK);
    assert_int_equal(model.dimension, EMBED_SERVER_DIMENSION);
    api("openai")->destroy(e);
}

/* ---- deadline and cancel ---- */

static void deadlines_and_cancels_end_the_wait(void **state)
{
    static const embed_step waits[] = { STEP_429, STEP_SLOW };
    answer a;
    quipu_embedder *e;
    (void)state;
    assert_int_equal(open_with(",\"dimension\":8", &e), QUIPU_OK);
    for (size_t i = 0; i < 2; i++) {
        int64_t began = monotonic_now();
        quipu_call call = { .struct_size = sizeof call, .deadline_ns = began + 300000000 };
        script(waits[i], waits[i]);
        int32_t code = embed(e, three, 3, QUIPU_EMBED_PASSAGE, &call, &a);
        assert_true(code == (waits[i] == STEP_SLOW ? QUIPU_E_TIMEOUT : QUIPU_E_NETWORK));
        assert_true((monotonic_now() - began) / 1000000 < 1500);
    }
    api("openai")->destroy(e);
}

static void *cancel_soon(void *context)
{
    quipu_cancel *token = context;
    const struct timespec soon = { 0, 200000000 };
    nanosleep(&soon, NULL);
    __atomic_store_n(&token->flag, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void a_cancel_is_seen_while_the_server_is_slow_and_between_attempts(void **state)
{
    static const embed_step waits[] = { STEP_429, STEP_SLOW };
    answer a;
    quipu_embedder *e;
    pthread_t thread;
    (void)state;
    assert_int_equal(open_with(",\"dimension\":8", &e), QUIPU_OK);
    for (size_t i = 0; i < 2; i++) {
        quipu_cancel token = { .struct_size = sizeof token, .fd = -1 };
        quipu_call call = { .struct_size = sizeof call, .cancel = &token };
        int64_t began = monotonic_now();
        script(waits[i], waits[i]);
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &token), 0);
        assert_int_equal(embed(e, three, 3, QUIPU_EMBED_PASSAGE, &call, &a), QUIPU_E_CANCELLED);
        assert_true((monotonic_now() - began) / 1000000 < 900);
        pthread_join(thread, NULL);
    }
    api("openai")->destroy(e);
}

/* ---- answers that cannot be used ---- */

static void answers_that_cannot_be_used_are_refused_and_say_why(void **state)
{
    static const struct {
        embed_step step;
        int32_t code;
        const char *message;
    } cases[] = {
        { STEP_GARBAGE, QUIPU_E_PLUGIN, "cannot be used" },
        { STEP_OTHER_JSON, QUIPU_E_PLUGIN, "no list \"data\"" },
        { STEP_ERROR_200, QUIPU_E_NETWORK, "no such thing" },
        { STEP_NAN, QUIPU_E_PLUGIN, "cannot be used" },
        { STEP_OVERFLOW, QUIPU_E_PLUGIN, "cannot be used" },
        { STEP_NULL, QUIPU_E_PLUGIN, "no finite number" },
        { STEP_DIMENSION, QUIPU_E_PLUGIN, "9 floats for the model m, but 8 are expected" },
        { STEP_UNEQUAL, QUIPU_E_PLUGIN, "not all of one length" },
        { STEP_EMPTY, QUIPU_E_PLUGIN, "empty" },
        { STEP_FEWER, QUIPU_E_PLUGIN, "not one vector for each text" },
        { STEP_TWICE, QUIPU_E_PLUGIN, "which vector is of which text" },
        { STEP_HUGE, QUIPU_E_TOO_LARGE, "larger than" },
        { STEP_404, QUIPU_E_NOT_FOUND, "HTTP 404: no such thing" },
        { STEP_REDIRECT, QUIPU_E_INVALID, "redirects are not followed" },
    };
    answer a;
    quipu_embedder *e;
    (void)state;
    assert_int_equal(open_with(",\"dimension\":8", &e), QUIPU_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        script(cases[i].step, cases[i].step);
        int32_t code = embed(e, three, 3, QUIPU_EMBED_PASSAGE, NULL, &a);
        if (code != cases[i].code || !strstr(fault.message, cases[i].message))
            fail_msg("step %d: %d, %s", (int)cases[i].step, code, fault.message);
        assert_int_equal(a.count, 0);
        assert_int_equal(embed_server_requests(server), 1);
    }
    api("openai")->destroy(e);
}

/* ---- the key ---- */

static void the_key_is_sent_and_never_shown(void **state)
{
    answer a;
    quipu_embedder *e;
    (void)state;
    setenv("TEST_KEY", SECRET, 1);
    assert_int_equal(open_with(",\"dimension\":8,\"key_env\":\"TEST_KEY\"", &e), QUIPU_OK);
    assert_int_equal(embed(e, three, 1, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    assert_true(embed_server_saw(server, "Authorization: Bearer " SECRET "\r\n"));
    script(STEP_401, STEP_401);
    assert_int_equal(embed(e, three, 1, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_E_DENIED);
    assert_non_null(strstr(fault.message, "refuses the key of TEST_KEY"));
    assert_null(strstr(fault.message, "sk-"));
    assert_null(strstr(logged, "sk-"));
    assert_int_equal(embed_server_requests(server), 1);
    api("openai")->destroy(e);
}

static void a_key_of_the_environment_goes_nowhere_unasked(void **state)
{
    answer a;
    quipu_embedder *e;
    char url[64];
    (void)state;
    setenv("OPENAI_API_KEY", SECRET, 1);
    assert_int_equal(open_with(",\"dimension\":8", &e), QUIPU_OK); /* the settings name the address */
    assert_int_equal(embed(e, three, 1, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    assert_false(embed_server_saw(server, "Authorization"));
    api("openai")->destroy(e);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/", embed_server_port(server));
    setenv("OPENAI_BASE_URL", url, 1); /* the environment does */
    quipu_str text = QUIPU_STR_INIT("{\"model\":\"m\",\"dimension\":8}");
    assert_int_equal(api("openai")->create(&host, &e, NULL), QUIPU_OK);
    assert_int_equal(api("openai")->open(e, &text, NULL, &fault), QUIPU_OK);
    assert_int_equal(embed(e, three, 1, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    assert_true(embed_server_saw(server, "Bearer " SECRET));
    assert_true(embed_server_saw(server, "POST /v1/embeddings "));
    api("openai")->destroy(e);
}

static void a_key_file_is_its_owners_alone(void **state)
{
    char folder[128], path[160], members[256];
    answer a;
    quipu_embedder *e;
    (void)state;
    scratch_make(folder);
    snprintf(path, sizeof path, "%s/key", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(SECRET "\n", file);
    fclose(file);
    snprintf(members, sizeof members, ",\"dimension\":8,\"key_file\":\"%s\"", path);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(open_with(members, &e), QUIPU_E_DENIED);
    assert_non_null(strstr(fault.message, "chmod 600"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(open_with(members, &e), QUIPU_OK);
    assert_int_equal(embed(e, three, 1, QUIPU_EMBED_PASSAGE, NULL, &a), QUIPU_OK);
    assert_true(embed_server_saw(server, "Bearer " SECRET "\r\n"));
    api("openai")->destroy(e);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(open_with(members, &e), QUIPU_E_INVALID);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_with(members, &e), QUIPU_E_NOT_FOUND);
    scratch_remove(folder);
}

static void bad_settings_are_refused_by_name(void **state)
{
    static const struct {
        const char *config, *field;
    } cases[] = { { "{\"nonsense\":4}", "nonsense" },
                  { "{\"key\":\"" SECRET "\"}", "key" },
                  { "{\"api_key\":\"" SECRET "\"}", "api_key" },
                  { "{\"model\":\"\"}", "model" },
                  { "{\"model\":7}", "model" },
                  { "{\"dimension\":0}", "dimension" },
                  { "{\"dimension\":65537}", "dimension" },
                  { "{\"batch\":2049}", "batch" },
                  { "{\"timeout\":0}", "timeout" },
                  { "{\"attempts\":21}", "attempts" },
                  { "{\"ask_dimension\":1}", "ask_dimension" },
                  { "{\"base_url\":\"ftp://a\"}", "base_url" },
                  { "{\"base_url\":\"http://\"}", "base_url" },
                  { "{\"base_url\":\"http://a b\"}", "base_url" },
                  { "{\"base_url\":\"https://user:" SECRET "@a\"}", "base_url" },
                  { "{\"base_url\":\"https://a/v1?key=" SECRET "\"}", "base_url" },
                  { "{\"base_url\":\"http://example.org\",\"key_env\":\"TEST_KEY\"}", "base_url" },
                  { "[]", "config" } };
    (void)state;
    setenv("TEST_KEY", SECRET, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        quipu_embedder *e;
        quipu_str text = str_of(cases[i].config);
        fault = (quipu_error){ .struct_size = sizeof fault };
        assert_int_equal(api("openai")->create(&host, &e, NULL), QUIPU_OK);
        if (api("openai")->open(e, &text, NULL, &fault) != QUIPU_E_INVALID || strcmp(fault.field, cases[i].field) != 0)
            fail_msg("%s: field %s, %s", cases[i].config, fault.field, fault.message);
        assert_null(strstr(fault.message, "sk-"));
        api("openai")->destroy(e);
    }
    quipu_embedder *e;
    assert_int_equal(open_with(",\"key_env\":\"NO_SUCH_VARIABLE\"", &e), QUIPU_E_NOT_FOUND);
    assert_string_equal(fault.field, "key_env");
    setenv("TEST_KEY", "two words", 1);
    assert_int_equal(open_with(",\"key_env\":\"TEST_KEY\"", &e), QUIPU_E_INVALID);
    assert_string_equal(fault.field, "key_env");
}

/* ---- many at once ---- */

static void *embed_often(void *context)
{
    quipu_embedder *e = context;
    for (int i = 0; i < 10; i++) {
        quipu_str text = str_of(three[i % 3]);
        quipu_array texts = { &text, 1, sizeof text };
        answer a = { 0 };
        if (api("openai")->embed(e, &texts, QUIPU_EMBED_PASSAGE, take, &a, NULL, NULL) != QUIPU_OK || a.count != 1)
            return NULL;
    }
    return e;
}

static void any_number_of_threads_may_embed(void **state)
{
    pthread_t threads[6];
    quipu_embedder *e;
    void *good;
    (void)state;
    assert_int_equal(open_with("", &e), QUIPU_OK);
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, embed_often, e), 0);
    for (int i = 0; i < 6; i++) {
        pthread_join(threads[i], &good);
        assert_non_null(good);
    }
    api("openai")->destroy(e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_come_in_any_form_that_servers_send),
        TEST(ollama_is_asked_in_its_own_way),
        TEST(blank_texts_are_zeros_and_are_not_sent),
        TEST(batches_are_split_as_set_and_where_the_server_finds_them_too_large),
        TEST(prefixes_and_dimensions_are_sent_where_they_are_set),
        TEST(what_passes_is_tried_again),
        TEST(attempts_end),
        TEST(an_endpoint_that_is_away_keeps_nothing_from_being_opened),
        TEST(the_dimension_is_learnt_once_the_endpoint_answers),
        TEST(deadlines_and_cancels_end_the_wait),
        TEST(a_cancel_is_seen_while_the_server_is_slow_and_between_attempts),
        TEST(answers_that_cannot_be_used_are_refused_and_say_why),
        TEST(the_key_is_sent_and_never_shown),
        TEST(a_key_of_the_environment_goes_nowhere_unasked),
        TEST(a_key_file_is_its_owners_alone),
        TEST(bad_settings_are_refused_by_name),
        TEST(any_number_of_threads_may_embed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
