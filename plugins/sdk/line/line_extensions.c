/* line_extensions.c - history/1 and vectors/1 of a backend on line.h, and verify/1's look at its index. */
#include <sdk/line_backend.h>

#include <base/fail.h>

/* ---- history/1 ---- */

static const line_store *line_of(quipu_backend *self)
{
    return &((line_backend *)self)->line;
}

static int32_t history_resolve(quipu_backend *self, const quipu_str *spec, quipu_revision_fn visit, void *context,
                               const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? line_show(line_of(self), spec, visit, context, call, error) : code;
}

static int32_t history_log(quipu_backend *self, const quipu_log_query *query, quipu_revision_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? line_log(line_of(self), query, visit, context, call, error) : code;
}

static int32_t history_diff(quipu_backend *self, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                            quipu_difference_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? line_diff(line_of(self), from, to, id, visit, context, call, error) : code;
}

static int32_t history_revert(quipu_backend *self, const quipu_str *spec, const quipu_change_set *as,
                              quipu_receipt *receipt, const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? line_revert(line_of(self), spec, as, receipt, call, error) : code;
}

static int32_t history_restore(quipu_backend *self, const quipu_str *id, const quipu_str *as_of,
                               const quipu_change_set *as, quipu_receipt *receipt, const quipu_call *call,
                               quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? line_restore(line_of(self), id, as_of, as, receipt, call, error) : code;
}

const quipu_history_api line_history = {
    .struct_size = sizeof(quipu_history_api),
    .resolve = history_resolve,
    .log = history_log,
    .diff = history_diff,
    .revert = history_revert,
    .restore = history_restore,
};

/* ---- vectors/1 ---- */

static int32_t vectors_state(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call, quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_vectors(&line_indexes, self, out, call, error) : code;
}

static int32_t vectors_embed(quipu_backend *self, quipu_vectors_fn visit, void *context, const quipu_call *call,
                             quipu_error *error)
{
    int32_t code = line_check_entry(self, call, error);
    return code == QUIPU_OK ? index_owner_embed(&line_indexes, self, visit, context, call, error) : code;
}

const quipu_vectors_api line_vectors = { .struct_size = sizeof(quipu_vectors_api),
                                         .state = vectors_state,
                                         .embed = vectors_embed };

/* ---- verify/1: the index against the tables ---- */

typedef struct comparison {
    const line_store *line;
    line_reader *reader;
    uint64_t shown, wrong;
} comparison;

static int32_t compare_hit(void *context, const quipu_hit *hit)
{
    comparison *x = context;
    record *r = NULL;
    int32_t code = line_record_at(x->line, x->reader, hit->record->id, -1, &r, NULL);
    x->shown++;
    x->wrong += code == QUIPU_OK && (!r || !str_same(record_view(r)->version, hit->record->version));
    record_free(r);
    return 0;
}

/* *right: it shows what the newest revision holds, and nothing else. */
static int32_t compare(quipu_backend *self, record_index *index, comparison *x, bool *right, const quipu_call *call,
                       quipu_error *error)
{
    const line_api *api = x->line->api;
    quipu_filter all = { .struct_size = sizeof all, .flags = QUIPU_FILTER_EXPIRED, .now = QUIPU_TIME_NONE };
    quipu_scan scan = { .struct_size = sizeof scan, .filter = &all };
    line_revision newest = { 0 };
    int32_t code = api->take(self, call, &x->reader, error);
    if (code != QUIPU_OK)
        return code;
    code = api->snapshot(x->reader, error);
    if (code == QUIPU_OK)
        code = api->newest(x->reader, &newest, error);
    if (code == QUIPU_OK)
        code = record_index_scan(index, &scan, compare_hit, x, call, error);
    api->give(self, x->reader);
    *right = code == QUIPU_OK && !x->wrong && x->shown == (uint64_t)newest.records;
    return code == QUIPU_E_CORRUPT ? QUIPU_OK : code;
}

static int32_t verify_views(quipu_backend *self, findings *f, const quipu_call *call, quipu_error *error)
{
    static const quipu_str none = { 0 };
    views *all = ((line_backend *)self)->views;
    comparison x = { .line = line_of(self) };
    bool right = false;
    view *held;
    int32_t code = views_take(all, none, &held, NULL, error);
    if (code == QUIPU_E_CORRUPT)
        return findings_tell(f, QUIPU_FINDING_WARNING, "index", none, "it cannot be built while records are damaged",
                             0);
    if (code != QUIPU_OK)
        return code;
    code = compare(self, view_index(held), &x, &right, call, error);
    view_give(held);
    if (code == QUIPU_OK && !right)
        code = findings_tell(f, QUIPU_FINDING_DAMAGE, "index", none, "it does not show what is stored", 0);
    if (code == QUIPU_OK && !right && findings_repair(f)) {
        code = views_forget(all, error);
        if (code == QUIPU_OK)
            code = findings_tell(f, QUIPU_FINDING_REPAIRED, "index", none, "it was thrown away, and is built again", 0);
    }
    return code == QUIPU_OK ? findings_tell(f, QUIPU_FINDING_CHECKED, "index", none, NULL, x.shown) : code;
}

int32_t line_verify_index(quipu_backend *self, text_language language, findings *f, const quipu_call *call,
                          quipu_error *error)
{
    line_backend *base = (line_backend *)self;
    if (base->views)
        return verify_views(self, f, call, error);
    int32_t code = views_open(&line_views, &base->line, base->host, base->folder, !findings_repair(f), language,
                              &base->views, error);
    if (code == QUIPU_OK)
        code = verify_views(self, f, call, error);
    views_close(base->views);
    base->views = NULL;
    return code;
}
