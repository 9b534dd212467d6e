/* test_short_deflate.c - streams that any inflater reads, and that are as short as is promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <storage_git/short_deflate.h>

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

static char stream[2 * SHORT_DEFLATE_MAX], again[SHORT_DEFLATE_MAX];

/* Deflates, inflates, compares; returns the stream's length. */
static size_t there_and_back(short_deflate *d, const void *bytes, size_t len)
{
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    size_t got = 1, made = short_deflate_zlib(d, bytes, len, stream);
    assert_non_null(inflater);
    assert_true(made <= len + 11);
    assert_int_equal(libdeflate_zlib_decompress(inflater, stream, made, again, sizeof again, &got), LIBDEFLATE_SUCCESS);
    assert_int_equal(got, len);
    assert_memory_equal(bytes, again, len);
    libdeflate_free_decompressor(inflater);
    return made;
}

static void test_any_length_comes_back(void **state)
{
    static char bytes[SHORT_DEFLATE_MAX];
    short_deflate *d = short_deflate_create();
    (void)state;
    assert_non_null(d);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i % 251 * (i / 700));
    for (size_t len = 0; len <= 600; len++)
        there_and_back(d, bytes, len);
    there_and_back(d, bytes, sizeof bytes);
    short_deflate_free(d);
}

/* Each length of a match and each power of two of a distance has a symbol of its own. */
static void test_every_length_and_distance_of_a_match(void **state)
{
    static char bytes[SHORT_DEFLATE_MAX];
    short_deflate *d = short_deflate_create();
    (void)state;
    for (size_t length = 3; length <= 300; length++)
        for (size_t distance = length; distance + length <= sizeof bytes; distance *= 2) {
            srand((unsigned)(length + distance));
            for (size_t i = 0; i < distance + length; i++)
                bytes[i] = i < distance ? (char)rand() : bytes[i - distance];
            there_and_back(d, bytes, distance + length);
        }
    short_deflate_free(d);
}

static void test_what_repeats_gets_shorter(void **state)
{
    static const char json[] =
        "{\"scope\":{\"user\":\"ana\"},\"tags\":[\"kitchen\",\"kitchen\",\"kitchen\",\"kitchen\"]}";
    static char same[SHORT_DEFLATE_MAX];
    short_deflate *d = short_deflate_create();
    (void)state;
    assert_true(there_and_back(d, json, sizeof json - 1) < sizeof json - 1);
    assert_true(there_and_back(d, same, sizeof same) < 100);
    short_deflate_free(d);
}

/* What an earlier input left in the tables does not get into a later one. */
static void test_an_input_knows_nothing_of_the_one_before(void **state)
{
    char first[200], made[300];
    short_deflate *d = short_deflate_create(), *fresh = short_deflate_create();
    (void)state;
    for (size_t i = 0; i < sizeof first; i++)
        first[i] = (char)('a' + i % 23);
    size_t len = short_deflate_zlib(fresh, first, sizeof first, made);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(there_and_back(d, first, sizeof first), len);
        assert_memory_equal(stream, made, len);
    }
    short_deflate_free(d);
    short_deflate_free(fresh);
}

/* The places are counted in 16 bits: more bytes than that may pass through one compressor. */
static void test_the_count_of_places_begins_anew(void **state)
{
    static char bytes[SHORT_DEFLATE_MAX];
    short_deflate *d = short_deflate_create();
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * i / 999);
    for (size_t len = 1; len < sizeof bytes; len += 61)
        there_and_back(d, bytes + sizeof bytes - len, len);
    short_deflate_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_length_comes_back),
        cmocka_unit_test(test_every_length_and_distance_of_a_match),
        cmocka_unit_test(test_what_repeats_gets_shorter),
        cmocka_unit_test(test_an_input_knows_nothing_of_the_one_before),
        cmocka_unit_test(test_the_count_of_places_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
