/* test_embed_thread.c - what sdk/embed_thread.h promises: vectors follow the writes, whatever the embedder does, and whoever else is at it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <quipu.h>
#include <pthread.h>
#include <sdk/embed_thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <tests/support/letters.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

static char folder[128];

static int begin(void **state)
{
    (void)state;
    scratch_make(folder);
    letters_reset();
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static void a_moment(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* What is waited for comes; how fast the machine is does not matter. */
#define UNTIL(condition)                                                                                               \
    for (int tries = 0; !(condition); tries++) {                                                                       \
        assert_true(tries < 60000);                                                                                    \
        a_moment();                                                                                                    \
    }

/* ---- an owner of one index ---- */

struct quipu_backend {
    record_index *index;
    embed_thread *thread;
};

static int32_t take(quipu_backend *self, quipu_str as_of, record_index **out, void **held, int64_t *moment,
                    quipu_error *error)
{
    (void)as_of, (void)error;
    *moment = QUIPU_TIME_NONE;
    *out = self->index;
    *held = NULL;
    return QUIPU_OK;
}

static void give(void *held)
{
    (void)held;
}

static void distrust(quipu_backend *self)
{
    (void)self;
}

static embed_thread *follower(quipu_backend *self)
{
    return self->thread;
}

static const index_owner owner = { take, give, distrust, follower };

static void put(quipu_backend *b, const char *id, const char *text)
{
    char json[256];
    record *r = NULL;
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"text\":\"%s\"}", id, text);
    assert_int_equal(record_decode(str_of(json), NULL, &r, NULL), QUIPU_OK);
    assert_int_equal(record_index_put(b->index, r, NULL), QUIPU_OK);
    record_free(r);
    embed_thread_wake(b->thread);
}

static void start(quipu_backend *b)
{
    assert_int_equal(record_index_create(&letters_host, &b->index, NULL), QUIPU_OK);
    assert_int_equal(record_index_vectors_in(b->index, folder, false, NULL), QUIPU_OK);
    b->thread = embed_thread_begin(&owner, b, &letters_host);
    assert_non_null(b->thread);
}

static void stop(quipu_backend *b)
{
    embed_thread_end(b->thread);
    record_index_free(b->index);
}

static quipu_vectors_state state_of(quipu_backend *b)
{
    quipu_vectors_state now = { .struct_size = sizeof now };
    assert_int_equal(record_index_show_vectors(b->index, &now, NULL, NULL), QUIPU_OK);
    return now;
}

static int32_t count_hit(void *context, const quipu_hit *hit)
{
    (void)hit;
    ++*(int *)context;
    return 0;
}

static int found(quipu_backend *b, const char *text, uint32_t flags)
{
    quipu_search q = { .struct_size = sizeof q, .flags = flags, .text = str_of(text), .k = 10 };
    int hits = 0;
    assert_int_equal(index_owner_search(&owner, b, &q, count_hit, &hits, NULL, NULL), QUIPU_OK);
    return hits;
}

/* ---- following ---- */

static void vectors_follow_writes_that_nobody_waits_for(void **state)
{
    quipu_backend b;
    (void)state;
    start(&b);
    put(&b, "p", "aab");
    put(&b, "q", "cd");
    UNTIL(state_of(&b).pending == 0);
    put(&b, "r", "ffg");
    UNTIL(state_of(&b).pending == 0);
    assert_int_equal(the_letters.passages, 3);
    assert_int_equal(state_of(&b).passages, 3);
    stop(&b);
    start(&b); /* and none of them is made again */
    put(&b, "p", "aab");
    put(&b, "s", "eee");
    UNTIL(state_of(&b).pending == 0);
    assert_int_equal(the_letters.passages, 4);
    stop(&b);
}

static void without_an_embedder_there_is_no_thread(void **state)
{
    (void)state;
    assert_null(embed_thread_begin(&owner, NULL, &plain_host));
    assert_null(embed_thread_begin(&owner, NULL, NULL));
    embed_thread_wake(NULL);
    embed_thread_end(NULL);
}

static void closing_ends_what_the_embedder_is_at(void **state)
{
    quipu_backend b;
    (void)state;
    the_letters.holds = true;
    start(&b);
    put(&b, "p", "aab");
    UNTIL(atomic_load(&the_letters.held));
    assert_int_equal(state_of(&b).pending, 1);
    stop(&b); /* else it would never end */
    assert_int_equal(the_letters.passages, 0);
}

