/*
 * record_index.h - records in RAM with everything that finds them: by id, in order, by filter, by words, by vector.
 *
 * The whole of a simple backend's reading side. Any number of threads may read while one writes; visitors are called
 * with no lock held, on records that stay alive by reference. Lexical and vector parts are built when they are first
 * needed and follow the writes from then on.
 */
#ifndef SDK_RECORD_INDEX_H
#define SDK_RECORD_INDEX_H

#include <sdk/record.h>
#include <quipu/backend.h>

typedef struct record_index record_index;

/* host: for the embed, clock and log services; may be NULL, then there are no vectors. */
int32_t record_index_create(const quipu_host *host, record_index **out, quipu_error *error);
void record_index_free(record_index *ix);

/* Takes its own reference. Replaces what has the same id. */
int32_t record_index_put(record_index *ix, record *r, quipu_error *error);
/* Content that is not there is nothing to do. */
void record_index_remove(record_index *ix, quipu_str id);
/* One atomic step for readers: all of the puts and removals between begin and end appear at once. Nested calls are not
 * allowed. Readers wait; the caller waits for readers. */
void record_index_begin(record_index *ix);
void record_index_end(record_index *ix);

/* The record, with a reference for the caller (record_free), or NULL. */
record *record_index_find(record_index *ix, quipu_str id);
uint64_t record_index_count(record_index *ix);

/* As the slots of the same name in backend.h. `as_of` must be absent (the backend resolves it to another index). Arguments are
 * checked here: struct sizes, flags, k, order, cursor, filter, UTF-8 of the text, dimension and NaN of a vector. */
int32_t record_index_get(record_index *ix, const quipu_get *q, quipu_hit_fn visit, void *context,
                         const quipu_call *call, quipu_error *error);
int32_t record_index_scan(record_index *ix, const quipu_scan *q, quipu_hit_fn visit, void *context,
                          const quipu_call *call, quipu_error *error);
int32_t record_index_search(record_index *ix, const quipu_search *q, quipu_hit_fn visit, void *context,
                            const quipu_call *call, quipu_error *error);

#endif
