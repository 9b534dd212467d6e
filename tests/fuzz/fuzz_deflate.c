/* fuzz_deflate.c - any bytes come back out of the stream that is made of them, whatever was deflated before. */
#include "fuzz.h"

#include <storage_git/short_deflate.h>

#include <libdeflate.h>
#include <string.h>

/* d: NULL for a tree. */
static void check_stream(short_deflate *d, const uint8_t *data, size_t size)
{
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    char *bytes = fuzz_copy(data, size), *stream = malloc(short_deflate_bound(size)), *again = malloc(size + 1);
    size_t got = 0;
    PROMISE(inflater && stream && again);
    size_t len = d ? short_deflate_zlib(d, bytes, size, stream) : short_deflate_tree(bytes, size, stream);
    PROMISE(len <= size + 11 && len <= short_deflate_bound(size));
    PROMISE(libdeflate_zlib_decompress(inflater, stream, len, again, size + 1, &got) == LIBDEFLATE_SUCCESS);
    PROMISE(got == size && memcmp(bytes, again, size) == 0);
    libdeflate_free_decompressor(inflater);
    free(bytes);
    free(stream);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SHORT_DEFLATE_MAX)
        return 0;
    short_deflate *d = short_deflate_create();
    PROMISE(d);
    check_stream(d, data, size);
    check_stream(d, data, size / 2);
    check_stream(d, data, size);
    check_stream(NULL, data, size);
    short_deflate_free(d);
    return 0;
}
