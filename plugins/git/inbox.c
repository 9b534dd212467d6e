/*
 * inbox.c - what stock git pushed to refs/heads/inbox/NAME is merged by record into the branch, and the ref is removed.
 *
 * Somebody who pushes to the branch itself loses the race against a busy writer; the inbox nobody else writes to. Whoever writes next, or
 * opens the store for writing, empties it. What cannot be merged (no store, a newer format) stays there, and is told in the log once.
 */
#include "inbox.h"

#include "merge.h"

#include <base/fail.h>
#include <base/hash.h>
#include <stdlib.h>

#define INBOX "refs/heads/inbox/"

typedef struct letter {
    char *ref;
    object_id tip;
} letter;

typedef struct letters {
    letter *items;
    size_t count;
} letters;

static int32_t take_letter(void *context, const char *name, const object_id *id)
{
    letters *l = context;
    letter *items = realloc(l->items, (l->count + 1) * sizeof *items);
    if (!items)
        return QUIPU_E_NO_MEMORY;
    l->items = items;
    items[l->count] = (letter){ str_dup(str_of(name)), *id };
    return items[l->count].ref ? (l->count++, QUIPU_OK) : QUIPU_E_NO_MEMORY;
}

/* The id of the change follows from what is merged, so that two processes that do it at once mean the same. */
static quipu_change_set set_for(quipu_backend *self, const letter *l)
{
    quipu_change_set set = { .struct_size = sizeof set,
                             .time = host_now(self->host),
                             .operation = str_of("merge"),
                             .source = str_of("quipu-git/" QUIPU_VERSION) };
    uint8_t digest[32];
    hash_sha256(l->tip.bytes, sizeof l->tip.bytes, digest);
    memcpy(set.change_id, digest, sizeof set.change_id);
    return set;
}

static bool was_refused(quipu_backend *self, const object_id *tip)
{
    for (size_t i = 0; i < INBOX_REFUSED; i++)
        if (object_id_equal(&self->inbox_refused[i], tip))
            return true;
    return false;
}

static void note_refused(quipu_backend *self, const object_id *tip)
{
    memmove(&self->inbox_refused[1], &self->inbox_refused[0], (INBOX_REFUSED - 1) * sizeof self->inbox_refused[0]);
    self->inbox_refused[0] = *tip;
}

static void open_letter(quipu_backend *self, const letter *l, const quipu_call *call)
{
    static const object_id none;
    quipu_error error = { .struct_size = sizeof error };
    quipu_change_set set = set_for(self, l);
    merge_source source = { .label = l->ref + strlen("refs/heads/"), .tip = l->tip };
    merge_result result = { 0 };
    bool lost = false;
    int32_t code = merge_history(self, &source, &set, &result, call, &error);
    if (code == QUIPU_OK)
        code = git_store_set_ref(self->store, l->ref, &l->tip, &none, &lost, &error);
    if (code != QUIPU_OK) {
        host_log(self->host, QUIPU_LOG_WARNING, "git", "%s was not merged and stays: %s", source.label, error.message);
        if (code != QUIPU_E_TIMEOUT && code != QUIPU_E_CANCELLED) /* it was not looked at */
            note_refused(self, &l->tip);
    } else if (result.conflicts) {
        host_log(self->host, QUIPU_LOG_WARNING, "git", "%s was merged with %llu conflicts; see `quipu conflicts`",
                 source.label, (unsigned long long)result.conflicts);
    }
}

void inbox_empty(quipu_backend *self, const quipu_call *call)
{
    letters l = { 0 };
    if (self->flags & QUIPU_OPEN_READ_ONLY)
        return;
    if (git_store_refs(self->store, INBOX, take_letter, &l, NULL) == QUIPU_OK)
        for (size_t i = 0; i < l.count; i++)
            if (!was_refused(self, &l.items[i].tip))
                open_letter(self, &l.items[i], call);
    for (size_t i = 0; i < l.count; i++)
        free(l.items[i].ref);
    free(l.items);
}
