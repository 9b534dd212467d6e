/*
 * test_postgres_backend.c - the postgres backend through libquipu, on a PostgreSQL server of the test's own: what it keeps, connections that are
 * lost, answers that are lost, other processes, the tables.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "postgres_server.h"

#include <base/buffer.h>
#include <inttypes.h>
#include <pthread.h>
#include <quipu.h>
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];
static bool have_server;
static char why_not[1000];

static int begin(void **state)
{
    (void)state;
    if (!have_server) /* cmocka has no skip in a fixture: each test begins with need_server */
        return 0;
    memories_time = 0;
    memories_backend = "postgres";
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (have_server)
        scratch_remove(folder);
    return 0;
}

#define NEED_SERVER()                                                                                                  \
    do {                                                                                                               \
        (void)state;                                                                                                   \
        if (!have_server)                                                                                              \
            skip();                                                                                                    \
    } while (0)

/* ---- the store, as another program sees it ---- */

static const char *schema_of(const char *path)
{
    static char schema[64];
    char name[300], line[300] = "";
    snprintf(name, sizeof name, "%s/postgres.store", path);
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    schema[0] = '\0';
    while (!schema[0] && fgets(line, sizeof line, f))
        sscanf(line, "schema %63[a-z0-9_]", schema);
    fclose(f);
    return schema;
}

static const char *ask(const char *sql)
{
    return postgres_sql("SET search_path = %s; %s", schema_of(store), sql);
}

/* The key of the store's advisory lock: the end of its id. */
static int64_t lock_key(void)
{
    return strtoll(ask("SELECT ('x' || right(encode(id, 'hex'), 16))::bit(64)::bigint FROM store"), NULL, 10);
}

static void assert_sound(quipu *q)
{
    assert_string_equal(memories_faults(q), "");
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- records ---- */

static void records_are_added_read_changed_and_deleted(void **state)
{
    NEED_SERVER();
    quipu *q = memories_open(store);
    memories_put(q, "a", "the harbour at dawn");
    memories_put(q, "b", "a bakery in Lima");
    assert_string_equal(memories_text(q, "a", NULL), "the harbour at dawn");
    assert_string_equal(memories_list(q, NULL), "a b ");
    assert_string_equal(memories_search(q, "bakery", NULL), "b ");
    memories_put(q, "a", "the station at noon");
    assert_string_equal(memories_search(q, "harbour", NULL), "");
    assert_string_equal(memories_search(q, "harbour", "HEAD~1"), "a ");
    memories_delete(q, "a");
    assert_string_equal(memories_text(q, "a", NULL), "");
    assert_string_equal(memories_text(q, "a", "HEAD~1"), "the station at noon");
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
    assert_string_equal(ask("SELECT string_agg(id, ' ' ORDER BY id) FROM memories"), "a b");
    assert_string_equal(ask("SELECT text FROM memories WHERE id = 'a'"), "back from the dead");
}

static void settings_are_checked_by_name(void **state)
{
    static const char *const bad[][2] = {
        { "{\"durability\":\"maybe\"}", "durability" },
        { "{\"record_max\":1}", "record_max" },
        { "{\"pool\":0}", "pool" },
        { "{\"connect_timeout\":0}", "connect_timeout" },
        { "{\"url\":7}", "url" },
        { "{\"url\":\"what is this\"}", "url" },
        { "{\"schema\":\"pg_catalog\"}", "schema" },
        { "{\"schema\":\"a\\\"; DROP TABLE x\"}", "schema" },
        { "{\"schema\":\"\"}", "schema" },
        { "{\"sslmode\":\"require\"}", "sslmode" },
    };
    quipu *q = NULL;
    NEED_SERVER();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(memories_try_open(store, bad[i][0], 0, &q), QUIPU_E_INVALID);
        assert_string_equal(memories_error.field, bad[i][1]);
    }
    assert_int_equal(
        memories_try_open(store, "{\"durability\":\"relaxed\",\"pool\":1,\"quote_subjects\":false}", 0, &q), QUIPU_OK);
    memories_put(q, "a", "of a secret kind");
    assert_int_equal(quipu_flush(q, NULL, &memories_error), QUIPU_OK);
    memories_close(q);
    assert_string_equal(ask("SELECT subject FROM revisions"), "add: 1 record");
}

