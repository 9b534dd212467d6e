/*
 * fuzz_canonical.c - a record's text, and after a NUL byte edits of its canonical form, four bytes each (what to do, two of place, a
 * byte): what is recognised as canonical is what the parser makes of it.
 */
#include "fuzz.h"

#include <tests/support/decode_both.h>

static void edit(char *text, size_t *len, const uint8_t edit[4])
{
    size_t at = ((size_t)edit[1] << 8 | edit[2]) % (*len + 1);
    switch (edit[0] % 3) {
    case 0:
        text[at] = (char)edit[3];
        break;
    case 1:
        memmove(text + at + 1, text + at, *len - at);
        text[at] = (char)edit[3];
        (*len)++;
        break;
    default:
        if (at < *len)
            memmove(text + at, text + at + 1, --*len - at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    record *r = NULL;
    quipu_str part = fuzz_part(&data, &size, 0);
    char *text = fuzz_copy(part.ptr, (size_t)part.len);
    PROMISE(decodes_alike((quipu_str){ text, part.len }));
    if (record_decode((quipu_str){ text, part.len }, NULL, &r, NULL) == QUIPU_OK) {
        quipu_str json = record_view(r)->json;
        size_t len = (size_t)json.len;
        char *edited = malloc(len + 1 + size / 4);
        PROMISE(edited);
        memcpy(edited, json.ptr, len);
        PROMISE(decodes_alike(json));
        for (; size >= 4; data += 4, size -= 4)
            edit(edited, &len, data);
        char *exact = fuzz_copy(edited, len);
        PROMISE(decodes_alike(str_make(exact, len)));
        free(exact);
        free(edited);
    }
    record_free(r);
    free(text);
    return 0;
}
