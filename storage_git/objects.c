/* objects.c - see objects.h. */
#include "objects.h"

#include "commit_graph.h"
#include "pack_files.h"

#include <base/fail.h>
#include <base/hash.h>

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* One opened database; lives as long as somebody reads from it. */
typedef struct database {
    git_odb *odb;
    int references;
} database;

struct objects {
    char *folder;
    bool careful;
    pthread_mutex_t lock; /* guards `current` and the references */
    database *current;
    graph_file *graph;
};

void objects_library_begin(void)
{
    git_libgit2_init();
}

void objects_library_end(void)
{
    git_libgit2_shutdown();
}

static const char *git_reason(void)
{
    const git_error *last = git_error_last();
    return last && last->message ? last->message : "no reason given";
}

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
static int open_careful(git_odb **out, const char *folder)
{
    git_odb_backend *loose = NULL;
    buffer packs = { 0 };
    pack_list list = { 0 };
    buffer_printf(&packs, "%s/pack", folder);
    if (packs.failed || git_odb_new(out) != 0) {
        buffer_free(&packs);
        return -1;
    }
    if (git_odb_backend_loose(&loose, folder, -1, 0, 0, 0) == 0 && git_odb_add_backend(*out, loose, 2) != 0)
        loose->free(loose);
    if (pack_list_read(packs.bytes, &list, NULL) == QUIPU_OK)
        for (size_t i = 0; i < list.count; i++)
            add_pack(*out, packs.bytes, &list.packs[i]);
    pack_list_free(&list);
    buffer_free(&packs);
    return 0;
}

static database *database_open(const char *folder, bool careful)
{
    database *d = calloc(1, sizeof *d);
    if (d && (careful ? open_careful(&d->odb, folder) : git_odb_open(&d->odb, folder)) == 0) {
        d->references = 1;
        return d;
    }
    free(d);
    return NULL;
}

static database *database_take(objects *o)
{
    pthread_mutex_lock(&o->lock);
    database *d = o->current;
    if (d)
        d->references++;
    pthread_mutex_unlock(&o->lock);
    return d;
}

static void database_give(objects *o, database *d)
{
    pthread_mutex_lock(&o->lock);
    bool last = --d->references == 0;
    pthread_mutex_unlock(&o->lock);
    if (last) {
        git_odb_free(d->odb);
        free(d);
    }
}

/* Puts a freshly opened database in the place of `stale`, unless another thread has done so already. */
static void database_renew(objects *o, const database *stale)
{
    database *fresh = database_open(o->folder, o->careful);
    if (!fresh)
        return;
    pthread_mutex_lock(&o->lock);
    database *old = fresh;
    if (o->current == stale) {
        old = o->current;
        o->current = fresh;
    }
    pthread_mutex_unlock(&o->lock);
    database_give(o, old);
}

static int32_t open_as(const char *folder, bool careful, objects **out, quipu_error *error)
{
    objects *o = calloc(1, sizeof *o);
    if (!o)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open %s", folder);
    pthread_mutex_init(&o->lock, NULL);
    o->careful = careful;
    o->folder = str_dup(str_of(folder));
    o->current = o->folder ? database_open(folder, careful) : NULL;
    o->graph = graph_file_create(folder);
    if (!o->current || !o->graph) {
        fail(error, QUIPU_E_IO, NULL, "cannot open the objects in %s: %s", folder, git_reason());
        objects_close(o);
        return QUIPU_E_IO;
    }
    *out = o;
    return QUIPU_OK;
}

int32_t objects_open(const char *folder, objects **out, quipu_error *error)
{
    return open_as(folder, false, out, error);
}

int32_t objects_open_careful(const char *folder, objects **out, quipu_error *error)
{
    return open_as(folder, true, out, error);
}

void objects_close(objects *o)
{
    if (!o)
        return;
    if (o->current)
        database_give(o, o->current);
    graph_file_free(o->graph);
    pthread_mutex_destroy(&o->lock);
    free(o->folder);
    free(o);
}

const char *objects_folder(const objects *o)
{
    return o->folder;
}

void objects_forget(objects *o)
{
    database *d = database_take(o);
    database_renew(o, d);
    database_give(o, d);
}

const commit_graph *objects_graph_take(objects *o)
{
    return graph_file_take(o->graph);
}

void objects_graph_give(objects *o, const commit_graph *graph)
{
    graph_file_give(o->graph, graph);
}

/* "Not found" means little while no descriptor can be had. */
static bool descriptors_exhausted(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE;
    close(fd);
    return false;
}

