/*
 * test_sqlite_faults.c - the sqlite backend over a disk that fails: at the k-th write or sync of a put, for every k, with each error.
 *
 * The faults are in a VFS (https://sqlite.org/vfs.html) that stands before SQLite's own and is the process's default; the plugin uses the same
 * shared SQLite as this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <quipu.h>
#include <sdk/record.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>

/* ---- the disk ---- */

static struct {
    int write_error, sync_error; /* SQLite codes; 0: none */
    long left;                   /* operations that still succeed; below 0: all do */
    bool struck;
} disk;

static int strikes(int code)
{
    if (code == 0 || disk.left < 0)
        return SQLITE_OK;
    if (disk.left-- > 0)
        return SQLITE_OK;
    disk.left = 0; /* it stays broken */
    disk.struck = true;
    return code;
}

typedef struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
} faulty_file;

#define REAL(file) (((faulty_file *)(void *)(file))->real)
#define CALL(file, method, ...) REAL(file)->pMethods->method(REAL(file), __VA_ARGS__)

static int f_close(sqlite3_file *f)
{
    return REAL(f)->pMethods ? REAL(f)->pMethods->xClose(REAL(f)) : SQLITE_OK;
}
static int f_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    return CALL(f, xRead, out, n, at);
}
static int f_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
    int rc = strikes(disk.write_error);
    return rc != SQLITE_OK ? rc : CALL(f, xWrite, bytes, n, at);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return CALL(f, xTruncate, size);
}
static int f_sync(sqlite3_file *f, int flags)
{
    int rc = strikes(disk.sync_error);
    return rc != SQLITE_OK ? rc : CALL(f, xSync, flags);
}
static int f_size(sqlite3_file *f, sqlite3_int64 *out)
{
    return CALL(f, xFileSize, out);
}
static int f_lock(sqlite3_file *f, int level)
{
    return CALL(f, xLock, level);
}
static int f_unlock(sqlite3_file *f, int level)
{
    return CALL(f, xUnlock, level);
}
static int f_reserved(sqlite3_file *f, int *out)
{
    return CALL(f, xCheckReservedLock, out);
}
static int f_control(sqlite3_file *f, int op, void *argument)
{
    return CALL(f, xFileControl, op, argument);
}
static int f_sector(sqlite3_file *f)
{
    return REAL(f)->pMethods->xSectorSize(REAL(f));
}
static int f_device(sqlite3_file *f)
{
    return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return CALL(f, xShmMap, page, size, extend, out);
}
static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return CALL(f, xShmLock, offset, n, flags);
}
static void f_shm_barrier(sqlite3_file *f)
{
    REAL(f)->pMethods->xShmBarrier(REAL(f));
}
static int f_shm_unmap(sqlite3_file *f, int remove)
{
    return CALL(f, xShmUnmap, remove);
}

static const sqlite3_io_methods methods = { 2,        f_close,   f_read,     f_write,       f_truncate,  f_sync,
                                            f_size,   f_lock,    f_unlock,   f_reserved,    f_control,   f_sector,
                                            f_device, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap, NULL,
                                            NULL };

static sqlite3_vfs *real_vfs;
static sqlite3_vfs faulty_vfs;

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    faulty_file *f = (faulty_file *)(void *)file;
    (void)vfs;
    f->real = (sqlite3_file *)(void *)(f + 1);
    int rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out);
    f->base.pMethods = f->real->pMethods ? &methods : NULL;
    return rc;
}

static void register_disk(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    faulty_vfs = *real_vfs;
    faulty_vfs.zName = "faulty";
    faulty_vfs.szOsFile = (int)sizeof(faulty_file) + real_vfs->szOsFile;
    faulty_vfs.xOpen = v_open;
    faulty_vfs.pNext = NULL;
    disk.left = -1;
    assert_int_equal(sqlite3_vfs_register(&faulty_vfs, 1), SQLITE_OK);
}

/* ---- puts ---- */

static char folder[128], store[160];

static int begin(void **state)
{
    (void)state;
    memories_backend = "sqlite";
    disk.left = -1;
    disk.write_error = disk.sync_error = 0;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    disk.left = -1;
    scratch_remove(folder);
    return 0;
}

typedef struct put {
    record *r;
    quipu_change change;
    quipu_change_set set;
} put;

