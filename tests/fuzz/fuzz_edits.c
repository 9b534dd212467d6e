/* fuzz_edits.c - the notes of edits by stock git (quipu/edits): any bytes are read, and what is believed lies within them. */
#include "fuzz.h"

#include <base/hash.h>
#include <plugins/git/edits_inner.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edits e;
    char *bytes = fuzz_copy(data, size);
    if (size >= 20) /* one of a damaged sum is refused at once: here it fits */
        hash_sha1(bytes, size - 20, (uint8_t *)bytes + size - 20);
    edits_init(&e);
    bool good = edits_parse(&e, (const uint8_t *)bytes, size);
    for (size_t i = 0; good && i < e.count; i++) {
        PROMISE(e.list[i].id + e.list[i].id_len <= e.ids.len);
        PROMISE(edits_know(&e, e.list[i].version));
    }
    edits_end(&e);
    edits_destroy(&e);
    free(bytes);
    return 0;
}
