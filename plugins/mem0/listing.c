/*
 * listing.c - what the remote holds, taken up: every memory becomes a record of the index, and what is not listed any more goes.
 *
 * mem0 says neither what has changed nor when, so that all is listed; how often is the setting fresh_ms. A record that two memories
 * hold (an addition whose answer was lost was sent again) is that of the one that sorts first by mem0's id; writing it removes the other.
 */
#include "backend.h"

#include <base/fail.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGES_MOST 100000u
#define STEP_NS 20000000

int32_t store_enter(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    for (;;) {
        struct timespec until;
        int32_t code = call_check(call, error);
        if (code != QUIPU_OK)
            return code;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += STEP_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_mutex_timedlock(&self->lock, &until) == 0)
            return QUIPU_OK;
    }
}

/* ---- which memory holds which record ---- */

static int compare(quipu_str id, const char *other)
{
    size_t len = strlen(other), least = id.len < len ? (size_t)id.len : len;
    int order = least ? memcmp(id.ptr, other, least) : 0;
    return order ? order : (id.len > len) - (id.len < len);
}

/* Where it is, or belongs. */
static size_t find(const quipu_backend *self, quipu_str id, bool *found)
{
    size_t low = 0, high = self->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(id, self->places[middle].id);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

const char *place_find(const quipu_backend *self, quipu_str id)
{
    bool found;
    size_t at = find(self, id, &found);
    return found ? self->places[at].remote : NULL;
}

static bool make_room(quipu_backend *self)
{
    if (self->count < self->capacity)
        return true;
    size_t capacity = self->capacity ? self->capacity * 2 : 64;
    place *more = realloc(self->places, capacity * sizeof *more);
    if (!more)
        return false;
    self->places = more;
    self->capacity = capacity;
    return true;
}

int32_t place_put(quipu_backend *self, quipu_str id, const char *remote, quipu_error *error)
{
    bool found;
    size_t at = find(self, id, &found);
    char *copy = str_dup(str_of(remote)), *name = found ? NULL : str_dup(id);
    if (!copy || (!found && (!name || !make_room(self)))) {
        free(copy);
        free(name);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a list of memories");
    }
    if (found) {
        free(self->places[at].remote);
    } else {
        memmove(&self->places[at + 1], &self->places[at], (self->count - at) * sizeof *self->places);
        self->count++;
        self->places[at].id = name;
    }
    self->places[at].remote = copy;
    return QUIPU_OK;
}

void place_remove(quipu_backend *self, quipu_str id)
{
    bool found;
    size_t at = find(self, id, &found);
    if (!found)
        return;
    free(self->places[at].id);
    free(self->places[at].remote);
    self->count--;
    memmove(&self->places[at], &self->places[at + 1], (self->count - at) * sizeof *self->places);
}

void places_free(quipu_backend *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->places[i].id);
        free(self->places[i].remote);
    }
    free(self->places);
    self->places = NULL;
    self->count = self->capacity = 0;
}

/* ---- taking it up ---- */

/* What was there before, while the new list comes; `into` has the same shape, so that the functions above serve both. */
typedef struct listing {
    quipu_backend into; /* its places alone are used */
    record **records;
    size_t count, capacity;
} listing;

static int32_t keep(listing *l, record *r, quipu_error *error)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? l->capacity * 2 : 64;
        record **more = realloc(l->records, capacity * sizeof *more);
        if (!more)
            return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a list of memories");
        l->records = more;
        l->capacity = capacity;
    }
    l->records[l->count++] = r;
    return QUIPU_OK;
}

static int32_t take_item(listing *l, const cJSON *item, quipu_error *error)
{
    record *r;
    const char *remote;
    int32_t code = item_record(item, &r, &remote, error);
    if (code != QUIPU_OK)
        return code;
    const char *other = place_find(&l->into, record_view(r)->id);
    if (other && strcmp(other, remote) <= 0) { /* the same record twice */
        record_free(r);
        return QUIPU_OK;
    }
    code = place_put(&l->into, record_view(r)->id, remote, error);
    if (code == QUIPU_OK)
        code = keep(l, r, error);
    if (code != QUIPU_OK)
        record_free(r);
    return code;
}

static int32_t take_pages(quipu_backend *self, listing *l, const quipu_call *call, quipu_error *error)
{
    bool more = true;
    int32_t code = QUIPU_OK;
    for (unsigned page = 1; more && code == QUIPU_OK && page < PAGES_MOST; page++) {
        cJSON *tree;
        const cJSON *items = NULL, *item;
        code = remote_list(self, page, &tree, &items, &more, call, error);
        for (item = code == QUIPU_OK ? items->child : NULL; item && code == QUIPU_OK; item = item->next)
            code = take_item(l, item, error);
        cJSON_Delete(tree);
    }
    return code;
}

static int32_t put_new(quipu_backend *self, const listing *l, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < l->count && code == QUIPU_OK; i++) {
        const quipu_record *now = record_view(l->records[i]);
        record *before = NULL;
        code = record_index_look(self->index, now->id, &before, error);
        if (code == QUIPU_OK && (!before || !str_same(record_view(before)->version, now->version)))
            code = record_index_put(self->index, l->records[i], error);
        record_free(before);
    }
    return code;
}

/* All of it appears at once. */
static int32_t exchange(quipu_backend *self, listing *l, quipu_error *error)
{
    record_index_begin(self->index);
    int32_t code = put_new(self, l, error);
    for (size_t i = 0; i < self->count && code == QUIPU_OK; i++)
        if (!place_find(&l->into, str_of(self->places[i].id)))
            record_index_remove(self->index, str_of(self->places[i].id));
    record_index_end(self->index);
    if (code != QUIPU_OK)
        return code;
    places_free(self);
    self->places = l->into.places;
    self->count = l->into.count;
    self->capacity = l->into.capacity;
    l->into.places = NULL;
    l->into.count = 0;
    return QUIPU_OK;
}

int32_t listing_refresh(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    listing l = { .count = 0 };
    int64_t now = monotonic_now();
    if (self->listed_ns && now - self->listed_ns < self->set.fresh_ms * 1000000)
        return QUIPU_OK;
    int32_t code = take_pages(self, &l, call, error);
    if (code == QUIPU_OK)
        code = exchange(self, &l, error);
    self->listed_ns = code == QUIPU_OK ? now : 0;
    for (size_t i = 0; i < l.count; i++)
        record_free(l.records[i]);
    free(l.records);
    places_free(&l.into);
    return code;
}
