/* fuzz_text.c - any bytes give words that are UTF-8, not empty and not too long; and each has a stem. */
#include "fuzz.h"

#include <sdk/json.h>
#include <sdk/text.h>

static text_stemmer *stemmer(void)
{
    static text_stemmer *s;
    if (!s)
        s = text_stemmer_create(TEXT_STEM_ENGLISH, TEXT_ENGLISH);
    PROMISE(s);
    return s;
}

static void check_word(void *context, const char *word, size_t len)
{
    size_t *count = context;
    ++*count;
    PROMISE(len > 0 && len <= TEXT_WORD_MAX);
    PROMISE(utf8_first_bad(word, len) < 0);
    char *copy = fuzz_copy(word, len);
    text_is_stop_word(copy, len);
    quipu_str stem = text_stem(stemmer(), copy, len);
    PROMISE(stem.ptr && stem.len > 0);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t stored = 0, asked = 0;
    char *bytes = malloc(size ? size : 1); /* no NUL byte behind it: the length alone tells the end */
    PROMISE(bytes);
    if (size)
        memcpy(bytes, data, size);
    text_words(str_make(bytes, size), TEXT_STORED, check_word, &stored);
    text_words(str_make(bytes, size), TEXT_QUESTION, check_word, &asked);
    PROMISE(asked <= stored && (asked > 0) == (stored > 0));
    free(bytes);
    return 0;
}
