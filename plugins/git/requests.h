/*
 * requests.h - change sets on their way through the write queue: what apply and the bulk way in share.
 */
#ifndef PLUGINS_GIT_REQUESTS_H
#define PLUGINS_GIT_REQUESTS_H

#include "backend.h"

struct request {
    const quipu_change_set *set; /* checked */
    const quipu_call *call;
    const request *after; /* is only begun with where that one succeeded, and fails as it did; NULL: stands alone */
    quipu_error error;
    request *next; /* in the queue */
    int32_t code;
    bool taken; /* by the writer */
    bool done;
    bool late; /* its deadline passed, or it was cancelled, while the store's lock was waited for: `code` says which */
    uint32_t flags; /* of the receipt */
    uint64_t changed;
    object_id revision; /* none: no commit was made */
};

/* What is asked of a set before it is queued: the store is open for writing, set and receipt are well formed. */
int32_t request_check(quipu_backend *self, const quipu_change_set *set, const quipu_receipt *receipt,
                      quipu_error *error);
/* Writes the whole list (linked by `next`, each `after` the one before) in one publication, with what waits in the queue before it. */
void request_run_list(quipu_backend *self, request *list);
/* Fills receipt or error from a request that is done; answers with its code. Both may be NULL. */
int32_t request_answer(const request *r, quipu_receipt *receipt, quipu_error *error);

#endif
