/* changes.c - how two states of a record differ, field by field. */
#include "cli.h"
#include "linediff.h"

#include "../core/difference.h"

#include <string.h>

static void print_line(void *context, char mark, quipu_str line)
{
    const cli *c = context;
    paint p = mark == '-' ? PAINT_BAD : mark == '+' ? PAINT_GOOD : PAINT_DIM;
    if (mark == 'g') {
        printf("      ...\n");
        return;
    }
    printf("    %s%c%s ", paint_on(c, p), mark, paint_off(c));
    print_cell(c, p, line, 0, 0);
    putchar('\n');
}

/* A field that came or went, where it fits on a line. */
static void print_one_sided(const cli *c, const char *path, char mark, quipu_str value)
{
    printf("  %s%c%s ", paint_on(c, mark == '-' ? PAINT_BAD : PAINT_GOOD), mark, paint_off(c));
    print_cell(c, PAINT_BOLD, str_of(path), 12, 0);
    printf(" ");
    print_cell(c, mark == '-' ? PAINT_BAD : PAINT_GOOD, value, 0, 0);
    putchar('\n');
}

static void print_field_change(void *context, const char *path, const cJSON *before, const cJSON *after)
{
    const cli *c = context;
    buffer a = { 0 }, b = { 0 };
    quipu_str was = before ? value_text(before, &a) : (quipu_str){ "", 0 };
    quipu_str is = after ? value_text(after, &b) : (quipu_str){ "", 0 };
    if ((!before || !after) && !memchr(was.ptr, '\n', (size_t)was.len) && !memchr(is.ptr, '\n', (size_t)is.len)) {
        print_one_sided(c, path, before ? '-' : '+', before ? was : is);
        buffer_free(&a);
        buffer_free(&b);
        return;
    }
    printf("  ");
    print_cell(c, PAINT_BOLD, str_of(path), 0, 0);
    putchar('\n');
    if (before && was.len == 0)
        print_line(context, '-', str_of("(empty)"));
    if (linediff(was, is, 2, print_line, context) != 0)
        out_of_memory(c);
    if (after && is.len == 0)
        print_line(context, '+', str_of("(empty)"));
    buffer_free(&a);
    buffer_free(&b);
}

void changes_print(const cli *c, const quipu_difference *d)
{
    const char *word = !d->before ? "added" : !d->after ? "removed" : "changed";
    paint p = !d->before ? PAINT_GOOD : !d->after ? PAINT_BAD : PAINT_WARN;
    printf("%s%s%s ", paint_on(c, p), word, paint_off(c));
    print_cell(c, PAINT_ID, d->id, 0, 0);
    putchar('\n');
    difference_walk(d, print_field_change, (void *)(uintptr_t)c);
}
