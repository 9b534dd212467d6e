/* remote.c - what a remote is, and those in a folder of this machine; remote_network.c has the others. */
#include "remote.h"

#include "credentials.h"
#include "git_layout.h"
#include "history_split.h"
#include "refs.h"
#include "remote_network.h"

#include <base/fail.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to reach the other store");
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* "scheme://", or "host:path" where no such folder is here. */
static bool is_address(const char *url)
{
    const char *colon = strchr(url, ':'), *slash = strchr(url, '/');
    if (colon && strncmp(colon, "://", 3) == 0)
        return !has_prefix(url, "file://");
    return colon && (!slash || colon < slash) && !is_folder(url);
}

/* Divides an address: what libgit2 and the configuration get has no password, and with http no user, which may be a token as well. */
static int32_t divide(const char *given, remote *r, quipu_error *error)
{
    quipu_str scheme, info, rest;
    buffer url = { 0 }, shown = { 0 }, user = { 0 }, password = { 0 };
    if (!credentials_split(str_of(given), &scheme, &info, &rest) || !info.ptr) {
        r->url = str_dup(str_of(given));
        r->shown = str_dup(str_of(given));
        return r->url && r->shown ? QUIPU_OK : no_memory(error);
    }
    const char *colon = memchr(info.ptr, ':', (size_t)info.len);
    size_t user_len = colon ? (size_t)(colon - info.ptr) : (size_t)info.len;
    bool web = has_prefix(given, "http");
    bool good = credentials_decode(str_make(info.ptr, user_len), &user);
    if (colon)
        good = good && credentials_decode(str_make(colon + 1, (size_t)info.len - user_len - 1), &password);
    buffer_printf(&shown, "%.*s://%.*s", (int)scheme.len, scheme.ptr, (int)rest.len, rest.ptr);
    if (web)
        buffer_append(&url, shown.bytes, shown.len);
    else
        buffer_printf(&url, "%.*s://%.*s@%.*s", (int)scheme.len, scheme.ptr, (int)user_len, info.ptr, (int)rest.len,
                      rest.ptr);
    r->url = str_dup(str_make(url.bytes, url.len));
    r->shown = str_dup(str_make(shown.bytes, shown.len));
    r->user = str_dup(str_make(user.bytes ? user.bytes : "", user.len));
    r->password = web || colon ? str_dup(str_make(password.bytes ? password.bytes : "", password.len)) : NULL;
    int32_t code = QUIPU_OK;
    if (!good)
        code =
            fail(error, QUIPU_E_INVALID, "remote", "user or password of %s are badly written: %%XX stands for a byte",
                 r->shown ? r->shown : "the address");
    else if (url.failed || shown.failed || !r->url || !r->shown || !r->user || (web && !r->password))
        code = no_memory(error);
    buffer_free(&url);
    buffer_free(&shown);
    buffer_free(&user);
    buffer_free(&password);
    return code;
}

static int32_t find_folder(remote *r, quipu_error *error)
{
    buffer inner = { 0 };
    char *path = realpath(has_prefix(r->url, "file://") ? r->url + 7 : r->url, NULL);
    if (!path || !is_folder(path)) {
        free(path);
        return fail(error, QUIPU_E_NOT_FOUND, "remote",
                    "\"%s\" is no remote that the store remembers, no folder and no address; give one, or make a name "
                    "known with `git -C STORE remote add NAME ADDRESS`",
                    r->shown);
    }
    buffer_printf(&inner, "%s/.git", path);
    if (inner.failed) {
        free(path);
        return no_memory(error);
    }
    if (is_folder(inner.bytes)) {
        free(path);
        r->folder = inner.bytes;
        return QUIPU_OK;
    }
    buffer_free(&inner);
    r->folder = path;
    return QUIPU_OK;
}

int32_t remote_find(git_store *s, quipu_str spec, remote *out, quipu_error *error)
{
    char *given = str_dup(spec), *known = NULL;
    *out = (remote){ 0 };
    int32_t code = given ? network_url(git_store_path(s), given, &known, error) : no_memory(error);
    if (code == QUIPU_OK)
        code = divide(known ? known : given, out, error);
    if (code == QUIPU_OK && !is_address(out->url))
        code = find_folder(out, error);
    if (known) {
        out->name = given;
        given = NULL;
    }
    free(given);
    free(known);
    if (code != QUIPU_OK)
        remote_free(out);
    return code;
}

