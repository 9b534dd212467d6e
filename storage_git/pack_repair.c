/* pack_repair.c - each pack and its index: an index is made anew, what is sound in a damaged pack goes into a new one (repair_inner.h). */
#include "os.h"
#include "pack_files.h"
#include "pack_salvage.h"
#include "pack_stream.h"
#include "repair_inner.h"

#include <base/fail.h>

#include <dirent.h>
#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME_LEN = 5 + OBJECT_ID_HEX };

/* What one pack is called, and where its files are. */
typedef struct subject {
    char name[PACK_NAME_SIZE];
    buffer pack, index;
} subject;

static bool is_there(const buffer *path)
{
    return access(path->bytes, F_OK) == 0;
}

/* ---- writing ---- */

static int32_t put_index_in_place(repair *r, const subject *s, const pack_salvage *found)
{
    buffer index = { 0 };
    pack_entry *entries = malloc(((size_t)found->count + 1) * sizeof *entries);
    int32_t code = entries ? QUIPU_OK : repair_no_memory(r);
    for (uint32_t i = 0; i < found->count && code == QUIPU_OK; i++)
        entries[i] = (pack_entry){ found->entries[i].id, found->entries[i].crc, found->entries[i].offset };
    if (code == QUIPU_OK) {
        pack_put_index(entries, found->count, found->pack + found->len - PACK_TRAILER_SIZE, &index);
        code = index.failed ? repair_no_memory(r) : QUIPU_OK;
    }
    if (code == QUIPU_OK && is_there(&s->index))
        code = aside_keep(r->aside, s->index.bytes, "a damaged index; it was made anew from its pack", r->error);
    if (code == QUIPU_OK)
        code = os_replace_file(s->index.bytes, index.bytes, index.len, true, r->error);
    free(entries);
    buffer_free(&index);
    return code;
}

/* A new pack under way. */
typedef struct rescue {
    repair *repair;
    const pack_salvage *from;
    pack_stream stream;
    pack_entry *entries;
    uint64_t *places; /* of each old entry in the new pack */
    uint32_t count;
} rescue;

static uint64_t new_place(const rescue *w, uint64_t old_offset)
{
    uint32_t low = 0, high = w->from->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (w->from->entries[middle].offset <= old_offset)
            low = middle + 1;
        else
            high = middle;
    }
    return w->places[low - 1];
}

/* As it is, but for the way back to its base. */
static int32_t rescue_entry(rescue *w, const salvaged *e)
{
    const uint8_t *bytes = w->from->pack + e->offset;
    uint8_t head[20];
    size_t skip = 0, used, head_len = 0;
    unsigned type;
    uint64_t size, distance;
    if (e->base) {
        pack_get_entry_head(bytes, (size_t)e->len, &type, &size, &skip);
        pack_get_base_distance(bytes + skip, (size_t)e->len - skip, &distance, &used);
        skip += used;
        head_len = pack_put_entry_head(head, type, size);
        head_len += pack_put_base_distance(head + head_len, w->stream.written - new_place(w, e->base));
    }
    uint32_t crc = libdeflate_crc32(0, head, head_len);
    w->entries[w->count++] =
        (pack_entry){ e->id, libdeflate_crc32(crc, bytes + skip, (size_t)e->len - skip), w->stream.written };
    int32_t code = pack_stream_write(&w->stream, head, head_len, w->repair->error);
    if (code == QUIPU_OK)
        code = pack_stream_write(&w->stream, bytes + skip, (size_t)e->len - skip, w->repair->error);
    return code;
}

static int32_t rescue_entries(rescue *w, const char *temporary, uint8_t checksum[20], char name[PACK_NAME_SIZE])
{
    const pack_salvage *from = w->from;
    w->entries = malloc(((size_t)from->count + 1) * sizeof *w->entries);
    w->places = malloc(((size_t)from->count + 1) * sizeof *w->places);
    int32_t code = w->entries && w->places ? QUIPU_OK : repair_no_memory(w->repair);
    if (code == QUIPU_OK)
        code = pack_stream_open(&w->stream, temporary, from->found, w->repair->error);
    for (uint32_t i = 0; i < from->count && code == QUIPU_OK; i++) {
        w->places[i] = w->stream.written;
        if (from->entries[i].type)
            code = rescue_entry(w, &from->entries[i]);
    }
    return code == QUIPU_OK ? pack_stream_finish(&w->stream, checksum, name, w->repair->error) : code;
}