static void a_password_is_refused_and_never_repeated(void **state)
{
    static const char *const urls[] = {
        "postgresql://ana:hunter2@localhost/memory",
        "host=localhost password=hunter2",
        "postgresql://ana@localhost/memory?password=hunter2",
        "postgresql://ana:hunter2@local host:x/?nonsense=hunter2",
        "host=localhost sslpassword=hunter2",
    };
    quipu *q = NULL;
    char config[300];
    NEED_SERVER();
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        snprintf(config, sizeof config, "{\"url\":\"%s\"}", urls[i]);
        assert_int_equal(memories_try_open(store, config, 0, &q), QUIPU_E_INVALID);
        assert_string_equal(memories_error.field, "url");
        assert_null(strstr(memories_error.message, "hunter2"));
    }
    assert_int_not_equal(access(store, F_OK), 0);
}

static void a_server_that_is_not_there_is_named(void **state)
{
    quipu *q = NULL;
    NEED_SERVER();
    assert_int_equal(memories_try_open(store, "{\"url\":\"host=/nowhere\",\"connect_timeout\":1}", 0, &q),
                     QUIPU_E_NETWORK);
    assert_non_null(strstr(memories_error.message, "/nowhere"));
    assert_int_equal(memories_try_open(store, "{\"url\":\"dbname=no_such_database\"}", 0, &q), QUIPU_E_NETWORK);
    assert_non_null(strstr(memories_error.message, "no_such_database"));
}

static void what_is_not_ours_or_newer_is_refused_and_stays_as_it_is(void **state)
{
    quipu *q = NULL;
    char command[400];
    NEED_SERVER();
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_NO_CREATE, &q), QUIPU_E_NOT_FOUND);
    snprintf(command, sizeof command, "mkdir %s && echo 'my diary' >%s/diary.txt", store, store);
    assert_int_equal(system(command), 0);
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_FORMAT);
    snprintf(command, sizeof command, "rm -r %s", store);
    assert_int_equal(system(command), 0);
    postgres_sql("CREATE SCHEMA songs; CREATE TABLE songs.vienna (title text)");
    assert_int_equal(memories_try_open(store, "{\"schema\":\"songs\"}", 0, &q), QUIPU_E_FORMAT);
    postgres_sql("CREATE TABLE songs.store (title text)");
    assert_int_equal(memories_try_open(store, "{\"schema\":\"songs\"}", 0, &q), QUIPU_E_FORMAT);
    assert_int_equal(system(command), 0);
    memories_close(memories_open(store));
    ask("UPDATE store SET format = 1000");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_FORMAT);
    assert_non_null(strstr(memories_error.message, "1000"));
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q), QUIPU_E_FORMAT);
}

static void a_note_that_is_damaged_or_leads_elsewhere_is_refused(void **state)
{
    quipu *q = NULL;
    char command[500];
    NEED_SERVER();
    memories_close(memories_open(store));
    ask("UPDATE store SET id = decode('00112233445566778899aabbccddeeff', 'hex')");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_FORMAT);
    assert_non_null(strstr(memories_error.message, "another store"));
    postgres_sql("DROP SCHEMA %s CASCADE", schema_of(store));
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_NOT_FOUND);
    snprintf(command, sizeof command, "sed -i s/schema.quipu/schema_quipu/ %s/postgres.store", store);
    assert_int_equal(system(command), 0);
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_CORRUPT);
}

static void an_older_schema_is_brought_up_to_date(void **state)
{
    char version[40];
    NEED_SERVER();
    quipu *q = memories_open(store);
    memories_put(q, "a", "written long ago");
    memories_close(q);
    snprintf(version, sizeof version, "%s", ask("SELECT format FROM store"));
    ask("DROP VIEW memories; UPDATE store SET format = 1");
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q), QUIPU_E_FORMAT);
    q = memories_open(store);
    assert_string_equal(memories_text(q, "a", NULL), "written long ago");
    memories_close(q);
    assert_string_equal(ask("SELECT format FROM store"), version);
    assert_string_equal(ask("SELECT id FROM memories"), "a");
}

static void history_is_only_ever_added_to(void **state)
{
    NEED_SERVER();
    quipu *q = memories_open(store);
    memories_put(q, "a", "carved in stone");
    memories_close(q);
    assert_non_null(strstr(ask("UPDATE states SET json = ''"), "only ever added to"));
    assert_non_null(strstr(ask("DELETE FROM revisions"), "only ever added to"));
    assert_string_equal(ask("SELECT count(*) FROM states WHERE json LIKE '%carved in stone%'"), "1");
}

