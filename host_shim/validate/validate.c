/*
 * validate.c - runs each check in a process of its own (quipu_validate.h).
 *
 * The child is the leader of a new process group, so that what a plugin forks is ended with it. It sends its outcome through a
 * pipe; a child that ends without a message has crashed. Its standard output goes to /dev/null, because that of
 * `quipu validate --json` belongs to the report.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2, nftw */
#endif
#include "check_table.h"

#include <base/fail.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <quipu_validate.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const check checks[] = {
#define ROW_(function, id, family, needs, summary) { id, family, summary, function, NEEDS_##needs },
    VALIDATE_CHECKS(ROW_)
#undef ROW_
};

#define CHECK_COUNT (sizeof checks / sizeof checks[0])
#define TIME_LIMIT_MS 30000

typedef struct verdict {
    uint32_t outcome;
    char reason[1024];
    int64_t milliseconds;
} verdict;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- in the child ---- */

/* Once for each backend of the plugin, each with a store of its own. */
static void run_with_stores(probe *p, const check *c)
{
    const quipu_str wanted = QUIPU_STR_INIT(QUIPU_BACKENDS);
    const quipu_backend_list *list = p->entry->get_factory(&wanted);
    if (!list || list->items.count == 0)
        probe_skip(p, "this plugin has no backend");
    for (uint64_t i = 0; i < list->items.count; i++) {
        char name[32];
        p->desc = QUIPU_AT(quipu_backend_desc, &list->items, i);
        p->api = p->desc->api;
        snprintf(p->subject, sizeof p->subject, "%.*s", (int)p->desc->name.len, p->desc->name.ptr);
        snprintf(name, sizeof name, "store%u", (unsigned)i);
        p->self = probe_open(p, name, 0);
        c->run(p);
        if (p->self)
            probe_close(p, p->self);
        p->self = NULL;
    }
}

/* Likewise, for embedders. One that needs a setting or a model that is not there cannot be tried. */
static void run_with_embedders(probe *p, const check *c)
{
    const quipu_str wanted = QUIPU_STR_INIT(QUIPU_EMBEDDERS);
    const quipu_embedder_list *list = p->entry->get_factory(&wanted);
    if (!list || list->items.count == 0)
        probe_skip(p, "this plugin has no embedder");
    for (uint64_t i = 0; i < list->items.count; i++) {
        quipu_error error = probe_error();
        const quipu_embedder_desc *desc = QUIPU_AT(quipu_embedder_desc, &list->items, i);
        p->embedder_api = desc->api;
        snprintf(p->subject, sizeof p->subject, "%.*s", (int)desc->name.len, desc->name.ptr);
        probe_want(p, p->embedder_api->create(&p->host, &p->embedder, &error), QUIPU_OK, &error, "create");
        int32_t code = p->embedder_api->open(p->embedder, &p->config, NULL, &error);
        if (code == QUIPU_E_INVALID || code == QUIPU_E_NOT_FOUND || code == QUIPU_E_NETWORK)
            probe_skip(p, "it cannot be opened as it is: %.300s", error.message);
        probe_want(p, code, QUIPU_OK, &error, "open");
        c->run(p);
        probe_want(p, p->embedder_api->close(p->embedder, NULL, &error), QUIPU_OK, &error, "close");
        p->embedder_api->destroy(p->embedder);
    }
}

static _Noreturn void run_child(const check *c, probe *p)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setpgid(0, 0);
    if (null >= 0)
        dup2(null, STDOUT_FILENO);
    if (c->needs != NEEDS_FILE)
        probe_map(p);
    if (c->needs == NEEDS_STORE || c->needs == NEEDS_EMBEDDER) {
        probe_init(p);
        if (c->needs == NEEDS_STORE)
            run_with_stores(p, c);
        else
            run_with_embedders(p, c);
        p->entry->deinit();
    } else {
        c->run(p);
    }
    probe_end(p, QUIPU_OUTCOME_PASS, "");
}

/* ---- in the parent ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

/* Reads until the child ends or the limit passes; true where it ended. */
static bool read_message(int fd, int64_t limit_ms, char *message, size_t size, size_t *len)
{
    int64_t end = now_ms() + limit_ms;
    *len = 0;
    for (;;) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        int64_t left = end - now_ms();
        int got = left > 0 ? poll(&ready, 1, (int)left) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        ssize_t n = read(fd, message + *len, size - 1 - *len);
        if (n <= 0)
            return true;
        *len += (size_t)n;
    }
}

