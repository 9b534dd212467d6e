/* test_lexical.c - what lexical.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <math.h>
#include <sdk/lexical.h>
#include <stdio.h>
#include <stdlib.h>

static void add(lexical *x, uint32_t document, const char *text)
{
    quipu_str part = str_of(text);
    assert_int_equal(lexical_add(x, document, &part, 1, NULL), QUIPU_OK);
}

static void take_out(lexical *x, uint32_t document, const char *text)
{
    quipu_str part = str_of(text);
    lexical_remove(x, document, &part, 1);
}

/* The score of a document, or 0 where it is not among the matches. *count: how many matches. */
static double score_of(const lexical *x, const char *question, uint32_t document, size_t *count)
{
    lexical_query *q = NULL;
    lexical_match *matches = NULL;
    size_t found = 0;
    double score = 0, parts = 0;
    assert_int_equal(lexical_ask(x, str_of(question), &q, NULL), QUIPU_OK);
    assert_int_equal(lexical_score(q, &matches, &found, NULL, NULL), QUIPU_OK);
    for (size_t i = 0; i < found; i++)
        if (matches[i].document == document)
            score = matches[i].score;
    for (size_t i = 0; i < lexical_query_words(q); i++)
        parts += lexical_explain(q, i, document);
    assert_true(fabs(parts - score) < 1e-9); /* the parts are the whole */
    if (count)
        *count = found;
    free(matches);
    lexical_query_free(q);
    return score;
}

static lexical *sample(void)
{
    lexical *x = lexical_create();
    assert_non_null(x);
    add(x, 0, "The red fox jumps over a lazy dog");
    add(x, 1, "Dogs and foxes: a fox, another fox");
    add(x, 5, "We sailed to the island");
    add(x, 3, "");
    return x;
}

static void scores_are_bm25(void **state)
{
    (void)state;
    lexical *x = sample();
    /* Lengths without stop words: {red fox jump lazi dog} 5, {dog fox fox anoth fox} 5, {sail island} 2, 0: mean 3. */
    double idf = log(1 + (4 - 2 + 0.5) / (2 + 0.5));
    double norm = 0.9 * (1 - 0.4 + 0.4 * 5 / 3.0);
    size_t count;
    assert_true(fabs(score_of(x, "foxes", 0, &count) - idf * 1 * 1.9 / (1 + norm)) < 1e-9);
    assert_int_equal(count, 2);
    assert_true(fabs(score_of(x, "foxes", 1, NULL) - idf * 3 * 1.9 / (3 + norm)) < 1e-9);
    assert_true(fabs(score_of(x, "fox fox", 0, NULL) - 2 * score_of(x, "fox", 0, NULL)) < 1e-9);
    assert_int_equal(lexical_documents(x), 4);
    lexical_free(x);
}

static void stop_words_count_only_where_there_is_nothing_else(void **state)
{
    (void)state;
    lexical *x = sample();
    size_t count;
    score_of(x, "the island", 5, &count);
    assert_int_equal(count, 1); /* not document 0, which has "the" */
    assert_true(score_of(x, "the", 0, &count) > 0);
    assert_int_equal(count, 2);
    score_of(x, "the zeppelin", 0, &count);
    assert_int_equal(count, 0); /* it asks for something that is not there */
    lexical_free(x);
}

static void nothing_asked_is_nothing_found(void **state)
{
    (void)state;
    lexical *x = sample();
    size_t count;
    score_of(x, "", 0, &count);
    assert_int_equal(count, 0);
    score_of(x, "?!", 0, &count);
    assert_int_equal(count, 0);
    lexical_free(x);
    x = lexical_create();
    score_of(x, "fox", 0, &count);
    assert_int_equal(count, 0);
    lexical_free(x);
    lexical_free(NULL);
    lexical_query_free(NULL);
}

/* Random changes, in any order of documents, must leave what a fresh index of the same documents has. */
static void removing_leaves_no_trace(void **state)
{
    (void)state;
    static const char *const words[] = { "apple", "pears", "plum", "figs", "the", "cherry", "limes", "melon" };
    enum { DOCUMENTS = 40 };
    char texts[DOCUMENTS][160] = { { 0 } };
    bool there[DOCUMENTS] = { false };
    lexical *x = lexical_create();
    uint32_t random = 3;
    for (int step = 0; step < 2000; step++) {
        random = random * 1664525u + 1013904223u;
        uint32_t n = (random >> 8) % DOCUMENTS;
        if (there[n]) {
            take_out(x, n, texts[n]);
        } else {
            texts[n][0] = '\0';
            for (uint32_t i = 0, bits = random >> 14; i < 8; i++, bits >>= 1)
                if (bits & 1)
                    snprintf(texts[n] + strlen(texts[n]), 12, "%s ", words[i]);
            add(x, n, texts[n]);
        }
        there[n] = !there[n];
    }
    lexical *fresh = lexical_create();
    for (uint32_t n = 0; n < DOCUMENTS; n++)
        if (there[n])
            add(fresh, n, texts[n]);
    assert_int_equal(lexical_documents(x), lexical_documents(fresh));
    for (size_t w = 0; w < 8; w++) {
        for (uint32_t n = 0; n < DOCUMENTS; n++) {
            size_t a, b;
            assert_true(fabs(score_of(x, words[w], n, &a) - score_of(fresh, words[w], n, &b)) < 1e-9);
            assert_int_equal(a, b);
        }
    }
    lexical_free(fresh);
    lexical_free(x);
}

static void cancelled_search_stops(void **state)
{
    (void)state;
    lexical *x = sample();
    lexical_query *q = NULL;
    lexical_match *matches = NULL;
    size_t count = 0;
    quipu_cancel token = { .struct_size = sizeof token, .fd = -1, .flag = 1 };
    quipu_call call = { .struct_size = sizeof call, .cancel = &token };
    quipu_error error = { .struct_size = sizeof error };
    assert_int_equal(lexical_ask(x, str_of("fox"), &q, &error), QUIPU_OK);
    assert_int_equal(lexical_score(q, &matches, &count, &call, &error), QUIPU_E_CANCELLED);
    assert_int_equal(error.code, QUIPU_E_CANCELLED);
    assert_null(matches);
    lexical_query_free(q);
    lexical_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_bm25),
        cmocka_unit_test(stop_words_count_only_where_there_is_nothing_else),
        cmocka_unit_test(nothing_asked_is_nothing_found),
        cmocka_unit_test(removing_leaves_no_trace),
        cmocka_unit_test(cancelled_search_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
