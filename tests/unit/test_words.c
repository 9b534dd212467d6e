/* test_words.c - what words.h promises, on records that are made up: blocks, merging, ranking, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sdk/words.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_SIZE = 240 };

static uint32_t random_state = 1;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
}

/* ---- records ---- */

typedef struct said {
    char text[TEXT_SIZE], session[16];
    const char *actor;
    int64_t seq;
} said;

static quipu_record view_of(const said *s)
{
    quipu_record r = { .struct_size = sizeof r, .seq = s->seq, .created_at = s->seq * 1000000 };
    r.text = str_of(s->text);
    r.actor = s->actor ? str_of(s->actor) : (quipu_str){ 0 };
    r.session = s->session[0] ? str_of(s->session) : (quipu_str){ 0 };
    r.user = str_of("ana");
    return r;
}

/* Words w0, w1, ...: the first are in almost every text, the last in few. */
static void draw_text(char out[TEXT_SIZE], uint32_t count, uint32_t vocabulary)
{
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t range = 1 + draw(vocabulary), rare = draw(range);
        len += (size_t)snprintf(out + len, TEXT_SIZE - len, "w%u ", rare);
    }
    snprintf(out + len, TEXT_SIZE - len, "%s", draw(4) ? "." : "?");
}

static said *draw_records(uint32_t count, uint32_t vocabulary)
{
    static const char *const actors[] = { "Ana", "Ben Smith", "Cleo", NULL };
    said *all = calloc(count, sizeof *all);
    assert_non_null(all);
    for (uint32_t i = 0; i < count; i++) {
        draw_text(all[i].text, 1 + draw(20), vocabulary);
        all[i].actor = actors[draw(4)];
        all[i].seq = i;
        if (draw(8))
            snprintf(all[i].session, sizeof all[i].session, "s%u", i / 20);
    }
    return all;
}

/* ---- blocks ---- */

typedef struct block {
    buffer bytes;
    words *words;
    uint64_t *alive;
    uint32_t count;
} block;

static void open_block(block *b, uint32_t count)
{
    quipu_error error = { .struct_size = sizeof error };
    b->count = count;
    b->alive = calloc(count / 64 + 1, sizeof *b->alive);
    for (uint32_t i = 0; i < count; i++)
        b->alive[i / 64] |= UINT64_C(1) << i % 64;
    assert_int_equal(words_open(str_make(b->bytes.bytes, b->bytes.len), count, &b->words, &error), QUIPU_OK);
}

static block build(const said *records, uint32_t count)
{
    block b = { 0 };
    words_builder *builder;
    assert_int_equal(words_builder_create(TEXT_ENGLISH, &builder, NULL), QUIPU_OK);
    for (uint32_t i = 0; i < count; i++) {
        quipu_record r = view_of(&records[i]);
        assert_int_equal(words_builder_add(builder, i, &r, NULL), QUIPU_OK);
    }
    assert_int_equal(words_builder_finish(builder, &b.bytes, NULL), QUIPU_OK);
    words_builder_free(builder);
    open_block(&b, count);
    return b;
}

static void drop(block *b)
{
    words_free(b->words);
    buffer_free(&b->bytes);
    free(b->alive);
}

static words_part part_of(const block *b)
{
    return (words_part){ .words = b->words, .alive = b->alive, .documents = b->count };
}

static words_answer *ask(const words_part *parts, size_t count, const char *text, uint64_t k, uint32_t flags)
{
    words_answer *a = NULL;
    words_question q = { .text = str_of(text), .k = k, .flags = flags };
    quipu_error error = { .struct_size = sizeof error };
    if (words_rank(parts, count, &q, &a, NULL, &error) != QUIPU_OK)
        fail_msg("%s", error.message);
    return a;
}

static void add_component(void *context, quipu_str name, double value)
{
    (void)name;
    *(double *)context += value;
}

static void check_components(const words_answer *a)
{
    for (size_t i = 0; i < words_answer_count(a); i++) {
        double sum = 0;
        assert_int_equal(words_explain(a, i, add_component, &sum, NULL), QUIPU_OK);
        assert_true(fabs(sum - words_answer_matches(a)[i].score) < 1e-6);
    }
}

