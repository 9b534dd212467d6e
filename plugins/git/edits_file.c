/*
 * edits_file.c - the notes of edits.h on disk: "QEDT", a version, the commit up to which history was looked at, the number of
 * edits; each edit's version, time (8 bytes), length of the id (2 bytes), id; the SHA-1 of all that. Numbers: highest byte first.
 */
#include "edits_inner.h"

#include <base/hash.h>
#include <storage_git/big_endian.h>
#include <storage_git/os.h>

enum { HEADER = 4 + 4 + 20 + 4, ENTRY = 20 + 8 + 2, SUM = 20, FORM = 1 };

#define EDITS_MOST ((size_t)1 << 30) /* bytes */

bool edits_parse(edits *e, const uint8_t *bytes, size_t len)
{
    uint8_t sum[SUM];
    if (len < HEADER + SUM || memcmp(bytes, "QEDT", 4) != 0 || get_u32(bytes + 4) != FORM)
        return false;
    hash_sha1(bytes, len - SUM, sum);
    if (memcmp(sum, bytes + len - SUM, SUM) != 0)
        return false;
    const uint8_t *at = bytes + HEADER, *end = bytes + len - SUM;
    for (uint32_t left = get_u32(bytes + 28); left > 0; left--) {
        size_t id_len = end - at < ENTRY ? 0 : (size_t)at[28] << 8 | at[29];
        if (id_len == 0 || id_len > (size_t)(end - at) - ENTRY)
            return false;
        int64_t time = (int64_t)get_u64(at + 20);
        if (time == QUIPU_TIME_NONE ||
            edits_add(e, at, time, str_make((const char *)at + ENTRY, id_len), NULL) != QUIPU_OK)
            return false;
        at += ENTRY + id_len;
    }
    memcpy(e->tip.bytes, bytes + 8, sizeof e->tip.bytes);
    return at == end;
}

void edits_load(edits *e)
{
    buffer bytes = { 0 };
    e->loaded = true;
    if (e->path && os_read_file(e->path, EDITS_MOST, &bytes, NULL) == QUIPU_OK &&
        !edits_parse(e, (const uint8_t *)bytes.bytes, bytes.len))
        edits_forget(e);
    buffer_free(&bytes);
}

void edits_save(edits *e)
{
    buffer bytes = { 0 };
    uint8_t sum[SUM];
    e->unsaved = 0;
    if (!e->path)
        return;
    buffer_append_text(&bytes, "QEDT");
    append_u32(&bytes, FORM);
    buffer_append(&bytes, e->tip.bytes, sizeof e->tip.bytes);
    append_u32(&bytes, (uint32_t)e->count);
    for (size_t i = 0; i < e->count; i++) {
        const edits_entry *one = &e->list[i];
        buffer_append(&bytes, one->version, sizeof one->version);
        append_u32(&bytes, (uint32_t)((uint64_t)one->time >> 32));
        append_u32(&bytes, (uint32_t)one->time);
        buffer_append_char(&bytes, (char)(one->id_len >> 8));
        buffer_append_char(&bytes, (char)one->id_len);
        buffer_append(&bytes, e->ids.bytes + one->id, one->id_len);
    }
    if (!bytes.failed) {
        hash_sha1(bytes.bytes, bytes.len, sum);
        buffer_append(&bytes, sum, sizeof sum);
    }
    if (!bytes.failed)
        (void)os_replace_file(e->path, bytes.bytes, bytes.len, false, NULL);
    buffer_free(&bytes);
}