static void judge(verdict *v, bool ended, int status, const char *message, size_t len, int64_t limit_ms)
{
    if (!ended) {
        v->outcome = QUIPU_OUTCOME_HUNG;
        snprintf(v->reason, sizeof v->reason, "it did not come to an end in %lld ms", (long long)limit_ms);
    } else if (len > 0 && message[0] >= '0' && message[0] <= '5') {
        v->outcome = (uint32_t)(message[0] - '0');
        snprintf(v->reason, sizeof v->reason, "%.*s", (int)(len - 1), message + 1);
    } else {
        v->outcome = QUIPU_OUTCOME_CRASHED;
        if (WIFSIGNALED(status))
            snprintf(v->reason, sizeof v->reason, "ended by signal %d (%s)", WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
        else
            snprintf(v->reason, sizeof v->reason, "the process ended by itself with status %d", WEXITSTATUS(status));
    }
}

static int32_t run_check(const check *c, const char *path, const quipu_validate_options *options, verdict *v,
                         quipu_error *error)
{
    const char *base = getenv("TMPDIR");
    char scratch[1024], message[1100];
    int ends[2], status = 0;
    size_t len = 0;
    int64_t begin = now_ms(), limit = options->time_limit_ms ? options->time_limit_ms : TIME_LIMIT_MS;
    snprintf(scratch, sizeof scratch, "%s/quipu-validate-XXXXXX", base && base[0] == '/' ? base : "/tmp");
    if (!mkdtemp(scratch))
        return fail_errno(error, errno, "could not make a scratch folder");
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail_errno(error, errno, "could not make a pipe");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        probe p = { .path = path,
                    .scratch = scratch,
                    .config = options->config,
                    .result = ends[1],
                    .level = options->level ? options->level : 1,
                    .random_state = options->seed,
                    .services = PROBE_CLOCK | PROBE_RANDOM };
        close(ends[0]);
        run_child(c, &p);
    }
    close(ends[1]);
    bool ended = child > 0 && read_message(ends[0], limit, message, sizeof message, &len);
    close(ends[0]);
    if (child > 0) {
        setpgid(child, child); /* whichever of the two is first */
        if (!ended)
            kill(child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
        kill(-child, SIGKILL); /* what the plugin forked */
    }
    nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (child < 0)
        return fail_errno(error, errno, "could not start a process");
    judge(v, ended, status, message, len, limit);
    v->milliseconds = now_ms() - begin;
    return QUIPU_OK;
}

static int32_t show(const check *c, const verdict *v, quipu_check_result_fn visit, void *context, bool *stop,
                    quipu_error *error)
{
    quipu_check_result result = { .struct_size = sizeof result,
                                  .outcome = v->outcome,
                                  .id = str_of(c->id),
                                  .family = str_of(c->family),
                                  .summary = str_of(c->summary),
                                  .reason = v->reason[0] ? str_of(v->reason) : str_of(NULL),
                                  .milliseconds = v->milliseconds };
    int32_t answer = visit(context, &result);
    *stop = answer > 0;
    return answer < 0 ? fail(error, answer, NULL, "the visitor ended the call") : QUIPU_OK;
}

static bool is_wanted(const check *c, quipu_str only)
{
    return !only.ptr || str_same(only, str_of(c->id)) || str_same(only, str_of(c->family));
}

static int32_t check_options(const quipu_validate_options *o, quipu_error *error)
{
    if (o->struct_size < sizeof *o)
        return fail(error, QUIPU_E_INVALID, "options", "the options are cut short; set struct_size to sizeof");
    for (size_t i = sizeof *o; i < o->struct_size; i++)
        if (((const char *)o)[i])
            return fail(error, QUIPU_E_INVALID, "options", "the options hold a field that this version does not know");
    if (o->reserved)
        return fail(error, QUIPU_E_INVALID, "options.reserved", "a reserved field must be zero");
    if (o->level > 5)
        return fail(error, QUIPU_E_INVALID, "level", "level %u is not known; give 1 to 5", o->level);
    for (size_t i = 0; i < CHECK_COUNT; i++)
        if (is_wanted(&checks[i], o->only))
            return QUIPU_OK;
    return fail(error, QUIPU_E_INVALID, "only", "there is no check and no family of that name; list them");
}

int32_t quipu_validate(const quipu_str *path, const quipu_validate_options *options, quipu_check_result_fn visit,
                       void *context, quipu_error *error)
{
    quipu_validate_options defaults = { .struct_size = sizeof defaults };
    const quipu_validate_options *o = options ? options : &defaults;
    bool stop = false;
    int32_t code = check_options(o, error);
    if (code != QUIPU_OK)
        return code;
    if (!path || !path->ptr || path->len == 0 || memchr(path->ptr, '\0', (size_t)path->len) || !visit)
        return fail(error, QUIPU_E_INVALID, "path", "a path and a visitor are needed");
    char *given = str_dup(*path), *absolute = given ? realpath(given, NULL) : NULL;
    if (!absolute)
        code = given ? fail_errno(error, errno, "%s", given)
                     : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a path");
    for (size_t i = 0; i < CHECK_COUNT && code == QUIPU_OK && !stop; i++) {
        verdict v = { 0 };
        if (!is_wanted(&checks[i], o->only))
            continue;
        if ((code = run_check(&checks[i], absolute, o, &v, error)) == QUIPU_OK)
            code = show(&checks[i], &v, visit, context, &stop, error);
    }
    free(absolute);
    free(given);
    return code;
}

int32_t quipu_validate_list(quipu_check_result_fn visit, void *context, quipu_error *error)
{
    bool stop = false;
    int32_t code = visit ? QUIPU_OK : fail(error, QUIPU_E_INVALID, "visit", "visit is NULL; give a function");
    for (size_t i = 0; i < CHECK_COUNT && code == QUIPU_OK && !stop; i++) {
        const verdict none = { .outcome = QUIPU_OUTCOME_SKIP };
        code = show(&checks[i], &none, visit, context, &stop, error);
    }
    return code;
}
