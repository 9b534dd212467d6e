/* test_git_backend.c - the git backend through libquipu: records, ids, limits, pushes of stock git, the catalogue. */
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
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];
static char clone_path[160];
static char output[4000]; /* of the last git or shell command */

static int begin(void **state)
{
    (void)state;
    memories_time = 0;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    snprintf(clone_path, sizeof clone_path, "%s/clone", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

/* Runs a command in the test's folder; its first lines are in `output`. */
static void shell(const char *command)
{
    char line[2000];
    snprintf(line, sizeof line, "cd '%s' && { %s; }", folder, command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t got = fread(output, 1, sizeof output - 1, pipe);
    output[got] = '\0';
    int status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: %d", command, status);
}

static void git(const char *where, const char *arguments)
{
    if (scratch_git(where, output, sizeof output, "%s", arguments) != 0)
        fail_msg("git %s: %s", arguments, output);
}

static void clone_store(void)
{
    git(folder, "clone -q store clone");
}

static void push_all(const char *message)
{
    char arguments[300];
    git(clone_path, "add -A");
    snprintf(arguments, sizeof arguments, "commit -q -m '%s'", message);
    git(clone_path, arguments);
    git(clone_path, "push -q");
}

static void assert_sound(quipu *q)
{
    assert_string_equal(memories_faults(q), "");
    assert_int_equal(scratch_fsck(store), 0);
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
    assert_string_equal(memories_text(q, "a", NULL), "the station at noon");
    assert_string_equal(memories_search(q, "harbour", NULL), "");
    memories_delete(q, "a");
    assert_string_equal(memories_text(q, "a", NULL), "");
    assert_string_equal(memories_list(q, NULL), "b ");
    assert_string_equal(memories_search(q, "station", NULL), "");
    assert_int_equal(memories_figure(q, "records"), 1);
    assert_sound(q);
    memories_close(q);
}

static void what_changes_nothing_makes_no_commit(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    assert_string_not_equal(memories_put(q, "a", "the same"), "");
    int64_t revisions = memories_figure(q, "revisions");
    assert_string_equal(memories_put(q, "a", "the same"), "");
    assert_string_equal(memories_delete(q, "nobody"), "");
    assert_int_equal(memories_figure(q, "revisions"), revisions);
    memories_close(q);
}

static quipu_write put_of(const char *id, const char *json)
{
    return (quipu_write){ .op = QUIPU_CHANGE_PUT, .id = str_of(id), .json = str_of(json) };
}

static void a_put_from_another_scope_is_refused(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    quipu_write_options ana = { .struct_size = sizeof ana, .user = str_of("ana") };
    quipu_write_options ben = { .struct_size = sizeof ben, .user = str_of("ben") };
    assert_int_equal(memories_write(q, put_of("a", "{\"text\":\"of ana\"}"), &ana, NULL), QUIPU_OK);
    assert_int_equal(memories_write(q, put_of("a", "{\"text\":\"of ben\"}"), &ben, NULL), QUIPU_E_SCOPE);
    assert_string_equal(memories_error.id, "a");
    assert_string_equal(memories_text(q, "a", NULL), "of ana");
    memories_close(q);
}

static void expected_versions_are_kept_to(void **state)
{
    char version[64];
    (void)state;
    quipu *q = memories_open(store);
    quipu_write step = put_of("a", "{\"text\":\"one\"}");
    step.expect = QUIPU_EXPECT_PRESENT;
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_E_NOT_FOUND);
    step.expect = QUIPU_EXPECT_ABSENT;
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_OK);
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_E_EXISTS);
    snprintf(version, sizeof version, "%s", memories_version(q, "a"));
    memories_put(q, "a", "two");
    step = put_of("a", "{\"text\":\"three\"}");
    step.expect = QUIPU_EXPECT_VERSION;
    step.expected_version = str_of(version);
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_E_CONFLICT);
    assert_string_equal(memories_error.id, "a");
    assert_string_equal(memories_error.version, memories_version(q, "a"));
    step.expected_version = str_of(memories_error.version);
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_OK);
    assert_string_equal(memories_text(q, "a", NULL), "three");
    memories_close(q);
}

