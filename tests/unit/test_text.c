/* test_text.c - what text.h promises, and the hash table beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <sdk/search/str_table.h>
#include <sdk/text.h>
#include <stdio.h>
#include <stdlib.h>

static void join(void *context, const char *word, size_t len)
{
    buffer *out = context;
    if (out->len > 0)
        buffer_append_char(out, '|');
    buffer_append(out, word, len);
}

static void expect_len(const char *text, size_t len, uint32_t purpose, const char *words)
{
    buffer out = { 0 };
    text_words(str_make(text, len), purpose, join, &out);
    assert_false(out.failed);
    assert_string_equal(out.bytes ? out.bytes : "", words);
    buffer_free(&out);
}

static void expect(const char *text, const char *words)
{
    expect_len(text, strlen(text), TEXT_QUESTION, words);
}

static void words_are_lower_cased_runs_of_letters_and_digits(void **state)
{
    (void)state;
    expect("Hello, World-42! a_b", "hello|world|42|a|b");
    expect("", "");
    expect(" ... !?", "");
    text_words((quipu_str){ NULL, 0 }, TEXT_STORED, join, NULL);
}

static void apostrophes_join_and_possessives_go(void **state)
{
    (void)state;
    expect("Mary's don't o'clock", "mary|dont|oclock");
    expect("Mary\xe2\x80\x99s don\xe2\x80\x99t", "mary|dont");
    expect("dogs' 'quoted' it'", "dogs|quoted|it");
    expect("x'yz'w", "xyz|w");
    expect("it's", "it");
}

static void other_alphabets_are_lower_cased(void **state)
{
    (void)state;
    expect("\xc3\x89T\xc3\x89 \xc5\x81\xc3\xb3"
           "d\xc5\xba",
           "\xc3\xa9t\xc3\xa9|\xc5\x82\xc3\xb3"
           "d\xc5\xba");
    expect("\xce\x9f\xce\x94\xce\x9f\xce\xa3 \xce\xbf\xce\xb4\xce\xbf\xcf\x82",
           "\xce\xbf\xce\xb4\xce\xbf\xcf\x83|\xce\xbf\xce\xb4\xce\xbf\xcf\x83");
    expect("\xd0\x9c\xd0\x98\xd0\xa0 \xd0\x81\xd0\xb6", "\xd0\xbc\xd0\xb8\xd1\x80|\xd1\x91\xd0\xb6");
    expect("\xef\xbc\xa1\xef\xbd\x82\xef\xbc\x93", "ab3");
}

static void unspaced_scripts_become_pairs(void **state)
{
    (void)state;
    expect("\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd", "\xe6\x9d\xb1\xe4\xba\xac|\xe4\xba\xac\xe9\x83\xbd");
    expect("\xe7\x8c\xab ok", "\xe7\x8c\xab|ok");
    expect_len("\xe6\x9d\xb1\xe4\xba\xac", 6, TEXT_STORED, "\xe6\x9d\xb1|\xe6\x9d\xb1\xe4\xba\xac|\xe4\xba\xac");
    expect("ab\xe6\x9d\xb1\xe4\xba\xac"
           "cd",
           "ab|\xe6\x9d\xb1\xe4\xba\xac|cd");
}

static void joiners_are_not_there_and_symbols_separate(void **state)
{
    (void)state;
    expect("co\xc2\xad"
           "op",
           "coop");
    expect("a\xe2\x80\x94"
           "b\xf0\x9f\x8e\x82"
           "c\xc2\xa0"
           "d",
           "a|b|c|d");
}

static void bytes_that_are_not_utf8_separate_words(void **state)
{
    (void)state;
    expect("a\xff"
           "b\xc3 c\xe2\x80",
           "a|b|c");
    expect("a\xe0\x81\xa1"
           "b\xf0\x80\x81\xa1"
           "c",
           "a|b|c"); /* too many bytes for an "a" */
    expect("a\xc0\xaf"
           "b\xed\xa0\x80"
           "c\xf4\x90\x80\x80"
           "d",
           "a|b|c|d");
    expect_len("ab\xe6\x9d", 4, TEXT_STORED, "ab");
    expect_len("don'", 4, TEXT_STORED, "don");
    expect_len("x\xe2\x80", 3, TEXT_STORED, "x");
}

static void long_words_are_cut_between_characters(void **state)
{
    (void)state;
    char text[400];
    buffer out = { 0 };
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text_words(str_make(text, sizeof text), TEXT_STORED, join, &out);
    assert_true(out.len <= TEXT_WORD_MAX && out.len > TEXT_WORD_MAX - 8 && out.len % 2 == 0);
    buffer_free(&out);
}

static void stop_words_are_function_words(void **state)
{
    (void)state;
    const char *in[] = { "a", "the", "dont", "what", "youve", "because" };
    const char *not_in[] = { "", "b", "th", "thee", "cat", "zebra", "paint" };
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++)
        assert_true(text_is_stop_word(in[i], strlen(in[i])));
    for (size_t i = 0; i < sizeof not_in / sizeof not_in[0]; i++)
        assert_false(text_is_stop_word(not_in[i], strlen(not_in[i])));
}

