/* listen.c - see listen.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* SOCK_CLOEXEC, SOCK_NONBLOCK */
#endif
#include "listen.h"

#include <arpa/inet.h>
#include <base/fail.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

typedef union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
} address;

static bool parse(const char *text, uint16_t port, address *out, socklen_t *len)
{
    memset(out, 0, sizeof *out);
    if (strcmp(text, "localhost") == 0)
        text = "127.0.0.1";
    if (inet_pton(AF_INET, text, &out->four.sin_addr) == 1) {
        out->four.sin_family = AF_INET;
        out->four.sin_port = htons(port);
        *len = sizeof out->four;
        return true;
    }
    if (inet_pton(AF_INET6, text, &out->six.sin6_addr) != 1)
        return false;
    out->six.sin6_family = AF_INET6;
    out->six.sin6_port = htons(port);
    *len = sizeof out->six;
    return true;
}

bool listen_is_loopback(const char *text)
{
    address a;
    socklen_t len;
    if (!parse(text, 0, &a, &len))
        return false;
    if (a.any.sa_family == AF_INET)
        return ntohl(a.four.sin_addr.s_addr) >> 24 == 127;
    return memcmp(&a.six.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback) == 0;
}

static int32_t fail_bind(const char *text, uint16_t port, quipu_error *error)
{
    int why = errno;
    if (why == EADDRINUSE)
        return fail(error, QUIPU_E_BUSY, "port", "port %u of %s is taken: choose another one with --port", port, text);
    if (why == EADDRNOTAVAIL)
        return fail(error, QUIPU_E_INVALID, "listen", "%s is no address of this machine", text);
    return fail_errno(error, why, "cannot listen on port %u of %s", port, text);
}

int32_t listen_open(const char *text, uint16_t *port, int *fd, quipu_error *error)
{
    address a;
    socklen_t len;
    const int on = 1;
    int32_t code = QUIPU_OK;
    if (!parse(text, *port, &a, &len))
        return fail(error, QUIPU_E_INVALID, "listen", "%s is no address; as 127.0.0.1, ::1 or 0.0.0.0", text);
    *fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return fail_errno(error, errno, "cannot make a socket");
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a.any.sa_family == AF_INET6)
        setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(*fd, &a.any, len) != 0 || listen(*fd, BACKLOG) != 0)
        code = fail_bind(text, *port, error);
    len = sizeof a;
    if (code == QUIPU_OK && getsockname(*fd, &a.any, &len) != 0)
        code = fail_errno(error, errno, "cannot ask for the port");
    if (code == QUIPU_OK)
        *port = ntohs(a.any.sa_family == AF_INET ? a.four.sin_port : a.six.sin6_port);
    else
        close(*fd);
    return code;
}
