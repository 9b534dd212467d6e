/*
 * checks_embedder.c - what an embedder answers: one vector of unit length for each text, the same whenever it is asked.
 *
 * An embedder that cannot be opened without a setting or a model is skipped, and its reason given.
 */
#include "check_table.h"

#include <base/fail.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXTS_MOST 16
#define TOLERANCE 1e-4f /* what a batch of another size may change */

typedef struct vectors {
    probe *p;
    uint32_t dimension;
    float *values;               /* TEXTS_MOST x dimension */
    unsigned visits[TEXTS_MOST]; /* by text */
    unsigned count;              /* of all visits */
    unsigned stop_after;         /* 0: never */
    int32_t answer;              /* what the visitor then answers */
    uint64_t text_count;
} vectors;

static uint32_t dimension_of(probe *p)
{
    quipu_error error = probe_error();
    quipu_model model = { .struct_size = sizeof model };
    probe_want(p, p->embedder_api->model(p->embedder, &model, &error), QUIPU_OK, &error, "model");
    return model.dimension;
}

static void vectors_begin(vectors *v, probe *p)
{
    *v = (vectors){ .p = p, .dimension = dimension_of(p) };
    if (v->dimension == 0 || v->dimension > 65536)
        probe_fail(p, "the model's dimension is %u", v->dimension);
    v->values = calloc(TEXTS_MOST * (size_t)v->dimension, sizeof *v->values);
    if (!v->values)
        probe_skip(p, "no memory for vectors");
}

static int32_t take_vector(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    vectors *v = context;
    if (index >= v->text_count)
        probe_fail(v->p, "a vector is shown for text %llu of %llu", (unsigned long long)index,
                   (unsigned long long)v->text_count);
    if (dimension != v->dimension)
        probe_fail(v->p, "a vector has %llu numbers, the model tells of %u", (unsigned long long)dimension,
                   v->dimension);
    memcpy(v->values + index * dimension, vector, dimension * sizeof *vector);
    v->visits[index]++;
    v->count++;
    return v->stop_after && v->count >= v->stop_after ? v->answer : 0;
}

static int32_t embed(vectors *v, const quipu_str *texts, uint64_t count, const quipu_call *call, quipu_error *error)
{
    const quipu_array array = { texts, count, sizeof *texts };
    memset(v->visits, 0, sizeof v->visits);
    v->count = 0;
    v->text_count = count;
    return v->p->embedder_api->embed(v->p->embedder, &array, QUIPU_EMBED_PASSAGE, take_vector, v, call, error);
}

static void embed_well(vectors *v, const quipu_str *texts, uint64_t count)
{
    quipu_error error = probe_error();
    probe_want(v->p, embed(v, texts, count, NULL, &error), QUIPU_OK, &error, "embed");
    for (uint64_t i = 0; i < count; i++)
        if (v->visits[i] != 1)
            probe_fail(v->p, "the vector of text %llu of %llu is shown %u times", (unsigned long long)i,
                       (unsigned long long)count, v->visits[i]);
}

static const quipu_str plain[] = { QUIPU_STR_INIT("the bakery moves in May"), QUIPU_STR_INIT("a cat sat on the mat"),
                                   QUIPU_STR_INIT("she prefers meetings after lunch"), QUIPU_STR_INIT("rain"),
                                   QUIPU_STR_INIT("the bakery moves in May") };
#define PLAIN (sizeof plain / sizeof plain[0])

void check_embed_model(probe *p)
{
    quipu_error error = probe_error();
    char id[256];
    quipu_model model = { .struct_size = sizeof model };
    probe_want(p, p->embedder_api->model(p->embedder, &model, &error), QUIPU_OK, &error, "model");
    if (!model.id.ptr || model.id.len == 0 || model.id.len >= sizeof id)
        probe_fail(p, "the model has no id, or one of over %zu bytes", sizeof id - 1);
    if (model.dimension == 0)
        probe_fail(p, "the model's dimension is 0");
    memcpy(id, model.id.ptr, model.id.len);
    const uint64_t len = model.id.len;
    const uint32_t dimension = model.dimension;
    vectors v;
    vectors_begin(&v, p);
    embed_well(&v, plain, PLAIN);
    probe_want(p, p->embedder_api->model(p->embedder, &model, &error), QUIPU_OK, &error, "model");
    if (model.dimension != dimension || model.id.len != len || memcmp(model.id.ptr, id, len) != 0)
        probe_fail(p, "the model is another one after texts were embedded");
    quipu_model cut = { .struct_size = sizeof cut.struct_size };
    if (p->embedder_api->model(p->embedder, &cut, &error) == QUIPU_OK)
        probe_fail(p, "model accepted a struct that is cut short");
    free(v.values);
}

