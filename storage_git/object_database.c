/* object_database.c - see object_database.h. */
#include "object_database.h"

#include "os.h"
#include "pack_files.h"

#include <base/fail.h>
#include <base/hash.h>

#include <dirent.h>
#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

/* One opened database; lives as long as somebody reads from it. */
typedef struct database {
    git_odb *odb;
    int references;
} database;

struct object_database {
    char *folder, *pack_folder;
    bool careful;
    pthread_mutex_t lock; /* guards `current` and the references */
    database *current;    /* NULL: not open */
};

/* libgit2 reads all authorities' certificates when it begins, which takes longer than to open a store: so it begins when it is needed. */
static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned library_users;
static bool library_begun;

void objects_library_begin(void)
{
    pthread_mutex_lock(&library_lock);
    library_users++;
    pthread_mutex_unlock(&library_lock);
}

void objects_library_need(void)
{
    pthread_mutex_lock(&library_lock);
    if (!library_begun)
        library_begun = git_libgit2_init() > 0;
    pthread_mutex_unlock(&library_lock);
}

void objects_library_end(void)
{
    pthread_mutex_lock(&library_lock);
    if (--library_users == 0 && library_begun) {
        git_libgit2_shutdown();
        library_begun = false;
    }
    pthread_mutex_unlock(&library_lock);
}

static const char *git_reason(void)
{
    const git_error *last = git_error_last();
    return last && last->message ? last->message : "no reason given";
}

/* ---- opening ---- */

/* A pack whose index libgit2 may follow. */
static void add_pack(git_odb *odb, const char *folder, pack_file *pack)
{
    git_odb_backend *backend = NULL;
    buffer path = { 0 };
    bool safe = pack_file_map(folder, pack, NULL) == QUIPU_OK && pack_index_is_sound(pack);
    pack_file_unmap(pack);
    buffer_printf(&path, "%s/%s.idx", folder, pack->name);
    if (safe && !path.failed && git_odb_backend_one_pack(&backend, path.bytes) == 0 &&
        git_odb_add_backend(odb, backend, 1) != 0)
        backend->free(backend);
    buffer_free(&path);
}

/* As git_odb_open, but pack by pack. What cannot be had is not there: whoever looks for damage will tell. */
static int open_careful(git_odb **out, const object_database *d)
{
    git_odb_backend *loose = NULL;
    pack_list list = { 0 };
    if (git_odb_new(out) != 0)
        return -1;
    if (git_odb_backend_loose(&loose, d->folder, -1, 0, 0, 0) == 0 && git_odb_add_backend(*out, loose, 2) != 0)
        loose->free(loose);
    if (pack_list_read(d->pack_folder, &list, NULL) == QUIPU_OK)
        for (size_t i = 0; i < list.count; i++)
            add_pack(*out, d->pack_folder, &list.packs[i]);
    pack_list_free(&list);
    return 0;
}

/* libgit2 would wait for a pipe in the place of a file that it opens with the database. */
static bool has_strange_files(const object_database *d)
{
    buffer path = { 0 };
    const struct dirent *entry;
    DIR *dir = opendir(d->pack_folder);
    buffer_printf(&path, "%s/info/alternates", d->folder);
    bool strange = path.failed || os_check_file(path.bytes, NULL) != QUIPU_OK;
    while (dir && !strange && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, "pack-", 5) != 0)
            continue;
        buffer_clear(&path);
        buffer_printf(&path, "%s/%s", d->pack_folder, entry->d_name);
        strange = path.failed || os_check_file(path.bytes, NULL) != QUIPU_OK;
    }
    if (dir)
        closedir(dir);
    buffer_free(&path);
    return strange;
}

