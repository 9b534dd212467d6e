/* test_git_files.c - records of kind "file", which are two files of the tree: written, edited by stock git, merged, undone, verified. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <plugins/git/files.h>
#include <quipu.h>
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>

#define ID "user=ruth/notes/todo.md"
#define TEXT_PATH "files/user=ruth/notes/todo.md"

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];
static char output[4000]; /* of the last git or shell command */
static quipu *q;

static int begin(void **state)
{
    (void)state;
    memories_time = 0;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    q = memories_open(store);
    return 0;
}

static int end(void **state)
{
    (void)state;
    memories_close(q);
    scratch_remove(folder);
    return 0;
}

/* Runs a command in the test's folder; what it printed is in `output`. */
static void shell(const char *command)
{
    char line[2000];
    snprintf(line, sizeof line,
             "cd '%s' && export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=ana GIT_AUTHOR_EMAIL=a@x "
             "GIT_COMMITTER_NAME=ana GIT_COMMITTER_EMAIL=a@x && { %s; } 2>&1",
             folder, command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t got = fread(output, 1, sizeof output - 1, pipe);
    output[got] = '\0';
    int status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: %s", command, output);
}

/* Changes files in a fresh clone, and pushes them to a branch. */
static void push_edit(const char *edit, const char *branch)
{
    char command[1500];
    snprintf(
        command, sizeof command,
        "rm -rf clone && git clone -q store clone && cd clone && { %s; } && git add -A && git commit -q -m edit && "
        "git push -q origin HEAD:%s",
        edit, branch);
    shell(command);
}

static void put_json(const char *id, const char *json)
{
    quipu_write step = { .op = QUIPU_CHANGE_PUT, .id = str_of(id), .json = str_of(json) };
    if (memories_write(q, step, NULL, NULL) != QUIPU_OK)
        fail_msg("put of %s: %s", id, memories_error.message);
}

static void put_file(const char *id, const char *text)
{
    char json[2000];
    snprintf(json, sizeof json, "{\"kind\":\"file\",\"scope\":{\"user\":\"ruth\"},\"text\":\"%s\"}", text);
    put_json(id, json);
}

/* What HEAD holds at a path, "" where there is nothing. */
static const char *at_head(const char *path)
{
    char command[600];
    snprintf(command, sizeof command, "git -C store show 'HEAD:%s' 2>/dev/null || true", path);
    shell(command);
    return output;
}

static const char *json_path(const char *id)
{
    static buffer path;
    buffer_clear(&path);
    record_path(str_of(id), &path);
    return path.bytes;
}

static void assert_sound(void)
{
    assert_string_equal(memories_faults(q), "");
    assert_int_equal(scratch_fsck(store), 0);
}

static int32_t keep_json(void *context, const quipu_hit *hit)
{
    char version[QUIPU_VERSION_LEN];
    record_version(hit->record->json, version);
    assert_memory_equal(version, hit->record->version.ptr, QUIPU_VERSION_LEN);
    buffer_append_str(context, hit->record->json);
    return 0;
}

/* The whole JSON of a record, to be freed; its version is that of these bytes. */
static buffer json_of(const char *id)
{
    buffer json = { 0 };
    quipu_get get = { .struct_size = sizeof get, .id = str_of(id) };
    assert_int_equal(quipu_get_record(q, &get, keep_json, &json, NULL, &memories_error), QUIPU_OK);
    return json;
}

/* ---- two paths ---- */

static void a_file_is_its_text_and_the_rest(void **state)
{
    (void)state;
    put_file(ID, "milk\\nbread\\n");
    assert_string_equal(at_head(TEXT_PATH), "milk\nbread\n");
    assert_null(strstr(at_head(json_path(ID)), "milk"));
    assert_non_null(strstr(output, "\"kind\": \"file\""));
    assert_string_equal(memories_text(q, ID, NULL), "milk\nbread\n");
    buffer json = json_of(ID);
    assert_non_null(strstr(json.bytes, "milk\\nbread"));
    buffer_free(&json);
    put_file(ID, "milk\\nbread\\neggs\\n");
    shell("git -C store diff --stat HEAD~1 HEAD -- files");
    assert_non_null(strstr(output, "1 insertion(+)"));
    assert_string_equal(memories_search(q, "eggs", NULL), ID " ");
    assert_string_equal(memories_search(q, "eggs", "HEAD~1"), "");
    assert_string_equal(memories_text(q, ID, "HEAD~1"), "milk\nbread\n");
    assert_sound();
    memories_delete(q, ID);
    assert_string_equal(at_head(TEXT_PATH), "");
    assert_string_equal(at_head(json_path(ID)), "");
    assert_int_equal(memories_count(q), 0);
    assert_sound();
}

static void what_changes_nothing_makes_no_commit(void **state)
{
    (void)state;
    put_file(ID, "milk");
    int64_t revisions = memories_figure(q, "revisions");
    put_file(ID, "milk");
    assert_int_equal(memories_figure(q, "revisions"), revisions);
}

static void a_file_that_becomes_a_memory_is_one_file(void **state)
{
    (void)state;
    put_file(ID, "milk");
    put_json(ID, "{\"scope\":{\"user\":\"ruth\"},\"text\":\"milk\"}");
    assert_string_equal(at_head(TEXT_PATH), "");
    assert_string_equal(memories_text(q, ID, NULL), "milk");
    put_file(ID, "");
    shell("git -C store cat-file -s HEAD:" TEXT_PATH);
    assert_string_equal(output, "0\n");
    put_json(ID, "{\"kind\":\"file\",\"scope\":{\"user\":\"ruth\"}}");
    assert_string_equal(at_head(TEXT_PATH), "");
    assert_sound();
}

/* Where one text's path would be a folder of another's, and where an id names no file in a folder, the record is one file. */
static void what_cannot_be_a_path_stays_one_file(void **state)
{
    static char longest[QUIPU_ID_MAX + 1];
    const char *const ids[] = {
        "s/a",    "s/a/b", "plain",   "s//x",    "/x",   "x/", "s/t/u", "s/t", "a/\xc3\xa9\xe2\x80\x8c.git",
        "s/.git", "s/..",  "s/GIT~1", "s/a\\nb", longest
    };
    (void)state;
    snprintf(longest, sizeof longest, "s/%0250d/b", 7);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        put_file(ids[i], ids[i]);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
            if (!strchr(ids[i], '\\'))
                assert_string_equal(memories_text(q, ids[i], NULL), ids[i]);
        assert_int_equal(memories_count(q), sizeof ids / sizeof ids[0]);
        assert_sound();
        memories_close(q);
        q = memories_open(store);
    }
    assert_string_equal(at_head("files/s/a"), "s/a");
    assert_string_equal(at_head("files/s/t/u"), "s/t/u");
    shell("git clone -q store clone && ls -a clone/files/s");
    assert_non_null(strstr(output, "%2Egit"));
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        memories_delete(q, ids[i]);
    assert_int_equal(memories_count(q), 0);
    shell("git -C store ls-tree HEAD");
    assert_null(strstr(output, "files"));
    assert_sound();
}

