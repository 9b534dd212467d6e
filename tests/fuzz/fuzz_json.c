/* fuzz_json.c - what the parser takes, it prints so that it reads back the same. */
#include "fuzz.h"

#include <sdk/json.h>

static cJSON *parse(const buffer *text)
{
    cJSON *tree = NULL;
    PROMISE(!text->failed);
    PROMISE(json_parse(str_make(text->bytes, text->len), &tree, NULL) == QUIPU_OK);
    return tree;
}

/* The canonical form of `text`, which is JSON. */
static void print_again(const buffer *text, buffer *out)
{
    cJSON *tree = parse(text);
    buffer_clear(out);
    json_print_canonical(tree, out);
    cJSON_Delete(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *tree = NULL;
    quipu_error error = { .struct_size = sizeof error };
    buffer line = { 0 }, canonical = { 0 }, again = { 0 };
    char *text = fuzz_copy(data, size);
    if (!fuzz_failed(json_parse(str_make(text, size), &tree, &error), &error)) {
        PROMISE(json_check_tree(tree, &error) == QUIPU_OK);
        json_print_compact(tree, &line);
        json_print_canonical(tree, &canonical);
        print_again(&canonical, &again);
        PROMISE(again.len == canonical.len && memcmp(again.bytes, canonical.bytes, again.len) == 0);
        print_again(&line, &again);
        PROMISE(again.len == canonical.len && memcmp(again.bytes, canonical.bytes, again.len) == 0);
    } else {
        PROMISE(!tree);
    }
    cJSON_Delete(tree);
    free(text);
    buffer_free(&line);
    buffer_free(&canonical);
    buffer_free(&again);
    return 0;
}
