/*
 * request.c - see remote.h: texts to requests.
 *
 * A request that the endpoint finds too large (HTTP 400 or 413) is sent again in halves, down to one text; a single text that is
 * still refused is cut in half, down to SHORTEST bytes: a vector of its beginning is better than none.
 */
#include "remote.h"

#include <base/fail.h>
#include <sdk/embedder.h>
#include <sdk/json.h>
#include <stdlib.h>

#define SHORTEST 512u

/* One call of embed. */
typedef struct job {
    remote *r;
    const quipu_array *texts;
    const char *prefix;
    const quipu_call *call;
    uint32_t attempts;
    uint64_t *numbers; /* of the texts that have something in them */
    uint64_t count;
    quipu_vector_fn visit;
    void *context;
    bool stopped;
} job;

static bool is_blank(quipu_str text)
{
    for (uint64_t i = 0; i < text.len; i++)
        if (!strchr(" \t\r\n", text.ptr[i]))
            return false;
    return true;
}

/* The request for texts [first, first + count); a text is cut at `most` bytes. */
static void write_body(const job *j, uint64_t first, uint64_t count, uint64_t most, buffer *body)
{
    const remote *r = j->r;
    buffer_append_text(body, "{\"model\":");
    json_print_string(str_of(r->model), body);
    buffer_append_text(body, ",\"input\":[");
    for (uint64_t i = 0; i < count; i++) {
        quipu_str text = *QUIPU_AT(quipu_str, j->texts, j->numbers[first + i]);
        buffer whole = { 0 };
        if (text.len > most)
            for (text.len = most; text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80;)
                text.len--;
        buffer_append_text(&whole, j->prefix);
        buffer_append_str(&whole, text);
        if (i > 0)
            buffer_append_char(body, ',');
        json_print_string(str_make(whole.bytes ? whole.bytes : "", whole.len), body);
        body->failed = body->failed || whole.failed;
        buffer_free(&whole);
    }
    buffer_append_char(body, ']');
    if (!r->ollama)
        buffer_append_text(body, ",\"encoding_format\":\"float\"");
    if (r->ask_dimension && r->dimension_given)
        buffer_printf(body, ",\"dimensions\":%llu", (unsigned long long)r->dimension_given);
    buffer_append_char(body, '}');
}

/* Asks for texts [first, first + count). *too_large: the endpoint says so, and it is no failure yet. */
static int32_t ask(const job *j, uint64_t first, uint64_t count, uint64_t most, bool *too_large, remote_vectors *out,
                   quipu_error *error)
{
    remote *r = j->r;
    buffer body = { 0 };
    http_answer answer = { 0 };
    *too_large = false;
    write_body(j, first, count, most, &body);
    http_request request = {
        .url = r->url, .type = "application/json", .body = str_make(body.bytes, body.len), .attempts = j->attempts
    };
    int32_t code = body.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a request")
                               : http_send(r->http, &request, &answer, j->call, error);
    if (code == QUIPU_OK && answer.status == 200) {
        code = answer_read(r, &answer, (uint32_t)count, out, error);
        if (code == QUIPU_OK && (code = remote_dimension(r, out->dimension, error)) != QUIPU_OK)
            free(out->floats);
    } else if (code == QUIPU_OK) {
        *too_large = answer.status == 400 || answer.status == 413;
        code = answer_fault(r, &answer, error);
    }
    http_answer_free(&answer);
    buffer_free(&body);
    return code;
}

/* Texts [first, first + count), in as many requests as it takes. */
static int32_t embed_some(job *j, uint64_t first, uint64_t count, quipu_error *error)
{
    uint64_t most = UINT64_MAX;
    remote_vectors found = { 0 };
    for (;;) {
        bool too_large;
        int32_t code = ask(j, first, count, most, &too_large, &found, error);
        if (code == QUIPU_OK)
            break;
        uint64_t len = count == 1 ? QUIPU_AT(quipu_str, j->texts, j->numbers[first])->len : 0;
        if (!too_large || (count == 1 && (len < most ? len : most) / 2 < SHORTEST))
            return code;
        if (count > 1) {
            code = embed_some(j, first, count / 2, error);
            return code == QUIPU_OK && !j->stopped ? embed_some(j, first + count / 2, count - count / 2, error) : code;
        }
        most = (len < most ? len : most) / 2;
    }
    int32_t code = QUIPU_OK;
    for (uint64_t i = 0; i < count && !j->stopped; i++)
        j->stopped = !embedder_give(j->visit, j->context, j->numbers[first + i], found.floats + i * found.dimension,
                                    (uint32_t)found.dimension, &code, error);
    free(found.floats);
    return code;
}

/* Zeros for what has nothing in it; needs the dimension. */
static int32_t give_blanks(job *j, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    float *zeros = NULL;
    for (uint64_t i = 0; i < j->texts->count && !j->stopped && code == QUIPU_OK; i++) {
        if (!is_blank(*QUIPU_AT(quipu_str, j->texts, i)))
            continue;
        if (!zeros && atomic_load(&j->r->dimension) == 0)
            code = remote_learn(j->r, j->attempts, j->call, error);
        if (!zeros && code == QUIPU_OK && !(zeros = calloc(atomic_load(&j->r->dimension), sizeof *zeros)))
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a vector");
        if (code == QUIPU_OK)
            j->stopped = !embedder_give(j->visit, j->context, i, zeros, atomic_load(&j->r->dimension), &code, error);
    }
    free(zeros);
    return code;
}

int32_t remote_embed(remote *r, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit, void *context,
                     const quipu_call *call, quipu_error *error)
{
    bool query = purpose == QUIPU_EMBED_QUERY;
    job j = { .r = r,
              .texts = texts,
              .prefix = query ? r->query_prefix : r->passage_prefix,
              .call = call,
              .attempts = query && r->attempts > 2 ? 2 : r->attempts, /* somebody waits */
              .visit = visit,
              .context = context };
    j.numbers = malloc((size_t)texts->count * sizeof *j.numbers);
    if (!j.numbers)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to embed with");
    for (uint64_t i = 0; i < texts->count; i++)
        if (!is_blank(*QUIPU_AT(quipu_str, texts, i)))
            j.numbers[j.count++] = i;
    int32_t code = QUIPU_OK;
    for (uint64_t first = 0; code == QUIPU_OK && !j.stopped && first < j.count; first += r->batch)
        code = embed_some(&j, first, j.count - first < r->batch ? j.count - first : r->batch, error);
    if (code == QUIPU_OK && !j.stopped)
        code = give_blanks(&j, error);
    free(j.numbers);
    return code;
}

static int32_t ignore_vector(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    (void)context, (void)index, (void)vector, (void)dimension;
    return 0;
}

int32_t remote_learn(remote *r, uint32_t attempts, const quipu_call *call, quipu_error *error)
{
    quipu_str text = QUIPU_STR_INIT("dimension");
    quipu_array texts = { &text, 1, sizeof text };
    uint64_t number = 0;
    job j = { .r = r,
              .texts = &texts,
              .prefix = "",
              .call = call,
              .attempts = attempts,
              .numbers = &number,
              .count = 1,
              .visit = ignore_vector };
    return embed_some(&j, 0, 1, error);
}
