/*
 * cpu.h - what the running processor can do, for code that was compiled more than once.
 *
 * Asked of the processor itself: the compilers' own means bring a constructor along, and a plugin runs none.
 */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stdbool.h>

/* x86-64: AVX2 with FMA; AVX-512 F and BW besides. False on any other processor, and where the system does not keep the registers. */
bool cpu_has_avx2(void);
bool cpu_has_avx512(void);

#endif
