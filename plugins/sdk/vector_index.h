/*
 * vector_index.h - vectors of one model by the 32-byte key of what they stand for: found by key, scored, searched; on BLAS.
 *
 * Rows are of unit length (made so when they are added; a zero vector stays zero), so that a score, an inner product, is the cosine, from
 * -1 to 1. New rows gather in RAM, in the tail, and are scored exactly. vector_index_settle seals them into runs: immutable
 * images, memory-mapped files where the index has a folder, of which larger ones swallow smaller ones, so that there are about log2 of
 * the rows. A run of VECTOR_INDEX_PARTITIONED rows or more is divided by k-means into about sqrt(rows) partitions, with
 * codes of one bit a dimension (vectors/codes.h); a search estimates the rows of the nearest partitions from their codes and scores those
 * exactly that may be among the best. So every score that comes out is exact, and only which rows come out is approximate.
 *
 * Tags: [any] any thread at any time. [owner] not beside itself; beside all that is [any] it is safe.
 * Invariants:
 *   1. A key is in at most one living row. What was removed is in no result of a view taken later, in no process that has
 *      refreshed since the removal was settled.
 *   2. A view does not change, except that removed rows leave it; its rows' numbers stay, settled or not.
 *   3. A result passes `admitted`; min(k, rows that pass) results come.
 *   4. What is on disk can be computed again: it is not synced, it is trusted only as far as its checksums and bounds hold, and what does
 *      not fit is as if it were not there.
 */
#ifndef SDK_VECTOR_INDEX_H
#define SDK_VECTOR_INDEX_H

#include <sdk/vectors.h>

#define VECTOR_KEY 32u /* bytes: SHA-256 of the text */
/* Rows from which on a run has partitions: exact search of 384 floats takes a millisecond there, by codes a tenth. */
#define VECTOR_INDEX_PARTITIONED 8192u
#define VECTOR_MODEL_MAX 4096u              /* bytes of a model's id */
#define VECTOR_ROWS_MAX ((uint32_t)1 << 31) /* of one index */

typedef struct vector_index vector_index;
typedef struct vector_view vector_view;

/* In RAM alone where `path` is NULL; else in the folder `path`/`name`, made where it is missing. With `read_only` nothing is made or
 * changed there: NOT_FOUND where there is no folder, and what is added stays in RAM. What is there of another model
 * or dimension, or damaged, counts as absent and is replaced by the next settling; *rebuilt (may be NULL): so it was. */
int32_t vector_index_open(const char *path, const char *name, bool read_only, quipu_str model, uint32_t dimension,
                          vector_index **out, bool *rebuilt, quipu_error *error);
/* Views may outlive it. What was not settled is gone. */
void vector_index_free(vector_index *ix);
bool vector_index_is_of(const vector_index *ix, quipu_str model, uint32_t dimension); /* [any] */

/* [any] Adds a row; a key that is there already keeps its vector. INVALID with the field "vector" where `dimension` is not the
 * index's or a float is not finite. */
int32_t vector_index_add(vector_index *ix, const uint8_t key[VECTOR_KEY], const float *vector, uint64_t dimension,
                         quipu_error *error);
/* [any] NOT_FOUND where there is none. */
int32_t vector_index_remove(vector_index *ix, const uint8_t key[VECTOR_KEY], quipu_error *error);
bool vector_index_has(vector_index *ix, const uint8_t key[VECTOR_KEY]); /* [any] */
uint64_t vector_index_unsettled(vector_index *ix); /* [any] rows and removals that a settling would take up */

/* [any] Takes up what other processes settled. */
int32_t vector_index_refresh(vector_index *ix, quipu_error *error);
/* [any] Seals the tail, divides, merges and writes. Takes as long as it takes (a million rows of 384 floats: half a minute), on the calling
 * thread; nobody else waits for it. Nothing to do where another thread or process is at it, or the folder is read only: what is unsettled stays so. */
int32_t vector_index_settle(vector_index *ix, const quipu_call *call, quipu_error *error);

typedef struct vector_index_stats {
    uint64_t rows;       /* living */
    uint64_t tail;       /* of these, in RAM only and not divided */
    uint64_t runs;       /* images */
    uint64_t partitions; /* of all runs */
    uint64_t floats;     /* bytes of the rows themselves */
    uint64_t overhead;   /* bytes of all else */
    const char *kernel;  /* what scans codes on this processor */
} vector_index_stats;
void vector_index_describe(vector_index *ix, vector_index_stats *out); /* [any] */

/* [any] Reads all that lies in a folder, of whatever model it is: adds its rows, dead ones too, to *rows. *fault: what is wrong, or NULL.
 * NOT_FOUND where there is no folder. */
int32_t vector_index_check(const char *path, const char *name, uint64_t *rows, const char **fault,
                           const quipu_call *call, quipu_error *error);

/* ---- views: what a search sees; each is one thread's at a time ---- */

int32_t vector_index_view(vector_index *ix, vector_view **out, quipu_error *error); /* [any] */
void vector_view_free(vector_view *v);
uint32_t vector_view_dimension(const vector_view *v);
/* Numbers of rows are below this; not all are in use. */
uint32_t vector_view_rows(const vector_view *v);
/* The row of a key, or VECTORS_NONE. */
uint32_t vector_view_find(const vector_view *v, const uint8_t key[VECTOR_KEY]);
/* A row's place says where it lies in any view for as long as its run is there, and is never that of another row in this process;
 * never 0. Until the run is merged the row of a place is had without looking for its key. */
uint64_t vector_view_place(const vector_view *v, uint32_t row);
/* VECTORS_NONE where the run is gone or not in this view, or the row is removed: then its key tells. */
uint32_t vector_view_at_place(const vector_view *v, uint64_t place);
/* The floats of a row that find or search gave; the view's. */
const float *vector_view_row(const vector_view *v, uint32_t row);
const uint8_t *vector_view_key(const vector_view *v, uint32_t row);

/* The scores of `count` rows that find gave, in any order, into `out`; a number that is none of the view's scores -INFINITY. The
 * question is of unit length. */
int32_t vector_view_score(const vector_view *v, const float *question, const uint32_t *rows, uint64_t count, float *out,
                          const quipu_call *call, quipu_error *error);

typedef struct vector_search {
    uint32_t k; /* up to UINT32_MAX */
    bool exact; /* scores every admitted row */
    const uint32_t
        *admitted; /* NULL: every row; else a bit for each number, bit n % 32 of word n / 32, (rows + 31) / 32 words */
    float effort;  /* 0 means 1: how much more is looked at than the measured default, from 0.01 to 1000 */
} vector_search;

/* The best rows for each of `count` questions (of unit length, one after the other), best first, equal ones by number: of question i
 * at out[i * k'], with k' = min(k, vector_view_rows), and found[i] of them. INVALID with the field "vector" for what is not finite
 * or has another dimension, "k" where `out` could not be held in memory, "effort". */
int32_t vector_view_search(const vector_view *v, const float *questions, uint32_t count, uint64_t dimension,
                           const vector_search *how, vectors_match *out, uint32_t *found, const quipu_call *call,
                           quipu_error *error);

#endif
