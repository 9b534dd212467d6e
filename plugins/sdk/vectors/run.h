/*
 * run.h - a run: rows that lie together with their keys, in RAM (a piece of the tail) or as an image that is never changed.
 *
 * An image, sealed by run_build and read by run_open, on disk or in RAM (numbers as the machine has them; another byte order is another
 * format), each section at a multiple of 64 bytes:
 *
 *     run_header, the model's id
 *     matrix    rows x dimension floats, partition after partition
 *     keys      rows x VECTOR_KEY bytes
 *     by_key    rows x uint32: the rows by key, ascending
 *     centres   partitions x dimension floats        (from here on only where there are partitions)
 *     norms     partitions floats: |centre|^2
 *     starts    partitions + 1 uint32: the first row of each; the last is `rows`
 *     factors   rows x codes_factors
 *     codes     a block for each 32 rows
 */
#ifndef SDK_VECTORS_RUN_H
#define SDK_VECTORS_RUN_H

#include "codes.h"
#include "top_k.h"

#include <base/buffer.h>
#include <sdk/derived.h>
#include <sdk/vector_index.h>
#include <stdatomic.h>

#define RUN_KIND_ROWS 1u
#define RUN_KIND_DEAD 2u

typedef struct run_header {
    char magic[8];
    uint32_t kind;
    uint32_t dimension;
    uint64_t id; /* random: removals name it */
    uint32_t rows;
    uint32_t partitions;
    uint32_t model_len;
    uint32_t reserved;
} run_header;

/* A removed row, in a file of kind DEAD: header, model, then `rows` of these. */
typedef struct run_dead {
    uint64_t id;
    uint32_t row;
    uint32_t reserved;
} run_dead;

/* A snapshot of the folder, counted: runs of it share it. */
typedef struct run_mapping {
    atomic_uint users;
    derived_snapshot *snapshot;
} run_mapping;
void run_mapping_leave(run_mapping *m);

/* Counted. What is behind the pointers stays until the last user has left. */
typedef struct run {
    atomic_uint users;
    uint64_t id;
    uint32_t serial; /* its number in this process, from 1 */
    uint32_t dimension;
    uint32_t capacity;     /* rows that there is room for */
    _Atomic uint32_t rows; /* of the tail: grows */
    uint32_t partitions;
    float *matrix; /* of an image all of this is const */
    uint8_t *keys;
    const uint32_t *by_key;  /* of an image */
    _Atomic uint32_t *cells; /* of the tail: a hash table of rows + 1, 0 where empty; never taken back */
    uint32_t cell_mask;
    const float *centres, *norms;
    const uint32_t *starts;
    const codes_factors *factors;
    const uint8_t *codes;
    _Atomic uint32_t *dead; /* a bit for each row */
    _Atomic uint32_t dead_count;
    quipu_str image;      /* or absent */
    void *owned;          /* of RAM */
    run_mapping *mapping; /* or of files */
} run;

/* A piece of the tail: room for at least 32 rows, a multiple of 32. */
run *run_new(uint32_t dimension);
run *run_share(run *r);
void run_leave(run *r);

/* Reads an image; it has to stay. NULL and *rc 0 where it is damaged or of another model, kind or dimension. */
run *run_open(quipu_str image, quipu_str model, uint32_t dimension, int32_t *rc);
/* The removals of an image of kind DEAD, or NULL. */
const run_dead *run_removals(quipu_str image, quipu_str model, uint32_t dimension, uint32_t *count);

/* The living row of a key, or VECTORS_NONE. Needs no lock. */
uint32_t run_find(const run *r, const uint8_t *key);
/* Adds a row to a piece of the tail with room; one thread at a time. */
void run_append(run *r, const uint8_t *key, const float *vector);
static inline const float *run_row(const run *r, uint32_t row)
{
    return r->matrix + (size_t)row * r->dimension;
}
static inline const uint8_t *run_key(const run *r, uint32_t row)
{
    return r->keys + (size_t)row * VECTOR_KEY;
}
bool run_is_dead(const run *r, uint32_t row);
/* False where it was dead before. */
bool run_kill(run *r, uint32_t row);

/* ---- building ---- */

typedef struct run_source {
    const float *vector; /* of unit length */
    const uint8_t *key;
} run_source;

/* An image of these rows, *out for the caller to free. */
int32_t run_build(const run_source *rows, uint32_t count, uint32_t dimension, quipu_str model, void **out, size_t *len,
                  const quipu_call *call, quipu_error *error);
/* An image of kind DEAD of all dead rows of the runs. */
int32_t run_build_removals(run *const *runs, size_t count, uint32_t dimension, quipu_str model, void **out, size_t *len,
                           quipu_error *error);

/* Where the sections of an image are, by bytes; false where the numbers cannot be. */
typedef struct run_layout {
    uint64_t model, matrix, keys, by_key, centres, norms, starts, factors, codes, end;
} run_layout;
bool run_lay_out(const run_header *h, run_layout *out);

/* ---- searching ---- */

typedef struct run_search {
    const float *questions; /* one after the other */
    uint32_t count;
    top_k *best;              /* of each question */
    const uint32_t *admitted; /* of this run: a bit for each row, or NULL */
    uint32_t first;           /* the number of the run's row 0 */
    uint32_t rows;            /* of the run, for this search */
    bool exact;
    float effort;
    const codes_question *asked; /* of each question, or NULL where no run has codes */
    float *scores;               /* room for RUN_SCORES floats */
    const quipu_call *call;
} run_search;

#define RUN_SCORES ((size_t)RUN_TILE * RUN_QUESTIONS)
#define RUN_TILE 1024u    /* rows scored at once, a multiple of 32 */
#define RUN_QUESTIONS 64u /* questions at once */

int32_t run_search_all(const run *r, const run_search *s, quipu_error *error);

/* The bits of rows from `row`, a multiple of 32, on that are admitted, alive, and below s->rows. */
uint32_t run_admitted(const run *r, const run_search *s, uint32_t row);
/* By partitions and codes; question i alone. */
int32_t run_search_partitions(const run *r, const run_search *s, uint32_t i, quipu_error *error);

#endif
