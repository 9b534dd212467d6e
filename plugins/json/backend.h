/*
 * backend.h - the parts of the json backend. DESIGN.md in this folder tells the why.
 *
 *   plugin.c   entry, table, life cycle, settings     apply.c   change sets to files
 *   files.c    the files as they are on the disk: noticing, loading, replacing, backups, the journal
 *   text.c     records to text and back               mcp.c     the same for the lines of the MCP memory server
 */
#ifndef PLUGINS_JSON_BACKEND_H
#define PLUGINS_JSON_BACKEND_H

#include <base/buffer.h>
#include <pthread.h>
#include <quipu/backend.h>
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
    record_list records;
    record_list next; /* of the change set at hand */
    bool touched;     /* `next` is what it becomes */
    bool listed;      /* it was met in the folder just now */
} scope_file;

struct quipu_backend {
    const quipu_host *host;
    char *folder; /* of the files; NULL: created, not open */
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
    recent_ids applied;
};

/* ---- text.c, mcp.c ---- */

/* Appends the name of the file that a record belongs in. */
void file_name_of(const quipu_backend *self, const quipu_record *r, buffer *out);
/* Appends what a file of these records holds; the list is sorted in place. */
void records_print(const quipu_backend *self, record_list *list, buffer *out);
/* Reads it. A fault is CORRUPT and names file and line. */
int32_t records_read(const quipu_backend *self, const char *name, quipu_str text, record_list *out, quipu_error *error);
void mcp_print(const record_list *list, buffer *out);
int32_t mcp_read(const char *name, quipu_str text, record_list *out, quipu_error *error);
/* Adds a record that a file holds; refuses a second one of its id. Takes the reference. */
int32_t records_add(record_list *list, const char *name, unsigned long line, record *r, quipu_error *error);
int32_t records_fault(const char *name, unsigned long line, const char *why, quipu_error *error);

/* ---- files.c ---- */

int32_t store_lock(quipu_backend *self, const quipu_call *call, quipu_error *error);
void store_unlock(quipu_backend *self);
/* Takes up what others have changed. `locked`: the store's lock is held already. With self->lock held. */
int32_t files_refresh(quipu_backend *self, bool locked, const quipu_call *call, quipu_error *error);
/* The file of this name; made in memory where there is none. NULL without memory. */
scope_file *file_find(quipu_backend *self, const char *name);
/* Writes every touched file; all of them or none. With both locks held. */
int32_t files_write(quipu_backend *self, quipu_error *error);
/* Forgets what was touched. */
void files_settle(quipu_backend *self);
void files_free(quipu_backend *self);

/* ---- apply.c ---- */

int32_t json_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                   quipu_error *error);

/* ---- plugin.c ---- */

int32_t check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error);

#endif
