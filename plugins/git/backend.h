/*
 * backend.h - the parts of the git backend and how they hang together. DESIGN.md in this folder tells the why.
 *
 *   plugin.c   entry, table, life cycle                  write.c    apply: group commit over storage_git
 *   settings.c, context.c  configuration; entry          format.c   what makes a repository a store
 *   path.c, file_path.c  id <-> path                      view.c     the records of one commit, kept up to date
 *   files.c, changes.c  a record as one file or two       catalogue.c  the view on disk, shared by processes
 *   view_follow.c, view_files.c, view_pairs.c  from commit to commit
 *   message.c  commit messages and their trailers         edits*.c   when a commit by stock git changed a record
 *   merge.c    another line of history, by record         inbox.c    what was pushed to inbox/NAME
 *   read.c     get, scan, search, stats                   history.c, migrate.c, verify.c, verify_records.c  the extensions
 *   maintain.c, background.c  maintenance, asked for and by itself
 *   moved.c    the fence of a store that has moved away
 */
#ifndef PLUGINS_GIT_BACKEND_H
#define PLUGINS_GIT_BACKEND_H

#include "background.h"
#include "edits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <quipu/backend.h>
#include <quipu/ext/branches.h>
#include <quipu/ext/history.h>
#include <quipu/ext/maintain.h>
#include <quipu/ext/vectors.h>
#include <quipu/ext/migrate.h>
#include <quipu/ext/sync.h>
#include <quipu/ext/verify.h>
#include <sdk/derived.h>
#include <sdk/embed_thread.h>
#include <sdk/findings.h>
#include <sdk/recent_ids.h>
#include <sdk/record.h>
#include <sdk/record_index.h>
#include <sdk/services.h>
#include <sdk/write_queue.h>
#include <storage_git/git_store.h>

typedef struct view view;

/* Change ids that are known to be in the history. Everything on the way from `newest` back to the time `floor` is. */
typedef struct applied_ids {
    recent_ids ids;
    object_id newest; /* none: nothing was read yet */
    int64_t floor;
} applied_ids;

enum { INBOX_REFUSED = 8, PAST_VIEWS = 4, RESOLVED = 8 };

/* What `as_of` led to from a head. */
typedef struct resolved {
    object_id head, at;
    char spec[40];
    size_t len; /* 0: none */
} resolved;

struct quipu_backend {
    const quipu_host *host;
    git_store *store; /* NULL: created, not open */
    uint32_t flags;   /* QUIPU_OPEN_* */
    bool durable;
    bool quote_subjects;
    bool maintains;      /* the setting "maintain": by itself */
    uint64_t record_max; /* bytes */
    text_language language;
    int64_t patience_ms; /* so long may the other side of a transfer say nothing */
    bool embeds;         /* the setting "embed": in the background */
    background background;
    embed_thread *follower; /* makes vectors; or NULL */
    write_queue queue;
    applied_ids applied;                    /* under the store's transaction */
    edits edits;                            /* by stock git */
    view *present;                          /* of the branch's head; NULL until it is needed */
    pthread_mutex_t views;                  /* guards the pointers here, not what they lead to */
    view *past[PAST_VIEWS];                 /* of commits that were asked for, the latest first */
    resolved resolved[RESOLVED];            /* under `views` */
    unsigned next_resolved;                 /* likewise */
    bool follows;                           /* the catalogue was up to date when the store was opened */
    atomic_uint written;                    /* change sets since then */
    derived *catalogue;                     /* NULL: none */
    bool catalogue_bad;                     /* what was saved is damaged: under `views` */
    git_transaction *held;                  /* others wait for it (moved.c), or NULL */
    atomic_bool past_fence;                 /* this instance may write although the store has moved (moved.c) */
    object_id inbox_refused[INBOX_REFUSED]; /* what could not be merged, the latest first: told once */
};

/* ---- path.c ---- */

#define RECORDS_FOLDER "records"
#define FORMAT_FILE "quipu.json"

/* Appends "records/x/y/z/w/<name>.json"; follows from the id alone. */
void record_path(quipu_str id, buffer *out);
/* The id that a path belongs to, appended; false where the name was cut, or is none of ours. */
bool path_record_id(const char *path, buffer *out);

/* ---- message.c ---- */

