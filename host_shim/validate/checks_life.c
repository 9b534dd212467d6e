/* checks_life.c - instances come and go, several at once, in several processes, and leave nothing behind (rules A14, A18, A22). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "../core/loader.h"
#include "check_table.h"
#include "process_state.h"
#include "rounds.h"

#include <base/fail.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

void check_life_again(probe *p)
{
    quipu_error error = probe_error();
    for (unsigned round = 0; round < 3; round++) {
        char name[96];
        snprintf(name, sizeof name, "again-%s%u", p->subject, round);
        probe_store(p, "a", "u", "an apple", "");
        probe_want(p, p->api->close(p->self, NULL, &error), QUIPU_OK, &error, "close");
        probe_want(p, probe_try_open(p, p->self, name, 0, p->config, &error), QUIPU_OK, &error,
                   "open of an instance that was closed");
        probe_want_count(p, 0, "in a store that an instance opened after another one");
    }
}

/* Opened again, so that nothing but the disk can tell. */
static void want_in_store(probe *p, const char *name, size_t count)
{
    p->self = probe_open(p, name, 0);
    probe_want_count(p, count, "in one of two stores that were open at once");
    probe_close(p, p->self);
}

void check_life_two_stores(probe *p)
{
    quipu_backend *first, *second;
    const bool persistent = probe_figure(p, "persistent") != 0;
    probe_close(p, p->self);
    p->self = first = probe_open(p, "one", 0);
    second = probe_open(p, "other", 0);
    probe_store(p, "a", "u", "an apple", "");
    probe_store(p, "b", "u", "a pear", "");
    p->self = second;
    probe_want_count(p, 0, "in a second store, while a first one is open,");
    probe_store(p, "a", "v", "a plum", "");
    p->self = first;
    probe_want_count(p, 2, "in a first store, after a second one was written to,");
    probe_close(p, second);
    probe_want_count(p, 2, "in a first store, after a second one was closed,");
    probe_close(p, first);
    if (persistent) {
        want_in_store(p, "one", 2);
        want_in_store(p, "other", 1);
    }
    p->self = NULL;
}

/* ---- what is left behind ---- */

static void use_once(probe *p, const char *name)
{
    quipu_error error = probe_error();
    seen s = { 0 };
    p->self = probe_open(p, name, 0);
    probe_store(p, "a", "u", "an apple", "");
    probe_want(p, probe_search(p, "apple", NULL, 5, &s, &error), QUIPU_OK, &error, "search");
    seen_free(&s);
    probe_close(p, p->self);
    p->self = NULL;
}

/* The first use may open what a library keeps for good. */
void check_life_given_back(probe *p)
{
    probe_close(p, p->self);
    use_once(p, "first");
    unsigned descriptors = process_descriptors(), threads = process_threads();
    if (!descriptors || !threads)
        probe_skip(p, "this system has no /proc");
    for (unsigned i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "use%u", i);
        use_once(p, name);
    }
    if (process_descriptors() > descriptors)
        probe_fail(p, "%u file descriptors stay open when stores are closed and destroyed",
                   process_descriptors() - descriptors);
    if (process_threads() > threads)
        probe_fail(p, "%u threads stay when stores are closed and destroyed", process_threads() - threads);
}

static int find_object(struct dl_phdr_info *object, size_t size, void *context)
{
    (void)size;
    return object->dlpi_name && strcmp(object->dlpi_name, context) == 0;
}

void check_life_unload(probe *p)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", p->path);
    const quipu_str wanted = QUIPU_STR_INIT(QUIPU_BACKENDS);
    unsigned threads = process_threads();
    probe_map(p);
    if (!(p->entry->flags & QUIPU_PLUGIN_UNLOADABLE))
        probe_skip(p, "it does not claim that it can be unloaded, and stays mapped");
    probe_init(p);
    const quipu_backend_list *list = p->entry->get_factory(&wanted);
    for (uint64_t i = 0; list && i < list->items.count; i++) {
        char name[16];
        snprintf(name, sizeof name, "unload%u", (unsigned)i);
        p->desc = QUIPU_AT(quipu_backend_desc, &list->items, i);
        p->api = p->desc->api;
        use_once(p, name);
    }
    p->entry->deinit();
    loader_close(p->handle);
    if (dl_iterate_phdr(find_object, path))
        probe_fail(p, "it claims that it can be unloaded, and is still mapped after dlclose");
    if (process_threads() > threads)
        probe_fail(p, "it claims that it can be unloaded, and leaves a thread");
}

