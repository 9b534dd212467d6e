/* test_sqlite_backend.c - the sqlite backend through libquipu: what it keeps, its history, other processes, other programs, the saved index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <pthread.h>
#include <quipu.h>
#include <quipu/ext/maintain.h>
#include <quipu/ext/migrate.h>
#include <quipu/ext/verify.h>
#include <quipu/plugin.h>
#include <sdk/record.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

#define DAY ((int64_t)86400 * 1000000)
#define NEW_YEAR ((int64_t)1893456000 * 1000000) /* 2030-01-01T00:00:00Z */

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];
static char database[200];

static int begin(void **state)
{
    (void)state;
    memories_time = 0;
    memories_backend = "sqlite";
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    snprintf(database, sizeof database, "%s/quipu.db", store);
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

/* ---- the database, as another program sees it ---- */

static sqlite3 *open_database(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
    return db;
}

static void execute_on(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

static void execute(const char *sql)
{
    sqlite3 *db = open_database();
    execute_on(db, sql);
    sqlite3_close(db);
}

/* The text of the first row's first column. */
static const char *ask(const char *sql)
{
    static char answer[4000];
    sqlite3 *db = open_database();
    sqlite3_stmt *s;
    answer[0] = '\0';
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0))
        snprintf(answer, sizeof answer, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    sqlite3_close(db);
    return answer;
}

static void shell(const char *command)
{
    char line[1000];
    snprintf(line, sizeof line, "cd '%s' && { %s; }", folder, command);
    assert_int_equal(system(line), 0);
}

static void assert_sound(quipu *q)
{
    assert_string_equal(memories_faults(q), "");
}

/* ---- records ---- */

static void records_are_added_read_changed_and_deleted(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "the harbour at dawn");
    memories_put(q, "b", "a bakery in Lima");
    assert_string_equal(memories_text(q, "a", NULL), "the harbour at dawn");
    assert_string_equal(memories_list(q, NULL), "a b ");
    assert_string_equal(memories_search(q, "bakery", NULL), "b ");
    memories_put(q, "a", "the station at noon");
    assert_string_equal(memories_search(q, "harbour", NULL), "");
    memories_delete(q, "a");
    assert_string_equal(memories_text(q, "a", NULL), "");
    assert_string_equal(memories_list(q, NULL), "b ");
    assert_int_equal(memories_figure(q, "records"), 1);
    assert_int_equal(memories_figure(q, "revisions"), 4);
    assert_string_equal(memories_put(q, "b", "a bakery in Lima"), ""); /* nothing changes: no revision */
    assert_int_equal(memories_figure(q, "revisions"), 4);
    memories_put(q, "a", "back from the dead");
    assert_int_equal(memories_figure(q, "records"), 2);
    assert_sound(q);
    memories_close(q);
    q = memories_open(store);
    assert_string_equal(memories_text(q, "a", NULL), "back from the dead");
    assert_string_equal(memories_search(q, "bakery", NULL), "b ");
    memories_close(q);
    assert_string_equal(ask("SELECT group_concat(id, ' ') FROM memories"), "a b");
    assert_string_equal(ask("SELECT json_extract(json, '$.text') FROM memories WHERE id = 'a'"), "back from the dead");
}

static int32_t mode_of(const char *path)
{
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    return (int32_t)(s.st_mode & 07777);
}

static void files_are_private(void **state)
{
    char path[260];
    (void)state;
    mode_t before = umask(0);
    quipu *q = memories_open(store);
    memories_put(q, "a", "a secret");
    snprintf(path, sizeof path, "%s-wal", database);
    assert_int_equal(mode_of(store), 0700);
    assert_int_equal(mode_of(database), 0600);
    assert_int_equal(mode_of(path), 0600);
    umask(before);
    memories_close(q);
}

