/* write_queue.c - see write_queue.h. */
#include <sdk/write_queue.h>

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/change.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH_MAX = 256, WAIT_NS = 5000000, GATHER_NS = 200000 };

/* One batch of a bulk holds no more than this: of change sets, and of bytes of records. */
enum { PIECE_SETS = 16384, PIECE_BYTES = 64 << 20 };

void write_queue_begin(write_queue *q, write_batch_fn write, void *context)
{
    *q = (write_queue){ .write = write, .context = context };
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->done, NULL);
    pthread_cond_init(&q->arrived, NULL);
}

void write_queue_end(write_queue *q)
{
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->done);
    pthread_cond_destroy(&q->arrived);
}

/* ---- the batch ---- */

bool write_batch_bounded(const write_request *batch)
{
    bool bounded = false;
    for (const write_request *r = batch; r; r = r->next)
        bounded = bounded || (r->call && (r->call->deadline_ns || r->call->cancel));
    return bounded;
}

bool write_batch_drop_late(write_request *batch)
{
    bool left = false;
    for (write_request *r = batch; r; r = r->next) {
        if (!r->late && (r->code = call_check(r->call, &r->error)) != QUIPU_OK)
            r->late = true;
        left = left || !r->late;
    }
    return left;
}

void write_batch_fail(write_request *batch, int32_t code, const quipu_error *error)
{
    for (write_request *r = batch; r; r = r->next)
        if (r->code == QUIPU_OK) {
            r->code = code;
            r->error = *error;
        }
}

/* ---- the queue ---- */

static void enqueue(write_queue *q, write_request *r)
{
    if (q->last)
        q->last->next = r;
    else
        q->first = r;
    q->last = r;
    q->waiting++;
    if (q->waiting >= q->together) /* who gathers waits for that many */
        pthread_cond_signal(&q->arrived);
}

/* Takes a request out that nobody has begun with. */
static void dequeue(write_queue *q, write_request *r)
{
    write_request **place = &q->first, *before = NULL;
    while (*place != r) {
        before = *place;
        place = &(*place)->next;
    }
    *place = r->next;
    if (q->last == r)
        q->last = before;
    q->waiting--;
}

static write_request *take_all(write_queue *q)
{
    write_request *batch = q->first, *last = batch;
    for (int i = 1; i < BATCH_MAX && last->next; i++)
        last = last->next;
    q->first = last->next;
    if (!q->first)
        q->last = NULL;
    last->next = NULL;
    q->together = 0;
    for (write_request *r = batch; r; r = r->next) {
        r->taken = true;
        q->together++;
    }
    q->waiting -= q->together;
    return batch;
}

/* Waits for a signal, but no longer than `ns`; false where that time is over. */
static bool wait_for(write_queue *q, pthread_cond_t *signal, long ns)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ns;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(signal, &q->lock, &until) == 0;
}

static void wait_a_little(write_queue *q, bool bounded)
{
    if (bounded)
        wait_for(q, &q->done, WAIT_NS);
    else
        pthread_cond_wait(&q->done, &q->lock);
}

/* Threads that wrote together come back together: a moment's wait for those that are still on their way saves a round of syncs.
 * One thread alone never waits. */
static void gather(write_queue *q)
{
    while (q->waiting < q->together && wait_for(q, &q->arrived, GATHER_NS))
        continue;
}

/* Tells those up to `end` that they are done, and lets the next one write. With the lock held. */
static void finish(write_queue *q, write_request *batch, const write_request *end)
{
    for (write_request *next; batch != end; batch = next) {
        next = batch->next;
        batch->done = true;
    }
    q->busy = false;
    pthread_cond_broadcast(&q->done);
}

void write_queue_run(write_queue *q, write_request *r)
{
    bool bounded = r->call && (r->call->deadline_ns || r->call->cancel);
    pthread_mutex_lock(&q->lock);
    enqueue(q, r);
    while (!r->done) {
        if (q->busy) {
            wait_a_little(q, bounded);
            if (!r->taken && bounded && (r->code = call_check(r->call, &r->error)) != QUIPU_OK) {
                dequeue(q, r);
                break;
            }
            continue;
        }
        q->busy = true;
        gather(q);
        write_request *batch = take_all(q);
        pthread_mutex_unlock(&q->lock);
        q->write(q->context, batch);
        pthread_mutex_lock(&q->lock);
        finish(q, batch, NULL);
    }
    pthread_mutex_unlock(&q->lock);
}