/* ---- an embedder that fails, or is slow ---- */

static void a_failure_is_told_and_made_good(void **state)
{
    quipu_backend b;
    (void)state;
    the_letters.answer = QUIPU_E_NETWORK;
    start(&b);
    put(&b, "p", "aab bed");
    UNTIL(state_of(&b).failed_at != 0);
    assert_string_equal(state_of(&b).failure, "the letters answer -23");
    assert_int_equal(state_of(&b).pending, 1);
    assert_int_equal(found(&b, "bed", 0), 1); /* by its words */
    quipu_backend other = { 0 };              /* as another process sees it */
    assert_int_equal(record_index_create(&letters_host, &other.index, NULL), QUIPU_OK);
    assert_int_equal(record_index_vectors_in(other.index, folder, true, NULL), QUIPU_OK);
    assert_string_equal(state_of(&other).failure, "the letters answer -23");
    record_index_free(other.index);
    the_letters.answer = QUIPU_OK;
    UNTIL(state_of(&b).pending == 0 && state_of(&b).failed_at == 0); /* by itself */
    assert_string_equal(state_of(&b).failure, "");
    stop(&b);
}

static void an_embedder_that_failed_is_not_asked_by_each_search(void **state)
{
    quipu_backend b;
    bool rested = false;
    (void)state;
    start(&b);
    put(&b, "p", "bed");
    UNTIL(state_of(&b).pending == 0);
    for (int i = 0; i < 100 && !rested; i++) { /* once it is quicker than the rest of a second */
        the_letters.answer = QUIPU_E_NETWORK;
        assert_int_equal(found(&b, "bed", 0), 1);
        the_letters.answer = QUIPU_OK;
        the_letters.questions = 0;
        assert_int_equal(found(&b, "bed", 0), 1);
        rested = the_letters.questions == 0;
    }
    assert_true(rested);
    assert_int_equal(found(&b, "ccc", QUIPU_SEARCH_WAIT), 1); /* who waits asks it all the same */
    the_letters.questions = 0;
    assert_int_equal(found(&b, "ccc", 0), 1); /* and it is trusted again: they have no word in common */
    assert_int_equal(the_letters.questions, 1);
    stop(&b);
}

static void a_search_goes_on_while_the_embedder_is_slow(void **state)
{
    quipu_backend b;
    (void)state;
    the_letters.holds = true;
    start(&b);
    put(&b, "p", "bed");
    UNTIL(atomic_load(&the_letters.held));
    assert_int_equal(found(&b, "bed", 0), 1);
    assert_int_equal(state_of(&b).pending, 1);
    the_letters.holds = false;
    assert_int_equal(found(&b, "bed", QUIPU_SEARCH_WAIT), 1);
    assert_int_equal(state_of(&b).pending, 0);
    stop(&b);
}

/* ---- several at once ---- */

enum { TEXTS = 300, BATCH = 3 };

static void put_many(quipu_backend *b)
{
    for (int i = 0; i < TEXTS; i++) {
        char id[16], text[32];
        snprintf(id, sizeof id, "r%d", i);
        snprintf(text, sizeof text, "%d %c", i, 'a' + i % 8);
        put(b, id, text);
    }
}

static void embed_beside_another(void)
{
    quipu_backend b;
    start(&b);
    put_many(&b);
    UNTIL(state_of(&b).pending == 0);
    stop(&b);
}

/* Of all processes that are forked from now on. */
static atomic_int *shared_counter(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s/counter", folder);
    FILE *f = fopen(path, "w+");
    assert_non_null(f);
    assert_int_equal(fwrite("\0\0\0\0\0\0\0", 1, sizeof(atomic_int), f), sizeof(atomic_int));
    assert_int_equal(fflush(f), 0);
    void *counter = mmap(NULL, sizeof(atomic_int), PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    assert_true(counter != MAP_FAILED);
    fclose(f);
    return counter;
}

static void two_processes_share_the_work(void **state)
{
    pid_t children[2];
    int status;
    (void)state;
    atomic_int *made = shared_counter();
    the_letters.of_all = made;
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            embed_beside_another();
            _exit(0);
        }
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_in_range(*made, TEXTS, TEXTS + BATCH);
    the_letters.of_all = NULL;
    the_letters.passages = 0;
    quipu_backend b;
    start(&b);
    put_many(&b);
    assert_int_equal(state_of(&b).pending, 0); /* all of them are there, and whole */
    assert_int_equal(state_of(&b).vectors, TEXTS);
    stop(&b);
    munmap(made, sizeof *made);
}