static void settings_are_checked_by_name(void **state)
{
    static const char *const good = "{\"durability\":\"relaxed\",\"quote_subjects\":false,\"record_max\":2048,"
                                    "\"busy_timeout\":1,\"language\":\"german\"}";
    static const char *const bad[][2] = {
        { "{\"durability\":\"maybe\"}", "durability" },
        { "{\"record_max\":1}", "record_max" },
        { "{\"busy_timeout\":-1}", "busy_timeout" },
        { "{\"language\":\"klingon\"}", "language" },
        { "{\"fts5\":1}", "fts5" },
        { "{\"quote_subjects\":\"no\"}", "quote_subjects" },
    };
    quipu *q = NULL;
    char json[4000];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(memories_try_open(store, bad[i][0], 0, &q), QUIPU_E_INVALID);
        assert_string_equal(memories_error.field, bad[i][1]);
    }
    assert_int_equal(memories_try_open(store, good, 0, &q), QUIPU_OK);
    memset(json, 'x', sizeof json);
    memcpy(json, "{\"text\":\"", 9);
    snprintf(json + 3000, sizeof json - 3000, "\"}");
    quipu_write step = { .op = QUIPU_CHANGE_PUT, .id = str_of("a"), .json = str_of(json) };
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_E_TOO_LARGE);
    assert_string_equal(memories_error.field, "record_max");
    memories_put(q, "a", "of a secret kind");
    assert_int_equal(quipu_flush(q, NULL, &memories_error), QUIPU_OK);
    memories_close(q);
    assert_string_equal(ask("SELECT subject FROM revisions"), "add: 1 record");
}

static void what_is_not_ours_or_newer_is_refused_and_stays_as_it_is(void **state)
{
    quipu *q = NULL;
    (void)state;
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_NO_CREATE, &q), QUIPU_E_NOT_FOUND);
    shell("mkdir store && echo 'my diary' >store/diary.txt");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_FORMAT);
    shell("test $(ls -A store) = diary.txt && rm store/diary.txt && echo 'no database at all, but long enough' "
          ">store/quipu.db");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_FORMAT);
    shell("grep -q 'no database at all' store/quipu.db && rm store/quipu.db");
    execute("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('Vienna')");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_FORMAT);
    assert_string_equal(ask("SELECT group_concat(name) FROM sqlite_master"), "songs");
    shell("rm -r store");
    memories_close(memories_open(store));
    execute("PRAGMA user_version = 1000");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_FORMAT);
    assert_non_null(strstr(memories_error.message, "1000"));
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q), QUIPU_E_FORMAT);
}

static void an_older_schema_is_brought_up_to_date(void **state)
{
    char version[40];
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "written long ago");
    memories_close(q);
    snprintf(version, sizeof version, "%s", ask("PRAGMA user_version"));
    execute("DROP VIEW memories; PRAGMA user_version = 1");
    q = memories_open(store);
    assert_string_equal(memories_text(q, "a", NULL), "written long ago");
    memories_close(q);
    assert_string_equal(ask("PRAGMA user_version"), version);
    assert_string_equal(ask("SELECT id FROM memories"), "a");
}

static void a_store_whose_making_was_cut_short_is_made(void **state)
{
    quipu *q = NULL;
    (void)state;
    shell("mkdir store && : >store/quipu.db");
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q), QUIPU_E_NOT_FOUND);
    q = memories_open(store);
    memories_put(q, "a", "here after all");
    memories_close(q);
}

static void a_store_that_cannot_be_written_can_be_read(void **state)
{
    quipu *q = memories_open(store);
    (void)state;
    memories_put(q, "a", "carved in stone");
    memories_close(q);
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q), QUIPU_OK);
    assert_string_equal(memories_text(q, "a", NULL), "carved in stone");
    assert_string_equal(memories_search(q, "stone", NULL), "a ");
    quipu_write step = { .op = QUIPU_CHANGE_DELETE, .id = str_of("a") };
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_E_READ_ONLY);
    assert_sound(q);
    memories_close(q);
}

/* ---- change sets ---- */

static void a_change_id_is_applied_once_also_after_another_opening(void **state)
{
    record *r = NULL;
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    (void)state;
    quipu *q = memories_open(store);
    assert_int_equal(record_decode(str_of("{\"id\":\"a\",\"text\":\"once\"}"), NULL, &r, NULL), QUIPU_OK);
    const quipu_record *view = record_view(r);
    quipu_change change = { .struct_size = sizeof change, .op = QUIPU_CHANGE_PUT, .id = view->id, .record = view };
    assert_int_equal(quipu_change_set_begin(q, NULL, &set, NULL), QUIPU_OK);
    set.operation = str_of("add");
    set.author = set.source = str_of("tester"); /* not the handle's, which is closed in between */
    set.changes = (quipu_array){ &change, 1, sizeof change };
    if (quipu_apply_set(q, &set, &receipt, NULL, &memories_error) != QUIPU_OK)
        fail_msg("apply: %s", memories_error.message);
    assert_int_equal(receipt.changed, 1);
    memories_delete(q, "a");
    assert_int_equal(quipu_apply_set(q, &set, &receipt, NULL, &memories_error), QUIPU_OK);
    assert_int_equal(receipt.flags, QUIPU_RECEIPT_DUPLICATE);
    memories_close(q);
    q = memories_open(store);
    assert_int_equal(quipu_apply_set(q, &set, &receipt, NULL, &memories_error), QUIPU_OK);
    assert_int_equal(receipt.flags, QUIPU_RECEIPT_DUPLICATE);
    assert_string_equal(memories_list(q, NULL), "");
    memories_close(q);
    record_free(r);
}

