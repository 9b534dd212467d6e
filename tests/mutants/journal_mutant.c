/*
 * journal_mutant.c - a backend that keeps its records in one file, with one fault, chosen by -DFAULT=FAULT_..., for each check
 * of the validator that needs a store on disk. FAULT_SOUND has none.
 *
 * The tiny backend (examples/tiny_backend.c) with a journal in front: each change set is appended as one frame and synced
 * before it is made in RAM; opening reads the frames. A frame that ends with the file was never acknowledged and is cut off;
 * one that is whole and does not have its checksums is damage.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* flock */
#endif
#include <quipu/plugin.h>

enum fault {
    FAULT_SOUND,
    FAULT_IO,          /* takes a failed write for a good one */
    FAULT_FULL,        /* the same where the disk is full */
    FAULT_SHORT,       /* takes half a write for a failure */
    FAULT_INTERRUPTED, /* gives up where it is interrupted */
    FAULT_HALF,        /* a frame for each change */
    FAULT_BITS,        /* compares no checksum */
    FAULT_MODES,       /* lets others read */
    FAULT_FOLDER,      /* goes on without a file */
    FAULT_MEMORY,      /* uses memory that it did not get */
    FAULT_OPEN_ONCE,   /* an instance cannot be opened again */
    FAULT_MIXED,       /* two stores are one */
    FAULT_KEPT,        /* keeps a descriptor */
    FAULT_FORK,        /* does not work in a child, and says that it does */
    FAULT_NO_LOCK,     /* lets two processes write over each other */
    FAULT_STAYS        /* says that it can be unloaded, and cannot */
};

#undef QUIPU_PLUGIN /* the tiny backend shall not be a plugin here */
#define QUIPU_PLUGIN(...) _Static_assert(1, "")
/* NOLINTNEXTLINE(bugprone-suspicious-include): it is the tiny backend, from within */
#include "../../examples/tiny_backend.c"

#include <base/buffer.h>
#include <base/hash.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef FAULT
#define FAULT FAULT_SOUND
#endif
#define IS(name) (FAULT == FAULT_##name)

typedef struct journal { /* in front of the tiny backend, which knows nothing of it */
    quipu_backend tiny;
    int fd;
    uint64_t end;    /* of the last whole frame */
    bool opened;     /* once */
    uint32_t broken; /* what could not be appended could not be cut off either */
} journal;

typedef struct frame_head {
    uint32_t magic;
    uint32_t len;
    uint8_t change_id[16];
    uint8_t sum[QUICK_SUM_LEN];      /* of the contents */
    uint8_t head_sum[QUICK_SUM_LEN]; /* of the fields before it */
} frame_head;

#define FRAME_MAGIC 0x4c4e524au

static pid_t first_process; /* that used this plugin */

static void sum_of(const void *bytes, size_t len, uint8_t out[QUICK_SUM_LEN])
{
    quick_sum sum;
    quick_sum_begin(&sum);
    quick_sum_add(&sum, bytes, len);
    quick_sum_end(&sum, out);
}

/* ---- writing a frame ---- */

static int append(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR && !IS(INTERRUPTED))
            continue;
        if (n < 0)
            return -1;
        if (IS(SHORT) && (size_t)n < len)
            return errno = EIO, -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_file(int fd)
{
    int result;
    do
        result = fdatasync(fd);
    while (result < 0 && errno == EINTR && !IS(INTERRUPTED));
    return result;
}

/* The contents of a frame: one line for each change, "+" and the record's JSON without line ends, or "-" and the id. */
static void add_change(buffer *out, const quipu_change *c)
{
    buffer_append_char(out, c->op == QUIPU_CHANGE_PUT ? '+' : '-');
    quipu_str text = c->op == QUIPU_CHANGE_PUT ? c->record->json : c->id;
    for (uint64_t i = 0; i < text.len; i++)
        buffer_append_char(out, text.ptr[i] == '\n' ? ' ' : text.ptr[i]);
    buffer_append_char(out, '\n');
}