/* ---- other processes ---- */

/* In the child, which tells the outcome itself where something is wrong. */
static void use_after_fork(probe *p, quipu_backend *inherited)
{
    if (p->entry->flags & QUIPU_PLUGIN_FORK_SAFE)
        use_once(p, "of-the-child");
    p->api->destroy(inherited);
}

void check_life_fork(probe *p)
{
    int status = 0;
    quipu_backend *inherited = p->self;
    probe_store(p, "a", "u", "an apple", "");
    pid_t child = fork();
    if (child < 0)
        probe_skip(p, "a process could not be started");
    if (child == 0) {
        use_after_fork(p, inherited);
        _exit(77);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        probe_fail(p, "in a process that was forked, %s ended by signal %d",
                   p->entry->flags & QUIPU_PLUGIN_FORK_SAFE ? "a new store" : "destroy", WTERMSIG(status));
    if (WEXITSTATUS(status) == 0)
        _exit(0); /* the child has told the outcome */
    probe_store(p, "b", "u", "a pear", "");
    probe_want_count(p, 2, "after a process was forked and ended,");
}

#define WRITERS 2
#define SHARE (SCENE_ROUNDS / 64) /* rounds of one writer */

typedef struct writer {
    uint32_t first; /* round */
    scene_shared own;
} writer;

static void write_share(probe *p, scene_shared *shared, void *context)
{
    writer *w = context;
    quipu_error error = probe_error();
    quipu_backend *self = probe_create(p);
    (void)shared;
    int32_t code = probe_try_open(p, self, "shared", 0, p->config, &error);
    p->self = self;
    w->own.next_round = w->first;
    p->random_state += w->first * 7919u;
    for (unsigned i = 0; i < SHARE / 4 && code == QUIPU_OK; i++)
        code = round_play(p, &w->own, &error);
    if (code != QUIPU_OK && code != QUIPU_E_BUSY && code != QUIPU_E_CONFLICT)
        probe_fail(p, "while another process writes, a call answered %s: %.200s", error_name(code), error.message);
    p->api->close(self, NULL, NULL);
    p->api->destroy(self);
}

static void read_shares(probe *p, scene_shared *shared, void *context)
{
    (void)context;
    p->self = probe_open(p, "shared", 0);
    rounds_want(p, shared, "after two processes wrote at once");
    probe_close(p, p->self);
}

static void make_shared(probe *p, scene_shared *shared, void *context)
{
    (void)shared, (void)context;
    probe_close(p, probe_open(p, "shared", 0));
}

static void write_at_once(probe *p, scene_shared *shared)
{
    scene_shared *spaces[WRITERS];
    writer *writers[WRITERS];
    int processes[WRITERS];
    scene_play(p, shared, make_shared, NULL, "when a store was made");
    for (unsigned i = 0; i < WRITERS; i++) {
        spaces[i] = scene_begin(p);
        writers[i] = scene_memory(p, sizeof *writers[i]);
        writers[i]->first = i * SHARE;
        processes[i] = scene_start(p, spaces[i], write_share, writers[i]);
    }
    unsigned acknowledged = 0;
    for (unsigned i = 0; i < WRITERS; i++) {
        if (scene_wait(p, processes[i], "while another process wrote") != SCENE_DONE)
            probe_fail(p, "it ended the process while another one wrote");
        for (uint32_t round = 0; round < SCENE_ROUNDS; round++)
            if (writers[i]->own.acknowledged[round]) {
                shared->acknowledged[round] = 1;
                acknowledged++;
            }
    }
    shared->next_round = WRITERS * SHARE;
    if (!acknowledged)
        probe_fail(p, "of two processes that wrote at once neither could");
    scene_play(p, shared, read_shares, NULL, "when the store was opened again");
}

void check_life_processes(probe *p)
{
    scene_each_backend(p, write_at_once);
}