static int32_t note_name(void *context, const quipu_revision *r)
{
    snprintf(context, 41, "%.*s", (int)r->name.len, r->name.ptr);
    return 0;
}

static int32_t resolve(quipu *q, const char *spec, char out[41])
{
    quipu_lease lease = { 0 };
    const quipu_history_api *history = memories_history(q, &lease);
    quipu_str text = str_of(spec);
    out[0] = '\0';
    int32_t code = history->resolve(lease.self, &text, note_name, out, NULL, &memories_error);
    quipu_leave(q, &lease);
    return code;
}

static void revisions_are_found_by_name_beginning_distance_and_time(void **state)
{
    char first[64], second[64], found[41], brief[20];
    (void)state;
    quipu *q = memories_open(store);
    assert_int_equal(resolve(q, "HEAD", found), QUIPU_E_NOT_FOUND); /* nothing was ever written */
    memories_time = NEW_YEAR;
    snprintf(first, sizeof first, "%s", memories_put(q, "a", "one"));
    memories_time += 2 * DAY;
    snprintf(second, sizeof second, "%s", memories_put(q, "a", "two"));
    snprintf(brief, sizeof brief, "%.8s", first);
    const char *const firsts[] = {
        first, brief, "HEAD~", "HEAD~1", "2030-01-01", "2030-01-02", "2030-01-02T23:59:59Z"
    };
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        assert_int_equal(resolve(q, firsts[i], found), QUIPU_OK);
        assert_string_equal(found, first);
    }
    const char *const seconds[] = { second, "HEAD", "HEAD~0", "2030-01-03", "2030-01-03T02:00:00+02:00", "2040-01-01" };
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        assert_int_equal(resolve(q, seconds[i], found), QUIPU_OK);
        assert_string_equal(found, second);
    }
    static const char *const none[] = { "HEAD~2",          "HEADS", "1990-01-01",
                                        "nosuch",          "abc",   "0000000000000000000000000000000000000000",
                                        "../../etc/passwd" };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(resolve(q, none[i], found), QUIPU_E_NOT_FOUND);
    assert_int_equal(resolve(q, "HEAD~x", found), QUIPU_E_INVALID);
    assert_int_equal(resolve(q, "HEAD~99999999999999999999", found), QUIPU_E_INVALID);
    assert_int_equal(resolve(q, "", found), QUIPU_E_INVALID);
    memories_close(q);
    execute("UPDATE revisions SET name = x'abcd000000000000000000000000000000000000' WHERE revision = 1;"
            "UPDATE revisions SET name = x'abcd000000000000000000000000000000000001' WHERE revision = 2");
    q = memories_open(store);
    assert_int_equal(resolve(q, "abcd", found), QUIPU_E_INVALID);
    assert_non_null(strstr(memories_error.message, "several"));
    memories_close(q);
}

static int32_t note_difference(void *context, const quipu_difference *d)
{
    char *out = context;
    size_t len = strlen(out);
    snprintf(out + len, 400 - len, "%.*s:%.*s->%.*s ", (int)d->id.len, d->id.ptr,
             d->before ? (int)d->before->text.len : 0, d->before ? d->before->text.ptr : "",
             d->after ? (int)d->after->text.len : 0, d->after ? d->after->text.ptr : "");
    return 0;
}

static const char *diff(quipu *q, const char *from, const char *to, const char *id)
{
    static char out[400];
    quipu_lease lease = { 0 };
    const quipu_history_api *history = memories_history(q, &lease);
    quipu_str a = str_of(from), b = str_of(to), c = str_of(id);
    out[0] = '\0';
    if (history->diff(lease.self, &a, &b, &c, note_difference, out, NULL, &memories_error) != QUIPU_OK)
        fail_msg("diff: %s", memories_error.message);
    quipu_leave(q, &lease);
    return out;
}

