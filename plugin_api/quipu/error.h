/*
 * error.h - the one way to fail: a negative int32_t, and an error object that the caller lends.
 *
 * The callee fills the object on every failure and leaves it untouched on success. There is no "last error" and nothing
 * that belongs to a thread. Codes, names, texts and retry classes all come from the one table below.
 */
#ifndef QUIPU_ERROR_H
#define QUIPU_ERROR_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a caller can do about a failure. */
#define QUIPU_RETRY_NEVER 0u   /* the same call fails again: change it */
#define QUIPU_RETRY_NOW 1u     /* read what is there now, then try again */
#define QUIPU_RETRY_LATER 2u   /* the same call may succeed after a while */
#define QUIPU_RETRY_SAME_ID 3u /* send the same change set again, with the same change id */

/* X(name, code, text, retry class). Append only; a code never changes its meaning. */
#define QUIPU_ERRORS(X)                                                                                                \
    X(INVALID, -1, "an argument or a field is not valid", QUIPU_RETRY_NEVER)                                           \
    X(NOT_FOUND, -2, "there is nothing of that name", QUIPU_RETRY_NEVER)                                               \
    X(EXISTS, -3, "it exists already", QUIPU_RETRY_NEVER)                                                              \
    X(CONFLICT, -4, "the stored version is not the expected one", QUIPU_RETRY_NOW)                                     \
    X(UNSUPPORTED, -5, "this backend cannot do that", QUIPU_RETRY_NEVER)                                               \
    X(NO_MEMORY, -6, "memory is exhausted", QUIPU_RETRY_LATER)                                                         \
    X(IO, -7, "reading or writing failed", QUIPU_RETRY_LATER)                                                          \
    X(FULL, -8, "there is no room left", QUIPU_RETRY_LATER)                                                            \
    X(READ_ONLY, -9, "the store cannot be written", QUIPU_RETRY_NEVER)                                                 \
    X(BUSY, -10, "somebody else holds the lock", QUIPU_RETRY_LATER)                                                    \
    X(TIMEOUT, -11, "the deadline passed; nothing was changed", QUIPU_RETRY_LATER)                                     \
    X(CANCELLED, -12, "the call was cancelled; nothing was changed", QUIPU_RETRY_LATER)                                \
    X(UNCERTAIN, -13, "it is not known whether the change was made", QUIPU_RETRY_SAME_ID)                              \
    X(CORRUPT, -14, "stored data is damaged", QUIPU_RETRY_NEVER)                                                       \
    X(FORMAT, -15, "the stored format is foreign or newer than this program", QUIPU_RETRY_NEVER)                       \
    X(TOO_LARGE, -16, "a size limit was exceeded", QUIPU_RETRY_NEVER)                                                  \
    X(SCOPE, -17, "the record belongs to another scope", QUIPU_RETRY_NEVER)                                            \
    X(MOVED, -18, "the store has moved to another backend", QUIPU_RETRY_NEVER)                                         \
    X(FORKED, -19, "this handle was opened before fork; open a new one", QUIPU_RETRY_NEVER)                            \
    X(STATE, -20, "the call does not fit the object's state", QUIPU_RETRY_NEVER)                                       \
    X(ABI, -21, "host and plugin do not share an ABI version", QUIPU_RETRY_NEVER)                                      \
    X(PLUGIN, -22, "the plugin was refused or misbehaved", QUIPU_RETRY_NEVER)                                          \
    X(NETWORK, -23, "the other side could not be reached", QUIPU_RETRY_LATER)                                          \
    X(DENIED, -24, "permission was denied", QUIPU_RETRY_NEVER)                                                         \
    X(INTERNAL, -25, "a fault in the program itself", QUIPU_RETRY_NEVER)

#define QUIPU_OK 0
#define QUIPU_E_INVALID (-1)
#define QUIPU_E_NOT_FOUND (-2)
#define QUIPU_E_EXISTS (-3)
#define QUIPU_E_CONFLICT (-4)
#define QUIPU_E_UNSUPPORTED (-5)
#define QUIPU_E_NO_MEMORY (-6)
#define QUIPU_E_IO (-7)
#define QUIPU_E_FULL (-8)
#define QUIPU_E_READ_ONLY (-9)
#define QUIPU_E_BUSY (-10)
#define QUIPU_E_TIMEOUT (-11)
#define QUIPU_E_CANCELLED (-12)
#define QUIPU_E_UNCERTAIN (-13)
#define QUIPU_E_CORRUPT (-14)
#define QUIPU_E_FORMAT (-15)
#define QUIPU_E_TOO_LARGE (-16)
#define QUIPU_E_SCOPE (-17)
#define QUIPU_E_MOVED (-18)
#define QUIPU_E_FORKED (-19)
#define QUIPU_E_STATE (-20)
#define QUIPU_E_ABI (-21)
#define QUIPU_E_PLUGIN (-22)
#define QUIPU_E_NETWORK (-23)
#define QUIPU_E_DENIED (-24)
#define QUIPU_E_INTERNAL (-25)

#define QUIPU_ASSERT_CODE_(name, code, text, retry)                                                                    \
    QUIPU_STATIC_ASSERT(QUIPU_E_##name == (code), "the table and the name agree");
QUIPU_ERRORS(QUIPU_ASSERT_CODE_)
#undef QUIPU_ASSERT_CODE_

/* Lent by the caller, with struct_size set; filled by the callee on failure. Texts are UTF-8 and end with a NUL byte.
 * A NULL pointer in place of it is legal everywhere and means "the code is enough". */
typedef struct quipu_error {
    uint32_t struct_size;
    int32_t code;      /* as returned */
    uint32_t retry;    /* QUIPU_RETRY_* */
    int32_t sys_errno; /* errno of the failed system call, else 0 */
    uint64_t index;    /* position in the change set of the change that failed, from 0; UINT64_MAX: none */
    char field[64];    /* the record field or argument at fault, as "metadata.a.b"; empty: none */
    char id[256];      /* the record at fault; empty: none */
    char version[48];  /* QUIPU_E_CONFLICT: the version found, "" when there is no such record */
    char message[256]; /* what failed, why, and what to do: one line, no final stop */
} quipu_error;

#ifdef __cplusplus
}
#endif
#endif
