/* ledger.c - see ledger.h. */
#include "ledger.h"

#include <base/buffer.h>
#include <base/hash.h>
#include <stdio.h>
#include <stdlib.h>

enum { VERSION_BYTES = 20, VERSION_DIGITS = 40, ID_MOST = 255 };

/* Keys are never 0; a row of a record that is gone has no version. */
typedef struct ledger_row {
    uint32_t key[2];
    uint8_t version[VERSION_BYTES];
} ledger_row;

static void contribution(quipu_str id, quipu_str version, uint64_t out[4])
{
    uint8_t text[ID_MOST + 1 + VERSION_DIGITS], hash[32];
    size_t len = id.len > ID_MOST ? ID_MOST : (size_t)id.len;
    memcpy(text, id.ptr, len);
    text[len] = 0;
    memcpy(text + len + 1, version.ptr, VERSION_DIGITS);
    hash_sha256(text, len + 1 + VERSION_DIGITS, hash);
    for (int i = 0; i < 4; i++) {
        out[i] = 0;
        for (int j = 0; j < 8; j++)
            out[i] = out[i] << 8 | hash[(3 - i) * 8 + j];
    }
}

void digest_add(digest_sum *sum, quipu_str id, quipu_str version)
{
    uint64_t add[4], carry = 0;
    contribution(id, version, add);
    for (int i = 0; i < 4; i++) {
        uint64_t before = sum->words[i], with = before + add[i], all = with + carry;
        carry = (uint64_t)(with < before) | (uint64_t)(all < with);
        sum->words[i] = all;
    }
}

void digest_subtract(digest_sum *sum, quipu_str id, quipu_str version)
{
    uint64_t take[4], borrow = 0;
    contribution(id, version, take);
    for (int i = 0; i < 4; i++) {
        uint64_t before = sum->words[i], without = before - take[i], all = without - borrow;
        borrow = (uint64_t)(before < take[i]) | (uint64_t)(without < borrow);
        sum->words[i] = all;
    }
}

void digest_print(const digest_sum *sum, char out[65])
{
    for (int i = 0; i < 4; i++)
        snprintf(out + (size_t)i * 16, 17, "%016llx", (unsigned long long)sum->words[3 - i]);
}

static uint64_t key_of(const ledger_row *row)
{
    return (uint64_t)row->key[1] << 32 | row->key[0];
}

/* The row of the key, or the free one where it belongs. */
static ledger_row *find(ledger_row *rows, uint64_t room, uint64_t key)
{
    uint64_t at = key & (room - 1);
    while (key_of(&rows[at]) != 0 && key_of(&rows[at]) != key)
        at = (at + 1) & (room - 1);
    return &rows[at];
}

static bool grow(ledger *l)
{
    uint64_t room = l->room ? l->room * 2 : 256;
    if (l->used + 1 <= l->room - l->room / 4)
        return true;
    ledger_row *rows = calloc((size_t)room, sizeof *rows);
    if (!rows)
        return false;
    for (uint64_t i = 0; i < l->room; i++)
        if (key_of(&l->rows[i]))
            *find(rows, room, key_of(&l->rows[i])) = l->rows[i];
    free(l->rows);
    l->rows = rows;
    l->room = room;
    return true;
}

bool ledger_set(ledger *l, quipu_str id, quipu_str version)
{
    static const uint8_t none[VERSION_BYTES];
    char digits[VERSION_DIGITS];
    if (!grow(l))
        return false;
    uint64_t key = hash_table_key(id.ptr, (size_t)id.len, l->seed);
    key += key == 0;
    ledger_row *row = find(l->rows, l->room, key);
    if (key_of(row) == 0) {
        if (!version.ptr)
            return true;
        row->key[0] = (uint32_t)key;
        row->key[1] = (uint32_t)(key >> 32);
        l->used++;
    }
    if (memcmp(row->version, none, sizeof none) != 0) {
        hex_encode(row->version, sizeof row->version, digits);
        digest_subtract(&l->sum, id, str_make(digits, sizeof digits));
        memset(row->version, 0, sizeof row->version);
        l->count--;
    }
    if (version.ptr && hex_decode(version.ptr, VERSION_BYTES, row->version) == 0) {
        digest_add(&l->sum, id, version);
        l->count++;
    }
    return true;
}

void ledger_free(ledger *l)
{
    free(l->rows);
    *l = (ledger){ 0 };
}
