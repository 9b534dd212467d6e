/* words_texts.c - the texts and questions of bench_words, its clock. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "words_bench.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define VOCABULARY 60000.0

static const char *const function_words[] = { "the", "a",  "of",   "to",   "and", "in",  "was", "is",
                                              "for", "on", "with", "that", "we",  "our", "my",  "at" };

/* A stream of numbers of its own for each text (SplitMix64). */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* The word of a rank: syllables, so that stemming has something to do. */
static size_t spell(unsigned rank, char *out)
{
    static const char consonants[] = "bdfgklmnprstvz", vowels[] = "aeiou";
    static const char *const endings[] = { "", "s", "ing", "ed", "er", "", "ly", "" };
    size_t len = 0;
    for (unsigned left = rank + 70; left > 0; left /= 70) {
        out[len++] = consonants[left % 14];
        out[len++] = vowels[left / 14 % 5];
    }
    out[len++] = consonants[rank % 14];
    return len + (size_t)sprintf(out + len, "%s", endings[rank % 8]);
}

/* Ranks by Zipf's law: the logarithm is spread evenly. */
static unsigned draw_rank(uint64_t *state)
{
    double even = (double)(draw(state) >> 11) / 9007199254740992.0;
    return (unsigned)(pow(VOCABULARY, even) - 1);
}

size_t words_bench_text(long i, char out[BENCH_TEXT_MAX])
{
    uint64_t state = (uint64_t)i * UINT64_C(0x2545f4914f6cdd1d) + 1;
    size_t len = 0, words = 8 + draw(&state) % 9;
    for (size_t w = 0; w < words; w++) {
        if (draw(&state) % 3 == 0)
            len += (size_t)sprintf(out + len, "%s", function_words[draw(&state) % 16]);
        else
            len += spell(draw_rank(&state), out + len);
        out[len++] = ' ';
    }
    out[len - 1] = draw(&state) % 5 ? '.' : '?';
    out[len] = '\0';
    return len;
}

size_t words_bench_question(long i, long n, char out[BENCH_TEXT_MAX])
{
    uint64_t state = (uint64_t)i + 77;
    char text[BENCH_TEXT_MAX];
    size_t from = words_bench_text((long)(draw(&state) % (uint64_t)n), text) / 3, words = 3 + draw(&state) % 3, len;
    while (text[from] != ' ')
        from++;
    len = (size_t)sprintf(out, "when did");
    for (; text[from] && words > 0; from++) {
        words -= text[from] == ' ';
        if (words > 0)
            out[len++] = text[from];
    }
    out[len] = '\0';
    return len;
}

double words_bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void words_bench_stop(const char *what, const char *why)
{
    fprintf(stderr, "bench-words: %s: %s\n", what, why);
    exit(1);
}
