/* scratch.c - see scratch.h. */
#include "scratch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

void scratch_make(char path[128])
{
    const char *base = getenv("TMPDIR");
    snprintf(path, 128, "%s/quipu-test-XXXXXX", base && *base && strlen(base) < 90 ? base : "/tmp");
    if (!mkdtemp(path)) {
        perror("mkdtemp");
        abort();
    }
}

void scratch_remove(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0)
        fprintf(stderr, "could not remove %s\n", path);
}

int scratch_git(const char *folder, char *output, size_t size, const char *arguments, ...)
{
    char given[1024], command[1600], line[512];
    size_t used = 0;
    va_list list;
    va_start(list, arguments);
    vsnprintf(given, sizeof given, arguments, list);
    va_end(list);
    snprintf(command, sizeof command,
             "GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null git -C '%s' -c safe.directory='*' -c user.name=tester "
             "-c user.email=tester@quipu.invalid %s 2>&1",
             folder, given);
    FILE *pipe = popen(command, "r");
    if (!pipe)
        return -1;
    while (fgets(line, sizeof line, pipe))
        if (output && used + strlen(line) < size)
            used += (size_t)snprintf(output + used, size - used, "%s", line);
    if (output && used == 0)
        output[0] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int scratch_fsck(const char *folder)
{
    char output[2000];
    int status = scratch_git(folder, output, sizeof output, "fsck --strict --no-dangling --no-progress");
    if (status || output[0])
        fprintf(stderr, "fsck: %d %s\n", status, output);
    return status || output[0];
}