static int32_t read_failed(objects *o, const object_id *id, int result, quipu_error *error)
{
    char name[OBJECT_ID_HEX + 1];
    object_id_print(id, name);
    if (descriptors_exhausted(o->folder))
        return fail(error, QUIPU_E_IO, NULL,
                    "cannot read object %s: no file descriptor is left; raise the limit of open files", name);
    if (result == GIT_ENOTFOUND)
        return fail(error, QUIPU_E_CORRUPT, NULL, "object %s is missing; run `quipu verify`", name);
    return fail(error, QUIPU_E_CORRUPT, NULL, "object %s cannot be read: %s", name, git_reason());
}

/* An object that was read, with the database it came from: closing that waits until the object is let go. */
typedef struct reading {
    git_odb_object *object;
    database *from;
} reading;

static void reading_end(objects *o, reading *r)
{
    git_odb_object_free(r->object);
    database_give(o, r->from);
}

/* Three looks: at what is open, and twice at what lies on the disk, because a merge may run between two. */
static int32_t reading_begin(objects *o, const object_id *id, reading *r, quipu_error *error)
{
    git_oid oid;
    int result = -1;
    memcpy(oid.id, id->bytes, sizeof id->bytes);
    for (int attempt = 0; attempt < 3; attempt++) {
        r->from = database_take(o);
        result = git_odb_read(&r->object, r->from->odb, &oid);
        if (result == 0)
            return QUIPU_OK;
        database_renew(o, r->from);
        database_give(o, r->from);
    }
    return read_failed(o, id, result, error);
}

int32_t objects_read(objects *o, const object_id *id, object_type type, buffer *out, quipu_error *error)
{
    reading r;
    int32_t code = reading_begin(o, id, &r, error);
    if (code != QUIPU_OK)
        return code;
    if ((int)git_odb_object_type(r.object) != (int)type) {
        char name[OBJECT_ID_HEX + 1];
        object_id_print(id, name);
        code = fail(error, QUIPU_E_CORRUPT, NULL, "object %s is not a %s", name, object_type_name(type));
    } else {
        size_t size = git_odb_object_size(r.object);
        buffer_append(out, git_odb_object_data(r.object), size);
        if (out->failed)
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for an object of %zu bytes", size);
    }
    reading_end(o, &r);
    return code;
}

int32_t objects_read_any(objects *o, const object_id *id, object_type *type, buffer *out, quipu_error *error)
{
    reading r;
    object_id found = { { 0 } };
    int32_t code = reading_begin(o, id, &r, error);
    if (code != QUIPU_OK)
        return code;
    git_object_t kind = git_odb_object_type(r.object);
    const void *bytes = git_odb_object_data(r.object);
    size_t size = git_odb_object_size(r.object);
    if (kind >= GIT_OBJECT_COMMIT && kind <= GIT_OBJECT_TAG)
        hash_git_object(object_type_name((object_type)kind), bytes, size, found.bytes);
    *type = (object_type)kind;
    if (!object_id_equal(&found, id)) {
        char name[OBJECT_ID_HEX + 1];
        object_id_print(id, name);
        code = fail(error, QUIPU_E_CORRUPT, NULL, "object %s does not hold what its name says", name);
    } else {
        buffer_append(out, bytes, size);
        if (out->failed)
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for an object of %zu bytes", size);
    }
    reading_end(o, &r);
    return code;
}

int32_t objects_find_commit(objects *o, const char *digits, size_t len, object_id *out, quipu_error *error)
{
    git_oid prefix, found;
    git_odb_object *object = NULL;
    int result = -1;
    if (git_oid_fromstrn(&prefix, digits, len) != 0)
        return fail(error, QUIPU_E_INVALID, "revision", "%.*s is not a revision", (int)len, digits);
    if (len < OBJECT_ID_HEX)
        objects_forget(o); /* one that begins alike may lie in a pack that came since */
    for (int attempt = 0; attempt < 2 && result != 0 && result != GIT_EAMBIGUOUS; attempt++) {
        database *d = database_take(o);
        result = git_odb_read_prefix(&object, d->odb, &prefix, len);
        if (result != 0)
            database_renew(o, d);
        database_give(o, d);
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

int32_t objects_each(objects *o, objects_each_fn visit, void *context, quipu_error *error)
{
    each_call each = { visit, context, QUIPU_OK };
    objects_forget(o);
    database *d = database_take(o);
    int result = git_odb_foreach(d->odb, each_object, &each);
    database_give(o, d);
    if (result < 0)
        return fail(error, QUIPU_E_IO, NULL, "cannot list the objects: %s", git_reason());
    return each.code;
}

static int32_t see_one(void *context, const object_id *id)
{
    (void)id;
    *(bool *)context = true;
    return 1;
}

int32_t objects_any(objects *o, bool *any, quipu_error *error)
{
    *any = false;
    int32_t code = objects_each(o, see_one, any, error);
    return *any ? QUIPU_OK : code;
}
