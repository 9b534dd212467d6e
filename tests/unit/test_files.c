/* test_files.c - the memory tool of quipu_files.h: every text of Anthropic's helper in Python, and where the documentation's differs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <quipu_files.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/mcp_client.h>
#include <tests/support/scratch.h>

static char folder[128];
static mcp_client client;
static buffer answer;
static quipu_error fault;
static uint32_t flags;
static quipu_write_options scope;

static int begin(void **state)
{
    char store[160];
    (void)state;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    mcp_client_begin(&client, store, "git", "anthropic");
    flags = 0;
    scope = (quipu_write_options){ .struct_size = sizeof scope };
    return 0;
}

static int end(void **state)
{
    (void)state;
    mcp_client_end(&client);
    scratch_remove(folder);
    buffer_free(&answer);
    return 0;
}

static int32_t collect(void *context, const void *bytes, uint64_t len)
{
    buffer_append(context, bytes, (size_t)len);
    return 0;
}

static int32_t run(const char *command)
{
    quipu_str text = str_of(command);
    buffer_clear(&answer);
    buffer_append_text(&answer, "");
    fault = (quipu_error){ .struct_size = sizeof fault };
    return quipu_files_json(client.q, &text, flags, &scope, collect, &answer, NULL, &fault);
}

static void expect(int32_t code, const char *command, const char *text)
{
    int32_t got = run(command);
    if (got != code || strcmp(answer.bytes, text) != 0)
        fail_msg("%s\n%s (%s), not\n%s", command, answer.bytes, fault.message, text);
}

static void done(const char *command, const char *text)
{
    expect(QUIPU_OK, command, text);
}

#define CREATE(path, text) "{\"command\":\"create\",\"path\":\"" path "\",\"file_text\":\"" text "\"}"
#define VIEW(path) "{\"command\":\"view\",\"path\":\"" path "\"}"
#define RANGE(path, range) "{\"command\":\"view\",\"path\":\"" path "\",\"view_range\":" range "}"
#define REPLACE(path, old, new)                                                                                        \
    "{\"command\":\"str_replace\",\"path\":\"" path "\",\"old_str\":\"" old "\",\"new_str\":\"" new "\"}"
#define INSERT(path, line, text)                                                                                       \
    "{\"command\":\"insert\",\"path\":\"" path "\",\"insert_line\":" line ",\"insert_text\":\"" text "\"}"
#define DELETE(path) "{\"command\":\"delete\",\"path\":\"" path "\"}"
#define RENAME(from, to) "{\"command\":\"rename\",\"old_path\":\"" from "\",\"new_path\":\"" to "\"}"
#define CONTENT(path) "Here's the content of " path " with line numbers:\n"
#define SNIPPET "The memory file has been edited. Here is the snippet showing the change (with line numbers):\n"

static void a_file_is_created_once(void **state)
{
    (void)state;
    done(CREATE("/memories/a.md", "one"), "File created successfully at: /memories/a.md");
    expect(QUIPU_E_EXISTS, CREATE("/memories/a.md", "two"), "File /memories/a.md already exists");
    done(CREATE("/memories/deep/er/b.md", ""), "File created successfully at: /memories/deep/er/b.md");
    expect(QUIPU_E_EXISTS, CREATE("/memories/deep", "x"), "File /memories/deep already exists");
    expect(QUIPU_E_EXISTS, CREATE("/memories", "x"), "File /memories already exists");
    expect(QUIPU_E_INVALID, CREATE("/memories/a.md/c", "x"), "The path /memories/a.md is not a directory");
    done(VIEW("/memories/a.md"), CONTENT("/memories/a.md") "     1\tone");
}

static void a_file_is_shown_by_lines(void **state)
{
    (void)state;
    done(CREATE("/memories/f", "a\\nb\\nc\\n"), "File created successfully at: /memories/f");
    done(VIEW("/memories/f"), CONTENT("/memories/f") "     1\ta\n     2\tb\n     3\tc\n     4\t");
    done(RANGE("/memories/f", "[2,3]"), CONTENT("/memories/f") "     2\tb\n     3\tc");
    done(RANGE("/memories/f", "[2,-1]"), CONTENT("/memories/f") "     2\tb\n     3\tc\n     4\t");
    done(RANGE("/memories/f", "[-5,1]"), CONTENT("/memories/f") "     1\ta");
    done(RANGE("/memories/f", "[3,99]"), CONTENT("/memories/f") "     3\tc\n     4\t");
    done(RANGE("/memories/f", "[9,12]"), CONTENT("/memories/f"));
    done(RANGE("/memories/f", "[1]"), CONTENT("/memories/f") "     1\ta\n     2\tb\n     3\tc\n     4\t");
    expect(QUIPU_E_INVALID, RANGE("/memories/f", "[1,\\\"x\\\"]"), "");
    expect(QUIPU_E_NOT_FOUND, VIEW("/memories/none"),
           "The path /memories/none does not exist. Please provide a valid path.");
}

#define HEADER(path)                                                                                                   \
    "Here're the files and directories up to 2 levels deep in " path ", excluding hidden items:\n4K\t" path

static void a_folder_is_shown_two_levels_deep(void **state)
{
    (void)state;
    done(VIEW("/memories"), HEADER("/memories"));
    run(CREATE("/memories/b.md", "12345"));
    run(CREATE("/memories/a/x.md", ""));
    run(CREATE("/memories/a/y/z.md", "1"));
    run(CREATE("/memories/a/y/zz.md", "1"));
    run(CREATE("/memories/a/w/deep/er.md", "1"));
    run(CREATE("/memories/a.md", "1"));
    run(CREATE("/memories/.hidden", "1"));
    run(CREATE("/memories/.dir/x", "1"));
    run(CREATE("/memories/c/.hidden", "1"));
    run(CREATE("/memories/c/.d/x", "1"));
    run(CREATE("/memories/node_modules/m", "1"));
    done(VIEW("/memories/"),
         HEADER("/memories") "\n4K\t/memories/a/\n4K\t/memories/a/w/\n0B\t/memories/a/x.md\n4K\t/memories/a/y/\n"
                             "1B\t/memories/a.md\n5B\t/memories/b.md\n4K\t/memories/c/\n4K\t/memories/node_modules/\n"
                             "1B\t/memories/node_modules/m");
    done(VIEW("/memories/a"),
         HEADER("/memories/a") "\n4K\t/memories/a/w/\n4K\t/memories/a/w/deep/\n0B\t/memories/a/x.md\n"
                               "4K\t/memories/a/y/\n1B\t/memories/a/y/z.md\n1B\t/memories/a/y/zz.md");
    flags = QUIPU_FILES_DOCUMENTED;
    run(VIEW("/memories"));
    assert_non_null(strstr(answer.bytes, "excluding hidden items and node_modules:\n"));
    assert_null(strstr(answer.bytes, "/node_modules"));
}

static void sizes_have_the_unit_that_fits(void **state)
{
    static const struct {
        size_t size;
        const char *shown;
    } cases[] = { { 1023, "1023B" }, { 1024, "1K" }, { 1536, "1.5K" }, { 2000, "2.0K" }, { 524288, "512K" } };
    char *command = malloc(600000);
    (void)state;
    assert_non_null(command);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char wanted[64];
        int at = snprintf(command, 600000, "{\"command\":\"create\",\"path\":\"/memories/f%zu\",\"file_text\":\"", i);
        memset(command + at, 'x', cases[i].size);
        snprintf(command + at + cases[i].size, 8, "\"}");
        assert_int_equal(run(command), QUIPU_OK);
        run(VIEW("/memories"));
        snprintf(wanted, sizeof wanted, "\n%s\t/memories/f%zu", cases[i].shown, i);
        assert_non_null(strstr(answer.bytes, wanted));
    }
    free(command);
}

static void the_one_occurrence_is_replaced(void **state)
{
    (void)state;
    run(CREATE("/memories/f", "1\\n2\\n3\\n4\\n5\\n6\\n7\\nb b\\naaa"));
    done(REPLACE("/memories/f", "4", "four\\nand more"),
         SNIPPET "     2\t2\n     3\t3\n     4\tfour\n     5\tand more\n     6\t5");
    done(REPLACE("/memories/f", "1\\n", ""), SNIPPET "     1\t2\n     2\t3\n     3\tfour");
    done("{\"command\":\"str_replace\",\"path\":\"/memories/f\",\"old_str\":\"and more\\n\"}",
         SNIPPET "     2\t3\n     3\tfour\n     4\t5\n     5\t6\n     6\t7");
    expect(QUIPU_E_INVALID, REPLACE("/memories/f", "zz`", "x"),
           "No replacement was performed, old_str `zz`` did not appear verbatim in /memories/f.");
    expect(
        QUIPU_E_INVALID, REPLACE("/memories/f", "b", "x"),
        "No replacement was performed. Multiple occurrences of old_str `b` in lines: 7, 7. Please ensure it is unique");
    done(REPLACE("/memories/f", "aa", "c"),
         SNIPPET "     6\t7\n     7\tb b\n     8\tca"); /* overlapping ones are one */
    expect(QUIPU_E_NOT_FOUND, REPLACE("/memories/none", "a", "b"),
           "The path /memories/none does not exist. Please provide a valid path.");
    expect(QUIPU_E_INVALID, REPLACE("/memories", "a", "b"), "The path /memories is not a file.");
}

