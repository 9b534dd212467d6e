/*
 * journal.c - what is not in the files yet: one entry for each change set, added at the end, so that a change costs what it changes.
 *
 *     quipu json journal ID\n                         ID: 16 digits, another one for each journal
 *     set CHANGE-ID LENGTH SHA-1\n                    then LENGTH bytes:
 *     put LENGTH\n and a record, delete LENGTH\n and the record that it was, each with a line's end
 *
 * An entry says what is there after it, so that one that is in the files already does no harm. An entry that is not whole at the end of
 * the file was never answered, and is not there; one in the middle is damage.
 */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <string.h>

#define HEAD "quipu json journal "
enum { HEAD_LEN = sizeof HEAD - 1 + JOURNAL_ID_LEN + 1, DIGEST_LEN = 40, LINE_MOST = 128, CHUNK = 1 << 20 };
#define JOURNAL_MOST ((uint64_t)1 << 30)

static int32_t damaged(const quipu_backend *self, uint64_t at, quipu_error *error)
{
    return fail(error, QUIPU_E_CORRUPT, "file",
                "%s is damaged at byte %llu: take it away to go on without what it holds, or cut it there",
                self->journal, (unsigned long long)at);
}

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for the journal of the store");
}

bool journal_changed(const quipu_backend *self)
{
    file_stamp now;
    stamp_of(self->journal, &now);
    return !same_stamp(&now, &self->log.seen);
}

/* ---- reading ---- */

/* Takes a line off; {NULL} where there is none. */
static quipu_str take_line(quipu_str *rest)
{
    uint64_t most = rest->len < LINE_MOST ? rest->len : LINE_MOST;
    const char *end = most ? memchr(rest->ptr, '\n', (size_t)most) : NULL;
    if (!end)
        return (quipu_str){ NULL, 0 };
    quipu_str line = { rest->ptr, (uint64_t)(end - rest->ptr) };
    *rest = (quipu_str){ end + 1, rest->len - line.len - 1 };
    return line;
}

/* "put LENGTH" or "delete LENGTH", and the bytes. */
static bool take_item(quipu_str *rest, bool *put, quipu_str *bytes)
{
    char text[LINE_MOST + 1], *end;
    quipu_str line = take_line(rest);
    if (!line.ptr || line.len < 5)
        return false;
    memcpy(text, line.ptr, (size_t)line.len);
    text[line.len] = '\0';
    *put = strncmp(text, "put ", 4) == 0;
    if (!*put && strncmp(text, "delete ", 7) != 0)
        return false;
    unsigned long long len = strtoull(text + (*put ? 4 : 7), &end, 10);
    if (*end || len >= rest->len || rest->ptr[len] != '\n')
        return false;
    *bytes = (quipu_str){ rest->ptr, len };
    *rest = (quipu_str){ rest->ptr + len + 1, rest->len - len - 1 };
    return true;
}

/* What is deleted may be in a file that was not read yet: that it is gone is remembered all the same. */
static int32_t take_change(quipu_backend *self, bool put, quipu_str json, quipu_error *error)
{
    static const record_defaults limit = { .created_at = QUIPU_TIME_NONE,
                                           .updated_at = QUIPU_TIME_NONE,
                                           .max_bytes = (uint64_t)64 << 20 };
    record *r = NULL;
    size_t file;
    int32_t code = record_decode(json, &limit, &r, error);
    if (code != QUIPU_OK)
        return code;
    if (!file_find_of(self, record_view(r), &file) || !table_reserve(&self->records, 1)) {
        record_free(r);
        return no_memory(error);
    }
    quipu_str id = record_view(r)->id;
    table_row *h = table_find(&self->records, id);
    if (put || !h)
        code = store_put(self, record_share(r), file, true, error);
    if (!put && code == QUIPU_OK)
        store_remove(self, table_find(&self->records, id), true);
    record_free(r);
    return code;
}

static int32_t take_body(quipu_backend *self, quipu_str body, uint64_t at, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    record_index_begin(self->index);
    while (code == QUIPU_OK && body.len > 0) {
        bool put;
        quipu_str bytes;
        code = take_item(&body, &put, &bytes) ? take_change(self, put, bytes, error) : damaged(self, at, error);
    }
    record_index_end(self->index);
    return code;
}

typedef struct entry {
    uint8_t change_id[16];
    quipu_str body;
} entry;

