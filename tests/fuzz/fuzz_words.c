/*
 * fuzz_words.c - a block of words that is damaged, and a question. The input: changes of a good block, three bytes each (where, from
 * the lowest byte; what), the question after the first byte 0xff. A damaged block says so, or gives some answer.
 */
#include "fuzz.h"

#include <sdk/words.h>

enum { DOCUMENTS = 150 };

/* A good block of all that a block can hold. */
static buffer good_block(void)
{
    static const char *const actors[] = { "ana", "ben smith", NULL };
    buffer out = { 0 };
    words_builder *b;
    char text[80], session[8];
    PROMISE(words_builder_create(TEXT_ENGLISH, &b, NULL) == QUIPU_OK);
    for (uint32_t i = 0; i < DOCUMENTS; i++) {
        snprintf(text, sizeof text, "red fox %u and blue dog %u of last year%s", i % 7, i % 50, i % 3 ? "." : "?");
        snprintf(session, sizeof session, "s%u", i / 9);
        quipu_record r = { .struct_size = sizeof r, .text = str_of(text), .seq = i, .created_at = i * 1000000 };
        r.json = str_of("{}\n");
        r.session = str_of(session);
        r.actor = actors[i % 3] ? str_of(actors[i % 3]) : (quipu_str){ 0 };
        PROMISE(words_builder_add(b, i, &r, NULL) == QUIPU_OK);
    }
    PROMISE(words_builder_finish(b, &out, NULL) == QUIPU_OK);
    words_builder_free(b);
    return out;
}

static void check_component(void *context, quipu_str name, double value)
{
    (void)value;
    PROMISE(name.ptr && name.len > 0);
    ++*(size_t *)context;
}

static void ask(const words *w, quipu_str question, quipu_error *error)
{
    uint64_t alive[DOCUMENTS / 64 + 1] = { UINT64_MAX, UINT64_MAX, (1u << DOCUMENTS % 64) - 1 };
    words_part parts[2] = { { w, alive, NULL, DOCUMENTS }, { w, alive, alive, DOCUMENTS } };
    words_question q = { .text = question, .k = 10 };
    words_answer *a = NULL;
    if (fuzz_failed(words_rank(parts, 2, &q, &a, NULL, error), error))
        return;
    PROMISE(words_answer_count(a) <= 10);
    for (size_t i = 0; i < words_answer_count(a); i++) {
        size_t count = 0;
        PROMISE(words_answer_matches(a)[i].part < 2 && words_answer_matches(a)[i].document < DOCUMENTS);
        fuzz_failed(words_explain(a, i, check_component, &count, error), error);
    }
    words_answer_free(a);
}

static void merge(const words *w, quipu_error *error)
{
    uint32_t numbers[DOCUMENTS];
    const uint32_t *renumber = numbers;
    buffer out = { 0 };
    for (uint32_t i = 0; i < DOCUMENTS; i++)
        numbers[i] = i;
    if (fuzz_failed(words_merge(&w, &renumber, 1, DOCUMENTS, &out, error), error))
        PROMISE(out.len == 0);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static buffer good;
    quipu_error error = { .struct_size = sizeof error };
    if (good.len == 0)
        good = good_block();
    quipu_str changes = fuzz_part(&data, &size, 0xff);
    char *bytes = fuzz_copy(good.bytes, good.len), *question = fuzz_copy(data, size);
    for (size_t i = 0; i + 3 <= changes.len; i += 3) {
        const uint8_t *c = (const uint8_t *)changes.ptr + i;
        bytes[(c[0] | (size_t)c[1] << 8) % good.len] = (char)c[2];
    }
    words *w = NULL;
    if (!fuzz_failed(words_open(str_make(bytes, good.len), DOCUMENTS, &w, &error), &error)) {
        ask(w, str_make(question, size), &error);
        merge(w, &error);
    }
    words_free(w);
    free(question);
    free(bytes);
    return 0;
}
