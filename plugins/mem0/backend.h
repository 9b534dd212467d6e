/*
 * backend.h - the parts of the mem0 backend and how they hang together. DESIGN.md in this folder tells the why.
 *
 *   plugin.c    entry, table, life cycle, reading     settings.c   configuration, the note in the store's folder
 *   remote.c    requests in both of mem0's languages   items.c      records as mem0's memories, and back
 *   listing.c   what the remote holds, taken up        apply.c      change sets as requests
 */
#ifndef PLUGINS_MEM0_BACKEND_H
#define PLUGINS_MEM0_BACKEND_H

#include <cjson/cJSON.h>
#include <pthread.h>
#include <quipu/backend.h>
#include <sdk/embed_thread.h>
#include <sdk/follow.h>
#include <sdk/http.h>
#include <sdk/recent_ids.h>
#include <sdk/record_index.h>
#include <sdk/services.h>
#include <stdbool.h>

#define KEPT_IN "quipu" /* the member of a memory's metadata that holds the whole record */
#define OSS_MOST 1000   /* memories that a self-hosted server lists at once; it has no pages */
#define PAGE 200        /* of the platform's pages, its most */

typedef struct settings {
    char *url, *user, *key_env, *key_file, *authorities;
    bool platform;   /* the setting "api" */
    bool shared;     /* false: the store sees what it wrote itself, and nothing else */
    bool allow_http; /* a key may go unencrypted to another machine */
    bool embeds;
    int64_t timeout, attempts, fresh_ms;
    uint64_t record_max;
} settings;

/* Which memory of the remote holds which record. */
typedef struct place {
    char *id;     /* of the record */
    char *remote; /* of the memory */
} place;

struct quipu_backend {
    const quipu_host *host;
    char *folder; /* of the store; NULL: created, not open */
    uint32_t flags;
    settings set;
    char owner[48]; /* the user_id of all that a store that is not shared writes */
    http_client *http;
    embed_thread *follower;
    record_index *index;  /* of what was listed last */
    pthread_mutex_t lock; /* guards what follows */
    place *places;        /* sorted by id */
    size_t count, capacity;
    int64_t listed_ns; /* CLOCK_MONOTONIC; 0: it must be listed anew */
    recent_ids applied;
};

/* ---- settings.c ---- */

int32_t settings_take(settings *set, quipu_str config, quipu_error *error);
void settings_free(settings *set);
/* Reads or makes the note that says that this folder is a store, and of which remote. */
int32_t note_settle(quipu_backend *self, quipu_error *error);
int32_t client_make(quipu_backend *self, quipu_error *error);

/* ---- remote.c ---- */

/* Asks for `path` (behind the address). body: or NULL; freed here. *out: the answer's JSON, to be freed; NULL where there is none. missing (may be NULL):
 * set where the remote says that it is not there. Errors: those of http_send; DENIED, NETWORK, TOO_LARGE, PLUGIN (no JSON), INVALID (it refuses). */
int32_t remote_ask(quipu_backend *self, const char *method, const char *path, cJSON *body, cJSON **out, bool *missing,
                   const quipu_call *call, quipu_error *error);
/* One page of memories; *more: there is another. *out is an array, *tree holds it. */
int32_t remote_list(quipu_backend *self, unsigned page, cJSON **tree, const cJSON **out, bool *more,
                    const quipu_call *call, quipu_error *error);
/* remote: receives a copy of the new memory's id, or NULL where the answer does not say. */
int32_t remote_add(quipu_backend *self, const quipu_record *r, char **remote, const quipu_call *call,
                   quipu_error *error);
int32_t remote_update(quipu_backend *self, const char *remote, const quipu_record *r, const quipu_call *call,
                      quipu_error *error);
/* What is gone already is fine. */
int32_t remote_delete(quipu_backend *self, const char *remote, const quipu_call *call, quipu_error *error);

/* ---- items.c ---- */

/* Refuses, by its field, what the remote cannot keep. */
int32_t item_check(const quipu_backend *self, const quipu_record *r, quipu_error *error);
/* The members that say whose it is, of a body for adding. */
bool item_scope(const quipu_backend *self, const quipu_record *r, cJSON *body);
cJSON *item_metadata(const quipu_record *r); /* NULL without memory */
quipu_str item_text(const quipu_record *r);  /* what is the memory's text */
/* The record that a memory stands for. remote: borrowed of the item. */
int32_t item_record(const cJSON *item, record **out, const char **remote, quipu_error *error);

/* ---- listing.c ---- */

/* Takes the lock, for as long as the call may wait. */
int32_t store_enter(quipu_backend *self, const quipu_call *call, quipu_error *error);
/* Under the lock: takes up what the remote holds, where the last look is older than fresh_ms. */
int32_t listing_refresh(quipu_backend *self, const quipu_call *call, quipu_error *error);
const char *place_find(const quipu_backend *self, quipu_str id);
int32_t place_put(quipu_backend *self, quipu_str id, const char *remote, quipu_error *error);
void place_remove(quipu_backend *self, quipu_str id);
void places_free(quipu_backend *self);

/* ---- apply.c, plugin.c ---- */

int32_t mem0_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                   quipu_error *error);

#endif