static void revert_newest(quipu *q)
{
    quipu_lease lease = { 0 };
    const quipu_history_api *history = memories_history(q, &lease);
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_write_options o = { .struct_size = sizeof o, .operation = str_of("revert") };
    quipu_str head = QUIPU_STR_INIT("HEAD");
    assert_int_equal(quipu_change_set_begin(q, &o, &set, NULL), QUIPU_OK);
    assert_int_equal(history->revert(lease.self, &head, &set, NULL, NULL, &memories_error), QUIPU_OK);
    quipu_leave(q, &lease);
}

static void differences_go_both_ways_and_leave_out_what_came_back(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "c", "zero");
    memories_put(q, "a", "one");
    memories_put(q, "b", "other");
    memories_put(q, "a", "two");
    memories_delete(q, "b");
    memories_put(q, "c", "nought");
    revert_newest(q);
    assert_string_equal(diff(q, NULL, "HEAD~3", NULL), "a:one->two ");
    assert_string_equal(diff(q, NULL, "HEAD~6", NULL), "c:->zero ");
    assert_string_equal(diff(q, "HEAD~5", "HEAD~2", NULL), "a:one->two ");
    assert_string_equal(diff(q, "HEAD~4", "HEAD", NULL), "a:one->two b:other-> ");
    assert_string_equal(diff(q, "HEAD", "HEAD~4", NULL), "a:two->one b:->other ");
    assert_string_equal(diff(q, "HEAD~6", "HEAD", "a"), "a:->two ");
    assert_string_equal(diff(q, "HEAD~2", "HEAD", "c"), "");
    memories_close(q);
}

/* ---- other processes ---- */

static void another_handle_is_seen_at_once(void **state)
{
    (void)state;
    quipu *a = memories_open(store), *b = memories_open(store);
    memories_put(a, "a", "from the one");
    assert_string_equal(memories_search(b, "one", NULL), "a ");
    memories_put(b, "b", "from the other");
    assert_string_equal(memories_list(a, NULL), "a b ");
    memories_delete(a, "b");
    assert_string_equal(memories_text(b, "b", NULL), "");
    assert_string_equal(memories_list(b, NULL), "a ");
    memories_close(a);
    memories_close(b);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int32_t put_with(quipu *q, const quipu_call *call)
{
    quipu_write step = {
        .struct_size = sizeof step, .op = QUIPU_CHANGE_PUT, .id = str_of("a"), .json = str_of("{\"text\":\"late\"}")
    };
    quipu_array writes = { &step, 1, sizeof step };
    return quipu_write_records(q, &writes, NULL, NULL, NULL, NULL, call, &memories_error);
}

static void a_lock_of_another_program_is_waited_for_within_the_deadline(void **state)
{
    quipu *q = NULL;
    (void)state;
    assert_int_equal(memories_try_open(store, "{\"busy_timeout\":0}", 0, &q), QUIPU_OK);
    sqlite3 *db = open_database();
    execute_on(db, "BEGIN IMMEDIATE");
    quipu_call call = { .struct_size = sizeof call, .deadline_ns = now_ns() + 100 * (int64_t)1000000 };
    int64_t before = now_ns();
    assert_int_equal(put_with(q, &call), QUIPU_E_TIMEOUT);
    assert_in_range(now_ns() - before, 90 * 1000000, 3000 * (int64_t)1000000);
    assert_int_equal(put_with(q, NULL), QUIPU_E_BUSY);
    quipu_cancel cancel = { .struct_size = sizeof cancel, .fd = -1, .flag = 1 };
    quipu_call cancelled = { .struct_size = sizeof cancelled, .cancel = &cancel };
    assert_int_equal(put_with(q, &cancelled), QUIPU_E_CANCELLED);
    assert_string_equal(memories_list(q, NULL), ""); /* readers do not wait */
    execute_on(db, "ROLLBACK");
    sqlite3_close(db);
    assert_int_equal(put_with(q, NULL), QUIPU_OK);
    memories_close(q);
}

enum { PROCESSES = 4, ROUNDS = 40, KILLS = 15 };

/* Adds 1 to the number in a record's text, by compare-and-swap. */
static void increment(quipu *q)
{
    for (;;) {
        char version[64], json[64];
        snprintf(version, sizeof version, "%s",
                 memories_version(q, "counter")); /* first: the text may be newer, not older */
        int n = atoi(memories_text(q, "counter", NULL));
        snprintf(json, sizeof json, "{\"text\":\"%d\"}", n + 1);
        quipu_write step = { .op = QUIPU_CHANGE_PUT,
                             .expect = QUIPU_EXPECT_VERSION,
                             .expected_version = str_of(version),
                             .id = str_of("counter"),
                             .json = str_of(json) };
        int32_t code = memories_write(q, step, NULL, NULL);
        if (code == QUIPU_OK)
            return;
        if (code != QUIPU_E_CONFLICT)
            fail_msg("increment: %s", memories_error.message);
    }
}

/* What a child does: a fresh program, because SQLite's connections do not survive a fork. */
static int write_and_count(int number)
{
    quipu *own = memories_open(store);
    for (int k = 0; k < ROUNDS; k++) {
        char id[20];
        snprintf(id, sizeof id, "p%d-%d", number, k);
        memories_put(own, id, "one of many");
        increment(own);
    }
    memories_close(own);
    return 0;
}

static int write_until_killed(int from)
{
    quipu *own = memories_open(store);
    for (int i = from;; i++) {
        char id[20];
        snprintf(id, sizeof id, "r%d", i);
        memories_put(own, id, "acknowledged");
        if (write(STDOUT_FILENO, "x", 1) != 1)
            return 1;
    }
}

/* Runs this program again as a child: WHAT NUMBER in the store at hand. out: its standard output; -1: ours. */
static pid_t run_child(const char *what, int number, int out)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%d", number);
    pid_t child = fork();
    if (child == 0) {
        if (out >= 0)
            dup2(out, STDOUT_FILENO);
        execl("/proc/self/exe", "test_sqlite_backend", what, store, digits, (char *)NULL);
        _exit(3);
    }
    assert_true(child > 0);
    return child;
}

