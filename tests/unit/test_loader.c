/* test_loader.c - what the loader accepts and refuses. The mutants are in tests/mutants, the broken files are made here. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <elf.h>
#include <fcntl.h>
#include <host_shim/core/elf_note.h>
#include <quipu.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/quipu-loader-XXXXXX";
static buffer good; /* the bytes of the plugin that has no fault */

static const char *build(void)
{
    const char *b = getenv("BUILD");
    return b ? b : "build";
}

static void mutant_path(const char *name, char out[512])
{
    snprintf(out, 512, "%s/mutants/%s.so", build(), name);
}

/* What the last visit saw. */
static struct seen {
    uint32_t state;
    uint64_t visits;
    char id[64], backends[64], embedders[64];
    char faults[4000];
    uint32_t abi_min;
} seen;

static void copy(char *out, size_t size, quipu_str text)
{
    snprintf(out, size, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

static int32_t look(void *context, const quipu_plugin_info *info)
{
    (void)context;
    seen.visits++;
    seen.state = info->state;
    seen.abi_min = info->abi_min;
    copy(seen.id, sizeof seen.id, info->id);
    copy(seen.backends, sizeof seen.backends, info->backends);
    copy(seen.embedders, sizeof seen.embedders, info->embedders);
    copy(seen.faults, sizeof seen.faults, info->faults);
    return 0;
}

static void inspect(const char *path)
{
    quipu_str text = str_of(path);
    memset(&seen, 0, sizeof seen);
    assert_int_equal(quipu_inspect_plugin(&text, look, NULL, NULL), QUIPU_OK);
    assert_int_equal(seen.visits, 1);
}

static unsigned lines_of(const char *text)
{
    unsigned n = *text ? 1 : 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void assert_refused(const char *path, const char *fault)
{
    inspect(path);
    assert_int_equal(seen.state, QUIPU_PLUGIN_REFUSED);
    if (!strstr(seen.faults, fault))
        fail_msg("%s: \"%s\" is not among: %s", path, fault, seen.faults);
}

static void assert_accepted(const char *path)
{
    inspect(path);
    if (seen.state != QUIPU_PLUGIN_ACCEPTED)
        fail_msg("%s: %s", path, seen.faults);
}

/* A file in the test's folder; the path is valid until the next call. */
static const char *write_file(const char *name, const void *bytes, size_t len, mode_t mode)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

/* The good plugin with some bytes changed. */
static const char *write_patched(const char *name, size_t offset, const void *bytes, size_t len)
{
    char *image = malloc(good.len);
    memcpy(image, good.bytes, good.len);
    memcpy(image + offset, bytes, len);
    const char *path = write_file(name, image, good.len, 0700);
    free(image);
    return path;
}

static int begin(void **state)
{
    char path[512];
    (void)state;
    assert_non_null(mkdtemp(folder));
    mutant_path("good", path);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    char part[65536];
    for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;)
        buffer_append(&good, part, (size_t)n);
    close(fd);
    return 0;
}

static int end(void **state)
{
    char command[600];
    (void)state;
    buffer_free(&good);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

/* ---- tests ---- */

static void good_plugin_is_accepted(void **state)
{
    char path[512];
    (void)state;
    mutant_path("good", path);
    assert_accepted(path);
    assert_string_equal(seen.id, "org.example.null");
    assert_string_equal(seen.backends, "null");
    assert_string_equal(seen.embedders, "ones");
    assert_int_equal(seen.abi_min, QUIPU_ABI_VERSION);
}

static void every_mutant_is_refused_with_each_of_its_faults(void **state)
{
    static const struct {
        const char *name;
        unsigned count;
        const char *faults[4];
    } rows[] = {
        { "no_entry", 1, { "quipu_plugin_entry is not exported" } },
        { "wrong_magic", 1, { "wrong magic 0x12345678, expected 0x55505551" } },
        { "newer_major", 1, { "speaks 1.2 to 1.2, this host 0.1 to 0.1" } },
        { "truncated_entry", 1, { "entry: truncated: struct_size is 88, this host needs 96" } },
        { "oversized_entry", 1, { "byte 96 is not zero, but this host knows only 96" } },
        { "size_lies", 1, { "struct_size is 160, larger than the object" } },
        { "unknown_flag", 1, { "unknown flags 0x80" } },
        { "missing_slots", 2, { "mandatory slot search", "mandatory slot stats" } },
        { "half_group", 1, { "half a group: init without deinit" } },
        { "no_note", 1, { "no Quipu note" } },
        { "note_differs", 2, { "id is \"org.example.other\" in the note", "version is \"2.0.0\" in the note" } },
        { "bad_utf8", 2, { "note: id is not UTF-8", "entry: id is not UTF-8" } },
        { "two_names", 1, { "two backends of the plugin have this name" } },
        { "bad_name", 1, { "the name must be" } },
        { "bad_stride", 1, { "the stride is 40" } },
        { "truncated_table", 1, { "backend null: truncated: struct_size is 80" } },
        { "table_flag", 1, { "backend null: unknown flags 0x4" } },
        { "embedder_slot", 1, { "embedder ones: the mandatory slot embed" } },
        { "offers_nothing", 1, { "neither a backend nor an embedder" } },
        { "many",
          4,
          { "unknown flags 0x80", "version is missing", "half a group: deinit without init", "slot get_factory" } },
    };
    char path[512];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mutant_path(rows[i].name, path);
        for (size_t j = 0; j < 4 && rows[i].faults[j]; j++)
            assert_refused(path, rows[i].faults[j]);
        if (lines_of(seen.faults) != rows[i].count)
            fail_msg("%s: %u faults expected: %s", rows[i].name, rows[i].count, seen.faults);
    }
    mutant_path("good", path);
    assert_accepted(path); /* the host lives */
}

static void what_is_no_plugin_file_is_refused(void **state)
{
    char path[600];
    (void)state;
    assert_refused(write_file("text.so", "#!/bin/sh\necho\n", 15, 0700), "not an ELF file");
    assert_refused(write_file("empty.so", "", 0, 0700), "not an ELF file");
    assert_refused(write_file("magic.so", "\177ELF", 4, 0700), "byte order");
    snprintf(path, sizeof path, "%s/folder.so", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(path, "not a regular file");
    snprintf(path, sizeof path, "%s/fifo.so", folder);
    assert_int_equal(mkfifo(path, 0700), 0);
    assert_refused(path, "not a regular file");
    snprintf(path, sizeof path, "%s/nowhere.so", folder);
    assert_refused(path, "cannot be found");
}

static void other_architectures_are_refused(void **state)
{
    Elf64_Half machine = EM_68K, type = ET_EXEC;
    char class32 = ELFCLASS32, big = ELFDATA2MSB;
    (void)state;
    assert_refused(write_patched("m68k.so", offsetof(Elf64_Ehdr, e_machine), &machine, sizeof machine),
                   "made for another architecture (ELF machine 4)");
    assert_refused(write_patched("class.so", EI_CLASS, &class32, 1), "32-bit");
    assert_refused(write_patched("big.so", EI_DATA, &big, 1), "byte order");
    assert_refused(write_patched("exec.so", offsetof(Elf64_Ehdr, e_type), &type, sizeof type), "not a shared object");
}

/* Where the last of the bytes lies that the dynamic linker maps. */
static size_t mapped_end(void)
{
    Elf64_Ehdr head;
    size_t end_of_all = 0;
    memcpy(&head, good.bytes, sizeof head);
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, good.bytes + head.e_phoff + i * sizeof segment, sizeof segment);
        size_t end_of_one = segment.p_offset + segment.p_filesz;
        if (segment.p_type == PT_LOAD && end_of_one > end_of_all)
            end_of_all = end_of_one;
    }
    return end_of_all;
}

static void file_cut_short_is_refused_before_it_is_mapped(void **state)
{
    size_t whole = mapped_end();
    (void)state;
    for (size_t len = 0; len < whole; len += len < 2048 ? 61 : 509) {
        inspect(write_file("short.so", good.bytes, len, 0700));
        assert_int_equal(seen.state, QUIPU_PLUGIN_REFUSED);
    }
    assert_refused(write_file("short.so", good.bytes, whole - 1, 0700), "cut short");
}

static void hostile_headers_are_read_within_bounds(void **state)
{
    char path[600];
    unsigned seed = 7;
    (void)state;
    snprintf(path, sizeof path, "%s/hostile", folder);
    for (int round = 0; round < 2000; round++) {
        elf_note note;
        faults f = { 0 };
        char *image = malloc(good.len);
        memcpy(image, good.bytes, good.len);
        for (int flips = 0; flips < 4; flips++) {
            size_t range = round % 2 ? 1024 : good.len;
            size_t at = (size_t)rand_r(&seed) % range;
            image[at] = (char)(rand_r(&seed) % 3 ? rand_r(&seed) : 0xff);
        }
        memcpy(image, ELFMAG "\2\1", 6);
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        assert_true(write(fd, image, good.len) == (ssize_t)good.len);
        elf_note_read(fd, good.len, &note, &f);
        assert_non_null(memchr(note.note.id, '\0', sizeof note.note.id));
        close(fd);
        faults_free(&f);
        free(image);
    }
}

static void file_or_folder_writable_by_others_is_refused(void **state)
{
    char path[600];
    (void)state;
    assert_refused(write_file("others.so", good.bytes, good.len, 0702), "writable by others");
    assert_refused(write_file("group.so", good.bytes, good.len, 0720), "writable by its group");
    snprintf(path, sizeof path, "%s", write_file("fine.so", good.bytes, good.len, 0755));
    assert_accepted(path);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_refused(path, "its folder is writable by others");
    assert_int_equal(chmod(folder, 01777), 0);
    assert_accepted(path);
    assert_int_equal(chmod(folder, 0700), 0);
}

static void file_of_another_user_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can give files away */
    const char *path = write_file("foreign.so", good.bytes, good.len, 0755);
    assert_int_equal(chown(path, 12345, 12345), 0);
    assert_refused(path, "belongs to user 12345");
}

