/* test_index_search.c - what a search answers: each effect of a conversation's structure by its weight, and input of all kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <math.h>
#include <sdk/record_index.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/letters.h>

static record_index *ix;

static int begin(void **state)
{
    (void)state;
    letters_reset();
    return record_index_create(&plain_host, &ix, NULL);
}

static int begin_with_vectors(void **state)
{
    (void)state;
    letters_reset();
    return record_index_create(&letters_host, &ix, NULL);
}

static int end(void **state)
{
    (void)state;
    record_index_free(ix);
    return 0;
}

/* A turn of a session; "actor: text". */
static void say(const char *session, int seq, const char *actor, const char *text, const char *created)
{
    char json[512];
    record *r = NULL;
    snprintf(json, sizeof json,
             "{\"id\":\"%s%d\",\"text\":\"%s\",\"actor\":\"%s\",\"seq\":%d,\"scope\":{\"session\":\"%s\"},"
             "\"created_at\":\"%s\"}",
             session, seq, text, actor, seq, session, created);
    assert_int_equal(record_decode(str_of(json), NULL, &r, NULL), QUIPU_OK);
    assert_int_equal(record_index_put(ix, r, NULL), QUIPU_OK);
    record_free(r);
}

#define DAY "2023-01-10T10:00:00Z"

/* ---- components ---- */

typedef struct wanted {
    const char *id, *component;
    double value;    /* of the component; 0: not there */
    double base;     /* all of "bm25:..." */
    double likeness; /* what a hybrid search adds */
    double score;
    int place; /* of the id, from 1; 0: it is not there */
    int count;
} wanted;

static int32_t note(void *context, const quipu_hit *hit)
{
    wanted *w = context;
    w->count++;
    if (!str_same(hit->record->id, str_of(w->id)))
        return 0;
    w->place = w->count;
    w->score = hit->score;
    for (uint64_t i = 0; i < hit->components.count; i++) {
        const quipu_component *c = QUIPU_AT(quipu_component, &hit->components, i);
        if (str_same(c->name, str_of(w->component)))
            w->value = c->value;
        if (c->name.len > 5 && memcmp(c->name.ptr, "bm25:", 5) == 0)
            w->base += c->value;
        if (str_same(c->name, str_of("likeness")))
            w->likeness = c->value;
    }
    return 0;
}

static wanted look_in(uint32_t mode, const char *question, const char *id, const char *component)
{
    wanted w = { .id = id, .component = component };
    quipu_search q = {
        .struct_size = sizeof q, .flags = QUIPU_SEARCH_EXPLAIN, .text = str_of(question), .mode = mode, .k = 100
    };
    assert_int_equal(record_index_search(ix, &q, note, &w, NULL, NULL), QUIPU_OK);
    return w;
}

static wanted look(const char *question, const char *id, const char *component)
{
    return look_in(QUIPU_SEARCH_LEXICAL, question, id, component);
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-6 * (1 + fabs(b));
}

/* ---- one effect each ---- */

static void turns_beside_a_hit_gain_from_it(void **state)
{
    (void)state;
    static const char *const texts[] = { "one", "two", "three", "a kayak", "five", "six", "seven" };
    for (int i = 0; i < 7; i++)
        say("s", i, i % 2 ? "Bo" : "Ana", texts[i], DAY);
    say("t", 4, "Ana", "far off", DAY); /* another session: the same order, no neighbour */
    double base = look("kayak", "s3", "").base;
    assert_true(base > 0);
    assert_true(near(look("kayak", "s4", "neighbours").value, 0.2 * base));
    assert_true(near(look("kayak", "s2", "neighbours").value, 0.3 * base));
    assert_true(near(look("kayak", "s5", "neighbours").value, 0.2 * base));
    assert_true(near(look("kayak", "s1", "neighbours").value, 0.1 * base));
    assert_int_equal(look("kayak", "s0", "").place, 0);
    assert_int_equal(look("kayak", "s6", "").place, 0);
    assert_int_equal(look("kayak", "t4", "").place, 0);
    assert_int_equal(look("kayak", "s3", "").place, 1);
}

static void answer_to_somebody_else_s_question_gains_more(void **state)
{
    (void)state;
    say("s", 0, "Ana", "Where is the kayak?", DAY);
    say("s", 1, "Bo", "Behind a shed.", DAY);
    say("t", 0, "Ana", "Where is the kayak?", DAY);
    say("t", 1, "Ana", "Behind a shed.", DAY); /* of her own */
    say("u", 0, "Ana", "There is the kayak.", DAY);
    say("u", 1, "Bo", "Behind a shed.", DAY); /* of no question */
    double base = look("kayak", "s0", "").base;
    assert_true(near(look("kayak", "s1", "neighbours").value, 0.6 * base));
    assert_true(near(look("kayak", "t1", "neighbours").value, 0.2 * base));
    assert_true(near(look("kayak", "u1", "neighbours").value, 0.2 * look("kayak", "u0", "").base));
    assert_true(near(look("kayak", "s0", "question").value, -0.15 * base));
    assert_true(look("kayak", "u0", "question").value == 0);
}

