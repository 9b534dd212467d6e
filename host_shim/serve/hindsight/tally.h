/* tally.h - records counted by a name: kept in order, so that a name is found by halving. */
#ifndef SERVE_HINDSIGHT_TALLY_H
#define SERVE_HINDSIGHT_TALLY_H

#include <base/buffer.h>
#include <quipu/record.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct tally_row {
    char *name;
    uint64_t count, bytes; /* of records, of their texts */
    int64_t first, last;   /* created and updated; QUIPU_TIME_NONE where no record says */
} tally_row;

/* All zero: nothing is counted yet. */
typedef struct tally {
    tally_row *rows;
    size_t count, room;
} tally;

/* Counts one record; r NULL: the name alone. False without memory. */
bool tally_add(tally *all, quipu_str name, const quipu_record *r);
void tally_free(tally *all);

#endif
