/* test_short_deflate.c - streams that any inflater reads, and that are as short as is promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <storage_git/short_deflate.h>

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char stream[2 * SHORT_DEFLATE_MAX], again[SHORT_DEFLATE_MAX];

/* Deflates, inflates, compares; returns the stream's length. */
/* d: NULL for a tree. */
static size_t there_and_back(short_deflate *d, const void *bytes, size_t len)
{
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    size_t got = 1, made = d ? short_deflate_zlib(d, bytes, len, stream) : short_deflate_tree(bytes, len, stream);
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

/* Appends an entry with an id that resembles nothing. */
static size_t put_entry(char *tree, size_t at, const char *mode, const char *name)
{
    at += (size_t)sprintf(tree + at, "%s %s", mode, name) + 1;
    for (int i = 0; i < 20; i++)
        tree[at++] = (char)(rand() >> 4);
    return at;
}

/* Trees of files and folders with names of several lengths, cut off anywhere; and what is no tree. */
static void test_trees_come_back(void **state)
{
    static char tree[SHORT_DEFLATE_MAX];
    short_deflate *d = short_deflate_create();
    (void)state;
    srand(1);
    for (unsigned kind = 0; kind < 6; kind++) {
        size_t len = 0;
        for (unsigned i = 0; i < 20; i++) {
            char name[300];
            if (kind == 1)
                snprintf(name, sizeof name, "%x", i);
            else /* as long as each other; ever longer; very long */
                snprintf(name, sizeof name, "r%0*u.json",
                         kind == 3   ? (int)(i * 13 + 1)
                         : kind == 2 ? (int)i
                                     : 8,
                         i * 79);
            len = put_entry(tree, len, kind == 1 || (kind == 5 && i % 3 == 0) ? "40000" : "100644", name);
        }
        for (size_t cut = 0; cut <= len; cut += cut < 300 ? 1 : 17)
            there_and_back(NULL, tree, cut);
        size_t made = there_and_back(NULL, tree, len), general = there_and_back(d, tree, len);
        assert_true(kind > 1 || made <= general + general / 16); /* of what a store has, it finds about as much */
    }
    memset(tree, 0, sizeof tree);
    there_and_back(NULL, tree, sizeof tree);
    memset(tree, 'a', sizeof tree);
    there_and_back(NULL, tree, sizeof tree);
    for (size_t i = 0; i < sizeof tree; i++)
        tree[i] = (char)(rand() >> 4);
    there_and_back(NULL, tree, sizeof tree);
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
        cmocka_unit_test(test_trees_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
