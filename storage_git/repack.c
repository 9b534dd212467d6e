/* repack.c - see repack.h: one maintenance at a time, the new pack in the place of the old ones, and every way out. */
#include "repack.h"

#include "graph_write.h"
#include "os.h"
#include "pack_files.h"
#include "pack_retired.h"
#include "repack_build.h"

#include <base/fail.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STOPPED = 1 /* the deadline passed */ };

typedef struct work {
    git_store *store;
    const repack_limits *limits;
    repack_progress_fn progress;
    void *context;
    const quipu_call *call;
    quipu_error *error;
    char *folder; /* of the packs */
    int lock_fd;  /* held while a maintenance runs */
    pack_pool *pool;
    pack_stream stream;
    buffer path; /* scratch */
    buffer index;
    char name[PACK_NAME_SIZE];
} work;

static int32_t private_path(work *w, const char *name)
{
    buffer_clear(&w->path);
    buffer_printf(&w->path, "%s/%s", git_store_private(w->store), name);
    return w->path.failed ? fail(w->error, QUIPU_E_NO_MEMORY, NULL, "no memory to repack the store") : QUIPU_OK;
}

/* ---- one at a time ---- */

static int32_t take_lock(work *w)
{
    int32_t code = private_path(w, "maintain.lock");
    if (code != QUIPU_OK)
        return code;
    w->lock_fd = os->open(w->path.bytes, O_RDWR | O_CREAT, 0600);
    if (w->lock_fd < 0)
        return fail_errno(w->error, errno, "cannot open %s", w->path.bytes);
    if (os->lock(w->lock_fd, false) == 0)
        return QUIPU_OK;
    if (errno == EAGAIN)
        return fail(w->error, QUIPU_E_BUSY, NULL, "another maintenance of this store is running");
    return fail_errno(w->error, errno, "cannot lock %s", w->path.bytes);
}

/* ---- is there anything to do? ---- */

/* The note names the pack that the last maintenance made. Nothing is to be done while it is the only one. */
static bool is_needed(work *w, const pack_list *list)
{
    buffer note = { 0 };
    bool same = list->mergeable == 0;
    if (list->mergeable == 1 && !w->limits->force && private_path(w, "maintained") == QUIPU_OK &&
        os_read_file(w->path.bytes, 4096, &note, NULL) == QUIPU_OK)
        same = strcmp(note.bytes, list->packs[0].name) == 0;
    buffer_free(&note);
    return !same;
}

static int32_t note_done(work *w)
{
    int32_t code = private_path(w, "maintained");
    return code == QUIPU_OK ? os_replace_file(w->path.bytes, w->name, strlen(w->name), false, w->error) : code;
}

/* ---- building ---- */

static bool time_is_up(const work *w)
{
    struct timespec now;
    if (!w->limits->deadline_ns)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec >= w->limits->deadline_ns;
}

static int32_t step(void *context, uint64_t done, uint64_t total)
{
    work *w = context;
    int32_t code = call_check(w->call, w->error);
    if (code == QUIPU_OK && time_is_up(w))
        return STOPPED;
    if (code == QUIPU_OK && w->progress)
        code = w->progress(w->context, done, total);
    return code;
}

static int32_t make_index(work *w, const uint8_t checksum[20])
{
    uint32_t count;
    const pooled *objects_ = pack_pool_objects(w->pool, &count);
    pack_entry *entries = malloc(((size_t)count + 1) * sizeof *entries);
    for (uint32_t i = 0; entries && i < count; i++)
        entries[i] = (pack_entry){ objects_[i].id, objects_[i].crc, objects_[i].to };
    if (entries)
        pack_put_index(entries, count, checksum, &w->index);
    free(entries);
    return entries && !w->index.failed
               ? QUIPU_OK
               : fail(w->error, QUIPU_E_NO_MEMORY, NULL, "no memory for the index of %u objects", count);
}

/* The unfinished pack lies in Quipu's own folder: an opening process clears what is unfinished among the packs. */
static int32_t build_pack(work *w)
{
    uint32_t count;
    uint8_t checksum[20];
    object_id head;
    pack_pool_objects(w->pool, &count);
    int32_t code = git_store_head(w->store, &head, w->error);
    if (code == QUIPU_OK)
        code = private_path(w, "maintain.pack");
    if (code == QUIPU_OK)
        code = step(w, 0, count);
    if (code == QUIPU_OK)
        code = pack_stream_open(&w->stream, w->path.bytes, count, w->error);
    if (code == QUIPU_OK)
        code = repack_build(w->pool, &w->stream, &head, step, w, w->error);
    if (code == QUIPU_OK)
        code = step(w, count, count);
    if (code == QUIPU_OK)
        code = pack_stream_finish(&w->stream, checksum, w->name, w->error);
    return code == QUIPU_OK ? make_index(w, checksum) : code;
}

/* ---- putting it in place ---- */

/* Does the pool hold every object of the pack? One that was merged from ours meanwhile is then of no use any more. */
static bool is_covered(work *w, pack_file *pack)
{
    pack_entry entry;
    if (pack_file_map(w->folder, pack, NULL) != QUIPU_OK)
        return false;
    for (uint32_t i = 0; i < pack->index.count; i++) {
        pack_index_entry(&pack->index, i, &entry);
        if (!pack_pool_find(w->pool, &entry.id))
            return false;
    }
    return true;
}