/* "set CHANGE-ID LENGTH SHA-1". */
static bool read_head(quipu_str line, entry *out, char digest[DIGEST_LEN + 1])
{
    enum { ID_AT = 4, LEN_AT = ID_AT + 32 + 1 };
    char text[LINE_MOST + 1], *end;
    memcpy(text, line.ptr, (size_t)line.len);
    text[line.len] = '\0';
    if (line.len < LEN_AT + 2 + DIGEST_LEN || strncmp(text, "set ", ID_AT) != 0 || text[LEN_AT - 1] != ' ' ||
        hex_decode(text + ID_AT, sizeof out->change_id, out->change_id) != 0)
        return false;
    out->body.len = strtoull(text + LEN_AT, &end, 10);
    if (end == text + LEN_AT || *end != ' ' || strlen(end + 1) != DIGEST_LEN)
        return false;
    memcpy(digest, end + 1, DIGEST_LEN + 1);
    return true;
}

/* Takes an entry off; false where none begins here that is whole. *beyond: bytes follow it that it does not explain. */
static bool take_entry(quipu_str *rest, entry *out, bool *beyond)
{
    char digest[DIGEST_LEN + 1], found[DIGEST_LEN + 1] = "";
    uint8_t sum[20];
    quipu_str after = *rest, line = take_line(&after);
    *beyond = line.ptr ? after.len > 0 : rest->len >= LINE_MOST;
    if (!line.ptr || !read_head(line, out, digest))
        return false;
    *beyond = out->body.len < after.len;
    if (out->body.len > after.len)
        return false;
    out->body.ptr = after.ptr;
    hash_sha1(after.ptr, (size_t)out->body.len, sum);
    hex_encode(sum, sizeof sum, found);
    if (strcmp(found, digest) != 0)
        return false;
    *rest = (quipu_str){ after.ptr + out->body.len, after.len - out->body.len };
    return true;
}

static int32_t take_entries(quipu_backend *self, quipu_str rest, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    uint64_t begin = self->log.end, all = rest.len;
    bool beyond = false;
    entry e;
    while (code == QUIPU_OK && rest.len > 0 && take_entry(&rest, &e, &beyond)) {
        code = take_body(self, e.body, self->log.end, error);
        if (code != QUIPU_OK)
            break;
        if (recent_ids_reserve(&self->applied))
            recent_ids_add(&self->applied, e.change_id);
        self->log.end = begin + (all - rest.len);
    }
    return code == QUIPU_OK && rest.len > 0 && beyond ? damaged(self, self->log.end, error) : code;
}

