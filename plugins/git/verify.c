/* verify.c - the extension verify/1: objects, refs, records and the index, each against what it should be. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/query.h>

typedef struct check {
    quipu_backend *self;
    quipu_finding_fn visit;
    void *context;
    const quipu_call *call;
    quipu_error *error;
    uint64_t count; /* things of the area at hand that were looked at */
    bool stop;
} check;

/* Ends a walk because the visitor wants no more. */
enum { ENOUGH = 1 };

static int32_t show(check *c, uint32_t severity, const char *area, quipu_str subject, const char *message)
{
    quipu_finding finding = { .struct_size = sizeof finding,
                              .severity = severity,
                              .area = str_of(area),
                              .subject = subject,
                              .message = str_of(message),
                              .count = severity == QUIPU_FINDING_CHECKED ? c->count : 0 };
    int32_t code = query_answer(c->visit(c->context, &finding), &c->stop, c->error);
    return code != QUIPU_OK ? code : c->stop ? ENOUGH : QUIPU_OK;
}

static int32_t done(check *c, const char *area)
{
    int32_t code = show(c, QUIPU_FINDING_CHECKED, area, (quipu_str){ 0 }, NULL);
    c->count = 0;
    return code;
}

/* Every object: is it readable, and does it hold what its name says? */
static int32_t check_object(void *context, const object_id *id)
{
    check *c = context;
    quipu_error fault = { .struct_size = sizeof fault };
    char digits[OBJECT_ID_HEX + 1];
    int32_t code = call_check(c->call, c->error);
    c->count++;
    if (code == QUIPU_OK && objects_check(git_store_objects(c->self->store), id, &fault) != QUIPU_OK) {
        object_id_print(id, digits);
        code = show(c, QUIPU_FINDING_DAMAGE, "objects", str_of(digits), fault.message);
    }
    return code;
}

/* Every pack and index against its checksum: git refuses one where a bit has changed that no object needs. */
static int32_t show_pack(void *context, const char *name, const char *fault)
{
    return show(context, QUIPU_FINDING_DAMAGE, "objects", str_of(name), fault);
}

static int32_t check_packs(check *c)
{
    buffer folder = { 0 };
    buffer_printf(&folder, "%s/objects/pack", git_store_path(c->self->store));
    int32_t code = folder.failed ? fail(c->error, QUIPU_E_NO_MEMORY, NULL, "no memory to check the packs")
                                 : pack_check_all(folder.bytes, show_pack, c, c->call, c->error);
    buffer_free(&folder);
    return code;
}

/* The branch: does it lead to a commit, and that to all before it, in order of time? */
static int32_t check_commit(void *context, const commit *commit_)
{
    check *c = context;
    (void)commit_;
    c->count++;
    return call_check(c->call, c->error);
}

static int32_t check_branch(check *c, const object_id *head)
{
    quipu_error fault = { .struct_size = sizeof fault };
    if (object_id_is_none(head))
        return show(c, QUIPU_FINDING_DAMAGE, "refs", str_of("HEAD"), "the branch has no commit");
    int32_t code = commit_walk(git_store_objects(c->self->store), head, NULL, check_commit, c, &fault);
    if (code == QUIPU_E_CORRUPT)
        return show(c, QUIPU_FINDING_DAMAGE, "refs", str_of("HEAD"), fault.message);
    if (code != QUIPU_OK && c->error && c->error->struct_size >= sizeof fault)
        *c->error = fault;
    return code;
}

static int32_t check_aside(void *context, const char *path, const char *reason)
{
    return show(context, QUIPU_FINDING_WARNING, "records", str_of(path), reason);
}

/* ---- the index against the store ---- */

typedef struct compare {
    check *check;
    record_index *other;
    const char *missing; /* what to say of a record that the other side lacks or holds otherwise */
} compare;

static int32_t compare_record(void *context, const quipu_hit *hit)
{
    compare *cmp = context;
    record *r = record_index_find(cmp->other, hit->record->id);
    bool same = r && str_same(record_view(r)->version, hit->record->version);
    record_free(r);
    cmp->check->count++;
    return same ? QUIPU_OK : show(cmp->check, QUIPU_FINDING_DAMAGE, "index", hit->record->id, cmp->missing);
}

static int32_t compare_views(check *c, record_index *a, record_index *b, const char *missing)
{
    quipu_filter all = { .struct_size = sizeof all, .flags = QUIPU_FILTER_EXPIRED, .now = QUIPU_TIME_NONE };
    quipu_scan scan = { .struct_size = sizeof scan, .filter = &all };
    compare cmp = { c, b, missing };
    c->count = 0;
    int32_t code = record_index_scan(a, &scan, compare_record, &cmp, c->call, c->error);
    return code == QUIPU_OK && c->stop ? ENOUGH : code;
}

/* Records: does each file parse and stand at its own path? Index: does it hold the same as the tree? */
static int32_t check_records(check *c)
{
    view *present = NULL, *fresh = NULL;
    object_id at;
    quipu_error fault = { .struct_size = sizeof fault };
    int32_t code = view_take(c->self, (quipu_str){ 0 }, &present, &fault);
    if (code == QUIPU_OK) {
        view_commit(present, &at);
        code = view_fresh(c->self, &at, &fresh, &fault);
    }
    if (code == QUIPU_E_CORRUPT)
        code = show(c, QUIPU_FINDING_DAMAGE, "records", (quipu_str){ 0 }, fault.message);
    else if (code != QUIPU_OK)
        code = fail(c->error, code, NULL, "%s", fault.message);
    if (code != QUIPU_OK || !fresh) {
        view_give(present);
        return code;
    }
    if (code == QUIPU_OK) {
        code = view_each_aside(fresh, check_aside, c);
        c->count = record_index_count(view_index(fresh)) + view_aside_count(fresh);
    }
    if (code == QUIPU_OK)
        code = done(c, "records");
    if (code == QUIPU_OK)
        code = compare_views(c, view_index(present), view_index(fresh), "the index holds what the store does not");
    if (code == QUIPU_OK)
        code = compare_views(c, view_index(fresh), view_index(present), "the index lacks what the store holds");
    if (code == QUIPU_OK)
        code = done(c, "index");
    view_give(present);
    view_give(fresh);
    return code;
}

static int32_t verify(quipu_backend *self, uint32_t flags, quipu_finding_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    check c = { .self = self, .visit = visit, .context = context, .call = call, .error = error };
    object_id head;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = abi_check_flags(flags, 0, "flags", error);
    if (code == QUIPU_OK)
        code = git_store_head(self->store, &head, error);
    if (code == QUIPU_OK)
        code = objects_each(git_store_objects(self->store), check_object, &c, error);
    if (code == QUIPU_OK)
        code = check_packs(&c);
    if (code == QUIPU_OK)
        code = done(&c, "objects");
    if (code == QUIPU_OK)
        code = check_branch(&c, &head);
    if (code == QUIPU_OK)
        code = done(&c, "refs");
    if (code == QUIPU_OK)
        code = check_records(&c);
    return code == ENOUGH ? QUIPU_OK : code;
}

const quipu_verify_api git_verify = {
    .struct_size = sizeof(quipu_verify_api),
    .verify = verify,
};
