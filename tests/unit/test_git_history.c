/* test_git_history.c - history/1 of the git backend, and where no commit is told of of the sqlite backend as well: names of revisions, log,
 * differences, the way back, reading the past. */
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
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>

#define DAY ((int64_t)86400 * 1000000)
#define NEW_YEAR ((int64_t)1893456000 * 1000000) /* 2030-01-01T00:00:00Z */

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];
static quipu *q;
static const quipu_history_api *history;
static quipu_lease lease;

static int begin(void **state)
{
    (void)state;
    memories_time = 0;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    q = memories_open(store);
    history = memories_history(q, &lease);
    return 0;
}

static int end(void **state)
{
    (void)state;
    quipu_leave(q, &lease);
    memories_close(q);
    scratch_remove(folder);
    return 0;
}

static void copy(char *out, const char *text)
{
    snprintf(out, 64, "%s", text);
}

/* ---- asking ---- */

typedef struct answer {
    char text[2000];
    size_t len;
} answer;

static void append(answer *a, quipu_str text, const char *behind)
{
    int n =
        snprintf(a->text + a->len, sizeof a->text - a->len, "%.*s%s", (int)text.len, text.ptr ? text.ptr : "", behind);
    assert_true(n >= 0 && a->len + (size_t)n < sizeof a->text);
    a->len += (size_t)n;
}

static int32_t see_name(void *context, const quipu_revision *r)
{
    append(context, r->name, "");
    return 0;
}

static int32_t see_revision(void *context, const quipu_revision *r)
{
    append(context, r->operation, " ");
    append(context, r->author, " ");
    append(context, r->subject, "\n");
    return 0;
}

static int32_t see_difference(void *context, const quipu_difference *d)
{
    append(context, d->id, ": ");
    append(context, d->before ? d->before->text : (quipu_str){ 0 }, " -> ");
    append(context, d->after ? d->after->text : (quipu_str){ 0 }, "\n");
    return 0;
}

/* The full name of what a spec stands for, "" where the answer is another than QUIPU_OK (then *code tells). */
static const char *resolve(const char *spec, int32_t *code)
{
    static answer a;
    quipu_str text = str_of(spec);
    a = (answer){ 0 };
    int32_t answered = history->resolve(lease.self, &text, see_name, &a, NULL, &memories_error);
    if (code)
        *code = answered;
    else if (answered != QUIPU_OK)
        fail_msg("%s: %s", spec, memories_error.message);
    return a.text;
}

static int32_t resolve_fails(const char *spec)
{
    int32_t code;
    assert_string_equal(resolve(spec, &code), "");
    return code;
}

static const char *show_log(const char *id, const char *from, uint64_t limit, int32_t *code)
{
    static answer a;
    quipu_log_query query = { .struct_size = sizeof query, .id = str_of(id), .from = str_of(from), .limit = limit };
    a = (answer){ 0 };
    int32_t answered = history->log(lease.self, &query, see_revision, &a, NULL, &memories_error);
    if (code)
        *code = answered;
    else if (answered != QUIPU_OK)
        fail_msg("log: %s", memories_error.message);
    return a.text;
}

static const char *diff(const char *from, const char *to, const char *id)
{
    static answer a;
    quipu_str f = str_of(from), t = str_of(to), i = str_of(id);
    a = (answer){ 0 };
    int32_t code =
        history->diff(lease.self, from ? &f : NULL, &t, id ? &i : NULL, see_difference, &a, NULL, &memories_error);
    if (code != QUIPU_OK)
        fail_msg("diff: %s", memories_error.message);
    return a.text;
}

static int32_t undo(const char *id, const char *spec, quipu_receipt *receipt)
{
    quipu_str what = str_of(spec), record = str_of(id);
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_write_options o = { .struct_size = sizeof o,
                              .operation = str_of(id ? "restore" : "revert"),
                              .author = str_of("ruth") };
    quipu_receipt unused = { .struct_size = sizeof unused };
    assert_int_equal(quipu_change_set_begin(q, &o, &set, NULL), QUIPU_OK);
    receipt = receipt ? receipt : &unused;
    return id ? history->restore(lease.self, &record, &what, &set, receipt, NULL, &memories_error)
              : history->revert(lease.self, &what, &set, receipt, NULL, &memories_error);
}

