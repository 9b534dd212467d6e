/* checks_loading.c - what mapping the file and init do to the process (rules A5, A14, A17). */
#include "../core/check.h"
#include "../core/loader.h"
#include "check_table.h"
#include "elf_dynamic.h"
#include "process_state.h"

#include <base/fail.h>
#include <base/hash.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void load(probe *p)
{
    probe_map(p);
    probe_init(p);
}

void check_load_entry(probe *p)
{
    faults f = { 0 };
    elf_note note = { 0 };
    uint64_t size = 0;
    struct stat st;
    int fd = open(p->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        probe_fail(p, "it cannot be opened");
    elf_note_read(fd, (uint64_t)st.st_size, &note, &f);
    close(fd);
    check_entry(loader_entry(p->handle, &size, &f), size, &note, &f);
    if (f.count)
        probe_fail(p, "%.800s", f.lines.bytes);
}

void check_load_factory(probe *p)
{
    static const char *const ids[] = { QUIPU_BACKENDS, QUIPU_EMBEDDERS };
    unsigned known = 0;
    if (p->entry->get_factory(NULL))
        probe_fail(p, "get_factory answered a NULL id");
    for (size_t i = 0; i < 2; i++) {
        char longer[32], unknown[32];
        snprintf(longer, sizeof longer, "%s0", ids[i]);
        snprintf(unknown, sizeof unknown, "%.*s2", (int)strlen(ids[i]) - 1, ids[i]);
        const quipu_str exact = str_of(ids[i]), trailing = str_of(longer), other = str_of(unknown),
                        nul = { ids[i], strlen(ids[i]) + 1 }, shorter = { ids[i], strlen(ids[i]) - 1 };
        const void *list = p->entry->get_factory(&exact);
        known += list != NULL;
        if (p->entry->get_factory(&exact) != list)
            probe_fail(p, "get_factory answers another list each time");
        if (p->entry->get_factory(&trailing) || p->entry->get_factory(&shorter) || p->entry->get_factory(&nul))
            probe_fail(p, "get_factory answers an id with other bytes at its end; compare the length as well");
        if (p->entry->get_factory(&other))
            probe_fail(p, "get_factory answers the unknown id %s", unknown);
    }
    if (!known)
        probe_fail(p, "it has neither backends nor embedders");
}

void check_load_negotiation(probe *p)
{
    quipu_error error = probe_error();
    quipu_host host;
    uint32_t chosen = 0;
    probe_host(&host, p);
    host.abi = QUIPU_ABI_MAKE(900, 1);
    int32_t code = p->entry->init(&host, QUIPU_ABI_MAKE(900, 0), QUIPU_ABI_MAKE(900, 1), &chosen, &error);
    probe_want(p, code, QUIPU_E_ABI, &error, "init for a host that speaks ABI 900.0 to 900.1 only");
    if (!error.message[0])
        probe_fail(p, "init refused the host's ABI without saying why");
    load(p); /* and the refusal did no harm */
}

/* ---- state of the process ---- */

void check_load_descriptors(probe *p)
{
    unsigned before = process_descriptors();
    if (!before)
        probe_skip(p, "this system has no /proc/self/fd");
    load(p);
    unsigned after = process_descriptors();
    if (after != before)
        probe_fail(p, "%d file descriptors more are open after init than before loading", (int)after - (int)before);
}

void check_load_process_state(probe *p)
{
    char folder[4096], now[4096], *locale = NULL;
    mode_t mask = umask(027);
    if (!getcwd(folder, sizeof folder))
        probe_skip(p, "the working folder has no name");
    locale = str_dup(str_of(setlocale(LC_ALL, NULL)));
    load(p);
    if (!getcwd(now, sizeof now) || strcmp(folder, now) != 0)
        probe_fail(p, "the working folder is another one after init");
    if (umask(mask) != 027)
        probe_fail(p, "the umask is another one after init");
    if (locale && strcmp(locale, setlocale(LC_ALL, NULL)) != 0)
        probe_fail(p, "the locale is another one after init");
    free(locale);
}

void check_load_signals(probe *p)
{
    struct sigaction before[65] = { 0 }, after = { 0 };
    for (int s = 1; s < 65; s++)
        if (sigaction(s, NULL, &before[s]) != 0)
            before[s].sa_flags = -1;
    load(p);
    for (int s = 1; s < 65; s++)
        if (before[s].sa_flags != -1 && sigaction(s, NULL, &after) == 0 && after.sa_handler != before[s].sa_handler)
            probe_fail(p, "signal %d has another handler after init", s);
}

static uint64_t digest_environment(void)
{
    uint64_t digest = 0;
    for (char **e = environ; e && *e; e++)
        digest = hash_table_key(*e, strlen(*e), digest);
    return digest;
}

void check_load_environment(probe *p)
{
    uint64_t before = digest_environment();
    load(p);
    if (digest_environment() != before)
        probe_fail(p, "the environment is another one after init");
}

/* Libraries for linear algebra start threads when they are mapped, and a plugin cannot help it. */
void check_load_threads(probe *p)
{
    elf_dynamic e;
    unsigned before = process_threads();
    if (!before)
        probe_skip(p, "this system has no /proc/self/task");
    load(p);
    unsigned more = process_threads() - before;
    bool library = !elf_dynamic_read(p->path, &e) && elf_dynamic_threaded(&e);
    elf_dynamic_free(&e);
    if (more && library)
        probe_warn(p, "a library that it needs started %u threads", more);
    if (more)
        probe_fail(p, "loading or init started %u threads", more);
}

/* ---- life of the plugin ---- */

/* Stores one record in each backend and reads it back. */
static void work(probe *p)
{
    const quipu_str wanted = QUIPU_STR_INIT(QUIPU_BACKENDS);
    const quipu_backend_list *list = p->entry->get_factory(&wanted);
    for (uint64_t i = 0; list && i < list->items.count; i++) {
        quipu_error error = probe_error();
        char name[32];
        seen s = { 0 };
        p->desc = QUIPU_AT(quipu_backend_desc, &list->items, i);
        p->api = p->desc->api;
        snprintf(name, sizeof name, "work%u-%u", (unsigned)i, probe_below(p, 1000000));
        p->self = probe_open(p, name, 0);
        probe_store(p, "a", "u", "one apple", "");
        probe_want(p, probe_get(p, "a", NULL, &s, &error), QUIPU_OK, &error, "get");
        probe_want(p, probe_get(p, "b", NULL, &s, &error), QUIPU_E_NOT_FOUND, &error, "get of what is not there");
        probe_want(p, probe_search(p, "apple", NULL, 5, &s, &error), QUIPU_OK, &error, "search");
        probe_figure(p, "records");
        seen_free(&s);
        probe_close(p, p->self);
        p->self = NULL;
    }
}

void check_load_twice(probe *p)
{
    load(p);
    probe_init(p); /* a second loader of the same file */
    p->entry->deinit();
    work(p); /* the first one is still there */
    p->entry->deinit();
    probe_init(p); /* and again from the beginning */
    work(p);
    p->entry->deinit();
}

void check_output(probe *p)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/output", p->scratch);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600), error_output = dup(STDERR_FILENO);
    if (fd < 0 || error_output < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        probe_skip(p, "the output could not be caught");
    load(p);
    work(p);
    p->entry->deinit();
    fflush(NULL);
    dup2(error_output, STDERR_FILENO);
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        char text[64] = "";
        ssize_t got = pread(fd, text, sizeof text - 1, 0);
        for (ssize_t i = 0; i < got; i++)
            text[i] = (unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e ? ' ' : text[i];
        probe_fail(p, "it wrote %lld bytes to standard output or error, which belong to the host: \"%s\"",
                   (long long)st.st_size, text);
    }
}
