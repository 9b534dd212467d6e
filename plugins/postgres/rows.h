/* rows.h - the table `records`: the present of the store in columns that filters and searches of the server ask for (rows.c). */
#ifndef PLUGINS_POSTGRES_ROWS_H
#define PLUGINS_POSTGRES_ROWS_H

#include "backend.h"

enum {
#define RECORD_COLUMN(name, type, in_array) COLUMN_##name,
    RECORD_COLUMNS(RECORD_COLUMN)
#undef RECORD_COLUMN
        COLUMN_COUNT
};

/* Rows on their way into the table. */
typedef struct record_rows {
    sql_array columns[COLUMN_COUNT];
    sql_array gone; /* ids */
    text_stemmer *stemmer;
    buffer scratch, path;
} record_rows;

/* False without memory. */
bool rows_begin(record_rows *rows, text_language language);
void rows_free(record_rows *rows);
void rows_add(record_rows *rows, const quipu_record *r, int64_t state);
void rows_remove(record_rows *rows, quipu_str id);
/* Writes what was gathered, and begins anew. Within a transaction. */
int32_t rows_send(record_rows *rows, connection *c, quipu_error *error);

/* Makes the table and fills it from the states, where there is none. */
int32_t rows_make_table(quipu_backend *self, connection *c, quipu_error *error);

#define ROWS_TERM_MORE 0 /* among the terms of a record that may have any: not all of its metadata are there */

/* The words of a question as a tsquery, any of which may be there; empty where there are none. */
void rows_question(text_language language, quipu_str text, buffer *out);

/* The number that a path and a value of the metadata have among a record's terms. type: 's' string, 'b' true or false, 'n' number, 'e' anything
 * that is not null. */
int64_t rows_term(quipu_str path, char type, quipu_str value, buffer *scratch);
/* The bytes that stand for a number there. */
void rows_number(double value, char out[8]);

#endif
