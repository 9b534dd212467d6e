/*
 * cmd_import.c - `quipu import`: records from a file, one JSON object a line, some hundred of them to a commit.
 *
 * A batch is one change set, so that nothing half is ever stored; small ones are sent some thousand records at a time, where
 * so many are at hand. A broken line ends the import: the complete lines before it are stored, the line is named. A signal
 * ends it as well, after the lines read so far were stored.
 */
#include "cli.h"

#include <base/fail.h>
#include <base/hash.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sdk/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_DEFAULT 1000
#define BATCH_MAX 100000
#define TOGETHER 4096 /* records of small batches that are sent in one call, so that they share their syncs */
#define BATCH_BYTES_MAX (64u << 20)
#define SENDS_MAX 3 /* of one batch, where it is not known whether it arrived */

typedef struct item {
    size_t begin, len;       /* the line, in `bytes` */
    size_t id_begin, id_len; /* in `ids`; empty where the line names none */
    uint64_t line;
} item;

typedef struct import {
    cli *c;
    const char *file;
    line_reader reader;
    progress bar;
    item *items;
    size_t count;
    size_t batch;  /* records of a change set */
    size_t window; /* of those that are sent together: a multiple of it */
    buffer bytes, ids;
    uint32_t *table; /* ids of the batch by hash: position in items + 1, 0 where empty */
    size_t table_size;
    uint64_t records, changed, commits;
} import;

static volatile sig_atomic_t ended_by;

static void note_signal(int number)
{
    ended_by = number;
}

/* The first signal is noted, so that the batch can be ended; the second one ends the program at once. A signal that the
 * caller wants ignored stays ignored. */