static void a_set_of_which_one_change_fails_leaves_no_trace(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "c", "there");
    int64_t revisions = memories_figure(q, "revisions"), objects = memories_figure(q, "objects");
    quipu_write steps[3] = { put_of("a", "{\"text\":\"new\"}"), put_of("c", "{\"text\":\"changed\"}"),
                             put_of("c2", "{\"text\":\"third\"}") };
    for (size_t i = 0; i < 3; i++)
        steps[i].struct_size = sizeof steps[i];
    steps[2].expect = QUIPU_EXPECT_PRESENT;
    quipu_array writes = { steps, 3, sizeof steps[0] };
    assert_int_equal(quipu_write_records(q, &writes, NULL, NULL, NULL, NULL, NULL, &memories_error), QUIPU_E_NOT_FOUND);
    assert_int_equal(memories_error.index, 2);
    assert_string_equal(memories_list(q, NULL), "c ");
    assert_string_equal(memories_text(q, "c", NULL), "there");
    assert_int_equal(memories_figure(q, "revisions"), revisions);
    assert_int_equal(memories_figure(q, "objects"), objects);
    memories_put(q, "after", "the handle goes on");
    assert_sound(q);
    memories_close(q);
}

static void a_change_id_has_its_effect_once(void **state)
{
    (void)state;
    quipu_write_options o = { .struct_size = sizeof o, .change_id = { 1, 2, 3, 4, 5, 6, 0x47, 8, 9 } };
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    quipu *q = memories_open(store), *other = memories_open(store);
    assert_int_equal(memories_write(q, put_of("a", "{\"text\":\"once\"}"), &o, &receipt), QUIPU_OK);
    assert_int_equal(receipt.flags, 0);
    memories_put(q, "a", "later");
    quipu *again = NULL;
    for (int i = 0; i < 3; i++) { /* the same handle, another that was open, one opened since */
        quipu *by = i == 0 ? q : i == 1 ? other : (again = memories_open(store));
        assert_int_equal(memories_write(by, put_of("a", "{\"text\":\"once\"}"), &o, &receipt), QUIPU_OK);
        assert_int_equal(receipt.flags, QUIPU_RECEIPT_DUPLICATE);
        assert_string_equal(memories_text(by, "a", NULL), "later");
    }
    memories_close(again);
    memories_close(other);
    memories_close(q);
}

/* ---- ids and limits ---- */

static void any_id_keeps_to_itself(void **state)
{
    static char longest[QUIPU_ID_MAX + 1], almost[QUIPU_ID_MAX + 1];
    static const char *const ids[] = { "a/b",    "a%2Fb",        "a:b",         "..",           ".",   ".git", "-x",
                                       "case",   "CASE",         "caf\xc3\xa9", "cafe\xcc\x81", "a b", "~",    "a\nb",
                                       "x.json", "\xe2\x80\xae", longest,       almost };
    const size_t count = sizeof ids / sizeof ids[0];
    char text[40];
    (void)state;
    memset(longest, '/', QUIPU_ID_MAX);
    memset(almost, '/', QUIPU_ID_MAX);
    almost[QUIPU_ID_MAX - 1] = '.';
    quipu *q = memories_open(store);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "number %zu", i);
        memories_put(q, ids[i], text);
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++) {
            snprintf(text, sizeof text, "number %zu", i);
            assert_string_equal(memories_text(q, ids[i], NULL), text);
        }
        assert_int_equal(memories_count(q), count);
        assert_sound(q);
        memories_close(q);
        q = memories_open(store);
    }
    clone_store(); /* every name can be checked out */
    for (size_t i = 0; i < count; i++)
        memories_delete(q, ids[i]);
    assert_int_equal(memories_count(q), 0);
    memories_close(q);
}

