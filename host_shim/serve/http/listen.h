/*
 * listen.h - a listening socket, made by ourselves so that the reason is known where that fails.
 */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <quipu/error.h>
#include <stdbool.h>

/* True for an address (IPv4, IPv6, "localhost") that no other machine reaches. */
bool listen_is_loopback(const char *address);
/* Binds and listens: *fd, and *port where any was asked for (0). Errors: INVALID (field "listen"), DENIED, BUSY (the port is taken), IO. */
int32_t listen_open(const char *address, uint16_t *port, int *fd, quipu_error *error);

#endif
