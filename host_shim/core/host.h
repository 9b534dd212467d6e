/*
 * host.h - what one handle offers to the plugins that it uses (plugin_api/quipu/host.h).
 */
#ifndef CORE_HOST_H
#define CORE_HOST_H

#include <quipu.h>
#include <stdbool.h>

/* Immutable while plugins can see it, save that the embedder is set before the backend is made. */
typedef struct host {
    quipu_host table; /* first: what plugins see */
    quipu_log_fn log; /* or NULL: warnings and errors go to stderr */
    quipu_service_fn services;
    void *context;
    const quipu_embedder_api *embedder_api; /* NULL: no embed service */
    quipu_embedder *embedder;
} host;

/* log, services and context as in quipu_options. */
void host_begin(host *h, quipu_log_fn log, quipu_service_fn services, void *context);
/* Ends what plugins registered (thread-exit). call: false in the child after fork, where it is only forgotten. */
void host_end(host *h, bool call);
/* One line of the log; the message without line ends. */
void host_log_to(const host *h, uint32_t level, const quipu_str *component, const quipu_str *message);
void host_write_log(const host *h, uint32_t level, const char *component, quipu_str message);
/* The time of day in microseconds, as the clock service has it. */
int64_t host_time(void);

#endif
