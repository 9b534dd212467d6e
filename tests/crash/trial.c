/* trial.c - see trial.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/support/scratch.h>
#include <time.h>
#include <unistd.h>

enum { WORK_LIMIT = 120, CHECK_LIMIT = 60 /* seconds, after which a child hangs for certain */ };

char trial_folder[128];

bool trial_long(void)
{
    const char *value = getenv("QUIPU_LONG");
    return value && *value && strcmp(value, "0") != 0;
}

unsigned trial_seed(void)
{
    static unsigned seed;
    const char *value = getenv("QUIPU_SEED");
    if (seed)
        return seed;
    seed = value && *value ? (unsigned)strtoul(value, NULL, 10) : (unsigned)time(NULL);
    print_message("# QUIPU_SEED=%u\n", seed);
    return seed;
}

int trial_begin(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    scratch_make(trial_folder);
    return 0;
}

int trial_end(void **state)
{
    (void)state;
    scratch_remove(trial_folder);
    return 0;
}

void trial_path(const char *name, char out[TRIAL_PATH])
{
    snprintf(out, TRIAL_PATH, "%s/%s", trial_folder, name);
}

static void shell(const char *format, const char *a, const char *b)
{
    char command[1000];
    snprintf(command, sizeof command, format, a, b);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

void trial_copy(const char *from, const char *to)
{
    shell("cp -a '%s' '%s'", from, to);
}

void trial_remove(const char *path)
{
    shell("rm -rf '%s'%s", path, "");
}

void trial_find_deleted(const char *before, const char *after, char why[TRIAL_WHY])
{
    char command[1200];
    snprintf(
        command, sizeof command,
        "{ find '%s' -type f -exec sha1sum {} + | sed 's/ .*/ there/'; find '%s' -type f ! -path '*/catalogue/*' ! "
        "-path '*/quipu/lock' -exec sha1sum {} +; } | awk '$2 == \"there\" { seen[$1]; next } !($1 in seen) { print "
        "\"deleted: \" $2 }'",
        after, before);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    why[fread(why, 1, TRIAL_WHY - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
}

void trial_child(trial_fn work, void *context, unsigned seconds, char why[TRIAL_WHY])
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS };
    int ends[2], status = 0;
    size_t len = 0;
    ssize_t got;
    fflush(NULL);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char said[TRIAL_WHY] = "";
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
            signal(faults[i], SIG_DFL); /* cmocka would catch them, and go on with the next test in the child */
        alarm(seconds);
        fault_install(&fault_none);
        work(context, said);
        ssize_t written = write(ends[1], said, strlen(said));
        _exit(written < 0);
    }
    assert_true(child > 0);
    close(ends[1]);
    while (len < TRIAL_WHY - 1 && (got = read(ends[0], why + len, TRIAL_WHY - 1 - len)) > 0)
        len += (size_t)got;
    why[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (len == 0 && WIFSIGNALED(status))
        snprintf(why, TRIAL_WHY, "%s", WTERMSIG(status) == SIGALRM ? "it hangs" : strsignal(WTERMSIG(status)));
    else if (len == 0 && WEXITSTATUS(status) != 0)
        snprintf(why, TRIAL_WHY, "exit status %d", WEXITSTATUS(status));
}

/* ---- the workload ---- */

typedef struct run {
    const workload *w;
    const char *path;
    const fault_plan *plan;
    int report; /* the number of each acknowledged set is written here */
} run;

static void bring(void *context, char why[TRIAL_WHY])
{
    const run *r = context;
    model_store s;
    unsigned last = r->w->before + r->w->sets;
    fault_install(r->plan);
    int32_t code = model_open(&s, r->path, r->w->config, 0);
    for (unsigned n = r->w->before + 1; n <= last && code == QUIPU_OK; n++) {
        code = model_apply(&s, n, NULL);
        if (code == QUIPU_OK && write(r->report, &n, sizeof n) != sizeof n)
            code = QUIPU_E_IO;
        if (code == QUIPU_OK)
            fault_acknowledge(n);
        if (code == QUIPU_OK && r->w->reopen_after && (n - r->w->before) % r->w->reopen_after == 0) {
            code = model_close(&s);
            if (code == QUIPU_OK)
                code = model_open(&s, r->path, r->w->config, 0);
        }
    }
    if (code == QUIPU_OK)
        code = model_close(&s);
    if (code != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "the workload failed with %d: %s", code, model_error.message);
}

unsigned workload_run(const workload *w, const char *path, const fault_plan *plan, bool *killed)
{
    int ends[2];
    unsigned n, acknowledged = w->before;
    char why[TRIAL_WHY];
    assert_int_equal(pipe(ends), 0); /* some hundred bytes: they fit the pipe */
    run r = { w, path, plan, ends[1] };
    trial_child(bring, &r, WORK_LIMIT, why);
    close(ends[1]);
    while (read(ends[0], &n, sizeof n) == sizeof n)
        acknowledged = n;
    close(ends[0]);
    *killed = strcmp(why, strsignal(SIGKILL)) == 0;
    if (why[0] && !*killed)
        fail_msg("%s: %s", w->name, why);
    return acknowledged;
}

void workload_base(const workload *w, const char *path)
{
    workload filling = { .name = "filling", .config = "{\"durability\":\"relaxed\"}", .sets = w->before };
    bool killed;
    if (w->before)
        workload_run(&filling, path, &fault_none, &killed);
    else
        shell("mkdir '%s'%s", path, "");
    if (w->prepare)
        shell("cd '%s' && %s", path, w->prepare);
    if (w->crash_at) {
        fault_plan plan = fault_none;
        plan.kill_at = w->crash_at;
        assert_int_equal(workload_run(w, path, &plan, &killed), w->before);
        assert_true(killed);
    }
}

/* ---- the check ---- */

typedef struct check {
    const workload *w;
    const char *path;
    unsigned acknowledged;
} check;

static bool is_left_over(const char *name)
{
    size_t len = strlen(name);
    if (strcmp(name, "maintain.lock") == 0)
        return false; /* stays, like quipu/lock: who maintains locks the file */
    return strstr(name, ".tmp-") || strncmp(name, "tmp_", 4) == 0 || strncmp(name, "quipu_tmp_", 10) == 0 ||
           (len > 5 && (strcmp(name + len - 5, ".keep") == 0 || strcmp(name + len - 5, ".lock") == 0));
}

static bool lacks_index(const char *path, const char *name)
{
    char index[800];
    size_t len = strlen(name);
    if (len < 5 || strcmp(name + len - 5, ".pack") != 0)
        return false;
    snprintf(index, sizeof index, "%s/%.*s.idx", path, (int)(len - 5), name);
    return access(index, F_OK) != 0;
}

/* Looks for what a crash left behind. The catalogue's folder is swept when it is written next. */
static void find_left_over(const char *path, char why[TRIAL_WHY])
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && !why[0] && (entry = readdir(dir))) {
        char inner[600];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, "catalogue") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (is_left_over(entry->d_name) || lacks_index(path, entry->d_name))
            snprintf(why, TRIAL_WHY, "left over: %.300s", inner);
        else if (lstat(inner, &st) == 0 && S_ISDIR(st.st_mode))
            find_left_over(inner, why);
    }
    if (dir)
        closedir(dir);
}