static void one_path_belongs_to_one_id(void **state)
{
    static const struct {
        const char *path, *id; /* NULL: no id leads there */
    } rows[] = { { "files/-/a b.md", "-/a b.md" },
                 { "files/-/.bashrc", "-/.bashrc" },
                 { "files/-/%2Egit", "-/.git" },
                 { "files/-/.git", NULL },
                 { "files/-/%61", NULL },
                 { "files/-/a%00b", NULL },
                 { "files/-/a%", NULL },
                 { "files/a", NULL },
                 { "files/-/%25", "-/%" },
                 { "files/-/\xff", NULL },
                 { "files/-/caf\xc3\xa9", "-/caf\xc3\xa9" },
                 { "files/-/a.", NULL },
                 { "files/-/a%2E", "-/a." },
                 { "records/-/a", NULL } };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buffer id = { 0 }, path = { 0 };
        bool found = file_path_id(rows[i].path, &id);
        if (found != (rows[i].id != NULL) || (found && strcmp(id.bytes, rows[i].id) != 0))
            fail_msg("%s: %d %s", rows[i].path, found, id.bytes ? id.bytes : "");
        if (found) {
            assert_true(file_path(str_of(rows[i].id), &path));
            assert_string_equal(path.bytes, rows[i].path);
        }
        buffer_free(&id);
        buffer_free(&path);
    }
}

/* ---- stock git ---- */

static int32_t see_subject(void *context, const quipu_revision *r)
{
    buffer_append_str(context, r->subject);
    buffer_append_char(context, '\n');
    return 0;
}