/* The same documents with the same scores, where document d of part p is number first[p] + d. */
static void check_same(const words_answer *a, const uint32_t *first_a, const words_answer *b, const uint32_t *first_b)
{
    assert_int_equal(words_answer_count(a), words_answer_count(b));
    for (size_t i = 0; i < words_answer_count(a); i++) {
        words_match x = words_answer_matches(a)[i], y = words_answer_matches(b)[i];
        assert_true(fabs(x.score - y.score) < 1e-9);
        assert_int_equal(first_a[x.part] + x.document, first_b[y.part] + y.document);
    }
}

static const char *const questions[] = {
    "w3",
    "w40 w41",
    "w1 w2 w3 w200",
    "What did Ben say about w17 and w90?",
    "w5 w6 w5 w6 w300 w301 w302",
    "when w150?",
    "ana cleo w77",
    "Ana",
    "w0 w1",
    "w200 w120 in March 1970",
};
enum { QUESTIONS = sizeof questions / sizeof questions[0] };

/* ---- tests ---- */

static void parts_rank_like_one_block(void **state)
{
    (void)state;
    enum { COUNT = 900, THIRD = 300 };
    said *records = draw_records(COUNT, 400);
    block whole = build(records, COUNT), thirds[3], merged = { 0 };
    words_part one = part_of(&whole), three[3], again;
    const words *from[3];
    uint32_t numbers[COUNT], firsts[3] = { 0, THIRD, 2 * THIRD }, zero = 0;
    const uint32_t *renumber[3];
    for (uint32_t i = 0; i < COUNT; i++)
        numbers[i] = i;
    for (uint32_t i = 0; i < 3; i++) {
        thirds[i] = build(records + firsts[i], THIRD);
        three[i] = part_of(&thirds[i]);
        from[i] = thirds[i].words;
        renumber[i] = numbers + firsts[i];
    }
    assert_int_equal(words_merge(from, renumber, 3, COUNT, &merged.bytes, NULL), QUIPU_OK);
    open_block(&merged, COUNT);
    assert_int_equal(merged.bytes.len, whole.bytes.len);
    assert_memory_equal(merged.bytes.bytes, whole.bytes.bytes, whole.bytes.len);
    again = part_of(&merged);
    for (size_t i = 0; i < QUESTIONS; i++) {
        words_answer *a = ask(&one, 1, questions[i], 50, 0), *b = ask(three, 3, questions[i], 50, 0);
        words_answer *c = ask(&again, 1, questions[i], 50, 0);
        assert_true(words_answer_count(a) > 0);
        check_same(a, &zero, b, firsts);
        check_same(a, &zero, c, &zero);
        check_components(b);
        words_answer_free(a);
        words_answer_free(b);
        words_answer_free(c);
    }
    for (size_t i = 0; i < 3; i++)
        drop(&thirds[i]);
    drop(&whole);
    drop(&merged);
    free(records);
}

/* More documents than are looked at one by one: what cannot be among the best is skipped. */
static void skipping_finds_what_scoring_all_finds(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    said *records = draw_records(COUNT, 400);
    block b = build(records, COUNT);
    words_part part = part_of(&b);
    for (uint32_t i = 0; i < COUNT; i += 3)
        b.alive[i / 64] &= ~(UINT64_C(1) << i % 64);
    for (size_t i = 0; i < QUESTIONS; i++) {
        words_answer *best = ask(&part, 1, questions[i], 300, WORDS_PLAIN);
        words_answer *all = ask(&part, 1, questions[i], UINT64_MAX, WORDS_PLAIN);
        assert_true(words_answer_count(all) > 300);
        assert_int_equal(words_answer_count(best), 300);
        for (size_t m = 0; m < 300; m++) {
            words_match x = words_answer_matches(best)[m], y = words_answer_matches(all)[m];
            assert_true(x.score == y.score);
            assert_int_equal(x.document, y.document);
            assert_true(x.document % 3 != 0);
        }
        words_answer_free(best);
        words_answer_free(all);
        best = ask(&part, 1, questions[i], 20, 0);
        assert_int_equal(words_answer_count(best), 20);
        check_components(best);
        words_answer_free(best);
    }
    drop(&b);
    free(records);
}

