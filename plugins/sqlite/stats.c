/* stats.c - what there is, in figures. */
#include "backend.h"

#include <sdk/query.h>
#include <sys/stat.h>

static int64_t file_size(const char *path, const char *suffix)
{
    struct stat s;
    buffer name = { 0 };
    buffer_printf(&name, "%s%s", path, suffix);
    int64_t size = !name.failed && stat(name.bytes, &s) == 0 ? (int64_t)s.st_size : 0;
    buffer_free(&name);
    return size;
}

int32_t sqlite_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                     quipu_error *error)
{
    connection *c;
    line_revision newest;
    int32_t code = line_check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = reader_take(self, call, &c, error);
    if (code != QUIPU_OK)
        return code;
    code = revision_newest(c, &newest, error);
    reader_give(self, c);
    if (code != QUIPU_OK)
        return code;
    const quipu_stat figures[] = {
        stat_number("records", newest.records),
        stat_number("revisions", newest.revision),
        stat_number("states", newest.last_state),
        stat_number("bytes", file_size(self->path, "")),
        stat_number("log_bytes", file_size(self->path, "-wal")),
        stat_number("persistent", 1),
        stat_words("durability", self->durable ? "full" : "relaxed"),
        stat_words("sqlite", sqlite3_libversion()),
    };
    return query_show_figures(figures, sizeof figures / sizeof figures[0], visit, context, error);
}