static void lines_are_inserted(void **state)
{
    (void)state;
    run(CREATE("/memories/f", "a\\nb"));
    done(INSERT("/memories/f", "1", "x\\n\\n"), "The file /memories/f has been edited.");
    done(VIEW("/memories/f"), CONTENT("/memories/f") "     1\ta\n     2\tx\n     3\tb\n     4\t");
    run(INSERT("/memories/f", "0", "top"));
    run(INSERT("/memories/f", "4", "end"));
    done(VIEW("/memories/f"),
         CONTENT("/memories/f") "     1\ttop\n     2\ta\n     3\tx\n     4\tb\n     5\tend\n     6\t");
    expect(QUIPU_E_INVALID, INSERT("/memories/f", "6", "x"),
           "Invalid `insert_line` parameter: 6. It should be within the range [0, 5].");
    expect(QUIPU_E_INVALID, INSERT("/memories/f", "-1", "x"),
           "Invalid `insert_line` parameter: -1. It should be within the range [0, 5].");
    flags = QUIPU_FILES_DOCUMENTED;
    expect(QUIPU_E_INVALID, INSERT("/memories/f", "9", "x"),
           "Invalid `insert_line` parameter: 9. It should be within the range of lines of the file: [0, 5]");
    expect(QUIPU_E_NOT_FOUND, INSERT("/memories/none", "0", "x"),
           "The path /memories/none does not exist. Please provide a valid path.");
    run(CREATE("/memories/dir/f", ""));
    expect(QUIPU_E_INVALID, INSERT("/memories/dir", "0", "x"), "The path /memories/dir is not a file.");
    done(INSERT("/memories/dir/f", "0", ""), "The file /memories/dir/f has been edited.");
    done(VIEW("/memories/dir/f"), CONTENT("/memories/dir/f") "     1\t\n     2\t");
    run(CREATE("/memories/odd", "a\\fb\\r\\nc\\n\\n")); /* only a line feed ends a line */
    expect(QUIPU_E_INVALID, INSERT("/memories/odd", "4", "x"),
           "Invalid `insert_line` parameter: 4. It should be within the range of lines of the file: [0, 3]");
    done(INSERT("/memories/odd", "0", "top"), "The file /memories/odd has been edited.");
    done(VIEW("/memories/odd"), CONTENT("/memories/odd") "     1\ttop\n     2\ta\fb\r\n     3\tc\n     4\t");
}