static void only_what_is_alive_and_admitted_comes(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    said *records = draw_records(COUNT, 100);
    block b = build(records, COUNT);
    uint64_t admitted[COUNT / 64 + 1] = { 0 };
    words_part part = part_of(&b);
    part.admitted = admitted;
    uint32_t with_word = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        bool alive = i % 5 != 0, in = i % 7 == 3;
        if (!alive)
            b.alive[i / 64] &= ~(UINT64_C(1) << i % 64);
        if (in)
            admitted[i / 64] |= UINT64_C(1) << i % 64;
        with_word += alive && in && (strstr(records[i].text, "w9 ") || strstr(records[i].text, "w3 "));
    }
    words_answer *a = ask(&part, 1, "w9 w3", UINT64_MAX, WORDS_PLAIN);
    assert_int_equal(words_answer_count(a), with_word);
    words_answer_free(a);
    a = ask(&part, 1, "w9 w3", 10000000, 0);
    assert_true(words_answer_count(a) >= with_word);
    for (size_t i = 0; i < words_answer_count(a); i++) {
        uint32_t d = words_answer_matches(a)[i].document;
        assert_true(d % 5 != 0 && d % 7 == 3);
    }
    words_answer_free(a);
    a = ask(&part, 1, "w9 w3", with_word, 0);
    assert_int_equal(words_answer_count(a), with_word);
    words_answer_free(a);
    drop(&b);
    free(records);
}

/* What others hold changes no score of a small admitted set. */
static void statistics_are_those_of_the_admitted(void **state)
{
    (void)state;
    enum { OWN = 500, COUNT = 3000 };
    said *records = draw_records(COUNT, 300);
    block own = build(records, OWN), all = build(records, COUNT);
    uint64_t admitted[COUNT / 64 + 1] = { 0 };
    uint32_t zero = 0;
    for (uint32_t i = 0; i < OWN; i++)
        admitted[i / 64] |= UINT64_C(1) << i % 64;
    words_part alone = part_of(&own), among = part_of(&all);
    among.admitted = admitted;
    for (size_t i = 0; i < QUESTIONS; i++) {
        words_answer *a = ask(&alone, 1, questions[i], 50, 0), *b = ask(&among, 1, questions[i], 50, 0);
        check_same(a, &zero, b, &zero);
        words_answer_free(a);
        words_answer_free(b);
    }
    drop(&own);
    drop(&all);
    free(records);
}

/* The same of a large set: what is gone, or has come since, changes no score. */
static void statistics_are_those_of_the_living(void **state)
{
    (void)state;
    enum { OWN = 40000, COUNT = 60000 };
    said *records = draw_records(COUNT, 300);
    block own = build(records, OWN), all = build(records, COUNT);
    uint32_t zero = 0;
    words_part alone = part_of(&own), masked = part_of(&all);
    for (uint32_t i = OWN; i < COUNT; i++)
        all.alive[i / 64] &= ~(UINT64_C(1) << i % 64);
    for (size_t i = 0; i < QUESTIONS; i++) {
        words_answer *a = ask(&alone, 1, questions[i], 50, 0), *b = ask(&masked, 1, questions[i], 50, 0);
        check_same(a, &zero, b, &zero);
        words_answer_free(a);
        words_answer_free(b);
    }
    drop(&own);
    drop(&all);
    free(records);
}

static void merging_leaves_out_what_is_gone(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    said *records = draw_records(COUNT, 100), kept[COUNT];
    block b = build(records, COUNT), merged = { 0 };
    uint32_t numbers[COUNT], count = 0, zero = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        numbers[i] = i % 3 ? count : UINT32_MAX;
        if (i % 3)
            kept[count++] = records[i];
    }
    const words *from = b.words;
    const uint32_t *renumber = numbers;
    assert_int_equal(words_merge(&from, &renumber, 1, count, &merged.bytes, NULL), QUIPU_OK);
    open_block(&merged, count);
    block fresh = build(kept, count);
    words_part x = part_of(&merged), y = part_of(&fresh);
    for (size_t i = 0; i < QUESTIONS; i++) {
        words_answer *a = ask(&x, 1, questions[i], 50, 0), *c = ask(&y, 1, questions[i], 50, 0);
        check_same(a, &zero, c, &zero);
        words_answer_free(a);
        words_answer_free(c);
    }
    drop(&b);
    drop(&merged);
    drop(&fresh);
    free(records);
}

