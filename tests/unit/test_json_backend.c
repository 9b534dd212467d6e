/* test_json_backend.c - the json backend through libquipu: files that people read and edit, backups, other processes, the MCP memory server's lines. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <quipu.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>
#include <unistd.h>

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];

static int begin(void **state)
{
    (void)state;
    memories_time = 0;
    memories_backend = "json";
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static void shell(const char *command)
{
    char line[2000];
    snprintf(line, sizeof line, "cd '%s' && {\n%s\n}", folder, command);
    if (system(line) != 0)
        fail_msg("%s", command);
}

static int32_t put_as(quipu *q, const char *user, const char *id, const char *text)
{
    char json[400];
    snprintf(json, sizeof json, "{\"text\":\"%s\"}", text);
    quipu_write step = { .op = QUIPU_CHANGE_PUT, .id = str_of(id), .json = str_of(json) };
    quipu_write_options o = { .struct_size = sizeof o, .user = str_of(user) };
    return memories_write(q, step, &o, NULL);
}

static int32_t see_nothing(void *context, const quipu_hit *hit)
{
    (void)context, (void)hit;
    return 0;
}

/* What a list on an open store answers with. */
static int32_t list_code(quipu *q)
{
    quipu_scan scan = { .struct_size = sizeof scan };
    return quipu_scan_records(q, &scan, see_nothing, NULL, NULL, &memories_error);
}

static void each_scope_is_a_private_file_that_reads_well(void **state)
{
    struct stat s;
    char path[260];
    (void)state;
    quipu *q = memories_open(store);
    assert_int_equal(put_as(q, "ana", "a", "tea"), QUIPU_OK);
    assert_int_equal(put_as(q, "ben", "b", "coffee"), QUIPU_OK);
    assert_int_equal(put_as(q, "a/b", "c", "../../water"), QUIPU_OK);
    memories_put(q, "d", "of nobody");
    memories_close(q);
    shell("grep -q '\"text\": \"tea\"' store/scopes/user=ana.json && test -f store/scopes/user=ben.json && "
          "test -f store/scopes/user=a%2Fb.json && test -f store/scopes/unscoped.json");
    snprintf(path, sizeof path, "%s/scopes/user=ana.json", store);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    q = memories_open(store);
    assert_string_equal(memories_list(q, NULL), "a b c d ");
    assert_string_equal(memories_search(q, "coffee", NULL), "b ");
    memories_delete(q, "b");
    assert_string_equal(memories_list(q, NULL), "a c d ");
    assert_int_equal(memories_figure(q, "records"), 3);
    memories_close(q);
}

static void an_edit_is_seen_and_a_broken_one_is_named_and_loses_nothing(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "tea at four");
    memories_put(q, "b", "left alone");
    shell("sed -i -e 's/at four/at five/' -e '/checksum/d' store/scopes/unscoped.json");
    assert_string_equal(memories_text(q, "a", NULL), "tea at five");
    assert_string_equal(memories_search(q, "five", NULL), "a ");
    shell("cp store/scopes/unscoped.json good && sed -i 's/\"text\": \"tea/\"text\": tea/' store/scopes/unscoped.json");
    assert_int_equal(list_code(q), QUIPU_E_CORRUPT);
    assert_non_null(strstr(memories_error.message, "unscoped.json, line 7"));
    assert_int_equal(put_as(q, "ana", "c", "not now"), QUIPU_E_CORRUPT); /* nothing is written over it */
    shell("grep -q '\"text\": tea at five' store/scopes/unscoped.json && cp good store/scopes/unscoped.json");
    assert_string_equal(memories_list(q, NULL), "a b ");
    memories_put(q, "a", "tea at six"); /* has a checksum again */
    shell("grep -q checksum store/scopes/unscoped.json && sed -i 's/at six/at ten/' store/scopes/unscoped.json");
    assert_int_equal(list_code(q), QUIPU_E_CORRUPT);
    assert_non_null(strstr(memories_error.message, "checksum"));
    shell("rm store/scopes/unscoped.json");
    assert_string_equal(memories_list(q, NULL), "");
    memories_close(q);
}

