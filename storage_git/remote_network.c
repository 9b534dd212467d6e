/* remote_network.c - see remote_network.h: the remotes in the configuration; remote_transfer.c has the transfers. */
#include "remote_network.h"

#include "objects.h"
#include "os.h"

#include <base/buffer.h>
#include <base/fail.h>

#include <git2.h>
#include <stdio.h>
#include <stdlib.h>

static const char *git_reason(void)
{
    const git_error *last = git_error_last();
    return last && last->message ? last->message : "no reason given";
}

/* The repository's own file alone, and no git_remote_lookup: in libgit2 1.5 that loses memory with each regular expression. */
static int32_t open_config(const char *repository, git_config **out, quipu_error *error)
{
    buffer path = { 0 };
    objects_library_need();
    buffer_printf(&path, "%s/config", repository);
    int32_t code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the configuration")
                               : os_check_file(path.bytes, error); /* libgit2 would wait for a pipe */
    if (code == QUIPU_OK && git_config_open_ondisk(out, path.bytes) != 0)
        code = fail(error, QUIPU_E_IO, NULL, "cannot read the configuration %s: %s", path.bytes, git_reason());
    buffer_free(&path);
    return code;
}

static int32_t url_key(const char *name, const char *member, buffer *out, quipu_error *error)
{
    buffer_printf(out, "remote.%s.%s", name, member);
    return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the configuration") : QUIPU_OK;
}

int32_t network_url(const char *repository, const char *name, char **out, quipu_error *error)
{
    git_config *config = NULL;
    git_buf value = { 0 };
    buffer key = { 0 };
    int valid = 0;
    *out = NULL;
    objects_library_need();
    if (git_remote_name_is_valid(&valid, name) != 0 || !valid)
        return QUIPU_OK;
    int32_t code = open_config(repository, &config, error);
    if (code == QUIPU_OK)
        code = url_key(name, "url", &key, error);
    if (code == QUIPU_OK && git_config_get_string_buf(&value, config, key.bytes) == 0) {
        *out = str_dup(str_make(value.ptr, value.size));
        code = *out ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the configuration");
    }
    git_buf_dispose(&value);
    git_config_free(config);
    buffer_free(&key);
    return code;
}

int32_t network_remember(const char *repository, const char *name, const char *url, quipu_error *error)
{
    git_config *config = NULL;
    buffer key = { 0 }, fetch_key = { 0 }, spec = { 0 };
    int valid = 0;
    objects_library_need();
    if (git_remote_name_is_valid(&valid, name) != 0 || !valid)
        return fail(error, QUIPU_E_INVALID, "name", "\"%s\" cannot be the name of a remote", name);
    int32_t code = open_config(repository, &config, error);
    if (code == QUIPU_OK)
        code = url_key(name, "url", &key, error);
    if (code == QUIPU_OK)
        code = url_key(name, "fetch", &fetch_key, error);
    buffer_printf(&spec, "+refs/heads/*:refs/remotes/%s/*", name); /* for stock git */
    if (code == QUIPU_OK && (spec.failed || git_config_set_string(config, key.bytes, url) != 0 ||
                             git_config_set_string(config, fetch_key.bytes, spec.bytes) != 0))
        code = fail(error, QUIPU_E_IO, NULL, "cannot write the remote into the configuration: %s", git_reason());
    git_config_free(config);
    buffer_free(&key);
    buffer_free(&fetch_key);
    buffer_free(&spec);
    return code;
}