static void catch_signal(int number)
{
    struct sigaction action = { .sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND }, before;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

/* The place of an id in the table: where it stands, or where it would. */
static size_t find_place(const import *m, quipu_str id)
{
    size_t at = (size_t)hash_table_key(id.ptr, (size_t)id.len, 0x9e3779b97f4a7c15u) & (m->table_size - 1);
    while (m->table[at]) {
        const item *there = &m->items[m->table[at] - 1];
        if (str_same(id, str_make(m->ids.bytes + there->id_begin, there->id_len)))
            break;
        at = (at + 1) & (m->table_size - 1);
    }
    return at;
}

/* Forgets the first `count` items. */
static void drop_items(import *m, size_t count)
{
    m->count -= count;
    memmove(m->items, m->items + count, m->count * sizeof *m->items);
    memset(m->table, 0, m->table_size * sizeof *m->table);
    if (m->count == 0) {
        buffer_clear(&m->bytes);
        buffer_clear(&m->ids);
    }
    for (size_t i = 0; i < m->count; i++)
        if (m->items[i].id_len)
            m->table[find_place(m, str_make(m->ids.bytes + m->items[i].id_begin, m->items[i].id_len))] =
                (uint32_t)i + 1;
}

/* Some items on their way into the store, `batch` of them to a change set. */
typedef struct sending {
    quipu_write *writes;
    quipu_array *groups;
    quipu_receipt *receipts;
    size_t sets;
    uint64_t done; /* sets that are stored */
} sending;

static bool sending_fill(sending *s, const import *m, size_t from, size_t count)
{
    s->sets = (count + m->batch - 1) / m->batch;
    s->writes = calloc(count, sizeof *s->writes);
    s->groups = calloc(s->sets, sizeof *s->groups);
    s->receipts = calloc(s->sets, sizeof *s->receipts);
    if (!s->writes || !s->groups || !s->receipts)
        return false;
    for (size_t i = 0; i < count; i++)
        s->writes[i] =
            (quipu_write){ .struct_size = sizeof *s->writes,
                           .op = QUIPU_CHANGE_PUT,
                           .expect = QUIPU_EXPECT_ANY,
                           .json = str_make(m->bytes.bytes + m->items[from + i].begin, m->items[from + i].len) };
    for (size_t i = 0; i < s->sets; i++) {
        size_t left = count - i * m->batch;
        s->groups[i] = (quipu_array){ s->writes + i * m->batch, left < m->batch ? left : m->batch, sizeof *s->writes };
        s->receipts[i].struct_size = sizeof *s->receipts;
    }
    return true;
}

/* Adds what was stored to the figures. */
static void sending_count(const sending *s, import *m)
{
    for (size_t i = 0; i < s->done; i++) {
        const quipu_receipt *r = &s->receipts[i];
        m->records += s->groups[i].count;
        m->changed += r->changed;
        m->commits += r->revision[0] && !(r->flags & (QUIPU_RECEIPT_UNCHANGED | QUIPU_RECEIPT_DUPLICATE));
    }
}

/* Sends `count` items. *stored: how many of them are in the store, also on failure. */
static int32_t send_items(import *m, size_t from, size_t count, size_t *stored, quipu_error *error)
{
    quipu_write_options options = store_write_options(m->c, "import");
    quipu_change_set set = { .struct_size = sizeof set };
    sending s = { 0 };
    int32_t code = quipu_change_set_begin(m->c->q, &options, &set, error);
    *stored = 0;
    if (code != QUIPU_OK)
        return code;
    memcpy(options.change_id, set.change_id, sizeof options.change_id);
    if (!sending_fill(&s, m, from, count))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    const quipu_array groups = { s.groups, s.sets, sizeof *s.groups };
    for (int sent = 0; sent < SENDS_MAX && (sent == 0 ? code == QUIPU_OK : code == QUIPU_E_UNCERTAIN); sent++)
        code = quipu_write_sets(m->c->q, &groups, &options, s.receipts, &s.done, NULL, error);
    sending_count(&s, m);
    *stored = s.done * m->batch < count ? (size_t)s.done * m->batch : count;
    free(s.writes);
    free(s.groups);
    free(s.receipts);
    return code;
}

/* Names the line; whatever is wrong with it, the import could not be done. */
static int report_line(import *m, uint64_t line, const quipu_error *error)
{
    char what[512];
    progress_end(&m->bar);
    snprintf(what, sizeof what, "%s:%" PRIu64, m->file, line);
    m->c->line = line;
    report(m->c, what, error);
    m->c->line = 0;
    return STATUS_TROUBLE;
}

/* Stores the first `count` items. */
static int commit_some(import *m, size_t count)
{
    quipu_error error = error_none(), second = error_none();
    char what[512];
    size_t stored = 0, more;
    if (count == 0)
        return STATUS_DONE;
    int32_t code = send_items(m, 0, count, &stored, &error);
    if (code == QUIPU_OK) {
        drop_items(m, count);
        return STATUS_DONE;
    }
    if (error.index < count - stored) { /* one record is at fault: what comes before it is kept */
        size_t before = (size_t)error.index;
        if (before > 0 && send_items(m, stored, before, &more, &second) != QUIPU_OK)
            return report_line(m, m->items[stored].line, &second);
        return report_line(m, m->items[stored + before].line, &error);
    }
    progress_end(&m->bar);
    snprintf(what, sizeof what, "cannot store lines %" PRIu64 " to %" PRIu64 " of %s", m->items[stored].line,
             m->items[count - 1].line, m->file);
    report(m->c, what, &error);
    return STATUS_TROUBLE;
}

static int commit(import *m)
{
    return commit_some(m, m->count);
}

/* Takes a line that is known to be an object. An id that the batch holds already ends the batch: a change set may
 * change a record once, and the later line is to win. */
static int take(import *m, quipu_str line, quipu_str id)
{
    int status = STATUS_DONE;
    if (m->count == m->window || m->bytes.len > BATCH_BYTES_MAX || (id.len && m->table[find_place(m, id)]))
        status = commit(m);
    if (status != STATUS_DONE)
        return status;
    item *i = &m->items[m->count];
    *i = (item){ m->bytes.len, (size_t)line.len, m->ids.len, (size_t)id.len, m->reader.number };
    buffer_append_str(&m->bytes, line);
    buffer_append_str(&m->ids, id);
    if (m->bytes.failed || m->ids.failed)
        return out_of_memory(m->c);
    m->count++;
    if (id.len)
        m->table[find_place(m, id)] = (uint32_t)m->count;
    if (m->count == m->window)
        return commit(m);
    /* what comes slowly is stored batch by batch as it comes */
    return m->count < m->batch || line_waits(&m->reader) ? STATUS_DONE : commit_some(m, m->count - m->count % m->batch);
}

static bool is_blank(quipu_str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t')
            return false;
    return true;
}

static int take_line(import *m, quipu_str line)
{
    quipu_error error = error_none();
    cJSON *tree = NULL;
    int status;
    int32_t code;
    if (m->reader.number == 1 && line.len >= 3 && memcmp(line.ptr, "\xef\xbb\xbf", 3) == 0)
        line = str_make(line.ptr + 3, (size_t)line.len - 3); /* a byte order mark, as other systems' editors leave */
    if (is_blank(line))
        return STATUS_DONE;
    code = json_parse(line, &tree, &error);
    if (code == QUIPU_OK && !cJSON_IsObject(tree))
        code = fail(&error, QUIPU_E_INVALID, NULL, "the line is JSON, but no object; a record is {\"text\":\"...\"}");
    if (code == QUIPU_OK) {
        status = take(m, line, field_of(tree, "id"));
    } else {
        uint64_t number = m->reader.number;
        status = commit(m);
        if (status == STATUS_DONE)
            status = report_line(m, number, &error);
    }
    cJSON_Delete(tree);
    return status;
}

static int read_lines(import *m)
{
    quipu_str line;
    int status = STATUS_DONE;
    while (status == STATUS_DONE && !ended_by) {
        quipu_error error = error_none();
        int got = line_next(&m->reader, &line);
        if (got == LINE_END)
            break;
        if (got == LINE_FAILED && errno == EINTR)
            continue;
        if (got == LINE_GIVEN) {
            status = take_line(m, line);
            progress_step(&m->bar, m->records, m->reader.consumed);
            continue;
        }
        if (got == LINE_FAILED)
            fail_errno(&error, errno, "cannot read");
        else
            fail(&error, QUIPU_E_TOO_LARGE, NULL, "the line is longer than %u bytes", LINE_MAX_BYTES);
        status = commit(m);
        if (status == STATUS_DONE)
            status = report_line(m, m->reader.number + 1, &error);
    }
    return status == STATUS_DONE ? commit(m) : status;
}

static int print_summary(const import *m)
{
    buffer json = { 0 };
    int status = STATUS_DONE;
    if (m->c->json) {
        buffer_printf(
            &json, "{\"imported\":%" PRIu64 ",\"changed\":%" PRIu64 ",\"commits\":%" PRIu64 ",\"lines\":%" PRIu64 "}",
            m->records, m->changed, m->commits, m->reader.number);
        status = print_json(m->c, &json);
        buffer_free(&json);
    } else if (!m->c->quiet) {
        printf("imported %" PRIu64 " record%s, %" PRIu64 " new or changed", m->records, plural(m->records), m->changed);
        if (m->commits > 0) /* a backend without revisions has none */
            printf(", in %" PRIu64 " commit%s", m->commits, plural(m->commits));
        putchar('\n');
    }
    return status;
}

static int run_import(import *m)
{
    struct stat about;
    uint64_t total = 0;
    if (fstat(m->reader.fd, &about) == 0 && S_ISREG(about.st_mode))
        total = (uint64_t)about.st_size;
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    progress_begin(&m->bar, m->c, "imported", total);
    int status = read_lines(m);
    progress_end(&m->bar);
    if (status != STATUS_DONE) {
        remark(m->c, "%" PRIu64 " record%s of the lines before %s kept", m->records, plural(m->records),
               m->records == 1 ? "was" : "were");
        return status;
    }
    if (ended_by) {
        remark(m->c, "stopped by a signal after line %" PRIu64 ": %" PRIu64 " records were stored", m->reader.number,
               m->records);
        status = print_summary(m);
        return status == STATUS_DONE ? STATUS_SIGNAL + (int)ended_by : status;
    }
    return print_summary(m);
}

int cmd_import(cli *c)
{
import m = {.c = c, .file = c->arguments[0], .reader = {.fd = STDIN_FILENO }, .table_size = 16 };
    uint64_t batch;
    int status;
    if (!option_number(c, "batch", 1, BATCH_MAX, BATCH_DEFAULT, &batch))
        return STATUS_USAGE;
    m.batch = (size_t)batch;
    m.window = batch < TOGETHER ? TOGETHER / m.batch * m.batch : m.batch;
    if (strcmp(m.file, "-") == 0)
        m.file = "standard input";
    else
        m.reader.fd = open(m.file, O_RDONLY | O_CLOEXEC);
    if (m.reader.fd < 0)
        return report_fault(c, QUIPU_E_IO, "FILE", "cannot open %s: %s", m.file, strerror(errno));
    while (m.table_size < m.window * 2)
        m.table_size *= 2;
    m.items = calloc(m.window, sizeof *m.items);
    m.table = calloc(m.table_size, sizeof *m.table);
    status = m.items && m.table ? store_open(c, STORE_MAKE) : out_of_memory(c);
    if (status == STATUS_DONE)
        status = run_import(&m);
    if (m.reader.fd != STDIN_FILENO)
        close(m.reader.fd);
    line_reader_free(&m.reader);
    buffer_free(&m.bytes);
    buffer_free(&m.ids);
    free(m.items);
    free(m.table);
    return status;
}
