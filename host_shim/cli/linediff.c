/* linediff.c - see linediff.h. The table of lengths is the textbook's; common ends are cut off first. */
#include "linediff.h"

#include <base/buffer.h>
#include <stdlib.h>

#define CELLS_MAX 4000000u /* of the table: 2,000 by 2,000 changed lines */

typedef struct lines {
    quipu_str *at;
    size_t count;
} lines;

typedef struct script { /* marks, with the line that each belongs to */
    char *marks;
    quipu_str *lines;
    size_t count;
} script;

static int split(quipu_str text, lines *out)
{
    size_t count = 1, begin = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    out->at = calloc(count, sizeof *out->at);
    out->count = 0;
    if (!out->at)
        return -1;
    for (size_t i = 0; i <= text.len && text.len > 0; i++)
        if (i == text.len || text.ptr[i] == '\n') {
            if (i < text.len || i > begin)
                out->at[out->count++] = str_make(text.ptr + begin, i - begin);
            begin = i + 1;
        }
    return 0;
}

static void put(script *s, char mark, quipu_str line)
{
    s->marks[s->count] = mark;
    s->lines[s->count++] = line;
}

static void put_all(script *s, char mark, const quipu_str *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(s, mark, at[i]);
}

/* The middle part, where the two differ at both ends. */
static int compare(const quipu_str *a, size_t na, const quipu_str *b, size_t nb, script *s)
{
    uint16_t *table;
    size_t i = 0, j = 0, width = nb + 1;
    if (na == 0 || nb == 0 || na >= UINT16_MAX || nb >= UINT16_MAX || (na + 1) > CELLS_MAX / width) {
        put_all(s, '-', a, na);
        put_all(s, '+', b, nb);
        return 0;
    }
    table = calloc((na + 1) * width, sizeof *table);
    if (!table)
        return -1;
    for (i = na; i-- > 0;)
        for (j = nb; j-- > 0;) {
            uint16_t down = table[(i + 1) * width + j], right = table[i * width + j + 1];
            table[i * width + j] = str_same(a[i], b[j]) ? (uint16_t)(table[(i + 1) * width + j + 1] + 1u)
                                   : down > right       ? down
                                                        : right;
        }
    for (i = j = 0; i < na && j < nb;) {
        if (str_same(a[i], b[j])) {
            put(s, ' ', a[i++]);
            j++;
        } else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) {
            put(s, '-', a[i++]);
        } else {
            put(s, '+', b[j++]);
        }
    }
    put_all(s, '-', a + i, na - i);
    put_all(s, '+', b + j, nb - j);
    free(table);
    return 0;
}

static int build(const lines *a, const lines *b, script *s)
{
    size_t head = 0, tail = 0;
    while (head < a->count && head < b->count && str_same(a->at[head], b->at[head]))
        head++;
    while (tail < a->count - head && tail < b->count - head &&
           str_same(a->at[a->count - 1 - tail], b->at[b->count - 1 - tail]))
        tail++;
    put_all(s, ' ', a->at, head);
    if (compare(a->at + head, a->count - head - tail, b->at + head, b->count - head - tail, s) != 0)
        return -1;
    put_all(s, ' ', a->at + a->count - tail, tail);
    return 0;
}

/* True where a changed line is at most `around` lines away. */
static int is_near(const script *s, size_t at, size_t around)
{
    size_t from = at > around ? at - around : 0;
    for (size_t i = from; i < s->count && i <= at + around; i++)
        if (s->marks[i] != ' ')
            return 1;
    return 0;
}

static void show_script(const script *s, size_t around, linediff_fn show, void *context)
{
    int in_gap = 0;
    for (size_t i = 0; i < s->count; i++) {
        int near = is_near(s, i, around);
        if (near)
            show(context, s->marks[i], s->lines[i]);
        else if (!in_gap)
            show(context, 'g', (quipu_str){ NULL, 0 });
        in_gap = !near;
    }
}

int linediff(quipu_str before, quipu_str after, size_t around, linediff_fn show, void *context)
{
    lines a = { 0 }, b = { 0 };
    script s = { 0 };
    int result = -1;
    if (split(before, &a) == 0 && split(after, &b) == 0) {
        s.marks = malloc(a.count + b.count + 1);
        s.lines = calloc(a.count + b.count + 1, sizeof *s.lines);
        if (s.marks && s.lines && build(&a, &b, &s) == 0) {
            show_script(&s, around, show, context);
            result = 0;
        }
    }
    free(s.lines);
    free(s.marks);
    free(b.at);
    free(a.at);
    return result;
}
