/*
 * schema.c - the tables, how an older store becomes a newer one, and what is refused.
 *
 *   revisions   one row for each change set that changed something, in the order in which they were applied
 *   states      every state that any record ever was in; rows are only ever added. json NULL: the record was gone. `previous` is
 *               the state before of the same id, so that the history of a record is a chain and what a revision changed is its own rows
 *   heads       the newest state of each id
 *   memories    (a view) the records as they are now, for people and programs that speak SQL
 *   memory_words  (with the setting fts5) the words of their texts; write.c keeps it, wherever it is. No triggers do: SQLite trusts no
 *               schema with virtual tables that may come from somebody else
 *
 * PRAGMA user_version counts the migrations that a store has been through.
 */
#include "backend.h"

#include <base/fail.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <storage_git/os.h>
#include <string.h>
#include <unistd.h>

static const char *const migrations[] = {
    "CREATE TABLE revisions (revision INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, change_id BLOB NOT NULL,"
    " last_state INTEGER NOT NULL, records INTEGER NOT NULL, time INTEGER NOT NULL, committed_at INTEGER NOT NULL,"
    " author TEXT NOT NULL, operation TEXT NOT NULL, source TEXT, subject TEXT NOT NULL);"
    "CREATE TABLE states (state INTEGER PRIMARY KEY, revision INTEGER NOT NULL, previous INTEGER, id TEXT NOT NULL,"
    " version BLOB, json TEXT);"
    "CREATE TABLE heads (id TEXT PRIMARY KEY, state INTEGER NOT NULL) WITHOUT ROWID;",

    "CREATE VIEW memories AS SELECT s.id AS id, lower(hex(s.version)) AS version, s.revision AS revision,"
    " lower(hex(r.name)) AS revision_name, r.author AS author,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', r.committed_at / 1000000.0, 'unixepoch') AS changed_at, s.json AS json"
    " FROM heads h JOIN states s ON s.state = h.state JOIN revisions r ON r.revision = s.revision"
    " WHERE s.json IS NOT NULL;",
};

enum { SCHEMA_VERSION = sizeof migrations / sizeof migrations[0] };

static const char words_make[] =
    "CREATE VIRTUAL TABLE memory_words USING fts5(id UNINDEXED, text, tokenize = 'porter unicode61');"
    "INSERT INTO memory_words (rowid, id, text) SELECT s.state, s.id, json_extract(s.json, '$.text')"
    " FROM heads h JOIN states s ON s.state = h.state WHERE s.json IS NOT NULL;";

static const char words_drop[] = "DROP TABLE IF EXISTS memory_words";

/* ---- the file ---- */

/* True for a folder that holds nothing but what Quipu itself puts there; another process may be making the store just now. */
static bool is_free(const char *folder)
{
    static const char *const ours[] = { ".", "..", "catalogue", DATABASE_NAME };
    DIR *dir = opendir(folder);
    bool free_ = true;
    if (!dir)
        return true; /* what is wrong with it shows when the file is made */
    for (struct dirent *entry; free_ && (entry = readdir(dir));) {
        free_ = false;
        for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
            free_ = free_ || strcmp(entry->d_name, ours[i]) == 0;
        free_ = free_ || strncmp(entry->d_name, "quipu-store.json", 16) == 0;                  /* or on its way there */
        free_ = free_ || strncmp(entry->d_name, DATABASE_NAME "-", sizeof DATABASE_NAME) == 0; /* SQLite's beside it */
    }
    closedir(dir);
    return free_;
}

static int32_t make_file(const char *folder, const char *path, quipu_error *error)
{
    int32_t code = os_make_folder(folder, error);
    if (code != QUIPU_OK)
        return code;
    if (!is_free(folder))
        return fail(error, QUIPU_E_FORMAT, "path",
                    "%s holds other things and no %s; choose a folder that is empty, or not there yet", folder,
                    DATABASE_NAME);
    int fd = os->open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return errno == EEXIST ? QUIPU_OK : fail_errno(error, errno, "cannot make %s", path);
    os->close(fd);
    return os_sync_folder(folder) == 0 ? QUIPU_OK : fail_errno(error, errno, "cannot sync %s", folder);
}

int32_t database_make(quipu_backend *self, const char *folder, quipu_error *error)
{
    if (access(self->path, F_OK) == 0) {
        self->immutable =
            self->base.flags & QUIPU_OPEN_READ_ONLY && access(folder, W_OK) != 0 && access(self->path, W_OK) != 0;
        return QUIPU_OK;
    }
    if (errno != ENOENT && errno != ENOTDIR)
        return fail_errno(error, errno, "cannot reach %s", self->path);
    if (self->base.flags & (QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED))
        return fail(error, QUIPU_E_NOT_FOUND, "path", "there is no store at %s", folder);
    return make_file(folder, self->path, error);
}

/* ---- the tables ---- */

/* The number that one row of one column holds. */
static int32_t ask_number(connection *c, const char *sql, int64_t *out, quipu_error *error)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        *out = sqlite3_column_int64(s, 0);
        rc = SQLITE_OK;
    }
    int32_t code = rc == SQLITE_OK ? QUIPU_OK : sqlite_fail(c, rc, "opening the store", error);
    sqlite3_finalize(s);
    return code;
}

static int32_t execute(connection *c, const char *sql, const char *doing, quipu_error *error)
{
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? QUIPU_OK : sqlite_fail(c, rc, doing, error);
}