static void files_and_folders_are_deleted(void **state)
{
    (void)state;
    run(CREATE("/memories/a", "x"));
    run(CREATE("/memories/d/e/f", "x"));
    run(CREATE("/memories/dd", "x"));
    done(DELETE("/memories/a"), "Successfully deleted /memories/a");
    expect(QUIPU_E_NOT_FOUND, DELETE("/memories/a"), "The path /memories/a does not exist");
    done(DELETE("/memories/d/"), "Successfully deleted /memories/d");
    done(VIEW("/memories"), HEADER("/memories") "\n1B\t/memories/dd");
    static const char *const roots[] = { DELETE("/memories"), DELETE("/memories/"), DELETE("/memories//"),
                                         DELETE("/memories/.") };
    for (size_t i = 0; i < 4; i++)
        expect(QUIPU_E_INVALID, roots[i], "Cannot delete the /memories directory itself");
    done("{\"command\":\"clear_all_memory\"}", "All memory cleared");
    done(VIEW("/memories"), HEADER("/memories"));
}

static void files_and_folders_are_renamed(void **state)
{
    (void)state;
    run(CREATE("/memories/a", "text"));
    run(CREATE("/memories/d/e/f", "x"));
    run(CREATE("/memories/d/g", "y"));
    done(RENAME("/memories/a", "/memories/new/b"), "Successfully renamed /memories/a to /memories/new/b");
    done(VIEW("/memories/new/b"), CONTENT("/memories/new/b") "     1\ttext");
    done(RENAME("/memories/d", "/memories/h"), "Successfully renamed /memories/d to /memories/h");
    done(VIEW("/memories/h/e/f"), CONTENT("/memories/h/e/f") "     1\tx");
    expect(QUIPU_E_NOT_FOUND, RENAME("/memories/d", "/memories/i"), "The path /memories/d does not exist");
    expect(QUIPU_E_EXISTS, RENAME("/memories/none", "/memories/h"), "The destination /memories/h already exists");
    expect(QUIPU_E_EXISTS, RENAME("/memories/h", "/memories"), "The destination /memories already exists");
    expect(QUIPU_E_INVALID, RENAME("/memories/", "/memories/x"), "Cannot rename the /memories directory itself");
    expect(QUIPU_E_INVALID, RENAME("/memories/h", "/memories/h/in"),
           "Cannot rename /memories/h into itself: /memories/h/in");
    expect(QUIPU_E_INVALID, RENAME("/memories/h", "/memories/new/b/x"), "The path /memories/new/b is not a directory");
}

