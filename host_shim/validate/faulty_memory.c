/* faulty_memory.c - see faulty_memory.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr, reallocarray */
#endif
#include "faulty_memory.h"

#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static atomic_uint asked;
static atomic_uint refused_at;
static atomic_bool watching;

static bool refuse(void)
{
    if (!atomic_load(&watching) || atomic_fetch_add(&asked, 1) + 1 != atomic_load(&refused_at))
        return false;
    errno = ENOMEM;
    return true;
}

static void *poor_malloc(size_t size)
{
    return refuse() ? NULL : malloc(size);
}

static void *poor_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : calloc(count, size);
}

static void *poor_realloc(void *old, size_t size)
{
    return refuse() ? NULL : realloc(old, size);
}

static void *poor_reallocarray(void *old, size_t count, size_t size)
{
    return refuse() ? NULL : reallocarray(old, count, size);
}

static void *poor_aligned_alloc(size_t alignment, size_t size)
{
    return refuse() ? NULL : aligned_alloc(alignment, size);
}

static int poor_posix_memalign(void **out, size_t alignment, size_t size)
{
    return refuse() ? ENOMEM : posix_memalign(out, alignment, size);
}

static char *poor_strdup(const char *text)
{
    return refuse() ? NULL : strdup(text);
}

static char *poor_strndup(const char *text, size_t len)
{
    return refuse() ? NULL : strndup(text, len);
}

static const struct {
    const char *name;
    void (*function)(void);
} substitutes[] = {
    { "malloc", (void (*)(void))poor_malloc },
    { "calloc", (void (*)(void))poor_calloc },
    { "realloc", (void (*)(void))poor_realloc },
    { "reallocarray", (void (*)(void))poor_reallocarray },
    { "aligned_alloc", (void (*)(void))poor_aligned_alloc },
    { "posix_memalign", (void (*)(void))poor_posix_memalign },
    { "strdup", (void (*)(void))poor_strdup },
    { "strndup", (void (*)(void))poor_strndup },
};

typedef struct tables { /* of the dynamic section */
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * lists[2];
    size_t counts[2];
} tables;

/* glibc has made these addresses absolute, musl leaves them as the file has them. */
static const void *absolute(const struct dl_phdr_info *object, ElfW(Addr) address)
{
    return (const void *)(address < object->dlpi_addr ? address + object->dlpi_addr : address);
}

static void read_tables(const struct dl_phdr_info *object, const ElfW(Dyn) * d, tables *t)
{
    for (; d->d_tag != DT_NULL; d++)
        switch (d->d_tag) {
        case DT_SYMTAB:
            t->symbols = absolute(object, d->d_un.d_ptr);
            break;
        case DT_STRTAB:
            t->names = absolute(object, d->d_un.d_ptr);
            break;
        case DT_JMPREL:
            t->lists[0] = absolute(object, d->d_un.d_ptr);
            break;
        case DT_PLTRELSZ:
            t->counts[0] = d->d_un.d_val / sizeof(ElfW(Rela));
            break;
        case DT_RELA:
            t->lists[1] = absolute(object, d->d_un.d_ptr);
            break;
        case DT_RELASZ:
            t->counts[1] = d->d_un.d_val / sizeof(ElfW(Rela));
            break;
        default:
            break;
        }
}

/* The slot may be read-only since it was bound; a page that was opened stays so: this process ends soon. */
static bool point_to(void *slot, void (*function)(void))
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)slot;
    if (at % sizeof function || mprotect((void *)(at / page * page), page, PROT_READ | PROT_WRITE) != 0)
        return false;
    memcpy(slot, &function, sizeof function);
    return true;
}

static unsigned substitute_in(const struct dl_phdr_info *object, const tables *t)
{
    unsigned count = 0;
    for (size_t list = 0; list < 2; list++)
        for (size_t i = 0; t->lists[list] && i < t->counts[list]; i++) {
            const ElfW(Rela) *r = &t->lists[list][i];
            const ElfW(Sym) *symbol = &t->symbols[ELF64_R_SYM(r->r_info)];
            if (ELF64_R_SYM(r->r_info) == 0 || symbol->st_shndx != SHN_UNDEF || r->r_addend != 0)
                continue;
            for (size_t k = 0; k < sizeof substitutes / sizeof substitutes[0]; k++)
                if (strcmp(t->names + symbol->st_name, substitutes[k].name) == 0)
                    count += point_to((void *)(object->dlpi_addr + r->r_offset), substitutes[k].function);
        }
    return count;
}

typedef struct target {
    const char *path;
    unsigned count;
} target;

static int visit_object(struct dl_phdr_info *object, size_t size, void *context)
{
    target *wanted = context;
    tables t = { 0 };
    (void)size;
    if (!object->dlpi_name || strcmp(object->dlpi_name, wanted->path) != 0)
        return 0;
    for (size_t i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
            read_tables(object, (const ElfW(Dyn) *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr), &t);
    if (t.symbols && t.names)
        wanted->count = substitute_in(object, &t);
    return 1;
}

const char *faulty_memory_install(const char *path)
{
    target wanted = { path, 0 };
    dl_iterate_phdr(visit_object, &wanted);
    return wanted.count ? NULL : "its requests for memory cannot be watched";
}

void faulty_memory_begin(uint32_t at)
{
    atomic_store(&asked, 0);
    atomic_store(&refused_at, at);
    atomic_store(&watching, true);
}

uint32_t faulty_memory_end(void)
{
    atomic_store(&watching, false);
    return atomic_load(&asked);
}
