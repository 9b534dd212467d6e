/*
 * embedder_mutant.c - a small embedder with one fault, chosen by -DFAULT=FAULT_..., for each check of embedders. FAULT_WELL has
 * none. A text's vector holds how often each byte, by its value modulo the dimension, is in the text.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* usleep */
#endif
#include <base/buffer.h>
#include <base/fail.h>
#include <math.h>
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum fault {
    FAULT_WELL,
    FAULT_MODEL_CHANGES, /* the model is another one after a call */
    FAULT_UNIT,          /* vectors have another length */
    FAULT_BESIDE,        /* a vector depends on what is beside its text */
    FAULT_ODD,           /* an empty text has not-a-numbers */
    FAULT_BAD,           /* takes what is not UTF-8 */
    FAULT_GOES_ON,       /* does not stop where the visitor does */
    FAULT_DEAF,          /* cannot be cancelled */
    FAULT_ANYTHING,      /* takes any setting */
    FAULT_DESTROYED,     /* destroy wants an instance */
    FAULT_SHARED         /* threads share a place */
};

#ifndef FAULT
#define FAULT FAULT_WELL
#endif
#define IS(name) (FAULT == FAULT_##name)
#define DIMENSION 64u

struct quipu_embedder {
    bool open;
    atomic_uint calls;
};

static int32_t small_create(const quipu_host *host, quipu_embedder **out, quipu_error *error)
{
    int32_t code = abi_check_struct(host, sizeof *host, "quipu_host", error);
    *out = code == QUIPU_OK ? calloc(1, sizeof **out) : NULL;
    return code != QUIPU_OK || *out ? code : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for an embedder");
}

static void small_destroy(quipu_embedder *self)
{
    if (IS(DESTROYED))
        self->open = false;
    free(self);
}

static int32_t small_open(quipu_embedder *self, const quipu_str *config, const quipu_call *call, quipu_error *error)
{
    int32_t code = abi_check_call(call, error);
    if (code == QUIPU_OK && !IS(ANYTHING) && config && config->ptr && !QUIPU_IS(config, "{}"))
        code = fail(error, QUIPU_E_INVALID, "no-such-setting", "this embedder has no settings");
    self->open = code == QUIPU_OK;
    return code;
}

static int32_t small_close(quipu_embedder *self, const quipu_call *call, quipu_error *error)
{
    (void)call, (void)error;
    self->open = false;
    return QUIPU_OK;
}

static int32_t small_model(quipu_embedder *self, quipu_model *out, quipu_error *error)
{
    int32_t code = abi_check_out(out, sizeof *out, "quipu_model", error);
    if (code != QUIPU_OK)
        return code;
    out->dimension = DIMENSION;
    out->id = str_of(IS(MODEL_CHANGES) && atomic_load(&self->calls) ? "small-2" : "small-1");
    return QUIPU_OK;
}

static float shared_place[DIMENSION];

static void count_bytes(quipu_str text, uint64_t beside, float vector[DIMENSION])
{
    float sum = 0;
    memset(vector, 0, DIMENSION * sizeof *vector);
    for (uint64_t i = 0; i < text.len; i++)
        vector[(unsigned char)text.ptr[i] % DIMENSION] += 1.0F;
    if (IS(BESIDE))
        vector[0] += (float)beside;
    for (unsigned i = 0; i < DIMENSION; i++)
        sum += vector[i] * vector[i];
    for (unsigned i = 0; i < DIMENSION && (sum > 0 || IS(ODD)); i++)
        vector[i] /= IS(UNIT) ? 1.0F : sqrtf(sum);
}

static int32_t small_embed(quipu_embedder *self, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                           void *context, const quipu_call *call, quipu_error *error)
{
    float own[DIMENSION];
    int32_t code = IS(BAD) ? QUIPU_OK : abi_check_embed(texts, purpose, visit, error);
    if (code == QUIPU_OK && !IS(DEAF))
        code = abi_check_call(call, error);
    atomic_fetch_add(&self->calls, 1);
    for (uint64_t i = 0; code == QUIPU_OK && i < texts->count; i++) {
        float *vector = IS(SHARED) ? shared_place : own;
        count_bytes(*QUIPU_AT(quipu_str, texts, i), texts->count, vector);
        if (IS(SHARED))
            usleep(200); /* others come between */
        int32_t answer = visit(context, i, vector, DIMENSION);
        if (answer < 0)
            code = fail(error, answer, NULL, "the visitor ended the call");
        else if (answer > 0 && !IS(GOES_ON))
            break;
    }
    return code;
}

static const void *small_get_extension(quipu_embedder *self, const quipu_str *id)
{
    (void)self, (void)id;
    return NULL;
}

static const quipu_embedder_api api = { sizeof api,  0,           small_create, small_destroy,      small_open,
                                        small_close, small_model, small_embed,  small_get_extension };
static const quipu_embedder_desc desc = { sizeof desc, 0, QUIPU_STR_INIT("small"),
                                          QUIPU_STR_INIT("an embedder with a fault"), &api };
static const quipu_embedder_list list = { sizeof list, 0, { &desc, 1, sizeof desc } };

static const void *get_factory(const quipu_str *id)
{
    return id && QUIPU_IS(id, QUIPU_EMBEDDERS) ? &list : NULL;
}

static void deinit(void)
{
}

QUIPU_PLUGIN("org.example.small", "0.1.0", "Apache-2.0", QUIPU_PLUGIN_FORK_SAFE, abi_negotiate, deinit, get_factory);
