/*
 * fuzz_derived.c - a folder of derived state that is damaged. The input: a byte of flags, a manifest, and after the first
 * byte 0xff what is in its one segment file. Damage is told, never read.
 */
#include "fuzz.h"

#include <base/hash.h>
#include <inttypes.h>
#include <sdk/derived.h>
#include <unistd.h>

enum { RIGHT_SUM = 1, RIGHT_SEGMENT = 2, NO_SEGMENT = 4 };

#define SEGMENT_NAME "segment-0000000000000000"

static char root[64] = "/tmp/quipu-fuzz-XXXXXX", manifest_path[128], segment_path[128];

static void remove_folder(void)
{
    char folder[80];
    snprintf(folder, sizeof folder, "%s/ix", root);
    unlink(manifest_path);
    unlink(segment_path);
    rmdir(folder);
    rmdir(root);
}

static void make_folder(void)
{
    if (manifest_path[0])
        return;
    PROMISE(mkdtemp(root));
    snprintf(manifest_path, sizeof manifest_path, "%s/ix/manifest", root);
    snprintf(segment_path, sizeof segment_path, "%s/ix/" SEGMENT_NAME, root);
    atexit(remove_folder);
}

static void append_sum(const void *bytes, size_t len, buffer *out)
{
    uint8_t sum[20];
    char digits[40];
    hash_sha1(bytes, len, sum);
    hex_encode(sum, sizeof sum, digits);
    buffer_append(out, digits, sizeof digits);
    buffer_append_char(out, '\n');
}

/* A file of its own each time: a mapping of the one before must not change. */
static void write_file(const char *path, const void *bytes, size_t len)
{
    unlink(path);
    FILE *f = fopen(path, "wb");
    PROMISE(f && fwrite(bytes, 1, len, f) == len);
    PROMISE(fclose(f) == 0);
}

static void write_state(unsigned flags, quipu_str text, const uint8_t *segment, size_t len)
{
    buffer manifest = { 0 };
    buffer_append_str(&manifest, text);
    if (flags & RIGHT_SEGMENT) {
        quick_sum sum;
        uint8_t bytes[QUICK_SUM_LEN];
        char digits[2 * QUICK_SUM_LEN];
        quick_sum_begin(&sum);
        quick_sum_add(&sum, segment, len);
        quick_sum_end(&sum, bytes);
        hex_encode(bytes, sizeof bytes, digits);
        buffer_printf(&manifest, "segment " SEGMENT_NAME " %zu %zu %.*s\n", len, len, (int)sizeof digits, digits);
    }
    if (flags & RIGHT_SUM) {
        size_t body = manifest.len;
        buffer_append_text(&manifest, "sum ");
        append_sum(manifest.bytes, body, &manifest);
    }
    PROMISE(!manifest.failed);
    write_file(manifest_path, manifest.bytes ? manifest.bytes : "", manifest.len);
    if (flags & NO_SEGMENT)
        unlink(segment_path);
    else
        write_file(segment_path, segment, len);
    buffer_free(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    derived *d = NULL;
    derived_snapshot *s = NULL;
    bool damaged = false;
    if (size == 0)
        return 0;
    unsigned flags = *data++;
    size--;
    make_folder();
    PROMISE(derived_open(root, "ix", 3, false, &d, NULL) == QUIPU_OK);
    quipu_str text = fuzz_part(&data, &size, 0xff);
    write_state(flags, text, size ? data : (const uint8_t *)"", size);
    PROMISE(derived_read(d, &s, &damaged, NULL) == QUIPU_OK);
    quipu_str position = derived_position(s);
    PROMISE(!position.ptr || position.len <= DERIVED_POSITION_MAX);
    PROMISE(!damaged || (!position.ptr && derived_segments(s) == 0));
    for (uint64_t i = 0; i < derived_segments(s); i++) {
        quipu_str segment = derived_segment(s, i);
        PROMISE(segment.len == size && (size == 0 || memcmp(segment.ptr, data, size) == 0));
    }
    derived_snapshot_free(s);
    derived_close(d);
    return 0;
}
