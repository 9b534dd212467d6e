/* remote_network.c - see remote_network.h. What libgit2 fetches it writes as one pack, which refs/remotes/ keeps from then on. */
#include "remote_network.h"

#include "refs.h"

#include <base/buffer.h>
#include <base/fail.h>

#include <git2.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct transfer {
    const remote_call *how;
    const char *stage;
    quipu_error *error;
    int32_t code;  /* why it was given up */
    bool asked;    /* for a key, once: the agent's answer does not change */
    bool rejected; /* by the other side */
} transfer;

static const char *git_reason(void)
{
    const git_error *last = git_error_last();
    return last && last->message ? last->message : "no reason given";
}

static int32_t open_repository(const char *repository, git_repository **out, quipu_error *error)
{
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    if (git_repository_open_bare(out, repository) == 0)
        return QUIPU_OK;
    return fail(error, QUIPU_E_IO, NULL, "cannot open the repository: %s", git_reason());
}

/* ---- the configuration ---- */

/* The repository's own file alone, and no git_remote_lookup: in libgit2 1.5 that loses memory with each regular expression. */
static int32_t open_config(const char *repository, git_config **out, quipu_error *error)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/config", repository);
    int32_t code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the configuration") : QUIPU_OK;
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

/* ---- libgit2's questions ---- */

static int give_up(transfer *t, int32_t code)
{
    t->code = code;
    return GIT_EUSER;
}

static int step(transfer *t, uint64_t done, uint64_t total)
{
    int32_t code = call_check(t->how->call, t->error);
    if (code != QUIPU_OK)
        return give_up(t, code);
    if (t->how->progress && t->how->progress(t->how->context, t->stage, done, total) != 0)
        return give_up(t, fail(t->error, QUIPU_E_CANCELLED, NULL, "the transfer was given up"));
    return 0;
}

static int on_received(const git_indexer_progress *stats, void *payload)
{
    return step(payload, stats->received_objects, stats->total_objects);
}

static int on_sent(unsigned int current, unsigned int total, size_t bytes, void *payload)
{
    (void)bytes;
    return step(payload, current, total);
}

static int on_credentials(git_credential **out, const char *url, const char *user, unsigned int allowed, void *payload)
{
    transfer *t = payload;
    (void)url;
    if (allowed & GIT_CREDENTIAL_USERNAME)
        return git_credential_username_new(out, user ? user : "git");
    if (!(allowed & GIT_CREDENTIAL_SSH_KEY))
        return give_up(t, fail(t->error, QUIPU_E_DENIED, "remote",
                               "the other side wants a password; put one into the address, or use ssh"));
    if (t->asked)
        return give_up(t, fail(t->error, QUIPU_E_DENIED, "remote",
                               "the ssh agent has no key that the other side takes; see `ssh-add -l`"));
    t->asked = true;
    return git_credential_ssh_key_from_agent(out, user ? user : "git");
}

static int on_pushed(const char *name, const char *status, void *payload)
{
    transfer *t = payload;
    (void)name;
    t->rejected = t->rejected || status != NULL;
    return 0;
}

static void set_callbacks(git_remote_callbacks *callbacks, transfer *t)
{
    callbacks->transfer_progress = on_received;
    callbacks->push_transfer_progress = on_sent;
    callbacks->credentials = on_credentials;
    callbacks->push_update_reference = on_pushed;
    callbacks->payload = t;
}

static int32_t failed(const transfer *t, const char *what, const remote *r)
{
    if (t->code != QUIPU_OK)
        return t->code;
    /* libgit2's own words might repeat the address, and what it holds */
    const char *reason = strcmp(r->url, r->shown) == 0 ? git_reason() : "the address and its password were used";
    return fail(t->error, QUIPU_E_IO, "remote", "cannot %s %s: %s", what, r->shown, reason);
}

/* "refs/remotes/origin/main"; a place without a name has its own corner. */
static void tracking_ref(const remote *r, const char *branch, buffer *out)
{
    buffer_printf(out, "refs/remotes/%s/%s", r->name ? r->name : "quipu-unnamed", branch + strlen("refs/heads/"));
}

static int32_t with_remote(const char *repository, const remote *r, git_repository **opened, git_remote **out,
                           quipu_error *error)
{
    int32_t code = open_repository(repository, opened, error);
    if (code == QUIPU_OK && git_remote_create_anonymous(out, *opened, r->url) != 0)
        code = fail(error, QUIPU_E_INVALID, "remote", "%s is no address", r->shown);
    return code;
}

int32_t network_fetch(const char *repository, const remote *r, const char *branch, const remote_call *how,
                      object_id *tip, quipu_error *error)
{
    transfer t = { .how = how, .stage = "receiving", .error = error };
    git_repository *opened = NULL;
    git_remote *there = NULL;
    buffer spec = { 0 }, local = { 0 };
    git_fetch_options options;
    git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
    set_callbacks(&options.callbacks, &t);
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    options.update_fetchhead = 0;
    memset(tip, 0, sizeof *tip);
    tracking_ref(r, branch, &local);
    buffer_printf(&spec, "+%s:%s", branch, local.bytes ? local.bytes : "");
    int32_t code = spec.failed || local.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to fetch")
                                               : with_remote(repository, r, &opened, &there, error);
    git_strarray specs = { &spec.bytes, 1 };
    if (code == QUIPU_OK && git_remote_fetch(there, &specs, &options, "quipu: pull") != 0)
        code = failed(&t, "fetch from", r);
    if (code == QUIPU_OK)
        code = ref_read(repository, local.bytes, tip, error);
    git_remote_free(there);
    git_repository_free(opened);
    buffer_free(&spec);
    buffer_free(&local);
    return code;
}

int32_t network_push(const char *repository, const remote *r, const char *branch, const remote_call *how, bool *refused,
                     quipu_error *error)
{
    transfer t = { .how = how, .stage = "sending", .error = error };
    git_repository *opened = NULL;
    git_remote *there = NULL;
    buffer spec = { 0 };
    git_push_options options;
    git_push_options_init(&options, GIT_PUSH_OPTIONS_VERSION);
    set_callbacks(&options.callbacks, &t);
    buffer_printf(&spec, "%s:%s", branch, branch);
    int32_t code = spec.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to push")
                               : with_remote(repository, r, &opened, &there, error);
    git_strarray specs = { &spec.bytes, 1 };
    int result = code == QUIPU_OK ? git_remote_push(there, &specs, &options) : 0;
    *refused = result == GIT_ENONFASTFORWARD || (result == 0 && t.rejected);
    if (result != 0 && !*refused)
        code = failed(&t, "push to", r);
    git_remote_free(there);
    git_repository_free(opened);
    buffer_free(&spec);
    return code;
}
