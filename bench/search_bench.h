/*
 * search_bench.h - what the parts of bench_search share: vectors, a clock, lines of output.
 */
#ifndef BENCH_SEARCH_BENCH_H
#define BENCH_SEARCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct bench_vectors {
    float *rows, *questions; /* of unit length */
    uint32_t count, asked, dimension;
} bench_vectors;

/* The same for the same numbers; or those of the files BASE= and QUERIES=, raw float32, where they are set. */
void bench_vectors_make(bench_vectors *v, uint32_t count, uint32_t asked, uint32_t dimension);
/* Writes `name` into the folder, for the peers. */
void bench_write(const char *folder, const char *name, const void *bytes, size_t len);

double bench_processor(void); /* seconds of processor time of this thread: what a busy machine spoils least */
/* Ends the program: nothing measured after a failure means anything. */
void bench_stop(const char *what, const char *why) __attribute__((noreturn));
/* One line, on stdout and for the peers' script. recall: below 0 where there is none. */
void bench_value(const char *subject, double value, const char *unit, double recall);
void bench_ratio(const char *subject, const char *to, double ratio,
                 double wanted); /* wanted: at most of times and memory, else at least */
void bench_lines_to(const char *folder);

/* Vectors: exact and by partitions, beside the bare BLAS. */
void bench_search_vectors(const bench_vectors *v, const char *folder);

#endif
