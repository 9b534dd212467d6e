/*
 * catalogue.c - the present view on disk: the canonical form of every record, so that opening need not read git.
 *
 * Derived state (sdk/derived.h), whose position is the commit. A segment is a run of entries, oldest first:
 *
 *     u8 sort   1: put, 2: removal, 3: set aside      u32 length, little-endian      the record's JSON, the removed id, or
 *               the path of what is no record
 *
 * Later entries win: a put or removal also ends what was said of its path, and a path set aside holds no record. Saving adds one segment with the difference since the last save; where too many have gathered or
 * much of them is outdated, one new segment takes the place of all.
 */
#include "backend.h"

#include <base/fail.h>
#include <stdlib.h>

enum { ENTRY_HEAD = 5, PUT = 1, REMOVAL = 2, ASIDE = 3, SEGMENTS_MAX = 8, WORTH_SAVING = 64 };

static void put_entry(buffer *out, char sort, quipu_str bytes)
{
    char head[ENTRY_HEAD] = { sort };
    for (int i = 0; i < 4; i++)
        head[1 + i] = (char)(bytes.len >> (8 * i));
    buffer_append(out, head, sizeof head);
    buffer_append_str(out, bytes);
}

static bool take_entry(quipu_str *segment, char *sort, quipu_str *bytes)
{
    uint64_t len = 0;
    if (segment->len < ENTRY_HEAD)
        return false;
    for (int i = 0; i < 4; i++)
        len |= (uint64_t)(unsigned char)segment->ptr[1 + i] << (8 * i);
    if (len > segment->len - ENTRY_HEAD)
        return false;
    *sort = segment->ptr[0];
    *bytes = (quipu_str){ segment->ptr + ENTRY_HEAD, len };
    *segment = (quipu_str){ segment->ptr + ENTRY_HEAD + len, segment->len - ENTRY_HEAD - len };
    return true;
}

/* ---- loading ---- */

/* What stands at the path of this id is no longer aside. */
static void end_aside(view *into, quipu_str id)
{
    buffer path = { 0 };
    if (!view_any_aside(into))
        return;
    record_path(id, &path);
    if (!path.failed)
        view_drop_aside(into, path.bytes);
    buffer_free(&path);
}

static int32_t load_put(quipu_str json, view *into, quipu_error *error)
{
    record *r;
    int32_t code = record_of_bytes(json, &r, error);
    if (code != QUIPU_OK)
        return code;
    end_aside(into, record_view(r)->id);
    code = record_index_put(view_index(into), r, error);
    record_free(r);
    return code;
}

static int32_t load_aside(quipu_str name, view *into, quipu_error *error)
{
    buffer id = { 0 };
    char *path = str_dup(name);
    int32_t code = path ? view_put_aside(into, path, error)
                        : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the catalogue");
    if (code == QUIPU_OK && path_record_id(path, &id) && !id.failed)
        record_index_remove(view_index(into), str_make(id.bytes, id.len));
    buffer_free(&id);
    free(path);
    return code;
}

static int32_t load_segment(quipu_str segment, view *into, quipu_error *error)
{
    char sort;
    quipu_str bytes;
    while (take_entry(&segment, &sort, &bytes)) {
        int32_t code = QUIPU_OK;
        if (sort == REMOVAL) {
            end_aside(into, bytes);
            record_index_remove(view_index(into), bytes);
        } else {
            code = sort == ASIDE ? load_aside(bytes, into, error) : load_put(bytes, into, error);
        }
        if (code != QUIPU_OK)
            return code;
    }
    return segment.len ? fail(error, QUIPU_E_CORRUPT, NULL, "a segment of the catalogue is damaged") : QUIPU_OK;
}

static bool position_of(const derived_snapshot *s, object_id *out)
{
    quipu_str position = derived_position(s);
    return position.ptr && position.len == OBJECT_ID_HEX && object_id_parse(position.ptr, out);
}

int32_t catalogue_load(quipu_backend *self, view *into, object_id *at, quipu_error *error)
{
    derived_snapshot *snapshot;
    bool damaged = false;
    memset(at, 0, sizeof *at);
    if (!self->catalogue)
        return QUIPU_OK;
    int32_t code = derived_read(self->catalogue, &snapshot, &damaged, error);
    if (code != QUIPU_OK)
        return code;
    if (damaged)
        log_line(self->host, QUIPU_LOG_WARNING, "the catalogue is damaged and is built again");
    bool there = position_of(snapshot, at);
    record_index_begin(view_index(into));
    for (uint64_t i = 0; there && i < derived_segments(snapshot) && code == QUIPU_OK; i++)
        code = load_segment(derived_segment(snapshot, i), into, error);
    record_index_end(view_index(into));
    derived_snapshot_free(snapshot);
    return code;
}

