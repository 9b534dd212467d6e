/* migrate.c - the extension migrate/1: a run of change sets, many of them in one publication (sdk/write_queue.h cuts the pieces). */
#include "backend.h"

static int32_t git_migrate_write(quipu_backend *self, const quipu_array *sets, quipu_receipt *receipts, uint64_t *done,
                                 const quipu_call *call, quipu_error *error)
{
    uint64_t written = 0;
    int32_t code = check_writable(self, call, error);
    if (code == QUIPU_OK)
        code = write_queue_bulk(&self->queue, sets, receipts, &written, call, error);
    if (done)
        *done = written;
    background_bulk(self, written);
    if (written > 0)
        embed_thread_wake(self->follower);
    return code;
}

const quipu_migrate_api git_migrate = {
    .struct_size = sizeof(quipu_migrate_api),
    .write = git_migrate_write,
    .position = moved_position,
    .fence = moved_fence,
    .unfence = moved_unfence,
    .fenced = moved_fenced,
    .hold = moved_hold,
    .release = moved_release,
};
