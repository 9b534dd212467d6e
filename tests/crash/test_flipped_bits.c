/* test_flipped_bits.c - one bit flipped in a file of a store, at places all over it: what is answered is right, or is an error. Never a crash,
 * never another text, and verify finds what git fsck finds. And a repair mends it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trial.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tests/support/scratch.h>
#include <unistd.h>

enum {
    SETS = 7,
    FILES_MAX = 200,
    SAMPLE = 3,
    PLACES = 60 /* of a file, with QUIPU_LONG */,
    TOLD = 8,
    LIMIT = 60,
    COUNT_AT = 8 + 255 * 4
};

static char base[TRIAL_PATH];
static char store[TRIAL_PATH];
static char files[FILES_MAX][160]; /* of the base store, without its path */
static unsigned file_count;
static unsigned tried, failed;

/* ---- the damage ---- */

static void list_files(const char *inner)
{
    char path[600];
    struct dirent *entry;
    snprintf(path, sizeof path, "%s%s", base, inner);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char name[160];
        assert_true(snprintf(name, sizeof name, "%s/%s", inner, entry->d_name) < (int)sizeof name);
        snprintf(path, sizeof path, "%s%s", base, name);
        assert_int_equal(stat(path, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            list_files(name);
        } else if (st.st_size > 0) {
            assert_true(file_count < FILES_MAX);
            snprintf(files[file_count++], sizeof *files, "%s", name);
        }
    }
    if (dir)
        closedir(dir);
}

