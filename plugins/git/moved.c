/*
 * moved.c - the fence of a store that has moved away (the group "fence" of migrate/1): the file quipu/moved (sdk/fence.h).
 *
 * Every writer of Quipu asks for it under the store's lock, so that who comes after the fence sees it, and who came before has
 * moved the branch. A commit marks the place in the history, and makes sure that stock git, which takes no lock, has not moved the
 * branch either. The file comes first: where the process is killed between the two, the store is fenced at the position that was asked
 * for, and only lacks the mark.
 */
#include "backend.h"

#include <base/fail.h>
#include <sdk/fence.h>
#include <time.h>

int32_t moved_check(const quipu_backend *self, quipu_error *error)
{
    return atomic_load(&self->past_fence) ? QUIPU_OK : fence_check(git_store_private(self->store), error);
}

int32_t moved_position(quipu_backend *self, char out[QUIPU_POSITION_MAX + 1], const quipu_call *call,
                       quipu_error *error)
{
    object_id head;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && !out)
        code = fail(error, QUIPU_E_INVALID, "out", "out is NULL");
    if (code == QUIPU_OK)
        code = git_store_head(self->store, &head, error);
    if (code == QUIPU_OK)
        object_id_print(&head, out);
    return code;
}

/* The commit that tells readers of the history. */
static int32_t mark(quipu_backend *self, git_transaction *t, const quipu_str *place, const quipu_change_set *as,
                    quipu_error *error)
{
    buffer note = { 0 }, message = { 0 };
    object_id revision;
    quipu_change_set set = *as;
    buffer_append_text(&note, "to ");
    buffer_append_str(&note, *place);
    set.operation = str_of("move");
    set.note = str_make(note.bytes, note.len);
    message_print(&set, NULL, 0, false, &message);
    commit_words words = { .author = set.author,
                           .time = set.time,
                           .committed = host_now(self->host),
                           .message = str_make(message.bytes, message.len) };
    int32_t code = note.failed || message.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for the fence")
                                                 : git_transaction_commit(t, &words, &revision, error);
    buffer_free(&note);
    buffer_free(&message);
    return code;
}

/* Under the store's lock. Ends the transaction. */
static int32_t fence_at(quipu_backend *self, git_transaction *t, const quipu_str *position, const quipu_str *place,
                        const quipu_change_set *as, quipu_error *error)
{
    char head[OBJECT_ID_HEX + 1];
    const char *folder = git_store_private(self->store);
    bool lost = false;
    object_id_print(git_transaction_head(t), head);
    int32_t code = moved_check(self, error);
    if (code == QUIPU_OK && !str_same(*position, str_of(head)))
        code = fail(error, QUIPU_E_CONFLICT, "position", "the store has changed meanwhile: it stands at %s", head);
    if (code == QUIPU_OK)
        code = mark(self, t, place, as, error);
    if (code == QUIPU_OK)
        code = fence_set(folder, *place, error);
    if (code != QUIPU_OK) {
        git_abort(t);
        return code;
    }
    code = git_publish(t, &lost, error);
    if (code == QUIPU_OK && lost)
        code = fail(error, QUIPU_E_CONFLICT, "position", "another program moved the branch meanwhile");
    if (code != QUIPU_OK && code != QUIPU_E_UNCERTAIN)
        fence_drop(folder);
    return code == QUIPU_E_UNCERTAIN ? QUIPU_OK : code; /* the fence stands; only the mark may be lost in a power cut */
}

int32_t moved_fence(quipu_backend *self, const quipu_str *position, const quipu_str *place, const quipu_change_set *as,
                    const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = fence_check_place(place, self->flags, error);
    if (code == QUIPU_OK)
        code = fence_check_set(position, as, error);
    if (code != QUIPU_OK)
        return code;
    git_transaction *t = self->held;
    self->held = NULL; /* it ends, one way or the other */
    if (!t)
        code = git_begin(self->store, call, &t, error);
    return code == QUIPU_OK ? fence_at(self, t, position, place, as, error) : code;
}

/* Asks for the store's lock again and again, with short pauses: processes that write one change after the other leave it free for
 * moments only. */
static int32_t begin_soon(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    git_transaction *t = NULL;
    static const quipu_call at_once = { .struct_size = sizeof at_once, .deadline_ns = 1 };
    static const struct timespec moment = { 0, 100000 };
    int32_t code = QUIPU_E_TIMEOUT;
    if (!call || (!call->deadline_ns && !call->cancel))
        code = git_begin(self->store, NULL, &t, error);
    while (code == QUIPU_E_TIMEOUT) {
        code = git_begin(self->store, &at_once, &t, error);
        if (code == QUIPU_E_TIMEOUT && call_check(call, error) != QUIPU_OK)
            break;
        if (code == QUIPU_E_TIMEOUT)
            nanosleep(&moment, NULL);
    }
    if (code == QUIPU_OK)
        self->held = t;
    return code;
}

int32_t moved_hold(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_writable(self, call, error);
    if (code == QUIPU_OK && self->held)
        return fail(error, QUIPU_E_STATE, NULL, "the other writers are held already");
    if (code == QUIPU_OK)
        code = begin_soon(self, call, error);
    if (code != QUIPU_OK)
        return code;
    code = moved_check(self, error);
    if (code != QUIPU_OK)
        moved_release(self);
    return code;
}

void moved_release(quipu_backend *self)
{
    git_abort(self->held);
    self->held = NULL;
}

int32_t moved_unfence(quipu_backend *self, const quipu_str *place, uint32_t scope, const quipu_call *call,
                      quipu_error *error)
{
    git_transaction *t;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && scope > QUIPU_UNFENCE_SELF)
        code = fail(error, QUIPU_E_INVALID, "scope", "%u is no scope of unfence", scope);
    if (code == QUIPU_OK)
        code = fence_check_place(place, self->flags, error);
    if (code == QUIPU_OK)
        code = git_begin(self->store, call, &t, error);
    if (code != QUIPU_OK)
        return code;
    code = fence_take(git_store_private(self->store), *place, scope, error);
    if (code == QUIPU_OK)
        atomic_store(&self->past_fence, scope == QUIPU_UNFENCE_SELF);
    git_abort(t);
    return code;
}

int32_t moved_fenced(quipu_backend *self, quipu_sink_fn sink, void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    return code == QUIPU_OK ? fence_show(git_store_private(self->store), sink, context, error) : code;
}