static void a_record_over_the_limit_is_refused_by_name(void **state)
{
    quipu *q;
    static char text[3000], json[5000];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    snprintf(json, sizeof json, "{\"text\":\"%s\"}", text);
    assert_int_equal(memories_try_open(store, "{\"record_max\":2048}", 0, &q), QUIPU_OK);
    assert_int_equal(memories_write(q, put_of("big", json), NULL, NULL), QUIPU_E_TOO_LARGE);
    assert_string_equal(memories_error.id, "big");
    assert_int_equal(memories_count(q), 0);
    memories_close(q);
}

static void settings_are_refused_by_name(void **state)
{
    static const struct {
        const char *config, *field;
    } rows[] = { { "{\"durability\":\"none\"}", "durability" },
                 { "{\"quote_subjects\":1}", "quote_subjects" },
                 { "{\"record_max\":12}", "record_max" },
                 { "{\"later\":1}", "later" } };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        quipu *q;
        assert_int_equal(memories_try_open(store, rows[i].config, 0, &q), QUIPU_E_INVALID);
        assert_string_equal(memories_error.field, rows[i].field);
        struct stat st;
        assert_int_not_equal(stat(store, &st), 0);
    }
}

/* Puts a record straight through the ABI, where no host checks its size. */
static int32_t apply_record(quipu *q, const char *json, const char *author, const char *note)
{
    record *r = NULL;
    record_defaults d = { .created_at = QUIPU_TIME_NONE, .updated_at = QUIPU_TIME_NONE, .max_bytes = 8 << 20 };
    quipu_change_set set = { .struct_size = sizeof set };
    assert_int_equal(record_decode(str_of(json), &d, &r, &memories_error), QUIPU_OK);
    quipu_change change = {
        .struct_size = sizeof change, .op = QUIPU_CHANGE_PUT, .id = record_view(r)->id, .record = record_view(r)
    };
    assert_int_equal(quipu_change_set_begin(q, NULL, &set, NULL), QUIPU_OK);
    set.changes = (quipu_array){ &change, 1, sizeof change };
    if (author)
        set.author = str_of(author);
    set.note = str_of(note);
    int32_t code = quipu_apply_set(q, &set, NULL, NULL, &memories_error);
    record_free(r);
    return code;
}

static void a_higher_limit_holds_for_reading_as_well(void **state)
{
    quipu *q;
    buffer json = { 0 };
    (void)state;
    buffer_append_text(&json, "{\"id\":\"big\",\"text\":\"large\",\"value\":\"");
    for (int i = 0; i < 2 << 20; i++)
        buffer_append_char(&json, 'x');
    buffer_append_text(&json, "\"}");
    assert_int_equal(memories_try_open(store, "{\"record_max\":4194304}", 0, &q), QUIPU_OK);
    assert_int_equal(apply_record(q, json.bytes, NULL, NULL), QUIPU_OK);
    assert_string_equal(memories_text(q, "big", NULL), "large");
    assert_string_equal(memories_list(q, NULL), "big ");
    memories_close(q);
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_OK);
    assert_string_equal(memories_search(q, "large", NULL), "big ");
    assert_int_equal(memories_figure(q, "set_aside"), 0);
    memories_close(q);
    buffer_free(&json);
}

/* ---- messages ---- */

static void texts_stay_out_of_subjects_where_that_is_wanted(void **state)
{
    quipu *q;
    (void)state;
    assert_int_equal(memories_try_open(store, "{\"quote_subjects\":false}", 0, &q), QUIPU_OK);
    memories_put(q, "a", "a secret of mine");
    memories_close(q);
    git(store, "log --format=%B");
    assert_null(strstr(output, "secret"));
    assert_non_null(strstr(output, "add: 1 record\n"));
}

static void subjects_are_one_line_without_control_characters(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "\\u001b[31mred\\r\\nnext\\u007f\\u009b2J line of a long text that has to be cut somewhere");
    memories_close(q);
    git(store, "log -1 --format=%s");
    for (const char *c = output; *c && *c != '\n'; c++)
        assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
    assert_null(strstr(output, "\xc2\x9b"));
    assert_true(strlen(output) <= 70);
    assert_memory_equal(output, "add: [31mred next 2J line", 25);
}

