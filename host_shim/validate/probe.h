/*
 * probe.h - what a check works with: the plugin, a host, a store in a scratch folder, and ways to end.
 *
 * A check runs in a child process. Ending is _exit after one message to the parent, from any thread and from within a
 * visitor, so that no check has to unwind. A check that returns has passed.
 */
#ifndef VALIDATE_PROBE_H
#define VALIDATE_PROBE_H

#include <base/buffer.h>
#include <quipu/plugin.h>
#include <sdk/record.h>

#define PROBE_CLOCK 1u /* services that the probe's host offers beside the log */
#define PROBE_RANDOM 2u

typedef struct probe {
    const char *path;    /* of the plugin, absolute */
    const char *scratch; /* an empty folder of this check */
    quipu_str config;
    uint32_t level;
    int result; /* where the outcome goes */
    uint64_t random_state;
    char subject[64]; /* the backend or embedder at work, for reasons */
    void *handle;
    const quipu_plugin *entry;
    quipu_host host;
    uint32_t services;
    _Atomic int64_t ahead; /* microseconds that its host's clock is ahead of the system's */
    uint32_t backend;      /* its number in the plugin, where a check has scenes */
    const quipu_backend_desc *desc;
    const quipu_backend_api *api;
    quipu_backend *self; /* an open store */
    const quipu_embedder_api *embedder_api;
    quipu_embedder *embedder; /* open */
} probe;

/* The three other ends of a check. */
_Noreturn void probe_fail(probe *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void probe_warn(probe *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void probe_skip(probe *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void probe_end(probe *p, uint32_t outcome, const char *reason);
/* Fails unless `code` is `wanted`. */
void probe_want(probe *p, int32_t code, int32_t wanted, const quipu_error *error, const char *what);

/* The same seed gives the same numbers. */
uint64_t probe_random(probe *p);
uint32_t probe_below(probe *p, uint32_t bound);

/* ---- the plugin ---- */
void probe_map(probe *p);  /* dlopen and entry */
void probe_init(probe *p); /* init with the probe's host */
void probe_host(quipu_host *host, probe *p);
/* A store in the scratch folder, named `name`; fails where that is refused. */
quipu_backend *probe_open(probe *p, const char *name, uint32_t flags);
int32_t probe_try_open(probe *p, quipu_backend *self, const char *name, uint32_t flags, quipu_str config,
                       quipu_error *error);
quipu_backend *probe_create(probe *p);
void probe_close(probe *p, quipu_backend *self); /* close and destroy */

/* ---- records and changes ---- */
/* A record {"id", "scope":{"user"}, "text", "created_at"} and `more` (members with a leading comma, or ""). user NULL: no scope. */
record *probe_record(probe *p, const char *id, const char *user, const char *text, const char *more);
quipu_change probe_put(const record *r, uint32_t expect, const char *version);
quipu_change probe_delete(const char *id, uint32_t expect, const char *version);
/* A set with a fresh change id. The changes stay the caller's. */
quipu_change_set probe_set(probe *p, const quipu_change *changes, size_t count);
int32_t probe_apply(probe *p, const quipu_change *changes, size_t count, quipu_receipt *receipt, quipu_error *error);
/* Puts one record and fails the check where that fails. */
void probe_store(probe *p, const char *id, const char *user, const char *text, const char *more);
/* n records "r000".. of user u, text "apple number N". */
void probe_fill(probe *p, uint32_t n);

/* ---- questions ---- */
/* What a visitor saw. `ids` and `versions` are NUL-terminated, one a hit. */
typedef struct seen {
    size_t count;
    uint64_t stop_after; /* 0: never */
    int32_t answer;      /* what the visitor answers when it stops; 0 stands for 1 */
    char (*ids)[QUIPU_ID_MAX + 1];
    char (*versions)[QUIPU_VERSION_LEN + 1];
    char cursor[513]; /* of the last hit */
    size_t cursor_len;
    buffer json; /* of the last hit */
} seen;

int32_t seen_visit(void *context, const quipu_hit *hit);
void seen_free(seen *s);

quipu_filter probe_filter(const char *user); /* NULL: any */
int32_t probe_get(probe *p, const char *id, const quipu_filter *filter, seen *s, quipu_error *error);
int32_t probe_scan(probe *p, uint32_t order, const quipu_filter *filter, uint64_t limit, seen *s, quipu_error *error);
int32_t probe_search(probe *p, const char *text, const quipu_filter *filter, uint64_t k, seen *s, quipu_error *error);
bool seen_has(const seen *s, const char *id);
/* The figure of this name from stats, or -1. */
int64_t probe_figure(probe *p, const char *name);
/* Fails the check unless exactly `count` records are there. */
void probe_want_count(probe *p, size_t count, const char *when);

/* ---- memory ---- */
/* Bytes that end where an unreadable page begins. */
void *probe_guarded(probe *p, const void *bytes, size_t len);

quipu_error probe_error(void);

#endif