/* Appends the message of a change set's commit. `told`: the record whose text the subject quotes (of a delete: the one that goes); NULL: none.
 * `changed`: records that become another state. */
void message_print(const quipu_change_set *set, const quipu_record *told, uint64_t changed, bool quote, buffer *out);

/* What a message tells, taken from its last block alone. Texts point into it. */
typedef struct message_facts {
    quipu_str subject;
    quipu_str operation;
    quipu_str source;
    bool has_change_id;
    uint8_t change_id[16];
} message_facts;
void message_read(quipu_str message, message_facts *out);

/* ---- write.c, migrate.c ---- */

/* Of the write queue: context is the quipu_backend. */
void git_write_batch(void *context, write_request *batch);

int32_t git_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                  quipu_error *error);
extern const quipu_migrate_api git_migrate;

/* ---- moved.c: the group "fence" of migrate/1 ---- */

/* Where the store has moved away: QUIPU_E_MOVED and the place. To be asked under the store's lock before anything is written. */
int32_t moved_check(const quipu_backend *self, quipu_error *error);
int32_t moved_position(quipu_backend *self, char out[QUIPU_POSITION_MAX + 1], const quipu_call *call,
                       quipu_error *error);
int32_t moved_fence(quipu_backend *self, const quipu_str *position, const quipu_str *place, const quipu_change_set *as,
                    const quipu_call *call, quipu_error *error);
int32_t moved_unfence(quipu_backend *self, const quipu_str *place, uint32_t scope, const quipu_call *call,
                      quipu_error *error);
int32_t moved_hold(quipu_backend *self, const quipu_call *call, quipu_error *error);
void moved_release(quipu_backend *self);
int32_t moved_fenced(quipu_backend *self, quipu_sink_fn sink, void *context, const quipu_call *call,
                     quipu_error *error);

/* ---- format.c ---- */

/* What FORMAT_FILE holds. */
extern const char format_text[];
/* In a transaction: the store's format becomes this version's, where it is older. */
int32_t format_raise(git_transaction *t, quipu_error *error);
/* The first commit of a new store: the file that says what it is. */
int32_t write_format(quipu_backend *self, const quipu_call *call, quipu_error *error);
/* Refuses a repository that is not a store, or one of a newer format. */
int32_t check_format(quipu_backend *self, quipu_error *error);
/* The same of any commit: what is about to be taken in. */
int32_t check_format_of(quipu_backend *self, const object_id *commit_id, quipu_error *error);

/* ---- sync.c, branches.c; merge.h has what they share ---- */

extern const quipu_branches_api git_branches;
extern const quipu_sync_api git_sync;

/* ---- view.c ---- */

/* The records of the branch as it is now, or of `as_of` where it is present; to be given back. *moment (may be NULL): as sdk/follow.h has
 * it. */
int32_t view_take(quipu_backend *self, quipu_str as_of, view **out, int64_t *moment, quipu_error *error);
void view_give(view *v);
record_index *view_index(view *v);
void view_commit(view *v, object_id *out);
/* Files under records/ that are not records, or stand at a wrong path; visited with the reason. */
typedef int32_t (*aside_fn)(void *context, const char *path, const char *reason);
int32_t view_each_aside(view *v, aside_fn visit, void *context);
uint64_t view_aside_count(view *v);
bool view_is_aside(const view *v, const char *path);
int32_t view_put_aside(view *v, const char *path, quipu_error *error);
void view_drop_aside(view *v, const char *path);
/* Writes what the present view has learned to the catalogue, where that is worth it. */
void view_save(quipu_backend *self);
/* Gives the present view up: the next question makes one anew. */
void view_forget(quipu_backend *self);
/* Told of a change set that was written: now and then the present view is caught up and saved, so that a writer that reads nothing and is
 * killed leaves little to do. */
void view_follow_writer(quipu_backend *self);
/* The index of a view has shown damage: neither views nor what was saved are used again. */
void view_distrust(quipu_backend *self);
/* A revision or a time to a commit, as history.h says. */
int32_t view_resolve(quipu_backend *self, quipu_str spec, object_id *out, quipu_error *error);
/* The same, and the moment by which a question as of then judges (query_moment). */
int32_t view_resolve_past(quipu_backend *self, quipu_str as_of, object_id *out, int64_t *moment, quipu_error *error);
/* One record as a commit has it, without any view: NULL where it has none. *aside (may be NULL): what lies at its path is no
 * record. */
