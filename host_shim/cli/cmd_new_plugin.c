/*
 * cmd_new_plugin.c - `quipu new-plugin NAME`: a folder with a complete backend to begin from, its Makefile, tests and CI file.
 *
 * What is written comes from examples/tiny_backend.c and examples/new_plugin/, which are built and tried by the tests.
 */
#include "cli.h"
#include "embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MOST 31

static bool is_good_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return len > 0 && len <= NAME_MOST && name[len] == '\0' && name[0] >= 'a' && name[0] <= 'z';
}

static void append_replaced(buffer *out, const char *text, const char *what, const char *with)
{
    for (const char *at; (at = strstr(text, what)); text = at + strlen(what)) {
        buffer_append(out, text, (size_t)(at - text));
        buffer_append_text(out, with);
    }
    buffer_append_text(out, text);
    buffer_append_char(out, '\0');
}

/* The text with the name in its places: @NAME@, or in the example tiny_backend and tiny. */
static bool fill_in(const embedded_file *file, const char *name, buffer *out)
{
    static const char *const places[] = { "@NAME@", "tiny_backend", "tiny" };
    buffer from = { 0 }, to = { 0 };
    buffer_append_text(&from, file->text);
    buffer_append_char(&from, '\0');
    for (size_t i = 0; i < 3 && !from.failed; i++) {
        buffer_clear(&to);
        append_replaced(&to, from.bytes, places[i], name);
        buffer swap = from;
        from = to;
        to = swap;
    }
    buffer_free(&to);
    *out = from;
    return !from.failed;
}

static bool write_file(int folder, const char *path, const char *text)
{
    size_t len = strlen(text), done = 0;
    int fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    while (done < len) {
        ssize_t wrote = write(fd, text + done, len - done);
        if (wrote < 0 && errno != EINTR)
            break;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return close(fd) == 0 && done == len;
}

/* Makes the folders of a path within `folder`. */
static bool make_folders(int folder, char *path)
{
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int result = mkdirat(folder, path, 0755);
        *slash = '/';
        if (result != 0 && errno != EEXIST)
            return false;
    }
    return true;
}

static int write_all(cli *c, int folder, const char *name)
{
    for (const embedded_file *file = embedded_files; file->name; file++) {
        char path[128];
        buffer text = { 0 };
        snprintf(path, sizeof path, "%s", strcmp(file->name, "NAME.c") == 0 ? "" : file->name);
        if (!path[0])
            snprintf(path, sizeof path, "%s.c", name);
        bool good = fill_in(file, name, &text) && make_folders(folder, path) && write_file(folder, path, text.bytes);
        int why = errno;
        buffer_free(&text);
        if (!good)
            return report_fault(c, QUIPU_E_IO, "NAME", "%s/%s could not be written: %s", name, path, strerror(why));
    }
    return STATUS_DONE;
}

int cmd_new_plugin(cli *c)
{
    const char *name = c->arguments[0];
    if (!is_good_name(name))
        return report_fault(c, QUIPU_E_INVALID, "NAME",
                            "a name has small letters, digits and _, begins with a letter and has at most %d bytes",
                            NAME_MOST);
    if (mkdir(name, 0755) != 0)
        return report_fault(c, errno == EEXIST ? QUIPU_E_EXISTS : QUIPU_E_IO, "NAME",
                            "the folder %s cannot be made: %s", name, strerror(errno));
    int folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return report_fault(c, QUIPU_E_IO, "NAME", "the folder %s cannot be opened: %s", name, strerror(errno));
    int status = write_all(c, folder, name);
    close(folder);
    if (status == STATUS_DONE && c->json)
        printf("{\"name\":\"%s\",\"folder\":\"%s\"}\n", name, name);
    else if (status == STATUS_DONE && !c->quiet)
        printf("%s/ is there: a complete backend, its Makefile, a test and a CI file.\n  cd %s && make check\n", name,
               name);
    return status;
}