static void forms_of_a_word_share_their_stem(void **state)
{
    (void)state;
    text_stemmer *s = text_stemmer_create(TEXT_STEM_ENGLISH, TEXT_ENGLISH);
    assert_non_null(s);
    char first[32] = "";
    quipu_str stem = text_stem(s, "painting", 8);
    memcpy(first, stem.ptr, (size_t)stem.len);
    assert_string_equal(first, "paint");
    stem = text_stem(s, "paints", 6);
    assert_true(str_same(stem, str_of("paint")));
    assert_true(str_same(text_stem(s, "2023s", 5), str_of("2023s")));
    assert_true(str_same(text_stem(s, "caf\xc3\xa9s", 6), str_of("caf\xc3\xa9s")));
    text_stemmer_free(s);
    text_stemmer_free(NULL);
}

static quipu_str number_key(const void *owner, uint32_t number)
{
    return str_of((const char *)owner + 12 * (size_t)number);
}

static void scripts_tell_the_language(void **state)
{
    static const char *const pairs[][2] = {
        { "книга", "книгами" },
        { "дороги", "дорога" },
        { "γάτα", "γάτες" },
        { "किताब", "किताबें" },
    };
    text_stemmer *all = text_stemmer_create(TEXT_STEM_SCRIPTS, TEXT_ENGLISH),
                 *english = text_stemmer_create(TEXT_STEM_ENGLISH, TEXT_ENGLISH);
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        buffer first = { 0 };
        buffer_append_str(&first, text_stem(all, pairs[i][0], strlen(pairs[i][0])));
        quipu_str second = text_stem(all, pairs[i][1], strlen(pairs[i][1]));
        if (!str_same(str_make(first.bytes, first.len), second))
            fail_msg("%s and %s have the stems %s and %.*s", pairs[i][0], pairs[i][1], first.bytes, (int)second.len,
                     second.ptr);
        assert_true(str_same(text_stem(english, pairs[i][1], strlen(pairs[i][1])), str_of(pairs[i][1])));
        buffer_free(&first);
    }
    assert_true(str_same(text_stem(all, "café", strlen("café")), str_of("café")));
    text_stemmer_free(all);
    text_stemmer_free(english);
}

static void languages_have_names(void **state)
{
    static const char *const same[][3] = {
        { "german", "häuser", "haus" },
        { "french", "continuité", "continuités" },
        { "spanish", "canción", "canciones" },
    };
    text_language language;
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        buffer first = { 0 };
        assert_true(text_language_find(str_of(same[i][0]), &language));
        text_stemmer *s = text_stemmer_create(TEXT_STEM_SCRIPTS, language);
        buffer_append_str(&first, text_stem(s, same[i][1], strlen(same[i][1])));
        assert_true(str_same(str_make(first.bytes, first.len), text_stem(s, same[i][2], strlen(same[i][2]))));
        buffer_free(&first);
        text_stemmer_free(s);
    }
    assert_true(text_language_find(str_of("english"), &language) && language == TEXT_ENGLISH);
    assert_false(text_language_find(str_of("klingon"), &language));
    assert_false(text_language_find(str_of(""), &language));
    assert_false(text_language_find(str_of("english basque"), &language));
}

static void table_finds_what_is_in_it_and_nothing_else(void **state)
{
    (void)state;
    static char keys[3000][12];
    static bool there[3000];
    str_table t;
    str_table_init(&t, number_key, keys);
    assert_int_equal(str_table_find(&t, str_of("k1")), STR_TABLE_NONE);
    str_table_remove(&t, str_of("k1"));
    for (uint32_t i = 0; i < 3000; i++)
        snprintf(keys[i], sizeof keys[i], "k%u", i);
    uint32_t random = 7;
    for (int step = 0; step < 30000; step++) {
        random = random * 1664525u + 1013904223u;
        uint32_t n = (random >> 8) % 3000;
        assert_int_equal(str_table_find(&t, str_of(keys[n])), there[n] ? n : STR_TABLE_NONE);
        if (there[n])
            str_table_remove(&t, str_of(keys[n]));
        else
            assert_true(str_table_add(&t, str_of(keys[n]), n));
        there[n] = !there[n];
    }
    size_t count = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        count += there[i];
        assert_int_equal(str_table_find(&t, str_of(keys[i])), there[i] ? i : STR_TABLE_NONE);
    }
    assert_int_equal(t.count, count);
    str_table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_lower_cased_runs_of_letters_and_digits),
        cmocka_unit_test(apostrophes_join_and_possessives_go),
        cmocka_unit_test(other_alphabets_are_lower_cased),
        cmocka_unit_test(unspaced_scripts_become_pairs),
        cmocka_unit_test(joiners_are_not_there_and_symbols_separate),
        cmocka_unit_test(bytes_that_are_not_utf8_separate_words),
        cmocka_unit_test(long_words_are_cut_between_characters),
        cmocka_unit_test(stop_words_are_function_words),
        cmocka_unit_test(forms_of_a_word_share_their_stem),
        cmocka_unit_test(scripts_tell_the_language),
        cmocka_unit_test(languages_have_names),
        cmocka_unit_test(table_finds_what_is_in_it_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
