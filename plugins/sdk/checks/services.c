/* services.c - see services.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getentropy */
#endif
#include <sdk/services.h>

#include <base/buffer.h>
#include <base/fail.h>
#include <errno.h>
#include <quipu/plugin.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int64_t host_now(const quipu_host *host)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_CLOCK);
    const quipu_clock_service *clock = host ? host->get_service(host, &id) : NULL;
    struct timespec now;
    if (clock)
        return clock->now(host);
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t monotonic_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void host_log(const quipu_host *host, uint32_t level, const char *component, const char *format, ...)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_LOG);
    const quipu_log_service *log = host ? host->get_service(host, &id) : NULL;
    char text[512];
    va_list arguments;
    if (!log)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    quipu_str message = str_of(text), who = str_of(component);
    log->write(host, level, &who, &message);
}

int32_t host_change_id(const quipu_host *host, uint8_t out[16], quipu_error *error)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_RANDOM);
    const quipu_random_service *source = host ? host->get_service(host, &id) : NULL;
    int32_t code = QUIPU_OK;
    if (source)
        code = source->fill(host, out, 16, error);
    else if (getentropy(out, 16) != 0)
        code = fail_errno(error, errno, "the system gives no random bytes");
    int64_t ms = host_now(host) / 1000;
    for (int i = 0; i < 6; i++)
        out[i] = (uint8_t)(ms >> (40 - 8 * i));
    out[6] = (uint8_t)((out[6] & 0x0f) | 0x70);
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
    return code;
}
