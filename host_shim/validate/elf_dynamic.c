/* elf_dynamic.c - see elf_dynamic.h. */
#include "elf_dynamic.h"

#include <base/buffer.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where in the file an address of the loaded segments lies, or NULL where `len` bytes are not all there. */
static const void *at_address(const elf_dynamic *e, uint64_t address, uint64_t len)
{
    const Elf64_Ehdr *header = (const void *)e->bytes;
    const Elf64_Phdr *segments = (const void *)(e->bytes + header->e_phoff);
    for (size_t i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr *s = &segments[i];
        if (s->p_type != PT_LOAD || address < s->p_vaddr || address - s->p_vaddr > s->p_filesz)
            continue;
        uint64_t offset = address - s->p_vaddr;
        if (len > s->p_filesz - offset || s->p_offset > e->size || offset > e->size - s->p_offset ||
            len > e->size - s->p_offset - offset)
            return NULL;
        return e->bytes + s->p_offset + offset;
    }
    return NULL;
}

typedef struct tables {
    uint64_t strings, strings_size, symbols;
} tables;

/* The text at an offset of the string table, or "" where it does not end within it. */
static const char *text_at(const elf_dynamic *e, const tables *t, uint64_t offset)
{
    const char *all = at_address(e, t->strings, t->strings_size);
    if (!all || offset >= t->strings_size || !memchr(all + offset, '\0', (size_t)(t->strings_size - offset)))
        return "";
    return all + offset;
}

static void add(const char ***list, size_t *count, const char *text)
{
    const char **larger = realloc(*list, (*count + 1) * sizeof *larger);
    if (!larger)
        return;
    larger[(*count)++] = text;
    *list = larger;
}

static void read_flags(elf_dynamic *e, const Elf64_Dyn *d)
{
    if (d->d_tag == DT_BIND_NOW || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_BIND_NOW)) ||
        (d->d_tag == DT_FLAGS_1 && (d->d_un.d_val & DF_1_NOW)))
        e->bind_now = true;
    if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL)))
        e->text_relocations = true;
    if (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_STATIC_TLS))
        e->static_tls = true;
    if (d->d_tag == DT_INIT_ARRAYSZ)
        e->init_array = d->d_un.d_val;
}

static void read_dynamic(elf_dynamic *e, const Elf64_Dyn *dynamic, size_t count, tables *t)
{
    size_t used = 0;
    for (; used < count && dynamic[used].d_tag != DT_NULL; used++) {
        read_flags(e, &dynamic[used]);
        if (dynamic[used].d_tag == DT_STRTAB)
            t->strings = dynamic[used].d_un.d_ptr;
        if (dynamic[used].d_tag == DT_STRSZ)
            t->strings_size = dynamic[used].d_un.d_val;
        if (dynamic[used].d_tag == DT_SYMTAB)
            t->symbols = dynamic[used].d_un.d_ptr;
    }
    for (size_t i = 0; i < used; i++)
        if (dynamic[i].d_tag == DT_NEEDED)
            add(&e->needed, &e->needed_count, text_at(e, t, dynamic[i].d_un.d_val));
}

/* How many symbols there are is told by the section headers only; linkers keep them, strip does too. */
static const char *read_symbols(elf_dynamic *e, const tables *t)
{
    const Elf64_Ehdr *header = (const void *)e->bytes;
    if (header->e_shoff == 0 || header->e_shoff % 8 || header->e_shoff > e->size ||
        header->e_shnum > (e->size - header->e_shoff) / sizeof(Elf64_Shdr))
        return "it has no section headers, so that its symbols cannot be counted";
    const Elf64_Shdr *sections = (const void *)(e->bytes + header->e_shoff); /* only now: it lies within the file */
    for (size_t i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_DYNSYM)
            continue;
        uint64_t count = sections[i].sh_size / sizeof(Elf64_Sym);
        const Elf64_Sym *symbols = at_address(e, t->symbols, count * sizeof *symbols);
        if (!symbols || (uintptr_t)symbols % 8)
            return "its table of symbols lies outside of the file";
        for (uint64_t k = 1; k < count; k++) {
            const char *name = text_at(e, t, symbols[k].st_name);
            if (symbols[k].st_shndx == SHN_UNDEF)
                add(&e->imports, &e->import_count, name);
            else if (ELF64_ST_BIND(symbols[k].st_info) != STB_LOCAL)
                add(&e->exports, &e->export_count, name);
        }
        return NULL;
    }
    return "it has no table of dynamic symbols";
}

static const char *read_segments(elf_dynamic *e)
{
    const Elf64_Ehdr *header = (const void *)e->bytes;
    tables t = { 0, 0, 0 };
    if (e->size < sizeof *header || memcmp(e->bytes, ELFMAG, SELFMAG) != 0 || e->bytes[EI_CLASS] != ELFCLASS64 ||
        header->e_phoff % 8 || header->e_phoff > e->size ||
        header->e_phnum > (e->size - header->e_phoff) / sizeof(Elf64_Phdr))
        return "it is not a 64-bit ELF file";
    const Elf64_Phdr *segments = (const void *)(e->bytes + header->e_phoff);
    e->stack_executable = true; /* what a file without PT_GNU_STACK gets */
    for (size_t i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_GNU_STACK)
            e->stack_executable = (segments[i].p_flags & PF_X) != 0;
        if (segments[i].p_type == PT_GNU_RELRO)
            e->relro = true;
        if (segments[i].p_type == PT_DYNAMIC) {
            const Elf64_Dyn *dynamic = at_address(e, segments[i].p_vaddr, segments[i].p_filesz);
            if (!dynamic || (uintptr_t)dynamic % 8)
                return "its dynamic section lies outside of the file";
            read_dynamic(e, dynamic, segments[i].p_filesz / sizeof *dynamic, &t);
        }
    }
    return t.symbols ? read_symbols(e, &t) : "it has no dynamic section";
}

const char *elf_dynamic_read(const char *path, elf_dynamic *out)
{
    FILE *file = fopen(path, "rbe");
    buffer all = { 0 };
    *out = (elf_dynamic){ 0 };
    if (!file)
        return "it cannot be opened";
    for (size_t got = 1; got > 0 && !all.failed;) {
        char *room = buffer_reserve(&all, 65536);
        got = room ? fread(room, 1, 65536, file) : 0;
        all.len += got;
    }
    fclose(file);
    out->bytes = (unsigned char *)all.bytes;
    out->size = all.len;
    return all.failed ? "there is no memory to read it" : read_segments(out);
}

void elf_dynamic_free(elf_dynamic *e)
{
    free(e->bytes);
    free(e->exports);
    free(e->imports);
    free(e->needed);
    *e = (elf_dynamic){ 0 };
}

bool elf_dynamic_sanitized(const elf_dynamic *e)
{
    static const char *const marks[] = { "__asan_", "__tsan_", "__ubsan_", "__msan_", "__sanitizer_", "__gcov" };
    for (size_t i = 0; i < e->import_count; i++)
        for (size_t k = 0; k < sizeof marks / sizeof marks[0]; k++)
            if (strncmp(e->imports[i], marks[k], strlen(marks[k])) == 0)
                return true;
    return false;
}

bool elf_dynamic_threaded(const elf_dynamic *e)
{
    static const char *const makers[] = {
        "libopenblas", "libblas", "libcblas", "libgomp", "libomp", "libmkl", "libblis"
    };
    for (size_t i = 0; i < e->needed_count; i++)
        for (size_t k = 0; k < sizeof makers / sizeof makers[0]; k++)
            if (strncmp(e->needed[i], makers[k], strlen(makers[k])) == 0)
                return true;
    return false;
}
