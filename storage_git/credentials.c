/* credentials.c - see credentials.h. */
#include "credentials.h"

#include "os.h"

#include <base/hash.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { KEY_FILE_MAX = 64 << 10, STORE_MAX = 1 << 20 };

/* ---- ssh ---- */

/* Whether somebody listens where SSH_AUTH_SOCK points: libgit2 ends all where nobody does. */
static bool agent_answers(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *path = getenv("SSH_AUTH_SOCK");
    if (!path || !*path || strlen(path) >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return false;
    bool answers = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return answers;
}

/* A key in OpenSSH's form says its cipher first ("none", in base64); older forms have a line that says so. */
static bool has_passphrase(const buffer *key)
{
    static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----", open_form[] = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";
    if (!key->bytes)
        return false;
    const char *body = strstr(key->bytes, begin);
    if (!body)
        return strstr(key->bytes, "ENCRYPTED") != NULL;
    body += sizeof begin - 1;
    body += strspn(body, "\r\n");
    return strncmp(body, open_form, sizeof open_form - 1) != 0;
}

static bool take_key(credentials *c, size_t *count, const char *path)
{
    buffer text = { 0 };
    bool taken = true;
    if (os_read_file(path, KEY_FILE_MAX, &text, NULL) == QUIPU_OK) {
        char **place = has_passphrase(&text) ? &c->locked : &c->keys[(*count)++];
        if (!*place)
            *place = str_dup(str_of(path));
        taken = *place != NULL;
    }
    buffer_free(&text);
    return taken;
}

static bool find_keys(credentials *c)
{
    static const char *const names[CREDENTIALS_KEYS] = { "id_ed25519", "id_ecdsa", "id_rsa" };
    const char *chosen = getenv("QUIPU_SSH_KEY"), *home = getenv("HOME");
    size_t count = 0;
    bool good = true;
    if (chosen && *chosen)
        return take_key(c, &count, chosen);
    c->agent = agent_answers();
    for (size_t i = 0; home && *home && i < CREDENTIALS_KEYS && good; i++) {
        buffer path = { 0 };
        buffer_printf(&path, "%s/.ssh/%s", home, names[i]);
        good = !path.failed && take_key(c, &count, path.bytes);
        buffer_free(&path);
    }
    return good;
}

/* ---- https ---- */

bool credentials_split(quipu_str url, quipu_str *scheme, quipu_str *info, quipu_str *rest)
{
    uint64_t at = 0, end = 0;
    bool has_info = false;
    while (at < url.len && url.ptr[at] != ':')
        at++;
    if (at == 0 || url.len - at < 3 || memcmp(url.ptr + at, "://", 3) != 0)
        return false;
    *scheme = str_make(url.ptr, (size_t)at);
    at += 3;
    for (uint64_t i = at; i < url.len && url.ptr[i] != '/'; i++)
        if (url.ptr[i] == '@') {
            end = i;
            has_info = true;
        }
    *info = has_info ? str_make(url.ptr + at, (size_t)(end - at)) : (quipu_str){ 0 };
    at = has_info ? end + 1 : at;
    *rest = str_make(url.ptr + at, (size_t)(url.len - at));
    return true;
}

bool credentials_decode(quipu_str text, buffer *out)
{
    for (uint64_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];
        if (byte == '%') {
            if (text.len - i < 3 || hex_decode(text.ptr + i + 1, 1, &byte) != 0)
                return false;
            i += 2;
        }
        if (byte == '\0' || byte == '\n' || byte == '\r')
            return false;
        buffer_append_char(out, (char)byte);
    }
    return !out->failed;
}

/* A line without a path is about the whole host, one with a path about that alone. */
static bool same_place(quipu_str stored, quipu_str asked)
{
    while (stored.len && stored.ptr[stored.len - 1] == '/')
        stored.len--;
    if (stored.len == 0 || asked.len < stored.len || memcmp(stored.ptr, asked.ptr, (size_t)stored.len) != 0)
        return false;
    if (asked.len == stored.len)
        return true;
    return asked.ptr[stored.len] == '/' && !memchr(stored.ptr, '/', (size_t)stored.len);
}

bool credentials_of_line(quipu_str line, quipu_str url, buffer *user, buffer *password)
{
    quipu_str scheme, info, rest, asked_scheme, asked_info, asked_rest;
    if (!credentials_split(line, &scheme, &info, &rest) ||
        !credentials_split(url, &asked_scheme, &asked_info, &asked_rest) || !info.ptr)
        return false;
    const char *colon = memchr(info.ptr, ':', (size_t)info.len);
    if (!colon || !str_same(scheme, asked_scheme) || !same_place(rest, asked_rest))
        return false;
    size_t user_len = (size_t)(colon - info.ptr);
    return credentials_decode(str_make(info.ptr, user_len), user) &&
           credentials_decode(str_make(colon + 1, (size_t)info.len - user_len - 1), password);
}

static bool take_from_store(credentials *c, const char *path, const char *url)
{
    buffer text = { 0 };
    bool good = true;
    if (os_read_file(path, STORE_MAX, &text, NULL) != QUIPU_OK)
        text.len = 0;
    for (size_t at = 0; at < text.len && !c->password && good;) {
        buffer user = { 0 }, password = { 0 };
        const char *end = memchr(text.bytes + at, '\n', text.len - at);
        size_t len = end ? (size_t)(end - text.bytes) - at : text.len - at;
        if (credentials_of_line(str_make(text.bytes + at, len), str_of(url), &user, &password)) {
            c->user = str_dup(str_make(user.bytes, user.len));
            c->password = str_dup(str_make(password.bytes, password.len));
            c->password_is_from = "git's credential store";
            good = c->user && c->password;
        }
        at += len + 1;
        buffer_free(&user);
        buffer_free(&password);
    }
    buffer_free(&text);
    return good;
}

static bool find_password(const char *url, bool https, credentials *c)
{
    const char *user = getenv("QUIPU_REMOTE_USER"), *password = getenv("QUIPU_REMOTE_PASSWORD");
    const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
    buffer path = { 0 };
    if (https && password && *password) { /* over http:// everybody on the way could read it */
        c->user = str_dup(str_of(user && *user ? user : "git"));
        c->password = str_dup(str_of(password));
        c->password_is_from = "QUIPU_REMOTE_PASSWORD";
        return c->user && c->password;
    }
    bool good = true;
    buffer_printf(&path, "%s/.git-credentials", home ? home : "");
    if (home && *home)
        good = !path.failed && take_from_store(c, path.bytes, url);
    buffer_clear(&path);
    if (config && *config)
        buffer_printf(&path, "%s/git/credentials", config);
    else
        buffer_printf(&path, "%s/.config/git/credentials", home ? home : "");
    if (good && !c->password && ((config && *config) || (home && *home)))
        good = !path.failed && take_from_store(c, path.bytes, url);
    buffer_free(&path);
    return good;
}

bool credentials_find(const char *url, credentials *out)
{
    *out = (credentials){ 0 };
    bool https = strncmp(url, "https://", 8) == 0, http = strncmp(url, "http://", 7) == 0;
    bool found = https || http ? find_password(url, https, out) : find_keys(out);
    if (!found)
        credentials_free(out);
    return found;
}

void credentials_free(credentials *c)
{
    for (size_t i = 0; i < CREDENTIALS_KEYS; i++)
        free(c->keys[i]);
    free(c->locked);
    free(c->user);
    free(c->password);
    *c = (credentials){ 0 };
}
