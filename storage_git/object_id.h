/*
 * object_id.h - the name of a git object: the SHA-1 of its type, length and bytes.
 */
#ifndef STORAGE_GIT_OBJECT_ID_H
#define STORAGE_GIT_OBJECT_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define OBJECT_ID_HEX 40

/* All zeros stands for "no object". */
typedef struct object_id {
    uint8_t bytes[20];
} object_id;

typedef enum object_type { OBJECT_COMMIT = 1, OBJECT_TREE = 2, OBJECT_BLOB = 3, OBJECT_TAG = 4 } object_type;

static inline bool object_id_equal(const object_id *a, const object_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool object_id_is_none(const object_id *a)
{
    static const object_id none;
    return object_id_equal(a, &none);
}

/* Writes 40 digits and a NUL byte. */
void object_id_print(const object_id *id, char out[OBJECT_ID_HEX + 1]);
/* Reads 40 digits; false where they are not. */
bool object_id_parse(const char *digits, object_id *out);
/* "commit", "tree", "blob", "tag". */
const char *object_type_name(object_type type);

#endif
