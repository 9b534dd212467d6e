/* replay.c - runs one fuzz target over the files that it is given, with any compiler: what once failed stays mended. */
#include "fuzz.h"

int main(int count, char **files)
{
    buffer bytes = { 0 };
    for (int i = 1; i < count; i++) {
        FILE *f = fopen(files[i], "rb");
        if (!f) {
            perror(files[i]);
            return 2;
        }
        buffer_clear(&bytes);
        for (int c; (c = fgetc(f)) != EOF;)
            buffer_append_char(&bytes, (char)c);
        fclose(f);
        fprintf(stderr, "%s\n", files[i]); /* the last one named is the one at fault */
        char *copy = fuzz_copy(bytes.bytes, bytes.len);
        LLVMFuzzerTestOneInput((const uint8_t *)copy, bytes.len);
        free(copy);
    }
    buffer_free(&bytes);
    return 0;
}