static void processes_write_side_by_side_and_lose_nothing(void **state)
{
    pid_t children[PROCESSES];
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "counter", "0");
    for (int i = 0; i < PROCESSES; i++)
        children[i] = run_child("count", i, -1);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(atoi(memories_text(q, "counter", NULL)), PROCESSES * ROUNDS);
    assert_int_equal(memories_figure(q, "records"), PROCESSES * ROUNDS + 1);
    assert_int_equal(memories_figure(q, "revisions"), 2 * PROCESSES * ROUNDS + 1);
    assert_sound(q);
    memories_close(q);
}

static void what_a_killed_writer_was_told_is_there(void **state)
{
    int pipes[2], told = 0;
    (void)state;
    for (int round = 0; round < KILLS; round++) {
        char byte;
        assert_int_equal(pipe(pipes), 0);
        pid_t child = run_child("write", told, pipes[1]);
        close(pipes[1]);
        for (int i = 0; i < 3 + round && read(pipes[0], &byte, 1) == 1; i++)
            told++;
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(pipes[0], &byte, 1) == 1)
            told++;
        close(pipes[0]);
        quipu *q = memories_open(store);
        assert_in_range(memories_figure(q, "records"), told, told + 1);
        told = (int)memories_figure(q, "records");
        assert_sound(q);
        memories_close(q);
    }
    assert_true(told >= KILLS * 3);
}

typedef struct worker {
    quipu *q;
    int number;
    pthread_t thread;
    int faults;
} worker;

static int32_t see_nothing(void *context, const quipu_hit *hit)
{
    (void)context, (void)hit;
    return 0;
}

static void *work(void *context)
{
    worker *w = context;
    for (int i = 0; i < ROUNDS; i++) {
        char id[20];
        quipu_error error = { .struct_size = sizeof error };
        snprintf(id, sizeof id, "t%d-%d", w->number, i);
        quipu_write step = { .struct_size = sizeof step,
                             .op = QUIPU_CHANGE_PUT,
                             .id = str_of(id),
                             .json = str_of("{\"text\":\"woven together\"}") };
        quipu_array writes = { &step, 1, sizeof step };
        w->faults += quipu_write_records(w->q, &writes, NULL, NULL, NULL, NULL, NULL, &error) != QUIPU_OK;
        quipu_get get = { .struct_size = sizeof get, .id = str_of(id) };
        w->faults += quipu_get_record(w->q, &get, see_nothing, NULL, NULL, &error) != QUIPU_OK;
        quipu_search search = { .struct_size = sizeof search, .text = str_of("woven"), .k = 5 };
        w->faults += i % 8 == 0 && quipu_search_records(w->q, &search, see_nothing, NULL, NULL, &error) != QUIPU_OK;
    }
    return NULL;
}