static void put_make(put *p, quipu *q, int number)
{
    char json[200];
    snprintf(json, sizeof json, "{\"id\":\"r%d\",\"text\":\"number %d\"}", number, number);
    assert_int_equal(record_decode(str_of(json), NULL, &p->r, NULL), QUIPU_OK);
    const quipu_record *view = record_view(p->r);
    p->change =
        (quipu_change){ .struct_size = sizeof p->change, .op = QUIPU_CHANGE_PUT, .id = view->id, .record = view };
    p->set = (quipu_change_set){ .struct_size = sizeof p->set };
    assert_int_equal(quipu_change_set_begin(q, NULL, &p->set, NULL), QUIPU_OK);
    p->set.operation = str_of("add");
    p->set.changes = (quipu_array){ &p->change, 1, sizeof p->change };
}

/* One put on a disk that fails after `good` operations; false where it had no need of more. */
static bool put_on_failing_disk(int number, long good, int32_t wanted)
{
    char id[20];
    put p;
    quipu *q = memories_open(store);
    snprintf(id, sizeof id, "r%d", number);
    put_make(&p, q, number);
    disk.struck = false;
    disk.left = good;
    int32_t code = quipu_apply_set(q, &p.set, NULL, NULL, &memories_error);
    disk.left = -1;
    if (disk.struck && code != QUIPU_OK) {
        if (code != wanted && code != QUIPU_E_UNCERTAIN)
            fail_msg("after %ld operations: %d: %s", good, code, memories_error.message);
        assert_string_equal(memories_text(q, id, NULL), "");
        assert_string_not_equal(memories_put(q, "other", id), ""); /* the handle is of use again */
        if (quipu_apply_set(q, &p.set, NULL, NULL, &memories_error) != QUIPU_OK)
            fail_msg("again after %ld operations: %s", good, memories_error.message);
    }
    char text[40];
    snprintf(text, sizeof text, "number %d", number);
    assert_string_equal(memories_text(q, id, NULL), text);
    assert_int_equal(memories_count(q), memories_figure(q, "records"));
    assert_string_equal(memories_faults(q), "");
    memories_close(q);
    record_free(p.r);
    return disk.struck;
}

static void fail_at_every_operation(int write_error, int sync_error, int32_t wanted)
{
    long good = 0;
    disk.write_error = write_error;
    disk.sync_error = sync_error;
    memories_close(memories_open(store));
    while (put_on_failing_disk((int)good, good, wanted))
        good++;
    assert_in_range(good, 1, 1000);
}

static void a_full_disk_takes_nothing_and_loses_nothing(void **state)
{
    (void)state;
    fail_at_every_operation(SQLITE_FULL, 0, QUIPU_E_FULL);
}

static void a_failing_write_is_told(void **state)
{
    (void)state;
    fail_at_every_operation(SQLITE_IOERR_WRITE, 0, QUIPU_E_IO);
}

static void a_failing_sync_leaves_a_commit_uncertain_and_the_same_change_id_settles_it(void **state)
{
    (void)state;
    fail_at_every_operation(0, SQLITE_IOERR_FSYNC, QUIPU_E_UNCERTAIN);
}

static void a_batch_of_which_nothing_came_to_be_is_told_to_all(void **state)
{
    put puts[3];
    (void)state;
    quipu *q = memories_open(store);
    for (int i = 0; i < 3; i++)
        put_make(&puts[i], q, i);
    disk.write_error = SQLITE_FULL;
    disk.left = 2;
    for (int i = 0; i < 3; i++)
        assert_int_equal(quipu_apply_set(q, &puts[i].set, NULL, NULL, &memories_error), QUIPU_E_FULL);
    disk.left = -1;
    assert_int_equal(memories_figure(q, "records"), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(quipu_apply_set(q, &puts[i].set, NULL, NULL, &memories_error), QUIPU_OK);
    assert_string_equal(memories_list(q, NULL), "r0 r1 r2 ");
    memories_close(q);
    for (int i = 0; i < 3; i++)
        record_free(puts[i].r);
}

static void a_store_that_cannot_be_made_leaves_one_that_can(void **state)
{
    quipu *q = NULL;
    (void)state;
    disk.write_error = SQLITE_FULL;
    for (long good = 0;; good++) {
        disk.struck = false;
        disk.left = good;
        int32_t code = memories_try_open(store, NULL, 0, &q);
        disk.left = -1;
        if (code == QUIPU_OK)
            break;
        assert_int_equal(code, QUIPU_E_FULL);
        assert_in_range(good, 0, 1000);
    }
    memories_put(q, "a", "in the end");
    assert_string_equal(memories_faults(q), "");
    memories_close(q);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_full_disk_takes_nothing_and_loses_nothing),
        FRESH(a_failing_write_is_told),
        FRESH(a_failing_sync_leaves_a_commit_uncertain_and_the_same_change_id_settles_it),
        FRESH(a_batch_of_which_nothing_came_to_be_is_told_to_all),
        FRESH(a_store_that_cannot_be_made_leaves_one_that_can),
    };
    register_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