int32_t catalogue_forget(quipu_backend *self, quipu_error *error)
{
    derived_writer *writer;
    int32_t code = QUIPU_OK;
    view_forget(self);
    if (self->catalogue)
        code = derived_begin(self->catalogue, &writer, error);
    if (!self->catalogue || code == QUIPU_E_BUSY) /* another process writes it anew, and saves what it knows */
        return QUIPU_OK;
    if (code == QUIPU_OK) {
        derived_drop_all(writer);
        code = derived_commit(writer, str_of(""), error);
    }
    return code;
}

/* ---- saving ---- */

typedef struct save {
    view *from;
    buffer segment;
    uint64_t entries;
} save;

static int32_t save_change(void *context, const tree_change *change)
{
    save *s = context;
    buffer id = { 0 };
    if (path_record_id(change->path, &id) && !id.failed) {
        quipu_str name = str_make(id.bytes, id.len);
        record *r = record_index_find(view_index(s->from), name);
        if (view_is_aside(s->from, change->path))
            put_entry(&s->segment, ASIDE, str_of(change->path));
        else
            put_entry(&s->segment, r ? PUT : REMOVAL, r ? record_view(r)->json : name);
        record_free(r);
        s->entries++;
    } else {
        s->segment.failed = true; /* a cut name does not tell the id: save everything anew */
    }
    buffer_free(&id);
    return QUIPU_OK;
}

static int32_t save_hit(void *context, const quipu_hit *hit)
{
    save *s = context;
    put_entry(&s->segment, PUT, hit->record->json);
    s->entries++;
    return s->segment.failed ? QUIPU_E_NO_MEMORY : QUIPU_OK;
}

static int32_t save_aside(void *context, const char *path, const char *reason)
{
    save *s = context;
    (void)reason;
    put_entry(&s->segment, ASIDE, str_of(path));
    s->entries++;
    return s->segment.failed ? QUIPU_E_NO_MEMORY : QUIPU_OK;
}

static int32_t save_everything(save *s, quipu_error *error)
{
    quipu_filter all = { .struct_size = sizeof all, .flags = QUIPU_FILTER_EXPIRED, .now = QUIPU_TIME_NONE };
    quipu_scan scan = { .struct_size = sizeof scan, .filter = &all };
    buffer_clear(&s->segment);
    s->entries = 0;
    int32_t code = record_index_scan(view_index(s->from), &scan, save_hit, s, NULL, error);
    if (code == QUIPU_OK && view_each_aside(s->from, save_aside, s) != QUIPU_OK)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to save the catalogue");
    return code;
}

/* The difference since the saved commit; false where it cannot be told. */
static bool save_difference(quipu_backend *self, save *s, const object_id *saved, const object_id *at)
{
    objects *o = git_store_objects(self->store);
    commit a, b;
    if (commit_read(o, saved, &a, NULL) != QUIPU_OK)
        return false;
    bool told = commit_read(o, at, &b, NULL) == QUIPU_OK;
    if (told) {
        told = tree_diff(o, &a.tree, &b.tree, RECORDS_FOLDER, save_change, s, NULL) == QUIPU_OK && !s->segment.failed;
        commit_free(&b);
    }
    commit_free(&a);
    return told;
}

static int32_t write_segment(derived_writer *writer, save *s, bool whole, const object_id *at, quipu_error *error)
{
    char position[OBJECT_ID_HEX + 1];
    object_id_print(at, position);
    if (whole)
        derived_drop_all(writer);
    int32_t code = s->segment.len ? derived_add_segment(writer, s->segment.bytes, s->segment.len, error) : QUIPU_OK;
    if (code != QUIPU_OK) {
        derived_abort(writer);
        return code;
    }
    return derived_commit(writer, str_make(position, OBJECT_ID_HEX), error);
}

int32_t catalogue_save(quipu_backend *self, view *from, const object_id *at, quipu_error *error)
{
    save s = { .from = from };
    derived_writer *writer;
    object_id saved;
    int32_t code = derived_begin(self->catalogue, &writer, error);
    if (code != QUIPU_OK)
        return code == QUIPU_E_BUSY ? QUIPU_OK : code; /* another process is at it */
    const derived_snapshot *base = derived_base(writer);
    bool any = position_of(base, &saved);
    if (any && object_id_equal(&saved, at)) {
        derived_abort(writer);
        return QUIPU_OK;
    }
    bool whole = !any || derived_segments(base) >= SEGMENTS_MAX || !save_difference(self, &s, &saved, at);
    if (!whole && s.entries < WORTH_SAVING) {
        derived_abort(writer);
    } else {
        code = whole ? save_everything(&s, error) : QUIPU_OK;
        if (code == QUIPU_OK)
            code = write_segment(writer, &s, whole, at, error);
        else
            derived_abort(writer);
    }
    buffer_free(&s.segment);
    return code;
}