/* ---- names of revisions ---- */

static void revisions_are_found_by_name_beginning_distance_and_time(void **state)
{
    char first[64], second[64], init[64], brief[20];
    (void)state;
    memories_time = NEW_YEAR + 12 * 3600 * (int64_t)1000000;
    copy(init, resolve("HEAD", NULL));
    copy(first, memories_put(q, "a", "one"));
    memories_time += 2 * DAY;
    copy(second, memories_put(q, "a", "two"));
    assert_string_equal(resolve("HEAD", NULL), second);
    assert_string_equal(resolve("main", NULL), second);
    assert_string_equal(resolve("HEAD~0", NULL), second);
    assert_string_equal(resolve("HEAD~", NULL), first);
    assert_string_equal(resolve("main~2", NULL), init);
    snprintf(brief, sizeof brief, "%.12s", first);
    assert_string_equal(resolve(brief, NULL), first);
    snprintf(brief, sizeof brief, "%.12s~1", first);
    assert_string_equal(resolve(brief, NULL), init);
    for (char *c = first; *c; c++) /* capitals are digits as well */
        if (*c >= 'a' && *c <= 'f')
            *c = (char)(*c - 32);
    assert_string_equal(resolve(first, NULL), resolve("HEAD~1", NULL));
    copy(first, resolve("HEAD~1", NULL));
    assert_string_equal(resolve("2030-01-01", NULL), first); /* a date is its end */
    assert_string_equal(resolve("2030-01-02", NULL), first);
    assert_string_equal(resolve("2030-01-03", NULL), second);
    assert_string_equal(resolve("2030-01-03T11:59:59Z", NULL), first);
    assert_string_equal(resolve("2030-01-03T12:00:00Z", NULL), second);
    assert_string_equal(resolve("2030-01-03T14:00:00.000001+02:00", NULL), second);
}

static void what_stands_for_no_revision_is_told(void **state)
{
    (void)state;
    char first[64];
    memories_time = NEW_YEAR;
    copy(first, memories_put(q, "a", "one"));
    assert_int_equal(resolve_fails("HEAD~50"), QUIPU_E_NOT_FOUND);
    assert_int_equal(resolve_fails("nosuch"), QUIPU_E_NOT_FOUND);
    assert_int_equal(resolve_fails("../../etc/passwd"), QUIPU_E_NOT_FOUND);
    assert_int_equal(resolve_fails("0000000000000000000000000000000000000000"), QUIPU_E_NOT_FOUND);
    assert_int_equal(resolve_fails("1990-01-01"), QUIPU_E_NOT_FOUND);
    assert_int_equal(resolve_fails("HEAD~x"), QUIPU_E_INVALID);
    assert_int_equal(resolve_fails("HEAD~99999999999999999999"), QUIPU_E_INVALID);
    assert_int_equal(resolve_fails(""), QUIPU_E_INVALID);
    char tree[100], output[100];
    snprintf(tree, sizeof tree, "rev-parse %s^{tree}", first);
    assert_int_equal(scratch_git(store, output, sizeof output, "%s", tree), 0);
    output[40] = '\0';
    assert_int_equal(resolve_fails(output), QUIPU_E_INVALID); /* an object, but no revision */
    assert_int_equal(resolve_fails(memories_version(q, "a")), QUIPU_E_INVALID);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* An object's first 4 digits that begin another object's name as well; false where there are no two. */
static bool shared_digits(char out[5])
{
    static char listing[200000];
    static char names[4000][5];
    size_t count = 0;
    assert_int_equal(scratch_git(store, listing, sizeof listing, "rev-list --objects --no-object-names HEAD"), 0);
    for (const char *line = listing; *line && count < 4000; line = strchr(line, '\n') + 1)
        snprintf(names[count++], 5, "%.4s", line);
    qsort(names, count, sizeof names[0], compare_names);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0) {
            memcpy(out, names[i], 5);
            return true;
        }
    return false;
}

