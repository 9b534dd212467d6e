/*
 * test_fresh_vectors.c - two processes that write to one store and search it at once: a search sees every write that had returned before it
 * began, by vector too, whoever wrote it and whoever made the vector.
 */
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
#include <sys/socket.h>
#include <sys/wait.h>
#include <tests/support/scratch.h>
#include <unistd.h>

enum { ROUNDS = 25 };

static char folder[128], store[160];
static const char *backend;
static quipu_error fault;

static quipu *open_store(void)
{
    char plugins[512];
    const char *build = getenv("BUILD");
    quipu *q = NULL;
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    fault = (quipu_error){ .struct_size = sizeof fault };
    quipu_options o = { .struct_size = sizeof o,
                        .store = str_of(store),
                        .backend = str_of(backend),
                        .embedder = str_of("hash"),
                        .plugin_path = str_of(plugins) };
    quipu_open(&o, &q, &fault);
    return q;
}

/* Words that no other record has. */
static void text_of(int writer, int round, char out[80])
{
    snprintf(out, 80, "%s%c%c likes %c%cwrench%d", writer ? "marigold" : "trombone", 'a' + round % 26, 'k' + round / 26,
             'a' + round * 7 % 26, 'a' + writer, round * 31 + writer);
}

static bool put(quipu *q, int writer, int round)
{
    char text[80], json[160];
    text_of(writer, round, text);
    int len = snprintf(json, sizeof json, "{\"id\":\"w%d-%d\",\"text\":\"%s\"}", writer, round, text);
    quipu_str record = str_make(json, (size_t)len);
    return quipu_put_json(q, &record, NULL, NULL, NULL, &fault) == QUIPU_OK;
}

static int32_t keep(void *context, const void *bytes, uint64_t len)
{
    buffer_append(context, bytes, (size_t)len);
    return 0;
}

/* The best by vector for the text of a record must be that record. wait: this process makes the vectors that are still missing. */
static bool finds(quipu *q, int writer, int round)
{
    char text[80], request[200], wanted[60];
    buffer answer = { 0 };
    text_of(writer, round, text);
    int len = snprintf(request, sizeof request, "{\"query\":\"%s\",\"k\":1,\"mode\":\"vector\",\"wait\":true}", text);
    snprintf(wanted, sizeof wanted, "\"id\":\"w%d-%d\"", writer, round);
    quipu_str question = str_make(request, (size_t)len);
    bool found = quipu_search_json(q, &question, keep, &answer, NULL, &fault) == QUIPU_OK && answer.bytes &&
                 memmem(answer.bytes, answer.len, wanted, strlen(wanted));
    if (!found)
        fprintf(stderr, "# writer %d, round %d: %.*s %s\n", writer, round, (int)answer.len,
                answer.bytes ? answer.bytes : "", fault.message);
    buffer_free(&answer);
    return found;
}

/* Writes, tells the other so, hears that it has written, and searches for what both wrote just now and a while ago. The answer: 0, or
 * what went wrong. */
static int take_turns(int self, int line)
{
    quipu *q = open_store();
    int failed = q ? 0 : 1;
    for (int round = 0; !failed && round < ROUNDS; round++) {
        char told = 'w';
        if (!put(q, self, round))
            failed = 2;
        else if (write(line, &told, 1) != 1 || read(line, &told, 1) != 1)
            failed = 3;
        else if (!finds(q, !self, round) || !finds(q, self, round) || !finds(q, !self, round / 2))
            failed = 4;
    }
    if (q && quipu_close(q, &fault) != QUIPU_OK && !failed)
        failed = 5;
    if (failed)
        fprintf(stderr, "# process %d: %d: %s\n", self, failed, fault.message);
    return failed;
}

/* A third process finds all of both. */
static int find_all(int self, int line)
{
    quipu *q = open_store();
    bool found = q != NULL;
    (void)self, (void)line;
    for (int round = 0; found && round < ROUNDS; round++)
        found = finds(q, 0, round) && finds(q, 1, round);
    if (q && quipu_close(q, &fault) != QUIPU_OK)
        found = false;
    return found ? 0 : 6;
}

/* This process itself opens no store: it has to stay without threads, because it forks. */
static pid_t begin_process(int (*work)(int self, int line), int self, const int line[2])
{
    pid_t process = fork();
    if (process == 0) {
        close(line[!self]);
        _exit(work(self, line[self]));
    }
    assert_true(process > 0);
    return process;
}

static void assert_ends_well(pid_t process)
{
    int status = -1;
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void check_backend(const char *name)
{
    int line[2];
    pid_t both[2];
    backend = name;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, line), 0);
    for (int self = 0; self < 2; self++)
        both[self] = begin_process(take_turns, self, line);
    close(line[0]); /* so that the end of one ends the other's wait */
    close(line[1]);
    assert_ends_well(both[0]);
    assert_ends_well(both[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, line), 0);
    pid_t third = begin_process(find_all, 0, line);
    close(line[0]);
    close(line[1]);
    assert_ends_well(third);
    scratch_remove(folder);
}

static void two_processes_see_each_others_writes_by_vector_in_git(void **state)
{
    (void)state;
    check_backend("git");
}

static void two_processes_see_each_others_writes_by_vector_in_sqlite(void **state)
{
    (void)state;
    check_backend("sqlite");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* the other process has ended: that is what the test then says */
    const struct CMUnitTest tests[] = { cmocka_unit_test(two_processes_see_each_others_writes_by_vector_in_git),
                                        cmocka_unit_test(two_processes_see_each_others_writes_by_vector_in_sqlite) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