static void nothing_is_outside_of_the_root(void **state)
{
    static const char *const out[] = {
        "/memories/../x",  "/memories/a/..", "/memories/%2e%2e/x", "/memories/%2E./x", "/memories/a%2f..%2f..%2fx",
        "/memories/a%5cb", "/memories/a%00b"
    };
    static const char *const wrong[] = { "/etc/passwd", "memories/a", "", "/memoriesX", "/memor" };
    char command[200], text[200];
    (void)state;
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++) {
        snprintf(command, sizeof command, VIEW("%s"), out[i]);
        snprintf(text, sizeof text, "Path %s would escape /memories directory", out[i]);
        expect(QUIPU_E_INVALID, command, text);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(command, sizeof command, VIEW("%s"), wrong[i]);
        snprintf(text, sizeof text, "Path must start with /memories, got: %s", wrong[i]);
        expect(QUIPU_E_INVALID, command, text);
    }
    expect(QUIPU_E_INVALID, VIEW("/memories/a\\\\b"), "Path /memories/a\\b would escape /memories directory");
    expect(QUIPU_E_INVALID, RENAME("/memories/a", "/memories/../b"),
           "Path /memories/../b would escape /memories directory");
    done(CREATE("/memories//x/./y", "1"), "File created successfully at: /memories//x/./y");
    done(VIEW("/memories/x/y"), CONTENT("/memories/x/y") "     1\t1");
    done(CREATE("/memories/...", "1"), "File created successfully at: /memories/...");
}