static void session_gives_of_its_best(void **state)
{
    (void)state;
    say("s", 0, "Ana", "a kayak and a paddle", DAY);
    for (int i = 1; i < 9; i++)
        say("s", i, "Bo", "hm", DAY);
    say("s", 9, "Ana", "another paddle", DAY);
    say("t", 0, "Ana", "another paddle", DAY);
    double best = look("kayak paddle", "s0", "").base;
    assert_true(near(look("kayak paddle", "s0", "session").value, 0.8 * best));
    assert_true(near(look("kayak paddle", "s9", "session").value, 0.8 * best));
    wanted alone = look("kayak paddle", "t0", "session");
    assert_true(near(alone.value, 0.8 * alone.base));
    assert_true(look("kayak paddle", "s9", "").place < alone.place);
    assert_int_equal(look("kayak paddle", "s5", "").place, 0); /* it says nothing of it */
}

static void named_speaker_gains(void **state)
{
    (void)state;
    say("s", 0, "Ana", "a kayak", DAY);
    say("t", 0, "Bo", "a kayak", DAY);
    wanted of = look("What about a kayak did Bo say", "t0", "speaker");
    assert_true(near(of.value, 0.8 * (of.score - of.value)));
    assert_int_equal(of.place, 1);
    assert_true(look("What about a kayak did Bo say", "s0", "speaker").value == 0);
    assert_true(look("Ana and Bo and the kayak", "t0", "speaker").value == 0); /* two: neither */
    assert_true(look("the kayak", "t0", "speaker").value == 0);
}

static void named_date_gains(void **state)
{
    (void)state;
    say("s", 0, "Ana", "a kayak", "2023-05-07T10:00:00Z");
    say("t", 0, "Ana", "a kayak", "2023-05-16T10:00:00Z");
    say("u", 0, "Ana", "a kayak", "2022-09-16T10:00:00Z");
    wanted on = look("kayak on 7 May 2023", "s0", "date"), later = look("kayak on 7 May 2023", "t0", "date");
    double rest = on.score - on.value; /* the same for all of them, and the best */
    assert_true(near(on.value, (1.5 + 0.225) * rest));
    assert_true(near(later.value, 0.6 * (1.5 + 0.225) * rest)); /* up to ten days away */
    assert_true(look("kayak on 7 May 2023", "u0", "date").value == 0);
    assert_int_equal(on.place, 1);
    assert_true(near(look("kayak in September 2022", "u0", "date").value, (1.5 + 0.225) * rest));
    assert_true(look("kayak", "s0", "date").value == 0);
}

static void time_words_gain_where_a_time_is_asked_for(void **state)
{
    (void)state;
    say("s", 0, "Ana", "a kayak yesterday", DAY);
    say("t", 0, "Ana", "a kayak indoors", DAY);
    wanted when = look("When was the kayak", "s0", "time_words");
    assert_true(near(when.value, 0.4 * (when.score - when.value)));
    assert_int_equal(when.place, 1);
    assert_true(look("When was the kayak", "t0", "time_words").value == 0);
    assert_true(look("Where was the kayak", "s0", "time_words").value == 0);
}

static void likeness_spreads_as_words_do(void **state)
{
    (void)state;
    say("t", 0, "Zz", "aaa", DAY);
    say("t", 1, "Zz", "ooo", DAY); /* beside it, and like nothing */
    say("u", 0, "Xx", "abc kayak", DAY);
    say("v", 0, "Zz", "hhh", DAY);
    wanted best = look_in(QUIPU_SEARCH_HYBRID, "aaaa", "t0", "likeness");
    assert_true(best.place == 1 && near(best.value, 0.45)); /* no word at all: in units of 1 */
    assert_int_equal(best.count, 4);                        /* as many as there are */
    assert_true(near(look_in(QUIPU_SEARCH_HYBRID, "aaaa", "t1", "neighbours").value, 0.2 * 0.45));
    wanted hit = look_in(QUIPU_SEARCH_HYBRID, "kayak abc", "u0", "cosine");
    assert_true(hit.place == 1 && hit.value > 0);
    assert_true(near(hit.likeness, 0.45 * hit.base)); /* the best of both sides */
    assert_true(look("kayak abc", "u0", "likeness").value == 0);
}

/* ---- input of all kinds ---- */