static void nobody_can_forge_a_trailer(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "x\\n\\nQuipu-Op: forged\\nQuipu-Source: evil\\n");
    static const char json[] = "{\"id\":\"b\\n\\nQuipu-Op: forged\",\"scope\":{\"user\":\"u\\nQuipu-Op: forged\"}}";
    assert_int_equal(apply_record(q, json, "Eve\nQuipu-Op: forged", NULL), QUIPU_E_INVALID);
    assert_string_equal(memories_error.field, "author");
    assert_int_equal(apply_record(q, json, NULL, "y\n\nQuipu-Op: forged\n"), QUIPU_E_INVALID);
    assert_string_equal(memories_error.field, "note");
    assert_int_equal(apply_record(q, json, "Eve <eve@evil>", "Quipu-Op: forged"), QUIPU_OK);
    memories_close(q);
    git(store, "log --format='%(trailers:key=Quipu-Op,valueonly,separator=%x2c)' HEAD~2..HEAD");
    assert_string_equal(output, "update\nadd\n");
    git(store, "log --format='%an|%cn' -1");
    assert_string_equal(output, "Eve  eve@evil|Eve  eve@evil\n");
    assert_int_equal(scratch_fsck(store), 0);
    q = memories_open(store);
    assert_sound(q);
    memories_close(q);
}

static void commit_times_never_go_back(void **state)
{
    (void)state;
    memories_time = 1900000000000000;
    quipu *q = memories_open(store);
    memories_put(q, "a", "late");
    memories_time = 1800000000000000;
    memories_put(q, "b", "early");
    memories_close(q);
    q = memories_open(store);
    memories_put(q, "c", "early after opening");
    memories_close(q);
    git(store, "log --format=%ct");
    assert_string_equal(output, "1900000000\n1900000000\n1900000000\n1900000000\n");
}

/* ---- reading only ---- */

static void reading_only_leaves_the_folder_as_it_was(void **state)
{
    static char before[sizeof output];
    static const char listing[] = "find store -printf '%p %T@ %C@ %s\\n' | sort";
    quipu *q;
    (void)state;
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q), QUIPU_E_NOT_FOUND);
    q = memories_open(store);
    memories_put(q, "a", "something to read");
    memories_close(q);
    shell(listing);
    memcpy(before, output, sizeof before);
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q), QUIPU_OK);
    assert_string_equal(memories_text(q, "a", NULL), "something to read");
    assert_string_equal(memories_search(q, "something", NULL), "a ");
    assert_string_equal(memories_search(q, "something", "HEAD"), "a ");
    assert_string_equal(memories_faults(q), "");
    assert_int_equal(memories_write(q, put_of("b", "{\"text\":\"b\"}"), NULL, NULL), QUIPU_E_READ_ONLY);
    memories_close(q);
    shell(listing);
    assert_string_equal(output, before);
}

static void somebody_elses_repository_is_refused_untouched(void **state)
{
    static char before[sizeof output];
    static const char listing[] = "find other -printf '%p %T@ %s\\n' | sort";
    static const char *const makers[] = {
        "git init -q --bare other",
        "git init -q w && git -C w -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git clone -q "
        "--bare w other && touch other/objects/pack/pack-1.keep",
        "git init -q other",
        "mkdir other && echo text >other/file",
    };
    char other[160];
    (void)state;
    snprintf(other, sizeof other, "%s/other", folder);
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        quipu *q;
        shell(makers[i]);
        shell(listing);
        memcpy(before, output, sizeof before);
        assert_int_equal(memories_try_open(other, NULL, 0, &q), QUIPU_E_FORMAT);
        shell(listing);
        assert_string_equal(output, before);
        shell("rm -rf other w");
    }
}

/* ---- what stock git pushes ---- */

