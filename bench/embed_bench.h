/*
 * embed_bench.h - what the parts of bench_embed share: texts, clocks, lines of output.
 */
#ifndef BENCH_EMBED_BENCH_H
#define BENCH_EMBED_BENCH_H

#include <embed_bert/bert.h>
#include <quipu.h>

enum { BENCH_BATCH = 64, BENCH_TURNS = 423, BENCH_QUESTIONS = 44, BENCH_TEXT_MAX = 2000, BENCH_ROUNDS = 9 };

extern quipu_str bench_turns[BENCH_TURNS], bench_questions[BENCH_QUESTIONS]; /* of examples/conversation */
extern const char *bench_model;                                              /* the model's folder */

double bench_now(void);       /* seconds */
double bench_processor(void); /* seconds of processor time of this process */
double bench_median(double *values, size_t count);
/* Ends the program: nothing measured after a failure means anything. */
void bench_stop(const char *what, const char *why) __attribute__((noreturn));
void bench_value(const char *subject, double value, const char *unit);
void bench_ratio(const char *subject, const char *to, double ratio, double wanted);
void bench_note(const char *text); /* something that could not be measured, and why */

/* The vectors of some texts, one after the other, or NULL to drop them. Seconds. */
double bench_embed(const bert *b, const quipu_str *texts, uint64_t count, uint32_t threads, float *vectors);

/* A git store with this embedder, on so many threads; and texts into it, at most 1,000, `stride` bytes apart. */
quipu *bench_open_store(const char *path, const char *threads);
void bench_write_texts(quipu *q, const char *texts, long count, size_t stride, long first);

/* A batch of turns beside sentence-transformers, on one core and on all. */
void bench_beside_peer(const bert *b);
/* One short question beside the bare sequence of its matrix products. */
void bench_beside_products(const bert *b);
/* Memory of two processes that have the model loaded; and what such a process does (`task` of main). */
void bench_memory_of_two(const char *folder);
void bench_memory_child(const char *store);
/* A question to its results in a store of `records` texts. */
void bench_text_to_results(const bert *b, const char *folder, long records);

#endif
