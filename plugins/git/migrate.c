/*
 * migrate.c - the extension migrate/1: a run of change sets, many of them in one publication.
 *
 * The run is cut into pieces, so that the pack under way stays small in memory and other writers get their turn between two.
 */
#include "requests.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <stdlib.h>

/* One publication holds no more than this: of change sets, and of bytes of records. */
enum { PIECE_SETS = 16384, PIECE_BYTES = 64 << 20 };

static uint64_t bytes_of(const quipu_change_set *set)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < set->changes.count; i++) {
        const quipu_change *change = QUIPU_AT(quipu_change, &set->changes, i);
        sum += change->record ? change->record->json.len : 0;
    }
    return sum;
}

static quipu_receipt *receipt_at(quipu_receipt *receipts, uint64_t i)
{
    return receipts ? (quipu_receipt *)(void *)((char *)receipts + i * receipts->struct_size) : NULL;
}

/* Makes requests of the sets from `from` on, as many as one publication takes. A set that is not well formed ends the piece: *code is
 * what is wrong with it. */
static uint64_t fill_piece(quipu_backend *self, const quipu_array *sets, quipu_receipt *receipts, uint64_t from,
                           const quipu_call *call, request *piece, int32_t *code, quipu_error *error)
{
    uint64_t n = 0, bytes = 0;
    *code = QUIPU_OK;
    while (n < PIECE_SETS && from + n < sets->count && bytes < PIECE_BYTES) {
        const quipu_change_set *set = QUIPU_AT(quipu_change_set, sets, from + n);
        *code = request_check(self, set, receipt_at(receipts, from + n), error);
        if (*code != QUIPU_OK)
            break;
        piece[n] = (request){
            .set = set, .call = call, .after = n ? &piece[n - 1] : NULL, .error = { .struct_size = sizeof piece->error }
        };
        if (n)
            piece[n - 1].next = &piece[n];
        bytes += bytes_of(set);
        n++;
    }
    return n;
}

static int32_t write_pieces(quipu_backend *self, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                            const quipu_call *call, request *piece, quipu_error *error)
{
    while (*done < sets->count) {
        int32_t bad;
        uint64_t n = fill_piece(self, sets, receipts, *done, call, piece, &bad, error);
        if (n > 0)
            request_run_list(self, piece);
        for (uint64_t i = 0; i < n; i++) {
            int32_t code = request_answer(&piece[i], receipt_at(receipts, *done), error);
            if (code != QUIPU_OK)
                return code;
            (*done)++;
        }
        if (bad != QUIPU_OK)
            return bad;
    }
    return QUIPU_OK;
}

static int32_t check_receipts(const quipu_receipt *receipts, uint64_t count, quipu_error *error)
{
    if (!receipts || count == 0)
        return QUIPU_OK;
    int32_t code = abi_check_out(receipts, sizeof *receipts, "quipu_receipt", error);
    if (code == QUIPU_OK && receipts->struct_size % 8)
        code = fail(error, QUIPU_E_INVALID, "receipts", "a receipt of %u bytes cannot stand in a row",
                    receipts->struct_size);
    return code;
}

static int32_t git_migrate_write(quipu_backend *self, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                                 const quipu_call *call, quipu_error *error)
{
    uint64_t none = 0;
    if (!done)
        done = &none;
    *done = 0;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = abi_check_array(sets, sizeof(quipu_change_set), "sets", error);
    if (code == QUIPU_OK)
        code = check_receipts(receipts, sets->count, error);
    if (code != QUIPU_OK || sets->count == 0)
        return code;
    size_t room = sets->count < PIECE_SETS ? (size_t)sets->count : PIECE_SETS;
    request *piece = calloc(room, sizeof *piece);
    if (!piece)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a run of change sets");
    code = write_pieces(self, sets, receipts, done, call, piece, error);
    free(piece);
    return code;
}

const quipu_migrate_api git_migrate = { .struct_size = sizeof(quipu_migrate_api), .write = git_migrate_write };