static void threads_share_one_handle(void **state)
{
    worker workers[PROCESSES];
    (void)state;
    quipu *q = memories_open(store);
    for (int i = 0; i < PROCESSES; i++) {
        workers[i] = (worker){ .q = q, .number = i };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].faults, 0);
    }
    assert_int_equal(memories_figure(q, "records"), PROCESSES * ROUNDS);
    assert_sound(q);
    memories_close(q);
}

/* ---- the saved index ---- */

static void a_saved_index_is_used_and_a_damaged_one_is_built_again(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    for (int i = 0; i < 100; i++) {
        char id[20];
        snprintf(id, sizeof id, "r%d", i);
        memories_put(q, id, i == 42 ? "the answer" : "a question");
    }
    assert_string_equal(memories_search(q, "answer", NULL), "r42 ");
    memories_close(q);
    shell("ls store/catalogue/segment-* >/dev/null && for f in store/catalogue/segment-*; do "
          "printf 'XXXXXXXX' | dd of=$f bs=1 seek=16 conv=notrunc status=none; done");
    q = memories_open(store);
    assert_string_equal(memories_search(q, "answer", NULL), "r42 ");
    assert_int_equal(memories_count(q), 100);
    assert_sound(q);
    memories_close(q);
    shell("rm -r store/catalogue");
    q = memories_open(store);
    assert_string_equal(memories_search(q, "answer", NULL), "r42 ");
    memories_close(q);
}

static void a_database_that_was_put_back_from_a_copy_is_not_answered_from_the_newer_index(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "before the copy");
    memories_list(q, NULL);
    memories_close(q);
    shell("cp store/quipu.db copy.db");
    q = memories_open(store);
    memories_put(q, "b", "after the copy");
    memories_list(q, NULL);
    memories_close(q);
    shell("cp copy.db store/quipu.db");
    q = memories_open(store);
    assert_string_equal(memories_list(q, NULL), "a ");
    assert_string_equal(memories_search(q, "copy", NULL), "a ");
    memories_put(q, "c", "another way"); /* revision 2 again, and another one */
    assert_string_equal(memories_list(q, NULL), "a c ");
    assert_sound(q);
    memories_close(q);
}

/* ---- words for SQL programs ---- */

static void the_table_of_words_is_made_kept_and_dropped(void **state)
{
    quipu *q = memories_open(store);
    (void)state;
    if (!sqlite3_compileoption_used("ENABLE_FTS5")) {
        memories_close(q);
        skip();
    }
    memories_put(q, "a", "the harbour at dawn");
    memories_close(q);
    assert_int_equal(memories_try_open(store, "{\"fts5\":true}", 0, &q), QUIPU_OK);
    memories_put(q, "b", "a harbour at noon");
    memories_close(q);
    assert_string_equal(ask("SELECT group_concat(id, ' ') FROM memory_words WHERE memory_words MATCH 'harbour'"),
                        "a b");
    q = memories_open(store); /* without the setting it is kept up to date all the same */
    memories_put(q, "a", "a station");
    memories_delete(q, "b");
    memories_close(q);
    assert_string_equal(ask("SELECT group_concat(id, ' ') FROM memory_words WHERE memory_words MATCH 'harbour'"), "");
    assert_string_equal(ask("SELECT group_concat(id, ' ') FROM memory_words WHERE memory_words MATCH 'stations'"), "a");
    assert_int_equal(memories_try_open(store, "{\"fts5\":false}", 0, &q), QUIPU_OK);
    assert_sound(q);
    memories_close(q);
    assert_string_equal(ask("SELECT count(*) FROM sqlite_master WHERE name LIKE 'memory_words%'"), "0");
}

/* ---- maintenance, verification ---- */

