/* fuzz_elf_note.c - a plugin file that is not to be trusted: its note, and its dynamic section. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "fuzz.h"

#include <host_shim/core/elf_note.h>
#include <host_shim/validate/elf_dynamic.h>
#include <sys/mman.h>
#include <unistd.h>

/* Every text that was found lies within the file and ends there. */
static size_t total_length(const char **texts, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += strlen(texts[i]);
    return sum;
}

static void read_dynamic(int fd)
{
    char path[64];
    elf_dynamic e = { 0 };
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const char *why = elf_dynamic_read(path, &e);
    if (!why) {
        total_length(e.exports, e.export_count);
        total_length(e.imports, e.import_count);
        total_length(e.needed, e.needed_count);
        elf_dynamic_sanitized(&e);
        elf_dynamic_threaded(&e);
    }
    elf_dynamic_free(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    elf_note note;
    faults f = { 0 };
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    PROMISE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    elf_note_read(fd, size, &note, &f);
    PROMISE(note.found || f.count > 0);
    PROMISE(note.faults <= f.count);
    PROMISE(strlen(note.note.id) < sizeof note.note.id && strlen(note.note.version) < sizeof note.note.version &&
            strlen(note.note.licence) < sizeof note.note.licence);
    faults_free(&f);
    memset(&f, 0, sizeof f);
    elf_note_read(fd, size + 100, &note, &f); /* the file became shorter after it was measured */
    faults_free(&f);
    read_dynamic(fd);
    close(fd);
    return 0;
}
