/*
 * elf_dynamic.h - what a shared object asks of the system and shows to it, read without running it.
 *
 * For files that already passed elf_note_read (core/elf_note.h); every offset is checked all the same.
 */
#ifndef VALIDATE_ELF_DYNAMIC_H
#define VALIDATE_ELF_DYNAMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct elf_dynamic {
    unsigned char *bytes; /* the whole file */
    size_t size;
    const char **exports; /* into bytes */
    const char **imports;
    const char **needed;
    size_t export_count, import_count, needed_count;
    uint64_t init_array; /* bytes of DT_INIT_ARRAY */
    bool stack_executable;
    bool relro;
    bool bind_now;
    bool text_relocations;
    bool static_tls;
} elf_dynamic;

/* NULL, or why the file could not be read. Ends with elf_dynamic_free in both cases. */
const char *elf_dynamic_read(const char *path, elf_dynamic *out);
void elf_dynamic_free(elf_dynamic *e);

/* True where the file was built with a sanitizer, which brings imports and constructors of its own. */
bool elf_dynamic_sanitized(const elf_dynamic *e);
/* True where a library whose name begins with one of known makers of threads is needed (OpenBLAS, OpenMP). */
bool elf_dynamic_threaded(const elf_dynamic *e);

#endif
