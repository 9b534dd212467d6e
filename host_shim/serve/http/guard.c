/*
 * guard.c - who may ask: where the request comes from, and what its key is good for.
 *
 * A page in a browser can send requests to this machine. Two things give it away: Origin, which a browser sets and a page cannot, and,
 * where a name of the page's own was made to point here (DNS rebinding), Host, which then has that name. So a name in Host has to be one
 * that was named to us; an address cannot be rebound. An Origin has to be of this machine, of the very Host, or one that was named.
 */
#include "serve.h"

#include <arpa/inet.h>
#include <base/fail.h>
#include <stdlib.h>
#include <strings.h>

static bool same_word(quipu_str text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.ptr, word, (size_t)text.len) == 0;
}

/* The host of "host", "host:80", "[::1]:80"; absent where it is none. */
static quipu_str without_port(quipu_str authority)
{
    const char *end;
    if (authority.len > 0 && authority.ptr[0] == '[') {
        end = memchr(authority.ptr, ']', (size_t)authority.len);
        return end ? str_make(authority.ptr + 1, (size_t)(end - authority.ptr) - 1) : (quipu_str){ NULL, 0 };
    }
    end = authority.len ? memchr(authority.ptr, ':', (size_t)authority.len) : NULL;
    return end ? str_make(authority.ptr, (size_t)(end - authority.ptr)) : authority;
}

static bool is_address(quipu_str host, bool *loopback)
{
    char text[INET6_ADDRSTRLEN + 1];
    struct in_addr four;
    struct in6_addr six;
    *loopback = false;
    if (host.len == 0 || host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, (size_t)host.len);
    text[host.len] = '\0';
    if (inet_pton(AF_INET, text, &four) == 1) {
        *loopback = ntohl(four.s_addr) >> 24 == 127;
        return true;
    }
    if (inet_pton(AF_INET6, text, &six) != 1)
        return false;
    *loopback = memcmp(&six, &in6addr_loopback, sizeof six) == 0;
    return true;
}

static bool is_named(const char *const *names, quipu_str text)
{
    for (; names && *names; names++)
        if (same_word(text, *names))
            return true;
    return false;
}

static bool host_is_ours(const serve *s, quipu_str authority)
{
    bool loopback;
    quipu_str host = without_port(authority);
    if (!host.ptr || host.len == 0)
        return false;
    return same_word(host, "localhost") || is_address(host, &loopback) || is_named(s->with.hosts, host) ||
           is_named(s->with.hosts, authority);
}

static bool origin_is_ours(const serve *s, quipu_str origin, quipu_str host)
{
    bool loopback = false;
    if (is_named(s->with.origins, origin))
        return true;
    quipu_str rest = origin;
    for (int i = 0; i < 2; i++) {
        static const char *const schemes[] = { "http://", "https://" };
        size_t len = strlen(schemes[i]);
        if (origin.len > len && strncasecmp(origin.ptr, schemes[i], len) == 0)
            rest = str_make(origin.ptr + len, (size_t)origin.len - len);
    }
    if (rest.ptr == origin.ptr)
        return false; /* "null", or another scheme */
    if (host.ptr && rest.len == host.len && strncasecmp(rest.ptr, host.ptr, (size_t)host.len) == 0)
        return true;
    quipu_str name = without_port(rest);
    if (!name.ptr)
        return false;
    return same_word(name, "localhost") || (is_address(name, &loopback) && loopback) || is_named(s->with.hosts, name);
}

int32_t guard_source(const serve *s, const web_request *r, web_answer *a, quipu_error *error)
{
    quipu_str host = r->header(r->connection, "Host"), origin = r->header(r->connection, "Origin");
    if (host.ptr && !host_is_ours(s, host))
        return web_refuse(a, error, 403, QUIPU_E_DENIED, "Host",
                          "the name in Host is not one of this server's; name it with --allow-host");
    if (!origin.ptr)
        return QUIPU_OK;
    if (!origin_is_ours(s, origin, host))
        return web_refuse(a, error, 403, QUIPU_E_DENIED, "Origin",
                          "pages of that Origin may not call this server; name it with --allow-origin");
    if (is_named(s->with.origins, origin)) {
        web_answer_header(a, "Access-Control-Allow-Origin", "%.*s", (int)origin.len, origin.ptr);
        web_answer_header(a, "Vary", "Origin");
    }
    return QUIPU_OK;
}

/* ---- keys ---- */

/* What is behind "Token ", "Bearer " or another word; all of it where there is no blank. */
static quipu_str credential(quipu_str header)
{
    const char *blank = header.len ? memchr(header.ptr, ' ', (size_t)header.len) : NULL;
    quipu_str rest = header;
    if (blank)
        rest = str_make(blank, (size_t)(header.ptr + header.len - blank));
    while (rest.len > 0 && rest.ptr[0] == ' ') {
        rest.ptr++;
        rest.len--;
    }
    return rest;
}

static int32_t refuse_unknown(web_answer *a, const char *why, quipu_error *error)
{
    web_answer_header(a, "WWW-Authenticate", "Bearer");
    return web_refuse(a, error, 401, QUIPU_E_DENIED, NULL, "%s", why);
}

/* What all are bound to, and what the key is bound to, both hold. */
static int32_t bind_all(const serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    const struct {
        quipu_str all, *own;
    } parts[] = { { s->with.user, &r->who.user },
                  { s->with.agent, &r->who.agent },
                  { s->with.session, &r->who.session },
                  { s->with.app, &r->who.app } };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!parts[i].all.ptr)
            continue;
        if (parts[i].own->ptr && !str_same(*parts[i].own, parts[i].all))
            return web_refuse(a, error, 403, QUIPU_E_DENIED, NULL, "This key is bound to what is not served here.");
        *parts[i].own = parts[i].all;
    }
    return QUIPU_OK;
}

int32_t guard_role(serve *s, web_request *r, web_answer *a, unsigned role, quipu_error *error)
{
    quipu_str header = r->header(r->connection, "Authorization"), given = r->header(r->connection, "X-API-Key");
    r->who = (principal){ .role = ROLE_NONE };
    if (role == ROLE_NONE)
        return QUIPU_OK;
    if (!s->with.needs_key && !key_ring_any(s->keys)) {
        r->who.role = ROLE_ADMIN;
        return bind_all(s, r, a, error);
    }
    if (header.len > 0) /* where there is one, it alone decides */
        given = credential(header);
    if (given.len == 0)
        return refuse_unknown(a, "Authentication required. Provide a Bearer token or X-API-Key header.", error);
    if (!key_ring_check(s->keys, given, r, &r->who))
        return refuse_unknown(a, "Invalid API key.", error);
    if (r->who.role >= role)
        return bind_all(s, r, a, error);
    return web_refuse(a, error, 403, QUIPU_E_DENIED, NULL, "%s",
                      role == ROLE_ADMIN ? "Admin role required." : "This key may only read.");
}
