/* values.c - parameters and results in the binary form of PostgreSQL's wire: numbers most significant byte first, texts and bytes as they
 * are, arrays as (dimensions, flags, type, count, lower bound) and then each element behind its length. */
#include "backend.h"

#include <string.h>

static void put_be(uint8_t *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static void param(sql_params *p, const char *value, size_t len)
{
    p->values[p->count] = value;
    p->lengths[p->count] = (int)len;
    p->formats[p->count++] = 1;
}

void param_int(sql_params *p, int64_t value)
{
    put_be(p->numbers[p->count], (uint64_t)value, 8);
    param(p, (const char *)p->numbers[p->count], 8);
}

void param_text(sql_params *p, quipu_str text)
{
    param(p, text.ptr, (size_t)text.len);
}

void param_array(sql_params *p, const sql_array *a)
{
    param(p, a->bytes.bytes, a->bytes.len);
}

/* ---- arrays ---- */

static void append_be(sql_array *a, uint64_t value, unsigned bytes)
{
    uint8_t out[8];
    put_be(out, value, bytes);
    buffer_append(&a->bytes, out, bytes);
}

void array_begin(sql_array *a, uint32_t oid)
{
    buffer_clear(&a->bytes);
    a->count = 0;
    append_be(a, 1, 4);
    append_be(a, 1, 4); /* there may be NULLs */
    append_be(a, oid, 4);
    append_be(a, 0, 4); /* array_end tells how many */
    append_be(a, 1, 4);
}

void array_int(sql_array *a, int64_t value)
{
    append_be(a, 8, 4);
    append_be(a, (uint64_t)value, 8);
    a->count++;
}

void array_int_or_null(sql_array *a, int64_t value, int64_t null)
{
    if (value == null)
        array_text(a, (quipu_str){ 0 });
    else
        array_int(a, value);
}

void array_text(sql_array *a, quipu_str text)
{
    append_be(a, text.ptr ? text.len : UINT32_MAX, 4);
    if (text.ptr)
        buffer_append(&a->bytes, text.ptr, (size_t)text.len);
    a->count++;
}

void array_end(sql_array *a)
{
    if (!a->bytes.failed)
        put_be((uint8_t *)a->bytes.bytes + 12, a->count, 4);
}

void array_free(sql_array *a)
{
    buffer_free(&a->bytes);
    a->count = 0;
}

/* ---- results ---- */

int64_t row_int(const PGresult *r, int row, int column)
{
    uint64_t value = 0;
    const uint8_t *bytes = (const uint8_t *)PQgetvalue(r, row, column);
    if (PQgetisnull(r, row, column) || PQgetlength(r, row, column) != 8)
        return 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return (int64_t)value;
}

quipu_str row_text(const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column))
        return (quipu_str){ 0 };
    return str_make(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}
