/*
 * words_bench.h - what bench_words and its peer share.
 */
#ifndef BENCH_WORDS_BENCH_H
#define BENCH_WORDS_BENCH_H

#include <stddef.h>

enum { BENCH_TEXT_MAX = 512 };

/* The i-th text, about twelve words by Zipf's law, a third of them function words; returns its length. */
size_t words_bench_text(long i, char out[BENCH_TEXT_MAX]);
/* The i-th of the questions over n texts: three or four words that stand together in one of them. */
size_t words_bench_question(long i, long n, char out[BENCH_TEXT_MAX]);
/* Seconds of processor time: there is one thread, and nothing waits for a disk. */
double words_bench_now(void);
void words_bench_stop(const char *what, const char *why) __attribute__((noreturn));

/* The same tokens in SQLite's FTS5, in RAM: fills it, asks `count` questions for the 10 best, and gives the seconds of each. False
 * where SQLite is not there. */
int words_peer_fts5(long n, long count, double *build, double *seconds);

#endif
