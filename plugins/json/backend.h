/*
 * backend.h - the parts of the json backend. DESIGN.md in this folder tells the why.
 *
 *   plugin.c   entry, table, life cycle, settings     apply.c    change sets to the journal
 *   files.c    noticing and taking up files           fold.c     the journal into the files, with backups
 *   journal.c  what is not in the files yet           store.c    what is known, in memory
 *   moved.c    fence and hold of migrate/1            table.c    records by id
 *   text.c     records to text and back               mcp.c      the same for the lines of the MCP memory server
 */
#ifndef PLUGINS_JSON_BACKEND_H
#define PLUGINS_JSON_BACKEND_H

#include "table.h"

#include <base/buffer.h>
#include <pthread.h>
#include <quipu/backend.h>
#include <quipu/ext/migrate.h>
#include <sdk/embed_thread.h>
#include <sdk/recent_ids.h>
#include <sdk/record_index.h>
#include <sdk/record_list.h>
#include <sdk/services.h>
#include <sdk/text.h>

#define SCOPES_FOLDER "scopes"
#define MCP_FILE "memory.jsonl"

/* What tells one state of a file from another. All zeros: it is not there. */
typedef struct file_stamp {
    uint64_t inode, size;
    int64_t modified, changed; /* nanoseconds */
} file_stamp;

/* One file: the records of one scope. */
typedef struct scope_file {
    char *name;
    file_stamp seen;
    file_stamp now;    /* of the look at hand */
    record_list fresh; /* what it holds now, ordered by id; of the look at hand */
    bool fresh_read;
    bool behind;    /* the journal holds what it does not have yet */
    uint64_t bytes; /* of its records */
} scope_file;

enum { JOURNAL_ID_LEN = 16 };

/* How far the journal has been read. */
typedef struct journal_state {
    file_stamp seen;
    uint64_t end;                /* of the last whole entry; 0: there is no journal */
    char id[JOURNAL_ID_LEN + 1]; /* another one has another */
} journal_state;

struct quipu_backend {
    const quipu_host *host;
    char *folder; /* of the files; NULL: created, not open */
    char *store;  /* of the lock and the journal */
    char *journal;
    int lock_fd; /* -1: none */
    uint32_t flags;
    bool durable, mcp;
    bool embeds; /* the setting "embed": in the background */
    int64_t backups;
    uint64_t record_max;
    text_language language;
    record_index *index;
    embed_thread *follower; /* makes vectors; or NULL */
    pthread_mutex_t lock;   /* guards what follows */
    scope_file *files;
    size_t count;
    table records;
    journal_state log;
    recent_ids applied;
    bool held;       /* moved.c: others are kept waiting */
    bool past_fence; /* the fence is not for this instance */
};

/* ---- text.c, mcp.c ---- */

/* Appends the name of the file that a record belongs in. */
void file_name_of(const quipu_backend *self, const quipu_record *r, buffer *out);
/* Appends what a file of these records holds; the list is sorted in place. */
void records_print(const quipu_backend *self, record_list *list, buffer *out);
/* Reads it, ordered by id. A fault is CORRUPT and names file and line. */
int32_t records_read(const quipu_backend *self, const char *name, quipu_str text, record_list *out, quipu_error *error);
void mcp_print(const record_list *list, buffer *out);
int32_t mcp_read(const char *name, quipu_str text, record_list *out, quipu_error *error);
int32_t records_fault(const char *name, unsigned long line, const char *why, quipu_error *error);

/* ---- store.c: with self->lock held ---- */

/* The number of the file of this name; made in memory where there is none. False without memory. */
bool file_find(quipu_backend *self, const char *name, size_t *out);
/* The same for the file that the record belongs in. */
bool file_find_of(quipu_backend *self, const quipu_record *r, size_t *out);
/* A record of a file or, where `logged`, of the journal. The table has room. */
int32_t store_put(quipu_backend *self, record *r, size_t file, bool logged, quipu_error *error);
/* `logged`: the journal says that it is gone. */
void store_remove(quipu_backend *self, table_row *h, bool logged);
/* The journal is gone: from here on files say what is there. */
void store_settle(quipu_backend *self);
/* Nothing is known any more: the next look takes everything up again. */
void store_forget(quipu_backend *self);
void store_free(quipu_backend *self);

/* ---- files.c ---- */

int32_t store_lock(quipu_backend *self, const quipu_call *call, quipu_error *error);
void store_unlock(quipu_backend *self);
/* Takes up what others have changed. `locked`: the store's lock is held. With self->lock held. */
int32_t files_refresh(quipu_backend *self, bool locked, const quipu_call *call, quipu_error *error);
bool file_path(const quipu_backend *self, const char *name, const char *suffix, buffer *out);
void stamp_of(const char *path, file_stamp *out);
bool same_stamp(const file_stamp *a, const file_stamp *b);

/* ---- journal.c: with self->lock held ---- */

bool journal_changed(const quipu_backend *self);
/* Takes up what was added to it. Where it ends in the middle of an entry, that one is not there: it was never answered. */
int32_t journal_read(quipu_backend *self, quipu_error *error);
/* Add to the text of an entry: the record that is put, or what is deleted. */
void journal_print_put(quipu_str json, buffer *out);
void journal_print_delete(quipu_str json, buffer *out);
/* Adds the entry; durable, where the store is, when it returns. With the store's lock held, and all read. Errors: UNCERTAIN (its sync
 * failed), those of writing. */
int32_t journal_append(quipu_backend *self, const uint8_t change_id[16], const buffer *body, quipu_error *error);

/* ---- fold.c: with both locks held, and all read ---- */

bool fold_is_due(const quipu_backend *self);
/* What fails leaves the journal, which holds everything. */
int32_t fold(quipu_backend *self, quipu_error *error);

/* ---- moved.c ---- */

extern const quipu_migrate_api json_migrate;
/* Under the store's lock: may this instance write? */
int32_t moved_check(const quipu_backend *self, quipu_error *error);
/* Both locks; waits for who holds others back. */
int32_t moved_enter(quipu_backend *self, const quipu_call *call, quipu_error *error);
void moved_leave(quipu_backend *self);

/* ---- apply.c ---- */

int32_t json_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                   quipu_error *error);

/* ---- plugin.c ---- */

int32_t check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error);

#endif
