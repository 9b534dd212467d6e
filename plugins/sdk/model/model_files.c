/* model_files.c - see model_files.h. */
#include "model_files.h"

#include <base/fail.h>
#include <errno.h>
#include <fcntl.h>
#include <sdk/json.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)64 << 20)

static int32_t read_whole(int fd, const char *path, buffer *out, quipu_error *error)
{
    for (;;) {
        char *at = buffer_reserve(out, 65536);
        if (!at)
            return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to read %s", path);
        ssize_t got = read(fd, at, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(error, errno, "cannot read %s", path);
        if (got == 0)
            return QUIPU_OK;
        out->len += (size_t)got;
        if (out->len > FILE_MAX)
            return fail(error, QUIPU_E_TOO_LARGE, NULL, "%s is larger than such a file can be", path);
    }
}

int32_t model_file_read(const char *folder, const char *name, buffer *out, quipu_error *error)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/%s", folder, name);
    if (path.failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a path");
    int fd = open(path.bytes, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int32_t code = fd < 0 ? fail_errno(error, errno, "cannot read %s", path.bytes) : QUIPU_OK;
    if (code == QUIPU_OK)
        code = read_whole(fd, path.bytes, out, error);
    if (fd >= 0)
        close(fd);
    buffer_free(&path);
    return code;
}

int32_t model_file_json(const char *folder, const char *name, cJSON **out, quipu_error *error)
{
    buffer text = { 0 };
    quipu_error why = { .struct_size = sizeof why };
    *out = NULL;
    int32_t code = model_file_read(folder, name, &text, error);
    if (code == QUIPU_OK &&
        (code = json_parse(str_make(text.bytes ? text.bytes : "", text.len), out, &why)) != QUIPU_OK)
        code = fail(error, code == QUIPU_E_NO_MEMORY ? code : QUIPU_E_CORRUPT, NULL, "%s/%s is not usable: %s", folder,
                    name, why.message);
    if (code == QUIPU_OK && !cJSON_IsObject(*out) && !cJSON_IsArray(*out))
        code = fail(error, QUIPU_E_CORRUPT, NULL, "%s/%s is not usable: it holds no object", folder, name);
    if (code != QUIPU_OK) {
        cJSON_Delete(*out);
        *out = NULL;
    }
    buffer_free(&text);
    return code;
}

bool model_file_exists(const char *folder, const char *name)
{
    buffer path = { 0 };
    struct stat status;
    buffer_printf(&path, "%s/%s", folder, name);
    bool there = !path.failed && stat(path.bytes, &status) == 0 && S_ISREG(status.st_mode);
    buffer_free(&path);
    return there;
}

int64_t model_int(const cJSON *object, const char *name, int64_t otherwise)
{
    int64_t value;
    return json_is_int(cJSON_GetObjectItemCaseSensitive(object, name), &value) ? value : otherwise;
}

bool model_bool(const cJSON *object, const char *name, bool otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : otherwise;
}

const char *model_text(const cJSON *object, const char *name, const char *otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}
