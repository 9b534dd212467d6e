/*
 * power_cut.h - what is on a disk after the power failed: built from a folder as it was, and the journal of what a process did
 * to it (fault_os.h).
 *
 * A file's bytes are safe once the file was synced, a name once its folder was. What was not safe may be there or not:
 *
 *     STRICT    nothing of it is there
 *     NAMES     every name is there, made and taken away in order; bytes that were not synced are not (a file system with a
 *               journal of its names does that)
 *     MIXED     the names up to some moment; of each file the synced bytes or the latest; both drawn by a seed
 */
#ifndef TESTS_CRASH_POWER_CUT_H
#define TESTS_CRASH_POWER_CUT_H

#include <stdbool.h>

typedef enum power_cut_model { POWER_CUT_STRICT, POWER_CUT_NAMES, POWER_CUT_MIXED, POWER_CUT_MODELS } power_cut_model;

typedef struct power_cut power_cut;

/* `base`: the folder as it was, and all of it safe. `path`: what the journal calls it. `journal`: a file. NULL: it cannot be read. */
power_cut *power_cut_read(const char *base, const char *path, const char *journal);
void power_cut_free(power_cut *p);
/* How many operations the journal holds; the power can fail before each, and after the last. */
unsigned power_cut_operations(const power_cut *p);
/* Builds what is there after the first `done` of them, in a folder that must not be there. *acknowledged: the last set
 * that was acknowledged by then; left alone where none was. False where it cannot be written. */
bool power_cut_build(const power_cut *p, unsigned done, power_cut_model model, unsigned seed, const char *to,
                     unsigned *acknowledged);

#endif
