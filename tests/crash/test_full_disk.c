/* test_full_disk.c - no room left, at every size and on a small file system; a folder and a file system that cannot be written. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <tests/support/scratch.h>
#include <unistd.h>

enum { LIMIT = 120, SIZES = 12, SIZES_LONG = 150, ROOM = 1 << 20, FILLER = 600 << 10, SETS_MOST = 2000 };

static const workload few = { .name = "few sets", .before = 6, .sets = 12 };
static const workload many = { .name = "packs to be merged", .before = 31, .sets = 6 };

/* ---- through the table: so many bytes fit ---- */

typedef struct small_disk {
    const workload *w;
    const char *store;
    int64_t room;
} small_disk;

static bool was_full; /* in a child: there was no room for something */

/* Applies set n where there is room, else frees some first. */
static bool apply_with_relief(model_store *s, unsigned n, char why[TRIAL_WHY])
{
    char wrong[300];
    int32_t code = model_apply(s, n, NULL);
    if (code == QUIPU_OK)
        return true;
    if (code != QUIPU_E_FULL)
        snprintf(why, TRIAL_WHY, "set %u answers %d: %s", n, code, model_error.message);
    else if (!model_error.message[0])
        snprintf(why, TRIAL_WHY, "set %u: no message", n);
    else if (model_compare(s, n - 1, n - 1, true, wrong) < 0)
        snprintf(why, TRIAL_WHY, "after set %u was refused: %s", n, wrong);
    if (why[0])
        return false;
    was_full = true;
    fault_set_room(-1);
    if (model_apply(s, n, NULL) != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "set %u, with room again: %s", n, model_error.message);
    return !why[0];
}

static void write_until_full(void *context, char why[TRIAL_WHY])
{
    const small_disk *d = context;
    model_store s;
    fault_plan plan = fault_none;
    plan.room = d->room;
    fault_install(&plan);
    int32_t code = model_open(&s, d->store, NULL, 0);
    if (code == QUIPU_E_FULL) {
        was_full = true;
        fault_set_room(-1);
        code = model_open(&s, d->store, NULL, 0);
    }
    if (code != QUIPU_OK) {
        snprintf(why, TRIAL_WHY, "open answers %d: %s", code, model_error.message);
        return;
    }
    for (unsigned n = d->w->before + 1; n <= d->w->before + d->w->sets; n++)
        if (!apply_with_relief(&s, n, why))
            return;
    if (!was_full && d->room < 100 * (int64_t)d->w->sets) /* a set is larger than that */
        snprintf(why, TRIAL_WHY, "nothing was refused");
    if (model_close(&s) != QUIPU_OK)
        snprintf(why, TRIAL_WHY, "close: %s", model_error.message);
}

static void fill_by_the_table(const workload *w, int64_t most)
{
    char base[TRIAL_PATH], store[TRIAL_PATH], why[TRIAL_WHY];
    int64_t step = most / (trial_long() ? SIZES_LONG : SIZES) + 1;
    unsigned tried = 0;
    trial_path("base", base);
    trial_path("store", store);
    workload_base(w, base);
    for (int64_t room = trial_seed() % step; room < most; room += step, tried++) {
        small_disk d = { .w = w, .store = store, .room = room };
        trial_copy(base, store);
        trial_child(write_until_full, &d, LIMIT, why);
        if (!why[0])
            workload_check(w, store, w->before + w->sets, why);
        if (why[0])
            fail_msg("%s, with room for %lld bytes: %s", w->name, (long long)room, why);
        trial_remove(store);
    }
    trial_remove(base);
    print_message("# %s: %u sizes of the disk\n", w->name, tried);
}

static void a_disk_that_is_full_loses_nothing_and_goes_on(void **state)
{
    (void)state;
    fill_by_the_table(&few, 30000);
}

static void a_disk_that_is_full_while_packs_are_merged(void **state)
{
    (void)state;
    fill_by_the_table(&many, 90000);
}

/* ---- a small file system of its own ---- */

static char mounted[TRIAL_PATH];

/* False where mounting is not allowed. */
static bool mount_small(void)
{
    char options[40];
    trial_path("mounted", mounted);
    assert_true(mkdir(mounted, 0700) == 0 || errno == EEXIST);
    snprintf(options, sizeof options, "size=%d", ROOM);
    return mount("quipu", mounted, "tmpfs", 0, options) == 0;
}

static int unmount(void **state)
{
    (void)state;
    if (mounted[0])
        umount2(mounted, MNT_DETACH);
    mounted[0] = '\0';
    return 0;
}

static void write_filler(const char *path)
{
    static char bytes[FILLER];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    close(fd);
}