/* Documents that change their order, as segments that are merged in any order give them. */
static void merging_may_change_the_order(void **state)
{
    (void)state;
    enum { HALF = 200 };
    said *records = draw_records(2 * HALF, 100), mixed[2 * HALF];
    block first = build(records, HALF), second = build(records + HALF, HALF), merged = { 0 };
    uint32_t odd[HALF], even[HALF], zero = 0;
    for (uint32_t i = 0; i < HALF; i++) {
        odd[i] = 2 * i + 1;
        even[i] = 2 * i;
        mixed[2 * i + 1] = records[i];
        mixed[2 * i] = records[HALF + i];
    }
    const words *from[] = { first.words, second.words };
    const uint32_t *renumber[] = { odd, even };
    assert_int_equal(words_merge(from, renumber, 2, 2 * HALF, &merged.bytes, NULL), QUIPU_OK);
    open_block(&merged, 2 * HALF);
    block fresh = build(mixed, 2 * HALF);
    words_part x = part_of(&merged), y = part_of(&fresh);
    for (size_t i = 0; i < QUESTIONS; i++) {
        words_answer *a = ask(&x, 1, questions[i], 50, 0), *c = ask(&y, 1, questions[i], 50, 0);
        check_same(a, &zero, c, &zero);
        words_answer_free(a);
        words_answer_free(c);
    }
    renumber[1] = odd; /* two documents of one number */
    buffer out = { 0 };
    quipu_error error = { .struct_size = sizeof error };
    assert_int_equal(words_merge(from, renumber, 2, 2 * HALF, &out, &error), QUIPU_E_CORRUPT);
    assert_int_equal(out.len, 0);
    buffer_free(&out);
    drop(&first);
    drop(&second);
    drop(&merged);
    drop(&fresh);
    free(records);
}

static void hostile_questions_are_answered(void **state)
{
    (void)state;
    enum { COUNT = 300, LONG = 1 << 20 };
    said *records = draw_records(COUNT, 100);
    strcpy(records[7].text, "to be or not to be");
    block b = build(records, COUNT);
    words_part part = part_of(&b);
    words_answer *a = ask(&part, 1, "", 10, 0);
    assert_int_equal(words_answer_count(a), 0);
    words_answer_free(a);
    a = ask(&part, 1, "?!... \xff\xfe", 10, 0);
    assert_int_equal(words_answer_count(a), 0);
    words_answer_free(a);
    a = ask(&part, 1, "w9", 0, 0);
    assert_int_equal(words_answer_count(a), 0);
    words_answer_free(a);
    a = ask(&part, 0, "w9", 10, 0);
    assert_int_equal(words_answer_count(a), 0);
    words_answer_free(a);
    a = ask(&part, 1, "to be or not to be", 10, 0);
    assert_true(words_answer_count(a) > 0);
    assert_int_equal(words_answer_matches(a)[0].document, 7);
    words_answer_free(a);
    char *text = malloc(LONG + 1);
    for (size_t i = 0; i < LONG; i++)
        text[i] = "w0123456789 "[draw(12)];
    text[LONG] = '\0';
    text[LONG / 2] = '\0'; /* a NUL byte inside */
    words_question q = { .text = { text, LONG }, .k = 10000000 };
    assert_int_equal(words_rank(&part, 1, &q, &a, NULL, NULL), QUIPU_OK);
    words_answer_free(a);
    words_answer_free(NULL);
    free(text);
    drop(&b);
    free(records);
}

