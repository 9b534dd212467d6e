/*
 * derived_manifest.c - the text of a manifest:
 *
 *   quipu-derived 2 <format>
 *   position <hex>
 *   segment <name> <length> <length that is checked> <checksum>      one a segment, oldest first
 *   sum <sha-1 of all lines before>
 */
#include "derived_inner.h"

#include <base/hash.h>
#include <inttypes.h>
#include <stdlib.h>

#define SUM_LINE (4u + 40u + 1u) /* bytes of the last line */

static void print_hex(buffer *out, const void *bytes, size_t len)
{
    char *to = buffer_reserve(out, 2 * len);
    if (!to)
        return;
    hex_encode(bytes, len, to);
    out->len += 2 * len;
}

void derived_manifest_print(const derived_manifest *m, uint32_t format, buffer *out)
{
    uint8_t sum[20];
    buffer_printf(out, "quipu-derived 2 %" PRIu32 "\nposition ", format);
    print_hex(out, m->position, m->position_len);
    buffer_append_char(out, '\n');
    for (size_t i = 0; i < m->count; i++) {
        buffer_printf(out, "segment %s %" PRIu64 " %" PRIu64 " ", m->entries[i].name, m->entries[i].len,
                      m->entries[i].checked);
        print_hex(out, m->entries[i].sum, sizeof m->entries[i].sum);
        buffer_append_char(out, '\n');
    }
    if (out->failed)
        return;
    hash_sha1(out->bytes, out->len, sum);
    buffer_append_text(out, "sum ");
    print_hex(out, sum, sizeof sum);
    buffer_append_char(out, '\n');
}

/* The next line without its end; false where there is none. */
static bool next_line(quipu_str *rest, quipu_str *line)
{
    const char *end = rest->len ? memchr(rest->ptr, '\n', (size_t)rest->len) : NULL;
    if (!end)
        return false;
    *line = (quipu_str){ rest->ptr, (uint64_t)(end - rest->ptr) };
    rest->ptr = end + 1;
    rest->len -= line->len + 1;
    return true;
}

/* Cuts `prefix` off the line; false where it does not begin with it. */
static bool skip(quipu_str *line, const char *prefix)
{
    size_t len = strlen(prefix);
    if (line->len < len || memcmp(line->ptr, prefix, len) != 0)
        return false;
    line->ptr += len;
    line->len -= len;
    return true;
}

static bool read_number(quipu_str *line, uint64_t *out)
{
    size_t digits = 0;
    *out = 0;
    while (line->len > 0 && *line->ptr >= '0' && *line->ptr <= '9' && digits++ < 18) {
        *out = *out * 10 + (uint64_t)(*line->ptr - '0');
        line->ptr++;
        line->len--;
    }
    return digits > 0;
}

static bool read_entry(quipu_str line, derived_entry *out)
{
    if (!skip(&line, "segment ") || line.len < DERIVED_NAME_LEN || memcmp(line.ptr, "segment-", 8) != 0)
        return false;
    memcpy(out->name, line.ptr, DERIVED_NAME_LEN);
    out->name[DERIVED_NAME_LEN] = '\0';
    if (strspn(out->name + 8, "0123456789abcdef") != DERIVED_NAME_LEN - 8)
        return false;
    line.ptr += DERIVED_NAME_LEN;
    line.len -= DERIVED_NAME_LEN;
    return skip(&line, " ") && read_number(&line, &out->len) && skip(&line, " ") && read_number(&line, &out->checked) &&
           out->checked <= out->len && skip(&line, " ") && line.len == 2 * sizeof out->sum &&
           hex_decode(line.ptr, sizeof out->sum, out->sum) == 0;
}

static bool sum_is_good(quipu_str text)
{
    uint8_t sum[20], said[20];
    if (text.len < SUM_LINE || text.ptr[text.len - 1] != '\n')
        return false;
    size_t body = (size_t)text.len - SUM_LINE;
    hash_sha1(text.ptr, body, sum);
    return memcmp(text.ptr + body, "sum ", 4) == 0 && hex_decode(text.ptr + body + 4, 20, said) == 0 &&
           memcmp(sum, said, sizeof sum) == 0;
}

int derived_manifest_parse(quipu_str text, uint32_t format, derived_manifest *m)
{
    quipu_str line = { 0 };
    uint64_t its = 0;
    *m = (derived_manifest){ 0 };
    if (!sum_is_good(text))
        return -1;
    text.len -= SUM_LINE;
    if (!next_line(&text, &line) || !skip(&line, "quipu-derived ") || !read_number(&line, &its))
        return -1;
    if (its != 2)
        return 0; /* another layout of manifests */
    if (!skip(&line, " ") || !read_number(&line, &its) || line.len != 0)
        return -1;
    if (its != format)
        return 0;
    if (!next_line(&text, &line) || !skip(&line, "position ") || line.len % 2 || line.len / 2 > DERIVED_POSITION_MAX ||
        hex_decode(line.ptr, (size_t)line.len / 2, (uint8_t *)m->position) != 0)
        return -1;
    m->position_len = (size_t)line.len / 2;
    m->entries = calloc(DERIVED_SEGMENTS_MAX, sizeof *m->entries);
    if (!m->entries)
        return -2;
    bool good = true;
    while (good && text.len > 0) {
        good = m->count < DERIVED_SEGMENTS_MAX && next_line(&text, &line) && read_entry(line, &m->entries[m->count]);
        m->count += good;
    }
    if (good)
        return 1;
    free(m->entries);
    m->entries = NULL;
    return -1;
}