static void damage_is_answered_with_an_error_and_found_by_verify(void **state)
{
    char text[100];
    NEED_SERVER();
    quipu *q = memories_open(store);
    memories_put(q, "a", "the harbour");
    memories_put(q, "b", "the bakery");
    memories_close(q);
    ask("ALTER TABLE states DISABLE TRIGGER ALL; UPDATE states SET json = replace(json, 'harbour', 'harlot') WHERE id "
        "= 'a'");
    q = memories_open(store);
    quipu_get get = { .struct_size = sizeof get, .id = str_of("a") };
    (void)get;
    assert_int_equal(quipu_get_record(q, &get, NULL, NULL, NULL, &memories_error) == QUIPU_OK, 0);
    snprintf(text, sizeof text, "%s", memories_faults(q));
    assert_non_null(strstr(text, "records a"));
    memories_close(q);
}

/* ---- connections that are lost ---- */

typedef struct writer {
    quipu *q;
    const quipu_call *call;
    quipu_error error;
    quipu_receipt receipt;
    int32_t code;
    const char *id;
} writer;

static void *write_one(void *context)
{
    writer *w = context;
    w->error = (quipu_error){ .struct_size = sizeof w->error };
    w->receipt = (quipu_receipt){ .struct_size = sizeof w->receipt };
    quipu_write step = { .struct_size = sizeof step,
                         .op = QUIPU_CHANGE_PUT,
                         .id = str_of(w->id),
                         .json = str_of("{\"text\":\"an apple\"}") };
    quipu_array steps = { &step, 1, sizeof step };
    w->code = quipu_write_records(w->q, &steps, NULL, NULL, NULL, &w->receipt, w->call, &w->error);
    return NULL;
}

static const char waiting[] = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";

/* A session that holds an advisory lock until it is ended. */
static void hold_lock(int64_t key)
{
    char command[400];
    snprintf(command, sizeof command,
             "psql -q -d '%s' -c 'SELECT pg_advisory_lock(%" PRId64 "), pg_sleep(600)' >/dev/null 2>&1 &",
             postgres_server_url(), key);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command,
             "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE l.locktype = 'advisory' AND "
             "l.granted AND a.query LIKE "
             "'%%pg_advisory_lock(%" PRId64 ")%%' AND a.pid <> pg_backend_pid()",
             key);
    postgres_wait_for("1", command);
}

static void let_lock_go(void)
{
    postgres_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(600)%%' AND pid "
                 "<> pg_backend_pid()");
}

static const char terminate[] =
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";

static void a_connection_that_is_ended_in_the_middle_of_apply_is_made_anew(void **state)
{
    pthread_t thread;
    NEED_SERVER();
    quipu *q = memories_open(store);
    writer w = { .q = q, .id = "a" };
    hold_lock(lock_key());
    pthread_create(&thread, NULL, write_one, &w);
    postgres_wait_for("1", waiting);
    postgres_sql("%s", terminate);
    postgres_wait_for("1", waiting); /* it is back, on another connection */
    let_lock_go();
    pthread_join(thread, NULL);
    assert_int_equal(w.code, QUIPU_OK);
    assert_int_equal(w.receipt.changed, 1);
    assert_int_equal(memories_figure(q, "revisions"), 1);
    assert_sound(q);
    memories_close(q);
}

/* A trigger that waits at COMMIT for a lock that the test holds. */
static void make_commits_wait(int64_t key)
{
    postgres_sql("SET search_path = %s; CREATE FUNCTION wait_a_while() RETURNS trigger LANGUAGE plpgsql AS"
                 " 'BEGIN PERFORM pg_advisory_xact_lock(%" PRId64 "); RETURN NULL; END';"
                 "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON revisions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
                 " EXECUTE FUNCTION wait_a_while()",
                 schema_of(store), key);
}

static void a_commit_that_was_not_made_is_made_again(void **state)
{
    pthread_t thread;
    NEED_SERVER();
    quipu *q = memories_open(store);
    writer w = { .q = q, .id = "a" };
    make_commits_wait(4711);
    hold_lock(4711);
    pthread_create(&thread, NULL, write_one, &w);
    postgres_wait_for("1", waiting);
    postgres_sql("%s", terminate);
    postgres_wait_for("1", waiting);
    let_lock_go();
    pthread_join(thread, NULL);
    assert_int_equal(w.code, QUIPU_OK);
    assert_int_equal(w.receipt.flags, 0);
    assert_int_equal(memories_figure(q, "revisions"), 1);
    assert_sound(q);
    memories_close(q);
}

