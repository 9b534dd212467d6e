/* pack_table.c - see pack_table.h. */
#include "pack_table.h"

#include "pack_retired.h"

#include <base/fail.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct pack_table {
    char *folder;
    bool careful;
    pthread_mutex_t lock; /* guards `current`, `short_of_files` and all references */
    pack_look *current;
    bool short_of_files;
    pthread_mutex_t renewing; /* one thread lists and opens; guards what follows. Taken before `lock` */
    uint32_t opened;          /* packs so far */
    retired_watch retired;
};

/* ---- packs ---- */

/* NULL where the pack cannot be had. */
static open_pack *pack_open(pack_table *t, const char *name)
{
    open_pack *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    memcpy(p->file.name, name, strnlen(name, sizeof p->file.name - 1));
    p->number = ++t->opened;
    p->references = 1;
    if (pack_file_map(t->folder, &p->file, NULL) == QUIPU_OK && (!t->careful || pack_index_is_sound(&p->file)))
        return p;
    pack_file_unmap(&p->file);
    free(p);
    return NULL;
}

/* With the lock held. */
static void pack_drop(open_pack *p)
{
    if (--p->references > 0)
        return;
    pack_file_unmap(&p->file);
    free(p);
}

/* ---- looks ---- */

/* With the lock held, or before anybody else knows the look. */
static void look_drop(pack_look *look)
{
    if (!look || --look->references > 0)
        return;
    for (size_t i = 0; i < look->count; i++)
        pack_drop(look->packs[i]);
    free(look->packs);
    free(look);
}

static int compare_packs(const void *a, const void *b)
{
    return strcmp((*(open_pack *const *)a)->file.name, (*(open_pack *const *)b)->file.name);
}

static int compare_name(const void *name, const void *pack)
{
    return strcmp(name, (*(open_pack *const *)pack)->file.name);
}

static open_pack *look_pack(const pack_look *look, const char *name)
{
    open_pack **found =
        look && look->count ? bsearch(name, look->packs, look->count, sizeof(open_pack *), compare_name) : NULL;
    return found ? *found : NULL;
}

/* With room for one more than that; NULL without memory. */
static pack_look *look_create(size_t count)
{
    pack_look *look = calloc(1, sizeof *look);
    if (!look)
        return NULL;
    look->references = 1;
    look->packs = malloc((count + 1) * sizeof(open_pack *));
    if (look->packs)
        return look;
    free(look);
    return NULL;
}

const pack_look *pack_table_take(pack_table *t)
{
    pthread_mutex_lock(&t->lock);
    pack_look *look = t->current;
    look->references++;
    pthread_mutex_unlock(&t->lock);
    return look;
}

void pack_table_give(pack_table *t, const pack_look *look)
{
    pthread_mutex_lock(&t->lock);
    look_drop((pack_look *)(uintptr_t)look);
    pthread_mutex_unlock(&t->lock);
}

static void look_replace(pack_table *t, pack_look *fresh, bool short_of_files)
{
    pthread_mutex_lock(&t->lock);
    pack_look *old = t->current;
    t->current = fresh;
    t->short_of_files = short_of_files;
    look_drop(old);
    pthread_mutex_unlock(&t->lock);
}

bool pack_look_find(const pack_look *look, const object_id *id, size_t *from, pack_place *out)
{
    while (*from < look->count) {
        const open_pack *p = look->packs[(*from)++];
        uint32_t at;
        pack_entry entry;
        if (!pack_index_find(&p->file.index, id, &at))
            continue;
        pack_index_entry(&p->file.index, at, &entry);
        *out = (pack_place){ &p->file, p->number, entry.offset };
        return true;
    }
    return false;
}

/* ---- looking at the folder ---- */

typedef struct listing {
    pack_table *table;
    const pack_look *old;
    pack_look *fresh;
    size_t room;
    bool any_new, short_of_files;
} listing;