static int32_t search_with(quipu_search *q, const char **field, int *count)
{
    static quipu_error error;
    wanted w = { .id = "", .component = "" };
    error = (quipu_error){ .struct_size = sizeof error };
    q->struct_size = sizeof *q;
    int32_t code = record_index_search(ix, q, note, &w, NULL, &error);
    *field = error.field;
    *count = w.count;
    return code;
}

static void say_some(void)
{
    for (int i = 0; i < 20; i++)
        say("s", i, "Ana", i % 2 ? "the bad cab" : "to be or not to be", DAY);
}

static void odd_texts_are_answered(void **state)
{
    (void)state;
    const char *field;
    int count;
    size_t large = (size_t)1 << 20;
    char *text = malloc(large);
    assert_non_null(text);
    for (size_t i = 0; i < large; i++)
        text[i] = i % 7 == 6 ? ' ' : (char)('a' + (i * 31 + i / 7) % 26);
    say_some();
    static const uint32_t modes[] = { QUIPU_SEARCH_AUTO, QUIPU_SEARCH_LEXICAL, QUIPU_SEARCH_VECTOR,
                                      QUIPU_SEARCH_HYBRID };
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        bool lexical = modes[i] == QUIPU_SEARCH_LEXICAL;
        quipu_search q = { .text = { "", 0 }, .mode = modes[i], .k = 5 };
        assert_int_equal(search_with(&q, &field, &count), QUIPU_OK); /* nothing is asked for: nothing by words */
        assert_true(!lexical || count == 0);
        q.text = str_of("?!... --- \\ \"\" \t\n");
        assert_int_equal(search_with(&q, &field, &count), QUIPU_OK);
        assert_true(!lexical || count == 0);
        q.text = str_of("to be or not to be"); /* function words alone are asked for */
        assert_int_equal(search_with(&q, &field, &count), QUIPU_OK);
        assert_int_equal(count, 5);
        q.text = str_make(text, large);
        assert_int_equal(search_with(&q, &field, &count), QUIPU_OK);
        q.text = str_of("\xff\xfe");
        assert_int_equal(search_with(&q, &field, &count), QUIPU_E_INVALID);
        assert_string_equal(field, "text");
    }
    free(text);
}

static void k_has_bounds(void **state)
{
    (void)state;
    const char *field;
    int count;
    say_some();
    static const uint64_t refused[] = { 0, QUIPU_SEARCH_K_MAX + 1, 10000000, UINT64_MAX };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        quipu_search q = { .text = str_of("cab"), .k = refused[i] };
        assert_int_equal(search_with(&q, &field, &count), QUIPU_E_INVALID);
        assert_string_equal(field, "k");
    }
    static const uint32_t modes[] = { QUIPU_SEARCH_VECTOR, QUIPU_SEARCH_HYBRID };
    for (size_t i = 0; i < 2; i++) {
        quipu_search q = { .text = str_of("cab"), .k = QUIPU_SEARCH_K_MAX, .mode = modes[i] };
        assert_int_equal(search_with(&q, &field, &count), QUIPU_OK);
        assert_int_equal(count, 20); /* all that there are */
    }
}

static void odd_vectors_are_named(void **state)
{
    (void)state;
    const char *field;
    int count;
    float v[LETTERS_DIMENSION + 1] = { 1 };
    say_some();
    quipu_search q = { .vector = v, .dimension = LETTERS_DIMENSION, .k = 3 };
    assert_int_equal(search_with(&q, &field, &count), QUIPU_OK);
    assert_int_equal(count, 3);
    static const uint64_t dimensions[] = { 1, LETTERS_DIMENSION - 1, LETTERS_DIMENSION + 1 };
    for (size_t i = 0; i < 3; i++) {
        q.dimension = dimensions[i];
        assert_int_equal(search_with(&q, &field, &count), QUIPU_E_INVALID);
        assert_string_equal(field, "vector");
    }
    q.dimension = LETTERS_DIMENSION;
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    for (size_t i = 0; i < 3; i++) {
        v[3] = bad[i];
        assert_int_equal(search_with(&q, &field, &count), QUIPU_E_INVALID);
        assert_string_equal(field, "vector");
    }
    memset(v, 0, sizeof v); /* no direction: everything is equally far */
    assert_int_equal(search_with(&q, &field, &count), QUIPU_OK);
    assert_int_equal(count, 3);
}

#define PLAIN(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define EMBED(name) cmocka_unit_test_setup_teardown(name, begin_with_vectors, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(turns_beside_a_hit_gain_from_it),
        PLAIN(answer_to_somebody_else_s_question_gains_more),
        PLAIN(session_gives_of_its_best),
        PLAIN(named_speaker_gains),
        PLAIN(named_date_gains),
        PLAIN(time_words_gain_where_a_time_is_asked_for),
        EMBED(likeness_spreads_as_words_do),
        EMBED(odd_texts_are_answered),
        EMBED(k_has_bounds),
        EMBED(odd_vectors_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