void remote_free(remote *r)
{
    free(r->name);
    free(r->url);
    free(r->shown);
    free(r->user);
    free(r->password);
    free(r->folder);
    *r = (remote){ 0 };
}

int32_t remote_remember(git_store *s, const char *name, const char *url, quipu_error *error)
{
    remote place = { 0 };
    int32_t code = divide(url, &place, error);
    char *folder = code != QUIPU_OK || is_address(url) || has_prefix(url, "file://") ? NULL : realpath(url, NULL);
    if (code == QUIPU_OK)
        code = network_remember(git_store_path(s), name, folder ? folder : place.url, error);
    free(folder);
    remote_free(&place);
    return code;
}

/* ---- in a folder ---- */

static int32_t open_objects(const remote *r, objects **out, quipu_error *error)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/objects", r->folder);
    int32_t code = path.failed ? no_memory(error) : QUIPU_OK;
    if (code == QUIPU_OK && !is_folder(path.bytes))
        code = fail(error, QUIPU_E_FORMAT, "remote", "%s is not a git repository", r->shown);
    if (code == QUIPU_OK)
        code = objects_open(path.bytes, out, error);
    buffer_free(&path);
    return code;
}

int32_t remote_fetch(git_store *s, const remote *r, const char *branch, const remote_call *how, objects **from,
                     object_id *tip, quipu_error *error)
{
    *from = NULL;
    if (!r->folder) {
        int32_t code = network_fetch(git_store_path(s), r, branch, how, tip, error);
        objects_forget(git_store_objects(s));
        return code;
    }
    int32_t code = ref_read(r->folder, branch, tip, error);
    return code == QUIPU_OK ? open_objects(r, from, error) : code;
}

/* With the other store's lock held by `t`. */
static int32_t send(git_store *s, git_transaction *t, git_store *other, const object_id *tip, const remote_call *how,
                    bool *refused, quipu_error *error)
{
    history_split split;
    size_t count;
    object_id there = *git_transaction_head(t);
    int32_t code = history_split_read(git_store_objects(other), &there, git_store_objects(s), tip, &split, error);
    *refused = code == QUIPU_OK && !object_id_is_none(&there) && !object_id_equal(&split.base, &there);
    if (code == QUIPU_OK && !*refused && how->progress &&
        how->progress(how->context, "sending", 0, split.only_in_b_count) != 0)
        code = fail(error, QUIPU_E_CANCELLED, NULL, "the transfer was given up");
    history_split_free(&split);
    if (code != QUIPU_OK || *refused)
        return code;
    code = git_transaction_fetch(t, git_store_objects(s), tip, how->call, &count, error);
    return code == QUIPU_OK ? git_transaction_forward(t, tip, error) : code;
}

static int32_t push_to_folder(git_store *s, const remote *r, const char *branch, const object_id *tip,
                              const remote_call *how, bool *refused, quipu_error *error)
{
    git_store_options options = { .no_create = true, .durable = true, .branch = branch };
    git_store *other = NULL;
    git_transaction *t = NULL;
    bool made, lost = false;
    size_t len = strlen(r->folder);
    if (len >= 5 && strcmp(r->folder + len - 5, "/.git") == 0)
        return fail(error, QUIPU_E_FORMAT, "remote",
                    "%s has a work tree, which a push would leave behind; push to a bare repository", r->shown);
    int32_t code = git_store_open(r->folder, &options, &other, &made, error);
    if (code == QUIPU_OK)
        code = git_begin(other, how->call, &t, error);
    if (code == QUIPU_OK)
        code = send(s, t, other, tip, how, refused, error);
    if (t && (code != QUIPU_OK || *refused))
        git_abort(t);
    else if (t)
        code = git_publish(t, &lost, error);
    *refused = *refused || lost;
    git_store_close(other);
    return code;
}

int32_t remote_push(git_store *s, const remote *r, const char *branch, const object_id *tip, const remote_call *how,
                    bool *refused, quipu_error *error)
{
    *refused = false;
    return r->folder ? push_to_folder(s, r, branch, tip, how, refused, error)
                     : network_push(git_store_path(s), r, branch, how, refused, error);
}