/* Objects that came through another handle count as well. */
static void a_beginning_of_several_objects_is_refused(void **state)
{
    char digits[5];
    (void)state;
    quipu *other = memories_open(store);
    for (int i = 0; i < 2000 && (i < 60 || i % 40 || !shared_digits(digits)); i++) {
        char id[20];
        snprintf(id, sizeof id, "r%d", i);
        memories_put(i % 2 ? q : other, id, "one of many");
    }
    memories_close(other);
    assert_true(shared_digits(digits));
    assert_int_equal(resolve_fails(digits), QUIPU_E_INVALID);
    assert_non_null(strstr(memories_error.message, "more digits"));
}

/* ---- log and differences ---- */

static void the_log_tells_of_the_store_and_of_one_record(void **state)
{
    int32_t code;
    (void)state;
    memories_put(q, "a", "one");
    memories_put(q, "b", "other");
    memories_put(q, "a", "two");
    memories_delete(q, "a");
    assert_string_equal(show_log(NULL, NULL, 0, NULL), "delete tester delete: two\nupdate tester update: two\n"
                                                       "add tester add: other\nadd tester add: one\n"
                                                       "init quipu init: a store of memories\n");
    assert_string_equal(show_log("a", NULL, 0, NULL),
                        "delete tester delete: two\nupdate tester update: two\nadd tester add: one\n");
    assert_string_equal(show_log("a", "HEAD~1", 1, NULL), "update tester update: two\n");
    assert_string_equal(show_log(NULL, "HEAD~3", 0, NULL),
                        "add tester add: one\ninit quipu init: a store of memories\n");
    show_log("nobody", NULL, 0, &code);
    assert_int_equal(code, QUIPU_E_NOT_FOUND);
    assert_string_equal(memories_error.id, "nobody");
    show_log(NULL, "nosuch", 0, &code);
    assert_int_equal(code, QUIPU_E_NOT_FOUND);
}

static int32_t stop_at_once(void *context, const quipu_revision *r)
{
    (void)r;
    return ++*(int *)context;
}

static void a_visitor_ends_the_log(void **state)
{
    int seen = 0;
    quipu_log_query query = { .struct_size = sizeof query };
    (void)state;
    memories_put(q, "a", "one");
    assert_int_equal(history->log(lease.self, &query, stop_at_once, &seen, NULL, NULL), QUIPU_OK);
    assert_int_equal(seen, 1);
}

static void differences_are_told_by_id(void **state)
{
    char first[64];
    (void)state;
    copy(first, memories_put(q, "b", "one"));
    memories_put(q, "a", "new");
    memories_put(q, "b", "two");
    memories_delete(q, "a");
    assert_string_equal(diff(NULL, "HEAD", NULL), "a: new -> \n");
    assert_string_equal(diff(NULL, "HEAD~1", NULL), "b: one -> two\n");
    assert_string_equal(diff(NULL, "HEAD~4", NULL), "");
    assert_string_equal(diff(first, "HEAD~1", NULL), "a:  -> new\nb: one -> two\n");
    assert_string_equal(diff(first, "HEAD~1", "b"), "b: one -> two\n");
    assert_string_equal(diff("HEAD~1", first, "a"), "a: new -> \n");
    assert_string_equal(diff("HEAD", "HEAD", NULL), "");
    assert_string_equal(diff(NULL, "HEAD", "b"), "");
}

/* ---- the way back ---- */