static void a_forked_child_can_let_go(void **state)
{
    quipu_backend b;
    int status;
    (void)state;
    the_letters.holds = true;
    start(&b);
    put(&b, "p", "aab");
    UNTIL(atomic_load(&the_letters.held)); /* the thread has the turn, and is not there in the child */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        stop(&b);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    the_letters.holds = false;
    UNTIL(state_of(&b).pending == 0);
    stop(&b);
}

static void *write_some(void *context)
{
    quipu_backend *b = context;
    for (int i = 0; i < 60; i++) {
        char id[16], text[32];
        snprintf(id, sizeof id, "w%d", i % 40);
        snprintf(text, sizeof text, "%d fed", i);
        put(b, id, text);
        if (i % 10 == 0)
            a_moment();
    }
    return NULL;
}

static void *search_some(void *context)
{
    quipu_backend *b = context;
    for (int i = 0; i < 30; i++)
        if (found(b, "fed", i % 7 == 0 ? QUIPU_SEARCH_WAIT : 0) < 0)
            return "never";
    return NULL;
}

static void writers_and_searches_go_on_beside_it(void **state)
{
    quipu_backend b;
    pthread_t writer, searches[2];
    (void)state;
    start(&b);
    assert_int_equal(pthread_create(&writer, NULL, write_some, &b), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&searches[i], NULL, search_some, &b), 0);
    pthread_join(writer, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(searches[i], NULL);
    UNTIL(state_of(&b).pending == 0);
    assert_int_equal(state_of(&b).passages, 40);
    stop(&b);
}

/* ---- every backend ---- */

static quipu *open_store(const char *backend, const char *config)
{
    char plugins[1024], path[256];
    const char *build = getenv("BUILD");
    quipu *q = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, backend);
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    quipu_options o = { .struct_size = sizeof o,
                        .store = str_of(path),
                        .backend = str_of(backend),
                        .backend_config = str_of(config),
                        .embedder = str_of("hash"),
                        .plugin_path = str_of(plugins) };
    quipu_error error = { .struct_size = sizeof error };
    int32_t code = quipu_open(&o, &q, &error);
    if (code != QUIPU_OK)
        print_error("%s: %s\n", backend, error.message);
    assert_int_equal(code, QUIPU_OK);
    return q;
}

static uint64_t pending(quipu *q)
{
    quipu_vectors_state now = { .struct_size = sizeof now };
    assert_int_equal(quipu_read_vectors(q, &now, NULL, NULL), QUIPU_OK);
    return now.pending;
}

static void add(quipu *q, const char *json)
{
    quipu_str text = str_of(json);
    assert_int_equal(quipu_put_json(q, &text, NULL, NULL, NULL, NULL), QUIPU_OK);
}

static void every_backend_makes_vectors_by_itself(void **state)
{
    static const char *const backends[] = { "git", "sqlite", "json", "memory" };
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool lasts = i < 3;
        quipu *q = open_store(backends[i], lasts ? "{\"embed\":\"asked\"}" : "{}");
        add(q, "{\"id\":\"a\",\"text\":\"violet running shoes\"}");
        if (lasts) {
            assert_int_equal(pending(q), 1);
            quipu_close(q, NULL);
            q = open_store(backends[i], "{\"embed\":\"auto\"}"); /* what was pending is so after a restart, and made */
        }
        UNTIL(pending(q) == 0);
        add(q, "{\"id\":\"b\",\"text\":\"the oven is broken\"}");
        UNTIL(pending(q) == 0);
        assert_int_equal(quipu_close(q, NULL), QUIPU_OK);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_processes_share_the_work), /* first: forks while there is one thread, as ThreadSanitizer wants it */
        TEST(vectors_follow_writes_that_nobody_waits_for),
        TEST(without_an_embedder_there_is_no_thread),
        TEST(closing_ends_what_the_embedder_is_at),
        TEST(a_failure_is_told_and_made_good),
        TEST(an_embedder_that_failed_is_not_asked_by_each_search),
        TEST(a_search_goes_on_while_the_embedder_is_slow),
        TEST(a_forked_child_can_let_go),
        TEST(writers_and_searches_go_on_beside_it),
        TEST(every_backend_makes_vectors_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
