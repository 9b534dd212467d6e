/*
 * record_index.h - records with everything that finds them: by id, in order, by filter, by words, by vector.
 *
 * The whole of a backend's reading side. It is a stack of immutable segments, in the heap or mapped from files that several
 * processes share, with a set of bits for each that tells which of its records are alive; puts gather until a reader needs
 * them. Readers take a snapshot and run without any lock; visitors are called with no lock held. Only records that are shown
 * are decoded.
 */
#ifndef SDK_RECORD_INDEX_H
#define SDK_RECORD_INDEX_H

#include <sdk/derived.h>
#include <sdk/record.h>
#include <sdk/text.h>
#include <quipu/backend.h>
#include <quipu/ext/vectors.h>

/* What record_index_save writes; a folder of another format counts as absent. */
#define RECORD_INDEX_FORMAT 5u

typedef struct record_index record_index;

/* host: for the embed, clock and log services; may be NULL, then there are no vectors. */
int32_t record_index_create(const quipu_host *host, record_index **out, quipu_error *error);
/* Another index that holds the same now and goes its own way from then on; what they have in common is shared. */
int32_t record_index_fork(record_index *ix, record_index **out, quipu_error *error);
/* Another index that is empty and uses the vectors of this one, so that no text is embedded again. */
int32_t record_index_create_beside(record_index *ix, record_index **out, quipu_error *error);
void record_index_free(record_index *ix);
/* The language of what is written in Latin letters (English): before the first record; forks have it from the index that they are of. What
 * was saved in another language must not be loaded. */
void record_index_set_language(record_index *ix, text_language language);
/* Vectors are kept in folders below `path`, one for each model, and shared with other processes; else they are in RAM and gone with the
 * index. Before the first search by vector; forks have it from the index that they are of. With `read_only` nothing is written there. */
int32_t record_index_vectors_in(record_index *ix, const char *path, bool read_only, quipu_error *error);
/* Versions that were replaced or removed stay findable (record_index_revive) until they are most of a segment. */
void record_index_keep_history(record_index *ix);

/* Takes its own reference. Replaces what has the same id. */
int32_t record_index_put(record_index *ix, record *r, quipu_error *error);
/* Content that is not there is nothing to do. */
void record_index_remove(record_index *ix, quipu_str id);
/* Puts the version of a record that the index held at some time, in place of what has the same id; false where it does not
 * know it (any more). `version`: 20 bytes. */
bool record_index_revive(record_index *ix, quipu_str id, const uint8_t version[20]);
/* One atomic step for readers: all of the puts and removals between begin and end appear at once. Nested calls are not
 * allowed. Other writers wait; readers may. */
void record_index_begin(record_index *ix);
void record_index_end(record_index *ix);

/* *out: the record, with a reference for the caller (record_free), or NULL. Errors: CORRUPT, NO_MEMORY. */
int32_t record_index_look(record_index *ix, quipu_str id, record **out, quipu_error *error);
/* The same where a failure counts as not there. */
record *record_index_find(record_index *ix, quipu_str id);
uint64_t record_index_count(record_index *ix);

/* As the slots of the same name in backend.h. `as_of` must be absent (the backend resolves it to another index). Arguments are
 * checked here: struct sizes, flags, k, order, cursor, filter, UTF-8 of the text, dimension and NaN of a vector. CORRUPT: a
 * file under the index is damaged; the owner builds the index again. */
int32_t record_index_get(record_index *ix, const quipu_get *q, quipu_hit_fn visit, void *context,
                         const quipu_call *call, quipu_error *error);
int32_t record_index_scan(record_index *ix, const quipu_scan *q, quipu_hit_fn visit, void *context,
                          const quipu_call *call, quipu_error *error);
int32_t record_index_search(record_index *ix, const quipu_search *q, quipu_hit_fn visit, void *context,
                            const quipu_call *call, quipu_error *error);

/* ---- vectors: a search embeds what has none yet; these do it apart ---- */

typedef struct record_index_vectors {
    quipu_model model; /* of the host's embedder, whose texts it is */
    uint64_t passages; /* records with a text */
    uint64_t missing;  /* of these, whose vector by this model is still to be made */
    uint64_t vectors;  /* of this model, those of earlier texts among them */
    int64_t failed_at; /* when making them failed last, microseconds since 1970; 0: the last try went well */
    char failure[256]; /* why */
} record_index_vectors;

/* UNSUPPORTED where the host has no embedder. */
int32_t record_index_vector_state(record_index *ix, record_index_vectors *out, const quipu_call *call,
                                  quipu_error *error);
/* The same in the form of ext/vectors.h, with its checks. */
int32_t record_index_show_vectors(record_index *ix, quipu_vectors_state *out, const quipu_call *call,
                                  quipu_error *error);
/* Embeds what is missing, telling `visit` (or NULL) after each batch. Vectors that came before a failure are kept. Errors: UNSUPPORTED,
 * the embedder's. */
int32_t record_index_embed(record_index *ix, quipu_vectors_fn visit, void *context, const quipu_call *call,
                           quipu_error *error);

/* Embeds up to 64 texts once more, spread over all: *compared, and how many of these have a vector that is another one; folder: where their
 * model's lie. Errors: UNSUPPORTED (there is no embedder), the embedder's. */
int32_t record_index_check_vectors(record_index *ix, uint64_t *compared, uint64_t *wrong, char folder[32],
                                   const quipu_call *call, quipu_error *error);
/* For a thread in the background (embed_thread.h): about a second's work of the same, other threads first. *more: there is more to do. From the
 * first call on a search waits less for the embedder. Errors: as above; BUSY: another process is at it. `error` is not NULL. */
int32_t record_index_follow(record_index *ix, bool *more, const quipu_call *call, quipu_error *error);
/* For how many nanoseconds an embedder that failed is not to be tried again. */
int64_t record_index_rests(record_index *ix);

/* Takes a vector by the embedder's present model that was kept elsewhere; `key`: 32 bytes, the SHA-256 of the passage (sdk/search/passage.h). What is there
 * already stays. Errors: UNSUPPORTED, INVALID (field "vector"), the embedder's. */
int32_t record_index_add_vector(record_index *ix, const uint8_t *key, const float *vector, uint64_t dimension,
                                quipu_error *error);

/* ---- as files: derived state of the owner ---- */

/* Fills an empty index with what was saved; the files stay mapped as long as they are needed. *extra (may be NULL): what the
 * saver added, the snapshot's. CORRUPT: it is none of ours, or damaged. */
int32_t record_index_load(record_index *ix, const derived_snapshot *from, quipu_str *extra, quipu_error *error);
/* True where the index stands on just this snapshot: what was loaded or saved last. Else it must not be saved on top of it. */
bool record_index_stands_on(record_index *ix, const derived_snapshot *base);
/* Records put since the index was loaded or saved, more or less. */
uint64_t record_index_unsaved(record_index *ix);
/* Writes large parts of what is in the heap to files of a change under way, and lets their memory go: so that a bulk stays small.
 * Failure costs memory only. */
void record_index_spill(record_index *ix, derived_writer *to);
/* Adds to the writer what it has not yet, and `extra`, and drops from it what the index no longer uses; merges segments where they
 * have become many. The writer's base is what the index stands on, or nothing is kept of it. The caller commits, and then tells. */
int32_t record_index_save(record_index *ix, derived_writer *to, quipu_str extra, quipu_error *error);
/* Exchanges what was saved in the heap for the files of this snapshot. */
void record_index_saved(record_index *ix, const derived_snapshot *now);

#endif
