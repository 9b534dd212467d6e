/* key.c - see key.h. */
#include <sdk/key.h>

#include <base/buffer.h>
#include <base/fail.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MAX 4096u

static bool is_key(const char *key)
{
    for (const char *c = key; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
            return false;
    return *key != '\0';
}

static int32_t read_file(const char *path, char *out, quipu_error *error)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(error, errno, "cannot read the key file %s", path);
    int32_t code = QUIPU_OK;
    ssize_t len = 0;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        code = fail(error, QUIPU_E_INVALID, "key_file", "the key file %s is no file", path);
    else if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
        code = fail(error, QUIPU_E_DENIED, "key_file",
                    "the key file %s can be read or changed by others; make it yours alone: chmod 600 %s", path, path);
    else if ((len = read(fd, out, KEY_MAX)) < 0)
        code = fail_errno(error, errno, "cannot read the key file %s", path);
    close(fd);
    while (code == QUIPU_OK && len > 0 && strchr(" \t\r\n", out[len - 1]))
        len--;
    out[code == QUIPU_OK ? len : 0] = '\0';
    return code;
}

static void wipe(char *bytes, size_t len)
{
    for (volatile char *c = bytes; len > 0; len--)
        *c++ = 0;
}

int32_t key_read(const char *name, const char *path, char **out, quipu_error *error)
{
    char room[KEY_MAX + 1] = "";
    const char *value = name ? getenv(name) : NULL;
    int32_t code = QUIPU_OK;
    *out = NULL;
    if (path)
        code = read_file(path, room, error);
    else if (!value || !*value)
        return QUIPU_OK;
    if (code == QUIPU_OK && !is_key(path ? room : value))
        code = fail(error, QUIPU_E_INVALID, path ? "key_file" : "key_env",
                    "what %s holds is no key: a key is one word of ASCII characters", path ? path : name);
    if (code == QUIPU_OK) {
        *out = str_dup(str_of(path ? room : value));
        if (!*out)
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a key");
    }
    wipe(room, sizeof room);
    return code;
}

void key_free(char *key)
{
    if (key)
        wipe(key, strlen(key));
    free(key);
}
