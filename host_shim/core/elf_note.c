/* elf_note.c - see elf_note.h. The format: System V ABI, chapter 4 and 5 (https://gabi.xinuos.com). */
#include "elf_note.h"

#include <elf.h>
#include <errno.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <unistd.h>

#define NOTE_BYTES_MAX (1u << 20) /* of one note segment; real ones have some hundred bytes */
#define SEGMENTS_MAX 256u         /* real files have about ten; keeps a hostile one from costing time */

#if defined(__x86_64__)
#define HOST_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define HOST_MACHINE EM_AARCH64
#elif defined(__riscv)
#define HOST_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define HOST_MACHINE EM_PPC64
#elif defined(__s390x__)
#define HOST_MACHINE EM_S390
#else
#error "add the ELF machine number of this architecture"
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST_DATA ELFDATA2LSB
#else
#define HOST_DATA ELFDATA2MSB
#endif

typedef struct elf_file {
    int fd;
    uint64_t size;
    Elf64_Ehdr head;
    elf_note *out;
    faults *f;
} elf_file;

/* True where all `len` bytes at `offset` lie in the file and could be read. */
static bool read_at(const elf_file *e, uint64_t offset, void *out, uint64_t len)
{
    if (offset > e->size || len > e->size - offset)
        return false;
    for (uint64_t done = 0; done < len;) {
        ssize_t n = pread(e->fd, (char *)out + done, (size_t)(len - done), (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (uint64_t)n;
    }
    return true;
}

static const char *machine_name(unsigned machine)
{
    switch (machine) {
    case EM_X86_64:
        return "x86-64";
    case EM_386:
        return "x86 (32-bit)";
    case EM_AARCH64:
        return "ARM 64";
    case EM_ARM:
        return "ARM (32-bit)";
    case EM_RISCV:
        return "RISC-V";
    case EM_PPC64:
        return "PowerPC 64";
    case EM_S390:
        return "S/390";
    default:
        return "another architecture";
    }
}

/* True where the rest of the file can be understood by this program. */
static bool check_head(elf_file *e)
{
    const unsigned char *ident = e->head.e_ident;
    uint64_t before = e->f->count;
    memset(&e->head, 0, sizeof e->head);
    uint64_t len = e->size < sizeof e->head ? e->size : sizeof e->head;
    if (!read_at(e, 0, &e->head, len) || memcmp(ident, ELFMAG, SELFMAG) != 0) {
        faults_add(e->f, "not an ELF file");
        return false;
    }
    if (ident[EI_CLASS] != ELFCLASS64)
        faults_add(e->f, "a 32-bit file (ELF class %u), this host is 64-bit", ident[EI_CLASS]);
    if (ident[EI_DATA] != HOST_DATA) {
        faults_add(e->f, "its byte order (ELF data %u) is not this host's (%u)", ident[EI_DATA], HOST_DATA);
        return false; /* no other number can be read */
    }
    if (len < sizeof e->head) {
        faults_add(e->f, "the file is cut short: %llu bytes, the ELF header alone has %zu", (unsigned long long)e->size,
                   sizeof e->head);
        return false;
    }
    if (e->head.e_machine != HOST_MACHINE)
        faults_add(e->f, "made for %s (ELF machine %u), this host is %s (%u)", machine_name(e->head.e_machine),
                   e->head.e_machine, machine_name(HOST_MACHINE), (unsigned)HOST_MACHINE);
    if (e->head.e_type != ET_DYN)
        faults_add(e->f, "not a shared object (ELF type %u, needed %u)", e->head.e_type, (unsigned)ET_DYN);
    return e->f->count == before;
}

/* A text of the note: ends with NUL in its field, UTF-8. */
static void check_text(elf_file *e, const char *name, const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);
    if (!end)
        faults_add(e->f, "note: %s does not end within its %zu bytes", name, size);
    else if (utf8_first_bad(text, (size_t)(end - text)) >= 0)
        faults_add(e->f, "note: %s is not UTF-8", name);
}

static void take_note(elf_file *e, const char *desc, uint64_t len)
{
    quipu_note *note = &e->out->note;
    uint64_t before = e->f->count;
    if (e->out->found) {
        faults_add(e->f, "note: there is more than one");
        e->out->faults++;
        return;
    }
    e->out->found = true;
    memcpy(note, desc, len < sizeof *note ? (size_t)len : sizeof *note);
    if (len < sizeof *note || note->struct_size < sizeof *note || note->struct_size > len) {
        faults_add(e->f, "note: truncated: %llu bytes, struct_size %u, this host needs %zu", (unsigned long long)len,
                   note->struct_size, sizeof *note);
    } else {
        for (uint64_t i = sizeof *note; i < len; i++)
            if (desc[i]) {
                faults_add(e->f, "note: a byte past the %zu that this host knows is not zero", sizeof *note);
                break;
            }
        check_text(e, "id", note->id, sizeof note->id);
        check_text(e, "version", note->version, sizeof note->version);
        check_text(e, "licence", note->licence, sizeof note->licence);
    }
    note->id[sizeof note->id - 1] = note->version[sizeof note->version - 1] = '\0';
    note->licence[sizeof note->licence - 1] = '\0';
    e->out->faults += e->f->count - before;
}

/* Walks the notes of one segment or section. */
static void walk_notes(elf_file *e, uint64_t offset, uint64_t len, uint64_t align)
{
    if (len > NOTE_BYTES_MAX || len < sizeof(Elf64_Nhdr))
        return;
    char *bytes = malloc((size_t)len);
    if (!bytes || !read_at(e, offset, bytes, len)) {
        free(bytes);
        return;
    }
    align = align == 8 ? 8 : 4;
    for (uint64_t at = 0; len - at >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr note;
        memcpy(&note, bytes + at, sizeof note);
        /* both sizes are 32 bits, so that none of these sums can overflow */
        uint64_t name = at + sizeof note, desc = (name + note.n_namesz + align - 1) & ~(align - 1);
        uint64_t end = desc + note.n_descsz;
        if (end > len)
            break;
        if (note.n_type == QUIPU_NOTE_TYPE && note.n_namesz == sizeof QUIPU_NOTE_OWNER &&
            memcmp(bytes + name, QUIPU_NOTE_OWNER, sizeof QUIPU_NOTE_OWNER) == 0)
            take_note(e, bytes + desc, note.n_descsz);
        at = (end + align - 1) & ~(align - 1);
        if (at > len)
            break;
    }
    free(bytes);
}

/* True where the file holds every byte that the dynamic linker will map. */
static void walk_segments(elf_file *e)
{
    bool dynamic = false;
    if (e->head.e_phentsize != sizeof(Elf64_Phdr) || e->head.e_phnum == 0) {
        faults_add(e->f, "no program headers");
        return;
    }
    if (e->head.e_phnum > SEGMENTS_MAX) {
        faults_add(e->f, "%u program headers, at most %u are accepted", e->head.e_phnum, SEGMENTS_MAX);
        return;
    }
    for (unsigned i = 0; i < e->head.e_phnum; i++) {
        Elf64_Phdr segment;
        if (e->head.e_phoff > e->size || !read_at(e, e->head.e_phoff + i * sizeof segment, &segment, sizeof segment)) {
            faults_add(e->f, "the file is cut short: program header %u lies outside of it", i);
            return;
        }
        bool inside = segment.p_offset <= e->size && segment.p_filesz <= e->size - segment.p_offset;
        if ((segment.p_type == PT_LOAD || segment.p_type == PT_DYNAMIC) && !inside)
            faults_add(e->f, "the file is cut short: segment %u ends outside of its %llu bytes", i,
                       (unsigned long long)e->size);
        dynamic = dynamic || segment.p_type == PT_DYNAMIC;
        if (segment.p_type == PT_NOTE && inside)
            walk_notes(e, segment.p_offset, segment.p_filesz, segment.p_align);
    }
    if (!dynamic)
        faults_add(e->f, "no dynamic section: not a file that can be loaded");
}

/* For linkers that make no PT_NOTE of the section. */
static void walk_sections(elf_file *e)
{
    Elf64_Shdr names, section;
    if (e->head.e_shentsize != sizeof section || e->head.e_shoff > e->size || e->head.e_shstrndx >= e->head.e_shnum ||
        !read_at(e, e->head.e_shoff + e->head.e_shstrndx * sizeof names, &names, sizeof names) ||
        names.sh_offset > e->size)
        return;
    for (unsigned i = 0; i < e->head.e_shnum && i < 16 * SEGMENTS_MAX; i++) {
        char name[sizeof ".note.quipu"];
        if (!read_at(e, e->head.e_shoff + i * sizeof section, &section, sizeof section))
            return;
        if (section.sh_type == SHT_NOTE && read_at(e, names.sh_offset + section.sh_name, name, sizeof name) &&
            memcmp(name, ".note.quipu", sizeof name) == 0)
            walk_notes(e, section.sh_offset, section.sh_size, section.sh_addralign);
    }
}

void elf_note_read(int fd, uint64_t size, elf_note *out, faults *f)
{
    elf_file e = { .fd = fd, .size = size, .out = out, .f = f };
    memset(out, 0, sizeof *out);
    if (!check_head(&e))
        return;
    walk_segments(&e);
    if (!out->found)
        walk_sections(&e);
    if (!out->found) {
        faults_add(f, "no Quipu note (section .note.quipu): use the macro QUIPU_PLUGIN of quipu/plugin.h");
        out->faults++;
    }
}
