/* checks_static.c - what the file says before any of it runs (rules A1, A2, A17, A19). */
#include "../core/check.h"
#include "check_table.h"
#include "elf_dynamic.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void check_static_note(probe *p)
{
    faults f = { 0 };
    elf_note note = { 0 };
    struct stat st;
    int fd = open(p->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        probe_fail(p, "it cannot be opened");
    elf_note_read(fd, (uint64_t)st.st_size, &note, &f);
    close(fd);
    if (f.count)
        probe_fail(p, "%.800s", f.lines.bytes);
    if (!note.found)
        probe_fail(p, "it has no plugin note; QUIPU_PLUGIN of plugin.h makes one");
}

static void read_file(probe *p, elf_dynamic *e)
{
    const char *why = elf_dynamic_read(p->path, e);
    if (why)
        probe_fail(p, "%s", why);
}

void check_static_exports(probe *p)
{
    elf_dynamic e;
    bool entry = false;
    read_file(p, &e);
    for (size_t i = 0; i < e.export_count; i++) {
        if (strcmp(e.exports[i], QUIPU_PLUGIN_SYMBOL) == 0)
            entry = true;
        else if (!elf_dynamic_sanitized(&e))
            probe_fail(p, "it exports %.200s; link with a version script that shows " QUIPU_PLUGIN_SYMBOL " only",
                       e.exports[i]);
    }
    if (!entry)
        probe_fail(p, "it does not export " QUIPU_PLUGIN_SYMBOL);
    elf_dynamic_free(&e);
}

void check_static_imports(probe *p)
{
    static const char *const forbidden[] = {
        "system",      "popen",      "chdir",        "fchdir",   "chroot",        "umask",  "setlocale", "signal",
        "sigaction",   "bsd_signal", "sigset",       "atexit",   "on_exit",       "exit",   "_exit",     "quick_exit",
        "putenv",      "setenv",     "unsetenv",     "clearenv", "setuid",        "setgid", "setrlimit", "nice",
        "setpriority", "printf",     "__printf_chk", "vprintf",  "__vprintf_chk", "puts",   "putchar",   "perror",
        "stdout",      "stderr",     "err",          "errx",     "warn",          "warnx",  "psignal",   "daemon",
        "alarm",       "setitimer",  "srand",        "srandom",
    };
    elf_dynamic e;
    read_file(p, &e);
    if (elf_dynamic_sanitized(&e))
        probe_skip(p, "the file was built with a sanitizer, which imports what it likes");
    for (size_t i = 0; i < e.import_count; i++)
        for (size_t k = 0; k < sizeof forbidden / sizeof forbidden[0]; k++)
            if (strcmp(e.imports[i], forbidden[k]) == 0)
                probe_fail(p, "it imports %s, which acts on the whole process and not on the plugin alone",
                           forbidden[k]);
    elf_dynamic_free(&e);
}

void check_static_stack(probe *p)
{
    elf_dynamic e;
    read_file(p, &e);
    if (e.stack_executable)
        probe_fail(p, "loading it makes the stack executable; link with -z noexecstack");
    elf_dynamic_free(&e);
}

void check_static_relro(probe *p)
{
    elf_dynamic e;
    read_file(p, &e);
    if (!e.relro || !e.bind_now)
        probe_fail(p, "%s; link with -z relro -z now",
                   e.relro ? "its functions are bound when they are first called" : "its tables stay writable");
    elf_dynamic_free(&e);
}

void check_static_textrel(probe *p)
{
    elf_dynamic e;
    read_file(p, &e);
    if (e.text_relocations)
        probe_fail(p, "its code has relocations; compile with -fPIC");
    elf_dynamic_free(&e);
}

/* gcc's and clang's own start files put one function into every shared object. */
void check_static_constructors(probe *p)
{
    elf_dynamic e;
    read_file(p, &e);
    if (elf_dynamic_sanitized(&e))
        probe_skip(p, "the file was built with a sanitizer, which has constructors of its own");
    if (e.init_array > sizeof(void *))
        probe_fail(p, "it has %llu constructors; do that work in init",
                   (unsigned long long)(e.init_array / sizeof(void *) - 1));
    elf_dynamic_free(&e);
}

void check_static_tls(probe *p)
{
    elf_dynamic e;
    read_file(p, &e);
    if (e.static_tls && !elf_dynamic_sanitized(&e))
        probe_warn(
            p,
            "its thread-local variables take from the little room that is set aside at start; do not use initial-exec");
    elf_dynamic_free(&e);
}