/* Takes a pack over, or opens it. */
static int32_t list_pack(void *context, const char *name)
{
    listing *l = context;
    pack_table *t = l->table;
    if (retired_find(&t->retired.list, name))
        return QUIPU_OK;
    if (l->fresh->count == l->room) {
        open_pack **packs = realloc(l->fresh->packs, l->room * 2 * sizeof *packs);
        if (!packs)
            return QUIPU_E_NO_MEMORY;
        l->fresh->packs = packs;
        l->room *= 2;
    }
    open_pack *known = look_pack(l->old, name);
    open_pack *p = known ? known : pack_open(t, name);
    if (known) {
        pthread_mutex_lock(&t->lock);
        known->references++;
        pthread_mutex_unlock(&t->lock);
    } else if (p) {
        l->any_new = true;
    } else if (pack_files_run_out(t->folder)) {
        l->short_of_files = true;
    }
    if (p)
        l->fresh->packs[l->fresh->count++] = p;
    return QUIPU_OK;
}

/* With `renewing` held; old: what is known, may be NULL. Where not all could be opened the old look stays as it is: what is gone from
 * the folder may be all that there is. */
static bool list_folder(pack_table *t, const pack_look *old)
{
    listing l = { .table = t, .old = old, .room = 64 };
    retired_watch_look(&t->retired,
                       t->folder); /* before the folder: what is retired later is listed with what took its place */
    l.fresh = look_create(l.room);
    if (!l.fresh)
        return false;
    int32_t code = pack_each_name(t->folder, list_pack, &l);
    if (code == QUIPU_E_IO && pack_files_run_out(t->folder))
        l.short_of_files = true;
    if (old && (code == QUIPU_E_NO_MEMORY || l.short_of_files)) {
        pthread_mutex_lock(&t->lock);
        t->short_of_files = l.short_of_files;
        look_drop(l.fresh);
        pthread_mutex_unlock(&t->lock);
        return false;
    }
    if (l.fresh->count)
        qsort(l.fresh->packs, l.fresh->count, sizeof *l.fresh->packs, compare_packs);
    look_replace(t, l.fresh, l.short_of_files);
    return l.any_new;
}

int32_t pack_table_open(const char *folder, bool careful, pack_table **out, quipu_error *error)
{
    pack_table *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open packs");
    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->renewing, NULL);
    t->careful = careful;
    t->folder = str_dup(str_of(folder));
    if (t->folder)
        list_folder(t, NULL);
    if (!t->current) {
        pack_table_close(t);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open packs");
    }
    *out = t;
    return QUIPU_OK;
}

void pack_table_close(pack_table *t)
{
    if (!t)
        return;
    look_drop(t->current);
    retired_watch_end(&t->retired);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->renewing);
    free(t->folder);
    free(t);
}

bool pack_table_renew(pack_table *t, const pack_look *seen)
{
    pthread_mutex_lock(&t->renewing);
    const pack_look *now = pack_table_take(t);
    bool any_new = now != seen ? true : list_folder(t, now);
    pack_table_give(t, now);
    pthread_mutex_unlock(&t->renewing);
    return any_new;
}

void pack_table_add(pack_table *t, const char *name)
{
    pthread_mutex_lock(&t->renewing);
    const pack_look *old = pack_table_take(t);
    pack_look *fresh = look_pack(old, name) ? NULL : look_create(old->count + 1);
    open_pack *added = fresh ? pack_open(t, name) : NULL;
    if (added) {
        pthread_mutex_lock(&t->lock);
        for (; fresh->count < old->count; fresh->count++) {
            fresh->packs[fresh->count] = old->packs[fresh->count];
            fresh->packs[fresh->count]->references++;
        }
        pthread_mutex_unlock(&t->lock);
        fresh->packs[fresh->count++] = added;
        qsort(fresh->packs, fresh->count, sizeof *fresh->packs, compare_packs);
        look_replace(t, fresh, pack_table_is_short(t));
    } else {
        look_drop(fresh); /* it is found when it is looked for */
    }
    pack_table_give(t, old);
    pthread_mutex_unlock(&t->renewing);
}

bool pack_table_is_short(pack_table *t)
{
    pthread_mutex_lock(&t->lock);
    bool is_short = t->short_of_files;
    pthread_mutex_unlock(&t->lock);
    return is_short;
}

bool pack_table_is_due(pack_table *t, size_t most)
{
    pthread_mutex_lock(&t->renewing);
    const pack_look *look = pack_table_take(t);
    if (retired_watch_look(&t->retired, t->folder)) { /* what was retired may count again, and the other way about */
        list_folder(t, look);
        pack_table_give(t, look);
        look = pack_table_take(t);
    }
    bool due = look->count > most || retired_watch_is_due(&t->retired);
    pack_table_give(t, look);
    pthread_mutex_unlock(&t->renewing);
    return due;
}