static int32_t see_difference(void *context, const quipu_difference *d)
{
    buffer_append_str(context, d->id);
    buffer_append_text(context, ": ");
    buffer_append_str(context, d->before ? d->before->text : (quipu_str){ 0 });
    buffer_append_text(context, " -> ");
    buffer_append_str(context, d->after ? d->after->text : (quipu_str){ 0 });
    buffer_append_char(context, '\n');
    return 0;
}

/* Takes the latest commit back. */
static void revert_head(const quipu_history_api *history, quipu_lease *lease)
{
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_str head = str_of("HEAD");
    assert_int_equal(quipu_change_set_begin(q, NULL, &set, NULL), QUIPU_OK);
    set.operation = str_of("revert");
    if (history->revert(lease->self, &head, &set, NULL, NULL, &memories_error) != QUIPU_OK)
        fail_msg("revert: %s", memories_error.message);
}

static void an_edit_of_the_text_is_a_change_of_the_record(void **state)
{
    quipu_lease lease;
    buffer seen = { 0 };
    quipu_str head = str_of("HEAD");
    (void)state;
    put_file(ID, "milk");
    put_file("user=ruth/other", "nothing of note");
    char version[QUIPU_VERSION_LEN + 1];
    snprintf(version, sizeof version, "%s", memories_version(q, ID));
    push_edit("printf 'milk and honey' >" TEXT_PATH, "main");
    assert_string_equal(memories_text(q, ID, NULL), "milk and honey");
    assert_string_equal(memories_search(q, "honey", NULL), ID " ");
    assert_string_not_equal(memories_version(q, ID), version);
    const quipu_history_api *history = memories_history(q, &lease);
    quipu_log_query query = { .struct_size = sizeof query, .id = str_of(ID) };
    assert_int_equal(history->log(lease.self, &query, see_subject, &seen, NULL, &memories_error), QUIPU_OK);
    assert_string_equal(seen.bytes, "edit\nadd: milk\n");
    buffer_clear(&seen);
    assert_int_equal(history->diff(lease.self, NULL, &head, NULL, see_difference, &seen, NULL, &memories_error),
                     QUIPU_OK);
    assert_string_equal(seen.bytes, ID ": milk -> milk and honey\n");
    revert_head(history, &lease);
    assert_string_equal(memories_text(q, ID, NULL), "milk");
    assert_string_equal(memories_text(q, ID, "HEAD~1"), "milk and honey");
    assert_string_equal(memories_search(q, "honey", "HEAD~1"), ID " ");
    buffer_clear(&seen);
    assert_int_equal(history->diff(lease.self, NULL, &head, NULL, see_difference, &seen, NULL, &memories_error),
                     QUIPU_OK);
    assert_string_equal(seen.bytes, ID ": milk and honey -> milk\n");
    quipu_leave(q, &lease);
    buffer_free(&seen);
    assert_sound();
}

static void an_expected_version_holds_for_the_text(void **state)
{
    (void)state;
    put_file(ID, "milk");
    char version[QUIPU_VERSION_LEN + 1];
    snprintf(version, sizeof version, "%s", memories_version(q, ID));
    push_edit("printf honey >" TEXT_PATH, "main");
    quipu_write step = {
        .op = QUIPU_CHANGE_DELETE, .id = str_of(ID), .expect = QUIPU_EXPECT_VERSION, .expected_version = str_of(version)
    };
    assert_int_equal(memories_write(q, step, NULL, NULL), QUIPU_E_CONFLICT);
    assert_string_equal(memories_text(q, ID, NULL), "honey");
}

static void a_text_made_by_hand_is_a_record(void **state)
{
    (void)state;
    push_edit("mkdir -p 'files/user=ruth,app=a%252Cb' files/- && printf 'water the ferns' "
              ">'files/user=ruth,app=a%252Cb/plants.md' && "
              "printf 'shared' >'files/-/a b.md'",
              "main");
    assert_string_equal(memories_list(q, NULL), "-/a b.md user=ruth,app=a%2Cb/plants.md ");
    assert_string_equal(memories_search(q, "ferns", NULL), "user=ruth,app=a%2Cb/plants.md ");
    buffer json = json_of("user=ruth,app=a%2Cb/plants.md");
    assert_non_null(strstr(json.bytes, "\"app\": \"a,b\""));
    assert_non_null(strstr(json.bytes, "\"user\": \"ruth\""));
    assert_non_null(strstr(json.bytes, "\"kind\": \"file\""));
    buffer_free(&json);
    json = json_of("-/a b.md");
    assert_null(strstr(json.bytes, "scope"));
    buffer_free(&json);
    assert_sound();
    memories_delete(q, "-/a b.md");
    assert_string_equal(at_head("files/-/a b.md"), "");
    assert_int_equal(memories_count(q), 1);
    assert_sound();
}