/* Writes until the disk is full; the store answers rightly; the filler goes; it is written again. */
static void fill_mounted(void *context, char why[TRIAL_WHY])
{
    char store[TRIAL_PATH + 10], filler[TRIAL_PATH + 10], wrong[300], output[300];
    model_store s;
    unsigned n = 1;
    int32_t code;
    (void)context;
    snprintf(store, sizeof store, "%s/store", mounted);
    snprintf(filler, sizeof filler, "%s/filler", mounted);
    write_filler(filler);
    if (model_open(&s, store, NULL, 0) != QUIPU_OK) {
        snprintf(why, TRIAL_WHY, "open: %s", model_error.message);
        return;
    }
    while ((code = model_apply(&s, n, NULL)) == QUIPU_OK && n < SETS_MOST)
        n++;
    if (code != QUIPU_E_FULL)
        snprintf(why, TRIAL_WHY, "set %u answers %d: %s", n, code, model_error.message);
    if (!why[0] && model_compare(&s, n - 1, n - 1, true, wrong) < 0)
        snprintf(why, TRIAL_WHY, "full, after %u sets: %s", n - 1, wrong);
    unlink(filler);
    for (unsigned last = n + 20; n < last && !why[0]; n++)
        if (model_apply(&s, n, NULL) != QUIPU_OK)
            snprintf(why, TRIAL_WHY, "set %u, with room again: %s", n, model_error.message);
    if (!why[0] && model_compare(&s, n - 1, n - 1, true, wrong) < 0)
        snprintf(why, TRIAL_WHY, "with room again, after %u sets: %s", n - 1, wrong);
    if (model_close(&s) != QUIPU_OK && !why[0])
        snprintf(why, TRIAL_WHY, "close: %s", model_error.message);
    if (!why[0] && scratch_git(store, output, sizeof output, "fsck --strict --no-dangling --no-progress") != 0)
        snprintf(why, TRIAL_WHY, "git fsck: %s", output);
}

static void a_file_system_that_is_full(void **state)
{
    char why[TRIAL_WHY];
    (void)state;
    if (!mount_small()) {
        print_message("# mounting is not allowed here: %s\n", strerror(errno));
        skip();
    }
    trial_child(fill_mounted, NULL, LIMIT, why);
    assert_string_equal(why, "");
}

/* ---- what cannot be written ---- */

/* Root may write where the mode forbids it; without its capabilities it may not. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct none[2] = { { 0 } };
    syscall(SYS_capset, &header, none);
}

static void use_unwritable(void *context, char why[TRIAL_WHY])
{
    const char *store = context;
    char wrong[300];
    model_store s;
    drop_capabilities();
    if (model_open(&s, store, NULL, QUIPU_OPEN_READ_ONLY) != QUIPU_OK) {
        snprintf(why, TRIAL_WHY, "a reader cannot open it: %s", model_error.message);
        return;
    }
    if (model_compare(&s, few.before, few.before, true, wrong) < 0)
        snprintf(why, TRIAL_WHY, "a reader: %s", wrong);
    if (!why[0] && model_damage(&s) != 0)
        snprintf(why, TRIAL_WHY, "verify finds damage");
    if (!why[0] && model_apply(&s, few.before + 1, NULL) != QUIPU_E_READ_ONLY)
        snprintf(why, TRIAL_WHY, "a reader may write");
    model_close(&s);
    int32_t code = model_open(&s, store, NULL, 0);
    if (!why[0] && code != QUIPU_E_READ_ONLY && code != QUIPU_E_DENIED)
        snprintf(why, TRIAL_WHY, "a writer's open answers %d: %s", code, code ? model_error.message : "");
    if (!why[0] && !strstr(model_error.message, store))
        snprintf(why, TRIAL_WHY, "the message names no path: %s", model_error.message);
}

static void a_folder_that_cannot_be_written_is_read(void **state)
{
    char store[TRIAL_PATH], command[300], why[TRIAL_WHY];
    (void)state;
    trial_path("store", store);
    workload_base(&few, store);
    snprintf(command, sizeof command, "chmod -R a-w '%s'", store);
    assert_int_equal(system(command), 0);
    trial_child(use_unwritable, store, LIMIT, why);
    snprintf(command, sizeof command, "chmod -R u+w '%s'", store);
    assert_int_equal(system(command), 0);
    trial_remove(store);
    assert_string_equal(why, "");
}

static void a_file_system_that_cannot_be_written_is_read(void **state)
{
    char store[TRIAL_PATH + 10], why[TRIAL_WHY];
    (void)state;
    if (!mount_small()) {
        print_message("# mounting is not allowed here: %s\n", strerror(errno));
        skip();
    }
    snprintf(store, sizeof store, "%s/store", mounted);
    workload_base(&few, store);
    assert_int_equal(mount("quipu", mounted, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
    trial_child(use_unwritable, store, LIMIT, why);
    assert_string_equal(why, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_is_full_loses_nothing_and_goes_on),
        cmocka_unit_test(a_disk_that_is_full_while_packs_are_merged),
        cmocka_unit_test_teardown(a_file_system_that_is_full, unmount),
        cmocka_unit_test(a_folder_that_cannot_be_written_is_read),
        cmocka_unit_test_teardown(a_file_system_that_cannot_be_written_is_read, unmount),
    };
    return cmocka_run_group_tests(tests, trial_begin, trial_end);
}