/* Any bytes may be wrong: a block says so, or gives some answer; never more. */
static void damage_is_told_or_harmless(void **state)
{
    (void)state;
    enum { COUNT = 200, TRIES = 3000 };
    said *records = draw_records(COUNT, 60);
    block b = build(records, COUNT);
    uint32_t numbers[COUNT];
    const uint32_t *renumber = numbers;
    uint32_t told = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        numbers[i] = i;
    for (uint32_t try = 0; try < TRIES; try++) {
        /* A copy of just its size: the sanitizer sees the first byte that is read too much. */
        size_t len = try % 16 == 0 ? draw((uint32_t)b.bytes.len) : b.bytes.len;
        char *copy = malloc(len ? len : 1);
        words *w = NULL;
        memcpy(copy, b.bytes.bytes, len);
        for (uint32_t i = 0; len > 0 && i <= try % 4; i++)
            copy[draw(try % 3 ? (uint32_t)len : (uint32_t)(len < 256 ? len : 256))] = (char)draw(256);
        if (words_open(str_make(copy, len), COUNT, &w, NULL) != QUIPU_OK) {
            told++;
            free(copy);
            continue;
        }
        words_part part = { .words = w, .alive = b.alive, .documents = COUNT };
        words_question q = { .text = str_of(questions[try % QUESTIONS]), .k = 20 };
        words_answer *a = NULL;
        if (words_rank(&part, 1, &q, &a, NULL, NULL) != QUIPU_OK)
            told++;
        words_answer_free(a);
        buffer out = { 0 };
        const words *from = w;
        if (words_merge(&from, &renumber, 1, COUNT, &out, NULL) != QUIPU_OK)
            assert_int_equal(out.len, 0);
        buffer_free(&out);
        words_free(w);
        free(copy);
    }
    assert_true(told > TRIES / 8);
    drop(&b);
    free(records);
}

static void cancelled_search_stops(void **state)
{
    (void)state;
    said *records = draw_records(100, 50);
    block b = build(records, 100);
    words_part part = part_of(&b);
    quipu_cancel token = { .struct_size = sizeof token, .fd = -1, .flag = 1 };
    quipu_call call = { .struct_size = sizeof call, .cancel = &token };
    quipu_error error = { .struct_size = sizeof error };
    words_answer *a = NULL;
    words_question q = { .text = str_of("w3 w4"), .k = 10 };
    assert_int_equal(words_rank(&part, 1, &q, &a, &call, &error), QUIPU_E_CANCELLED);
    assert_null(a);
    drop(&b);
    free(records);
}

/* ---- likeness ---- */

static double likeness_of[8]; /* by document */
static int32_t likeness_answer;

static int32_t tell_likeness(void *context, words_match *matches, size_t count, quipu_error *error)
{
    (void)context;
    (void)error;
    for (size_t i = 0; i < count; i++)
        matches[i].score = likeness_of[matches[i].document];
    return likeness_answer;
}

static int32_t ask_alike(const words_part *part, const char *text, const words_match *nearest, size_t count,
                         words_answer **out)
{
    words_likeness l = { .nearest = nearest, .count = count, .of = tell_likeness };
    words_question q = { .text = str_of(text), .k = 10, .likeness = &l };
    return words_rank(part, 1, &q, out, NULL, NULL);
}

static void likeness_counts_like_words(void **state)
{
    (void)state;
    const said talk[] = { { .text = "an old bridge", .actor = "Ana", .session = "s1" },
                          { .text = "yes it was", .actor = "Bo", .session = "s1", .seq = 1 },
                          { .text = "red boats", .actor = "Ana", .session = "s2" },
                          { .text = "a bridge", .actor = "Bo", .session = "s3" },
                          { .text = "nothing of it", .actor = "Bo", .session = "s4" } };
    const words_match nearest[] = { { 0.6, 0, 2 }, { 0.5, 0, 0 }, { 0.2, 0, 3 } };
    block b = build(talk, 5);
    words_part part = part_of(&b);
    words_answer *a;
    memcpy(likeness_of, (double[]){ 0.5, 0.1, 0.6, 0.2, 0.1 }, 5 * sizeof(double));
    likeness_answer = QUIPU_OK;
    assert_int_equal(ask_alike(&part, "bridge", nearest, 3, &a), QUIPU_OK);
    assert_int_equal(words_answer_count(a), 4); /* with no word of it c, and b beside a; not e */
    assert_int_equal(words_answer_matches(a)[0].document, 0);
    check_components(a);
    words_answer_free(a);
    assert_int_equal(ask_alike(&part, "harbour", nearest, 3, &a), QUIPU_OK); /* no word at all */
    assert_int_equal(words_answer_matches(a)[0].document, 2);
    assert_true(words_answer_count(a) >= 3);
    words_answer_free(a);
    const words_match outside[] = { { 0.9, 0, 77 }, { 0.9, 3, 0 } };
    assert_int_equal(ask_alike(&part, "bridge", outside, 2, &a), QUIPU_OK);
    assert_int_equal(words_answer_count(a), 3);
    words_answer_free(a);
    likeness_answer = QUIPU_E_IO;
    assert_int_equal(ask_alike(&part, "bridge", nearest, 3, &a), QUIPU_E_IO);
    assert_null(a);
    drop(&b);
}

