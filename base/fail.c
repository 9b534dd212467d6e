/* fail.c - see fail.h. */
#include "fail.h"

#include "buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#undef fail /* fail.h says when they are macros */
#undef fail_errno

typedef struct error_row {
    int32_t code;
    uint32_t retry;
    const char *name;
    const char *text;
} error_row;

static const error_row *error_find(int32_t code)
{
#define ROW_(name_, code_, text_, retry_) { code_, retry_, #name_, text_ },
    static const error_row rows[] = { QUIPU_ERRORS(ROW_) };
#undef ROW_
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

const char *error_name(int32_t code)
{
    const error_row *row = error_find(code);
    return row ? row->name : code == QUIPU_OK ? "OK" : "UNKNOWN";
}

const char *error_text(int32_t code)
{
    const error_row *row = error_find(code);
    return row ? row->text : code == QUIPU_OK ? "done" : "an error that this version does not know";
}

/* Copies as much as fits, cut before a broken UTF-8 sequence, control characters as spaces. */
static void set_text(char *out, size_t size, const char *text, size_t len)
{
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
    out[len] = '\0';
}

static void set_message(quipu_error *error, int32_t code, const char *field, int system_errno, const char *message)
{
    const error_row *row = error_find(code);
    if (!error || error->struct_size < sizeof *error)
        return;
    error->code = code;
    error->retry = row ? row->retry : QUIPU_RETRY_NEVER;
    error->sys_errno = system_errno;
    error->index = UINT64_MAX;
    error->id[0] = error->version[0] = '\0';
    set_text(error->field, sizeof error->field, field ? field : "", field ? strlen(field) : 0);
    set_text(error->message, sizeof error->message, message, strlen(message));
}

int32_t fail(quipu_error *error, int32_t code, const char *field, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    set_message(error, code, field, 0, message);
    return code;
}

static int32_t code_of_errno(int system_errno)
{
    switch (system_errno) {
    case ENOSPC:
    case EDQUOT:
        return QUIPU_E_FULL;
    case EROFS:
        return QUIPU_E_READ_ONLY;
    case EACCES:
    case EPERM:
        return QUIPU_E_DENIED;
    case ENOENT:
        return QUIPU_E_NOT_FOUND;
    case ENOMEM:
        return QUIPU_E_NO_MEMORY;
    default:
        return QUIPU_E_IO;
    }
}

int32_t fail_errno(quipu_error *error, int system_errno, const char *format, ...)
{
    char message[1024], reason[128] = "";
    int32_t code = code_of_errno(system_errno);
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (strerror_r(system_errno, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", system_errno);
    if (len >= 0 && (size_t)len < sizeof message)
        snprintf(message + len, sizeof message - (size_t)len, ": %s", reason);
    set_message(error, code, NULL, system_errno, message);
    return code;
}

void fail_name_record(quipu_error *error, const quipu_str *id)
{
    if (error && error->struct_size >= sizeof *error && id && id->ptr)
        set_text(error->id, sizeof error->id, id->ptr, (size_t)id->len);
}

int32_t call_check(const quipu_call *call, quipu_error *error)
{
    if (!call)
        return QUIPU_OK;
    if (call->cancel && __atomic_load_n(&call->cancel->flag, __ATOMIC_ACQUIRE))
        return fail(error, QUIPU_E_CANCELLED, NULL, "cancelled by the caller; nothing was changed");
    if (call->deadline_ns) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec >= call->deadline_ns)
            return fail(error, QUIPU_E_TIMEOUT, NULL, "the deadline passed; nothing was changed");
    }
    return QUIPU_OK;
}