static int32_t append_frame(journal *j, const uint8_t change_id[16], const buffer *contents, quipu_error *error)
{
    frame_head head = { .magic = FRAME_MAGIC, .len = (uint32_t)contents->len };
    memcpy(head.change_id, change_id, 16);
    sum_of(contents->bytes, contents->len, head.sum);
    sum_of(&head, offsetof(frame_head, head_sum), head.head_sum);
    char *whole = malloc(sizeof head + contents->len);
    if (!whole && !IS(MEMORY))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a frame");
    memcpy(whole, &head, sizeof head);
    memcpy(whole + sizeof head, contents->bytes, contents->len);
    if (IS(NO_LOCK))
        lseek(j->fd, (off_t)j->end, SEEK_SET);
    int result = append(j->fd, whole, sizeof head + contents->len);
    if (result == 0)
        result = sync_file(j->fd);
    free(whole);
    if (result == 0) {
        j->end += sizeof head + contents->len;
        return QUIPU_OK;
    }
    int why = errno;
    if (IS(IO) || (IS(FULL) && why == ENOSPC))
        return QUIPU_OK;
    j->broken = ftruncate(j->fd, (off_t)j->end) != 0;
    return fail_errno(error, why, "the journal could not be written");
}

static int32_t append_set(journal *j, const quipu_change_set *set, quipu_error *error)
{
    buffer contents = { 0 };
    int32_t code = QUIPU_OK;
    for (uint64_t i = 0; i < set->changes.count && code == QUIPU_OK; i++) {
        add_change(&contents, QUIPU_AT(quipu_change, &set->changes, i));
        if (IS(HALF) && i + 1 < set->changes.count) {
            code = append_frame(j, set->change_id, &contents, error);
            buffer_clear(&contents);
        }
    }
    if (code == QUIPU_OK)
        code = contents.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a frame")
                               : append_frame(j, set->change_id, &contents, error);
    buffer_free(&contents);
    return code;
}

/* ---- reading all frames ---- */

static int32_t make_line(quipu_backend *tiny, const char *line, size_t len, quipu_error *error)
{
    if (len > 0 && line[0] == '-') {
        record_list_remove(&tiny->records, (quipu_str){ line + 1, len - 1 });
        return QUIPU_OK;
    }
    record *r = NULL;
    record_defaults defaults = { 0 };
    int32_t code = record_decode((quipu_str){ line + 1, len - 1 }, &defaults, &r, error);
    if (code == QUIPU_OK)
        code = record_list_put(&tiny->records, record_view(r), error);
    else if (code == QUIPU_E_INVALID)
        code = QUIPU_E_CORRUPT;
    record_free(r);
    return code;
}

static int32_t make_frame(quipu_backend *tiny, const frame_head *head, const char *contents, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    for (const char *at = contents, *end = contents + head->len; at < end && code == QUIPU_OK;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            return fail(error, QUIPU_E_CORRUPT, NULL, "a line of the journal has no end");
        code = make_line(tiny, at, (size_t)(stop - at), error);
        at = stop + 1;
    }
    if (code == QUIPU_OK && recent_ids_reserve(&tiny->applied))
        recent_ids_add(&tiny->applied, head->change_id);
    return code;
}

static int32_t read_frames(journal *j, const buffer *all, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && all->len - j->end >= sizeof(frame_head)) {
        frame_head head;
        uint8_t sum[QUICK_SUM_LEN];
        memcpy(&head, all->bytes + j->end, sizeof head);
        sum_of(&head, offsetof(frame_head, head_sum), sum);
        if (head.magic != FRAME_MAGIC || memcmp(sum, head.head_sum, sizeof sum) != 0)
            return fail(error, QUIPU_E_CORRUPT, NULL, "the journal is damaged at byte %llu",
                        (unsigned long long)j->end);
        if (head.len > all->len - j->end - sizeof head)
            break; /* never acknowledged */
        const char *contents = all->bytes + j->end + sizeof head;
        sum_of(contents, head.len, sum);
        if (memcmp(sum, head.sum, sizeof sum) != 0 && !IS(BITS))
            return fail(error, QUIPU_E_CORRUPT, NULL, "the journal is damaged at byte %llu",
                        (unsigned long long)j->end);
        code = make_frame(&j->tiny, &head, contents, error);
        j->end += sizeof head + head.len;
    }
    return code;
}