static void a_push_is_seen_by_an_open_handle(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "the old bridge");
    memories_put(q, "b", "stays");
    assert_string_equal(memories_search(q, "bridge", NULL), "a ");
    clone_store();
    shell("f=$(find clone -name a.json) && sed -i 's/old bridge/new tunnel/' \"$f\"");
    push_all("By hand");
    assert_string_equal(memories_text(q, "a", NULL), "the new tunnel");
    assert_string_equal(memories_search(q, "tunnel", NULL), "a ");
    assert_string_equal(memories_search(q, "bridge", NULL), "");
    git(clone_path, "pull -q");
    shell("rm \"$(find clone -name b.json)\"");
    push_all("Gone");
    assert_string_equal(memories_text(q, "b", NULL), "");
    assert_string_equal(memories_list(q, NULL), "a ");
    memories_put(q, "b", "back again");
    assert_string_equal(memories_list(q, NULL), "a b ");
    assert_sound(q);
    memories_close(q);
}

static void a_push_in_another_layout_has_the_canonical_version(void **state)
{
    char version[64];
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "compact");
    snprintf(version, sizeof version, "%s", memories_version(q, "a"));
    clone_store();
    shell("f=$(find clone -name a.json) && tr -d '\\n' <\"$f\" >new && mv new \"$f\"");
    push_all("On one line");
    assert_string_equal(memories_version(q, "a"), version);
    quipu_write step = put_of("a", "{\"text\":\"changed\"}");
    step.expect = QUIPU_EXPECT_VERSION;
    step.expected_version = str_of(version);
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_OK);
    memories_close(q);
}

static void what_is_no_record_is_set_aside_until_it_is_repaired(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "will break");
    memories_put(q, "b", "will move");
    memories_put(q, "c", "stays");
    memories_close(q); /* the catalogue knows the sound state */
    q = memories_open(store);
    assert_string_equal(memories_list(q, NULL), "a b c ");
    clone_store();
    shell("f=$(find clone -name a.json) && echo '{\"text\":' >\"$f\" && git -C clone mv \"$(cd clone && find records "
          "-name b.json)\" "
          "records/b.json");
    push_all("Broken");
    for (int round = 0; round < 3; round++) {
        assert_string_equal(memories_list(q, NULL), "c ");
        assert_string_equal(memories_text(q, "a", NULL), "");
        assert_string_equal(memories_search(q, "break move", NULL), "");
        assert_int_equal(memories_figure(q, "set_aside"), 2);
        const char *faults = memories_faults(q);
        assert_non_null(strstr(faults, "/a.json\n"));
        assert_non_null(strstr(faults, "records records/b.json\n"));
        memories_close(q);
        if (round == 1) /* once with a catalogue of the broken state alone */
            shell("rm -rf store/quipu/catalogue");
        q = memories_open(store);
    }
    git(clone_path, "revert -n HEAD");
    push_all("Repaired");
    assert_string_equal(memories_list(q, NULL), "a b c ");
    assert_int_equal(memories_figure(q, "set_aside"), 0);
    memories_close(q);
    q = memories_open(store);
    assert_string_equal(memories_list(q, NULL), "a b c ");
    assert_int_equal(memories_figure(q, "set_aside"), 0);
    assert_sound(q);
    memories_close(q);
}

/* ---- derived state and damage ---- */

static void fill_for_catalogue(quipu *q, int from, int to)
{
    for (int i = from; i < to; i++) {
        char id[20], text[60];
        snprintf(id, sizeof id, "r%03d", i);
        snprintf(text, sizeof text, "memory %d of the %s", i, i % 3 ? "garden" : "kitchen");
        memories_put(q, id, text);
    }
}

