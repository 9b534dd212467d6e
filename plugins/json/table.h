/* table.h - what a store holds, by id. Not locked. A table of zeros is empty. */
#ifndef PLUGINS_JSON_TABLE_H
#define PLUGINS_JSON_TABLE_H

#include <sdk/record.h>

typedef struct table_row {
    record *r;   /* NULL: a free slot. Where it is gone: what it was last */
    size_t file; /* which one it is in, or was */
    bool gone;   /* deleted, but its file may still have it */
    bool logged; /* the journal says so, and knows better than the file */
} table_row;

typedef struct table {
    table_row *slots;
    size_t room;  /* a power of two, or 0 */
    size_t count; /* of slots in use: at most half of them */
} table;

void table_free(table *t);
/* NULL: not there. Moves with the next put or removal. */
table_row *table_find(const table *t, quipu_str id);
/* Makes room for so many more, so that table_put cannot fail; false without memory. */
bool table_reserve(table *t, size_t more);
/* Takes the reference; in place of what has the same id, whose flags stay. */
table_row *table_put(table *t, record *r);
void table_remove(table *t, table_row *h);

#endif
