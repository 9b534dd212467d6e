/* test_host.c - opening and closing stores: settings, services, forks, plugins that misbehave. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <fcntl.h>
#include <pthread.h>
#include <quipu.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/quipu-host-XXXXXX";
static char mutants[512];
static char logged[8000]; /* what the log heard in this test, a line each */

static void hear(void *context, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    size_t len = strlen(logged);
    (void)context, (void)level;
    snprintf(logged + len, sizeof logged - len, "%.*s: %.*s\n", (int)component->len, component->ptr, (int)message->len,
             message->ptr);
}

static int begin(void **state)
{
    const char *build = getenv("BUILD");
    (void)state;
    snprintf(mutants, sizeof mutants, "%s/mutants", build ? build : "build");
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    char command[600];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

static int clear_log(void **state)
{
    (void)state;
    logged[0] = '\0';
    return 0;
}

static quipu_options options_for(const char *store, const char *backend)
{
    return (quipu_options){ .struct_size = sizeof(quipu_options),
                            .store = str_of(store),
                            .backend = str_of(backend),
                            .plugin_path = str_of(mutants),
                            .log = hear };
}

/* A store's path in the test's folder. */
static const char *store_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A folder, as a backend that keeps files would have made it. */
static const char *store_folder(const char *name)
{
    const char *path = store_path(name);
    assert_int_equal(mkdir(path, 0700), 0);
    return path;
}

/* The null backend lies in many of the mutants: this takes the file that is given. */
static const char *only(const char *mutant)
{
    static char path[512];
    char command[3000];
    snprintf(path, sizeof path, "%s/only-%s", folder, mutant);
    if (access(path, F_OK) == 0)
        return path; /* copying again would write into what is mapped */
    snprintf(command, sizeof command, "mkdir -p '%s' && cp '%s/%s.so' '%s/' && chmod 700 '%s' '%s/%s.so'", path,
             mutants, mutant, path, path, path, mutant);
    assert_int_equal(system(command), 0);
    return path;
}

static quipu *open_null(const char *mutant, const char *store, const char *embedder)
{
    quipu *q = NULL;
    quipu_error error = { .struct_size = sizeof error };
    quipu_options o = options_for(store, "null");
    o.plugin_path = str_of(only(mutant));
    o.embedder = str_of(embedder);
    if (quipu_open(&o, &q, &error) != QUIPU_OK)
        fail_msg("%s", error.message);
    return q;
}

static int32_t open_fails(quipu_options *o, quipu_error *error)
{
    quipu *q = (quipu *)(void *)folder;
    *error = (quipu_error){ .struct_size = sizeof *error };
    int32_t code = quipu_open(o, &q, error);
    assert_null(q);
    assert_int_equal(code, error->code);
    assert_int_not_equal(code, QUIPU_OK);
    return code;
}

/* The figure of that name. */
typedef struct wanted {
    const char *name;
    int64_t value;
} wanted;

static int32_t pick(void *context, const quipu_stat *stat)
{
    wanted *w = context;
    if (str_same(stat->name, str_of(w->name)))
        w->value = stat->value;
    return 0;
}

static int64_t figure(quipu *q, const char *name)
{
    wanted w = { name, INT64_MIN };
    assert_int_equal(quipu_read_stats(q, pick, &w, NULL, NULL), QUIPU_OK);
    return w.value;
}

/* ---- opening ---- */

static void a_store_opens_and_closes(void **state)
{
    quipu_error error = { .struct_size = sizeof error };
    (void)state;
    quipu *q = open_null("good", store_path("plain"), NULL);
    assert_string_equal(quipu_backend_name(q), "null");
    assert_string_equal(quipu_store_path(q), store_path("plain"));
    assert_int_equal(quipu_flush(q, NULL, &error), QUIPU_OK);
    assert_int_equal(quipu_close(q, &error), QUIPU_OK);
    assert_int_equal(quipu_close(NULL, &error), QUIPU_OK);
}

static void parents_of_a_store_are_made(void **state)
{
    struct stat s;
    (void)state;
    quipu *q = open_null("good", store_path("a/b/c"), NULL);
    quipu_close(q, NULL);
    assert_int_equal(stat(store_path("a/b"), &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    quipu_error error;
    quipu_options o = options_for(store_path("x/y/z"), "null");
    o.flags = QUIPU_OPEN_NO_CREATE;
    assert_int_equal(open_fails(&o, &error), QUIPU_E_NOT_FOUND);
    assert_int_not_equal(stat(store_path("x"), &s), 0);
}

static void bad_options_are_refused_by_name(void **state)
{
    quipu_error error;
    quipu_options o = options_for(store_path("bad"), "null");
    (void)state;
    o.struct_size = 8;
    assert_int_equal(open_fails(&o, &error), QUIPU_E_INVALID);
    o = options_for(store_path("bad"), "null");
    o.flags = 0x40;
    assert_int_equal(open_fails(&o, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "flags");
    o = options_for(store_path("bad"), "../null");
    assert_int_equal(open_fails(&o, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "backend");
    o = options_for(store_path("bad"), "null");
    o.store = (quipu_str){ "/tmp/a\0b", 8 };
    assert_int_equal(open_fails(&o, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "store");
    o.store = (quipu_str){ "", 0 };
    assert_int_equal(open_fails(&o, &error), QUIPU_E_INVALID);
    o = options_for(store_path("bad"), "null");
    o.backend_config = str_of("[1]");
    assert_int_equal(open_fails(&o, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "backend_config");
    o = options_for(store_path("bad"), "null");
    o.author = str_of("eve\nRecord: forged");
    assert_int_equal(open_fails(&o, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "author");
}

static void options_of_a_later_version_are_refused_where_they_matter(void **state)
{
    struct {
        quipu_options o;
        uint64_t later;
    } big = { options_for(store_path("later"), "null"), 0 };
    quipu_error error;
    quipu *q;
    (void)state;
    big.o.struct_size = sizeof big;
    big.o.plugin_path = str_of(only("good"));
    assert_int_equal(quipu_open(&big.o, &q, NULL), QUIPU_OK);
    quipu_close(q, NULL);
    big.later = 1;
    assert_int_equal(open_fails(&big.o, &error), QUIPU_E_INVALID);
}

static void a_missing_backend_is_named(void **state)
{
    quipu_error error;
    quipu_options o = options_for(store_path("none"), "nosuch");
    (void)state;
    o.plugin_path = str_of(only("good"));
    assert_int_equal(open_fails(&o, &error), QUIPU_E_NOT_FOUND);
    assert_string_equal(error.field, "backend");
    assert_non_null(strstr(error.message, "\"nosuch\""));
    o = options_for(store_path("none"), "null");
    o.plugin_path = str_of(only("good"));
    o.embedder = str_of("nosuch");
    assert_int_equal(open_fails(&o, &error), QUIPU_E_NOT_FOUND);
    assert_string_equal(error.field, "embedder");
}

static void every_fault_of_a_refused_plugin_is_logged(void **state)
{
    quipu_error error;
    quipu_options o = options_for(store_path("faults"), "many");
    (void)state;
    assert_int_equal(open_fails(&o, &error), QUIPU_E_PLUGIN);
    assert_non_null(strstr(error.message, "many.so refused: entry: unknown flags 0x80 (and 3 more"));
    assert_non_null(strstr(logged, "unknown flags 0x80"));
    assert_non_null(strstr(logged, "version is missing"));
    assert_non_null(strstr(logged, "deinit without init"));
    assert_non_null(strstr(logged, "get_factory is missing"));
    o = options_for(store_path("faults"), "newer_major");
    assert_int_equal(open_fails(&o, &error), QUIPU_E_ABI);
    assert_non_null(strstr(error.message, "1.2 to 1.2, this host 0.1 to 0.1"));
}

static void half_an_extension_is_refused_at_open(void **state)
{
    quipu_error error;
    quipu_options o = options_for(store_path("half"), "null");
    (void)state;
    o.plugin_path = str_of(only("half_history"));
    assert_int_equal(open_fails(&o, &error), QUIPU_E_PLUGIN);
    assert_non_null(strstr(logged, "quipu.history/1: the mandatory slot diff is missing"));
    assert_non_null(strstr(logged, "revert without restore"));
}

static void misbehaviour_of_a_plugin_becomes_an_error(void **state)
{
    static const struct {
        const char *mutant;
        int32_t code;
        const char *message;
    } rows[] = {
        { "init_fails", QUIPU_E_IO, "the moon is in the wrong phase" },
        { "init_chooses", QUIPU_E_ABI, "chose ABI 9.9, outside of its own range 0.1 to 0.1 or the host's 0.1 to 0.1" },
        { "create_lies", QUIPU_E_PLUGIN, "gave no instance" },
        { "open_positive", QUIPU_E_PLUGIN, "answered 7" },
        { "open_silent", QUIPU_E_IO, "reading or writing failed" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        quipu_error error;
        quipu_options o = options_for(store_path("mis"), "null");
        o.plugin_path = str_of(only(rows[i].mutant));
        assert_int_equal(open_fails(&o, &error), rows[i].code);
        if (!strstr(error.message, rows[i].message))
            fail_msg("%s: %s", rows[i].mutant, error.message);
    }
}

static void a_file_that_replaced_a_loaded_one_is_refused(void **state)
{
    char command[3000];
    quipu_error error;
    (void)state;
    quipu_close(open_null("replaceable", store_path("replaced"), NULL), NULL);
    snprintf(command, sizeof command, "cd '%s' && cp replaceable.so new && mv new replaceable.so", only("replaceable"));
    assert_int_equal(system(command), 0);
    quipu_options o = options_for(store_path("replaced"), "null");
    o.plugin_path = str_of(only("replaceable"));
    assert_int_equal(open_fails(&o, &error), QUIPU_E_NOT_FOUND);
    assert_non_null(strstr(logged, "was replaced after this process had loaded it"));
}

/* ---- settings ---- */

static void a_store_remembers_what_it_was_made_with(void **state)
{
    struct stat s;
    char path[600], store[512];
    quipu *q;
    (void)state;
    snprintf(store, sizeof store, "%s", store_folder("remember"));
    quipu_close(open_null("good", store, "ones"), NULL);
    snprintf(path, sizeof path, "%s/quipu-store.json", store);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0600);
    quipu_options o = { .struct_size = sizeof o, .store = str_of(store), .plugin_path = str_of(only("good")) };
    assert_int_equal(quipu_open(&o, &q, NULL), QUIPU_OK);
    assert_string_equal(quipu_backend_name(q), "null");
    assert_int_equal(figure(q, "embed_two"), 300);
    quipu_close(q, NULL);
    o.embedder = str_of("none");
    o.log = hear;
    assert_int_equal(quipu_open(&o, &q, NULL), QUIPU_OK);
    assert_int_equal(figure(q, "embed_two"), -1);
    quipu_close(q, NULL);
}

static void an_embedders_settings_are_remembered_with_it(void **state)
{
    char store[512];
    quipu *q;
    (void)state;
    snprintf(store, sizeof store, "%s", store_folder("embedder"));
    quipu_options o = options_for(store, "null");
    o.plugin_path = str_of(only("good"));
    o.embedder = str_of("ones");
    o.embedder_config = str_of("{\"seven\": 7}");
    assert_int_equal(quipu_open(&o, &q, NULL), QUIPU_OK);
    quipu_close(q, NULL);
    o.backend = o.embedder = o.embedder_config = (quipu_str){ NULL, 0 };
    assert_int_equal(quipu_open(&o, &q, NULL), QUIPU_OK);
    assert_int_equal(figure(q, "config_length"), (int64_t)strlen("{\"seven\":7}"));
    quipu_close(q, NULL);
}

static void another_backend_than_the_stores_own_is_refused(void **state)
{
    char store[512];
    quipu_error error;
    (void)state;
    snprintf(store, sizeof store, "%s", store_folder("other"));
    quipu_close(open_null("good", store, NULL), NULL);
    quipu_options o = options_for(store, "git");
    assert_int_equal(open_fails(&o, &error), QUIPU_E_INVALID);
    assert_string_equal(error.field, "backend");
}

static void damaged_or_newer_settings_are_refused(void **state)
{
    static const char *const texts[] = { "",
                                         "[]",
                                         "{\"format\":2}",
                                         "{\"format\":1,\"backend\":7}",
                                         "{\"format\":1,\"later\":true}",
                                         "{\"format\":1,\"backend_config\":\"x\"}" };
    char store[512], path[600];
    (void)state;
    snprintf(store, sizeof store, "%s", store_folder("damaged"));
    snprintf(path, sizeof path, "%s/quipu-store.json", store);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        quipu_error error;
        quipu_options o = options_for(store, "null");
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(texts[i], file);
        fclose(file);
        if (open_fails(&o, &error) != QUIPU_E_FORMAT)
            fail_msg("%s: %s", texts[i], error.message);
    }
}

static void reading_only_leaves_no_settings_behind(void **state)
{
    struct stat s;
    char store[512], path[600];
    quipu *q;
    (void)state;
    snprintf(store, sizeof store, "%s", store_folder("readonly"));
    quipu_options o = options_for(store, "null");
    o.plugin_path = str_of(only("good"));
    o.flags = QUIPU_OPEN_READ_ONLY;
    assert_int_equal(quipu_open(&o, &q, NULL), QUIPU_OK);
    quipu_close(q, NULL);
    snprintf(path, sizeof path, "%s/quipu-store.json", store);
    assert_int_not_equal(stat(path, &s), 0);
}

static void a_folder_full_of_something_else_gets_no_settings(void **state)
{
    struct stat s;
    char store[512], path[600];
    (void)state;
    snprintf(store, sizeof store, "%s", store_folder("home"));
    snprintf(path, sizeof path, "%s/diary", store);
    assert_int_equal(mkdir(path, 0700), 0);
    quipu_close(open_null("good", store, NULL), NULL);
    snprintf(path, sizeof path, "%s/quipu-store.json", store);
    assert_int_not_equal(stat(path, &s), 0);
}

/* ---- services, init, threads ---- */

static const void *offer_completion(void *context, const quipu_str *id)
{
    static const quipu_complete_service complete = { .struct_size = sizeof complete };
    (void)context;
    return QUIPU_IS(id, QUIPU_SERVICE_COMPLETE) ? &complete : NULL;
}

static void plugins_see_the_promised_services(void **state)
{
    quipu *q = open_null("good", store_path("services"), NULL);
    (void)state;
    assert_int_equal(figure(q, "random_works"), 1);
    assert_true(figure(q, "now") > 1600000000000000);
    assert_true(figure(q, "monotonic") > 0);
    assert_int_equal(figure(q, "complete"), 0);
    assert_int_equal(figure(q, "trailing"), 0);
    assert_int_equal(figure(q, "null_id"), 0);
    assert_int_equal(figure(q, "embed_two"), -1);
    assert_non_null(strstr(logged, "null: stats were asked for"));
    quipu_close(q, NULL);

    quipu_options o = options_for(store_path("services"), "null");
    o.plugin_path = str_of(only("good"));
    o.services = offer_completion;
    assert_int_equal(quipu_open(&o, &q, NULL), QUIPU_OK);
    assert_int_equal(figure(q, "complete"), 1);
    quipu_close(q, NULL);
}

static void init_runs_once_for_all_handles(void **state)
{
    quipu *a = open_null("good", store_path("count-a"), "ones");
    int64_t inits = figure(a, "inits"), deinits = figure(a, "deinits");
    (void)state;
    assert_int_equal(inits, deinits + 1);
    quipu *b = open_null("good", store_path("count-b"), NULL);
    assert_int_equal(figure(b, "inits"), inits);
    quipu_close(a, NULL);
    assert_int_equal(figure(b, "deinits"), deinits);
    quipu_close(b, NULL);
    b = open_null("good", store_path("count-b"), NULL);
    assert_int_equal(figure(b, "inits"), inits + 1);
    assert_int_equal(figure(b, "deinits"), deinits + 1);
    quipu_close(b, NULL);
}

static void *ask_for_stats(void *context)
{
    figure(context, "records"); /* registers a notification for this thread */
    return NULL;
}

static void plugins_hear_that_a_thread_ends(void **state)
{
    pthread_t thread;
    quipu *q = open_null("good", store_path("threads"), NULL);
    (void)state;
    int64_t before = figure(q, "threads_ended");
    assert_int_equal(pthread_create(&thread, NULL, ask_for_stats, q), 0);
    pthread_join(thread, NULL);
    assert_int_equal(figure(q, "threads_ended"), before + 1);
    quipu_close(q, NULL); /* calls the rest */
}

/* ---- enter, fork ---- */

static void a_lease_holds_the_backend(void **state)
{
    quipu *q = open_null("good", store_path("lease"), NULL);
    quipu_lease lease = { .struct_size = sizeof lease };
    (void)state;
    assert_int_equal(quipu_enter(q, &lease, NULL), QUIPU_OK);
    assert_int_equal(lease.api->flush(lease.self, NULL, NULL), QUIPU_OK);
    quipu_leave(q, &lease);
    assert_null(lease.token);
    lease.struct_size = 4;
    assert_int_equal(quipu_enter(q, &lease, NULL), QUIPU_E_INVALID);
    quipu_close(q, NULL);
}

/* Runs in the child; the answer is its exit status: 0, or the number of the step that failed. */
static int use_in_child(quipu *old, const char *mutant, int32_t expected)
{
    quipu *q;
    quipu_error error = { .struct_size = sizeof error };
    quipu_lease lease = { .struct_size = sizeof lease };
    char plugins[512];
    snprintf(plugins, sizeof plugins, "%s/only-%s", folder, mutant);
    quipu_options o = options_for(store_path("child"), "null");
    o.plugin_path = str_of(plugins);
    if (quipu_flush(old, NULL, &error) != QUIPU_E_FORKED || error.code != QUIPU_E_FORKED)
        return 1;
    if (quipu_enter(old, &lease, NULL) != QUIPU_E_FORKED)
        return 2;
    if (quipu_close(old, NULL) != QUIPU_OK)
        return 3;
    if (quipu_open(&o, &q, &error) != expected)
        return 4;
    return expected == QUIPU_OK && (quipu_flush(q, NULL, NULL) != QUIPU_OK || quipu_close(q, NULL) != QUIPU_OK) ? 5 : 0;
}

static int fork_and_use(quipu *q, const char *mutant, int32_t expected)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(use_in_child(q, mutant, expected));
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void a_forked_child_is_told_and_may_open_again(void **state)
{
    quipu *q = open_null("good", store_path("fork"), NULL);
    (void)state;
    assert_int_equal(fork_and_use(q, "good", QUIPU_OK), 0);
    assert_int_equal(quipu_flush(q, NULL, NULL), QUIPU_OK); /* the parent goes on */
    quipu_close(q, NULL);
}

static void a_child_may_not_use_a_plugin_that_is_not_fork_safe(void **state)
{
    quipu *q = open_null("not_fork_safe", store_path("unsafe"), NULL);
    (void)state;
    assert_int_equal(fork_and_use(q, "not_fork_safe", QUIPU_E_FORKED), 0);
    quipu_close(q, NULL);
}

#define LOCAL(test) cmocka_unit_test_setup(test, clear_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCAL(a_store_opens_and_closes),
        LOCAL(parents_of_a_store_are_made),
        LOCAL(bad_options_are_refused_by_name),
        LOCAL(options_of_a_later_version_are_refused_where_they_matter),
        LOCAL(a_missing_backend_is_named),
        LOCAL(every_fault_of_a_refused_plugin_is_logged),
        LOCAL(half_an_extension_is_refused_at_open),
        LOCAL(misbehaviour_of_a_plugin_becomes_an_error),
        LOCAL(a_file_that_replaced_a_loaded_one_is_refused),
        LOCAL(a_store_remembers_what_it_was_made_with),
        LOCAL(an_embedders_settings_are_remembered_with_it),
        LOCAL(another_backend_than_the_stores_own_is_refused),
        LOCAL(damaged_or_newer_settings_are_refused),
        LOCAL(reading_only_leaves_no_settings_behind),
        LOCAL(a_folder_full_of_something_else_gets_no_settings),
        LOCAL(plugins_see_the_promised_services),
        LOCAL(init_runs_once_for_all_handles),
        LOCAL(plugins_hear_that_a_thread_ends),
        LOCAL(a_lease_holds_the_backend),
        LOCAL(a_forked_child_is_told_and_may_open_again),
        LOCAL(a_child_may_not_use_a_plugin_that_is_not_fork_safe),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