/* Writes the whole list (linked by `next`, each `after` the one before) in one batch, with what waits in the queue before it. */
static void run_list(write_queue *q, write_request *list)
{
    write_request *waiting = NULL, **end = &waiting;
    bool bounded = list->call && (list->call->deadline_ns || list->call->cancel);
    pthread_mutex_lock(&q->lock);
    while (q->busy) {
        wait_a_little(q, bounded);
        if (bounded && (list->code = call_check(list->call, &list->error)) != QUIPU_OK) {
            pthread_mutex_unlock(&q->lock);
            return; /* the rest of the list hangs on its first */
        }
    }
    q->busy = true;
    if (q->first)
        waiting = take_all(q);
    pthread_mutex_unlock(&q->lock);
    while (*end)
        end = &(*end)->next;
    *end = list;
    q->write(q->context, waiting);
    pthread_mutex_lock(&q->lock);
    finish(q, waiting, list);
    pthread_mutex_unlock(&q->lock);
}

/* ---- one request ---- */

int32_t write_request_check(const quipu_change_set *set, const quipu_receipt *receipt, quipu_error *error)
{
    int32_t code = change_set_check(set, error);
    return code == QUIPU_OK ? receipt_check(receipt, error) : code;
}

int32_t write_request_answer(const write_request *r, quipu_receipt *receipt, quipu_error *error)
{
    if (r->code == QUIPU_OK) {
        receipt_fill(receipt, r->flags, r->changed, r->revision);
    } else if (error && error->struct_size >= sizeof *error) {
        uint32_t size = error->struct_size;
        *error = r->error;
        error->struct_size = size;
    }
    return r->code;
}

/* ---- a bulk ---- */

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

/* Makes requests of the sets from `from` on, as many as one batch takes. A set that is not well formed ends the piece: *code is
 * what is wrong with it. */
static uint64_t fill_piece(const quipu_array *sets, quipu_receipt *receipts, uint64_t from, const quipu_call *call,
                           write_request *piece, int32_t *code, quipu_error *error)
{
    uint64_t n = 0, bytes = 0;
    *code = QUIPU_OK;
    while (n < PIECE_SETS && from + n < sets->count && bytes < PIECE_BYTES) {
        const quipu_change_set *set = QUIPU_AT(quipu_change_set, sets, from + n);
        *code = write_request_check(set, receipt_at(receipts, from + n), error);
        if (*code != QUIPU_OK)
            break;
        piece[n] = (write_request){ .set = set,
                                    .call = call,
                                    .after = n ? &piece[n - 1] : NULL,
                                    .bulk = true,
                                    .error = { .struct_size = sizeof piece->error } };
        if (n)
            piece[n - 1].next = &piece[n];
        bytes += bytes_of(set);
        n++;
    }
    return n;
}

static int32_t write_pieces(write_queue *q, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                            const quipu_call *call, write_request *piece, quipu_error *error)
{
    while (*done < sets->count) {
        int32_t bad;
        uint64_t n = fill_piece(sets, receipts, *done, call, piece, &bad, error);
        if (n > 0)
            run_list(q, piece);
        for (uint64_t i = 0; i < n; i++) {
            int32_t code = write_request_answer(&piece[i], receipt_at(receipts, *done), error);
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

int32_t write_queue_bulk(write_queue *q, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                         const quipu_call *call, quipu_error *error)
{
    uint64_t none = 0;
    if (!done)
        done = &none;
    *done = 0;
    int32_t code = abi_check_array(sets, sizeof(quipu_change_set), "sets", error);
    if (code == QUIPU_OK)
        code = check_receipts(receipts, sets->count, error);
    if (code != QUIPU_OK || sets->count == 0)
        return code;
    size_t room = sets->count < PIECE_SETS ? (size_t)sets->count : PIECE_SETS;
    write_request *piece = calloc(room, sizeof *piece);
    if (!piece)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a run of change sets");
    code = write_pieces(q, sets, receipts, done, call, piece, error);
    free(piece);
    return code;
}
