/* pack_check.c - packs and their indexes against the checksums that they end with; see pack_merge.h. */
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

/* What is wrong with a mapped pack; NULL: nothing. */
static const char *find_fault(const pack_file *p)
{
    if (!sum_fits(p->pack, p->pack_len))
        return "the pack does not match its checksum";
    if (!sum_fits(p->index_bytes, p->index_len))
        return "the index does not match its checksum";
    if (memcmp(p->index_bytes + p->index_len - 2 * (uint64_t)PACK_TRAILER_SIZE,
               p->pack + p->pack_len - PACK_TRAILER_SIZE, PACK_TRAILER_SIZE) != 0)
        return "the index belongs to another pack";
    return NULL;
}

/* False where `git gc` has taken it away meanwhile. */
static bool is_there(const char *folder, const char *name)
{
    buffer path = { 0 };
    buffer_printf(&path, "%s/%s.pack", folder, name);
    bool there = path.failed || access(path.bytes, F_OK) == 0;
    buffer_free(&path);
    return there;
}

int32_t pack_check_all(const char *folder, pack_fault_fn visit, void *context, const quipu_call *call,
                       quipu_error *error)
{
    pack_list list = { 0 };
    int32_t code = pack_list_read(folder, &list, error);
    for (size_t i = 0; i < list.count && code == QUIPU_OK; i++) {
        quipu_error why = { .struct_size = sizeof why };
        code = call_check(call, error);
        if (code != QUIPU_OK)
            break;
        bool mapped = pack_file_map(folder, &list.packs[i], &why) == QUIPU_OK;
        const char *fault = mapped ? find_fault(&list.packs[i]) : why.message;
        if (fault && is_there(folder, list.packs[i].name))
            code = visit(context, list.packs[i].name, fault);
    }
    pack_list_free(&list);
    return code;
}

/* Whether every object that the index tells of begins inside its pack. */
static bool offsets_fit(const pack_file *p)
{
    for (uint32_t i = 0; i < p->index.count; i++) {
        pack_entry entry;
        pack_index_entry(&p->index, i, &entry);
        if (entry.offset < PACK_HEADER_SIZE || entry.offset >= p->pack_len - PACK_TRAILER_SIZE)
            return false;
    }
    return true;
}

int32_t pack_check_offsets(const char *folder, quipu_error *error)
{
    pack_list list = { 0 };
    int32_t code = pack_list_read(folder, &list, error);
    for (size_t i = 0; i < list.count && code == QUIPU_OK; i++) {
        const char *name = list.packs[i].name;
        /* one that cannot be mapped was taken away meanwhile, or libgit2 refuses it by itself */
        if (pack_file_map(folder, &list.packs[i], NULL) == QUIPU_OK && !offsets_fit(&list.packs[i]))
            code =
                fail(error, QUIPU_E_CORRUPT, NULL,
                     "%s/%s.idx is damaged; move it away, then run `git index-pack %s.pack` there", folder, name, name);
    }
    pack_list_free(&list);
    return code;
}