static int32_t read_journal(journal *j, quipu_error *error)
{
    buffer all = { 0 };
    int32_t code = QUIPU_OK;
    for (ssize_t n = 1; n > 0 && !all.failed;) {
        char *room = buffer_reserve(&all, 65536);
        n = room ? pread(j->fd, room, 65536, (off_t)all.len) : 0;
        if (n < 0)
            code = fail_errno(error, errno, "the journal could not be read");
        all.len += n > 0 ? (size_t)n : 0;
    }
    if (all.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the journal");
    if (code == QUIPU_OK)
        code = read_frames(j, &all, error);
    if (code == QUIPU_OK && j->end < all.len && !(j->tiny.flags & QUIPU_OPEN_READ_ONLY) &&
        ftruncate(j->fd, (off_t)j->end) != 0)
        code = fail_errno(error, errno, "the end of the journal could not be cut off");
    buffer_free(&all);
    return code;
}

/* ---- the eleven functions, where they differ from the tiny backend's ---- */

static journal *journal_of(quipu_backend *self)
{
    return (journal *)self; /* its first member */
}

static int32_t journal_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
{
    quipu_backend *tiny = NULL;
    int32_t code = tiny_create(host, &tiny, error);
    journal *j = code == QUIPU_OK ? calloc(1, sizeof *j) : NULL;
    tiny_destroy(tiny);
    *out = NULL;
    if (code != QUIPU_OK || !j)
        return j ? code : fail(error, code ? code : QUIPU_E_NO_MEMORY, NULL, "no memory for a backend");
    pthread_mutex_init(&j->tiny.lock, NULL);
    j->fd = -1;
    if (!first_process)
        first_process = getpid();
    *out = &j->tiny;
    return QUIPU_OK;
}

static int32_t open_file(journal *j, const quipu_open_params *params, quipu_error *error)
{
    char path[4096];
    const bool read_only = params->flags & QUIPU_OPEN_READ_ONLY, make = !(params->flags & QUIPU_OPEN_NO_CREATE);
    snprintf(path, sizeof path, "%.*s",
             IS(MIXED) ? (int)(strrchr(params->path.ptr, '/') - params->path.ptr) : (int)params->path.len,
             params->path.ptr);
    if (make && !read_only && mkdir(path, IS(MODES) ? 0755 : 0700) != 0 && errno != EEXIST && !IS(FOLDER))
        return fail_errno(error, errno, "the store's folder could not be made");
    snprintf(path + strlen(path), sizeof path - strlen(path), "/journal");
    j->fd = open(path,
                 (read_only     ? O_RDONLY
                  : IS(NO_LOCK) ? O_RDWR
                                : O_RDWR | O_APPEND) |
                     (make && !read_only ? O_CREAT : 0) | O_CLOEXEC,
                 IS(MODES) ? 0644 : 0600);
    if (j->fd < 0 && IS(FOLDER))
        j->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (j->fd < 0)
        return fail_errno(error, errno, "the journal could not be opened");
    if (!read_only && !IS(NO_LOCK) && !IS(MIXED) && flock(j->fd, LOCK_EX | LOCK_NB) != 0)
        return fail(error, QUIPU_E_BUSY, NULL, "another instance writes this store");
    return QUIPU_OK;
}

static int32_t journal_close(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    journal *j = journal_of(self);
    if (j->fd >= 0 && !IS(KEPT))
        close(j->fd);
    j->fd = -1;
    j->end = 0;
    j->broken = 0;
    return tiny_close(self, call, error);
}

static int32_t journal_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                            quipu_error *error)
{
    journal *j = journal_of(self);
    int32_t code = abi_check_open(params, error);
    if (code != QUIPU_OK)
        return code;
    quipu_open_params copy = *params;
    copy.struct_size = sizeof copy;
    copy.flags &= ~QUIPU_OPEN_NO_CREATE; /* the tiny backend never finds a store */
    if ((code = tiny_open(self, &copy, call, error)) != QUIPU_OK)
        return code;
    if (IS(OPEN_ONCE) && j->opened)
        return fail(error, QUIPU_E_STATE, NULL, "it was open before");
    if (IS(FORK) && first_process != getpid())
        raise(SIGSEGV);
    j->opened = true;
    if ((code = open_file(j, params, error)) == QUIPU_OK)
        code = read_journal(j, error);
    if (code != QUIPU_OK)
        journal_close(self, NULL, NULL);
    return code;
}