static void want_unit(const vectors *v, uint64_t index, bool may_be_nothing)
{
    double sum = 0;
    for (uint32_t i = 0; i < v->dimension; i++) {
        float x = v->values[index * v->dimension + i];
        if (!isfinite(x))
            probe_fail(v->p, "number %u of a vector is not finite", i);
        sum += (double)x * (double)x;
    }
    if (fabs(sum - 1.0) > 1e-3 && !(may_be_nothing && fpclassify(sum) == FP_ZERO))
        probe_fail(v->p, "a vector's length is %.4f, not 1", sqrt(sum));
}

void check_embed_unit(probe *p)
{
    vectors v;
    vectors_begin(&v, p);
    embed_well(&v, plain, PLAIN);
    for (uint64_t i = 0; i < PLAIN; i++)
        want_unit(&v, i, false);
    free(v.values);
}

static float distance(const float *a, const float *b, uint32_t dimension)
{
    float most = 0;
    for (uint32_t i = 0; i < dimension; i++)
        most = fmaxf(most, fabsf(a[i] - b[i]));
    return most;
}

void check_embed_same(probe *p)
{
    vectors all, one;
    vectors_begin(&all, p);
    vectors_begin(&one, p);
    embed_well(&all, plain, PLAIN);
    if (distance(all.values, all.values + (PLAIN - 1) * all.dimension, all.dimension) > TOLERANCE)
        probe_fail(p, "two equal texts of one call have different vectors");
    if (distance(all.values, all.values + all.dimension, all.dimension) < TOLERANCE)
        probe_fail(p, "two different texts have the same vector");
    for (uint64_t i = 0; i < PLAIN; i++) {
        embed_well(&one, &plain[i], 1);
        float off = distance(one.values, all.values + i * all.dimension, all.dimension);
        if (off > TOLERANCE)
            probe_fail(p, "a text that is embedded alone has another vector than among others: off by %g", (double)off);
    }
    free(all.values);
    free(one.values);
}

#define LONG_TEXT 100000

