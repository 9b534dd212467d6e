/* words_fts5.c - SQLite's FTS5 on the same stems without function words, in RAM, asked by OR and ordered by its bm25(). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "words_bench.h"

#if defined(__has_include) && __has_include(<sqlite3.h>)

#include <sdk/text.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stems, joined. */
typedef struct stems {
    text_stemmer *stemmer;
    const char *between;
    char text[4 * BENCH_TEXT_MAX];
    size_t len;
} stems;

static void add_stem(void *context, const char *word, size_t len)
{
    stems *s = context;
    if (text_is_stop_word(word, len))
        return;
    quipu_str stem = text_stem(s->stemmer, word, len);
    s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "%s\"%.*s\"", s->len ? s->between : "",
                               (int)stem.len, stem.ptr);
}

static void run(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        words_bench_stop(sql, why ? why : "failed");
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        words_bench_stop(sql, sqlite3_errmsg(db));
    return statement;
}

static void fill(sqlite3 *db, stems *s, long n)
{
    char text[BENCH_TEXT_MAX];
    sqlite3_stmt *insert = prepare(db, "insert into t(rowid, x) values(?, ?)");
    s->between = " ";
    run(db, "begin");
    for (long i = 0; i < n; i++) {
        s->len = 0;
        text_words((quipu_str){ text, words_bench_text(i, text) }, TEXT_STORED, add_stem, s);
        sqlite3_bind_int64(insert, 1, i + 1);
        sqlite3_bind_text(insert, 2, s->text, (int)s->len, SQLITE_TRANSIENT);
        if (sqlite3_step(insert) != SQLITE_DONE)
            words_bench_stop("insert", sqlite3_errmsg(db));
        sqlite3_reset(insert);
    }
    run(db, "commit");
    run(db, "insert into t(t) values('optimize')");
    sqlite3_finalize(insert);
}

int words_peer_fts5(long n, long count, double *build, double *seconds)
{
    sqlite3 *db;
    stems s = { .stemmer = text_stemmer_create(TEXT_STEM_SCRIPTS, TEXT_ENGLISH) };
    char text[BENCH_TEXT_MAX];
    if (!s.stemmer || sqlite3_open(":memory:", &db) != SQLITE_OK)
        words_bench_stop("sqlite", "cannot open a database");
    run(db, "create virtual table t using fts5(x, content='', tokenize='unicode61')");
    double begin = words_bench_now();
    fill(db, &s, n);
    *build = words_bench_now() - begin;
    sqlite3_stmt *ask = prepare(db, "select rowid from t where t match ? order by bm25(t), rowid limit 10");
    s.between = " OR ";
    for (long i = 0; i < count; i++) {
        begin = words_bench_now();
        s.len = 0;
        text_words((quipu_str){ text, words_bench_question(i, n, text) }, TEXT_QUESTION, add_stem, &s);
        sqlite3_bind_text(ask, 1, s.text, (int)s.len, SQLITE_TRANSIENT);
        while (s.len > 0 && sqlite3_step(ask) == SQLITE_ROW)
            continue;
        sqlite3_reset(ask);
        seconds[i] = words_bench_now() - begin;
    }
    sqlite3_finalize(ask);
    sqlite3_close(db);
    text_stemmer_free(s.stemmer);
    return 1;
}

#else

int words_peer_fts5(long n, long count, double *build, double *seconds)
{
    (void)n, (void)count, (void)build, (void)seconds;
    return 0;
}

#endif