static void the_catalogue_can_be_lost_or_damaged(void **state)
{
    static char before[4000], listed[4000];
    static const char flip[] = "for f in $(find store/quipu/catalogue -type f -size +0); do "
                               "printf '\\377' | dd of=$f bs=1 seek=60 conv=notrunc 2>/dev/null; done";
    static const char *const harms[] = {
        "true",
        "test -n \"$(find store/quipu/catalogue -type f)\" && rm -rf store/quipu/catalogue",
        "for f in $(find store/quipu/catalogue -type f -size +0); do s=$(stat -c %s $f); truncate -s $((s/2)) $f; done",
        flip,
        "for f in $(find store/quipu/catalogue -type f); do : >$f; done",
    };
    (void)state;
    quipu *q = memories_open(store);
    fill_for_catalogue(q, 0, 20);
    memories_delete(q, "r007");
    snprintf(before, sizeof before, "%s", memories_search(q, "kitchen 12", NULL));
    snprintf(listed, sizeof listed, "%s", memories_list(q, NULL));
    memories_close(q);
    for (size_t i = 0; i < sizeof harms / sizeof harms[0]; i++) {
        shell(harms[i]);
        q = memories_open(store);
        assert_string_equal(memories_search(q, "kitchen 12", NULL), before);
        assert_string_equal(memories_list(q, NULL), listed);
        assert_string_equal(memories_faults(q), "");
        memories_close(q);
    }
}

static void the_catalogue_follows_in_steps(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) { /* the second and third save differences */
        quipu *q = memories_open(store);
        fill_for_catalogue(q, round * 70, round * 70 + 70);
        memories_delete(q, "r003");
        memories_put(q, "r004", round == 2 ? "the last word" : "a word");
        assert_int_equal(memories_count(q), (uint64_t)round * 70 + 69);
        memories_close(q);
    }
    quipu *q = memories_open(store);
    assert_int_equal(memories_count(q), 209);
    assert_string_equal(memories_text(q, "r003", NULL), "");
    assert_string_equal(memories_search(q, "last word", NULL), "r004 ");
    assert_sound(q);
    memories_close(q);
}

static void verify_finds_every_flipped_byte_of_a_pack(void **state)
{
    char command[400];
    (void)state;
    quipu *q = memories_open(store);
    fill_for_catalogue(q, 0, 2);
    memories_close(q);
    shell("f=$(ls -S store/objects/pack/*.pack | head -n 1) && stat -c %s $f && chmod u+w $f && cp $f whole && echo $f "
          ">name");
    int size = atoi(output), missed = 0;
    for (int at = 0; at < size; at += size / 40) {
        snprintf(command, sizeof command,
                 "cp whole one && b=$(od -An -t u1 -j %d -N 1 one) && printf \"\\\\$(printf %%03o $((b ^ 64)))\" | dd "
                 "of=one "
                 "bs=1 seek=%d conv=notrunc 2>/dev/null && cp one \"$(cat name)\"",
                 at, at);
        shell(command);
        int32_t code = memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q);
        bool found = code != QUIPU_OK;
        if (code == QUIPU_OK) {
            found = memories_faults(q)[0] != '\0';
            memories_close(q);
        }
        if (!found)
            print_error("a flip at byte %d of %d was not found\n", at, size);
        missed += !found;
    }
    assert_int_equal(missed, 0);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(records_are_added_read_changed_and_deleted),
        FRESH(what_changes_nothing_makes_no_commit),
        FRESH(a_put_from_another_scope_is_refused),
        FRESH(expected_versions_are_kept_to),
        FRESH(a_set_of_which_one_change_fails_leaves_no_trace),
        FRESH(a_change_id_has_its_effect_once),
        FRESH(any_id_keeps_to_itself),
        FRESH(a_record_over_the_limit_is_refused_by_name),
        FRESH(settings_are_refused_by_name),
        FRESH(a_higher_limit_holds_for_reading_as_well),
        FRESH(texts_stay_out_of_subjects_where_that_is_wanted),
        FRESH(subjects_are_one_line_without_control_characters),
        FRESH(nobody_can_forge_a_trailer),
        FRESH(commit_times_never_go_back),
        FRESH(reading_only_leaves_the_folder_as_it_was),
        FRESH(somebody_elses_repository_is_refused_untouched),
        FRESH(a_push_is_seen_by_an_open_handle),
        FRESH(a_push_in_another_layout_has_the_canonical_version),
        FRESH(what_is_no_record_is_set_aside_until_it_is_repaired),
        FRESH(the_catalogue_can_be_lost_or_damaged),
        FRESH(the_catalogue_follows_in_steps),
        FRESH(verify_finds_every_flipped_byte_of_a_pack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
