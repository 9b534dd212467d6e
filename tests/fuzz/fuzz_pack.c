/* fuzz_pack.c - heads of a pack's entries, distances to a base, and indexes. The first byte chooses between them. */
#include "fuzz.h"

#include <storage_git/pack_format.h>

static void check_head(const uint8_t *bytes, size_t len)
{
    uint8_t out[10];
    unsigned type, type_again;
    uint64_t value, again;
    size_t used, used_again;
    if (pack_get_entry_head(bytes, len, &type, &value, &used)) {
        PROMISE(used > 0 && used <= len && type <= 7);
        size_t n = pack_put_entry_head(out, type, value);
        PROMISE(n <= used && n <= sizeof out);
        PROMISE(pack_get_entry_head(out, n, &type_again, &again, &used_again));
        PROMISE(type_again == type && again == value && used_again == n);
    }
    if (pack_get_base_distance(bytes, len, &value, &used)) {
        PROMISE(used > 0 && used <= len);
        size_t n = pack_put_base_distance(out, value);
        PROMISE(n == used && memcmp(out, bytes, n) == 0); /* there is one way only to write a distance */
    }
}

static void check_index(const uint8_t *bytes, size_t len)
{
    pack_index index;
    pack_entry e;
    if (!pack_index_check(bytes, len, &index))
        return;
    PROMISE(index.count <= len / 28);
    for (uint32_t i = 0; i < index.count; i++)
        pack_index_entry(&index, i, &e);
}

/* Entries of 33 bytes (id, CRC, offset, and one to spare) make an index that tells them again, in order. */
static void check_print(const uint8_t *bytes, size_t len)
{
    static const uint8_t checksum[20];
    enum { EACH = 33, MOST = 64 };
    pack_entry entries[MOST], e;
    uint32_t count = 0;
    buffer out = { 0 };
    pack_index index;
    for (; count < MOST && len >= EACH; count++, bytes += EACH, len -= EACH) {
        memcpy(entries[count].id.bytes, bytes, 20);
        memcpy(&entries[count].crc, bytes + 20, 4);
        memcpy(&entries[count].offset, bytes + 24, 8);
        if (bytes[32] & 1)
            entries[count].offset &= 0x7fffffff;
    }
    pack_put_index(entries, count, checksum, &out);
    PROMISE(pack_index_check((const uint8_t *)out.bytes, out.len, &index) && index.count == count);
    for (uint32_t i = 0; i < count; i++) {
        pack_index_entry(&index, i, &e);
        PROMISE(object_id_equal(&e.id, &entries[i].id) && e.crc == entries[i].crc && e.offset == entries[i].offset);
    }
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t *bytes = malloc(size > 1 ? size - 1 : 1); /* of just this size, as a mapping would be */
    PROMISE(bytes);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] % 3 == 0)
        check_head(bytes, size - 1);
    else if (data[0] % 3 == 1)
        check_index(bytes, size - 1);
    else
        check_print(bytes, size - 1);
    free(bytes);
    return 0;
}
