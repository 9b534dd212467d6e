/* tally.c - see tally.h. */
#include "tally.h"

#include <stdlib.h>
#include <string.h>

static int compare(const char *name, quipu_str other)
{
    size_t len = strlen(name);
    int order = memcmp(name, other.len ? other.ptr : "", len < other.len ? len : (size_t)other.len);
    return order ? order : (len > other.len) - (len < other.len);
}

/* The row of the name, or where it would be. */
static size_t place_of(const tally *all, quipu_str name, bool *found)
{
    size_t from = 0, to = all->count;
    *found = false;
    while (from < to && !*found) {
        size_t middle = from + (to - from) / 2;
        int order = compare(all->rows[middle].name, name);
        *found = order == 0;
        if (order == 0)
            from = middle;
        else if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool insert(tally *all, size_t at, quipu_str name)
{
    if (all->count == all->room) {
        size_t room = all->room ? all->room * 2 : 32;
        tally_row *more = realloc(all->rows, room * sizeof *more);
        if (!more)
            return false;
        all->rows = more;
        all->room = room;
    }
    char *copy = str_dup(name);
    if (!copy)
        return false;
    memmove(all->rows + at + 1, all->rows + at, (all->count - at) * sizeof *all->rows);
    all->rows[at] = (tally_row){ .name = copy, .first = QUIPU_TIME_NONE, .last = QUIPU_TIME_NONE };
    all->count++;
    return true;
}

bool tally_add(tally *all, quipu_str name, const quipu_record *r)
{
    bool found;
    size_t at = place_of(all, name, &found);
    if (!found && !insert(all, at, name))
        return false;
    tally_row *row = &all->rows[at];
    if (!r)
        return true;
    row->count++;
    row->bytes += r->text.len;
    if (r->created_at != QUIPU_TIME_NONE && (row->first == QUIPU_TIME_NONE || r->created_at < row->first))
        row->first = r->created_at;
    if (r->updated_at != QUIPU_TIME_NONE && (row->last == QUIPU_TIME_NONE || r->updated_at > row->last))
        row->last = r->updated_at;
    return true;
}

void tally_free(tally *all)
{
    for (size_t i = 0; i < all->count; i++)
        free(all->rows[i].name);
    free(all->rows);
    *all = (tally){ 0 };
}
