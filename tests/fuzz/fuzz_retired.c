/* fuzz_retired.c - the note of the packs that will go soon: any bytes are read, and what comes out is a list of names in order. */
#include "fuzz.h"

#include <storage_git/pack_retired.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    quipu_error error = { .struct_size = sizeof error };
    retired_list list;
    char *text = fuzz_copy(data, size);
    if (!fuzz_failed(retired_parse(text, size, &list, &error), &error))
        for (size_t i = 0; i < list.count; i++) {
            PROMISE(strlen(list.packs[i].name) == 5 + OBJECT_ID_HEX && list.packs[i].since >= 0);
            PROMISE(i == 0 || strcmp(list.packs[i - 1].name, list.packs[i].name) <= 0);
            PROMISE(retired_find(&list, list.packs[i].name));
        }
    retired_free(&list);
    free(text);
    return 0;
}