static void what_cannot_be_a_text_is_set_aside(void **state)
{
    (void)state;
    memories_put(q, "user=ruth/memory", "no file");
    push_edit("mkdir -p files/user=ruth && printf 'a\\0b' >files/user=ruth/binary && printf '\\377' "
              ">files/user=ruth/latin && "
              "printf x >files/loose && printf x >files/user=ruth/memory && printf x >'files/user=ruth/a?b'",
              "main");
    assert_int_equal(memories_count(q), 1);
    assert_int_equal(memories_figure(q, "set_aside"), 5);
    assert_string_equal(memories_text(q, "user=ruth/memory", NULL), "no file");
    memories_close(q);
    q = memories_open(store);
    assert_int_equal(memories_figure(q, "set_aside"), 5);
    push_edit("printf fine >files/user=ruth/latin && git rm -q files/loose 'files/user=ruth/a?b'", "main");
    assert_string_equal(memories_text(q, "user=ruth/latin", NULL), "fine");
    assert_int_equal(memories_figure(q, "set_aside"), 2);
    assert_non_null(strstr(memories_faults(q), "files/user=ruth/binary"));
}

static void taking_one_of_the_two_files_away(void **state)
{
    char command[400];
    (void)state;
    put_file(ID, "milk");
    put_file("user=ruth/second", "eggs");
    push_edit("git rm -q " TEXT_PATH, "main");
    assert_string_equal(memories_text(q, ID, NULL), "");
    assert_int_equal(memories_count(q), 2);
    assert_string_equal(memories_search(q, "milk", NULL), "");
    snprintf(command, sizeof command, "git rm -q '%s'", json_path("user=ruth/second"));
    push_edit(command, "main");
    assert_string_equal(memories_text(q, "user=ruth/second", NULL), "eggs");
    assert_sound();
    snprintf(command, sizeof command, "git rm -q '%s'", json_path(ID));
    push_edit(command, "main");
    push_edit("git rm -q files/user=ruth/second", "main");
    assert_int_equal(memories_count(q), 0);
    assert_sound();
}

static void a_long_id_is_followed_by_what_its_file_says(void **state)
{
    char id[QUIPU_ID_MAX + 1], edit[900];
    (void)state;
    snprintf(id, sizeof id, "s/%0120d/%0120d", 1, 2);
    put_file(id, "milk");
    assert_non_null(strchr(json_path(id), '~'));
    snprintf(edit, sizeof edit, "printf honey >'files/%s'", id);
    push_edit(edit, "main");
    assert_string_equal(memories_text(q, id, NULL), "honey");
    assert_string_equal(memories_search(q, "honey", NULL)[0] ? "found" : "", "found");
    assert_string_equal(memories_search(q, "milk", "HEAD~1")[0] ? "found" : "", "found");
    snprintf(edit, sizeof edit, "git rm -q '%s' 'files/%s'", json_path(id), id);
    push_edit(edit, "main");
    assert_int_equal(memories_count(q), 0);
    assert_sound();
}

/* ---- merging ---- */

static void both_paths_are_merged_as_one_record(void **state)
{
    (void)state;
    put_file(ID, "milk");
    shell("rm -rf theirs && git clone -q store theirs");
    put_json(ID, "{\"kind\":\"file\",\"scope\":{\"user\":\"ruth\"},\"tags\":[\"ours\"],\"text\":\"milk\"}");
    shell("cd theirs && printf 'milk and honey' >" TEXT_PATH
          " && git commit -q -a -m edit && git push -q origin HEAD:inbox/ana");
    memories_put(q, "after", "the inbox is merged before");
    assert_string_equal(memories_text(q, ID, NULL), "milk and honey");
    buffer json = json_of(ID);
    assert_non_null(strstr(json.bytes, "ours"));
    buffer_free(&json);
    assert_int_equal(memories_count(q), 2);
    assert_sound();
}

