/* where.h - a filter as a condition in SQL, whose values are parameters (where.c). */
#ifndef PLUGINS_POSTGRES_WHERE_H
#define PLUGINS_POSTGRES_WHERE_H

#include "backend.h"

enum { WHERE_ARRAYS = 64 };

typedef struct where {
    buffer sql;
    sql_params p;
    sql_array arrays[WHERE_ARRAYS]; /* values of p */
    unsigned arrays_used;
    bool exact; /* it lets through what the filter does; else more */
    buffer scratch;
} where;

/* Appends " WHERE ..." for the table `records r`. The filter has passed filter_check, and lives as long as `w`. now: by the host's clock. */
int32_t where_build(where *w, const quipu_filter *f, int64_t now, quipu_error *error);
/* The number of a further parameter. */
int where_int(where *w, int64_t value);
int where_text(where *w, quipu_str text);
void where_free(where *w);

#endif
