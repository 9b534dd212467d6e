/*
 * cmd_export.c - `quipu export`: every record, one JSON object a line, ordered by id, from one state of the store.
 *
 * A regular file is written beside its place and renamed when it is complete, mode 0600; a pipe or device is written to
 * as it is.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sdk/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_STEP 65536u

typedef struct export
{
    cli *c;
    int fd;
    buffer pending;
    uint64_t records, bytes;
    progress bar;
    int write_errno;
}
export;

static bool write_pending(export *e)
{
    size_t done = 0;
    while (done < e->pending.len) {
        ssize_t wrote = write(e->fd, e->pending.bytes + done, e->pending.len - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            e->write_errno = errno;
            return false;
        }
        done += (size_t)wrote;
    }
    e->bytes += done;
    buffer_clear(&e->pending);
    return true;
}

/* Canonical JSON on one line: line ends and blanks outside of strings go. */
static void append_compact(buffer *out, quipu_str json)
{
    bool in_string = false;
    size_t begin = 0;
    for (size_t i = 0; i < json.len; i++) {
        char ch = json.ptr[i];
        if (in_string && ch == '\\') {
            i++;
        } else if (ch == '"') {
            in_string = !in_string;
        } else if (!in_string && (ch == '\n' || ch == ' ' || ch == '\t' || ch == '\r')) {
            buffer_append(out, json.ptr + begin, i - begin);
            begin = i + 1;
        }
    }
    if (begin < json.len)
        buffer_append(out, json.ptr + begin, (size_t)json.len - begin);
}

static int32_t write_record(void *context, const quipu_hit *hit)
{
    export *e = context;
    append_compact(&e->pending, hit->record->json);
    buffer_append_char(&e->pending, '\n');
    e->records++;
    progress_step(&e->bar, e->records, 0);
    if (e->pending.failed)
        return QUIPU_E_NO_MEMORY;
    return e->pending.len < WRITE_STEP || write_pending(e) ? 0 : 1;
}

static int scan_all(export *e, const quipu_filter *filter)
{
    quipu_error error = error_none();
    quipu_scan scan = { .struct_size = sizeof scan,
                        .filter = filter,
                        .as_of = str_of(option_text(e->c, "as-of")),
                        .order = QUIPU_ORDER_ID };
    progress_begin(&e->bar, e->c, "exported", 0);
    int32_t code = quipu_scan_records(e->c->q, &scan, write_record, e, NULL, &error);
    progress_end(&e->bar);
    if (code != QUIPU_OK)
        return report(e->c, "cannot export", &error);
    if (e->write_errno || !write_pending(e)) {
        if (e->write_errno == EPIPE)
            return STATUS_SIGNAL + SIGPIPE;
        return report_fault(e->c, QUIPU_E_IO, "FILE", "cannot write the export: %s", strerror(e->write_errno));
    }
    return STATUS_DONE;
}

/* Scans with the scope and filter of the options; what has expired is part of an export. */
static int export_to(export *e)
{
    quipu_error error = error_none();
    quipu_parsed_filter *parsed = NULL;
    buffer scope = { 0 }, expression = { 0 };
    cJSON *request = cJSON_CreateObject();
    int status = request ? request_narrow(e->c, request) : out_of_memory(e->c);
    if (status == STATUS_DONE) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(request, "scope");
        if (item)
            json_print_compact(item, &scope);
        item = cJSON_GetObjectItemCaseSensitive(request, "filter");
        if (item)
            json_print_compact(item, &expression);
        quipu_str s = str_make(scope.bytes, scope.len), x = str_make(expression.bytes, expression.len);
        if (quipu_filter_parse(&s, &x, &parsed, &error) != QUIPU_OK)
            status = report(e->c, "cannot export", &error);
    }
    if (status == STATUS_DONE) {
        quipu_filter filter = *quipu_filter_get(parsed);
        filter.flags |= QUIPU_FILTER_EXPIRED;
        status = scan_all(e, &filter);
    }
    quipu_filter_free(parsed);
    buffer_free(&scope);
    buffer_free(&expression);
    cJSON_Delete(request);
    return status;
}

/* Where the bytes go first: the file itself where it is no regular one, else one beside it, its name in `made`. */
static int open_output(export *e, const char *file, buffer *made)
{
    struct stat about;
    if (stat(file, &about) == 0 && !S_ISREG(about.st_mode)) {
        e->fd = open(file, O_WRONLY | O_CLOEXEC);
    } else {
        buffer_printf(made, "%s.%ld.tmp", file, (long)getpid());
        if (made->failed)
            return out_of_memory(e->c);
        e->fd = open(made->bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    if (e->fd >= 0)
        return STATUS_DONE;
    int why = errno;
    buffer_free(made);
    return report_fault(e->c, QUIPU_E_IO, "FILE", "cannot write %s: %s", file, strerror(why));
}

static int export_file(export *e, const char *file)
{
    buffer made = { 0 };
    int status = open_output(e, file, &made);
    if (status != STATUS_DONE)
        return status;
    status = export_to(e);
    if (made.len && status == STATUS_DONE && fsync(e->fd) != 0)
        status = report_fault(e->c, QUIPU_E_IO, "FILE", "cannot write %s: %s", file, strerror(errno));
    if (close(e->fd) != 0 && status == STATUS_DONE)
        status = report_fault(e->c, QUIPU_E_IO, "FILE", "cannot write %s: %s", file, strerror(errno));
    if (made.len && status == STATUS_DONE && rename(made.bytes, file) != 0)
        status = report_fault(e->c, QUIPU_E_IO, "FILE", "cannot write %s: %s", file, strerror(errno));
    if (made.len && status != STATUS_DONE)
        unlink(made.bytes);
    buffer_free(&made);
    return status;
}

int cmd_export(cli *c)
{
    export e = { .c = c, .fd = STDOUT_FILENO };
    const char *file = c->argument_count > 0 ? c->arguments[0] : "-";
    bool to_stdout = strcmp(file, "-") == 0;
    buffer json = { 0 };
    int status = store_open(c, STORE_READ);
    if (status == STATUS_DONE)
        status = to_stdout ? export_to(&e) : export_file(&e, file);
    buffer_free(&e.pending);
    if (status != STATUS_DONE || to_stdout)
        return status;
    if (c->json) {
        buffer_printf(&json, "{\"exported\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", e.records, e.bytes);
        status = print_json(c, &json);
        buffer_free(&json);
    } else if (!c->quiet) {
        printf("exported %" PRIu64 " record%s\n", e.records, plural(e.records));
    }
    return status;
}
