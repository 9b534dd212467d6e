/* id_list.h - a list of record ids, in the order in which they came. */
#ifndef CORE_ID_LIST_H
#define CORE_ID_LIST_H

#include <base/buffer.h>

/* Zeros are an empty one. `bytes.failed`: memory ran out, and ids are missing. */
typedef struct id_list {
    buffer bytes; /* each: its length, one byte, and its bytes */
    size_t count;
} id_list;

/* An id has 1 to 255 bytes. */
void id_list_add(id_list *list, quipu_str id);
/* The id at *at (begin with 0), which goes on to the next; false at the end. It is the list's until that is changed. */
bool id_list_next(const id_list *list, size_t *at, quipu_str *id);
/* Appends all of `from`, and empties that. */
void id_list_move(id_list *from, id_list *to);
/* Leaves each id once, ordered by bytes. Without memory `bytes.failed` is set. */
void id_list_sort(id_list *list);
void id_list_free(id_list *list); /* leaves an empty one */

#endif