static void a_commit_whose_answer_is_lost_is_found_to_be_made(void **state)
{
    char config[300];
    quipu *q = NULL;
    NEED_SERVER();
    snprintf(config, sizeof config, "{\"url\":\"%s\"}", postgres_wire_start());
    assert_int_equal(memories_try_open(store, config, 0, &q), QUIPU_OK);
    writer w = { .q = q, .id = "a" };
    postgres_wire_set(WIRE_SWALLOW_COMMIT, WIRE_WHOLE);
    write_one(&w);
    assert_int_equal(postgres_wire_swallowed(), 1);
    assert_int_equal(w.code, QUIPU_OK);
    assert_int_equal(w.receipt.changed, 1);
    assert_int_equal(w.receipt.flags, 0);
    assert_int_equal(memories_figure(q, "revisions"), 1);
    memories_close(q);
    postgres_wire_end();
}

static void where_nobody_can_know_the_same_change_id_settles_it(void **state)
{
    char config[300];
    record *r = NULL;
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    quipu *q = NULL;
    NEED_SERVER();
    snprintf(config, sizeof config, "{\"url\":\"%s\",\"connect_timeout\":1}", postgres_wire_start());
    assert_int_equal(memories_try_open(store, config, 0, &q), QUIPU_OK);
    assert_int_equal(record_decode(str_of("{\"id\":\"a\",\"text\":\"once\"}"), NULL, &r, NULL), QUIPU_OK);
    const quipu_record *view = record_view(r);
    quipu_change change = { .struct_size = sizeof change, .op = QUIPU_CHANGE_PUT, .id = view->id, .record = view };
    assert_int_equal(quipu_change_set_begin(q, NULL, &set, NULL), QUIPU_OK);
    set.operation = str_of("add");
    set.changes = (quipu_array){ &change, 1, sizeof change };
    postgres_wire_set(WIRE_SWALLOW_COMMIT, WIRE_CUT);
    assert_int_equal(quipu_apply_set(q, &set, &receipt, NULL, &memories_error), QUIPU_E_UNCERTAIN);
    assert_int_equal(memories_error.retry, QUIPU_RETRY_SAME_ID);
    assert_int_equal(quipu_apply_set(q, &set, &receipt, NULL, &memories_error), QUIPU_E_NETWORK);
    postgres_wire_set(WIRE_WHOLE, WIRE_WHOLE);
    assert_int_equal(quipu_apply_set(q, &set, &receipt, NULL, &memories_error), QUIPU_OK);
    assert_int_equal(receipt.flags, QUIPU_RECEIPT_DUPLICATE);
    assert_int_equal(memories_figure(q, "revisions"), 1);
    assert_int_equal(memories_figure(q, "records"), 1);
    memories_close(q);
    postgres_wire_end();
    record_free(r);
}

static void a_server_that_went_down_and_up_is_used_again(void **state)
{
    quipu *q = NULL;
    NEED_SERVER();
    assert_int_equal(memories_try_open(store, "{\"connect_timeout\":1}", 0, &q), QUIPU_OK);
    memories_put(q, "a", "before");
    assert_string_equal(memories_search(q, "before", NULL), "a ");
    postgres_server_stop();
    writer w = { .q = q, .id = "b" };
    write_one(&w);
    assert_int_equal(w.code, QUIPU_E_NETWORK);
    assert_int_equal(w.error.retry, QUIPU_RETRY_LATER);
    quipu_get get = { .struct_size = sizeof get, .id = str_of("a") };
    assert_int_equal(quipu_get_record(q, &get, NULL, NULL, NULL, &memories_error), QUIPU_E_NETWORK);
    postgres_server_restart();
    assert_string_equal(memories_text(q, "a", NULL), "before");
    memories_put(q, "b", "after");
    assert_string_equal(memories_list(q, NULL), "a b ");
    assert_sound(q);
    memories_close(q);
}

