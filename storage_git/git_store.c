/* git_store.c - opening, resolving, and the transaction; see git_store.h. */
#include "git_store_inner.h"

#include "commit_links.h"
#include "git_layout.h"
#include "graph_write.h"
#include "multi_pack.h"
#include "os.h"
#include "pack_files.h"
#include "pack_retired.h"
#include "refs.h"

#include <base/fail.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    PACKS_MOST = 32,          /* more than that are merged */
    TREE_SIZE_MAX = 64 << 20, /* bytes of loaded folders kept between transactions */
    LOCK_PAUSE_MIN_NS = 1000000,
    LOCK_PAUSE_MAX_NS = 16000000,
    OPEN_PATIENCE_S = 30,
};

objects *git_store_objects(git_store *s)
{
    return s->objects;
}

const char *git_store_path(const git_store *s)
{
    return s->path;
}

const char *git_store_private(const git_store *s)
{
    return s->private_folder;
}

int32_t git_store_branch(git_store *s, char **out, quipu_error *error)
{
    if (!s->options.branch)
        return git_layout_branch(s->path, out, error);
    *out = str_dup(str_of(s->options.branch));
    return *out ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the branch");
}

int32_t git_store_head(git_store *s, object_id *out, quipu_error *error)
{
    char *branch = NULL;
    int32_t code = git_store_branch(s, &branch, error);
    if (code == QUIPU_OK)
        code = ref_read(s->path, branch, out, error);
    free(branch);
    return code;
}

int32_t git_store_flush(git_store *s, quipu_error *error)
{
    return s->late ? late_sync_now(s->late, error) : QUIPU_OK;
}

int32_t git_store_figures(git_store *s, pack_figures *out, quipu_error *error)
{
    return pack_count(s->pack_folder, out, error);
}

void git_store_close(git_store *s)
{
    if (!s)
        return;
    late_sync_free(s->late);
    work_tree_free(s->tree);
    objects_close(s->objects);
    if (s->lock_fd >= 0)
        os->close(s->lock_fd);
    pthread_mutex_destroy(&s->writer);
    free(s->path);
    free(s->private_folder);
    free(s->pack_folder);
    free(s);
}

static char *join(const char *folder, const char *name)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/%s", folder, name);
    if (path.failed) {
        buffer_free(&path);
        return NULL;
    }
    return path.bytes;
}

static git_store *store_new(const char *path, const git_store_options *options)
{
    git_store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->lock_fd = -1;
    s->options = *options;
    pthread_mutex_init(&s->writer, NULL);
    s->path = str_dup(str_of(path));
    s->private_folder = join(path, "quipu");
    s->pack_folder = join(path, "objects/pack");
    if (s->path && s->private_folder && s->pack_folder)
        return s;
    git_store_close(s);
    return NULL;
}

int32_t git_store_open_lock(git_store *s, quipu_error *error)
{
    int32_t code = os_make_folder(s->private_folder, error);
    char *path = code == QUIPU_OK ? join(s->private_folder, "lock") : NULL;
    if (code == QUIPU_OK) {
        s->lock_fd = path ? os->open(path, O_RDWR | O_CREAT, 0600) : -1;
        bool socket = s->lock_fd < 0 && path && errno == ENXIO;
        if (s->lock_fd < 0 && !(socket && s->options.damaged))
            code = path ? fail_errno(error, errno, "cannot open %s", path)
                        : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    }
    free(path);
    return code;
}

/* Takes the lock between processes. With a deadline or a token it is asked for again and again, else waited for. */
static int32_t take_file_lock(git_store *s, const quipu_call *call, quipu_error *error)
{
    bool wait = !call || (!call->deadline_ns && !call->cancel);
    long pause_ns = LOCK_PAUSE_MIN_NS;
    while (os->lock(s->lock_fd, wait) < 0) {
        if (errno != EAGAIN)
            return fail_errno(error, errno, "cannot lock the store");
        int32_t code = call_check(call, error);
        if (code != QUIPU_OK)
            return code;
        struct timespec pause = { 0, pause_ns };
        nanosleep(&pause, NULL);
        if (pause_ns < LOCK_PAUSE_MAX_NS)
            pause_ns *= 2;
    }
    return QUIPU_OK;
}

