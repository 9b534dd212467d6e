/* merge_sets.c - see merge_sets.h. Two elements are equal when their texts are. */
#include "merge_sets.h"

#include <sdk/json.h>

#include <stdlib.h>

typedef struct element {
    char *text;
    const cJSON *node;
} element;

typedef struct element_list {
    element *items;
    size_t count;
} element_list;

static int by_text(const void *a, const void *b)
{
    return strcmp(((const element *)a)->text, ((const element *)b)->text);
}

static void list_free(element_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].text);
    free(list->items);
}

/* Sorted; false without memory. */
static bool list_read(const cJSON *array, element_list *out)
{
    size_t size = 0;
    for (const cJSON *node = array ? array->child : NULL; node; node = node->next)
        size++;
    out->items = calloc(size ? size : 1, sizeof *out->items);
    for (const cJSON *node = array && out->items ? array->child : NULL; node; node = node->next) {
        buffer text = { 0 };
        json_print_compact(node, &text);
        if (text.failed) {
            buffer_free(&text);
            return false;
        }
        out->items[out->count++] = (element){ text.bytes, node };
    }
    if (out->items && out->count > 1)
        qsort(out->items, out->count, sizeof *out->items, by_text);
    return out->items != NULL;
}

static bool has(const element_list *list, const element *e)
{
    return list->count && bsearch(e, list->items, list->count, sizeof *e, by_text);
}

static bool take(const element *e, cJSON *into)
{
    cJSON *copy = cJSON_Duplicate(e->node, true);
    if (copy && cJSON_AddItemToArray(into, copy))
        return true;
    cJSON_Delete(copy);
    return false;
}

/* Both lists side by side, in the order of their texts. */
static bool merge(const element_list *base, const element_list *a, const element_list *b, cJSON *into)
{
    const element *last = NULL;
    bool good = true;
    for (size_t i = 0, j = 0; good && (i < a->count || j < b->count);) {
        int order = i == a->count ? 1 : j == b->count ? -1 : strcmp(a->items[i].text, b->items[j].text);
        const element *e = order <= 0 ? &a->items[i] : &b->items[j];
        if ((!last || strcmp(last->text, e->text) != 0) && ((has(a, e) && has(b, e)) || !has(base, e))) {
            good = take(e, into);
            last = e;
        }
        i += order <= 0;
        j += order >= 0;
    }
    return good;
}

cJSON *merge_sets(const cJSON *base, const cJSON *a, const cJSON *b)
{
    element_list lists[3] = { 0 };
    cJSON *out = cJSON_CreateArray();
    bool good = out && list_read(base, &lists[0]) && list_read(a, &lists[1]) && list_read(b, &lists[2]) &&
                merge(&lists[0], &lists[1], &lists[2], out);
    for (size_t i = 0; i < 3; i++)
        list_free(&lists[i]);
    if (!good) {
        cJSON_Delete(out);
        return NULL;
    }
    return out;
}