static void two_texts_that_differ_are_a_conflict(void **state)
{
    (void)state;
    put_file(ID, "milk");
    shell("rm -rf theirs && git clone -q store theirs");
    put_file(ID, "milk and tea");
    shell("cd theirs && printf 'milk and honey' >" TEXT_PATH
          " && git commit -q -a -m edit && git push -q origin HEAD:inbox/ana");
    memories_put(q, "after", "x");
    assert_string_equal(memories_text(q, ID, NULL), "milk and tea"); /* the one that says when it was changed */
    assert_int_equal(memories_count(q), 3);
    assert_non_null(strstr(memories_list(q, NULL), "conflict"));
    assert_string_equal(at_head(TEXT_PATH), "milk and tea");
    assert_sound();
}

static void a_text_changed_on_one_side_and_deleted_on_the_other_stays(void **state)
{
    char command[700];
    (void)state;
    for (int round = 0; round < 2; round++) {
        put_file(ID, "milk");
        shell("rm -rf theirs && git clone -q store theirs");
        if (round == 0)
            memories_delete(q, ID);
        else
            put_file(ID, "milk and honey");
        snprintf(command, sizeof command,
                 round == 0 ? "cd theirs && printf 'milk and honey' >" TEXT_PATH
                              " && git commit -q -a -m edit && git push -q origin HEAD:inbox/ana; : %s"
                            : "cd theirs && git rm -q " TEXT_PATH
                              " '%s' && git commit -q -a -m edit && git push -q origin HEAD:inbox/ana",
                 json_path(ID));
        shell(command);
        memories_put(q, "after", round == 0 ? "x" : "y");
        assert_string_equal(memories_text(q, ID, NULL), "milk and honey");
        assert_string_equal(at_head(TEXT_PATH), "milk and honey");
        assert_non_null(strstr(memories_list(q, NULL), "conflict"));
        assert_sound();
    }
}

static void what_only_they_did_is_taken(void **state)
{
    char command[900];
    (void)state;
    put_file(ID, "milk");
    put_file("user=ruth/gone", "old");
    shell("rm -rf theirs && git clone -q store theirs");
    memories_put(q, "ours", "x");
    put_file("user=ruth/a", "a file where they need a folder");
    snprintf(command, sizeof command,
             "cd theirs && git rm -q '%s' files/user=ruth/gone && mkdir -p files/user=ruth/a && printf new "
             ">files/user=ruth/new && "
             "printf deep >files/user=ruth/a/b && printf '\\377' >files/user=ruth/bad && git add -A && git commit -q "
             "-m edit && "
             "git push -q origin HEAD:inbox/ana",
             json_path("user=ruth/gone"));
    shell(command);
    memories_put(q, "after", "x");
    assert_string_equal(memories_text(q, "user=ruth/new", NULL), "new");
    assert_string_equal(memories_text(q, "user=ruth/gone", NULL), "");
    assert_string_equal(memories_text(q, "user=ruth/a", NULL), "a file where they need a folder");
    assert_string_equal(memories_text(q, "user=ruth/a/b", NULL), "deep");
    assert_string_equal(memories_text(q, ID, NULL), "milk");
    assert_int_equal(memories_figure(q, "set_aside"), 1);
    assert_int_equal(scratch_fsck(store), 0);
}

/* ---- formats ---- */

/* A store as format 1 made it: its file records are one file each. */
static void make_older(void)
{
    char command[900];
    put_json("user=ruth/a", "{\"kind\":\"note\",\"scope\":{\"user\":\"ruth\"},\"text\":\"old text\"}");
    put_json("user=ruth/b", "{\"kind\":\"note\",\"scope\":{\"user\":\"ruth\"},\"text\":\"other\"}");
    char first[200];
    snprintf(first, sizeof first, "%s", json_path("user=ruth/a"));
    snprintf(command, sizeof command, "sed -i 's/\"note\"/\"file\"/' '%s' '%s' && sed -i 's/: 2/: 1/' quipu.json",
             first, json_path("user=ruth/b"));
    push_edit(command, "main");
}

static void an_older_store_is_read_and_changes_only_where_it_is_written(void **state)
{
    (void)state;
    make_older();
    memories_close(q);
    q = memories_open(store);
    assert_string_equal(memories_text(q, "user=ruth/a", NULL), "old text");
    memories_put(q, "plain", "a memory");
    assert_non_null(strstr(at_head("quipu.json"), "\"format\": 1"));
    put_file("user=ruth/a", "new text");
    assert_non_null(strstr(at_head("quipu.json"), "\"format\": 2"));
    assert_string_equal(at_head("files/user=ruth/a"), "new text");
    assert_string_equal(at_head("files/user=ruth/b"), "");
    assert_string_equal(memories_text(q, "user=ruth/b", NULL), "other");
    assert_string_equal(memories_text(q, "user=ruth/a", "HEAD~1"), "old text");
    assert_sound();
}