/* Never without end: who holds the lock of a store that is still to be made may be stopped, or on another machine that is away. */
static int32_t take_lock_to_open(git_store *s, quipu_error *error)
{
    quipu_call patience = { .struct_size = sizeof patience };
    quipu_error why = { .struct_size = sizeof why };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    patience.deadline_ns = ((int64_t)now.tv_sec + OPEN_PATIENCE_S) * 1000000000;
    bool bounded = s->options.call && s->options.call->deadline_ns;
    if (s->options.call && !bounded)
        patience.cancel = s->options.call->cancel;
    int32_t code = take_file_lock(s, bounded ? s->options.call : &patience, &why);
    if (code == QUIPU_OK)
        return code;
    if (code != QUIPU_E_TIMEOUT)
        return fail(error, code, NULL, "%s", why.message);
    return fail(
        error, bounded ? QUIPU_E_TIMEOUT : QUIPU_E_BUSY, "store",
        "another process holds %s/lock: a quipu that makes this store, or that was stopped while it did; `fuser` "
        "with that file names it",
        s->private_folder);
}

/* Everything that a writing opener does under the lock: make the repository, clean up after the killed, merge packs. Where there is a
 * repository and somebody is writing to it, who keeps it tidy as well, nobody waits for that. */
static int32_t open_for_writing(git_store *s, bool is_there, quipu_error *error)
{
    bool merged;
    int32_t code = git_store_open_lock(s, error);
    bool locked = code == QUIPU_OK && is_there && os->lock(s->lock_fd, false) == 0;
    if (code == QUIPU_OK && is_there && !locked && errno == EAGAIN)
        return QUIPU_OK;
    if (code == QUIPU_OK && !locked)
        code = take_lock_to_open(s, error);
    if (code != QUIPU_OK)
        return code;
    code = git_layout_make(s->path, error);
    if (code == QUIPU_OK) {
        ref_clear_stale_locks(s->path);
        pack_clear_stale(s->pack_folder);
        multi_pack_drop_stale(s->pack_folder);
        pack_merge(s->pack_folder, PACKS_MOST, true, &merged, NULL); /* housekeeping, as after a write */
    }
    os->unlock(s->lock_fd);
    return code;
}

/* What a store is begun with: file, folder and commit. A crash may leave that in a pack, and no branch. */
enum { OBJECTS_OF_A_BEGINNING = 3 };

/* A store that was written to is never new, also where its branch is gone: beginning anew would hide everything. Another
   process may have begun the store since the head was read; a branch is older than every larger pack, so it is read again. */
static int32_t refuse_lost_branch(git_store *s, object_id *head, quipu_error *error)
{
    char *branch = NULL;
    if (!pack_any_larger(s->pack_folder, OBJECTS_OF_A_BEGINNING))
        return QUIPU_OK;
    int32_t code = git_store_head(s, head, error);
    if (code == QUIPU_OK && object_id_is_none(head))
        code = git_store_branch(s, &branch, error);
    if (code == QUIPU_OK && branch)
        code = fail(error, QUIPU_E_CORRUPT, "store",
                    "%s holds a store, and its branch %s is gone; run `quipu verify --repair`", s->path, branch);
    free(branch);
    return code;
}

static int32_t open_objects(git_store *s, quipu_error *error)
{
    char *folder = join(s->path, "objects");
    if (!folder)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    int32_t code = s->options.damaged ? objects_open_careful(folder, &s->objects, error)
                                      : objects_open(folder, &s->objects, error);
    free(folder);
    return code;
}

/* Everything but the lock waits for the repair. */
static int32_t open_damaged(git_store *s, quipu_error *error)
{
    int32_t code = s->options.read_only ? QUIPU_OK : git_store_open_lock(s, error);
    return code == QUIPU_OK ? open_objects(s, error) : code;
}

static int32_t open_sound(git_store *s, bool is_there, bool *made, quipu_error *error)
{
    object_id head = { { 0 } };
    int32_t code = s->options.read_only ? QUIPU_OK : open_for_writing(s, is_there, error);
    if (code == QUIPU_OK && !s->options.read_only && !s->options.durable)
        code = late_sync_create(s->path, &s->late, error);
    if (code == QUIPU_OK)
        code = open_objects(s, error);
    if (code == QUIPU_OK)
        code = objects_check_offsets(s->objects, error);
    if (code == QUIPU_OK && !s->options.read_only)
        git_drop_stale_graph(s);
    if (code == QUIPU_OK)
        code = git_store_head(s, &head, error);
    if (code == QUIPU_OK)
        code = git_layout_is_ours(s->path, made, error);
    if (code == QUIPU_OK && object_id_is_none(&head) && git_layout_was_made_by_us(s->path))
        code = refuse_lost_branch(s, &head, error);
    *made = code == QUIPU_OK && *made && object_id_is_none(&head);
    return code;
}

