/* letters.c - see letters.h. */
#include "letters.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <math.h>
#include <time.h>

letters the_letters = { .now = 1000000 };

void letters_reset(void)
{
    atomic_store(&the_letters.passages, 0);
    atomic_store(&the_letters.questions, 0);
    the_letters.answer = QUIPU_OK;
    the_letters.nan = the_letters.too_few = the_letters.no_passages = the_letters.backwards = false;
    the_letters.model_id = "letters:8";
    the_letters.holds = the_letters.held = false;
    the_letters.of_all = NULL;
}

static int32_t hold(const quipu_call *call)
{
    int32_t rc = QUIPU_OK;
    atomic_store(&the_letters.held, true);
    while (atomic_load(&the_letters.holds) && (rc = call_check(call, NULL)) == QUIPU_OK)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    atomic_store(&the_letters.held, false);
    return rc;
}

static int32_t letters_model(const quipu_host *host, quipu_model *out, quipu_error *error)
{
    (void)host;
    (void)error;
    out->dimension = LETTERS_DIMENSION;
    out->id = str_of(the_letters.model_id ? the_letters.model_id : "letters:8");
    out->batch = 3;
    return QUIPU_OK;
}

/* Visits the last text first, because any order is allowed. */
static int32_t letters_embed(const quipu_host *host, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                             void *context, const quipu_call *call, quipu_error *error)
{
    (void)host;
    if (the_letters.answer != QUIPU_OK)
        return fail(error, the_letters.answer, NULL, "the letters answer %d", the_letters.answer);
    if (the_letters.no_passages && purpose == QUIPU_EMBED_PASSAGE)
        return QUIPU_E_NETWORK;
    if (purpose == QUIPU_EMBED_PASSAGE) {
        int32_t rc = hold(call);
        if (rc != QUIPU_OK)
            return rc;
        if (the_letters.of_all)
            atomic_fetch_add(the_letters.of_all, (int)texts->count);
    }
    for (uint64_t i = texts->count; i-- > the_letters.too_few;) {
        quipu_str text = *QUIPU_AT(quipu_str, texts, i);
        float vector[LETTERS_DIMENSION] = { 0 };
        for (uint64_t j = 0; j < text.len; j++)
            if (text.ptr[j] >= 'a' && text.ptr[j] < 'a' + LETTERS_DIMENSION)
                vector[the_letters.backwards ? 'h' - text.ptr[j] : text.ptr[j] - 'a'] += 1;
        if (the_letters.nan)
            vector[0] = NAN;
        atomic_fetch_add(purpose == QUIPU_EMBED_PASSAGE ? &the_letters.passages : &the_letters.questions, 1);
        int32_t rc = visit(context, i, vector, LETTERS_DIMENSION);
        if (rc != 0)
            return rc;
    }
    return QUIPU_OK;
}

static int64_t letters_now(const quipu_host *host)
{
    (void)host;
    return the_letters.now;
}

static const void *letters_service(const quipu_host *host, const quipu_str *id)
{
    static const quipu_embed_service embedder = { sizeof embedder, 0, letters_model, letters_embed };
    static const quipu_clock_service clock = { sizeof clock, 0, letters_now, letters_now };
    if (QUIPU_IS(id, QUIPU_SERVICE_CLOCK))
        return &clock;
    return host->data && QUIPU_IS(id, QUIPU_SERVICE_EMBED) ? &embedder : NULL;
}

static char yes;
const quipu_host plain_host = { .struct_size = sizeof plain_host,
                                .abi = QUIPU_ABI_VERSION,
                                .get_service = letters_service };
const quipu_host letters_host = {
    .struct_size = sizeof letters_host, .abi = QUIPU_ABI_VERSION, .data = &yes, .get_service = letters_service
};