static void maintenance_purges_what_has_expired_and_takes_in_the_log(void **state)
{
    static const quipu_str id = { QUIPU_EXT_MAINTAIN, sizeof QUIPU_EXT_MAINTAIN - 1 };
    quipu_lease lease = { .struct_size = sizeof lease };
    quipu_maintain params = { .struct_size = sizeof params, .flags = QUIPU_MAINTAIN_FORCE };
    quipu_maintained report = { .struct_size = sizeof report };
    char path[260];
    struct stat s;
    (void)state;
    quipu *q = memories_open(store);
    quipu_write step = { .op = QUIPU_CHANGE_PUT,
                         .id = str_of("a"),
                         .json = str_of("{\"text\":\"milk\",\"expires_at\":\"2020-01-01T00:00:00Z\"}") };
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_OK);
    memories_put(q, "b", "honey");
    assert_int_equal(quipu_enter(q, &lease, &memories_error), QUIPU_OK);
    const quipu_maintain_api *api = lease.api->get_extension(lease.self, &id);
    assert_non_null(api);
    assert_int_equal(api->maintain(lease.self, &params, NULL, NULL, &report, NULL, &memories_error), QUIPU_OK);
    assert_int_equal(report.purged, 1);
    assert_int_equal(report.flags, 0);
    snprintf(path, sizeof path, "%s-wal", database);
    assert_true(stat(path, &s) != 0 || s.st_size == 0);
    params.flags = 0;
    assert_int_equal(api->maintain(lease.self, &params, NULL, NULL, &report, NULL, &memories_error), QUIPU_OK);
    assert_int_equal(report.flags, QUIPU_MAINTAINED_UNNEEDED);
    quipu_leave(q, &lease);
    assert_int_equal(memories_figure(q, "records"), 1);
    assert_int_equal(memories_figure(q, "revisions"), 3);
    assert_sound(q);
    memories_close(q);
    assert_string_equal(ask("SELECT operation FROM revisions WHERE revision = 3"), "expire");
}

static void what_expired_later_is_shown_as_of_then(void **state)
{
    (void)state;
    memories_time = INT64_C(1750000000000000); /* 2025-06-15T15:06:40Z */
    quipu *q = memories_open(store);
    quipu_write step = { .op = QUIPU_CHANGE_PUT,
                         .id = str_of("a"),
                         .json = str_of("{\"text\":\"milk\",\"expires_at\":\"2025-06-15T15:30:00Z\"}") };
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_OK);
    memories_close(q);
    memories_time += INT64_C(3600000000);
    q = memories_open(store);
    memories_put(q, "b", "honey");
    static const char *const then[] = { "HEAD~1", "2025-06-15T15:20:00Z" };
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(memories_text(q, "a", then[i]), "milk");
        assert_string_equal(memories_list(q, then[i]), "a ");
        assert_string_equal(memories_search(q, "milk", then[i]), "a ");
    }
    static const char *const late[] = { "HEAD", "2025-06-15T15:31:00Z", "2025-06-15" };
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(memories_text(q, "a", late[i]), "");
        assert_string_equal(memories_search(q, "milk", late[i]), "");
    }
    memories_close(q);
    memories_time = 0;
}

typedef struct findings {
    char text[2000];
} findings;

static int32_t note_finding(void *context, const quipu_finding *f)
{
    findings *out = context;
    size_t len = strlen(out->text);
    if (f->severity == QUIPU_FINDING_DAMAGE || f->severity == QUIPU_FINDING_REPAIRED)
        snprintf(out->text + len, sizeof out->text - len, "%s %.*s %.*s\n",
                 f->severity == QUIPU_FINDING_DAMAGE ? "damaged" : "repaired", (int)f->area.len, f->area.ptr,
                 f->subject.ptr ? (int)f->subject.len : 0, f->subject.ptr ? f->subject.ptr : "");
    return 0;
}

static const char *verify(uint32_t open_flags, uint32_t flags)
{
    static findings found;
    static const quipu_str id = { QUIPU_EXT_VERIFY, sizeof QUIPU_EXT_VERIFY - 1 };
    quipu_lease lease = { .struct_size = sizeof lease };
    quipu *q = NULL;
    found.text[0] = '\0';
    if (memories_try_open(store, NULL, open_flags, &q) != QUIPU_OK)
        fail_msg("open: %s", memories_error.message);
    assert_int_equal(quipu_enter(q, &lease, &memories_error), QUIPU_OK);
    const quipu_verify_api *api = lease.api->get_extension(lease.self, &id);
    if (api->verify(lease.self, flags, note_finding, &found, NULL, &memories_error) != QUIPU_OK)
        fail_msg("verify: %s", memories_error.message);
    quipu_leave(q, &lease);
    memories_close(q);
    return found.text;
}

