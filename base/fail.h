/*
 * fail.h - fills the caller's error object: the one way to fail (plugin_api/quipu/error.h).
 */
#ifndef BASE_FAIL_H
#define BASE_FAIL_H

#include <quipu/error.h>

/* Fills `error` (may be NULL) and returns `code`. `field` may be NULL. The message is cut at a UTF-8 boundary; control
 * characters in it become spaces. */
int32_t fail(quipu_error *error, int32_t code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* fail for a system call: chooses the code by errno (ENOSPC and EDQUOT: FULL; EROFS: READ_ONLY; EACCES and EPERM: DENIED;
 * ENOENT: NOT_FOUND; ENOMEM: NO_MEMORY; else IO), keeps errno in sys_errno and ends the message with its text. */
int32_t fail_errno(quipu_error *error, int system_errno, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Names the record at fault in an error that was just filled. */
void fail_name_record(quipu_error *error, const quipu_str *id);

/* The name ("QUIPU_E_INVALID" is "invalid") and the text of a code; never NULL. */
const char *error_name(int32_t code);
const char *error_text(int32_t code);

/* Deadline and cancel token of a call: QUIPU_OK, QUIPU_E_TIMEOUT or QUIPU_E_CANCELLED (and `error` is filled).
 * Cheap enough to ask between any two steps. `call` may be NULL. */
int32_t call_check(const quipu_call *call, quipu_error *error);

#ifdef __clang_analyzer__
/* The analyzer looks at one file at a time, and would think that a failure can answer QUIPU_OK. */
#define fail(error, code, ...) ((void)fail(error, code, __VA_ARGS__), (code))
#define fail_errno(error, ...) ((void)fail_errno(error, __VA_ARGS__), QUIPU_E_IO)
#endif

#endif
