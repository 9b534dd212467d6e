/* line_history.c - see line.h: log, differences, revert and restore. */
#include <sdk/line.h>

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/abi_check.h>
#include <sdk/query.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 64 }; /* revisions that are copied before any is shown */

/* ---- a page of revisions, kept so that no reader is held while they are shown ---- */

typedef struct kept {
    line_revision row;
    quipu_revision view; /* its texts lie in the buffer, as offsets until the page is full */
    size_t author, subject, operation, source;
    char name[2 * LINE_NAME], parent[2 * LINE_NAME];
} kept;

typedef struct page {
    kept items[PAGE];
    size_t count;
    buffer texts;
} page;

static size_t keep_text(page *p, quipu_str text)
{
    size_t at = p->texts.len;
    buffer_append_str(&p->texts, text);
    return at;
}

static int32_t keep(void *context, const line_revision *row, const uint8_t parent[LINE_NAME],
                    const quipu_revision *texts, quipu_error *error)
{
    page *p = context;
    kept *k = &p->items[p->count++];
    *k = (kept){ .row = *row, .view = *texts };
    hex_encode(row->name, LINE_NAME, k->name);
    hex_encode(parent, LINE_NAME, k->parent);
    k->author = keep_text(p, texts->author);
    k->subject = keep_text(p, texts->subject);
    k->operation = keep_text(p, texts->operation);
    k->source = keep_text(p, texts->source);
    if (p->texts.failed)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the history");
    return p->count == PAGE ? LINE_ENOUGH : QUIPU_OK;
}

static quipu_str text_at(const page *p, size_t at, quipu_str text)
{
    return text.ptr ? str_make(p->texts.bytes ? p->texts.bytes + at : "", (size_t)text.len) : text;
}

static int32_t show_page(page *p, quipu_revision_fn visit, void *context, bool *stop, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < p->count && code == QUIPU_OK && !*stop; i++) {
        const kept *k = &p->items[i];
        quipu_revision r = k->view;
        r.struct_size = sizeof r;
        r.name = str_make(k->name, sizeof k->name);
        r.parent = k->row.revision > 1 ? str_make(k->parent, sizeof k->parent) : (quipu_str){ 0 };
        r.author = text_at(p, k->author, r.author);
        r.subject = r.message = text_at(p, k->subject, r.subject);
        r.operation = text_at(p, k->operation, r.operation);
        r.source = text_at(p, k->source, r.source);
        r.committed_at = k->row.committed_at;
        code = query_answer(visit(context, &r), stop, error);
    }
    return code;
}

/* ---- log ---- */

typedef struct log_walk {
    const line_store *l;
    quipu_str id;       /* absent: all revisions */
    int64_t revision;   /* the next one to show, without an id */
    int64_t last_state; /* the same with an id: its newest state that is not past this one */
    uint64_t left;      /* revisions that may still be shown */
    page page;
} log_walk;

static int32_t keep_place(void *context, const line_state *s, quipu_error *error)
{
    (void)error;
    *(line_state *)context = (line_state){ .state = s->state, .revision = s->revision, .previous = s->previous };
    return LINE_ENOUGH;
}

/* The revisions that changed one record: its chain of states. */
static int32_t fill_of_record(log_walk *w, line_reader *r, quipu_error *error)
{
    line_state s = { 0 };
    int32_t code = w->l->api->state_of(r, w->id, w->last_state, keep_place, &s, error);
    w->last_state = 0;
    while (code == QUIPU_OK && s.state > 0) {
        code = w->l->api->revisions(r, s.revision, 1, keep, &w->page, error);
        if (code == QUIPU_OK && s.previous >= s.state)
            code = fail(error, QUIPU_E_CORRUPT, NULL, "the chain of states is broken; run `quipu verify`");
        w->last_state = s.previous;
        if (code != QUIPU_OK || w->page.count == PAGE || w->page.count >= w->left || s.previous == 0)
            break;
        int64_t previous = s.previous;
        s = (line_state){ 0 };
        code = w->l->api->state(r, previous, keep_place, &s, error);
    }
    return code;
}

static int32_t fill(log_walk *w, line_reader *r, quipu_error *error)
{
    w->page.count = 0;
    buffer_clear(&w->page.texts);
    if (w->id.ptr)
        return fill_of_record(w, r, error);
    uint64_t limit = w->left < PAGE ? w->left : PAGE;
    int32_t code = w->revision > 0 ? w->l->api->revisions(r, w->revision, limit, keep, &w->page, error) : QUIPU_OK;
    w->revision = w->page.count ? w->page.items[w->page.count - 1].row.revision - 1 : 0;
    return code;
}

