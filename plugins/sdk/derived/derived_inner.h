/* derived_inner.h - what derived.c (reading) and derived_write.c (writing) share. */
#ifndef SDK_DERIVED_INNER_H
#define SDK_DERIVED_INNER_H

#include <sdk/derived.h>

#include <base/buffer.h>
#include <base/fail.h>
#include <base/hash.h>
#include <pthread.h>
#include <stdatomic.h>

#define DERIVED_SEGMENTS_MAX 4096u
#define DERIVED_MANIFEST_MAX ((size_t)1 << 20)

/* A mapped segment; counted: snapshots share what did not change between them. */
typedef struct derived_map {
    char name[DERIVED_NAME_LEN + 1];
    uint8_t sum[QUICK_SUM_LEN];
    void *bytes; /* NULL for an empty segment */
    size_t len;
    uint64_t checked; /* of the bytes, from the first on: what `sum` is of */
    atomic_uint users;
} derived_map;

struct derived_snapshot {
    derived_map **maps;
    size_t count;
    char position[DERIVED_POSITION_MAX];
    size_t position_len;
    bool present; /* there is a position */
};

struct derived {
    char *folder;
    uint32_t format;
    pthread_mutex_t lock;     /* guards `newest` */
    derived_snapshot *newest; /* keeps its mappings for the next reader; or NULL */
};

/* What a manifest says of one segment. */
typedef struct derived_entry {
    char name[DERIVED_NAME_LEN + 1];
    uint8_t sum[QUICK_SUM_LEN];
    uint64_t len;
    uint64_t checked;
} derived_entry;

typedef struct derived_manifest {
    char position[DERIVED_POSITION_MAX];
    size_t position_len;
    derived_entry *entries;
    size_t count;
} derived_manifest;

/* Maps a segment, with one user, and compares it with what the manifest says. QUIPU_E_CORRUPT where it is not that, NOT_FOUND where it is
 * gone. */
int32_t derived_map_segment(const derived *d, const derived_entry *e, derived_map **out, quipu_error *error);
/* A path in the folder, for the caller to free; NULL without memory. */
char *derived_path(const derived *d, const char *file);
void derived_manifest_print(const derived_manifest *m, uint32_t format, buffer *out);
/* 1: good; 0: of another format; -1: damaged; -2: no memory. Only where it is good `m` has to be freed. */
int derived_manifest_parse(quipu_str text, uint32_t format, derived_manifest *m);

#endif
