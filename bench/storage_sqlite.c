/* storage_sqlite.c - the same records as rows of an SQLite table: journal in WAL, synchronous FULL. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "storage_bench.h"

#if defined(__has_include) && __has_include(<sqlite3.h>)

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { THREADS_MAX = 64, BUSY_MS = 60000 };

/* What one thread writes: rows from..from+count-1. */
typedef struct share {
    const char *path;
    long from, count, per_transaction;
    pthread_t thread;
} share;

static void run(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        bench_stop(sql, why ? why : "failed");
}

static sqlite3 *open_database(const char *path)
{
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        bench_stop(path, "cannot open the database");
    sqlite3_busy_timeout(db, BUSY_MS);
    run(db, "pragma journal_mode=wal");
    run(db, "pragma synchronous=full");
    return db;
}

static void *write_share(void *context)
{
    const share *s = context;
    sqlite3 *db = open_database(s->path);
    sqlite3_stmt *insert;
    char id[16], json[BENCH_JSON_MAX];
    if (sqlite3_prepare_v2(db, "insert into records values(?,?)", -1, &insert, NULL) != SQLITE_OK)
        bench_stop("insert", sqlite3_errmsg(db));
    for (long i = 0; i < s->count; i++) {
        if (i % s->per_transaction == 0)
            run(db, "begin immediate");
        bench_id(s->from + i, id);
        size_t len = bench_json(s->from + i, json);
        sqlite3_bind_text(insert, 1, id, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 2, json, (int)len, SQLITE_TRANSIENT);
        if (sqlite3_step(insert) != SQLITE_DONE)
            bench_stop("insert", sqlite3_errmsg(db));
        sqlite3_reset(insert);
        if ((i + 1) % s->per_transaction == 0 || i + 1 == s->count)
            run(db, "commit");
    }
    sqlite3_finalize(insert);
    sqlite3_close(db);
    return NULL;
}

double peer_sqlite(const char *at, long n, int threads, long per_transaction)
{
    char path[300];
    share shares[THREADS_MAX];
    if (mkdir(at, 0700) < 0)
        bench_stop(at, "cannot make a folder");
    snprintf(path, sizeof path, "%s/records.db", at);
    sqlite3 *db = open_database(path);
    run(db, "create table records(id text primary key, json text) without rowid");
    double begin = bench_now();
    for (int i = 0; i < threads; i++) {
        shares[i] = (share){ path, n / threads * i, n / threads, per_transaction, 0 };
        if (pthread_create(&shares[i].thread, NULL, write_share, &shares[i]) != 0)
            bench_stop("thread", "cannot be started");
    }
    for (int i = 0; i < threads; i++)
        pthread_join(shares[i].thread, NULL);
    double seconds = bench_now() - begin;
    sqlite3_close(db);
    const long rows = n / threads * threads;
    return (double)rows / seconds;
}

#else

double peer_sqlite(const char *at, long n, int threads, long per_transaction)
{
    (void)at, (void)n, (void)threads, (void)per_transaction;
    return 0;
}

#endif
