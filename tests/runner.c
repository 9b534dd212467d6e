/*
 * runner.c - runs test programs and counts what they say.
 *
 *     runner [-j JOBS] [-l SECONDS] [-w WRAPPER] PROGRAM...
 *
 * Each program gets a process group, a time limit, an empty home and a temporary folder of its own, and talks TAP
 * (https://testanything.org); cmocka is asked to do so, a program named *.sh is given to sh. A crash, a hang, an exit status
 * that does not fit, and a plan that does not fit count as a failed case each. WRAPPER is a command for sh,
 * `exec valgrind "$@"` for one, that is given the program as its argument. The last line is the sum of all cases:
 * `N passed, N failed` or `N passed, N failed, N skipped`. Exit status: 0, or 1 where anything failed, 2 for wrong usage.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 64
#define OUTPUT_MAX (1u << 20) /* bytes of a program's output that are kept; what follows is read and counted only */
#define LINE_MAX_BYTES 4096   /* of a line of TAP; a longer one is cut */

typedef struct counts {
    unsigned passed;
    unsigned failed;
    unsigned skipped;
} counts;

/* One program under way. `pid` is 0 in a free place. */
typedef struct job {
    const char *program;
    pid_t pid;
    int output; /* reading end of its stdout and stderr */
    struct timespec began;
    bool timed_out;
    char folder[64]; /* holds home/ and tmp/ */
    char *text;
    size_t text_len;
    char line[LINE_MAX_BYTES];
    size_t line_len;
    counts seen;
    unsigned planned;
    bool has_plan;
    bool bailed_out;
    char notes[2048]; /* reasons, one a line */
} job;

static volatile sig_atomic_t interrupted;
static bool colour;
static const char *wrapper;

static void on_signal(int number)
{
    interrupted = number;
}

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

__attribute__((format(printf, 2, 3))) static void note(job *j, const char *format, ...)
{
    size_t used = strlen(j->notes);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(j->notes + used, sizeof j->notes - used, format, arguments);
    va_end(arguments);
}

/* ---- TAP ---- */

static bool begins(const char *line, const char *prefix)
{
    return strncmp(line, prefix, strlen(prefix)) == 0;
}

/* The word SKIP after a number sign, or NULL. */
static const char *skip_directive(const char *line)
{
    for (const char *p = strchr(line, '#'); p; p = strchr(p + 1, '#')) {
        const char *word = p + 1 + strspn(p + 1, " ");
        if (strncasecmp(word, "skip", 4) == 0)
            return word + 4;
    }
    return NULL;
}

static void read_plan(job *j, const char *line)
{
    const char *why = skip_directive(line);
    unsigned count = (unsigned)strtoul(line + 3, NULL, 10);
    j->has_plan = true;
    j->planned += count; /* a cmocka program prints one plan a group */
    if (count == 0 && why) {
        j->seen.skipped++;
        j->planned++;
        note(j, "skipped:%s\n", *why ? why : " no reason given");
    }
}

static void read_line(job *j, const char *line)
{
    bool ok = begins(line, "ok") && strchr(" -", line[2]);
    bool not_ok = begins(line, "not ok") && strchr(" -", line[6]);
    const char *why = skip_directive(line);
    if (begins(line, "1..")) {
        read_plan(j, line);
    } else if ((ok || not_ok) && why) {
        j->seen.skipped++;
        note(j, "skipped:%s\n", line + (ok ? 2 : 6));
    } else if (ok) {
        j->seen.passed++;
    } else if (not_ok) {
        j->seen.failed++;
        note(j, "failed:%s\n", line + 6);
    } else if (begins(line, "Bail out!")) {
        j->bailed_out = true;
    }
}

static void take_output(job *j, const char *bytes, size_t len)
{
    if (j->text && j->text_len + len <= OUTPUT_MAX) {
        memcpy(j->text + j->text_len, bytes, len);
        j->text_len += len;
    }
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            j->line[j->line_len] = '\0';
            read_line(j, j->line);
            j->line_len = 0;
        } else if (bytes[i] != '\0' && j->line_len + 1 < sizeof j->line) {
            j->line[j->line_len++] = bytes[i];
        }
    }
}

/* Reads what is there without waiting. */
static void drain(job *j)
{
    char bytes[16384];
    ssize_t got;
    while ((got = read(j->output, bytes, sizeof bytes)) > 0)
        take_output(j, bytes, (size_t)got);
}

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    (void)remove(path); /* what cannot be removed harms nobody */
    return 0;
}