static void journal_destroy(quipu_backend *self)
{
    if (!self)
        return;
    if (journal_of(self)->fd >= 0)
        journal_close(self, NULL, NULL);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

static int32_t apply_locked(journal *j, const quipu_change_set *set, quipu_receipt *receipt, quipu_error *error)
{
    record_list changed_list = { NULL, 0, 0 };
    uint64_t changed = 0;
    if (recent_ids_has(&j->tiny.applied, set->change_id)) {
        receipt_fill(receipt, QUIPU_RECEIPT_DUPLICATE, 0, "");
        return QUIPU_OK;
    }
    if (j->broken)
        return fail(error, QUIPU_E_IO, NULL, "the journal could not be mended; open the store again");
    if (!recent_ids_reserve(&j->tiny.applied))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for the change id");
    int32_t code = record_list_copy(&j->tiny.records, &changed_list, error);
    if (code == QUIPU_OK)
        code = record_list_apply(&changed_list, &set->changes, &changed, error);
    if (code == QUIPU_OK && changed)
        code = append_set(j, set, error);
    if (code == QUIPU_OK) {
        record_list before = j->tiny.records;
        j->tiny.records = changed_list;
        changed_list = before;
        recent_ids_add(&j->tiny.applied, set->change_id);
        receipt_fill(receipt, changed ? 0 : QUIPU_RECEIPT_UNCHANGED, changed, "");
    }
    record_list_free(&changed_list);
    return code;
}

static int32_t journal_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                             const quipu_call *call, quipu_error *error)
{
    int32_t code;
    if ((code = abi_check_call(call, error)) != QUIPU_OK || (code = change_set_check(set, error)) != QUIPU_OK ||
        (code = receipt_check(receipt, error)) != QUIPU_OK)
        return code;
    if (self->flags & QUIPU_OPEN_READ_ONLY)
        return fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    pthread_mutex_lock(&self->lock);
    code = apply_locked(journal_of(self), set, receipt, error);
    pthread_mutex_unlock(&self->lock);
    return code;
}

static int32_t journal_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                             quipu_error *error)
{
    quipu_stat figures[] = { { .struct_size = sizeof(quipu_stat), .name = QUIPU_STR_INIT("records") },
                             { .struct_size = sizeof(quipu_stat), .name = QUIPU_STR_INIT("persistent"), .value = 1 } };
    int32_t code = abi_check_call(call, error);
    pthread_mutex_lock(&self->lock);
    figures[0].value = (int64_t)self->records.count;
    pthread_mutex_unlock(&self->lock);
    return code == QUIPU_OK ? query_show_figures(figures, 2, visit, context, error) : code;
}

/* ---- the plugin ---- */

static const quipu_backend_api journal_api = {
    sizeof journal_api, 0,         journal_create, journal_destroy, journal_open, journal_close,     journal_apply,
    tiny_get,           tiny_scan, tiny_search,    journal_stats,   tiny_flush,   tiny_get_extension
};
static const quipu_backend_desc journal_desc = { sizeof journal_desc, QUIPU_RECORD_FORMAT, QUIPU_STR_INIT("journal"),
                                                 QUIPU_STR_INIT("a backend on disk with a fault"), &journal_api };
static const quipu_backend_list journal_list = { sizeof journal_list, 0, { &journal_desc, 1, sizeof journal_desc } };

static const void *journal_factory(const quipu_str *id)
{
    return id && QUIPU_IS(id, QUIPU_BACKENDS) ? &journal_list : NULL;
}

#define FLAGS (QUIPU_PLUGIN_FORK_SAFE | (IS(STAYS) ? QUIPU_PLUGIN_UNLOADABLE : 0u))
QUIPU_NOTE_("org.example.journal", "0.1.0", "Apache-2.0", FLAGS)
extern QUIPU_EXPORT const quipu_plugin quipu_plugin_entry;
const quipu_plugin quipu_plugin_entry = { sizeof(quipu_plugin),
                                          QUIPU_PLUGIN_MAGIC,
                                          QUIPU_ABI_VERSION,
                                          QUIPU_ABI_VERSION,
                                          FLAGS,
                                          0,
                                          QUIPU_STR_INIT("org.example.journal"),
                                          QUIPU_STR_INIT("0.1.0"),
                                          QUIPU_STR_INIT("Apache-2.0"),
                                          abi_negotiate,
                                          deinit,
                                          journal_factory };
