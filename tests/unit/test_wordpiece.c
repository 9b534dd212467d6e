/* test_wordpiece.c - texts to tokens as the published tokenizers do it, on a vocabulary that fits on a screen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/scratch.h"
#include "../support/tiny_model.h"

#include <base/buffer.h>
#include <sdk/model/wordpiece.h>
#include <stdio.h>
#include <stdlib.h>

static char folder[128];
static quipu_error fault;

/* Line n is token n. */
static const char *const lines = "[PAD]\n[UNK]\n[CLS]\n[SEP]\ncafe\nun\n##aff\n##able\n,\n!"
                                 "\n\xe4\xb8\x9c\n\xe4\xba\xac\ni\nstrasse\n\xe1\x84\x80\n##\xe1\x85\xa1\n"
                                 "caf\xc3\xa9\nCafe\n##\xcc\x87\n";
enum {
    UNKNOWN = 1,
    CLS,
    SEP,
    CAFE,
    UN,
    AFF,
    ABLE,
    COMMA,
    BANG,
    EAST,
    CAPITAL,
    I,
    STRASSE,
    KIYEOK,
    A,
    ACCENTED,
    CAPITALISED,
    DOT
};

static int begin(void **state)
{
    (void)state;
    scratch_make(folder);
    tiny_text(folder, "vocab.txt", lines);
    fault = (quipu_error){ .struct_size = sizeof fault };
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static void assert_tokens(const wordpiece *w, const char *text, size_t len, const uint32_t *expected, uint32_t count)
{
    uint32_t out[64], got = wordpiece_encode(w, str_make(text, len), out, 64);
    buffer told = { 0 };
    for (uint32_t i = 0; i < got; i++)
        buffer_printf(&told, " %u", out[i]);
    if (got != count || (count && memcmp(out, expected, count * sizeof *out) != 0))
        fail_msg("\"%s\" gave%s", text, told.len ? told.bytes : " nothing");
    buffer_free(&told);
}

#define TOKENS(w, text, ...)                                                                                           \
    do {                                                                                                               \
        const uint32_t expected_[] = { __VA_ARGS__ };                                                                  \
        assert_tokens(w, text, sizeof(text) - 1, expected_, sizeof expected_ / sizeof expected_[0]);                   \
    } while (0)

static wordpiece *open_good(void)
{
    wordpiece *w;
    if (wordpiece_open(folder, &w, &fault) != QUIPU_OK)
        fail_msg("%s", fault.message);
    return w;
}

static void words_are_split_into_the_longest_pieces(void **state)
{
    wordpiece *w = open_good();
    (void)state;
    TOKENS(w, "unaffable", UN, AFF, ABLE);
    TOKENS(w, "unaffables", UNKNOWN); /* the whole word, where any piece is missing */
    TOKENS(w, "un aff", UN, UNKNOWN); /* "##aff" begins no word */
    assert_tokens(w, "", 0, NULL, 0);
    assert_tokens(w, " \t\r\n", 4, NULL, 0);
    wordpiece_free(w);
}

static void texts_are_normalised_as_published(void **state)
{
    wordpiece *w = open_good();
    (void)state;
    TOKENS(w, "Caf\xc3\xa9", CAFE);                             /* accents and case */
    TOKENS(w, "cafe\xcc\x81", CAFE);                            /* a combining accent */
    TOKENS(w, "cafe,un!", CAFE, COMMA, UN, BANG);               /* punctuation */
    TOKENS(w, "un\xe4\xb8\x9c\xe4\xba\xac", UN, EAST, CAPITAL); /* ideographs */
    TOKENS(w,
           "ca\xe2\x80\x8b"
           "fe",
           CAFE); /* zero width space is a format character */
    TOKENS(w,
           "ca\x01"
           "fe",
           CAFE);                          /* control characters */
    TOKENS(w, "cafe\xc2\xa0un", CAFE, UN); /* no-break space */
    TOKENS(w, "\xc4\xb0", I);              /* capital I with dot */
    TOKENS(w, "\xea\xb0\x80", KIYEOK, A);  /* Hangul is taken apart */
    TOKENS(w, "\xe1\xbf\xaf", UNKNOWN);    /* becomes a grave accent, which is punctuation */
    TOKENS(w,
           "\xff"
           "cafe\xc3",
           CAFE); /* what is no UTF-8 */
    wordpiece_free(w);
}

static void special_tokens_are_tokens_wherever_they_stand(void **state)
{
    wordpiece *w = open_good();
    (void)state;
    TOKENS(w, "cafe[SEP]un [CLS]", CAFE, SEP, UN, CLS);
    TOKENS(w, "[sep]", UNKNOWN, UNKNOWN, UNKNOWN);
    wordpiece_free(w);
}

static void long_words_and_long_texts_end(void **state)
{
    wordpiece *w = open_good();
    char word[400];
    uint32_t out[4];
    (void)state;
    memset(word, 'i', sizeof word);
    assert_tokens(w, word, 100, (const uint32_t[]){ UNKNOWN }, 1);
    assert_tokens(w, word, 400, (const uint32_t[]){ UNKNOWN }, 1);
    assert_int_equal(wordpiece_encode(w, str_of("un un un un un un"), out, 3), 3);
    assert_int_equal(wordpiece_encode(w, str_of("un"), out, 0), 0);
    wordpiece_free(w);
}

static void settings_of_the_tokenizer_are_obeyed(void **state)
{
    wordpiece *w;
    (void)state;
    tiny_text(folder, "tokenizer_config.json", "{\"do_lower_case\":false}");
    w = open_good();
    TOKENS(w, "Cafe caf\xc3\xa9", CAPITALISED, ACCENTED);
    wordpiece_free(w);
    tiny_text(folder, "tokenizer_config.json", "{\"do_lower_case\":true,\"strip_accents\":false}");
    w = open_good();
    TOKENS(w, "Caf\xc3\xa9 \xc4\xb0", ACCENTED, I, DOT); /* lower case of one character may be two */
    wordpiece_free(w);
    tiny_text(folder, "tokenizer_config.json", "{\"tokenize_chinese_chars\":false}");
    w = open_good();
    TOKENS(w, "\xe4\xb8\x9c\xe4\xba\xac", UNKNOWN);
    wordpiece_free(w);
}

#define JSON(model, normalizer)                                                                                        \
    "{\"model\":{" model "\"vocab\":{\"[UNK]\":0,\"un\":7,\"##aff\":9}},\"normalizer\":" normalizer "}"
#define NORMALIZER "{\"type\":\"BertNormalizer\"}"

static void tokenizer_json_is_taken_before_vocab_txt(void **state)
{
    wordpiece *w;
    (void)state;
    tiny_text(folder, "tokenizer.json",
              "{\"model\":{\"vocab\":{\"[UNK]\":0,\"un\":7,\"##aff\":9},\"max_input_chars_per_word\":5},"
              "\"normalizer\":" NORMALIZER ",\"added_tokens\":[{\"id\":30,\"content\":\"<x>\"}]}");
    w = open_good();
    assert_int_equal(wordpiece_size(w), 31);
    assert_int_equal(wordpiece_unknown(w), 0);
    assert_int_equal(wordpiece_token(w, "un"), 7);
    assert_int_equal(wordpiece_token(w, "aff"), UINT32_MAX);
    TOKENS(w, "unaff<x>un", 7, 9, 30, 7);
    TOKENS(w, "unaffu", 0); /* six characters */
    wordpiece_free(w);
}

static void what_is_no_such_tokenizer_is_refused_by_name(void **state)
{
    static const struct {
        const char *text;
        int32_t code;
        const char *said;
    } rows[] = {
        { JSON("\"type\":\"BPE\",", NORMALIZER), QUIPU_E_UNSUPPORTED, "BPE" },
        { JSON("", "{\"type\":\"Sequence\"}"), QUIPU_E_UNSUPPORTED, "Sequence" },
        { JSON("", "null"), QUIPU_E_UNSUPPORTED, "BertNormalizer" },
        { JSON("\"max_input_chars_per_word\":1000,", NORMALIZER), QUIPU_E_UNSUPPORTED, "characters" },
        { JSON("\"unk_token\":\"nope\",", NORMALIZER), QUIPU_E_CORRUPT, "nope" },
        { "{\"model\":{},\"normalizer\":" NORMALIZER "}", QUIPU_E_CORRUPT, "vocabulary" },
        { "{\"model\":{\"vocab\":{\"a\":-1}},\"normalizer\":" NORMALIZER "}", QUIPU_E_CORRUPT, "number" },
        { "{\"model\":{\"vocab\":{\"a\":99999999999}},\"normalizer\":" NORMALIZER "}", QUIPU_E_CORRUPT, "number" },
        { "{\"model\":{\"vocab\":{\"[UNK]\":1}},\"added_tokens\":[{\"id\":1}],\"normalizer\":" NORMALIZER "}",
          QUIPU_E_CORRUPT, "added token" },
        { "{", QUIPU_E_CORRUPT, "tokenizer.json" },
        { "7", QUIPU_E_CORRUPT, "no object" },
    };
    wordpiece *w;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tiny_text(folder, "tokenizer.json", rows[i].text);
        int32_t code = wordpiece_open(folder, &w, &fault);
        if (code != rows[i].code || !strstr(fault.message, rows[i].said))
            fail_msg("row %zu: code %d, \"%s\"", i, code, fault.message);
        assert_null(w);
    }
}

static void a_folder_without_a_tokenizer_is_said_to_be_one(void **state)
{
    wordpiece *w;
    (void)state;
    assert_int_equal(wordpiece_open("/nowhere", &w, &fault), QUIPU_E_NOT_FOUND);
    assert_non_null(strstr(fault.message, "vocab.txt"));
    wordpiece_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(words_are_split_into_the_longest_pieces),       TEST(texts_are_normalised_as_published),
        TEST(special_tokens_are_tokens_wherever_they_stand), TEST(long_words_and_long_texts_end),
        TEST(settings_of_the_tokenizer_are_obeyed),          TEST(tokenizer_json_is_taken_before_vocab_txt),
        TEST(what_is_no_such_tokenizer_is_refused_by_name),  TEST(a_folder_without_a_tokenizer_is_said_to_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
