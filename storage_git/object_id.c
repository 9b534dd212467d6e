/* object_id.c - see object_id.h. */
#include "object_id.h"

#include <base/hash.h>

void object_id_print(const object_id *id, char out[OBJECT_ID_HEX + 1])
{
    hex_encode(id->bytes, sizeof id->bytes, out);
    out[OBJECT_ID_HEX] = '\0';
}

bool object_id_parse(const char *digits, object_id *out)
{
    return hex_decode(digits, sizeof out->bytes, out->bytes) == 0;
}

const char *object_type_name(object_type type)
{
    static const char *const names[] = { "commit", "tree", "blob", "tag" };
    return names[type - OBJECT_COMMIT];
}