static int32_t begin_walk(log_walk *w, const quipu_log_query *query, line_reader *r, quipu_error *error)
{
    line_revision from;
    int32_t code =
        query->from.ptr ? line_resolve(w->l, r, query->from, &from, error) : w->l->api->newest(r, &from, error);
    w->revision = from.revision;
    w->last_state = from.last_state;
    return code;
}

static int32_t walk(log_walk *w, const quipu_log_query *query, quipu_revision_fn visit, void *context,
                    const quipu_call *call, quipu_error *error)
{
    bool stop = false, begun = false;
    uint64_t shown = 0;
    int32_t code = QUIPU_OK;
    do {
        line_reader *r;
        code = w->l->api->take(w->l->self, call, &r, error);
        if (code != QUIPU_OK)
            return code;
        if (!begun)
            code = begin_walk(w, query, r, error);
        if (code == QUIPU_OK)
            code = fill(w, r, error);
        begun = true;
        w->l->api->give(w->l->self, r);
        if (code == QUIPU_OK)
            code = show_page(&w->page, visit, context, &stop, error);
        shown += w->page.count;
        w->left -= w->page.count < w->left ? w->page.count : w->left;
        if (code == QUIPU_OK)
            code = call_check(call, error);
    } while (code == QUIPU_OK && !stop && w->left > 0 && w->page.count > 0 &&
             (w->id.ptr ? w->last_state : w->revision) > 0);
    if (code == QUIPU_OK && w->id.ptr && shown == 0) {
        code = fail(error, QUIPU_E_NOT_FOUND, "id", "no revision ever held a record of this id");
        fail_name_record(error, &w->id);
    }
    return code;
}

int32_t line_log(const line_store *l, const quipu_log_query *query, quipu_revision_fn visit, void *context,
                 const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    if (!error)
        error = &own;
    int32_t code = abi_check_struct(query, sizeof *query, "quipu_log_query", error);
    if (code == QUIPU_OK)
        code = abi_check_flags(query->flags, 0, "flags", error);
    if (code == QUIPU_OK && query->id.ptr)
        code = abi_check_id(query->id, error);
    if (code != QUIPU_OK)
        return code;
    log_walk *w = calloc(1, sizeof *w);
    if (!w)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the history");
    w->l = l;
    w->id = query->id;
    w->left = query->limit ? query->limit : UINT64_MAX;
    code = walk(w, query, visit, context, call, error);
    buffer_free(&w->page.texts);
    free(w);
    return code;
}

int32_t line_show(const line_store *l, const quipu_str *spec, quipu_revision_fn visit, void *context,
                  const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    line_revision at;
    line_reader *r;
    bool stop = false;
    if (!error)
        error = &own;
    int32_t code = history_check_spec(spec, "revision", error);
    if (code == QUIPU_OK)
        code = l->api->take(l->self, call, &r, error);
    if (code != QUIPU_OK)
        return code;
    page *p = calloc(1, sizeof *p);
    code = p ? line_resolve(l, r, *spec, &at, error)
             : fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to read the history");
    if (code == QUIPU_OK)
        code = l->api->revisions(r, at.revision, 1, keep, p, error);
    l->api->give(l->self, r);
    if (code == QUIPU_OK)
        code = show_page(p, visit, context, &stop, error);
    if (p)
        buffer_free(&p->texts);
    free(p);
    return code;
}

/* ---- differences ---- */

typedef struct comparing {
    const line_store *l;
    line_reader *r;
    const quipu_call *call;
    int64_t high;
    bool back; /* from the later to the earlier */
    difference_list *list;
} comparing;

/* Takes both over. Equal states are no difference. */
static int32_t compare(difference_list *list, record *before, record *after, quipu_error *error)
{
    if (before && after && str_same(record_view(before)->version, record_view(after)->version)) {
        record_free(before);
        record_free(after);
        return QUIPU_OK;
    }
    return difference_add(list, before, after, error);
}

static int32_t compare_at(const line_store *l, line_reader *r, quipu_str id, int64_t from, int64_t to,
                          difference_list *list, quipu_error *error)
{
    record *before = NULL, *after = NULL;
    int32_t code = line_record_at(l, r, id, from, &before, error);
    if (code == QUIPU_OK)
        code = line_record_at(l, r, id, to, &after, error);
    if (code == QUIPU_OK)
        return compare(list, before, after, error);
    record_free(before);
    record_free(after);
    return code;
}

