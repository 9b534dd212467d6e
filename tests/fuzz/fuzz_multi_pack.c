/* fuzz_multi_pack.c - git's multi-pack-index: of any bytes, the names of packs lie within them. */
#include "fuzz.h"

#include <storage_git/multi_pack.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t count;
    const char *end = NULL;
    char *bytes = fuzz_copy(data, size);
    const char *names = multi_pack_names((const uint8_t *)bytes, size, &count, &end);
    PROMISE(!names || (names >= bytes && names <= end && end <= bytes + size));
    free(bytes);
    return 0;
}