/* All from `at` on. */
static int32_t read_from(const quipu_backend *self, uint64_t at, uint64_t size, buffer *out, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (size > JOURNAL_MOST)
        return damaged(self, JOURNAL_MOST, error);
    int fd = os->open(self->journal, O_RDONLY, 0);
    if (fd < 0)
        return errno == ENOENT ? QUIPU_OK : fail_errno(error, errno, "cannot open %s", self->journal);
    while (code == QUIPU_OK && at < size) {
        size_t want = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        if (!buffer_reserve(out, want)) {
            code = no_memory(error);
            break;
        }
        ssize_t got = os->pread(fd, out->bytes + out->len, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            code = fail_errno(error, errno, "cannot read %s", self->journal);
        if (got <= 0)
            break;
        out->len += (size_t)got;
        at += (uint64_t)got;
    }
    os->close(fd);
    return code;
}

/* *same: it is the journal that was read before, or there is none and was none. */
static int32_t look_at_head(quipu_backend *self, uint64_t size, bool *same, quipu_error *error)
{
    buffer head = { 0 };
    *same = self->log.end == 0;
    int32_t code = read_from(self, 0, size < HEAD_LEN ? size : HEAD_LEN, &head, error);
    if (code == QUIPU_OK && head.len == HEAD_LEN) {
        const char *id = head.bytes + sizeof HEAD - 1;
        if (memcmp(head.bytes, HEAD, sizeof HEAD - 1) != 0 || head.bytes[HEAD_LEN - 1] != '\n')
            code = damaged(self, 0, error);
        else if (self->log.end == 0 || memcmp(self->log.id, id, JOURNAL_ID_LEN) != 0 || size < self->log.end) {
            if (self->log.end)
                store_settle(self); /* that one is in the files by now */
            memcpy(self->log.id, id, JOURNAL_ID_LEN);
            self->log.end = HEAD_LEN;
        }
        *same = true;
    }
    buffer_free(&head);
    return code;
}

int32_t journal_read(quipu_backend *self, quipu_error *error)
{
    file_stamp now;
    buffer text = { 0 };
    bool same;
    stamp_of(self->journal, &now);
    if (same_stamp(&now, &self->log.seen))
        return QUIPU_OK;
    int32_t code = look_at_head(self, now.size, &same, error);
    if (code == QUIPU_OK && !same)
        store_settle(self);
    else if (code == QUIPU_OK && self->log.end && now.size > self->log.end)
        code = read_from(self, self->log.end, now.size, &text, error);
    if (code == QUIPU_OK && text.len > 0)
        code = take_entries(self, str_make(text.bytes, text.len), error);
    if (code == QUIPU_OK)
        self->log.seen = now;
    buffer_free(&text);
    return code;
}

/* ---- writing ---- */

static void print_item(const char *what, quipu_str bytes, buffer *out)
{
    buffer_printf(out, "%s %llu\n", what, (unsigned long long)bytes.len);
    buffer_append_str(out, bytes);
    buffer_append_char(out, '\n');
}

void journal_print_put(quipu_str json, buffer *out)
{
    print_item("put", json, out);
}

void journal_print_delete(quipu_str json, buffer *out)
{
    print_item("delete", json, out);
}

static void print_entry(const uint8_t change_id[16], const buffer *body, buffer *out)
{
    char id[33], digest[DIGEST_LEN + 1];
    uint8_t sum[20];
    hex_encode(change_id, 16, id);
    hash_sha1(body->bytes, body->len, sum);
    hex_encode(sum, sizeof sum, digest);
    id[32] = digest[DIGEST_LEN] = '\0';
    buffer_printf(out, "set %s %zu %s\n", id, body->len, digest);
    buffer_append(out, body->bytes, body->len);
}

/* A name that no other journal of this store had. */
static void begin_journal(quipu_backend *self, const uint8_t change_id[16], buffer *out)
{
    char digits[33];
    uint8_t sum[20];
    buffer all = { 0 };
    buffer_append(&all, change_id, 16);
    buffer_printf(&all, "%" PRId64 " %p", host_now(self->host), (void *)self);
    hash_sha1(all.bytes ? all.bytes : "", all.len, sum);
    hex_encode(sum, 16, digits);
    out->failed = out->failed || all.failed;
    buffer_free(&all);
    memcpy(self->log.id, digits, JOURNAL_ID_LEN);
    buffer_printf(out, HEAD "%.16s\n", digits);
}

static int cut(int fd, off_t len)
{
    int failed;
    do
        failed = os->ftruncate(fd, len);
    while (failed != 0 && errno == EINTR);
    return failed;
}

/* Writes behind the last whole entry. On failure nothing is left that counts, but where a sync failed. */
static int32_t write_at_end(quipu_backend *self, int fd, const buffer *text, quipu_error *error)
{
    off_t end = (off_t)self->log.end;
    if (self->log.seen.size > self->log.end && cut(fd, end) != 0)
        return fail_errno(error, errno, "cannot cut %s", self->journal);
    if (os_write_all(fd, text->bytes, text->len) != 0) {
        int32_t code = fail_errno(error, errno, "cannot write %s", self->journal);
        (void)cut(fd, end); /* the next writer does it, else */
        return code;
    }
    if (!self->durable)
        return QUIPU_OK;
    bool good = os_sync(fd) == 0 && (end > 0 || os_sync_folder(self->store) == 0);
    return good ? QUIPU_OK
                : fail(error, QUIPU_E_UNCERTAIN, NULL,
                       "a sync of %s failed: send the change again with the same change id", self->journal);
}

int32_t journal_append(quipu_backend *self, const uint8_t change_id[16], const buffer *body, quipu_error *error)
{
    buffer text = { 0 };
    journal_state before = self->log;
    if (before.end == 0)
        begin_journal(self, change_id, &text);
    print_entry(change_id, body, &text);
    int fd = text.failed ? -1 : os->open(self->journal, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int32_t code = text.failed ? no_memory(error)
                   : fd < 0    ? fail_errno(error, errno, "cannot open %s", self->journal)
                               : write_at_end(self, fd, &text, error);
    if (fd >= 0)
        os->close(fd);
    if (code == QUIPU_OK) {
        self->log.end += text.len;
        stamp_of(self->journal, &self->log.seen);
    } else {
        self->log = before;
    }
    buffer_free(&text);
    return code;
}