/* s: the state before the first change; what there was later is asked for. */
static int32_t compare_older(void *context, const line_state *s, quipu_error *error)
{
    comparing *x = context;
    record *low = NULL, *high = NULL;
    int32_t code = s->state ? line_record(s, &low, error) : QUIPU_OK;
    if (code == QUIPU_OK)
        code = line_record_at(x->l, x->r, s->id, x->high, &high, error);
    if (code == QUIPU_OK)
        code = call_check(x->call, error);
    if (code == QUIPU_OK)
        return compare(x->list, x->back ? high : low, x->back ? low : high, error);
    record_free(low);
    record_free(high);
    return code;
}

/* from: absent or NULL: the revision before `to`. */
static int32_t find_ends(const line_store *l, line_reader *r, const quipu_str *from, const quipu_str *to,
                         line_revision *a, line_revision *b, quipu_error *error)
{
    int32_t code = history_check_spec(to, "to", error);
    if (code == QUIPU_OK)
        code = line_resolve(l, r, *to, b, error);
    if (code != QUIPU_OK)
        return code;
    if (!from || !from->ptr)
        return line_read(l, r, b->revision - 1, a, error);
    code = history_check_spec(from, "from", error);
    return code == QUIPU_OK ? line_resolve(l, r, *from, a, error) : code;
}

static int32_t differences(const line_store *l, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                           difference_list *list, const quipu_call *call, quipu_error *error)
{
    line_revision a, b;
    line_reader *r;
    int32_t code = l->api->take(l->self, call, &r, error);
    if (code != QUIPU_OK)
        return code;
    code = find_ends(l, r, from, to, &a, &b, error);
    if (code == QUIPU_OK && id && id->ptr) {
        code = compare_at(l, r, *id, a.last_state, b.last_state, list, error);
    } else if (code == QUIPU_OK) {
        bool back = a.last_state > b.last_state;
        comparing x = { l, r, call, back ? a.last_state : b.last_state, back, list };
        code = l->api->older(r, back ? b.last_state : a.last_state, x.high, compare_older, &x, error);
    }
    l->api->give(l->self, r);
    return code;
}

int32_t line_diff(const line_store *l, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                  quipu_difference_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    difference_list list = { 0 };
    if (!error)
        error = &own;
    int32_t code = id && id->ptr ? abi_check_id(*id, error) : QUIPU_OK;
    if (code == QUIPU_OK)
        code = differences(l, from, to, id, &list, call, error);
    if (code == QUIPU_OK)
        code = difference_show(&list, visit, context, error);
    difference_list_free(&list);
    return code;
}

/* ---- undoing ---- */

static int32_t note_subject(void *context, const quipu_revision *r) QUIPU_NOEXCEPT
{
    buffer *out = context;
    buffer_printf(out, "%.10s ", r->name.ptr);
    buffer_append_str(out, r->subject);
    return 0;
}

int32_t line_revert(const line_store *l, const quipu_str *spec, const quipu_change_set *as, quipu_receipt *receipt,
                    const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    difference_list list = { 0 };
    buffer note = { 0 };
    if (!error)
        error = &own;
    int32_t code = line_show(l, spec, note_subject, &note, call, error);
    if (code == QUIPU_OK && note.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to revert");
    if (code == QUIPU_OK)
        code = differences(l, NULL, spec, NULL, &list, call, error);
    if (code == QUIPU_OK)
        code = undo_differences(l->self, &list, note.bytes, as, l->api->apply, receipt, call, error);
    difference_list_free(&list);
    buffer_free(&note);
    return code;
}

int32_t line_restore(const line_store *l, const quipu_str *id, const quipu_str *as_of, const quipu_change_set *as,
                     quipu_receipt *receipt, const quipu_call *call, quipu_error *error)
{
    quipu_error own = { .struct_size = sizeof own };
    line_revision at;
    record *then = NULL, *now = NULL;
    line_reader *r;
    if (!error)
        error = &own;
    int32_t code = id ? abi_check_id(*id, error) : fail(error, QUIPU_E_INVALID, "id", "the id is missing");
    if (code == QUIPU_OK)
        code = history_check_spec(as_of, "as_of", error);
    if (code == QUIPU_OK)
        code = l->api->take(l->self, call, &r, error);
    if (code != QUIPU_OK)
        return code;
    code = line_resolve(l, r, *as_of, &at, error);
    if (code == QUIPU_OK)
        code = line_record_at(l, r, *id, at.last_state, &then, error);
    if (code == QUIPU_OK)
        code = line_record_at(l, r, *id, -1, &now, error);
    l->api->give(l->self, r);
    if (code == QUIPU_OK)
        code = undo_restore(l->self, id, then, now, as, l->api->apply, receipt, call, error);
    record_free(then);
    record_free(now);
    return code;
}