void check_embed_odd(probe *p)
{
    char *lengthy = malloc(LONG_TEXT);
    if (!lengthy)
        probe_skip(p, "no memory for a long text");
    for (size_t i = 0; i < LONG_TEXT; i++)
        lengthy[i] = "word after word, "[i % 17];
    const quipu_str odd[] = { QUIPU_STR_INIT(""),
                              QUIPU_STR_INIT(" \t\n"),
                              QUIPU_STR_INIT(
                                  "\xf0\x9f\xa5\x90\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x8d\xb3"), /* emoji */
                              QUIPU_STR_INIT("\xe8\xae\xb0\xe5\xbf\x86\xe7\xbb\xb3\xe7\xbb\x93"),  /* CJK */
                              QUIPU_STR_INIT("\xd8\xa3\xd9\x87\xd9\x84\xd8\xa7"),                  /* Arabic */
                              QUIPU_STR_INIT("e\xcc\x81\xcc\x81\xcc\x81"),                         /* combining marks */
                              QUIPU_STR_INIT("\x01\x02\x7f"),
                              QUIPU_STR_INIT("<s></s>[CLS][SEP][PAD]"),
                              { lengthy, LONG_TEXT } };
    vectors v;
    vectors_begin(&v, p);
    embed_well(&v, odd, sizeof odd / sizeof odd[0]);
    for (uint64_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        want_unit(&v, i, true);
    embed_well(&v, NULL, 0);
    free(v.values);
    free(lengthy);
}

void check_embed_bad(probe *p)
{
    quipu_error error = probe_error();
    const quipu_str bad[] = { QUIPU_STR_INIT("good"), QUIPU_STR_INIT("\xff\xfe") };
    const quipu_array cut = { plain, 1, sizeof plain[0] - 1 };
    const quipu_array whole = { plain, 1, sizeof plain[0] };
    vectors v;
    vectors_begin(&v, p);
    probe_want(p, embed(&v, bad, 2, NULL, &error), QUIPU_E_INVALID, &error, "embed of a text that is not UTF-8");
    if (!error.message[0])
        probe_fail(p, "embed refused a text and said nothing");
    v.text_count = 1;
    int32_t code = p->embedder_api->embed(p->embedder, &cut, QUIPU_EMBED_PASSAGE, take_vector, &v, NULL, &error);
    probe_want(p, code, QUIPU_E_INVALID, &error, "embed of an array whose stride is too small");
    code = p->embedder_api->embed(p->embedder, &whole, 99, take_vector, &v, NULL, &error);
    probe_want(p, code, QUIPU_E_INVALID, &error, "embed for an unknown purpose");
    embed_well(&v, plain, PLAIN); /* and it still works */
    free(v.values);
}

void check_embed_visitor(probe *p)
{
    vectors v;
    vectors_begin(&v, p);
    for (unsigned k = 1; k <= PLAIN; k++) {
        quipu_error error = probe_error();
        v.stop_after = k;
        v.answer = 1;
        probe_want(p, embed(&v, plain, PLAIN, NULL, &error), QUIPU_OK, &error, "embed with a visitor that stops");
        if (v.count != k)
            probe_fail(p, "a visitor that stopped after %u vectors was shown %u", k, v.count);
        v.answer = QUIPU_E_CONFLICT;
        probe_want(p, embed(&v, plain, PLAIN, NULL, &error), QUIPU_E_CONFLICT, &error,
                   "embed with a visitor that answers a code");
    }
    free(v.values);
}

void check_embed_cancel(probe *p)
{
    quipu_error error = probe_error();
    const quipu_cancel token = { .struct_size = sizeof token, .fd = -1, .flag = 1 };
    const quipu_call call = { .struct_size = sizeof call, .cancel = &token };
    vectors v;
    vectors_begin(&v, p);
    probe_want(p, embed(&v, plain, PLAIN, &call, &error), QUIPU_E_CANCELLED, &error, "embed that was cancelled");
    if (v.count)
        probe_fail(p, "embed showed %u vectors after it was cancelled", v.count);
    free(v.values);
}

void check_embed_setting(probe *p)
{
    quipu_error error = probe_error();
    const quipu_str config = QUIPU_STR_INIT("{\"no-such-setting\":1}"), broken = QUIPU_STR_INIT("{");
    quipu_embedder *other = NULL;
    probe_want(p, p->embedder_api->create(&p->host, &other, &error), QUIPU_OK, &error, "create");
    probe_want(p, p->embedder_api->open(other, &config, NULL, &error), QUIPU_E_INVALID, &error,
               "open with an unknown setting");
    if (strcmp(error.field, "no-such-setting") != 0)
        probe_fail(p, "the error about an unknown setting names \"%s\"", error.field);
    probe_want(p, p->embedder_api->open(other, &broken, NULL, &error), QUIPU_E_INVALID, &error,
               "open with a setting that is not JSON");
    p->embedder_api->destroy(other);
}

void check_embed_destroy(probe *p)
{
    quipu_error error = probe_error();
    quipu_embedder *other = NULL;
    p->embedder_api->destroy(NULL);
    probe_want(p, p->embedder_api->create(&p->host, &other, &error), QUIPU_OK, &error, "create");
    p->embedder_api->destroy(other);
    probe_want(p, p->embedder_api->create(&p->host, &other, &error), QUIPU_OK, &error, "create");
    probe_want(p, p->embedder_api->open(other, &p->config, NULL, &error), QUIPU_OK, &error,
               "open of a second instance");
    p->embedder_api->destroy(other); /* open */
    vectors v;
    vectors_begin(&v, p);
    embed_well(&v, plain, PLAIN); /* the first one does not mind */
    free(v.values);
}

#define THREADS 4

static void *embed_often(void *context)
{
    vectors v;
    vectors_begin(&v, context);
    for (unsigned i = 0; i < 20; i++) {
        embed_well(&v, plain, PLAIN);
        if (distance(v.values, v.values + (PLAIN - 1) * v.dimension, v.dimension) > TOLERANCE)
            probe_fail(v.p, "threads that embed at once get different vectors of equal texts");
    }
    free(v.values);
    return NULL;
}

void check_embed_threads(probe *p)
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, embed_often, p) != 0)
            probe_skip(p, "a thread could not be started");
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}
