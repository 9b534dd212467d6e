/* backends_peer.c - see backends_bench.h: SQLite alone. */
#include "backends_bench.h"

#if __has_include(<sqlite3.h>)

#include <base/hash.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peer {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *state, *head, *revision, *get, *scan, *search;
    long states, revisions;
    int words; /* 1: the FTS5 table is filled; -1: there is no FTS5 */
};

static void run(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        bench_stop(sql, why);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        bench_stop(sql, sqlite3_errmsg(db));
    return s;
}

static void step(peer *p, sqlite3_stmt *s)
{
    if (sqlite3_step(s) != SQLITE_DONE)
        bench_stop("sqlite", sqlite3_errmsg(p->db));
    sqlite3_reset(s);
}

peer *peer_open(const char *folder)
{
    char path[300];
    peer *p = calloc(1, sizeof *p);
    snprintf(path, sizeof path, "%s.db", folder);
    if (!p || sqlite3_open(path, &p->db) != SQLITE_OK)
        bench_stop(path, "cannot be opened");
    run(p->db,
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192;"
        "CREATE TABLE revisions (revision INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, change_id BLOB NOT NULL,"
        " last_state INTEGER NOT NULL, records INTEGER NOT NULL, time INTEGER NOT NULL, committed_at INTEGER NOT"
        " NULL, author TEXT NOT NULL, operation TEXT NOT NULL, source TEXT, subject TEXT NOT NULL);"
        "CREATE TABLE states (state INTEGER PRIMARY KEY, revision INTEGER NOT NULL, previous INTEGER, id TEXT NOT"
        " NULL, version BLOB, json TEXT);"
        "CREATE TABLE heads (id TEXT PRIMARY KEY, state INTEGER NOT NULL) WITHOUT ROWID");
    p->begin = prepare(p->db, "BEGIN IMMEDIATE");
    p->commit = prepare(p->db, "COMMIT");
    p->state = prepare(p->db, "INSERT INTO states VALUES (?1, ?2, NULL, ?3, ?4, ?5)");
    p->head = prepare(p->db, "INSERT INTO heads VALUES (?1, ?2)");
    p->revision = prepare(p->db, "INSERT INTO revisions VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?5, 'bench', 'import',"
                                 " 'bench/1', 'import: note about the kitchen and the garden')");
    p->get = prepare(p->db, "SELECT s.json FROM heads h JOIN states s ON s.state = h.state WHERE h.id = ?1");
    p->scan = prepare(p->db, "SELECT s.json FROM heads h JOIN states s ON s.state = h.state ORDER BY h.id");
    return p;
}

void peer_add(peer *p, long from, long count)
{
    char json[BENCH_JSON_MAX], id[16];
    uint8_t digest[20];
    step(p, p->begin);
    p->revisions++;
    for (long i = from; i < from + count; i++) {
        size_t len = bench_json(i, json);
        bench_id(i, id);
        hash_git_object("blob", json, len, digest);
        sqlite3_bind_int64(p->state, 1, ++p->states);
        sqlite3_bind_int64(p->state, 2, p->revisions);
        sqlite3_bind_text(p->state, 3, id, -1, SQLITE_STATIC);
        sqlite3_bind_blob(p->state, 4, digest, sizeof digest, SQLITE_STATIC);
        sqlite3_bind_text(p->state, 5, json, (int)len, SQLITE_STATIC);
        step(p, p->state);
        sqlite3_bind_text(p->head, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_int64(p->head, 2, p->states);
        step(p, p->head);
    }
    hash_sha1(&p->revisions, sizeof p->revisions, digest);
    sqlite3_bind_int64(p->revision, 1, p->revisions);
    sqlite3_bind_blob(p->revision, 2, digest, sizeof digest, SQLITE_STATIC);
    sqlite3_bind_blob(p->revision, 3, digest, 16, SQLITE_STATIC);
    sqlite3_bind_int64(p->revision, 4, p->states);
    sqlite3_bind_int64(p->revision, 5, 1770000000000000 + p->revisions);
    step(p, p->revision);
    step(p, p->commit);
}

size_t peer_get(peer *p, const char *id)
{
    sqlite3_bind_text(p->get, 1, id, -1, SQLITE_STATIC);
    if (sqlite3_step(p->get) != SQLITE_ROW)
        bench_stop(id, "is not there");
    size_t len = (size_t)sqlite3_column_bytes(p->get, 0);
    sqlite3_reset(p->get);
    return len;
}

long peer_scan(peer *p)
{
    long n = 0;
    while (sqlite3_step(p->scan) == SQLITE_ROW)
        n += sqlite3_column_bytes(p->scan, 0) > 0;
    sqlite3_reset(p->scan);
    return n;
}

static void fill_words(peer *p)
{
    if (sqlite3_exec(p->db, "CREATE VIRTUAL TABLE words USING fts5(id UNINDEXED, text, tokenize='porter unicode61')",
                     NULL, NULL, NULL) != SQLITE_OK) {
        p->words = -1;
        return;
    }
    run(p->db, "INSERT INTO words (id, text) SELECT id, json_extract(json, '$.text') FROM states");
    p->search =
        prepare(p->db, "SELECT w.id, s.json FROM words w JOIN heads h ON h.id = w.id JOIN states s ON s.state = h.state"
                       " WHERE words MATCH ?1 ORDER BY rank LIMIT 10");
    p->words = 1;
}

long peer_search(peer *p, const char *words)
{
    char question[400] = "";
    size_t len = 0;
    long n = 0;
    if (p->words == 0)
        fill_words(p);
    if (p->words < 0)
        return 0;
    for (const char *w = words; *w && len < sizeof question - 8; w++) /* any of the words */
        len += (size_t)snprintf(question + len, sizeof question - len, *w == ' ' ? " OR " : "%c", *w);
    sqlite3_bind_text(p->search, 1, question, -1, SQLITE_STATIC);
    while (sqlite3_step(p->search) == SQLITE_ROW)
        n += sqlite3_column_bytes(p->search, 1) > 0;
    sqlite3_reset(p->search);
    return n;
}

void peer_close(peer *p)
{
    sqlite3_stmt *all[] = { p->begin, p->commit, p->state, p->head, p->revision, p->get, p->scan, p->search };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sqlite3_finalize(all[i]);
    sqlite3_close(p->db);
    free(p);
}

#else

peer *peer_open(const char *folder)
{
    (void)folder;
    return NULL;
}
void peer_add(peer *p, long from, long count)
{
    (void)p, (void)from, (void)count;
}
size_t peer_get(peer *p, const char *id)
{
    (void)p, (void)id;
    return 0;
}
long peer_scan(peer *p)
{
    (void)p;
    return 0;
}
long peer_search(peer *p, const char *words)
{
    (void)p, (void)words;
    return 0;
}
void peer_close(peer *p)
{
    (void)p;
}

#endif
