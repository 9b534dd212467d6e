/*
 * faulty_memory.h - makes the k-th request for memory of one mapped plugin fail, and of nobody else.
 *
 * The plugin's imports of malloc and its relatives are pointed to functions of ours (64-bit ELF with RELA relocations).
 * What libraries ask for on its behalf is not touched.
 */
#ifndef VALIDATE_FAULTY_MEMORY_H
#define VALIDATE_FAULTY_MEMORY_H

#include <stdint.h>

/* NULL, or why it cannot be done. path: absolute, of a plugin that is mapped. */
const char *faulty_memory_install(const char *path);
/* From now on request number `at` is refused, counted from 1; 0: none. */
void faulty_memory_begin(uint32_t at);
/* Back to peace. Answers how many requests there were. */
uint32_t faulty_memory_end(void);

#endif
