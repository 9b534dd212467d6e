/*
 * elf_note.h - what can be known about a plugin file without running any of it. The one place that knows ELF.
 *
 * The file may be hostile: every offset is checked against the file's size before it is used.
 */
#ifndef CORE_ELF_NOTE_H
#define CORE_ELF_NOTE_H

#include "faults.h"

#include <quipu/plugin.h>

typedef struct elf_note {
    bool found;
    uint64_t faults; /* how many of the faults are about the note alone: the rest of the file may still be looked at */
    quipu_note note; /* its texts end with NUL bytes */
} elf_note;

/* Reads headers and note from the open file of `size` bytes, and adds every fault: not ELF, another architecture, not a
 * shared object, cut short (mapping such a file would end in SIGBUS), no note or a damaged one. */
void elf_note_read(int fd, uint64_t size, elf_note *out, faults *f);

#endif