/* The same of loose objects whose names begin with these digits. */
static int32_t check_loose(const object_database *d, const char *digits, size_t len, quipu_error *error)
{
    buffer path = { 0 };
    const struct dirent *entry;
    int32_t code = QUIPU_OK;
    buffer_printf(&path, "%s/%.2s", d->folder, digits);
    size_t folder_len = path.len;
    DIR *dir = path.failed ? NULL : opendir(path.bytes);
    while (dir && code == QUIPU_OK && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, digits + 2, len - 2) != 0)
            continue;
        path.len = folder_len;
        buffer_printf(&path, "/%s", entry->d_name);
        code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for an object")
                           : os_check_file(path.bytes, error);
    }
    if (dir)
        closedir(dir);
    buffer_free(&path);
    return code;
}

static database *database_open(const object_database *d)
{
    objects_library_need();
    database *db = calloc(1, sizeof *db);
    bool careful = d->careful || has_strange_files(d) || pack_check_offsets(d->pack_folder, NULL) != QUIPU_OK;
    if (db && (careful ? open_careful(&db->odb, d) : git_odb_open(&db->odb, d->folder)) == 0) {
        db->references = 1;
        return db;
    }
    free(db);
    return NULL;
}

static database *take_current(object_database *d)
{
    pthread_mutex_lock(&d->lock);
    database *db = d->current;
    if (db)
        db->references++;
    pthread_mutex_unlock(&d->lock);
    return db;
}

static void give(object_database *d, database *db)
{
    if (!db)
        return;
    pthread_mutex_lock(&d->lock);
    bool last = --db->references == 0;
    pthread_mutex_unlock(&d->lock);
    if (last) {
        git_odb_free(db->odb);
        free(db);
    }
}

/* Puts a freshly opened database in the place of `stale`, unless another thread has done so already. */
static void renew(object_database *d, const database *stale)
{
    database *fresh = database_open(d);
    if (!fresh)
        return;
    pthread_mutex_lock(&d->lock);
    database *old = fresh;
    if (d->current == stale) {
        old = d->current;
        d->current = fresh;
    }
    pthread_mutex_unlock(&d->lock);
    give(d, old);
}

/* NULL where it cannot be opened. */
static database *take(object_database *d)
{
    database *db = take_current(d);
    if (db)
        return db;
    renew(d, NULL);
    return take_current(d);
}

object_database *object_database_create(const char *folder, bool careful)
{
    buffer packs = { 0 };
    buffer_printf(&packs, "%s/pack", folder);
    object_database *d = packs.failed ? NULL : calloc(1, sizeof *d);
    if (!d) {
        buffer_free(&packs);
        return NULL;
    }
    pthread_mutex_init(&d->lock, NULL);
    d->careful = careful;
    d->pack_folder = packs.bytes;
    d->folder = str_dup(str_of(folder));
    if (d->folder)
        return d;
    object_database_free(d);
    return NULL;
}

void object_database_free(object_database *d)
{
    if (!d)
        return;
    give(d, d->current);
    pthread_mutex_destroy(&d->lock);
    free(d->folder);
    free(d->pack_folder);
    free(d);
}

void object_database_forget(object_database *d)
{
    pthread_mutex_lock(&d->lock);
    database *old = d->current;
    d->current = NULL;
    pthread_mutex_unlock(&d->lock);
    give(d, old);
}

/* ---- reading ---- */

static int32_t read_failed(const object_database *d, const object_id *id, int result, quipu_error *error)
{
    char name[OBJECT_ID_HEX + 1];
    object_id_print(id, name);
    if (pack_files_run_out(d->folder))
        return fail(error, QUIPU_E_IO, NULL,
                    "cannot read object %s: no file descriptor is left; raise the limit of open files", name);
    if (result == GIT_ENOTFOUND)
        return fail(error, QUIPU_E_CORRUPT, NULL, "object %s is missing; run `quipu verify`", name);
    return fail(error, QUIPU_E_CORRUPT, NULL, "object %s cannot be read: %s", name, git_reason());
}

