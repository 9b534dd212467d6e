/* words_sheet.c - see words_inner.h: what a block keeps of each document. */
#include "words_inner.h"

#include <stdlib.h>
#include <string.h>

static bool grow(void **array, size_t element, uint32_t count, uint32_t capacity)
{
    void *longer = realloc(*array, (size_t)capacity * element);
    if (!longer)
        return false;
    memset((char *)longer + (size_t)count * element, 0, (size_t)(capacity - count) * element);
    *array = longer;
    return true;
}

bool words_sheet_grow(words_sheet *s, uint32_t documents)
{
    if (documents > s->capacity) {
        uint32_t capacity = s->capacity ? s->capacity * 2 : 64;
        capacity = capacity < documents ? documents : capacity;
        if (!grow((void **)&s->lengths, sizeof *s->lengths, s->capacity, capacity) ||
            !grow((void **)&s->marks, sizeof *s->marks, s->capacity, capacity) ||
            !grow((void **)&s->seq, sizeof *s->seq, s->capacity, capacity) ||
            !grow((void **)&s->created, sizeof *s->created, s->capacity, capacity) ||
            !grow((void **)&s->session, sizeof *s->session, s->capacity, capacity) ||
            !grow((void **)&s->actor, sizeof *s->actor, s->capacity, capacity))
            return false;
        s->capacity = capacity;
    }
    if (documents > s->documents)
        s->documents = documents;
    return true;
}

bool words_sheet_add_name(words_sheet *s, uint64_t key, uint64_t actor)
{
    if (s->name_count == s->name_capacity) {
        size_t capacity = s->name_capacity ? s->name_capacity * 2 : 64;
        words_name *names = realloc(s->names, capacity * sizeof *names);
        if (!names)
            return false;
        s->names = names;
        s->name_capacity = capacity;
    }
    s->names[s->name_count++] = (words_name){ key, actor };
    return true;
}

void words_sheet_free(words_sheet *s)
{
    free(s->lengths);
    free(s->marks);
    free(s->seq);
    free(s->created);
    free(s->session);
    free(s->actor);
    free(s->names);
    *s = (words_sheet){ 0 };
}
