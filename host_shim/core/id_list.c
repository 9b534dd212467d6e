/* id_list.c - see id_list.h. */
#include "id_list.h"

#include <stdlib.h>

void id_list_add(id_list *list, quipu_str id)
{
    buffer_append_char(&list->bytes, (char)(unsigned char)id.len);
    buffer_append_str(&list->bytes, id);
    list->count++;
}

bool id_list_next(const id_list *list, size_t *at, quipu_str *id)
{
    if (list->bytes.failed || *at >= list->bytes.len)
        return false;
    size_t len = (unsigned char)list->bytes.bytes[*at];
    *id = str_make(list->bytes.bytes + *at + 1, len);
    *at += len + 1;
    return true;
}

void id_list_move(id_list *from, id_list *to)
{
    if (from->bytes.len)
        buffer_append(&to->bytes, from->bytes.bytes, from->bytes.len);
    to->bytes.failed = to->bytes.failed || from->bytes.failed;
    to->count += from->count;
    id_list_free(from);
}

static int compare(const void *a, const void *b)
{
    return str_compare(*(const quipu_str *)a, *(const quipu_str *)b);
}

void id_list_sort(id_list *list)
{
    id_list sorted = { 0 };
    size_t at = 0, n = 0;
    if (list->count < 2 || list->bytes.failed)
        return;
    quipu_str *ids = malloc(list->count * sizeof *ids);
    if (!ids) {
        list->bytes.failed = true;
        return;
    }
    while (n < list->count && id_list_next(list, &at, &ids[n]))
        n++;
    qsort(ids, n, sizeof *ids, compare);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !str_same(ids[i], ids[i - 1]))
            id_list_add(&sorted, ids[i]);
    free(ids);
    id_list_free(list);
    *list = sorted;
}

void id_list_free(id_list *list)
{
    buffer_free(&list->bytes);
    list->count = 0;
}