static void what_belongs_elsewhere_or_is_there_twice_is_refused(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    shell("printf '[{\"id\":\"a\",\"text\":\"x\",\"scope\":{\"user\":\"ben\"}}]' >store/scopes/user=ana.json");
    assert_int_equal(list_code(q), QUIPU_E_CORRUPT);
    assert_non_null(strstr(memories_error.message, "user=ben.json"));
    shell("printf '[{\"id\":\"a\",\"text\":\"x\"},{\"id\":\"a\",\"text\":\"y\"}]' >store/scopes/unscoped.json; rm "
          "store/scopes/user=ana.json");
    assert_int_equal(list_code(q), QUIPU_E_CORRUPT);
    assert_non_null(strstr(memories_error.message, "twice"));
    shell("printf '[{\"id\":\"a\",\"text\":\"x\"}]' >store/scopes/unscoped.json");
    assert_string_equal(memories_list(q, NULL), "a ");
    shell("printf '[{\"id\":\"a\",\"text\":\"x\",\"scope\":{\"user\":\"ben\"}}]' >store/scopes/user=ben.json");
    assert_int_equal(list_code(q), QUIPU_E_CORRUPT);
    assert_non_null(strstr(memories_error.message, "as well"));
    shell("printf '{\"records\":[],\"other\":1}' >store/scopes/user=ben.json");
    assert_int_equal(list_code(q), QUIPU_E_CORRUPT);
    memories_close(q);
}

static void backups_are_kept_and_rotated(void **state)
{
    quipu *q = NULL;
    (void)state;
    assert_int_equal(memories_try_open(store, "{\"index_backup_count\":2}", 0, &q), QUIPU_OK);
    memories_put(q, "a", "first");
    memories_put(q, "a", "second");
    memories_put(q, "a", "third");
    memories_put(q, "a", "fourth");
    memories_close(q);
    shell("cd store/scopes && grep -q fourth unscoped.json && grep -q third unscoped.json.1 && grep -q second "
          "unscoped.json.2 && test ! -e unscoped.json.3");
}

/* ---- the journal of a store that is too large to be written anew at each change ---- */

enum { MANY = 600, EACH = 25 };

/* 600 records of 300 bytes. */
static void fill(quipu *q)
{
    static char ids[EACH][20], json[EACH][400];
    for (int from = 0; from < MANY; from += EACH) {
        quipu_write steps[EACH];
        for (int i = 0; i < EACH; i++) {
            snprintf(ids[i], sizeof ids[i], "seed-%03d", from + i);
            snprintf(json[i], sizeof json[i], "{\"text\":\"%0200d\"}", from + i);
            steps[i] = (quipu_write){
                .struct_size = sizeof steps[i], .op = QUIPU_CHANGE_PUT, .id = str_of(ids[i]), .json = str_of(json[i])
            };
        }
        quipu_array writes = { steps, EACH, sizeof steps[0] };
        assert_int_equal(quipu_write_records(q, &writes, NULL, NULL, NULL, NULL, NULL, &memories_error), QUIPU_OK);
    }
}

/* A process that ends without closing its store, after writing a record and deleting one. */
static void leave_a_journal(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        quipu *own = memories_open(store);
        memories_put(own, "late", "written by who was killed");
        memories_delete(own, "seed-001");
        _exit(put_as(own, "ana", "beside", "of another scope") == QUIPU_OK ? 0 : 1);
    }
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

static void what_is_in_the_journal_is_seen_by_all_and_comes_into_the_files(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    fill(q);
    memories_close(q);
    shell("test ! -e store/.journal && test $(grep -c seed- store/scopes/unscoped.json) = 600");
    q = memories_open(store);
    leave_a_journal();
    shell("test -s store/.journal && ! grep -q late store/scopes/unscoped.json");
    assert_int_equal(memories_count(q), MANY + 1); /* seen beside it */
    assert_string_equal(memories_text(q, "late", NULL), "written by who was killed");
    assert_string_equal(memories_text(q, "seed-001", NULL), "");
    assert_string_not_equal(memories_search(q, "killed", NULL), "");
    quipu *reader = NULL;
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &reader), QUIPU_OK);
    assert_int_equal(memories_count(reader), MANY + 1);
    shell("sed -i -e 's/0000000599/by hand/' -e '/checksum/d' store/scopes/unscoped.json"); /* both are heeded */
    assert_string_not_equal(memories_search(q, "hand", NULL), "");
    assert_int_equal(memories_count(q), MANY + 1);
    memories_close(q);
    shell("test ! -e store/.journal && grep -q late store/scopes/unscoped.json && ! grep -q seed-001 "
          "store/scopes/unscoped.json && grep -q 'by hand' store/scopes/unscoped.json && "
          "grep -q beside store/scopes/user=ana.json");
    assert_int_equal(memories_count(reader), MANY + 1);
    memories_close(reader);
}

