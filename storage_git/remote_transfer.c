/* remote_transfer.c - fetching and pushing through libgit2, on a thread of its own (network_wait.h). What is fetched is written as one
 * pack, which refs/remotes/ keeps from then on. */
#include "credentials.h"
#include "refs.h"
#include "remote_network.h"

#include <base/fail.h>

#include <git2.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAID_MAX = 200 };

/* One transfer. Everything is its own: the thread may outlive the call. */
typedef struct transfer {
    network_wait wait; /* the first member */
    bool push;
    char *repository, *url, *shown, *user, *password;
    buffer spec;
    credentials own;
    size_t keys_shown;   /* how many of own.keys were shown */
    bool agent_shown;    /* so was what the agent has */
    bool password_shown; /* and the password */
    quipu_error *error;  /* of the thread */
    int32_t code;        /* why a callback gave it up */
    bool refused;        /* the other side has something else now */
    buffer said;         /* by the other side, the end of it */
} transfer;

static const char *git_reason(void)
{
    const git_error *last = git_error_last();
    return last && last->message ? last->message : "no reason given";
}

/* Keeps the first reason. */
static int give_up(transfer *t, int32_t code)
{
    t->code = t->code == QUIPU_OK ? code : t->code;
    return GIT_EUSER;
}

/* Nobody reads this: the caller knows why it gave up. */
static int given_up(transfer *t)
{
    return give_up(t, fail(t->error, QUIPU_E_CANCELLED, NULL, "the transfer was given up"));
}

/* ---- libgit2's questions ---- */

static int on_received(const git_indexer_progress *stats, void *payload)
{
    transfer *t = payload;
    return network_step(&t->wait, stats->received_objects, stats->total_objects) ? 0 : given_up(t);
}

static int on_packed(int stage, uint32_t current, uint32_t total, void *payload)
{
    transfer *t = payload;
    (void)stage;
    (void)current;
    (void)total;
    return network_alive(&t->wait) ? 0 : given_up(t);
}

static int on_sent(unsigned int current, unsigned int total, size_t bytes, void *payload)
{
    transfer *t = payload;
    (void)bytes;
    return network_step(&t->wait, current, total) ? 0 : given_up(t);
}

static int on_tip(const char *name, const git_oid *before, const git_oid *after, void *payload)
{
    transfer *t = payload;
    (void)name;
    (void)before;
    (void)after;
    return network_alive(&t->wait) ? 0 : given_up(t);
}

static int on_said(const char *text, int len, void *payload)
{
    transfer *t = payload;
    if (len > SAID_MAX) {
        text += len - SAID_MAX;
        len = SAID_MAX;
    }
    if (t->said.len + (size_t)len > SAID_MAX)
        buffer_clear(&t->said);
    buffer_append(&t->said, text, (size_t)len);
    return network_alive(&t->wait) ? 0 : given_up(t);
}

static int show_password(transfer *t, git_credential **out)
{
    const char *user = t->password ? t->user : t->own.user, *password = t->password ? t->password : t->own.password;
    const char *from = t->password ? "the address" : t->own.password_is_from;
    if (!password)
        return give_up(t, fail(t->error, QUIPU_E_DENIED, "remote",
                               "%s wants a password; set QUIPU_REMOTE_USER and QUIPU_REMOTE_PASSWORD, or put it into "
                               "git's credential store",
                               t->shown));
    if (t->password_shown)
        return give_up(t, fail(t->error, QUIPU_E_DENIED, "remote",
                               "%s does not take the user and the password that %s has", t->shown, from));
    t->password_shown = true;
    return git_credential_userpass_plaintext_new(out, user, password);
}

static int show_key(transfer *t, git_credential **out, const char *user)
{
    user = user && *user ? user : "git";
    if (t->own.agent && !t->agent_shown) {
        t->agent_shown = true;
        return git_credential_ssh_key_from_agent(out, user);
    }
    if (t->keys_shown < CREDENTIALS_KEYS && t->own.keys[t->keys_shown])
        return git_credential_ssh_key_new(out, user, NULL, t->own.keys[t->keys_shown++], NULL);
    if (t->own.locked)
        return give_up(t, fail(t->error, QUIPU_E_DENIED, "remote",
                               "%s takes no key of %s; %s has a passphrase: give it to the agent with `ssh-add`",
                               t->shown, t->agent_shown ? "the ssh agent" : "yours", t->own.locked));
    return give_up(t, fail(t->error, QUIPU_E_DENIED, "remote",
                           "%s takes no key of yours as \"%s\"; see `ssh-add -l` and ~/.ssh, or name a key file in "
                           "QUIPU_SSH_KEY",
                           t->shown, user));
}