int32_t view_record_at(quipu_backend *self, const object_id *commit_id, quipu_str id, record **out, bool *aside,
                       quipu_error *error);
/* A new view of one commit, from its tree alone: for verify. */
int32_t view_fresh(quipu_backend *self, const object_id *commit_id, view **out, quipu_error *error);
/* Decodes what was stored, up to the size that any setting allows: a limit that was lowered hides nothing. */
int32_t record_of_bytes(quipu_str bytes, record **out, quipu_error *error);
/* Decodes a stored file; NULL where it is no record of that path, with the reason in `error`. */
int32_t record_of_file(const char *path, quipu_str bytes, record **out, quipu_error *error);

/* ---- catalogue.c; view.h has the rest ---- */

/* Opens it where the store may be written to (plugin.c). */
void catalogue_open(quipu_backend *self);
/* How many of the commits that lead to `head` (`revisions` in all) what was saved does not reflect. */
uint64_t catalogue_behind(quipu_backend *self, const object_id *head, uint64_t revisions);
/* True where it reflects the head. */
bool catalogue_is_current(quipu_backend *self);
/* Throws it away, and the present view with it: both are made anew from the tree. */
int32_t catalogue_forget(quipu_backend *self, quipu_error *error);

/* ---- read.c, history.c, verify.c ---- */

int32_t git_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                quipu_error *error);
int32_t git_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                 const quipu_call *call, quipu_error *error);
int32_t git_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                   const quipu_call *call, quipu_error *error);
int32_t git_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call, quipu_error *error);
/* For the thread that makes vectors. */
extern const index_owner git_views;
extern const quipu_history_api git_history;
extern const quipu_verify_api git_verify;

/* One call of verify. Each step answers QUIPU_OK, VERIFY_ENOUGH where the visitor wants no more, or an error. */
typedef struct verification {
    quipu_backend *self;
    findings told;
    bool repair;
    bool vectors_gone;    /* some were set aside */
    struct stray *strays; /* verify_strays.c */
    size_t stray_count;
    const quipu_call *call;
} verification;
enum { VERIFY_ENOUGH = FINDINGS_ENOUGH };
/* severity: QUIPU_FINDING_*; subject, message: or NULL; count: with CHECKED. */
int32_t verify_tell(verification *v, uint32_t severity, const char *area, const char *subject, const char *message,
                    uint64_t count);
/* The records cannot be read: because of the damage that was told, or of one that was not. */
int32_t verify_unreadable(verification *v, const char *why);
/* Ends the transaction with a commit of this operation's own; *lost as git_publish has it. list: lines for its message. */
int32_t verify_commit(verification *v, git_transaction *t, const char *subject, const buffer *list, bool *lost);
/* verify_strays.c: records whose folders were lost. Notes one, if it is one; brings them back; forgets them. */
int32_t verify_note_stray(verification *v, const object_id *blob, quipu_str bytes);
int32_t verify_strays(verification *v);
void verify_free_strays(verification *v);
/* verify_records.c: files that are no records, and what is derived from the records. */
int32_t verify_records(verification *v);
/* verify_vectors.c: what the embedders made of the texts. */
int32_t verify_vectors(verification *v);

extern const quipu_maintain_api git_maintain;
extern const quipu_vectors_api git_vectors;

/* Notes how a repacking ended (a repack_outcome where code is QUIPU_OK), for stats. What goes wrong is nobody's loss. */
void maintenance_note(quipu_backend *self, int32_t code, int outcome, const quipu_error *error);
/* Appends when the last one ended, RFC 3339, and how; "never" and "" where there was none. */
void maintenance_read(quipu_backend *self, buffer *when, buffer *result);

/* ---- settings.c, context.c ---- */

/* Errors: INVALID, with the setting's name as field. */
int32_t read_settings(quipu_backend *self, quipu_str config, quipu_error *error);
/* Struct, state and deadline: what is asked of every call on an open store. */
int32_t check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error);
/* The same of every call that changes something: READ_ONLY where it was opened so. */
int32_t check_writable(const quipu_backend *self, const quipu_call *call, quipu_error *error);

#endif