/* Is there something to open, and does it have to be made? */
static int32_t look_at(const char *path, const git_store_options *options, git_layout_state *state, quipu_error *error)
{
    if (options->damaged && git_layout_has_objects(path)) {
        *state = GIT_LAYOUT_REPOSITORY;
        return QUIPU_OK;
    }
    int32_t code = git_layout_inspect(path, state, error);
    if (code == QUIPU_OK && *state != GIT_LAYOUT_REPOSITORY &&
        (options->no_create || options->read_only || options->damaged))
        code = fail(error, QUIPU_E_NOT_FOUND, "store", "there is no store at %s", path);
    return code;
}

int32_t git_store_open(const char *path, const git_store_options *options, git_store **out, bool *made,
                       quipu_error *error)
{
    git_layout_state state;
    *out = NULL;
    *made = false;
    int32_t code = look_at(path, options, &state, error);
    if (code != QUIPU_OK)
        return code;
    git_store *s = store_new(path, options);
    if (!s)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    if (state == GIT_LAYOUT_MISSING)
        code = os_make_folder(path, error);
    if (code == QUIPU_OK)
        code = options->damaged ? open_damaged(s, error) : open_sound(s, state == GIT_LAYOUT_REPOSITORY, made, error);
    s->options.call = NULL;
    if (code == QUIPU_OK)
        *out = s;
    else
        git_store_close(s);
    return code;
}

/* ---- resolving ---- */

static bool all_digits(quipu_str text)
{
    for (uint64_t i = 0; i < text.len; i++)
        if (!strchr("0123456789abcdefABCDEF", text.ptr[i]) || text.ptr[i] == '\0')
            return false;
    return text.len >= 4 && text.len <= OBJECT_ID_HEX;
}

/* A name that may be looked up as a file below the repository. */
static bool safe_name(quipu_str text)
{
    for (uint64_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || strchr("~^:?*[\\", text.ptr[i]) ||
            (text.ptr[i] == '.' && i + 1 < text.len && text.ptr[i + 1] == '.'))
            return false;
    return text.len > 0 && text.len < 200 && text.ptr[0] != '/' && text.ptr[0] != '-';
}

static int32_t resolve_name(git_store *s, quipu_str name, object_id *out, quipu_error *error)
{
    static const char *const places[] = { "refs/heads/%.*s", "refs/tags/%.*s", "refs/remotes/%.*s" };
    memset(out, 0, sizeof *out);
    if (name.len == 4 && memcmp(name.ptr, "HEAD", 4) == 0)
        return git_store_head(s, out, error);
    for (size_t i = 0; i < 3 && safe_name(name); i++) {
        char ref[256];
        snprintf(ref, sizeof ref, places[i], (int)name.len, name.ptr);
        int32_t code = ref_read(s->path, ref, out, error);
        if (code != QUIPU_OK || !object_id_is_none(out))
            return code;
    }
    if (all_digits(name))
        return objects_find_commit(s->objects, name.ptr, (size_t)name.len, out, error);
    return QUIPU_OK;
}

static int32_t go_back(git_store *s, object_id *at, unsigned long steps, quipu_error *error)
{
    commit_links links;
    commit_link link;
    int32_t code = QUIPU_OK;
    if (steps == 0)
        return QUIPU_OK;
    commit_links_begin(&links, s->objects);
    for (; steps > 0 && code == QUIPU_OK; steps--) {
        code = commit_link_read(&links, at, &link, error);
        if (code == QUIPU_OK && link.parent_count == 0)
            code = fail(error, QUIPU_E_NOT_FOUND, "revision", "the history does not go back that far; see `quipu log`");
        if (code == QUIPU_OK)
            *at = link.parents[0];
    }
    commit_links_end(&links);
    return code;
}