static int32_t take_bytes(git_odb_object *object, const object_id *id, object_type *type, buffer *out,
                          quipu_error *error)
{
    object_id found = { { 0 } };
    git_object_t kind = git_odb_object_type(object);
    const void *bytes = git_odb_object_data(object);
    size_t size = git_odb_object_size(object);
    if (kind >= GIT_OBJECT_COMMIT && kind <= GIT_OBJECT_TAG)
        hash_git_object(object_type_name((object_type)kind), bytes, size, found.bytes);
    if (!object_id_equal(&found, id)) {
        char name[OBJECT_ID_HEX + 1];
        object_id_print(id, name);
        return fail(error, QUIPU_E_CORRUPT, NULL, "object %s does not hold what its name says", name);
    }
    *type = (object_type)kind;
    buffer_append(out, bytes, size);
    return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for an object of %zu bytes", size) : QUIPU_OK;
}

int32_t object_database_read(object_database *d, const object_id *id, object_type *type, buffer *out,
                             quipu_error *error)
{
    git_oid oid;
    int result = -1;
    char digits[OBJECT_ID_HEX + 1];
    object_id_print(id, digits);
    int32_t loose = check_loose(d, digits, OBJECT_ID_HEX, error);
    if (loose != QUIPU_OK)
        return loose;
    memcpy(oid.id, id->bytes, sizeof id->bytes);
    for (int attempt = 0; attempt < 3; attempt++) {
        git_odb_object *object = NULL;
        database *db = take(d);
        int32_t code = QUIPU_OK;
        result = db ? git_odb_read(&object, db->odb, &oid) : -1;
        if (result == 0) {
            code = take_bytes(object, id, type, out, error);
            git_odb_object_free(object);
        } else {
            renew(d, db);
        }
        give(d, db);
        if (result == 0)
            return code;
    }
    return read_failed(d, id, result, error);
}

int32_t object_database_find_commit(object_database *d, const char *digits, size_t len, object_id *out,
                                    quipu_error *error)
{
    git_oid prefix, found;
    git_odb_object *object = NULL;
    int result = -1;
    objects_library_need();
    if (git_oid_fromstrn(&prefix, digits, len) != 0)
        return fail(error, QUIPU_E_INVALID, "revision", "%.*s is not a revision", (int)len, digits);
    int32_t loose = check_loose(d, digits, len, error);
    if (loose != QUIPU_OK)
        return loose;
    object_database_forget(d); /* one that begins alike may lie in a pack that came since */
    for (int attempt = 0; attempt < 2 && result != 0 && result != GIT_EAMBIGUOUS; attempt++) {
        database *db = take(d);
        result = db ? git_odb_read_prefix(&object, db->odb, &prefix, len) : -1;
        if (result != 0)
            renew(d, db);
        give(d, db);
    }
    if (result == GIT_EAMBIGUOUS)
        return fail(error, QUIPU_E_INVALID, "revision", "several objects begin with %.*s; give more digits", (int)len,
                    digits);
    if (result != 0)
        return fail(error, QUIPU_E_NOT_FOUND, "revision", "there is no revision %.*s", (int)len, digits);
    bool is_commit = git_odb_object_type(object) == GIT_OBJECT_COMMIT;
    git_oid_cpy(&found, git_odb_object_id(object));
    git_odb_object_free(object);
    if (!is_commit)
        return fail(error, QUIPU_E_INVALID, "revision", "%.*s is not a revision, but another object", (int)len, digits);
    memcpy(out->bytes, found.id, sizeof out->bytes);
    return QUIPU_OK;
}

typedef struct each_call {
    objects_each_fn visit;
    void *context;
    int32_t code;
} each_call;

static int each_object(const git_oid *oid, void *payload)
{
    each_call *each = payload;
    object_id id;
    memcpy(id.bytes, oid->id, sizeof id.bytes);
    each->code = each->visit(each->context, &id);
    return each->code == QUIPU_OK ? 0 : 1;
}

int32_t object_database_each(object_database *d, objects_each_fn visit, void *context, quipu_error *error)
{
    each_call each = { visit, context, QUIPU_OK };
    object_database_forget(d);
    database *db = take(d);
    int result = db ? git_odb_foreach(db->odb, each_object, &each) : -1;
    give(d, db);
    if (result < 0)
        return fail(error, QUIPU_E_IO, NULL, "cannot list the objects: %s", git_reason());
    return each.code;
}
