/*
 * services.h - what a backend asks of its host (plugin_api/quipu/host.h), with what stands in where the host does not have it.
 */
#ifndef SDK_SERVICES_H
#define SDK_SERVICES_H

#include <quipu/error.h>
#include <quipu/host.h>

/* Microseconds since 1970, from the host's clock, else the system's. */
int64_t host_now(const quipu_host *host);
/* Nanoseconds of CLOCK_MONOTONIC, as deadlines are given in. */
int64_t monotonic_now(void);
/* One line to the host's log, where there is one. level: QUIPU_LOG_*; component: who speaks. */
void host_log(const quipu_host *host, uint32_t level, const char *component, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A new change id: a UUIDv7 (RFC 9562, 5.7), by whose time the history is searched no further back than needed. */
int32_t host_change_id(const quipu_host *host, uint8_t out[16], quipu_error *error);

#endif
