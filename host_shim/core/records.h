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

/* One write, made ready. */
typedef struct prepared {
    record *record; /* of a put or patch */
    char id[QUIPU_ID_MAX + 1];
    char version[QUIPU_VERSION_LEN + 1]; /* of the record that a patch was made from */
    bool is_new;                         /* as far as the caller can know */
} prepared;

/* One change set that is made from writes. The caller sets the first four. */
typedef struct writing {
    quipu *q;
    const quipu_array *writes;
    const quipu_write_options *options; /* or NULL */
    const quipu_call *call;
    quipu_change_set set;
    prepared *ready;
    quipu_change *changes;
} writing;

/* Checks the writes and options, and begins the set. Ended with writing_end, unless it failed. Errors: INVALID, NO_MEMORY. */
int32_t writing_begin(writing *w, quipu_error *why);
/* Makes every write ready: the set can be applied. May be done again. `why` is not NULL. Errors: INVALID (field, index). */
int32_t writing_prepare(writing *w, quipu_error *why);
void writing_end(writing *w);

/* Copies the whole error, as far as the caller's object can take it; answers `code`. */
int32_t error_hand_over(const quipu_error *why, quipu_error *error, int32_t code);

/* A copy of what is stored under the id now, whatever its scope and expiry, for record_free. Errors: NOT_FOUND and those of get. */
int32_t record_stored(quipu *q, quipu_str id, record **out, const quipu_call *call, quipu_error *error);

#endif