static void damage_is_found_and_what_can_be_computed_again_is_repaired(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "one");
    memories_put(q, "a", "two");
    memories_put(q, "b", "three");
    memories_list(q, NULL);
    memories_close(q);
    assert_string_equal(verify(0, 0), "");
    assert_string_equal(verify(QUIPU_OPEN_DAMAGED, 0), "");
    execute("UPDATE heads SET state = 1 WHERE id = 'a'");
    assert_string_equal(verify(QUIPU_OPEN_DAMAGED, 0), "damaged heads \n");
    assert_string_equal(verify(QUIPU_OPEN_DAMAGED, QUIPU_VERIFY_REPAIR), "damaged heads \nrepaired heads \n");
    assert_string_equal(verify(QUIPU_OPEN_DAMAGED, 0), "");
    execute("UPDATE states SET json = replace(json, 'three', 'thref') WHERE id = 'b'");
    assert_string_equal(verify(QUIPU_OPEN_DAMAGED, QUIPU_VERIFY_REPAIR), "damaged records b\n");
    execute("UPDATE states SET json = '{' WHERE id = 'b'; DELETE FROM states WHERE state = 1");
    assert_string_equal(verify(QUIPU_OPEN_DAMAGED, 0), "damaged revisions 2\ndamaged records b\n");
    q = memories_open(store);
    quipu_get get = { .struct_size = sizeof get, .id = str_of("b") };
    assert_int_equal(quipu_get_record(q, &get, see_nothing, NULL, NULL, &memories_error), QUIPU_E_CORRUPT);
    assert_string_equal(memories_error.id, "b");
    assert_string_equal(memories_text(q, "a", NULL), "two"); /* the rest can be read */
    memories_close(q);
}

static void broken_pages_are_told_of_and_end_no_program(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    for (int i = 0; i < 200; i++) {
        char id[20];
        snprintf(id, sizeof id, "r%d", i);
        memories_put(q, id, "spread over many pages, so that there is something to break");
    }
    memories_close(q);
    shell("size=$(stat -c %s store/quipu.db) && [ $size -gt 65536 ] && rm -r store/catalogue && "
          "dd if=/dev/urandom of=store/quipu.db bs=4096 seek=3 count=8 conv=notrunc status=none");
    assert_string_not_equal(verify(QUIPU_OPEN_DAMAGED, 0), "");
    if (memories_try_open(store, NULL, 0, &q) == QUIPU_OK) {
        quipu_scan scan = { .struct_size = sizeof scan };
        assert_int_equal(quipu_scan_records(q, &scan, see_nothing, NULL, NULL, &memories_error), QUIPU_E_CORRUPT);
        memories_close(q);
    }
    shell("dd if=/dev/urandom of=store/quipu.db bs=100 count=1 conv=notrunc status=none");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_FORMAT);
    assert_string_not_equal(verify(QUIPU_OPEN_DAMAGED, 0), "");
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(int count, char **words)
{
    if (count == 4) {
        memories_backend = "sqlite";
        snprintf(store, sizeof store, "%s", words[2]);
        return strcmp(words[1], "count") == 0 ? write_and_count(atoi(words[3])) : write_until_killed(atoi(words[3]));
    }
    const struct CMUnitTest tests[] = {
        FRESH(records_are_added_read_changed_and_deleted),
        FRESH(files_are_private),
        FRESH(settings_are_checked_by_name),
        FRESH(what_is_not_ours_or_newer_is_refused_and_stays_as_it_is),
        FRESH(an_older_schema_is_brought_up_to_date),
        FRESH(a_store_whose_making_was_cut_short_is_made),
        FRESH(a_store_that_cannot_be_written_can_be_read),
        FRESH(a_change_id_is_applied_once_also_after_another_opening),
        FRESH(revisions_are_found_by_name_beginning_distance_and_time),
        FRESH(differences_go_both_ways_and_leave_out_what_came_back),
        FRESH(another_handle_is_seen_at_once),
        FRESH(a_lock_of_another_program_is_waited_for_within_the_deadline),
        FRESH(processes_write_side_by_side_and_lose_nothing),
        FRESH(what_a_killed_writer_was_told_is_there),
        FRESH(threads_share_one_handle),
        FRESH(a_saved_index_is_used_and_a_damaged_one_is_built_again),
        FRESH(a_database_that_was_put_back_from_a_copy_is_not_answered_from_the_newer_index),
        FRESH(the_table_of_words_is_made_kept_and_dropped),
        FRESH(maintenance_purges_what_has_expired_and_takes_in_the_log),
        FRESH(what_expired_later_is_shown_as_of_then),
        FRESH(damage_is_found_and_what_can_be_computed_again_is_repaired),
        FRESH(broken_pages_are_told_of_and_end_no_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