static void a_reader_whose_connection_was_ended_takes_another(void **state)
{
    NEED_SERVER();
    quipu *q = memories_open(store);
    memories_put(q, "a", "an apple");
    assert_string_equal(memories_text(q, "a", NULL), "an apple");
    postgres_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'quipu'");
    assert_string_equal(memories_text(q, "a", NULL), "an apple");
    assert_string_equal(memories_search(q, "apple", NULL), "a ");
    memories_close(q);
}

/* ---- waiting ---- */

static void a_write_that_waits_ends_at_its_deadline_and_changes_nothing(void **state)
{
    NEED_SERVER();
    quipu *q = memories_open(store);
    hold_lock(lock_key());
    quipu_call call = { .struct_size = sizeof call, .deadline_ns = now_ns() + 200000000 };
    writer w = { .q = q, .id = "a", .call = &call };
    write_one(&w);
    assert_int_equal(w.code, QUIPU_E_TIMEOUT);
    postgres_wait_for("0", waiting); /* the server waits no longer either */
    let_lock_go();
    assert_int_equal(memories_figure(q, "revisions"), 0);
    memories_put(q, "b", "the writer is usable");
    assert_string_equal(memories_list(q, NULL), "b ");
    memories_close(q);
}

static void a_write_that_waits_can_be_cancelled(void **state)
{
    pthread_t thread;
    quipu_cancel token = { .struct_size = sizeof token, .fd = -1 };
    quipu_call call = { .struct_size = sizeof call, .cancel = &token };
    NEED_SERVER();
    quipu *q = memories_open(store);
    writer w = { .q = q, .id = "a", .call = &call };
    hold_lock(lock_key());
    pthread_create(&thread, NULL, write_one, &w);
    postgres_wait_for("1", waiting);
    __atomic_store_n(&token.flag, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    assert_int_equal(w.code, QUIPU_E_CANCELLED);
    let_lock_go();
    assert_int_equal(memories_figure(q, "revisions"), 0);
    memories_close(q);
}

static void a_write_without_a_deadline_waits_as_long_as_the_setting_says(void **state)
{
    quipu *q = NULL;
    NEED_SERVER();
    assert_int_equal(memories_try_open(store, "{\"busy_timeout\":1}", 0, &q), QUIPU_OK);
    hold_lock(lock_key());
    writer w = { .q = q, .id = "a" };
    write_one(&w);
    assert_int_equal(w.code, QUIPU_E_BUSY);
    let_lock_go();
    memories_close(q);
}

static int32_t get_another(void *context, const quipu_hit *hit)
{
    (void)hit;
    assert_string_equal(memories_text(context, "a", NULL), "an apple");
    return 0;
}

static int32_t get_beside_revision(void *context, const quipu_revision *r)
{
    (void)r;
    return get_another(context, NULL);
}

static void one_connection_is_enough_for_visitors_that_ask_again(void **state)
{
    static const char *const configs[] = { "{\"pool\":1}", "{\"pool\":1,\"search\":\"server\"}" };
    quipu_scan scan = { .struct_size = sizeof scan };
    quipu_search search = {
        .struct_size = sizeof search, .text = str_of("apple"), .k = 5, .mode = QUIPU_SEARCH_LEXICAL
    };
    quipu_log_query log = { .struct_size = sizeof log };
    NEED_SERVER();
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        quipu *q = NULL;
        quipu_lease lease = { 0 };
        assert_int_equal(memories_try_open(store, configs[i], 0, &q), QUIPU_OK);
        memories_put(q, "a", "an apple");
        memories_put(q, "b", "another apple");
        assert_int_equal(quipu_scan_records(q, &scan, get_another, q, NULL, &memories_error), QUIPU_OK);
        assert_int_equal(quipu_search_records(q, &search, get_another, q, NULL, &memories_error), QUIPU_OK);
        const quipu_history_api *history = memories_history(q, &lease);
        assert_int_equal(history->log(lease.self, &log, get_beside_revision, q, NULL, &memories_error), QUIPU_OK);
        quipu_leave(q, &lease);
        memories_close(q);
    }
}

/* ---- other processes ---- */

enum { PROCESSES = 3, EACH = 40 };

static void write_as_process(int n)
{
    char id[40];
    quipu *q = memories_open(store);
    for (int i = 0; i < EACH; i++) {
        snprintf(id, sizeof id, "p%d-%02d", n, i);
        memories_put(q, id, "an apple");
        memories_put(q, "shared", id);
    }
    memories_close(q);
}