static void revert_brings_the_old_state_back_as_a_new_commit(void **state)
{
    char was[64], changed[64];
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    (void)state;
    memories_put(q, "a", "one");
    copy(was, memories_version(q, "a"));
    copy(changed, memories_put(q, "a", "two"));
    memories_put(q, "b", "other");
    int64_t revisions = memories_figure(q, "revisions");
    assert_int_equal(undo(NULL, changed, &receipt), QUIPU_OK);
    assert_int_equal(receipt.changed, 1);
    assert_string_equal(receipt.revision, resolve("HEAD", NULL));
    assert_string_equal(memories_text(q, "a", NULL), "one");
    assert_string_equal(memories_version(q, "a"), was);
    assert_string_equal(memories_text(q, "b", NULL), "other");
    assert_int_equal(memories_figure(q, "revisions"), revisions + 1);
    assert_int_equal(strncmp(show_log(NULL, NULL, 1, NULL), "revert ruth revert: ", 20), 0);
    assert_int_equal(undo(NULL, "HEAD~1", NULL), QUIPU_OK); /* an addition: the record goes */
    assert_string_equal(memories_list(q, NULL), "a ");
    assert_int_equal(undo(NULL, "HEAD", NULL), QUIPU_OK); /* and comes back */
    assert_string_equal(memories_list(q, NULL), "a b ");
}

static void revert_names_the_record_that_has_changed_since_and_does_nothing(void **state)
{
    char set[64];
    (void)state;
    quipu_write steps[2] = { { .struct_size = sizeof steps[0],
                               .op = QUIPU_CHANGE_PUT,
                               .id = str_of("a"),
                               .json = str_of("{\"text\":\"a\"}") },
                             { .struct_size = sizeof steps[0],
                               .op = QUIPU_CHANGE_PUT,
                               .id = str_of("b"),
                               .json = str_of("{\"text\":\"b\"}") } };
    quipu_array writes = { steps, 2, sizeof steps[0] };
    assert_int_equal(quipu_write_records(q, &writes, NULL, NULL, NULL, NULL, NULL, NULL), QUIPU_OK);
    copy(set, resolve("HEAD", NULL));
    memories_put(q, "b", "changed");
    int64_t revisions = memories_figure(q, "revisions");
    assert_int_equal(undo(NULL, set, NULL), QUIPU_E_CONFLICT);
    assert_string_equal(memories_error.id, "b");
    assert_string_equal(memories_error.version, memories_version(q, "b"));
    assert_string_equal(memories_text(q, "a", NULL), "a");
    assert_string_equal(memories_text(q, "b", NULL), "changed");
    memories_delete(q, "b"); /* gone is changed as well */
    assert_int_equal(undo(NULL, set, NULL), QUIPU_E_CONFLICT);
    assert_string_equal(memories_error.id, "b");
    assert_string_equal(memories_list(q, NULL), "a ");
    assert_int_equal(memories_figure(q, "revisions"), revisions + 1);
    assert_int_equal(undo(NULL, "nosuch", NULL), QUIPU_E_NOT_FOUND);
}

static void restore_gives_a_record_the_state_of_then(void **state)
{
    char first[64], second[64], gone[64];
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    (void)state;
    copy(first, memories_put(q, "a", "one"));
    copy(second, memories_put(q, "a", "two"));
    memories_put(q, "b", "other");
    copy(gone, memories_delete(q, "a"));
    assert_int_equal(undo("a", second, NULL), QUIPU_OK); /* back from the dead */
    assert_string_equal(memories_text(q, "a", NULL), "two");
    assert_int_equal(undo("a", first, NULL), QUIPU_OK);
    assert_string_equal(memories_text(q, "a", NULL), "one");
    assert_int_equal(undo("a", first, &receipt), QUIPU_OK);
    assert_int_equal(receipt.flags, QUIPU_RECEIPT_UNCHANGED);
    assert_int_equal(undo("a", gone, NULL), QUIPU_OK); /* gone again */
    assert_string_equal(memories_list(q, NULL), "b ");
    assert_int_equal(undo("nobody", first, NULL), QUIPU_E_NOT_FOUND);
    assert_string_equal(memories_error.id, "nobody");
    assert_int_equal(undo("a", "nosuch", NULL), QUIPU_E_NOT_FOUND);
    assert_string_equal(memories_faults(q), "");
}

