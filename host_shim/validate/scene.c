/* scene.c - see scene.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "scene.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLAYED 77 /* the status of a scene that came to its end */

void *scene_memory(probe *p, size_t size)
{
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        probe_skip(p, "no memory to share with a process");
    return shared;
}

scene_shared *scene_begin(probe *p)
{
    return scene_memory(p, sizeof(scene_shared));
}

/* False where the plugin has no backend of that number. */
static bool select_backend(probe *p, scene_shared *shared)
{
    const quipu_str wanted = QUIPU_STR_INIT(QUIPU_BACKENDS);
    const quipu_backend_list *list = p->entry->get_factory(&wanted);
    shared->backends = list ? (uint32_t)list->items.count : 0;
    if (p->backend >= shared->backends)
        return false;
    p->desc = QUIPU_AT(quipu_backend_desc, &list->items, p->backend);
    p->api = p->desc->api;
    snprintf(p->subject, sizeof p->subject, "%.*s", (int)p->desc->name.len, p->desc->name.ptr);
    return true;
}

int scene_start(probe *p, scene_shared *shared, scene_part part, void *context)
{
    pid_t child = fork();
    if (child < 0)
        probe_skip(p, "a process could not be started");
    if (child == 0) {
        probe_map(p);
        probe_init(p);
        if (select_backend(p, shared))
            part(p, shared, context);
        _exit(PLAYED);
    }
    return child;
}

enum scene_end scene_wait(probe *p, int process, const char *what)
{
    int status = 0;
    while (waitpid(process, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == PLAYED)
        return SCENE_DONE;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        _exit(0); /* it has told the outcome */
    if (WIFEXITED(status))
        probe_fail(p, "the process ended by itself with status %d %s", WEXITSTATUS(status), what);
    if (WTERMSIG(status) == SIGSYS)
        probe_skip(p, "a thread of it blocks all signals, so that its file operations cannot be watched");
    if (WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGABRT)
        probe_fail(p, "it crashed %s: signal %d", what, WTERMSIG(status));
    return WTERMSIG(status) == SIGKILL ? SCENE_KILLED : SCENE_ABORTED;
}

enum scene_end scene_play(probe *p, scene_shared *shared, scene_part part, void *context, const char *what)
{
    return scene_wait(p, scene_start(p, shared, part, context), what);
}

static void look(probe *p, scene_shared *shared, void *context)
{
    char name[32];
    (void)context;
    snprintf(name, sizeof name, "look%u", p->backend);
    p->self = probe_open(p, name, 0);
    shared->persistent = probe_figure(p, "persistent") != 0;
    probe_close(p, p->self);
}

void scene_each_backend(probe *p, void (*check)(probe *p, scene_shared *shared))
{
    scene_shared *shared = scene_begin(p);
    unsigned played = 0;
    for (p->backend = 0;; p->backend++) {
        memset(shared, 0, sizeof *shared);
        scene_play(p, shared, look, NULL, "when a store was opened");
        if (p->backend >= shared->backends)
            break;
        played += shared->persistent;
        if (shared->persistent)
            check(p, shared);
    }
    munmap(shared, sizeof *shared);
    if (!played)
        probe_skip(p, "it has no backend that keeps anything");
}
