/*
 * records.h - small parts that the writing of records is made of.
 */
#ifndef CORE_RECORDS_H
#define CORE_RECORDS_H

#include <quipu.h>
#include <sdk/record.h>
#include <stdbool.h>

/* Texts are one line, flags are known; NULL is fine. Errors: INVALID. */
int32_t write_options_check(const quipu_write_options *o, quipu_error *error);
/* True where the caller gave a change id. */
bool write_options_have_id(const quipu_write_options *o);

/* A copy of what is stored under the id now, whatever its scope and expiry, for record_free. Errors: NOT_FOUND and those of get. */
int32_t record_stored(quipu *q, quipu_str id, record **out, const quipu_call *call, quipu_error *error);

#endif
