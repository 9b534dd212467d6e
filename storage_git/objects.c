/* objects.c - see objects.h. */
#include "objects.h"

#include "commit_graph.h"
#include "object_database.h"
#include "pack_table.h"

#include <base/fail.h>
#include <base/hash.h>

#include <libdeflate.h>
#include <stdlib.h>

enum {
    LOOKS = 3, /* at what is open, and twice at what lies on the disk, because a merge may run between two */
    CACHE_SLOTS = 1024,
};

struct objects {
    pack_table *packs;
    pack_cache *cache;
    object_database *rest; /* what is in no pack that we read */
    graph_file *graph;
};

static int32_t open_as(const char *folder, bool careful, objects **out, quipu_error *error)
{
    buffer packs = { 0 };
    objects *o = calloc(1, sizeof *o);
    buffer_printf(&packs, "%s/pack", folder);
    int32_t code = QUIPU_OK;
    if (o) {
        o->cache = pack_cache_create(CACHE_SLOTS);
        o->rest = object_database_create(folder, careful);
        o->graph = graph_file_create(folder);
    }
    if (!o || packs.failed || !o->cache || !o->rest || !o->graph)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open %s", folder);
    if (code == QUIPU_OK)
        code = pack_table_open(packs.bytes, careful, &o->packs, error);
    if (code == QUIPU_OK)
        *out = o;
    else
        objects_close(o);
    buffer_free(&packs);
    return code;
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
    pack_table_close(o->packs);
    pack_cache_free(o->cache);
    object_database_free(o->rest);
    graph_file_free(o->graph);
    free(o);
}

int32_t objects_check_offsets(objects *o, quipu_error *error)
{
    const pack_look *look = pack_table_take(o->packs);
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < look->count && code == QUIPU_OK; i++) {
        const pack_file *p = &look->packs[i]->file;
        if (!pack_index_fits(&p->index, p->pack_len))
            code = fail(error, QUIPU_E_CORRUPT, NULL, "objects/pack/%s.idx is damaged; run `quipu verify --repair`",
                        p->name);
    }
    pack_table_give(o->packs, look);
    return code;
}

pack_table *objects_packs(const objects *o)
{
    return o->packs;
}

void objects_forget(objects *o)
{
    const pack_look *look = pack_table_take(o->packs);
    pack_table_renew(o->packs, look);
    pack_table_give(o->packs, look);
    object_database_forget(o->rest);
}

void objects_add_pack(objects *o, const char *name)
{
    pack_table_add(o->packs, name);
}

bool objects_are_due(objects *o, size_t most)
{
    return pack_table_is_due(o->packs, most);
}

const commit_graph *objects_graph_take(objects *o)
{
    return graph_file_take(o->graph);
}

void objects_graph_give(objects *o, const commit_graph *graph)
{
    graph_file_give(o->graph, graph);
}

/* ---- reading ---- */

/* Whether one of the packs gives what the name says. Where one is damaged, another may hold the same object. */
static bool read_from(const pack_reader *reader, const pack_look *look, const object_id *id, object_type *type,
                      buffer *out)
{
    pack_place at;
    size_t before = out->len;
    for (size_t from = 0; pack_look_find(look, id, &from, &at);) {
        object_id found;
        if (pack_read(reader, &at, type, out, NULL) == QUIPU_OK) {
            hash_git_object(object_type_name(*type), out->bytes + before, out->len - before, found.bytes);
            if (object_id_equal(&found, id))
                return true;
        }
        out->len = before;
    }
    return false;
}

static int32_t read_object(objects *o, const object_id *id, object_type *type, buffer *out, quipu_error *error)
{
    pack_reader reader = { o->cache, libdeflate_alloc_decompressor(), pack_find_in_same, NULL };
    bool found = false, any_new = true;
    if (!reader.inflater)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read an object");
    for (int attempt = 0; attempt < LOOKS && !found && any_new; attempt++) {
        const pack_look *look = pack_table_take(o->packs);
        found = read_from(&reader, look, id, type, out);
        any_new = !found && attempt + 1 < LOOKS && pack_table_renew(o->packs, look);
        pack_table_give(o->packs, look);
    }
    libdeflate_free_decompressor(reader.inflater);
    if (found)
        return QUIPU_OK;
    if (out->failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read an object");
    int32_t code = object_database_read(o->rest, id, type, out, error);
    if (code == QUIPU_E_CORRUPT && pack_table_is_short(o->packs)) {
        char name[OBJECT_ID_HEX + 1];
        object_id_print(id, name);
        code = fail(error, QUIPU_E_IO, NULL,
                    "cannot read object %s: no file descriptor was left; raise the limit of open files", name);
    }
    return code;
}

int32_t objects_read(objects *o, const object_id *id, object_type type, buffer *out, quipu_error *error)
{
    object_type found;
    size_t before = out->len;
    int32_t code = read_object(o, id, &found, out, error);
    if (code == QUIPU_OK && found != type) {
        char name[OBJECT_ID_HEX + 1];
        object_id_print(id, name);
        out->len = before;
        code = fail(error, QUIPU_E_CORRUPT, NULL, "object %s is not a %s", name, object_type_name(type));
    }
    return code;
}

int32_t objects_read_any(objects *o, const object_id *id, object_type *type, buffer *out, quipu_error *error)
{
    return read_object(o, id, type, out, error);
}

int32_t objects_find_commit(objects *o, const char *digits, size_t len, object_id *out, quipu_error *error)
{
    buffer bytes = { 0 };
    bool known = len == OBJECT_ID_HEX && object_id_parse(digits, out) &&
                 objects_read(o, out, OBJECT_COMMIT, &bytes, NULL) == QUIPU_OK;
    buffer_free(&bytes);
    return known ? QUIPU_OK : object_database_find_commit(o->rest, digits, len, out, error);
}

int32_t objects_each(objects *o, objects_each_fn visit, void *context, quipu_error *error)
{
    return object_database_each(o->rest, visit, context, error);
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
