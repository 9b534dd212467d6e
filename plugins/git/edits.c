/* edits.c - see edits.h: the notes, and who asks them. edits_file.c keeps them, edits_look.c makes them. */
#include "edits_inner.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/json.h>
#include <sdk/settings.h>
#include <stdlib.h>

enum { TABLE_LEAST = 64 };

void edits_init(edits *e)
{
    *e = (edits){ .objects = NULL };
    pthread_mutex_init(&e->lock, NULL);
}

int32_t edits_begin(edits *e, objects *o, const char *folder, quipu_error *error)
{
    buffer path = { 0 };
    e->objects = o;
    if (folder)
        buffer_printf(&path, "%s/edits", folder);
    e->path = path.bytes;
    return path.failed ? edits_no_memory(error) : QUIPU_OK;
}

void edits_end(edits *e)
{
    if (e->unsaved >= EDITS_WORTH_SAVING)
        edits_save(e);
    edits_forget(e);
    free(e->path);
    e->path = NULL;
    e->objects = NULL;
    e->loaded = false;
}

void edits_destroy(edits *e)
{
    pthread_mutex_destroy(&e->lock);
}

int32_t edits_no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to look for edits");
}

void edits_forget(edits *e)
{
    free(e->list);
    free(e->table);
    buffer_free(&e->ids);
    e->list = NULL;
    e->table = NULL;
    e->unsaved = 0;
    e->count = e->capacity = e->table_size = 0;
    memset(&e->tip, 0, sizeof e->tip);
    memset(e->covered, 0, sizeof e->covered);
    id_map_free(&e->behind);
    buffer_free(&e->pending);
    atomic_store(&e->known, 0);
}

/* ---- the table ---- */

static size_t first_place(const edits *e, const uint8_t version[20])
{
    uint32_t hash;
    memcpy(&hash, version, sizeof hash); /* it is a hash already */
    return hash & (e->table_size - 1);
}

static void enter(edits *e, size_t i)
{
    size_t at = first_place(e, e->list[i].version);
    while (e->table[at])
        at = (at + 1) & (e->table_size - 1);
    e->table[at] = (uint32_t)i + 1;
}

static bool grow_table(edits *e)
{
    size_t size = e->table_size ? e->table_size * 2 : TABLE_LEAST;
    uint32_t *table = calloc(size, sizeof *table);
    if (!table)
        return false;
    free(e->table);
    e->table = table;
    e->table_size = size;
    for (size_t i = 0; i < e->count; i++)
        enter(e, i);
    return true;
}

/* The next edit that made this version, from place *at on; NULL: no more. */
static const edits_entry *next_of(const edits *e, const uint8_t version[20], size_t *at)
{
    for (; e->table_size && e->table[*at]; *at = (*at + 1) & (e->table_size - 1)) {
        const edits_entry *found = &e->list[e->table[*at] - 1];
        if (memcmp(found->version, version, sizeof found->version) == 0) {
            *at = (*at + 1) & (e->table_size - 1);
            return found;
        }
    }
    return NULL;
}

int32_t edits_add(edits *e, const uint8_t version[20], int64_t time, quipu_str id, quipu_error *error)
{
    size_t at = e->table_size ? first_place(e, version) : 0;
    for (const edits_entry *same; (same = next_of(e, version, &at)) != NULL;)
        if (same->time == time)
            return QUIPU_OK;
    if (e->count == e->capacity) {
        size_t capacity = e->capacity ? e->capacity * 2 : TABLE_LEAST;
        edits_entry *list = realloc(e->list, capacity * sizeof *list);
        if (!list)
            return edits_no_memory(error);
        e->list = list;
        e->capacity = capacity;
    }
    size_t id_at = e->ids.len;
    buffer_append_str(&e->ids, id);
    if (e->ids.failed || ((e->count + 1) * 2 > e->table_size && !grow_table(e)))
        return edits_no_memory(error);
    edits_entry *added = &e->list[e->count];
    *added = (edits_entry){ .time = time, .id = id_at, .id_len = (size_t)id.len };
    memcpy(added->version, version, sizeof added->version);
    enter(e, e->count++);
    atomic_store(&e->known, e->count);
    return QUIPU_OK;
}

/* ---- who asks ---- */

/* The latest edit up to `time` that made this version; NONE: there is none. */
static int64_t time_of(edits *e, const uint8_t version[20], int64_t time)
{
    int64_t latest = QUIPU_TIME_NONE;
    pthread_mutex_lock(&e->lock);
    size_t at = e->table_size ? first_place(e, version) : 0;
    for (const edits_entry *found; (found = next_of(e, version, &at)) != NULL;)
        if (found->time <= time && (latest == QUIPU_TIME_NONE || found->time > latest))
            latest = found->time;
    pthread_mutex_unlock(&e->lock);
    return latest;
}

bool edits_know(edits *e, const uint8_t version[20])
{
    return atomic_load(&e->known) > 0 && time_of(e, version, INT64_MAX) != QUIPU_TIME_NONE;
}

static int32_t set_updated_at(record **r, int64_t time, quipu_error *error)
{
    static const record_defaults limit = { .created_at = QUIPU_TIME_NONE,
                                           .updated_at = QUIPU_TIME_NONE,
                                           .max_bytes = SETTING_RECORD_MAX_MOST };
    buffer text = { 0 };
    cJSON *tree = NULL;
    record *made = NULL;
    int32_t code = json_parse(record_view(*r)->json, &tree, error);
    time_print(time, &text);
    if (code == QUIPU_OK && !text.failed) {
        cJSON_DeleteItemFromObjectCaseSensitive(tree, "updated_at");
        code = cJSON_AddStringToObject(tree, "updated_at", text.bytes) ? record_from_tree(tree, &limit, &made, NULL)
                                                                       : QUIPU_E_NO_MEMORY;
    }
    cJSON_Delete(tree);
    if (made) {
        record_free(*r);
        *r = made;
    }
    code = text.failed || code == QUIPU_E_NO_MEMORY ? edits_no_memory(error) : QUIPU_OK;
    buffer_free(&text);
    return code; /* one that would be too large so stays as it is */
}

int32_t edits_apply(edits *e, int64_t time, record **r, quipu_error *error)
{
    uint8_t version[20];
    if (!*r || atomic_load(&e->known) == 0)
        return QUIPU_OK;
    const quipu_record *q = record_view(*r);
    if (q->version.len != QUIPU_VERSION_LEN || hex_decode(q->version.ptr, sizeof version, version) != 0)
        return QUIPU_OK;
    int64_t edited = time_of(e, version, time);
    if (edited == QUIPU_TIME_NONE || (q->updated_at != QUIPU_TIME_NONE && q->updated_at >= edited))
        return QUIPU_OK;
    return set_updated_at(r, edited, error);
}

void edits_between(edits *e, int64_t after, int64_t until, buffer *ids)
{
    if (atomic_load(&e->known) == 0)
        return;
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < e->count; i++)
        if (e->list[i].time > after && e->list[i].time <= until) {
            buffer_append(ids, e->ids.bytes + e->list[i].id, e->list[i].id_len);
            buffer_append_char(ids, '\0');
        }
    pthread_mutex_unlock(&e->lock);
}