static int on_credentials(git_credential **out, const char *url, const char *user, unsigned int allowed, void *payload)
{
    transfer *t = payload;
    (void)url;
    if (!network_alive(&t->wait))
        return given_up(t);
    if (allowed & GIT_CREDENTIAL_USERNAME)
        return git_credential_username_new(out, user && *user ? user : "git");
    if (allowed & GIT_CREDENTIAL_SSH_KEY)
        return show_key(t, out, user);
    if (allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT)
        return show_password(t, out);
    return give_up(t, fail(t->error, QUIPU_E_DENIED, "remote",
                           "%s takes neither a key nor a password; no other way is known here", t->shown));
}

/* As ssh prints it: base64 without padding. */
static void print_fingerprint(const git_cert_hostkey *key, char out[44])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < 43; i++) {
        size_t bit = i * 6;
        unsigned pair = (unsigned)key->hash_sha256[bit / 8] << 8;
        if (bit / 8 + 1 < sizeof key->hash_sha256)
            pair |= key->hash_sha256[bit / 8 + 1];
        out[i] = digits[pair >> (10 - bit % 8) & 63];
    }
    out[43] = '\0';
}

static int on_certificate(git_cert *certificate, int valid, const char *host, void *payload)
{
    transfer *t = payload;
    char digits[44] = "unknown";
    if (valid)
        return 0;
    if (certificate->cert_type != GIT_CERT_HOSTKEY_LIBSSH2)
        return give_up(t,
                       fail(t->error, QUIPU_E_DENIED, "remote",
                            "the certificate of %s is not trusted: %s; where an authority of your own signed it, name "
                            "that one's file in GIT_SSL_CAINFO",
                            host, git_reason()));
    const git_cert_hostkey *key = (const git_cert_hostkey *)(const void *)certificate;
    if (key->type & GIT_CERT_SSH_SHA256)
        print_fingerprint(key, digits);
    return give_up(t,
                   fail(t->error, QUIPU_E_DENIED, "remote",
                        "~/.ssh/known_hosts does not have the key that %s shows (SHA256:%s); compare it with what its "
                        "owner says, then let `ssh` add it",
                        host, digits));
}

static bool is_race(const char *status)
{
    static const char *const words[] = { "fast-forward", "fetch first", "failed to update ref", "old value", "lock" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(status, words[i]))
            return true;
    return false;
}

static int on_pushed(const char *name, const char *status, void *payload)
{
    transfer *t = payload;
    (void)name;
    if (!status)
        return 0;
    t->refused = is_race(status);
    if (!t->refused)
        t->code = fail(t->error, QUIPU_E_DENIED, "remote", "%s does not take it: %s%s%s", t->shown, status,
                       t->said.len ? ": " : "", t->said.len ? t->said.bytes : "");
    return 0;
}

static void set_callbacks(git_remote_callbacks *callbacks, transfer *t)
{
    callbacks->transfer_progress = on_received;
    callbacks->pack_progress = on_packed;
    callbacks->push_transfer_progress = on_sent;
    callbacks->update_tips = on_tip;
    callbacks->sideband_progress = on_said;
    callbacks->credentials = on_credentials;
    callbacks->certificate_check = on_certificate;
    callbacks->push_update_reference = on_pushed;
    callbacks->payload = t;
}

/* ---- on the thread ---- */

static int32_t failed(const transfer *t)
{
    const git_error *last = git_error_last();
    int class = last ? last->klass : GIT_ERROR_NONE;
    bool network = class == GIT_ERROR_NET || class == GIT_ERROR_SSH || class == GIT_ERROR_SSL ||
                   class == GIT_ERROR_HTTP || class == GIT_ERROR_OS || class == GIT_ERROR_INDEXER;
    return t->code != QUIPU_OK ? t->code
                               : fail(t->error, network ? QUIPU_E_NETWORK : QUIPU_E_IO, "remote",
                                      "cannot %s %s: %s%s%s", t->push ? "push to" : "fetch from", t->shown,
                                      git_reason(), t->said.len ? "; it says: " : "", t->said.len ? t->said.bytes : "");
}

/* A file of authorities that the environment names holds for all of the process, so it is read once. */
static void take_authorities(void)
{
    const char *file = getenv("GIT_SSL_CAINFO");
    file = file && *file ? file : getenv("SSL_CERT_FILE");
    if (file && *file)
        git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, file, NULL);
}

static int fetch(transfer *t, git_remote *there)
{
    git_strarray specs = { &t->spec.bytes, 1 };
    git_fetch_options options;
    git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
    set_callbacks(&options.callbacks, t);
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    options.update_fetchhead = 0;
    options.follow_redirects = GIT_REMOTE_REDIRECT_NONE; /* a password is for the address that was given */
    return git_remote_fetch(there, &specs, &options, "quipu: pull");
}

static int push(transfer *t, git_remote *there)
{
    git_strarray specs = { &t->spec.bytes, 1 };
    git_push_options options;
    git_push_options_init(&options, GIT_PUSH_OPTIONS_VERSION);
    set_callbacks(&options.callbacks, t);
    options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
    return git_remote_push(there, &specs, &options);
}

