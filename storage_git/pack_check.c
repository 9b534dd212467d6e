/* pack_check.c - packs and their indexes against the checksums that they end with; see pack_files.h and pack_merge.h. */
#include "big_endian.h"
#include "os.h"
#include "pack_files.h"

#include <base/fail.h>
#include <base/hash.h>
#include <unistd.h>

/* Whether the last 20 bytes are the SHA-1 of those before. */
static bool sum_fits(const uint8_t *bytes, uint64_t len)
{
    uint8_t sum[PACK_TRAILER_SIZE];
    hash_sha1(bytes, (size_t)len - sizeof sum, sum);
    return memcmp(sum, bytes + len - sizeof sum, sizeof sum) == 0;
}

static bool pack_is_sound(const pack_file *p)
{
    return p->pack && p->pack_len >= PACK_HEADER_SIZE + PACK_TRAILER_SIZE && memcmp(p->pack, "PACK", 4) == 0 &&
           sum_fits(p->pack, p->pack_len);
}

bool pack_index_is_sound(const pack_file *p)
{
    return sum_fits(p->index_bytes, p->index_len) && pack_index_fits(&p->index, p->pack_len);
}

/* What is wrong with an index; NULL: nothing. */
static const char *find_index_fault(pack_file *p)
{
    if (!p->index_bytes)
        return "the pack has no index";
    if (!pack_index_check(p->index_bytes, (size_t)p->index_len, &p->index))
        return "the index is damaged";
    if (!sum_fits(p->index_bytes, p->index_len))
        return "the index does not match its checksum";
    if (memcmp(p->index_bytes + p->index_len - 2 * (uint64_t)PACK_TRAILER_SIZE,
               p->pack + p->pack_len - PACK_TRAILER_SIZE, PACK_TRAILER_SIZE) != 0)
        return "the index belongs to another pack";
    return pack_index_fits(&p->index, p->pack_len) ? NULL : "the index leads out of its pack";
}

pack_fault pack_examine(const char *folder, pack_file *p, quipu_error *why)
{
    pack_fault answer = PACK_FAULT;
    const char *fault = "the pack does not match its checksum";
    pack_file_map(folder, p, NULL); /* what could not be mapped is seen below */
    if (pack_is_sound(p)) {
        fault = find_index_fault(p);
        answer = fault ? PACK_INDEX_FAULT : PACK_SOUND;
    }
    if (fault)
        fail(why, QUIPU_E_CORRUPT, NULL, "%s", fault);
    pack_file_unmap(p);
    return answer;
}

/* An index that claims so many objects that 28 bytes for each are beyond 32 bits, and is shorter. libgit2 counts its size in 32 bits, believes
 * it, and reads far outside. */
static bool index_claims_too_much(const pack_file *p)
{
    enum { COUNT_AT = 8 + 255 * 4, FIXED = 8 + 256 * 4 + 40, EACH = 28 };
    if (!p->index_bytes || p->index_len < FIXED || memcmp(p->index_bytes, "\377tOc", 4) != 0)
        return false;
    uint64_t claimed = FIXED + (uint64_t)get_u32(p->index_bytes + COUNT_AT) * EACH;
    return claimed > UINT32_MAX && claimed > p->index_len;
}

int32_t pack_check_offsets(const char *folder, quipu_error *error)
{
    pack_list list = { 0 };
    int32_t code = pack_list_read(folder, &list, error);
    for (size_t i = 0; i < list.count && code == QUIPU_OK; i++) {
        const char *name = list.packs[i].name;
        /* one that cannot be mapped was taken away meanwhile, or libgit2 refuses it by itself */
        bool mapped = pack_file_map(folder, &list.packs[i], NULL) == QUIPU_OK;
        if (mapped ? !pack_index_fits(&list.packs[i].index, list.packs[i].pack_len)
                   : index_claims_too_much(&list.packs[i]))
            code =
                fail(error, QUIPU_E_CORRUPT, NULL, "%s/%s.idx is damaged; run `quipu verify --repair`", folder, name);
    }
    pack_list_free(&list);
    return code;
}