static void a_merge_raises_the_format_where_it_has_to(void **state)
{
    (void)state;
    make_older();
    shell("rm -rf theirs && git clone -q store theirs");
    put_json("user=ruth/a", "{\"kind\":\"file\",\"scope\":{\"user\":\"ruth\"},\"tags\":[\"t\"],\"text\":\"old text\"}");
    assert_non_null(strstr(at_head("quipu.json"), "\"format\": 2"));
    shell("cd theirs && sed -i 's/\"layout\"/\"by\": \"hand\", \"layout\"/' quipu.json && git commit -q -a -m edit && "
          "git push -q origin HEAD:inbox/ana");
    memories_put(q, "after", "x");
    assert_non_null(strstr(at_head("quipu.json"), "\"format\": 2"));
    assert_sound();
}

/* ---- anything ---- */

static uint64_t state_of_chance = 88172645463325252u;

static unsigned chance(unsigned below)
{
    state_of_chance ^= state_of_chance << 13;
    state_of_chance ^= state_of_chance >> 7;
    state_of_chance ^= state_of_chance << 17;
    return (unsigned)(state_of_chance % below);
}

/* Whatever is done to the two files, the index says what the tree says, now and at every earlier commit. */
static void index_and_tree_agree_whatever_is_done(void **state)
{
    static const char *const ids[] = { "user=ruth/a", "user=ruth/b", "user=ruth/c/d", "plain" };
    char command[600], text[40];
    (void)state;
    for (int i = 0; i < 40; i++) {
        const char *id = ids[chance(4)];
        snprintf(text, sizeof text, "text %u", chance(6));
        switch (chance(6)) {
        case 0:
        case 1:
            put_file(id, text);
            break;
        case 2:
            memories_delete(q, id);
            break;
        case 3:
            snprintf(command, sizeof command, "mkdir -p files/user=ruth/c && printf '%s' >'files/%s' && touch x%d",
                     text, id, i);
            push_edit(command, "main");
            break;
        case 4:
            snprintf(command, sizeof command, "rm -f 'files/%s' && touch x%d", id, i);
            push_edit(command, "main");
            break;
        default:
            snprintf(command, sizeof command, "rm -f '%s' && touch x%d", json_path(id), i);
            push_edit(command, "main");
        }
        if (chance(3) == 0)
            memories_count(q);
        if (chance(8) == 0) {
            memories_close(q);
            q = memories_open(store);
        }
    }
    for (int back = 0; back < 12; back++) {
        char spec[20], list[400];
        snprintf(spec, sizeof spec, "HEAD~%d", back);
        snprintf(list, sizeof list, "%s", memories_list(q, spec));
        for (size_t i = 0; i < 4; i++)
            if (memories_text(q, ids[i], spec)[0])
                assert_non_null(strstr(list, ids[i]));
    }
    if (strstr(memories_faults(q), "index"))
        fail_msg("%s", memories_faults(q));
    assert_int_equal(scratch_fsck(store), 0);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_file_is_its_text_and_the_rest),
        FRESH(what_changes_nothing_makes_no_commit),
        FRESH(a_file_that_becomes_a_memory_is_one_file),
        FRESH(what_cannot_be_a_path_stays_one_file),
        FRESH(one_path_belongs_to_one_id),
        FRESH(an_edit_of_the_text_is_a_change_of_the_record),
        FRESH(an_expected_version_holds_for_the_text),
        FRESH(a_text_made_by_hand_is_a_record),
        FRESH(what_cannot_be_a_text_is_set_aside),
        FRESH(taking_one_of_the_two_files_away),
        FRESH(a_long_id_is_followed_by_what_its_file_says),
        FRESH(both_paths_are_merged_as_one_record),
        FRESH(two_texts_that_differ_are_a_conflict),
        FRESH(a_text_changed_on_one_side_and_deleted_on_the_other_stays),
        FRESH(what_only_they_did_is_taken),
        FRESH(an_older_store_is_read_and_changes_only_where_it_is_written),
        FRESH(a_merge_raises_the_format_where_it_has_to),
        FRESH(index_and_tree_agree_whatever_is_done),
    };
    return cmocka_run_group_tests_name("git_files", tests, NULL, NULL);
}