static void listing_without_loading_reads_the_note(void **state)
{
    char path[600];
    (void)state;
    snprintf(path, sizeof path, "%s/list", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file("list/one.so", good.bytes, good.len, 0700);
    write_file("list/.hidden.so", good.bytes, good.len, 0700);
    write_file("list/readme.txt", "x", 1, 0600);
    quipu_str text = str_of(path);
    memset(&seen, 0, sizeof seen);
    assert_int_equal(quipu_list_plugins(&text, 0, look, NULL, NULL), QUIPU_OK);
    assert_int_equal(seen.visits, 1);
    assert_string_equal(seen.id, "org.example.null");
    assert_string_equal(seen.backends, "");
    assert_int_equal(quipu_list_plugins(&text, 1, look, NULL, NULL), QUIPU_OK);
    assert_string_equal(seen.backends, "null");
    assert_int_equal(quipu_list_plugins(&text, 2, look, NULL, NULL), QUIPU_E_INVALID);
}

static void control_characters_of_a_file_do_not_reach_the_terminal(void **state)
{
    faults f = { 0 };
    (void)state;
    faults_add(&f, "id is \"%s\"", "a\033[31mb\n\xff\177");
    assert_string_equal(f.lines.bytes, "id is \"a?[31mb???\"");
    assert_int_equal(f.count, 1);
    faults_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_plugin_is_accepted),
        cmocka_unit_test(every_mutant_is_refused_with_each_of_its_faults),
        cmocka_unit_test(what_is_no_plugin_file_is_refused),
        cmocka_unit_test(other_architectures_are_refused),
        cmocka_unit_test(file_cut_short_is_refused_before_it_is_mapped),
        cmocka_unit_test(hostile_headers_are_read_within_bounds),
        cmocka_unit_test(file_or_folder_writable_by_others_is_refused),
        cmocka_unit_test(file_of_another_user_is_refused),
        cmocka_unit_test(listing_without_loading_reads_the_note),
        cmocka_unit_test(control_characters_of_a_file_do_not_reach_the_terminal),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