static off_t size_of(const char *file)
{
    char path[400];
    struct stat st;
    snprintf(path, sizeof path, "%s%s", base, file);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void flip(const char *file, off_t at, unsigned bit)
{
    char path[400];
    unsigned char byte;
    snprintf(path, sizeof path, "%s%s", store, file);
    assert_int_equal(chmod(path, 0600), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= (unsigned char)(1u << bit);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* ---- what is asked of the store ---- */

/* Without an error, the store must answer as after these sets. */
static void check_answers(model_store *s, unsigned sets, const char *who, char why[TRIAL_WHY])
{
    char wrong[300];
    if (!why[0] && !model_answers_rightly(s, sets, wrong))
        snprintf(why, TRIAL_WHY, "%s is told what is wrong: %s", who, wrong);
}

static void check_reader(void *context, char why[TRIAL_WHY])
{
    bool git_complains = *(bool *)context;
    model_store s;
    if (model_open(&s, store, NULL, QUIPU_OPEN_READ_ONLY) != QUIPU_OK)
        return;
    check_answers(&s, SETS, "a reader", why);
    if (git_complains && !why[0] && model_damage(&s) == 0)
        snprintf(why, TRIAL_WHY, "verify finds nothing, and git fsck does");
    model_close(&s);
}

static void check_writer(void *context, char why[TRIAL_WHY])
{
    model_store s;
    (void)context;
    if (model_open(&s, store, NULL, 0) != QUIPU_OK)
        return;
    check_answers(&s, SETS, "a writer", why);
    if (model_apply(&s, SETS + 1, NULL) == QUIPU_OK)
        check_answers(&s, SETS + 1, "a writer, after a write,", why);
    model_close(&s);
}

/* One flipped bit is mended wherever it is: everything is there again, git is content, and nothing was deleted. */
static void check_repair(void *context, char why[TRIAL_WHY])
{
    model_store s;
    char wrong[300];
    (void)context;
    int damage = model_repair(store);
    if (damage != 0)
        snprintf(why, TRIAL_WHY, "repair: %d: %s", damage, damage < 0 ? model_error.message : "damage remains");
    else if (model_open(&s, store, NULL, 0) != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "after a repair it cannot be opened: %s", model_error.message);
    if (why[0])
        return;
    if (model_compare(&s, SETS, SETS, true, wrong) != SETS)
        snprintf(why, TRIAL_WHY, "after a repair: %s", wrong);
    damage = model_damage(&s);
    if (!why[0] && damage)
        snprintf(why, TRIAL_WHY, "after a repair: verify: %d", damage);
    if (model_close(&s) != QUIPU_OK && !why[0])
        snprintf(why, TRIAL_WHY, "after a repair it cannot be closed");
}

static void try_repair(const char *file, off_t at, unsigned bit, char why[TRIAL_WHY])
{
    char output[300], flipped[TRIAL_PATH];
    trial_path("flipped", flipped);
    trial_copy(base, store);
    flip(file, at, bit);
    trial_copy(store, flipped);
    trial_child(check_repair, NULL, LIMIT, why);
    int status = why[0] ? 0 : scratch_git(store, output, sizeof output, "fsck --strict --no-dangling");
    if (status)
        snprintf(why, TRIAL_WHY, "after a repair git fsck: %d: %s", status, output);
    if (!why[0])
        trial_find_deleted(flipped, store, why);
    trial_remove(store);
    trial_remove(flipped);
}

static void try_flip(const char *file, off_t at, unsigned bit)
{
    char why[TRIAL_WHY], output[300];
    trial_copy(base, store);
    flip(file, at, bit);
    bool object = strstr(file, "/pack/") != NULL;
    bool complains = object && scratch_git(store, output, sizeof output, "fsck --strict --no-dangling") != 0;
    trial_child(check_reader, &complains, LIMIT, why);
    if (!why[0])
        trial_child(check_writer, NULL, LIMIT, why);
    trial_remove(store);
    if (!why[0] && (trial_long() || tried % 6 == 0))
        try_repair(file, at, bit, why);
    if (why[0] && failed++ < TOLD)
        print_error("%s, byte %lld, bit %u: %s\n", file, (long long)at, bit, why);
    tried++;
}

static void try_file(const char *file, unsigned seed)
{
    off_t size = size_of(file);
    off_t places = trial_long() ? PLACES : SAMPLE;
    off_t step = size / places + 1;
    for (off_t at = (off_t)(seed % (unsigned)step); at < size; at += step)
        try_flip(file, at, (unsigned)(seed + (unsigned)at) % 8);
    if (strstr(file, ".idx")) /* the count of objects: 28 bytes for each are beyond 32 bits */
        for (unsigned bit = 6; bit < 8; bit++)
            try_flip(file, COUNT_AT, bit);
}

/* ---- the stores ---- */

static void fill_catalogue(void *context, char why[TRIAL_WHY])
{
    model_store s;
    char wrong[300];
    (void)context;
    if (model_open(&s, base, NULL, 0) != QUIPU_OK || model_compare(&s, SETS, SETS, true, wrong) != SETS ||
        model_close(&s) != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "the base store is not as it should be");
}

static bool is_left_over(const char *file)
{
    size_t len = strlen(file);
    return len > 5 && (strcmp(file + len - 5, ".keep") == 0 || strcmp(file + len - 5, ".lock") == 0);
}

/* `prepare` is run in the base store, after it was filled and its catalogue written. left_over: only locks and keeps are damaged. */
static void try_store(const char *name, const char *prepare, bool left_over)
{
    workload w = { .name = "filling", .before = SETS };
    char why[TRIAL_WHY], command[500];
    trial_path("base", base);
    trial_path("store", store);
    file_count = tried = failed = 0;
    workload_base(&w, base);
    trial_child(fill_catalogue, NULL, LIMIT, why);
    assert_string_equal(why, "");
    snprintf(command, sizeof command, "cd '%s' && { %s; } >/dev/null", base, prepare);
    assert_int_equal(system(command), 0);
    list_files("");
    for (unsigned i = 0; i < file_count; i++)
        if (!left_over || is_left_over(files[i]))
            try_file(files[i], trial_seed() * 2654435761u + i * 40503u);
    trial_remove(base);
    print_message("# %s: %u files, %u flips\n", name, file_count, tried);
    assert_int_equal(failed, 0);
}

static void a_store_with_its_catalogue(void **state)
{
    (void)state;
    try_store("with the catalogue", "true", false);
}

static void a_store_without_a_catalogue(void **state)
{
    (void)state;
    try_store("without a catalogue", "rm -r quipu/catalogue", false);
}

static void a_store_that_git_packed(void **state)
{
    (void)state;
    try_store("packed by git",
              "git gc -q && git pack-refs --all && rm -r quipu/catalogue hooks info 2>/dev/null; test -s packed-refs",
              false);
}

/* Keeps of ours and of receive-pack, and locks of git commands that were killed; one of them on a ref that nobody writes. */
static void what_killed_processes_left(void **state)
{
    (void)state;
    try_store("with locks and keeps",
              "set -- objects/pack/*.pack && echo 'quipu 4711' >${1%.pack}.keep && shift && "
              "echo 'receive-pack 4711 on harbour' >${1%.pack}.keep && cp refs/heads/main refs/heads/other.lock && "
              "cp refs/heads/main packed-refs.lock && echo '[core]' >config.lock && echo 4711 >quipu/lock && "
              "echo 4711 >quipu/maintain.lock",
              true);
    assert_true(tried >= 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_with_its_catalogue),
        cmocka_unit_test(a_store_without_a_catalogue),
        cmocka_unit_test(a_store_that_git_packed),
        cmocka_unit_test(what_killed_processes_left),
    };
    return cmocka_run_group_tests(tests, trial_begin, trial_end);
}