static void an_entry_that_is_not_whole_is_not_there_and_damage_is_named(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    fill(q);
    memories_close(q);
    leave_a_journal();
    shell("cp store/.journal whole && tail -n 1 whole >/dev/null && "
          "printf 'set 0123456789abcdef0123456789abcdef 90 0123456789012345678901234567890123456789\nput 5\n' "
          ">>store/.journal && cp -r store torn && cp -r store other");
    q = memories_open(store); /* into the files, without it */
    assert_int_equal(memories_count(q), MANY + 1);
    memories_put(q, "x", "goes on");
    memories_close(q);
    snprintf(store, sizeof store, "%s/torn", folder);
    shell("sed -i 's/who was killed/who was kissed/' torn/.journal");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_CORRUPT);
    assert_non_null(strstr(memories_error.message, ".journal is damaged at byte "));
    shell("grep -q kissed torn/.journal"); /* nothing was written over it */
    snprintf(store, sizeof store, "%s/other", folder);
    shell("printf nonsense-that-is-no-journal-of-ours-at-all >other/.journal");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_CORRUPT);
    shell("rm other/.journal");
    q = memories_open(store);
    assert_int_equal(memories_count(q), MANY);
    memories_close(q);
}

static void a_record_may_come_back_in_another_scope(void **state)
{
    (void)state;
    quipu *q = memories_open(store), *other;
    fill(q);
    memories_delete(q, "seed-002");
    assert_int_equal(put_as(q, "ana", "seed-002", "moved"), QUIPU_OK);
    other = memories_open(store);
    assert_string_equal(memories_text(other, "seed-002", NULL), "moved");
    assert_int_equal(memories_count(other), MANY);
    memories_close(other);
    memories_close(q);
    shell("! grep -q seed-002 store/scopes/unscoped.json && grep -q seed-002 store/scopes/user=ana.json");
}

/* Files may not grow past what is there: as on a disk that is full. */
static int write_where_there_is_no_room(void)
{
    quipu *q = memories_open(store);
    memories_put(q, "before", "there was room");
    struct rlimit none = { .rlim_cur = 600, .rlim_max = RLIM_INFINITY }, much = { RLIM_INFINITY, RLIM_INFINITY };
    char text[390];
    memset(text, 'x', sizeof text);
    text[sizeof text - 20] = '\0';
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &none) != 0)
        return 2;
    int32_t code = QUIPU_OK;
    for (int i = 0; i < 5 && code == QUIPU_OK; i++)
        code = put_as(q, "ana", i % 2 ? "a" : "b", text + i);
    if (code == QUIPU_OK || !memories_error.message[0])
        return 3;
    if (strcmp(memories_text(q, "before", NULL), "there was room") != 0)
        return 4;
    uint64_t count = memories_count(q);
    if (setrlimit(RLIMIT_FSIZE, &much) != 0 || put_as(q, "ana", "after", "room again") != QUIPU_OK)
        return 5;
    memories_close(q);
    q = memories_open(store);
    bool good = memories_count(q) == count + 1;
    memories_close(q);
    return good ? 0 : 6;
}

static void a_full_disk_costs_the_change_and_nothing_else(void **state)
{
    int status;
    (void)state;
    quipu *q = memories_open(store);
    fill(q);
    memories_close(q);
    pid_t child = fork();
    if (child == 0)
        _exit(write_where_there_is_no_room());
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    q = memories_open(store);
    assert_string_equal(memories_text(q, "seed-003", NULL) + 190, "0000000003");
    memories_close(q);
}

enum { PROCESSES = 4, ROUNDS = 15 };

static void processes_write_side_by_side_and_lose_nothing(void **state)
{
    pid_t children[PROCESSES];
    (void)state;
    for (int i = 0; i < PROCESSES; i++)
        if ((children[i] = fork()) == 0) {
            quipu *own = memories_open(store);
            for (int k = 0; k < ROUNDS; k++) {
                char id[20];
                snprintf(id, sizeof id, "p%d-%d", i, k);
                if (put_as(own, k % 2 ? "ana" : "ben", id, "one of many") != QUIPU_OK)
                    _exit(1);
            }
            memories_close(own);
            _exit(0);
        }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    quipu *q = memories_open(store);
    assert_int_equal(memories_count(q), PROCESSES * ROUNDS);
    memories_close(q);
}

