/* pack_retired.c - see pack_retired.h. */
#include "pack_retired.h"

#include "multi_pack.h"
#include "os.h"

#include <base/fail.h>

#include <stdlib.h>
#include <unistd.h>

enum { NAME_LEN = 5 + OBJECT_ID_HEX, NOTE_MAX = 1 << 20 };

#define UNFINISHED ".new" /* after the note's name, until it is written */

/* ---- the note ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const retired_pack *)a)->name, ((const retired_pack *)b)->name);
}

/* One line without its end. */
static bool parse_line(const char *line, size_t len, retired_pack *out)
{
    object_id digits;
    if (len < NAME_LEN + 2 || len > NAME_LEN + 13 || memcmp(line, "pack-", 5) != 0 ||
        !object_id_parse(line + 5, &digits) || line[NAME_LEN] != ' ')
        return false;
    *out = (retired_pack){ 0 };
    memcpy(out->name, line, NAME_LEN);
    for (size_t i = NAME_LEN + 1; i < len; i++) {
        if (line[i] < '0' || line[i] > '9')
            return false;
        out->since = out->since * 10 + (line[i] - '0');
    }
    return true;
}

int32_t retired_parse(const char *text, size_t len, retired_list *out, quipu_error *error)
{
    const char *end = text + len, *newline;
    *out = (retired_list){ 0 };
    out->packs = malloc((len / NAME_LEN + 1) * sizeof *out->packs);
    if (!out->packs)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to list packs");
    for (const char *line = text; line < end && (newline = memchr(line, '\n', (size_t)(end - line)));
         line = newline + 1)
        out->count += parse_line(line, (size_t)(newline - line), &out->packs[out->count]);
    qsort(out->packs, out->count, sizeof *out->packs, compare_names);
    return QUIPU_OK;
}

static void note_path(const char *folder, buffer *out)
{
    buffer_printf(out, "%s/../../quipu/retired", folder);
}

int32_t retired_read(const char *folder, retired_list *out, quipu_error *error)
{
    buffer path = { 0 }, text = { 0 };
    note_path(folder, &path);
    if (!path.failed && os_read_file(path.bytes, NOTE_MAX, &text, NULL) != QUIPU_OK)
        buffer_clear(&text);
    int32_t code = retired_parse(text.len ? text.bytes : "", text.len, out, error);
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

/* One temporary name for all, because the store's lock is held: a killed process leaves but one such file. */
static int32_t note_write(const char *folder, const retired_list *list)
{
    buffer path = { 0 }, temporary = { 0 }, text = { 0 };
    note_path(folder, &path);
    note_path(folder, &temporary);
    buffer_append_text(&temporary, UNFINISHED);
    for (size_t i = 0; i < list->count; i++)
        buffer_printf(&text, "%s %lld\n", list->packs[i].name, (long long)list->packs[i].since);
    int32_t code = path.failed || temporary.failed || text.failed ? QUIPU_E_NO_MEMORY : QUIPU_OK;
    if (code == QUIPU_OK) {
        os->unlink(temporary.bytes);
        if (os_write_new(temporary.bytes, text.len ? text.bytes : "", text.len, false) < 0 ||
            os->rename(temporary.bytes, path.bytes) < 0)
            code = QUIPU_E_IO;
        if (code != QUIPU_OK)
            os->unlink(temporary.bytes);
    }
    buffer_free(&path);
    buffer_free(&temporary);
    buffer_free(&text);
    return code;
}

void retired_clear_stale(const char *folder)
{
    buffer path = { 0 };
    note_path(folder, &path);
    buffer_append_text(&path, UNFINISHED);
    if (!path.failed && access(path.bytes, F_OK) == 0)
        os->unlink(path.bytes);
    buffer_free(&path);
}

const retired_pack *retired_find(const retired_list *list, const char *name)
{
    retired_pack key = { 0 };
    memcpy(key.name, name, strnlen(name, sizeof key.name - 1));
    return list->count ? bsearch(&key, list->packs, list->count, sizeof key, compare_names) : NULL;
}

void retired_free(retired_list *list)
{
    free(list->packs);
    *list = (retired_list){ 0 };
}

/* ---- watching the note ---- */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool retired_watch_look(retired_watch *w, const char *folder)
{
    struct stat now = { 0 };
    buffer path = { 0 };
    note_path(folder, &path);
    if (path.failed || stat(path.bytes, &now) != 0)
        now = (struct stat){ 0 };
    buffer_free(&path);
    if (is_same_file(&now, &w->seen))
        return false;
    retired_free(&w->list);
    w->seen = retired_read(folder, &w->list, NULL) == QUIPU_OK ? now : (struct stat){ 0 };
    w->due = INT64_MAX;
    for (size_t i = 0; i < w->list.count; i++)
        if (w->list.packs[i].since + RETIRED_GRACE < w->due)
            w->due = w->list.packs[i].since + RETIRED_GRACE;
    return true;
}

void retired_watch_end(retired_watch *w)
{
    retired_free(&w->list);
}

bool retired_watch_is_due(retired_watch *w)
{
    int64_t now = os->now();
    if (!w->list.count || now < w->due)
        return false;
    w->due = now + RETIRED_GRACE;
    return true;
}

/* ---- retiring ---- */

static bool is_there(const char *folder, const char *name)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/%s.idx", folder, name);
    bool there = path.failed || access(path.bytes, F_OK) == 0;
    buffer_free(&path);
    return there;
}