/* *version: of a store that is ours; 0 of a database with nothing in it. */
static int32_t look(connection *c, int64_t *version, quipu_error *error)
{
    int64_t id = 0, tables = 0;
    int32_t code = ask_number(c, "PRAGMA application_id", &id, error);
    if (code == QUIPU_OK)
        code = ask_number(c, "PRAGMA user_version", version, error);
    if (code == QUIPU_OK)
        code = ask_number(c, "SELECT count(*) FROM sqlite_master", &tables, error);
    if (code != QUIPU_OK)
        return code;
    if (id == 0 && *version == 0 && tables == 0)
        return QUIPU_OK;
    if (id != APPLICATION_ID || *version < 1)
        return fail(error, QUIPU_E_FORMAT, "path", "%s is a database of another program; choose another folder",
                    DATABASE_NAME);
    if (*version > SCHEMA_VERSION)
        return fail(error, QUIPU_E_FORMAT, "path",
                    "the store has schema %lld, and this version knows up to %d: use the newer Quipu that made it",
                    (long long)*version, (int)SCHEMA_VERSION);
    return QUIPU_OK;
}

/* The same as of one moment: another process may be making the tables. */
static int32_t look_once(connection *c, int64_t *version, quipu_error *error)
{
    static const char doing[] = "opening the store";
    int32_t code = execute(c, "BEGIN", doing, error);
    if (code != QUIPU_OK)
        return code;
    code = look(c, version, error);
    sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

/* WAL lets readers and a writer work side by side. Where a file system cannot have it, the rollback journal is as durable. Of two that
 * switch at once SQLite lets one go on, and tells the other without asking its busy handler. */
static int32_t choose_journal(quipu_backend *self, connection *c, quipu_error *error)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode=WAL", -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    for (int times = 0; (rc & 0xff) == SQLITE_BUSY && connection_wait(c, times); times++) {
        sqlite3_reset(s);
        rc = sqlite3_step(s);
    }
    bool wal = rc == SQLITE_ROW && sqlite3_stricmp((const char *)sqlite3_column_text(s, 0), "wal") == 0;
    int32_t code = rc == SQLITE_ROW || rc == SQLITE_DONE ? QUIPU_OK : sqlite_fail(c, rc, "opening the store", error);
    sqlite3_finalize(s);
    if (code == QUIPU_OK && !wal)
        host_log(self->base.host, QUIPU_LOG_WARNING, "sqlite",
                 "no write-ahead log here: readers and writers wait for each other");
    return code;
}

/* What is still to be done, in one transaction; another process may have been quicker. */
static int32_t migrate(connection *c, quipu_error *error)
{
    static const char doing[] = "making the tables";
    char pragma[100];
    int64_t version = 0;
    int32_t code = execute(c, "BEGIN IMMEDIATE", doing, error);
    if (code == QUIPU_OK)
        code = look(c, &version, error);
    for (int64_t i = version; code == QUIPU_OK && i < SCHEMA_VERSION; i++)
        code = execute(c, migrations[i], doing, error);
    sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID,
                     (int)SCHEMA_VERSION);
    if (code == QUIPU_OK)
        code = execute(c, pragma, doing, error);
    if (code == QUIPU_OK)
        code = execute(c, "COMMIT", doing, error);
    connection_rollback(c);
    return code;
}

/* The table of words, as the setting fts5 says; without the setting it stays as it is. */
static int32_t settle_words(quipu_backend *self, connection *c, quipu_error *error)
{
    static const char is_there[] = "SELECT count(*) FROM sqlite_master WHERE name = 'memory_words'";
    int64_t there = 0;
    int32_t code = self->fts == FTS_LEAVE ? QUIPU_OK : ask_number(c, is_there, &there, error);
    if (code != QUIPU_OK || self->fts == FTS_LEAVE || (self->fts == FTS_MAKE) == (there != 0))
        return code;
    if (self->fts == FTS_MAKE && !sqlite3_compileoption_used("ENABLE_FTS5"))
        return fail(error, QUIPU_E_INVALID, "fts5",
                    "this SQLite was built without FTS5; leave the setting \"fts5\" out");
    code = execute(c, "BEGIN IMMEDIATE", "settling the table of words", error);
    if (code == QUIPU_OK)
        code = ask_number(c, is_there, &there, error);
    if (code == QUIPU_OK && (self->fts == FTS_MAKE) != (there != 0))
        code = execute(c, self->fts == FTS_MAKE ? words_make : words_drop, "settling the table of words", error);
    if (code == QUIPU_OK)
        code = execute(c, "COMMIT", "settling the table of words", error);
    connection_rollback(c);
    return code;
}

int32_t schema_check(quipu_backend *self, connection *c, quipu_error *error)
{
    int64_t version = 0;
    int32_t code = look_once(c, &version, error);
    if (code != QUIPU_OK)
        return code;
    if (self->base.flags & QUIPU_OPEN_READ_ONLY)
        return version > 0
                   ? QUIPU_OK
                   : fail(error, QUIPU_E_NOT_FOUND, "path", "the store was never finished; open it for writing once");
    code = choose_journal(self, c, error);
    if (code == QUIPU_OK && version < SCHEMA_VERSION)
        code = migrate(c, error);
    return code == QUIPU_OK ? settle_words(self, c, error) : code;
}