/* A model that finds everything alike, or whose likenesses all lie near 1, weighs no more than another. */
static void likeness_is_measured_among_the_nearest(void **state)
{
    (void)state;
    const said talk[] = { { .text = "an old bridge" }, { .text = "red boats" } };
    block b = build(talk, 2);
    words_part part = part_of(&b);
    static const double scales[][2] = { { 0.1, 0.3 }, { 0.98, 0.99 }, { 0.7, 0.7 }, { -0.9, -0.8 } };
    for (int i = 0; i < 4; i++) {
        const words_match nearest[] = { { scales[i][1], 0, 1 }, { scales[i][0], 0, 0 } };
        words_answer *a;
        memcpy(likeness_of, (double[]){ scales[i][0], scales[i][1] }, 2 * sizeof(double));
        likeness_answer = QUIPU_OK;
        assert_int_equal(ask_alike(&part, "bridge", nearest, 2, &a), QUIPU_OK);
        assert_int_equal(words_answer_count(a), 2);
        assert_int_equal(words_answer_matches(a)[0].document, 0); /* the word is worth more */
        double by_words = words_answer_matches(a)[0].score - (i == 2 ? words_answer_matches(a)[1].score : 0);
        assert_true(fabs(words_answer_matches(a)[1].score - 0.45 * by_words) < 1e-6);
        words_answer_free(a);
    }
    drop(&b);
}

static void expect_without_names(const words_part *part, const char *question, const char *wanted)
{
    buffer out = { 0 };
    words_question q = { .text = str_of(question) };
    assert_int_equal(words_without_names(part, 1, &q, &out, NULL), QUIPU_OK);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.bytes, wanted);
    buffer_free(&out);
}

static void names_are_left_out_of_a_question(void **state)
{
    (void)state;
    const said talk[] = { { .text = "an old bridge", .actor = "Ana Lund" }, { .text = "red boats", .actor = "Bo" } };
    block b = build(talk, 2);
    words_part part = part_of(&b);
    uint64_t first = 1;
    expect_without_names(&part, "What did Ana's  boat cost\tBo?", "What did boat cost?");
    expect_without_names(&part, "Ana-Bo and Anabel: bridge", "and Anabel: bridge");
    expect_without_names(&part, "What did  Ana do?", "What did  Ana do?"); /* nothing else is asked */
    expect_without_names(&part, "which  bridge", "which  bridge");
    expect_without_names(&part, "", "");
    part.admitted = &first;
    expect_without_names(&part, "Bo, Ana: boats", "Bo,: boats"); /* he does not speak there */
    drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_rank_like_one_block),
        cmocka_unit_test(skipping_finds_what_scoring_all_finds),
        cmocka_unit_test(only_what_is_alive_and_admitted_comes),
        cmocka_unit_test(statistics_are_those_of_the_admitted),
        cmocka_unit_test(statistics_are_those_of_the_living),
        cmocka_unit_test(merging_leaves_out_what_is_gone),
        cmocka_unit_test(merging_may_change_the_order),
        cmocka_unit_test(hostile_questions_are_answered),
        cmocka_unit_test(damage_is_told_or_harmless),
        cmocka_unit_test(cancelled_search_stops),
        cmocka_unit_test(likeness_counts_like_words),
        cmocka_unit_test(likeness_is_measured_among_the_nearest),
        cmocka_unit_test(names_are_left_out_of_a_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
