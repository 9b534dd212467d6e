/*
 * past.c - what became of one record, from the history that the backend keeps.
 */
#include "../core/handle.h"

#include <base/fail.h>
#include <quipu_memory.h>
#include <sdk/filter.h>
#include <sdk/record.h>
#include <stdlib.h>

#define REVISIONS_MAX 10000u

typedef struct moment {
    char *revision, *author;
    int64_t time;
} moment;

typedef struct past {
    moment *moments; /* newest first, as the log tells */
    uint64_t count, room;
    const quipu_filter *within;
    quipu_memory_fn visit;
    void *context;
    const moment *at;
    uint64_t told;
    bool enough;
} past;

static int32_t keep_revision(void *context, const quipu_revision *revision)
{
    past *p = context;
    if (p->count == p->room) {
        uint64_t room = p->room ? p->room * 2 : 16;
        moment *more = realloc(p->moments, (size_t)room * sizeof *more);
        if (!more)
            return QUIPU_E_NO_MEMORY;
        p->moments = more;
        p->room = room;
    }
    moment m = { str_dup(revision->name), str_dup(revision->author), revision->time };
    p->moments[p->count++] = m;
    return m.revision && m.author ? 0 : QUIPU_E_NO_MEMORY;
}

static bool may_see(const past *p, const quipu_record *r)
{
    if (!p->within)
        return true;
    quipu_filter any_time = *p->within;
    any_time.flags |= QUIPU_FILTER_EXPIRED;
    return filter_match(&any_time, r, r->created_at) == 1;
}

static int32_t show(past *p, const quipu_str *id, const quipu_record *before, const quipu_record *after)
{
    const quipu_record *seen = after ? after : before;
    if (!seen || !may_see(p, seen))
        return 0;
    quipu_memory_event event = { .struct_size = sizeof event,
                                 .what = !after    ? QUIPU_MEMORY_DELETED
                                         : !before ? QUIPU_MEMORY_ADDED
                                                   : QUIPU_MEMORY_UPDATED,
                                 .index = p->told++,
                                 .id = *id,
                                 .before = before,
                                 .after = after,
                                 .time = p->at ? p->at->time : seen->created_at,
                                 .author = str_of(p->at ? p->at->author : NULL) };
    int32_t answer = p->visit(p->context, &event);
    p->enough = answer != 0;
    return answer;
}

static int32_t show_difference(void *context, const quipu_difference *difference)
{
    return show(context, &difference->id, difference->before, difference->after);
}

static int32_t show_present(void *context, const quipu_hit *hit)
{
    return show(context, &hit->record->id, NULL, hit->record);
}

static int32_t tell_past(past *p, const quipu_history_api *history, quipu_backend *self, const quipu_str *id,
                         const quipu_call *call, quipu_error *error)
{
    quipu_log_query query = { .struct_size = sizeof query, .id = *id, .limit = REVISIONS_MAX };
    int32_t code = history->log(self, &query, keep_revision, p, call, error);
    if (code == QUIPU_E_NOT_FOUND)
        return QUIPU_OK;
    for (uint64_t i = p->count; code == QUIPU_OK && !p->enough && i-- > 0;) {
        quipu_str revision = str_of(p->moments[i].revision);
        p->at = &p->moments[i];
        code = history->diff(self, NULL, &revision, id, show_difference, p, call, error);
    }
    return code;
}

int32_t quipu_memory_history(quipu *q, const quipu_str *id, const quipu_filter *within, quipu_memory_fn visit,
                             void *context, const quipu_call *call, quipu_error *error)
{
    const quipu_str wanted = QUIPU_STR_INIT(QUIPU_EXT_HISTORY);
    past p = { .within = within, .visit = visit, .context = context };
    quipu_lease lease = { .struct_size = sizeof lease };
    quipu_filter expired = { .struct_size = sizeof expired, .flags = QUIPU_FILTER_EXPIRED, .now = QUIPU_TIME_NONE };
    if (!id || !id->ptr || !visit)
        return fail(error, QUIPU_E_INVALID, id && id->ptr ? "visit" : "id", "an id and a visitor are needed");
    int32_t code = quipu_enter(q, &lease, error);
    if (code != QUIPU_OK)
        return code;
    const quipu_history_api *history = lease.api->get_extension(lease.self, &wanted);
    if (history)
        code = tell_past(&p, history, lease.self, id, call, error);
    quipu_leave(q, &lease);
    if (!history) {
        quipu_get query = { .struct_size = sizeof query, .id = *id, .filter = &expired };
        code = quipu_get_record(q, &query, show_present, &p, call, error);
        if (code == QUIPU_E_NOT_FOUND)
            code = QUIPU_OK;
    }
    for (uint64_t i = 0; i < p.count; i++) {
        free(p.moments[i].revision);
        free(p.moments[i].author);
    }
    free(p.moments);
    return code;
}