static int32_t work(network_wait *w, quipu_error *error)
{
    static pthread_once_t authorities = PTHREAD_ONCE_INIT;
    transfer *t = (transfer *)(void *)w;
    git_repository *opened = NULL;
    git_remote *there = NULL;
    int32_t code = QUIPU_OK;
    t->error = error;
    if (git_libgit2_init() < 0)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "cannot start libgit2: %s", git_reason());
    pthread_once(&authorities, take_authorities);
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    if (git_repository_open_bare(&opened, t->repository) != 0)
        code = fail(error, QUIPU_E_IO, NULL, "cannot open the repository: %s", git_reason());
    else if (git_remote_create_anonymous(&there, opened, t->url) != 0)
        code = fail(error, QUIPU_E_INVALID, "remote", "%s is no address", t->shown);
    if (code == QUIPU_OK) {
        int result = t->push ? push(t, there) : fetch(t, there);
        if (result == GIT_ENONFASTFORWARD)
            t->refused = true;
        else if (result != 0)
            code = failed(t);
        else
            code = t->code;
    }
    git_remote_free(there);
    git_repository_free(opened);
    git_libgit2_shutdown();
    return code;
}

static void destroy(network_wait *w)
{
    transfer *t = (transfer *)(void *)w;
    free(t->repository);
    free(t->url);
    free(t->shown);
    free(t->user);
    free(t->password);
    buffer_free(&t->spec);
    buffer_free(&t->said);
    credentials_free(&t->own);
    free(t);
}

/* ---- by the one who asks ---- */

static char *copy(const char *text)
{
    return text ? str_dup(str_of(text)) : NULL;
}

static int32_t begin(const char *repository, const remote *r, const char *stage, bool push_, transfer **out,
                     quipu_error *error)
{
    transfer *t = calloc(1, sizeof *t);
    *out = t;
    if (!t)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to reach the other store");
    t->wait.work = work;
    t->wait.destroy = destroy;
    t->wait.stage = stage;
    t->push = push_;
    t->repository = copy(repository);
    t->url = copy(r->url);
    t->shown = copy(r->shown);
    t->user = copy(r->user);
    t->password = copy(r->password);
    if (t->repository && t->url && t->shown && !t->user == !r->user && !t->password == !r->password &&
        credentials_find(r->url, &t->own))
        return QUIPU_OK;
    destroy(&t->wait);
    *out = NULL;
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to reach the other store");
}

/* "refs/remotes/origin/main"; a place without a name has its own corner. */
static void tracking_ref(const remote *r, const char *branch, buffer *out)
{
    buffer_printf(out, "refs/remotes/%s/%s", r->name ? r->name : "quipu-unnamed", branch + strlen("refs/heads/"));
}

int32_t network_fetch(const char *repository, const remote *r, const char *branch, const remote_call *how,
                      object_id *tip, quipu_error *error)
{
    transfer *t;
    buffer local = { 0 };
    bool left;
    memset(tip, 0, sizeof *tip);
    int32_t code = begin(repository, r, "receiving", false, &t, error);
    if (code != QUIPU_OK)
        return code;
    tracking_ref(r, branch, &local);
    buffer_printf(&t->spec, "+%s:%s", branch, local.bytes ? local.bytes : "");
    if (t->spec.failed || local.failed) {
        destroy(&t->wait);
        buffer_free(&local);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to fetch");
    }
    code = network_run(&t->wait, how, &left, error);
    network_release(&t->wait);
    if (code == QUIPU_OK)
        code = ref_read(repository, local.bytes, tip, error);
    buffer_free(&local);
    return code;
}

/* Whether all was sent: then nobody here knows what the other side made of it. */
static bool was_sent(transfer *t)
{
    pthread_mutex_lock(&t->wait.lock);
    bool sent = t->wait.total > 0 && t->wait.done >= t->wait.total;
    pthread_mutex_unlock(&t->wait.lock);
    return sent;
}

int32_t network_push(const char *repository, const remote *r, const char *branch, const remote_call *how, bool *refused,
                     quipu_error *error)
{
    transfer *t;
    bool left = false;
    *refused = false;
    int32_t code = begin(repository, r, "sending", true, &t, error);
    if (code != QUIPU_OK)
        return code;
    buffer_printf(&t->spec, "%s:%s", branch, branch);
    if (t->spec.failed) {
        destroy(&t->wait);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to push");
    }
    code = network_run(&t->wait, how, &left, error);
    if (!left)
        *refused = t->refused;
    if (code != QUIPU_OK && (left || code == QUIPU_E_NETWORK) && was_sent(t))
        code = fail(error, QUIPU_E_UNCERTAIN, "remote",
                    "the connection to %s broke after all was sent; push again to know whether it was taken", r->shown);
    network_release(&t->wait);
    return code;
}