/* What a reader sees that touches nothing. */
static void check_reader(const check *c, char why[TRIAL_WHY])
{
    model_store s;
    char wrong[300];
    int32_t code = model_open(&s, c->path, c->w->config, QUIPU_OPEN_READ_ONLY);
    if (code != QUIPU_OK) {
        if (c->acknowledged || (code != QUIPU_E_NOT_FOUND && code != QUIPU_E_FORMAT))
            snprintf(why, TRIAL_WHY, "a reader cannot open it: %d: %s", code, model_error.message);
        return;
    }
    if (model_compare(&s, c->acknowledged, c->acknowledged + 1, false, wrong) < 0)
        snprintf(why, TRIAL_WHY, "a reader, after %u acknowledged sets: %s", c->acknowledged, wrong);
    model_close(&s);
}

static void check_writer(const check *c, char why[TRIAL_WHY])
{
    model_store s;
    char wrong[300];
    unsigned next = c->acknowledged + 1;
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    if (model_open(&s, c->path, c->w->config, 0) != QUIPU_OK) {
        snprintf(why, TRIAL_WHY, "it cannot be opened: %s", model_error.message);
        return;
    }
    if (!c->w->may_leave)
        find_left_over(c->path, why);
    int held = model_compare(&s, c->acknowledged, next, true, wrong);
    if (!why[0] && held < 0)
        snprintf(why, TRIAL_WHY, "after %u acknowledged sets: %s", c->acknowledged, wrong);
    /* the set that was under way is sent again, with its id, and has the effect of once; then the next one */
    if (!why[0] && model_apply(&s, next, &receipt) != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "it cannot be written: %s", model_error.message);
    if (!why[0] && !(receipt.flags & QUIPU_RECEIPT_DUPLICATE) != ((unsigned)held == c->acknowledged))
        snprintf(why, TRIAL_WHY, "a set sent again: flags %u, %d sets were there", receipt.flags, held);
    if (!why[0] && model_apply(&s, next + 1, NULL) != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "it cannot be written again: %s", model_error.message);
    if (!why[0] && model_compare(&s, next + 1, next + 1, false, wrong) < 0)
        snprintf(why, TRIAL_WHY, "after the next write: %s", wrong);
    int damage = why[0] ? 0 : model_damage(&s);
    if (!why[0] && (damage < 0 || damage > (c->w->may_leave ? 1 : 0))) /* a pack whose index alone could be removed */
        snprintf(why, TRIAL_WHY, "verify: %d", damage);
    if (model_close(&s) != QUIPU_OK && !why[0])
        snprintf(why, TRIAL_WHY, "it cannot be closed: %s", model_error.message);
    if (!why[0] && !c->w->may_leave)
        find_left_over(c->path, why);
}

static void check_all(void *context, char why[TRIAL_WHY])
{
    const check *c = context;
    char output[1000], expected[40];
    check_reader(c, why);
    if (!why[0])
        check_writer(c, why);
    if (why[0])
        return;
    int status = scratch_git(c->path, output, sizeof output, "fsck --strict --no-dangling --no-progress");
    if (status || output[0]) {
        snprintf(why, TRIAL_WHY, "git fsck: %d: %.300s", status, output);
        return;
    }
    snprintf(expected, sizeof expected, "%u\n", c->acknowledged + 3); /* the one that made it, and two of the check */
    status = scratch_git(c->path, output, sizeof output, "rev-list --count HEAD");
    if (status || strcmp(output, expected) != 0)
        snprintf(why, TRIAL_WHY, "git log: %d: %.200s, not %s", status, output, expected);
}

void workload_check(const workload *w, const char *path, unsigned acknowledged, char why[TRIAL_WHY])
{
    check c = { w, path, acknowledged };
    trial_child(check_all, &c, CHECK_LIMIT, why);
}