/* Leaves out what stock git has taken away. Where the clock went back, a pack's time begins again. */
static void freshen(const char *folder, retired_list *list, int64_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (is_there(folder, list->packs[i].name)) {
            list->packs[kept] = list->packs[i];
            if (list->packs[kept].since > now)
                list->packs[kept].since = now;
            kept++;
        }
    list->count = kept;
}

void retired_add(const char *folder, const char *const *names, size_t count)
{
    retired_list list = { 0 };
    int64_t now = os->now();
    int32_t code = retired_read(folder, &list, NULL);
    retired_pack *packs = code == QUIPU_OK ? realloc(list.packs, (list.count + count + 1) * sizeof *packs) : NULL;
    if (packs) {
        list.packs = packs;
        freshen(folder, &list, now);
        for (size_t i = 0; i < count; i++) {
            retired_pack *added = &list.packs[list.count++];
            *added = (retired_pack){ .since = now };
            memcpy(added->name, names[i], strnlen(names[i], sizeof added->name - 1));
        }
        code = note_write(folder, &list);
    }
    if (!packs || code != QUIPU_OK)
        for (size_t i = 0; i < count; i++)
            pack_remove(folder, names[i]);
    retired_free(&list);
}

/* ---- their end ---- */

/* Does one of the packs that stay hold each object of this one? The largest holds most, so it is asked first. */
static bool is_covered(const pack_list *list, const pack_file *pack)
{
    pack_entry entry;
    for (uint32_t i = 0; i < pack->index.count; i++) {
        bool found = false;
        pack_index_entry(&pack->index, i, &entry);
        for (size_t j = list->mergeable; j > 0 && !found; j--)
            found = pack_index_find(&list->packs[j - 1].index, &entry.id, NULL);
        if (!found)
            return false;
    }
    return true;
}

/* Maps what is needed to know whether retired packs are covered; false where one cannot be read: then nothing goes. */
static bool map_those_that_stay(const char *folder, pack_list *list)
{
    for (size_t i = 0; i < list->mergeable; i++)
        if (pack_file_map(folder, &list->packs[i], NULL) != QUIPU_OK)
            return false;
    return true;
}

static int later_first(const void *a, const void *b)
{
    const pack_file *x = a, *y = b;
    if (x->retired_since != y->retired_since)
        return x->retired_since > y->retired_since ? -1 : 1;
    return (x->pack_len > y->pack_len) - (x->pack_len < y->pack_len);
}

/* How many of the retired packs may stay; the list's are put in order, the latest first. What was retired last stays whatever its size:
 * it is never more than the pack that took its place. */
static size_t count_staying(pack_list *list, int64_t now)
{
    pack_file *retired = list->packs + list->mergeable;
    uint64_t live = 0, bytes = 0;
    size_t n = 0;
    for (size_t i = 0; i < list->mergeable; i++)
        live += list->packs[i].pack_len + list->packs[i].index_len;
    uint64_t most = live > RETIRED_BYTES_MIN ? live : RETIRED_BYTES_MIN;
    if (list->retired)
        qsort(retired, list->retired, sizeof *retired, later_first);
    for (; n < list->retired && n < RETIRED_MOST; n++) {
        bytes += retired[n].pack_len + retired[n].index_len;
        bool latest = retired[n].retired_since == retired[0].retired_since;
        if ((bytes > most && !latest) || now - retired[n].retired_since >= RETIRED_GRACE)
            break;
    }
    return n;
}

bool retired_are_due(pack_list *list)
{
    return count_staying(list, os->now()) < list->retired;
}

static void sweep(const char *folder, pack_list *list, size_t staying)
{
    pack_file *retired = list->packs + list->mergeable;
    retired_list rest = { .packs = calloc(list->retired + 1, sizeof *rest.packs) };
    if (!rest.packs || !map_those_that_stay(folder, list)) {
        free(rest.packs);
        return;
    }
    for (size_t i = 0; i < staying; i++) {
        retired_pack *kept = &rest.packs[rest.count++];
        memcpy(kept->name, retired[i].name, sizeof kept->name);
        kept->since = retired[i].retired_since;
    }
    for (size_t i = staying; i < list->retired; i++)
        if (pack_file_map(folder, &retired[i], NULL) == QUIPU_OK && is_covered(list, &retired[i]))
            pack_remove(folder, retired[i].name);
    note_write(folder, &rest);
    free(rest.packs);
}

void retired_sweep(const char *folder, bool all)
{
    pack_list list = { 0 };
    if (pack_list_read(folder, &list, NULL) == QUIPU_OK) {
        size_t staying = all ? 0 : count_staying(&list, os->now());
        if (staying < list.retired)
            sweep(folder, &list, staying);
    }
    pack_list_free(&list);
    multi_pack_drop_stale(folder);
}