/* Runs this program with two words in several processes at once: a plugin that was in use before a fork must not be used behind it. */
static void in_processes(const char *what)
{
    pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        char number[12];
        snprintf(number, sizeof number, "%d", i);
        pids[i] = fork();
        if (pids[i] == 0) {
            execl("/proc/self/exe", "test_postgres_backend", what, number, folder, (char *)NULL);
            _exit(127);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

static void several_processes_lose_nothing(void **state)
{
    NEED_SERVER();
    in_processes("write"); /* they also make the store, all at once */
    quipu *q = memories_open(store);
    assert_int_equal(memories_count(q), PROCESSES * EACH + 1);
    assert_int_equal(memories_figure(q, "revisions"), 2 * PROCESSES * EACH);
    assert_sound(q);
    memories_close(q);
    assert_string_equal(postgres_sql("SELECT count(*) FROM pg_namespace WHERE nspname = '%s'", schema_of(store)), "1");
}

static void make_in_shared_schema(int n)
{
    char path[200], id[20];
    quipu *q = NULL;
    snprintf(path, sizeof path, "%s/machine-%d", folder, n);
    if (memories_try_open(path, "{\"schema\":\"shared_by_machines\"}", 0, &q) != QUIPU_OK)
        fail_msg("open: %s", memories_error.message);
    snprintf(id, sizeof id, "m%d", n);
    memories_put(q, id, "an apple");
    memories_close(q);
}

static void a_schema_that_is_named_is_one_store_for_all_machines(void **state)
{
    NEED_SERVER();
    in_processes("make"); /* the tables are made once */
    snprintf(store, sizeof store, "%s/machine-0", folder);
    quipu *q = memories_open(store);
    assert_string_equal(memories_list(q, NULL), "m0 m1 m2 ");
    memories_close(q);
    assert_string_equal(schema_of(store), "shared_by_machines");
    postgres_sql("DROP SCHEMA shared_by_machines CASCADE");
}

static int start_server(void **state)
{
    (void)state;
    have_server = postgres_server_start(why_not, sizeof why_not);
    if (!have_server)
        fprintf(stderr, "postgres: %s\n", why_not);
    return 0;
}

static int end_server(void **state)
{
    (void)state;
    postgres_server_end();
    return 0;
}

/* One of several processes of a test. */
static int be_process(char **words)
{
    memories_backend = "postgres";
    snprintf(folder, sizeof folder, "%s", words[3]);
    snprintf(store, sizeof store, "%s/store", folder);
    int n = (int)strtol(words[2], NULL, 10);
    if (strcmp(words[1], "write") == 0)
        write_as_process(n);
    else
        make_in_shared_schema(n);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int count, char **words)
{
    if (count == 4)
        return be_process(words);
    const struct CMUnitTest tests[] = {
        TEST(records_are_added_read_changed_and_deleted),
        TEST(settings_are_checked_by_name),
        TEST(a_password_is_refused_and_never_repeated),
        TEST(a_server_that_is_not_there_is_named),
        TEST(what_is_not_ours_or_newer_is_refused_and_stays_as_it_is),
        TEST(a_note_that_is_damaged_or_leads_elsewhere_is_refused),
        TEST(an_older_schema_is_brought_up_to_date),
        TEST(history_is_only_ever_added_to),
        TEST(damage_is_answered_with_an_error_and_found_by_verify),
        TEST(a_connection_that_is_ended_in_the_middle_of_apply_is_made_anew),
        TEST(a_commit_that_was_not_made_is_made_again),
        TEST(a_commit_whose_answer_is_lost_is_found_to_be_made),
        TEST(where_nobody_can_know_the_same_change_id_settles_it),
        TEST(a_server_that_went_down_and_up_is_used_again),
        TEST(a_reader_whose_connection_was_ended_takes_another),
        TEST(a_write_that_waits_ends_at_its_deadline_and_changes_nothing),
        TEST(a_write_that_waits_can_be_cancelled),
        TEST(a_write_without_a_deadline_waits_as_long_as_the_setting_says),
        TEST(one_connection_is_enough_for_visitors_that_ask_again),
        TEST(several_processes_lose_nothing),
        TEST(a_schema_that_is_named_is_one_store_for_all_machines),
    };
    return cmocka_run_group_tests(tests, start_server, end_server);
}