/* The new pack may turn out to be the old one as it once was: then it has its name. */
static int32_t publish_rescued(rescue *w, const subject *s, const uint8_t checksum[20], const char *name)
{
    repair *r = w->repair;
    const char *folder = r->store->pack_folder;
    buffer index = { 0 };
    pack_put_index(w->entries, w->count, checksum, &index);
    int32_t code = index.failed ? repair_no_memory(r) : QUIPU_OK;
    bool same = strcmp(name, s->name) == 0;
    if (code == QUIPU_OK && same)
        code = aside_keep(r->aside, s->pack.bytes, "a damaged pack; it was mended", r->error);
    if (code == QUIPU_OK && same && is_there(&s->index))
        code = aside_keep(r->aside, s->index.bytes, "the index of a damaged pack", r->error);
    if (code == QUIPU_OK)
        code = pack_keep(folder, name, r->error);
    if (code == QUIPU_OK)
        code = pack_file_publish(folder, name, w->stream.path, &index, true, r->error);
    if (code == QUIPU_OK && os_sync_folder(folder) < 0)
        code = fail_errno(r->error, errno, "cannot sync %s", folder);
    if (code == QUIPU_OK)
        pack_release(folder, name);
    buffer_free(&index);
    return code;
}

static int32_t rescue_pack(repair *r, const subject *s, const pack_salvage *from)
{
    rescue w = { .repair = r, .from = from, .stream = { .fd = -1 } };
    buffer temporary = { 0 };
    uint8_t checksum[20];
    char name[PACK_NAME_SIZE] = "";
    int32_t code = os_make_folder(r->store->private_folder, r->error);
    if (code == QUIPU_OK)
        code = repair_path(r, &temporary, "quipu/repair.pack");
    if (code == QUIPU_OK && from->found)
        code = rescue_entries(&w, temporary.bytes, checksum, name);
    if (code == QUIPU_OK && from->found)
        code = publish_rescued(&w, s, checksum, name);
    pack_stream_close(&w.stream);
    if (code == QUIPU_OK && strcmp(name, s->name) != 0) {
        code = aside_move(r->aside, s->index.bytes, "the index of a damaged pack", r->error);
        if (code == QUIPU_OK)
            code =
                aside_move(r->aside, s->pack.bytes, "a damaged pack; what could be read of it is in another", r->error);
    }
    free(w.entries);
    free(w.places);
    buffer_free(&temporary);
    return code;
}

/* ---- one pack ---- */

/* The pack is sound, its index is not or is missing. */
static int32_t mend_index(repair *r, const subject *s, const char *fault, bool *done)
{
    pack_salvage found;
    *done = false;
    if (!r->aside) {
        *done = true;
        return repair_tell(r, REPAIR_DAMAGE, "objects", s->name, "%s; it can be made anew from the pack", fault);
    }
    int32_t code = pack_salvage_read(s->pack.bytes, "", &found, r->call, r->error);
    if (code == QUIPU_OK && found.lost == 0) {
        code = put_index_in_place(r, s, &found);
        if (code == QUIPU_OK)
            code = repair_tell(r, REPAIR_DONE, "objects", s->name, "%s; it was made anew from the pack", fault);
        *done = true;
    }
    pack_salvage_free(&found);
    return code;
}