int32_t git_store_resolve(git_store *s, quipu_str spec, object_id *out, quipu_error *error)
{
    const char *tilde = spec.ptr ? memchr(spec.ptr, '~', (size_t)spec.len) : NULL;
    quipu_str name = tilde ? str_make(spec.ptr, (size_t)(tilde - spec.ptr)) : spec;
    unsigned long steps = 0;
    if (tilde) {
        quipu_str digits = str_make(tilde + 1, (size_t)(spec.ptr + spec.len - tilde - 1));
        if (digits.len == 0)
            steps = 1;
        for (uint64_t i = 0; i < digits.len; i++) {
            if (digits.ptr[i] < '0' || digits.ptr[i] > '9' || steps > 100000000)
                return fail(error, QUIPU_E_INVALID, "revision", "after '~' a number is needed, as in HEAD~2");
            steps = steps * 10 + (unsigned long)(digits.ptr[i] - '0');
        }
    }
    int32_t code = resolve_name(s, name, out, error);
    if (code == QUIPU_OK && object_id_is_none(out))
        code = fail(error, QUIPU_E_NOT_FOUND, "revision", "there is no revision \"%.*s\"; see `quipu log`",
                    (int)(spec.len < 100 ? spec.len : 100), spec.ptr ? spec.ptr : "");
    return code == QUIPU_OK ? go_back(s, out, steps, error) : code;
}

/* ---- the transaction ---- */

static void forget_tree(git_store *s)
{
    work_tree_free(s->tree);
    s->tree = NULL;
    s->tree_time = 0;
}

int32_t git_transaction_prepare(git_transaction *t, quipu_error *error)
{
    git_store *s = t->store;
    object_id root = { { 0 } };
    if (s->tree && (!object_id_equal(&s->tree_of, &t->head) || work_tree_size(s->tree) > TREE_SIZE_MAX))
        forget_tree(s);
    if (!s->tree && !object_id_is_none(&t->head)) {
        commit c;
        int32_t code = commit_read(s->objects, &t->head, &c, error);
        if (code != QUIPU_OK)
            return code;
        root = c.tree;
        s->tree_time = c.committed;
        commit_free(&c);
    }
    s->tree_of = t->head;
    t->head_time = s->tree_time;
    return s->tree ? QUIPU_OK : work_tree_create(s->objects, &root, &s->tree, error);
}

int32_t git_store_lock(git_store *s, const quipu_call *call, quipu_error *error)
{
    if (s->options.read_only)
        return fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    pthread_mutex_lock(&s->writer);
    int32_t code = take_file_lock(s, call, error);
    if (code == QUIPU_OK)
        ref_clear_stale_locks(s->path);
    else
        pthread_mutex_unlock(&s->writer);
    return code;
}

void git_store_unlock(git_store *s)
{
    os->unlock(s->lock_fd);
    pthread_mutex_unlock(&s->writer);
}

static void end(git_transaction *t)
{
    /* Where the branch did not move, what was fetched is litter, but perhaps also what an older pack of that name holds. */
    if (t->fetched[0])
        pack_release(t->store->pack_folder, t->fetched);
    git_store_unlock(t->store);
    pack_writer_free(t->pack);
    free(t->branch);
    free(t);
}

void git_abort(git_transaction *t)
{
    if (!t)
        return;
    forget_tree(t->store);
    end(t);
}

int32_t git_begin(git_store *s, const quipu_call *call, git_transaction **out, quipu_error *error)
{
    *out = NULL;
    git_transaction *t = calloc(1, sizeof *t);
    if (!t)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to change the store");
    t->store = s;
    int32_t code = git_store_lock(s, call, error);
    if (code != QUIPU_OK) {
        free(t);
        return code;
    }
    code = pack_writer_create(&t->pack, error);
    if (code == QUIPU_OK)
        code = git_store_branch(s, &t->branch, error);
    if (code == QUIPU_OK)
        code = ref_read(s->path, t->branch, &t->base, error);
    t->head = t->base;
    if (code == QUIPU_OK)
        code = git_transaction_prepare(t, error);
    if (code != QUIPU_OK) {
        git_abort(t);
        return code;
    }
    *out = t;
    return QUIPU_OK;
}

const object_id *git_transaction_head(const git_transaction *t)
{
    return &t->head;
}

const object_id *git_transaction_base(const git_transaction *t)
{
    return &t->base;
}

int32_t git_transaction_read(git_transaction *t, const char *path, object_id *blob, buffer *out, quipu_error *error)
{
    int32_t code = work_tree_find(t->store->tree, path, blob, error);
    if (code != QUIPU_OK || object_id_is_none(blob))
        return code;
    if (pack_writer_has(t->pack, blob))
        return pack_writer_read(t->pack, blob, out, error);
    return objects_read(t->store->objects, blob, OBJECT_BLOB, out, error);
}

int32_t git_transaction_fits(git_transaction *t, const char *path, bool *fits, quipu_error *error)
{
    return work_tree_fits(t->store->tree, path, fits, error);
}