/* A file that was no record then says nothing about the record: restoring must not delete what is there now. */
static void restore_from_a_damaged_file_changes_nothing(void **state)
{
    char command[400];
    (void)state;
    memories_put(q, "a", "sound");
    snprintf(command, sizeof command,
             "cd '%s' && git clone -q store clone && f=$(find clone -name a.json) && cp \"$f\" whole && echo broken "
             ">\"$f\" && cd "
             "clone && git -c user.name=a -c user.email=a@b commit -q -a -m broken && git push -q 2>/dev/null",
             folder);
    assert_int_equal(system(command), 0);
    memories_put(q, "a", "repaired");
    assert_int_equal(undo("a", "HEAD~1", NULL), QUIPU_E_CORRUPT);
    assert_string_equal(memories_text(q, "a", NULL), "repaired");
}

/* ---- reading the past ---- */

static void the_past_is_read_as_it_was(void **state)
{
    char first[64];
    (void)state;
    memories_time = NEW_YEAR;
    copy(first, memories_put(q, "a", "the harbour"));
    memories_time += DAY;
    memories_put(q, "a", "the station");
    memories_put(q, "b", "a bakery");
    memories_time += DAY;
    memories_delete(q, "a");
    static const char *const times[] = { "2030-01-01", "2030-01-02", "HEAD" };
    static const char *const texts[] = { "the harbour", "the station", "" };
    static const char *const lists[] = { "a ", "a b ", "b " };
    static const char *const founds[] = { "", "a ", "" };
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < 3; i++) {
            assert_string_equal(memories_text(q, "a", times[i]), texts[i]);
            assert_string_equal(memories_list(q, times[i]), lists[i]);
            assert_string_equal(memories_search(q, "station", times[i]), founds[i]);
        }
    assert_string_equal(memories_search(q, "harbour", first), "a ");
    assert_string_equal(memories_search(q, "harbour", NULL), "");
    for (int i = 0; i < 8; i++) { /* more than are kept in RAM */
        char spec[20];
        snprintf(spec, sizeof spec, "HEAD~%d", i % 4);
        memories_put(q, "c", spec);
        assert_string_equal(memories_text(q, "c", "HEAD"), spec);
        assert_string_equal(memories_search(q, "bakery", spec), "b ");
    }
    quipu_get query = { .struct_size = sizeof query, .id = str_of("a"), .as_of = str_of("1990-01-01") };
    assert_int_equal(quipu_get_record(q, &query, NULL, NULL, NULL, &memories_error) == QUIPU_OK, 0);
}

static int choose_sqlite(void **state)
{
    (void)state;
    memories_backend = "sqlite";
    return 0;
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(revisions_are_found_by_name_beginning_distance_and_time),
        FRESH(what_stands_for_no_revision_is_told),
        FRESH(a_beginning_of_several_objects_is_refused),
        FRESH(the_log_tells_of_the_store_and_of_one_record),
        FRESH(a_visitor_ends_the_log),
        FRESH(differences_are_told_by_id),
        FRESH(revert_brings_the_old_state_back_as_a_new_commit),
        FRESH(revert_names_the_record_that_has_changed_since_and_does_nothing),
        FRESH(restore_gives_a_record_the_state_of_then),
        FRESH(restore_from_a_damaged_file_changes_nothing),
        FRESH(the_past_is_read_as_it_was),
    };
    const struct CMUnitTest of_any[] = {
        FRESH(a_visitor_ends_the_log),
        FRESH(revert_brings_the_old_state_back_as_a_new_commit),
        FRESH(revert_names_the_record_that_has_changed_since_and_does_nothing),
        FRESH(restore_gives_a_record_the_state_of_then),
        FRESH(the_past_is_read_as_it_was),
    };
    int failed = cmocka_run_group_tests_name("git", tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("sqlite", of_any, choose_sqlite, NULL);
}
