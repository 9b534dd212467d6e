/* maintain.c - the extension maintain/1: expired records go, as revisions of their own; the log goes into the database, which becomes small. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/purge.h>
#include <sys/stat.h>

static uint64_t size_of(const char *path, const char *suffix)
{
    struct stat s;
    buffer name = { 0 };
    buffer_printf(&name, "%s%s", path, suffix);
    uint64_t size = !name.failed && stat(name.bytes, &s) == 0 ? (uint64_t)s.st_size : 0;
    buffer_free(&name);
    return size;
}

static int32_t measure(maintenance *m, uint64_t *files, uint64_t *bytes)
{
    uint64_t log = size_of(m->self->path, "-wal");
    *bytes = size_of(m->self->path, "") + log;
    *files = 1 + (log > 0);
    return QUIPU_OK;
}

/* The whole log into the database. Readers of an old state keep its end from being cut: then that is left to the next time. */
static int32_t checkpoint(connection *c, quipu_error *error)
{
    int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        return sqlite_fail(c, rc, "taking in the log", error);
    sqlite3_busy_timeout(c->db, 0); /* a moment that suits everybody, or none */
    sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return QUIPU_OK;
}

static int32_t pages_to_free(connection *c, int64_t *out, quipu_error *error)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA freelist_count", -1, &s, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        *out = sqlite3_column_int64(s, 0);
        rc = SQLITE_OK;
    }
    int32_t code = rc == SQLITE_OK ? QUIPU_OK : sqlite_fail(c, rc, "looking at the database", error);
    sqlite3_finalize(s);
    return code;
}

/* Rows are only added, so that there is little to win by writing the database anew: only where pages are free, or it is asked for. */
static int32_t pack(maintenance *m, connection *c, uint64_t log)
{
    int64_t pages = 0;
    int32_t code = pages_to_free(c, &pages, m->error);
    bool rewrite = pages > 0 || m->params->flags & QUIPU_MAINTAIN_FORCE;
    if (code == QUIPU_OK && !rewrite && log == 0)
        m->report.flags |= QUIPU_MAINTAINED_UNNEEDED;
    if (code == QUIPU_OK && rewrite) {
        int rc = sqlite3_exec(c->db, "VACUUM", NULL, NULL, NULL);
        code = rc == SQLITE_OK ? QUIPU_OK : sqlite_fail(c, rc, "writing the database anew", m->error);
    }
    if (code == QUIPU_OK)
        sqlite3_exec(c->db, "PRAGMA optimize", NULL, NULL, NULL);
    return code == QUIPU_OK ? checkpoint(c, m->error) : code;
}

static int32_t repack(maintenance *m)
{
    quipu_call call;
    connection *c;
    int32_t code = maintain_tell(m, "repack", 0, 0);
    if (code == QUIPU_OK)
        code = maintain_time(m);
    if (code != QUIPU_OK)
        return code;
    bool own = maintain_call(m, &call);
    code = connection_open(m->self, true, &c, m->error);
    if (code != QUIPU_OK)
        return code;
    connection_use(c, &call, NULL);
    code = pack(m, c, size_of(m->self->path, "-wal"));
    connection_close(c);
    return code == QUIPU_E_TIMEOUT && own ? MAINTAIN_ENOUGH : code;
}

static const quipu_backend_api own = { .struct_size = sizeof own, .scan = line_scan, .apply = line_apply };
static const maintain_owner owner = { &own, measure, repack };

static int32_t maintain(quipu_backend *self, const quipu_maintain *params, quipu_maintain_fn visit, void *context,
                        quipu_maintained *report, const quipu_call *call, quipu_error *error)
{
    maintenance m = { .self = self,
                      .host = self->base.host,
                      .params = params,
                      .visit = visit,
                      .context = context,
                      .call = call,
                      .error = error };
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? maintain_run(&owner, &m, self->base.flags, report) : code;
}

const quipu_maintain_api sqlite_maintain = { .struct_size = sizeof(quipu_maintain_api), .maintain = maintain };