static int unlock_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)place;
    if (kind == FTW_D || kind == FTW_DNR)
        chmod(path, status->st_mode | 0700);
    return 0;
}

static void remove_folder(const char *path)
{
    nftw(path, unlock_one, 16, FTW_PHYS);
    nftw(path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

static bool make_folders(job *j)
{
    char path[96];
    snprintf(j->folder, sizeof j->folder, "/tmp/quipu-test-XXXXXX");
    if (!mkdtemp(j->folder))
        return false;
    snprintf(path, sizeof path, "%s/home", j->folder);
    if (mkdir(path, 0700) != 0)
        return false;
    snprintf(path, sizeof path, "%s/tmp", j->folder);
    return mkdir(path, 0700) == 0;
}

/* ---- processes ---- */

/* What the machine's owner has configured must not decide whether a test passes. */
static void set_environment(const job *j)
{
    static const char *const unwanted[] = { "QUIPU_STORE",    "QUIPU_CONFIG",    "QUIPU_PLUGIN_PATH", "XDG_DATA_HOME",
                                            "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "GIT_DIR",           "GIT_WORK_TREE",
                                            "GIT_INDEX_FILE", "NO_COLOR",        "MAKEFLAGS",         "MAKELEVEL",
                                            "MFLAGS" };
    char path[96];
    for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++)
        unsetenv(unwanted[i]);
    snprintf(path, sizeof path, "%s/home", j->folder);
    setenv("HOME", path, 1);
    snprintf(path, sizeof path, "%s/tmp", j->folder);
    setenv("TMPDIR", path, 1);
    setenv("CMOCKA_MESSAGE_OUTPUT", "TAP", 1);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("TZ", "UTC", 1);
}

static void run_child(const job *j, int output)
{
    const char *dot = strrchr(j->program, '.');
    int nothing = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    dup2(nothing, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    set_environment(j);
    if (wrapper)
        execlp("sh", "sh", "-c", wrapper, "sh", j->program, (char *)NULL);
    else if (dot && strcmp(dot, ".sh") == 0)
        execlp("sh", "sh", j->program, (char *)NULL);
    else
        execl(j->program, j->program, (char *)NULL);
    fprintf(stderr, "cannot run %s: %s\n", j->program, strerror(errno));
    _exit(127);
}

static bool start(job *j, const char *program)
{
    int ends[2];
    memset(j, 0, sizeof *j);
    j->program = program;
    if (!make_folders(j) || pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fflush(NULL);
    j->text = malloc(OUTPUT_MAX);
    clock_gettime(CLOCK_MONOTONIC, &j->began);
    j->pid = fork();
    if (j->pid == 0)
        run_child(j, ends[1]);
    close(ends[1]);
    if (j->pid < 0) {
        close(ends[0]);
        return false;
    }
    setpgid(j->pid, j->pid);
    j->output = ends[0];
    fcntl(j->output, F_SETFL, O_NONBLOCK);
    return true;
}

/* ---- verdicts ---- */

/* Everything but its cases that can be wrong with a program; each is a failed case. */
static void judge(job *j, int status, long limit)
{
    unsigned cases = j->seen.passed + j->seen.failed + j->seen.skipped;
    unsigned before = j->seen.failed;
    if (j->timed_out) {
        note(j, "hung: killed after %ld s\n", limit);
        j->seen.failed++;
    } else if (WIFSIGNALED(status)) {
        note(j, "crashed: signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
        j->seen.failed++;
    } else if (j->bailed_out) {
        note(j, "gave up: Bail out!\n");
        j->seen.failed++;
    } else if (!j->has_plan) {
        note(j, "no plan: `1..N` was never printed (exit status %d)\n", WEXITSTATUS(status));
        j->seen.failed++;
    } else if (cases != j->planned) {
        note(j, "wrong plan: %u cases planned, %u seen\n", j->planned, cases);
        j->seen.failed++;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && !j->timed_out && j->seen.failed == 0) {
        note(j, "exit status %d, though no case failed\n", WEXITSTATUS(status));
        j->seen.failed++;
    }
    if (before == 0 && j->seen.failed == 0 && cases == 0) {
        note(j, "no case: the program tested nothing\n");
        j->seen.failed++;
    }
}

static void print_indented(const char *text, size_t len, const char *indent)
{
    const char *end = text + len;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t size = (size_t)((stop ? stop : end) - text);
        printf("%s%.*s\n", indent, (int)size, text);
        text += size + 1;
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void print_result(const job *j)
{
    bool failed = j->seen.failed > 0;
    const char *word = failed ? "FAIL" : j->seen.passed == 0 ? "skip" : "pass";
    const char *paint = !colour ? "" : failed ? "\033[1;31m" : j->seen.passed == 0 ? "\033[33m" : "\033[32m";
    printf("%s%s%s  %-34s %4u passed", paint, word, colour ? "\033[0m" : "", base_name(j->program), j->seen.passed);
    if (failed)
        printf(", %u failed", j->seen.failed);
    if (j->seen.skipped)
        printf(", %u skipped", j->seen.skipped);
    printf("  %.1f s\n", seconds_since(&j->began));
    print_indented(j->notes, strlen(j->notes), "      ");
    if (failed && j->text)
        print_indented(j->text, j->text_len, "    | ");
    fflush(stdout);
}

/* Ends what is left of the program, judges it, adds its cases to the sum, and frees its place. */
static void finish(job *j, int status, long limit, counts *sum)
{
    kill(-j->pid, SIGKILL);
    drain(j);
    take_output(j, "\n", j->line_len ? 1 : 0);
    judge(j, status, limit);
    print_result(j);
    sum->passed += j->seen.passed;
    sum->failed += j->seen.failed;
    sum->skipped += j->seen.skipped;
    close(j->output);
    free(j->text);
    remove_folder(j->folder);
    j->pid = 0;
}

/* Waits a moment for output, then looks after each program: time limit and end. */
static void attend(job *jobs, int count, long limit, counts *sum)
{
    struct pollfd fds[JOBS_MAX];
    for (int i = 0; i < count; i++) {
        fds[i].fd = jobs[i].pid ? jobs[i].output : -1;
        fds[i].events = POLLIN;
        fds[i].revents = 0;
    }
    poll(fds, (nfds_t)count, 20);
    for (int i = 0; i < count; i++) {
        job *j = &jobs[i];
        int status;
        if (!j->pid)
            continue;
        drain(j);
        if (fds[i].revents & POLLHUP)
            usleep(1000); /* all of its output is closed: it ends in a moment, or lives on in silence */
        if (!j->timed_out && seconds_since(&j->began) > (double)limit) {
            j->timed_out = true;
            kill(-j->pid, SIGKILL);
        }
        if (waitpid(j->pid, &status, WNOHANG) == j->pid)
            finish(j, status, limit, sum);
    }
}

static int run_all(char **programs, int count, int width, long limit, counts *sum)
{
    static job jobs[JOBS_MAX];
    int next = 0, running = 1;
    while ((next < count || running) && !interrupted) {
        running = 0;
        for (int i = 0; i < width; i++) {
            if (!jobs[i].pid && next < count && !start(&jobs[i], programs[next++])) {
                fprintf(stderr, "runner: cannot start %s: %s\n", programs[next - 1], strerror(errno));
                return -1;
            }
            running += jobs[i].pid != 0;
        }
        attend(jobs, width, limit, sum);
    }
    for (int i = 0; i < width; i++)
        if (jobs[i].pid) {
            kill(-jobs[i].pid, SIGKILL);
            waitpid(jobs[i].pid, NULL, 0);
            remove_folder(jobs[i].folder);
        }
    return interrupted ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = on_signal };
    counts sum = { 0, 0, 0 };
    long limit = 60, width = 2;
    int option;
    while ((option = getopt(argc, argv, "j:l:w:")) != -1) {
        if (option == 'j')
            width = strtol(optarg, NULL, 10);
        else if (option == 'l')
            limit = strtol(optarg, NULL, 10);
        else if (option == 'w')
            wrapper = optarg;
        else
            return 2;
    }
    if (optind == argc || width < 1 || width > JOBS_MAX || limit < 1) {
        fputs("runner: usage: runner [-j JOBS] [-l SECONDS] [-w WRAPPER] PROGRAM...\n", stderr);
        return 2;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    if (run_all(argv + optind, argc - optind, (int)width, limit, &sum) != 0)
        return 1;
    printf("%u passed, %u failed", sum.passed, sum.failed);
    if (sum.skipped)
        printf(", %u skipped", sum.skipped);
    putchar('\n');
    return sum.failed ? 1 : 0;
}
