/*
 * faults.h - everything that is wrong with one plugin, a line each, so that its author sees all of it at once.
 */
#ifndef CORE_FAULTS_H
#define CORE_FAULTS_H

#include <base/buffer.h>
#include <quipu/error.h>

/* Starts as { 0 }; ends with faults_free. */
typedef struct faults {
    buffer lines; /* "one\ntwo", without a newline at the end */
    uint64_t count;
    bool abi; /* host and plugin share no version of the ABI */
} faults;

/* Adds one. Bytes that a terminal or a log should not see (from a hostile file) become '?'. */
void faults_add(faults *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fills `error` with the first fault and how many more there are; QUIPU_E_ABI or QUIPU_E_PLUGIN, or QUIPU_OK without any.
 * subject: the plugin, as users know it. */
int32_t faults_fail(const faults *f, const char *subject, quipu_error *error);
void faults_free(faults *f);

#endif
