/* passage.c - see passage.h. */
#include "passage.h"

#include <base/hash.h>

quipu_str passage_of(const quipu_record *r, buffer *scratch)
{
    buffer_clear(scratch);
    if (!r->text.ptr || r->text.len == 0)
        return (quipu_str){ 0 };
    if (!r->actor.ptr || r->actor.len == 0)
        return r->text;
    buffer_append_str(scratch, r->actor);
    buffer_append_text(scratch, ": ");
    buffer_append_str(scratch, r->text);
    return (quipu_str){ scratch->bytes, scratch->len };
}

void passage_key(quipu_str passage, uint8_t key[PASSAGE_KEY])
{
    memset(key, 0, PASSAGE_KEY);
    if (passage.ptr)
        hash_sha256(passage.ptr, (size_t)passage.len, key);
}
