/*
 * scan.h - adds up table bytes by the signs of 32 rows at a time: the inner loop of every search by codes.
 *
 * A kernel for each kind of processor, picked once by the one that runs. All give the same sums.
 */
#ifndef SDK_VECTORS_SCAN_H
#define SDK_VECTORS_SCAN_H

#include "codes.h"

/* sums[row] for the CODES_ROWS rows of one block. `groups` is a multiple of four. */
typedef void scan_kernel(const uint8_t *block, const uint8_t *table, uint32_t groups, uint16_t sums[CODES_ROWS]);

typedef struct scan_choice {
    const char *name; /* "avx512", "avx2", "neon", "scalar" */
    scan_kernel *kernel;
} scan_choice;

/* The best that this processor runs. */
scan_choice scan_best(void);
/* The i-th that this processor runs, best first, the last is "scalar"; a NULL kernel behind it. For tests. */
scan_choice scan_runnable(int i);

#endif
