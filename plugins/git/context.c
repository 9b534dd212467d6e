/* context.c - what every part of the git backend asks of its host and of itself: the time, the log, "is a store open?". */
#include "backend.h"

#include <base/fail.h>
#include <quipu/plugin.h>
#include <sdk/abi_check.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

int64_t clock_now(const quipu_host *host)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_CLOCK);
    const quipu_clock_service *clock = host->get_service(host, &id);
    struct timespec now;
    if (clock)
        return clock->now(host);
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void log_line(const quipu_host *host, uint32_t level, const char *format, ...)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_LOG), component = QUIPU_STR_INIT("git");
    const quipu_log_service *log = host->get_service(host, &id);
    char text[512];
    va_list arguments;
    if (!log)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    quipu_str message = str_of(text);
    log->write(host, level, &component, &message);
}

int32_t check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    if (!self->store)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    if (self->flags & QUIPU_OPEN_DAMAGED)
        return fail(error, QUIPU_E_STATE, NULL, "the store was opened to be verified, and for nothing else");
    return abi_check_call(call, error);
}