/* Retires what the new pack holds as well. */
static void retire_covered(work *w, pack_list *present)
{
    const char **replaced = calloc(present->mergeable + 1, sizeof *replaced);
    size_t count = 0;
    for (size_t i = 0; replaced && i < present->mergeable; i++)
        if (is_covered(w, &present->packs[i]))
            replaced[count++] = present->packs[i].name;
    if (count)
        retired_add(w->folder, replaced, count);
    free(replaced);
}

/* With the store's lock held, so that nobody merges packs or clears keeps. */
static int32_t replace_packs(work *w, pack_list *present)
{
    bool same = false; /* it came out as it was */
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < present->count; i++)
        same = same || strcmp(present->packs[i].name, w->name) == 0;
    if (!same) {
        code = pack_keep(w->folder, w->name, w->error);
        if (code == QUIPU_OK)
            code = pack_file_publish(w->folder, w->name, w->stream.path, &w->index, true, w->error);
        if (code != QUIPU_OK) {
            pack_withdraw(w->folder, w->name);
            return code;
        }
        retire_covered(w, present);
        pack_release(w->folder, w->name);
    }
    retired_sweep(w->folder, !w->limits->grace);
    os_sync_folder(w->folder);
    return QUIPU_OK;
}

/* The lock of every transaction, taken through a descriptor of its own, which holds against this process as well. */
static int32_t take_store_lock(work *w, int *fd)
{
    static const struct timespec pause = { 0, 2000000 };
    int32_t code = private_path(w, "lock");
    *fd = code == QUIPU_OK ? os->open(w->path.bytes, O_RDWR | O_CREAT, 0600) : -1;
    if (code == QUIPU_OK && *fd < 0)
        code = fail_errno(w->error, errno, "cannot open %s", w->path.bytes);
    while (code == QUIPU_OK && os->lock(*fd, false) < 0) {
        if (errno != EAGAIN)
            return fail_errno(w->error, errno, "cannot lock the store");
        nanosleep(&pause, NULL);
        code = call_check(w->call, w->error);
    }
    return code;
}

static int32_t put_in_place(work *w)
{
    pack_list present = { 0 };
    int fd;
    int32_t code = take_store_lock(w, &fd);
    if (code == QUIPU_OK)
        code = pack_list_read(w->folder, &present, w->error);
    if (code == QUIPU_OK)
        code = replace_packs(w, &present);
    if (fd >= 0)
        os->close(fd);
    pack_list_free(&present);
    objects_forget(git_store_objects(w->store));
    return code;
}

static int32_t run(work *w, repack_outcome *outcome)
{
    size_t taken;
    int32_t code = pack_pool_open(w->folder, w->limits->memory, &w->pool, w->error);
    if (code != QUIPU_OK)
        return code;
    const pack_list *list = pack_pool_packs(w->pool, &taken);
    if (!is_needed(w, list)) {
        *outcome = REPACK_NOT_NEEDED;
        return QUIPU_OK;
    }
    if (taken == 0 || (taken == 1 && list->mergeable > 1)) {
        *outcome = REPACK_NO_ROOM;
        return QUIPU_OK;
    }
    code = build_pack(w);
    if (code == STOPPED) {
        *outcome = REPACK_NO_TIME;
        return QUIPU_OK;
    }
    if (code == QUIPU_OK)
        code = put_in_place(w);
    return code == QUIPU_OK ? note_done(w) : code;
}

static int32_t graph_step(void *context)
{
    work *w = context;
    int32_t code = call_check(w->call, w->error);
    return code == QUIPU_OK && time_is_up(w) ? STOPPED : code;
}

int32_t git_repack(git_store *s, const repack_limits *limits, repack_progress_fn progress, void *context,
                   repack_outcome *outcome, const quipu_call *call, quipu_error *error)
{
    work w = { .store = s,
               .limits = limits,
               .progress = progress,
               .context = context,
               .call = call,
               .error = error,
               .lock_fd = -1,
               .stream = { .fd = -1 } };
    *outcome = REPACK_DONE;
    buffer_printf(&w.path, "%s/objects/pack", git_store_path(s));
    w.folder = w.path.failed ? NULL : str_dup(str_of(w.path.bytes));
    int32_t code = w.folder ? take_lock(&w) : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to repack the store");
    if (code == QUIPU_OK)
        code = run(&w, outcome);
    pack_stream_close(&w.stream);
    pack_pool_free(w.pool);
    if (code == QUIPU_OK)
        code = git_write_graph(s, limits->memory, graph_step, &w, error);
    if (w.lock_fd >= 0)
        os->close(w.lock_fd);
    free(w.folder);
    buffer_free(&w.path);
    buffer_free(&w.index);
    return code;
}

int32_t git_repack_fresh(git_store *s, uint64_t *fresh, uint64_t *settled, quipu_error *error)
{
    pack_list list = { 0 };
    buffer folder = { 0 }, path = { 0 }, note = { 0 };
    *fresh = *settled = 0;
    buffer_printf(&folder, "%s/objects/pack", git_store_path(s));
    buffer_printf(&path, "%s/maintained", git_store_private(s));
    int32_t code = folder.failed || path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to look at the packs")
                                                : pack_list_read(folder.bytes, &list, error);
    if (code == QUIPU_OK && os_read_file(path.bytes, 4096, &note, NULL) != QUIPU_OK)
        buffer_clear(&note);
    for (size_t i = 0; code == QUIPU_OK && i < list.mergeable; i++) {
        const pack_file *pack = &list.packs[i];
        *(note.len && strcmp(note.bytes, pack->name) == 0 ? settled : fresh) += pack->pack_len;
    }
    pack_list_free(&list);
    buffer_free(&folder);
    buffer_free(&path);
    buffer_free(&note);
    return code;
}
