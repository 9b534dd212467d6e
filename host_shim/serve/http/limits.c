/*
 * limits.c - how often one client may ask: a bucket each, which holds one second's worth of requests and fills evenly.
 *
 * The table has a fixed size. A client hashes to a few places of it; where all are taken, the one that was quiet longest gives way, whose
 * bucket has most likely filled up again.
 */
#include "serve.h"

#include <base/fail.h>
#include <base/hash.h>
#include <pthread.h>
#include <stdlib.h>

#define SHARDS 16u
#define PER_SHARD 512u
#define PLACES 8u

typedef struct bucket {
    uint64_t client; /* 0: free */
    double tokens;
    int64_t seen_ns;
} bucket;

typedef struct shard {
    pthread_mutex_t lock;
    bucket buckets[PER_SHARD];
} shard;

struct limits {
    uint32_t rate;
    uint64_t seed;
    shard shards[SHARDS];
};

int32_t limits_create(uint32_t rate, limits **out, quipu_error *error)
{
    limits *l = calloc(1, sizeof *l);
    *out = l;
    if (!l)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    l->rate = rate;
    l->seed = (uint64_t)(uintptr_t)l ^ 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&l->shards[i].lock, NULL);
    return QUIPU_OK;
}

void limits_free(limits *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&l->shards[i].lock);
    free(l);
}

static bucket *bucket_of(shard *sh, uint64_t client, double full, int64_t now_ns)
{
    bucket *oldest = NULL;
    for (unsigned i = 0; i < PLACES; i++) {
        bucket *b = &sh->buckets[(client / SHARDS + i) % PER_SHARD];
        if (b->client == client)
            return b;
        if (!oldest || b->client == 0 || (oldest->client != 0 && b->seen_ns < oldest->seen_ns))
            oldest = b;
    }
    *oldest = (bucket){ .client = client, .tokens = full, .seen_ns = now_ns };
    return oldest;
}

bool limits_take(limits *l, quipu_str client, int64_t now_ns, uint32_t *left, int64_t *wait_ms)
{
    uint64_t hash = hash_table_key(client.ptr ? client.ptr : "", (size_t)client.len, l->seed) | 1;
    shard *sh = &l->shards[hash / 2 % SHARDS];
    double rate = l->rate;
    pthread_mutex_lock(&sh->lock);
    bucket *b = bucket_of(sh, hash, rate, now_ns);
    double more = (double)(now_ns - b->seen_ns) * 1e-9 * rate;
    b->tokens = b->tokens + more > rate ? rate : b->tokens + (more > 0 ? more : 0);
    b->seen_ns = now_ns;
    bool may = b->tokens >= 1;
    if (may)
        b->tokens -= 1;
    *left = (uint32_t)b->tokens;
    *wait_ms = may ? 0 : (int64_t)((1 - b->tokens) / rate * 1000) + 1;
    pthread_mutex_unlock(&sh->lock);
    return may;
}