static void what_is_no_command_is_refused(void **state)
{
    (void)state;
    expect(QUIPU_E_INVALID, "{\"command\":\"fly\"}", "Unknown command: fly");
    static const char *const wrong[][2] = { { "{}", "command" },
                                            { "{\"command\":\"view\"}", "path" },
                                            { "{\"command\":\"view\",\"path\":7}", "path" },
                                            { "{\"command\":\"create\",\"path\":\"/memories/a\"}", "file_text" },
                                            { "{\"command\":\"str_replace\",\"path\":\"/memories/a\"}", "old_str" },
                                            { "{\"command\":\"insert\",\"path\":\"/memories/a\"}", "insert_text" },
                                            { "{\"command\":\"insert\",\"path\":\"/memories/a\",\"insert_text\":\"\"}",
                                              "insert_line" },
                                            { "{\"command\":\"rename\",\"old_path\":\"/memories/a\"}", "new_path" } };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        expect(QUIPU_E_INVALID, wrong[i][0], "");
        assert_string_equal(fault.field, wrong[i][1]);
    }
    quipu_str text = str_of(VIEW("/memories"));
    assert_int_equal(quipu_files_json(client.q, NULL, 0, NULL, collect, &answer, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(quipu_files_json(client.q, &text, 0, NULL, NULL, NULL, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(quipu_files_json(client.q, &text, 2, NULL, collect, &answer, NULL, NULL), QUIPU_E_INVALID);
}

static void each_scope_has_its_own_tree(void **state)
{
    (void)state;
    run(CREATE("/memories/a", "everybody's"));
    scope.user = str_of("a/b,c%");
    done(VIEW("/memories"), HEADER("/memories"));
    done(CREATE("/memories/a", "mine"), "File created successfully at: /memories/a");
    done(VIEW("/memories/a"), CONTENT("/memories/a") "     1\tmine");
    done("{\"command\":\"clear_all_memory\"}", "All memory cleared");
    scope.user = (quipu_str){ NULL, 0 };
    done(VIEW("/memories/a"), CONTENT("/memories/a") "     1\teverybody's");
}

static void the_tool_says_why_it_failed(void **state)
{
    char arguments[1200], old[1000];
    (void)state;
    assert_string_equal(mcp_tool_text(&client, "memory", CREATE("/memories/a", "x")),
                        "File created successfully at: /memories/a");
    assert_false(client.failed);
    assert_string_equal(mcp_tool_text(&client, "memory", CREATE("/memories/a", "x")),
                        "File /memories/a already exists");
    assert_true(client.failed);
    memset(old, 'o', sizeof old - 1);
    old[sizeof old - 1] = '\0';
    snprintf(arguments, sizeof arguments, REPLACE("/memories/a", "%s", ""), old);
    const char *text = mcp_tool_text(&client, "memory", arguments);
    assert_true(client.failed);
    assert_non_null(strstr(text, "` did not appear verbatim in /memories/a."));
    mcp_tool_text(&client, "memory", "{\"command\":\"clear_all_memory\"}"); /* is none of the model's */
    assert_true(client.failed);
}

enum { WRITERS = 3, EACH = 6 };

static void *insert_some(void *context)
{
    char command[160];
    for (int i = 0; i < EACH; i++) {
        buffer out = { 0 };
        quipu_error error = { .struct_size = sizeof error };
        snprintf(command, sizeof command, INSERT("/memories/f", "0", "%c%d"), *(const char *)context, i);
        quipu_str text = str_of(command);
        if (quipu_files_json(client.q, &text, 0, NULL, collect, &out, NULL, &error) != QUIPU_OK)
            fprintf(stderr, "%s\n", error.message);
        buffer_free(&out);
    }
    return NULL;
}

static void no_line_is_lost_beside_others(void **state)
{
    static const char names[WRITERS] = { 'a', 'b', 'c' };
    pthread_t threads[WRITERS];
    int lines = 0;
    (void)state;
    run(CREATE("/memories/f", ""));
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, insert_some, (void *)(uintptr_t)&names[i]), 0);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    run(VIEW("/memories/f"));
    for (const char *at = answer.bytes; (at = strchr(at, '\t')) != NULL; at++)
        lines++;
    assert_int_equal(lines, WRITERS * EACH + 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(a_file_is_created_once),        T(a_file_is_shown_by_lines),       T(a_folder_is_shown_two_levels_deep),
        T(sizes_have_the_unit_that_fits), T(the_one_occurrence_is_replaced), T(lines_are_inserted),
        T(files_and_folders_are_deleted), T(files_and_folders_are_renamed),  T(nothing_is_outside_of_the_root),
        T(what_is_no_command_is_refused), T(each_scope_has_its_own_tree),    T(the_tool_says_why_it_failed),
        T(no_line_is_lost_beside_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
