/* json_print.c - the canonical form and the one-line form. */
#include <sdk/json.h>

#include <stdlib.h>

/* Merges two sorted chains (linked by `next`); equal keys keep their order. */
static cJSON *merge_chains(cJSON *a, cJSON *b)
{
    cJSON *head = NULL, **tail = &head;
    while (a && b) {
        cJSON **from = strcmp(b->string, a->string) < 0 ? &b : &a;
        *tail = *from;
        tail = &(*tail)->next;
        *from = *tail;
    }
    *tail = a ? a : b;
    return head;
}

/* Merge sort from the bottom up: bins[i] holds a sorted chain of 2^i members, or NULL. */
static cJSON *sort_chain(cJSON *chain)
{
    cJSON *bins[64] = { 0 }, *sorted = NULL;
    while (chain) {
        cJSON *one = chain;
        chain = chain->next;
        one->next = NULL;
        size_t i = 0;
        for (; bins[i]; i++) {
            one = merge_chains(bins[i], one);
            bins[i] = NULL;
        }
        bins[i] = one;
    }
    for (size_t i = 0; i < sizeof bins / sizeof bins[0]; i++)
        if (bins[i])
            sorted = merge_chains(bins[i], sorted);
    return sorted;
}

void json_sort_object(cJSON *object)
{
    bool sorted = true;
    for (const cJSON *m = object->child; m && m->next && sorted; m = m->next)
        sorted = strcmp(m->string, m->next->string) <= 0;
    if (sorted)
        return;
    object->child = sort_chain(object->child);
    cJSON *before = NULL;
    for (cJSON *m = object->child; m; m = m->next) {
        m->prev = before;
        before = m;
    }
    object->child->prev = before; /* cJSON keeps the last one there */
}

static void print_escape(unsigned char c, buffer *out)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        char escape[2] = { '\\', to[found - from] };
        buffer_append(out, escape, 2);
    } else {
        buffer_printf(out, "\\u%04x", c);
    }
}

void json_print_string(quipu_str text, buffer *out)
{
    size_t run = 0, len = (size_t)text.len;
    buffer_append_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buffer_append(out, text.ptr + run, i - run);
        print_escape(c, out);
        run = i + 1;
    }
    if (len > run)
        buffer_append(out, text.ptr + run, len - run);
    buffer_append_char(out, '"');
}

static void print_scalar(const cJSON *node, buffer *out)
{
    char number[32];
    switch (node->type & 0xff) {
    case cJSON_String:
        json_print_string(str_of(node->valuestring), out);
        break;
    case cJSON_Raw:
        buffer_append_text(out, node->valuestring);
        break;
    case cJSON_Number:
        buffer_append_text(out, json_double_text(node->valuedouble, number) ? number : "null");
        break;
    case cJSON_True:
        buffer_append_text(out, "true");
        break;
    case cJSON_False:
        buffer_append_text(out, "false");
        break;
    default:
        buffer_append_text(out, "null");
        break;
    }
}

/* A new line and the indent of `depth`; nothing in the one-line form. */
static void print_break(int depth, buffer *out)
{
    static const char blanks[] = "\n                                                                ";
    size_t len = 1 + 2 * (size_t)depth;
    if (depth < 0)
        return;
    buffer_append(out, blanks, len < sizeof blanks - 1 ? len : sizeof blanks - 1);
    for (size_t done = sizeof blanks - 1; done < len; done++)
        buffer_append_char(out, ' ');
}

/* depth -1: everything on one line. */
static void print_node(const cJSON *node, int depth, buffer *out)
{
    bool list = cJSON_IsArray(node);
    if (!list && !cJSON_IsObject(node)) {
        print_scalar(node, out);
        return;
    }
    buffer_append_char(out, list ? '[' : '{');
    for (const cJSON *child = node->child; child; child = child->next) {
        int inner = depth < 0 ? -1 : depth + 1;
        print_break(inner, out);
        if (!list) {
            json_print_string(str_of(child->string), out);
            buffer_append(out, ": ", depth < 0 ? 1 : 2);
        }
        print_node(child, inner, out);
        if (child->next)
            buffer_append_char(out, ',');
    }
    if (node->child)
        print_break(depth, out);
    buffer_append_char(out, list ? ']' : '}');
}

static void sort_all(cJSON *node)
{
    if (cJSON_IsObject(node))
        json_sort_object(node);
    for (cJSON *child = node->child; child; child = child->next)
        if (child->child)
            sort_all(child);
}

void json_print_canonical(cJSON *tree, buffer *out)
{
    sort_all(tree);
    print_node(tree, 0, out);
    buffer_append_char(out, '\n');
}

void json_print_compact(const cJSON *tree, buffer *out)
{
    print_node(tree, -1, out);
}

cJSON *json_string(quipu_str text)
{
    cJSON *node = cJSON_CreateNull();
    if (!node)
        return NULL;
    node->type = cJSON_String;
    node->valuestring = cJSON_malloc((size_t)text.len + 1);
    if (!node->valuestring) {
        cJSON_Delete(node);
        return NULL;
    }
    if (text.len)
        memcpy(node->valuestring, text.ptr, (size_t)text.len);
    node->valuestring[text.len] = '\0';
    return node;
}