static void settings_and_foreign_folders_are_refused_by_name(void **state)
{
    static const char *const bad[][2] = { { "{\"format\":\"xml\"}", "format" },
                                          { "{\"index_backup_count\":100}", "index_backup_count" },
                                          { "{\"nosuch\":1}", "nosuch" } };
    quipu *q = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(memories_try_open(store, bad[i][0], 0, &q), QUIPU_E_INVALID);
        assert_string_equal(memories_error.field, bad[i][1]);
    }
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_NO_CREATE, &q), QUIPU_E_NOT_FOUND);
    shell("mkdir store && echo diary >store/diary.txt");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_FORMAT);
    shell("test $(ls -A store) = diary.txt");
}

/* ---- format mcp ---- */

static quipu *open_mcp(void)
{
    quipu *q = NULL;
    if (memories_try_open(store, "{\"format\":\"mcp\"}", 0, &q) != QUIPU_OK)
        fail_msg("open: %s", memories_error.message);
    return q;
}

static void lines_of_the_mcp_memory_server_are_records(void **state)
{
    (void)state;
    shell("mkdir store && cat >store/memory.jsonl <<'END'\n"
          "{\"type\":\"entity\",\"name\":\"Ana\",\"entityType\":\"person\",\"observations\":[\"likes tea\",\"lives in "
          "Lima\"]}\n"
          "\n"
          "{\"type\":\"relation\",\"from\":\"Ana\",\"to\":\"Acme\",\"relationType\":\"works at\"}\n"
          "END\n");
    quipu *q = open_mcp();
    assert_int_equal(memories_count(q), 2);
    assert_string_not_equal(memories_search(q, "Lima", NULL), "");
    memories_put(q, "note", "the spare key");
    memories_close(q);
    shell(
        "test $(grep -c '\"type\":\"entity\"' store/memory.jsonl) = 2 && test $(tail -n 1 store/memory.jsonl | grep -c "
        "'^{\"type\":\"relation\",\"from\":\"Ana\",\"to\":\"Acme\",\"relationType\":\"works at\"') = 1 && "
        "grep -q '^{\"type\":\"entity\",\"name\":\"Ana\",\"entityType\":\"person\",\"observations\":\\[\"likes "
        "tea\",\"lives in "
        "Lima\"\\]' store/memory.jsonl && test -n \"$(tail -c 1 store/memory.jsonl)\"");
}

static void what_that_server_changes_or_leaves_out_is_taken_from_the_line(void **state)
{
    char before[64];
    (void)state;
    quipu *q = open_mcp();
    memories_put(q, "note", "the spare key");
    snprintf(before, sizeof before, "%s", memories_version(q, "note"));
    memories_close(q);
    q = open_mcp();
    assert_string_equal(memories_version(q, "note"), before); /* whole, with its times */
    shell("sed -i 's/\"observations\":\\[\"the spare key\"\\]/\"observations\":[\"the spare key\",\"is gone\"]/' "
          "store/memory.jsonl");
    assert_string_not_equal(memories_search(q, "gone", NULL), "");
    assert_int_equal(memories_count(q), 1);
    shell("printf '\\n{\"type\":\"thing\"}\\n' >>store/memory.jsonl");
    assert_int_equal(list_code(q), QUIPU_E_CORRUPT);
    assert_non_null(strstr(memories_error.message, "memory.jsonl, line 2"));
    memories_close(q);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(each_scope_is_a_private_file_that_reads_well),
        FRESH(an_edit_is_seen_and_a_broken_one_is_named_and_loses_nothing),
        FRESH(what_belongs_elsewhere_or_is_there_twice_is_refused),
        FRESH(backups_are_kept_and_rotated),
        FRESH(what_is_in_the_journal_is_seen_by_all_and_comes_into_the_files),
        FRESH(an_entry_that_is_not_whole_is_not_there_and_damage_is_named),
        FRESH(a_record_may_come_back_in_another_scope),
        FRESH(a_full_disk_costs_the_change_and_nothing_else),
        FRESH(processes_write_side_by_side_and_lose_nothing),
        FRESH(settings_and_foreign_folders_are_refused_by_name),
        FRESH(lines_of_the_mcp_memory_server_are_records),
        FRESH(what_that_server_changes_or_leaves_out_is_taken_from_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
