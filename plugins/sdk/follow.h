/*
 * follow.h - answers from an index that the backend keeps up to date, and builds again where it shows damage.
 *
 * A scan that comes upon damage goes on, in the index that was built anew, behind the last hit that was shown: once. A search, whose
 * hits have no cursor, begins anew, where nothing was shown.
 */
#ifndef SDK_FOLLOW_H
#define SDK_FOLLOW_H

#include <quipu/backend.h>
#include <sdk/record_index.h>

struct embed_thread;

typedef struct index_owner {
    /* The index of the present or of `as_of`, up to date; *held is given back. *moment: QUIPU_TIME_NONE, or that of the past
     * (query_moment). */
    int32_t (*take)(quipu_backend *self, quipu_str as_of, record_index **out, void **held, int64_t *moment,
                    quipu_error *error);
    void (*give)(void *held);
    /* It has shown damage: neither it nor what was saved of it is used again. */
    void (*distrust)(quipu_backend *self);
    /* The thread that makes vectors in the background, or NULL. The slot may be NULL. */
    struct embed_thread *(*follower)(quipu_backend *self);
} index_owner;

/* As the slots of the same name in backend.h. */
int32_t index_owner_scan(const index_owner *owner, quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit,
                         void *context, const quipu_call *call, quipu_error *error);
int32_t index_owner_search(const index_owner *owner, quipu_backend *self, const quipu_search *query, quipu_hit_fn visit,
                           void *context, const quipu_call *call, quipu_error *error);
/* As the functions of ext/vectors.h, of the present. */
int32_t index_owner_vectors(const index_owner *owner, quipu_backend *self, quipu_vectors_state *out,
                            const quipu_call *call, quipu_error *error);
int32_t index_owner_embed(const index_owner *owner, quipu_backend *self, quipu_vectors_fn visit, void *context,
                          const quipu_call *call, quipu_error *error);

#endif