int32_t git_transaction_put(git_transaction *t, const char *path, const void *bytes, size_t len, quipu_error *error)
{
    object_id id;
    int32_t code = pack_writer_add(t->pack, OBJECT_BLOB, bytes, len, &id, error);
    if (code == QUIPU_OK)
        code = work_tree_put(t->store->tree, path, &id, error);
    return code;
}

int32_t git_transaction_delete(git_transaction *t, const char *path, quipu_error *error)
{
    return work_tree_remove(t->store->tree, path, error);
}

/* Nor is a merge earlier than what it merges. */
static int32_t after_merged(git_store *s, commit_words *words, quipu_error *error)
{
    commit c;
    int32_t code = commit_read(s->objects, &words->merged, &c, error);
    if (code != QUIPU_OK)
        return code;
    if (words->committed < c.committed)
        words->committed = c.committed;
    commit_free(&c);
    return QUIPU_OK;
}

int32_t git_transaction_commit(git_transaction *t, const commit_words *words, object_id *out, quipu_error *error)
{
    object_id root;
    buffer text = { 0 };
    commit_words own = *words;
    if (own.committed < t->head_time)
        own.committed = t->head_time; /* a clock that went back must not make `git log --since` hide commits */
    int32_t code = object_id_is_none(&own.merged) ? QUIPU_OK : after_merged(t->store, &own, error);
    if (code == QUIPU_OK)
        code = work_tree_write(t->store->tree, t->pack, &root, error);
    if (code == QUIPU_OK) {
        commit_print(&root, &t->head, &own, &text);
        code = text.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a commit")
                           : pack_writer_add(t->pack, OBJECT_COMMIT, text.bytes, text.len, &t->head, error);
    }
    if (code == QUIPU_OK) {
        t->head_time = own.committed;
        *out = t->head;
    }
    buffer_free(&text);
    return code;
}

/* All that is to be synced is written before the first sync. name: receives the pack's, NULL: there is none. */
static int32_t publish_pack_and_ref(git_transaction *t, char *name, ref_outcome *outcome, quipu_error *error)
{
    git_store *s = t->store;
    int next;
    int32_t code = ref_next_write(s->path, &t->head, &next, error);
    if (code != QUIPU_OK)
        return code;
    if (name)
        code = pack_writer_publish(t->pack, s->pack_folder, s->options.durable, name, error);
    if (code != QUIPU_OK) {
        ref_next_drop(s->path, next);
        return code;
    }
    code = ref_swap_next(s->path, t->branch, &t->base, &t->head, next, s->options.durable, outcome, error);
    if (name && *outcome == REF_MOVED)
        pack_release(s->pack_folder, name);
    else if (name)
        pack_withdraw(s->pack_folder, name);
    return code;
}

int32_t git_publish(git_transaction *t, bool *lost, quipu_error *error)
{
    git_store *s = t->store;
    char name[PACK_NAME_SIZE];
    ref_outcome outcome = REF_UNTOUCHED;
    bool merged = false;
    *lost = false;
    bool any = pack_writer_count(t->pack) > 0;
    if (object_id_equal(&t->base, &t->head)) {
        if (any)
            forget_tree(s); /* what was put in it has no commit */
        end(t);
        return QUIPU_OK;
    }
    int32_t code = publish_pack_and_ref(t, any ? name : NULL, &outcome, error);
    if (code == QUIPU_E_FULL)
        retired_sweep(s->pack_folder, true); /* room for the next one */
    if (outcome != REF_MOVED) {
        *lost = code == QUIPU_OK;
        git_abort(t);
        return code;
    }
    if (code == QUIPU_OK && s->late)
        code = late_sync_note(s->late, error);
    if (code != QUIPU_OK) {
        char reason[256] = "";
        if (error)
            snprintf(reason, sizeof reason, "%s", error->message);
        code = fail(error, QUIPU_E_UNCERTAIN, NULL, "the change is visible, but perhaps not on the disk: %s", reason);
    }
    s->tree_of = t->head;
    s->tree_time = t->head_time;
    if (any)
        objects_add_pack(s->objects, name);
    /* Merging is housekeeping: where it fails the packs are as they were, and the change stands. */
    if (objects_are_due(s->objects, PACKS_MOST)) {
        pack_merge(s->pack_folder, PACKS_MOST, true, &merged, NULL);
        objects_forget(s->objects);
    }
    end(t);
    return code;
}