static int32_t mend_pack(repair *r, const subject *s, const char *fault)
{
    pack_salvage found;
    int32_t code = pack_salvage_read(s->pack.bytes, s->index.bytes, &found, r->call, r->error);
    if (code != QUIPU_OK)
        return code;
    uint32_t found_count = found.found, lost = found.lost, mended = found.mended;
    if (r->aside)
        code = rescue_pack(r, s, &found);
    pack_salvage_free(&found);
    if (code != QUIPU_OK)
        return code;
    if (lost == 0)
        return repair_tell(r, repair_severity(r), "objects", s->name, "%s; all %u objects %s%s", fault, found_count,
                           r->aside ? "were saved" : "can be saved", mended ? ", flipped bits mended" : "");
    return repair_tell(r, repair_severity(r), "objects", s->name, "%s; %u objects %s, %u cannot be read", fault,
                       found_count, r->aside ? "were saved" : "can be saved", lost);
}

static int32_t examine(repair *r, const subject *s)
{
    pack_file file = { 0 };
    quipu_error why = { .struct_size = sizeof why };
    bool done = false;
    memcpy(file.name, s->name, sizeof file.name);
    if (!is_there(&s->pack)) {
        int32_t code =
            r->aside ? aside_move(r->aside, s->index.bytes, "an index without its pack", r->error) : QUIPU_OK;
        if (code != QUIPU_OK)
            return code;
        return repair_tell(r, repair_severity(r), "objects", s->name, "the index is there, and its pack is not%s",
                           r->aside ? "; the index was set aside" : "");
    }
    pack_fault fault = pack_examine(r->store->pack_folder, &file, &why);
    if (fault == PACK_SOUND || !is_there(&s->pack)) /* stock git may have taken it away meanwhile */
        return QUIPU_OK;
    r->packs_are_damaged = !r->aside;
    int32_t code = fault == PACK_INDEX_FAULT ? mend_index(r, s, why.message, &done) : QUIPU_OK;
    return code != QUIPU_OK || done ? code : mend_pack(r, s, why.message);
}

/* ---- all of them ---- */

typedef struct names {
    char (*items)[PACK_NAME_SIZE];
    size_t count;
} names;

static int32_t add_name(repair *r, names *n, const char *file)
{
    for (size_t i = 0; i < n->count; i++)
        if (strncmp(n->items[i], file, NAME_LEN) == 0)
            return QUIPU_OK;
    char(*items)[PACK_NAME_SIZE] = realloc(n->items, (n->count + 1) * sizeof *items);
    if (!items)
        return repair_no_memory(r);
    n->items = items;
    memset(items[n->count], 0, sizeof *items);
    memcpy(items[n->count++], file, NAME_LEN);
    return QUIPU_OK;
}

static int32_t list_names(repair *r, names *out)
{
    DIR *dir = opendir(r->store->pack_folder);
    struct dirent *entry;
    int32_t code = QUIPU_OK;
    if (!dir)
        return errno == ENOENT ? QUIPU_OK : fail_errno(r->error, errno, "cannot list %s", r->store->pack_folder);
    while (code == QUIPU_OK && (entry = readdir(dir)) != NULL) {
        const char *end = entry->d_name + NAME_LEN;
        if (strncmp(entry->d_name, "pack-", 5) == 0 && strlen(entry->d_name) > NAME_LEN &&
            (strcmp(end, ".pack") == 0 || strcmp(end, ".idx") == 0))
            code = add_name(r, out, entry->d_name);
    }
    closedir(dir);
    return code;
}

int32_t repair_packs(repair *r)
{
    names n = { 0 };
    int32_t code = list_names(r, &n);
    for (size_t i = 0; i < n.count && code == QUIPU_OK; i++) {
        subject s = { 0 };
        memcpy(s.name, n.items[i], sizeof s.name);
        buffer_printf(&s.pack, "%s/%s.pack", r->store->pack_folder, s.name);
        buffer_printf(&s.index, "%s/%s.idx", r->store->pack_folder, s.name);
        code = s.pack.failed || s.index.failed ? repair_no_memory(r) : call_check(r->call, r->error);
        if (code == QUIPU_OK)
            code = examine(r, &s);
        buffer_free(&s.pack);
        buffer_free(&s.index);
    }
    free(n.items);
    return code;
}
