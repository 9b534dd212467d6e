/*
 * records.c - writes records that come as JSON: defaults, ids, times, patches; one change set a call.
 *
 * A patch reads the stored record, and is put back only where nobody was faster (compare-and-swap); else all of it is
 * prepared again from what is stored by then.
 */
#include "records.h"

#include "handle.h"
#include "uuid.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <time.h>

#define PATCH_ATTEMPTS 32 /* with pauses of up to some milliseconds: half a second of a record that everybody writes */

/* ---- what is stored ---- */

typedef struct copying {
    record *copy;
    int32_t code;
} copying;

static int32_t copy_hit(void *context, const quipu_hit *hit)
{
    copying *c = context;
    if (!c->copy)
        c->code = record_from_view(hit->record, false, &c->copy, NULL);
    return c->code;
}

int32_t record_stored(quipu *q, quipu_str id, record **out, const quipu_call *call, quipu_error *error)
{
    copying c = { NULL, QUIPU_OK };
    const quipu_filter also_expired = { .struct_size = sizeof also_expired,
                                        .flags = QUIPU_FILTER_EXPIRED,
                                        .now = QUIPU_TIME_NONE };
    quipu_get query = { .struct_size = sizeof query, .id = id, .filter = &also_expired };
    int32_t code = quipu_get_record(q, &query, copy_hit, &c, call, error);
    *out = c.copy;
    if (code != QUIPU_OK) {
        record_free(c.copy);
        *out = NULL;
        return code;
    }
    return c.copy ? QUIPU_OK : fail(error, QUIPU_E_PLUGIN, NULL, "the backend found a record, but did not show it");
}

/* ---- one write ---- */

static const quipu_write *write_at(const writing *w, uint64_t i)
{
    return QUIPU_AT(quipu_write, w->writes, i);
}

static record_defaults defaults_of(const writing *w)
{
    record_defaults d = { .created_at = w->set.time, .updated_at = w->set.time };
    if (w->options) {
        d.user = w->options->user;
        d.agent = w->options->agent;
        d.session = w->options->session;
        d.app = w->options->app;
    }
    return d;
}

static bool has_member(const cJSON *tree, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(tree, name);
    return member && !cJSON_IsNull(member);
}

/* What a record that is written over keeps: the moment it was first written. Answers whether there is such a record. */
static int32_t keep_created(const writing *w, quipu_str id, record_defaults *d, bool *found, quipu_error *error)
{
    record *stored;
    quipu_error why = { .struct_size = sizeof why };
    int32_t code = record_stored(w->q, id, &stored, w->call, &why);
    *found = code == QUIPU_OK;
    if (code == QUIPU_E_NOT_FOUND)
        return QUIPU_OK;
    if (code != QUIPU_OK) {
        if (error && error->struct_size >= sizeof why)
            *error = why;
        return code;
    }
    if (record_view(stored)->created_at != QUIPU_TIME_NONE)
        d->created_at = record_view(stored)->created_at;
    record_free(stored);
    return QUIPU_OK;
}

static void set_id(prepared *p, quipu_str id)
{
    size_t len = id.len > QUIPU_ID_MAX ? QUIPU_ID_MAX : (size_t)id.len;
    memcpy(p->id, id.ptr, len);
    p->id[len] = '\0';
}

/* The id that scope, category and key stand for. */
static int32_t upsert_id(cJSON *tree, const record_defaults *given, prepared *p, quipu_error *error)
{
    record *draft;
    buffer id = { 0 };
    record_defaults d = *given;
    if (!has_member(tree, "key"))
        return fail(error, QUIPU_E_INVALID, "key", "an upsert needs a key or an id");
    cJSON *copy = cJSON_Duplicate(tree, 1); /* decoding fills in the id, which is not known yet */
    d.id = str_of("draft");
    int32_t code =
        copy ? record_from_tree(copy, &d, &draft, error) : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    cJSON_Delete(copy);
    if (code != QUIPU_OK)
        return code;
    record_upsert_id(record_view(draft), &id);
    record_free(draft);
    if (id.failed || id.len == 0)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    else
        set_id(p, str_make(id.bytes, id.len));
    buffer_free(&id);
    return code;
}

/* An id for a record that has none. With a change id of the caller it is derived from that, so that sending the same set again
 * names the same records. */
static int32_t new_id(const writing *w, uint64_t index, prepared *p, quipu_error *error)
{
    uint8_t uuid[16];
    int32_t code = QUIPU_OK;
    if (write_options_have_id(w->options))
        uuid_derive(w->set.change_id, index, uuid);
    else
        code = uuid_make(uuid, error);
    if (code == QUIPU_OK)
        uuid_print(uuid, p->id);
    p->is_new = true;
    return code;
}

/* Chooses the id of a put, and what it keeps of the record that is stored there. */
static int32_t choose_id(const writing *w, uint64_t index, cJSON *tree, record_defaults *d, prepared *p,
                         quipu_error *error)
{
    const quipu_write *step = write_at(w, index);
    const cJSON *own = cJSON_GetObjectItemCaseSensitive(tree, "id");
    bool named = own && !cJSON_IsNull(own), upsert = w->options && (w->options->flags & QUIPU_WRITE_UPSERT);
    int32_t code = QUIPU_OK;
    if (named && !cJSON_IsString(own))
        return fail(error, QUIPU_E_INVALID, "id", "id must be a string");
    if (named && str_present(step->id) && !str_same(step->id, str_of(own->valuestring)))
        return fail(error, QUIPU_E_INVALID, "id", "the record's JSON has another id than the write");
    if (named)
        set_id(p, str_of(own->valuestring)); /* its length is checked with the rest of the record */
    else if (str_present(step->id) && (step->id.len > QUIPU_ID_MAX || memchr(step->id.ptr, '\0', (size_t)step->id.len)))
        return fail(error, QUIPU_E_INVALID, "id", "an id has 1 to %d bytes, and no NUL byte", QUIPU_ID_MAX);
    else if (str_present(step->id))
        set_id(p, step->id);
    else if (upsert)
        code = upsert_id(tree, d, p, error);
    else
        return new_id(w, index, p, error);

    bool found = true;
    size_t len = strlen(named ? own->valuestring : p->id);
    if (step->expect == QUIPU_EXPECT_ABSENT)
        found = false;
    else if (code == QUIPU_OK && !has_member(tree, "created_at") && len > 0 && len <= QUIPU_ID_MAX)
        code = keep_created(w, str_of(p->id), d, &found, error);
    p->is_new = !found;
    return code;
}

static int32_t prepare_put(const writing *w, uint64_t index, prepared *p, quipu_error *error)
{
    cJSON *tree = NULL;
    record_defaults d = defaults_of(w);
    int32_t code = json_parse(write_at(w, index)->json, &tree, error);
    if (code == QUIPU_OK && !cJSON_IsObject(tree))
        code = fail(error, QUIPU_E_INVALID, NULL, "a record must be a JSON object");
    if (code == QUIPU_OK)
        code = choose_id(w, index, tree, &d, p, error);
    if (code == QUIPU_OK) {
        d.id = str_of(p->id);
        code = record_from_tree(tree, &d, &p->record, error);
    }
    cJSON_Delete(tree);
    return code;
}

/* The patch with the time of the change, where it does not set one itself. */
static int32_t parse_patch(const writing *w, quipu_str json, cJSON **out, quipu_error *error)
{
    buffer now = { 0 };
    int32_t code = json_parse(json, out, error);
    if (code == QUIPU_OK && !cJSON_IsObject(*out))
        return fail(error, QUIPU_E_INVALID, NULL, "a patch must be a JSON object");
    if (code != QUIPU_OK || cJSON_GetObjectItemCaseSensitive(*out, "updated_at"))
        return code;
    time_print(w->set.time, &now);
    cJSON *text = now.failed ? NULL : json_string(str_make(now.bytes, now.len));
    buffer_free(&now);
    if (!text || !cJSON_AddItemToObject(*out, "updated_at", text)) {
        cJSON_Delete(text);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    return QUIPU_OK;
}

static int32_t check_expected(const quipu_write *step, const quipu_record *stored, quipu_error *error)
{
    if (step->expect != QUIPU_EXPECT_VERSION || str_same(step->expected_version, stored->version))
        return QUIPU_OK;
    fail(error, QUIPU_E_CONFLICT, NULL, "the stored version is %.*s, expected was %.*s: read it again",
         (int)stored->version.len, stored->version.ptr, (int)step->expected_version.len, step->expected_version.ptr);
    if (error && error->struct_size >= sizeof *error && stored->version.len < sizeof error->version) {
        memcpy(error->version, stored->version.ptr, (size_t)stored->version.len);
        error->version[stored->version.len] = '\0';
    }
    return QUIPU_E_CONFLICT;
}

static int32_t prepare_patch(const writing *w, uint64_t index, prepared *p, quipu_error *error)
{
    const quipu_write *step = write_at(w, index);
    record *stored = NULL;
    cJSON *patch = NULL;
    int32_t code = parse_patch(w, step->json, &patch, error);
    if (code == QUIPU_OK)
        code = record_stored(w->q, step->id, &stored, w->call, error);
    if (code == QUIPU_OK)
        code = check_expected(step, record_view(stored), error);
    if (code == QUIPU_OK)
        code = record_patch(record_view(stored), patch, NULL, &p->record, error);
    if (code == QUIPU_OK && !str_same(record_view(p->record)->id, step->id))
        code = fail(error, QUIPU_E_INVALID, "id", "a patch cannot change the id");
    if (code == QUIPU_OK) {
        set_id(p, step->id);
        memcpy(p->version, record_view(stored)->version.ptr, QUIPU_VERSION_LEN);
    }
    record_free(stored);
    cJSON_Delete(patch);
    return code;
}

static bool is_hex(quipu_str text)
{
    for (uint64_t i = 0; i < text.len; i++)
        if (!((text.ptr[i] >= '0' && text.ptr[i] <= '9') || (text.ptr[i] >= 'a' && text.ptr[i] <= 'f')))
            return false;
    return true;
}

static int32_t check_step(const quipu_write *step, quipu_error *error)
{
    int32_t code = check_struct(step, sizeof *step, "write", error);
    if (code != QUIPU_OK)
        return code;
    bool put = step->op == QUIPU_CHANGE_PUT, patch = step->op == QUIPU_WRITE_PATCH;
    if (!put && !patch && step->op != QUIPU_CHANGE_DELETE)
        return fail(error, QUIPU_E_INVALID, "op", "%u is no operation", step->op);
    if (step->expect > QUIPU_EXPECT_VERSION || (step->expect == QUIPU_EXPECT_ABSENT && !put))
        return fail(error, QUIPU_E_INVALID, "expect", "%u does not fit this operation", step->expect);
    if (step->reserved)
        return fail(error, QUIPU_E_INVALID, "reserved", "reserved must be 0");
    if (step->expect == QUIPU_EXPECT_VERSION && (step->expected_version.len != QUIPU_VERSION_LEN ||
                                                 !step->expected_version.ptr || !is_hex(step->expected_version)))
        return fail(error, QUIPU_E_INVALID, "expected_version", "a version has %d lower-case hexadecimal digits",
                    QUIPU_VERSION_LEN);
    if (!put && (!step->id.ptr || step->id.len < 1 || step->id.len > QUIPU_ID_MAX))
        return fail(error, QUIPU_E_INVALID, "id", "an id has 1 to %d bytes", QUIPU_ID_MAX);
    if (!put &&
        (memchr(step->id.ptr, '\0', (size_t)step->id.len) || utf8_first_bad(step->id.ptr, (size_t)step->id.len) >= 0))
        return fail(error, QUIPU_E_INVALID, "id", "an id is UTF-8 without NUL bytes");
    if (step->op != QUIPU_CHANGE_DELETE && !step->json.ptr)
        return fail(error, QUIPU_E_INVALID, "json", "there is no JSON");
    return QUIPU_OK;
}

static int32_t prepare(writing *w, uint64_t i, quipu_error *error)
{
    const quipu_write *step = write_at(w, i);
    prepared *p = &w->ready[i];
    record_free(p->record);
    *p = (prepared){ 0 };
    int32_t code = check_step(step, error);
    if (code == QUIPU_OK && step->op == QUIPU_CHANGE_PUT)
        code = prepare_put(w, i, p, error);
    else if (code == QUIPU_OK && step->op == QUIPU_WRITE_PATCH)
        code = prepare_patch(w, i, p, error);
    else if (code == QUIPU_OK)
        set_id(p, step->id);
    if (code != QUIPU_OK) {
        if (error && error->struct_size >= sizeof *error)
            error->index = i;
        if (p->id[0] || step->id.ptr) {
            quipu_str id = p->id[0] ? str_of(p->id) : step->id;
            fail_name_record(error, &id);
        }
        return code;
    }
    quipu_change *c = &w->changes[i];
    *c = (quipu_change){ .struct_size = sizeof *c,
                         .op = p->record ? QUIPU_CHANGE_PUT : QUIPU_CHANGE_DELETE,
                         .expect = step->expect,
                         .id = str_of(p->id),
                         .expected_version =
                             step->expect == QUIPU_EXPECT_VERSION ? step->expected_version : (quipu_str){ NULL, 0 },
                         .record = p->record ? record_view(p->record) : NULL };
    if (step->op == QUIPU_WRITE_PATCH) {
        c->expect = QUIPU_EXPECT_VERSION;
        c->expected_version = str_of(p->version);
    }
    return QUIPU_OK;
}

/* ---- all of them ---- */

/* The word for what was done, where the caller gave none. */
static quipu_str operation_of(const writing *w)
{
    bool all_new = true, all_gone = true;
    for (uint64_t i = 0; i < w->writes->count; i++) {
        all_new = all_new && w->ready[i].is_new;
        all_gone = all_gone && !w->ready[i].record;
    }
    return str_of(all_gone ? "delete" : all_new ? "add" : "update");
}

/* True where the conflict is about a patch that took whatever was stored: worth another try. */
static bool may_retry(const writing *w, const quipu_error *why)
{
    for (uint64_t i = 0; i < w->writes->count; i++) {
        const quipu_write *step = write_at(w, i);
        if (step->op == QUIPU_WRITE_PATCH && step->expect != QUIPU_EXPECT_VERSION &&
            (strcmp(why->id, w->ready[i].id) == 0 || strlen(w->ready[i].id) >= sizeof why->id))
            return true;
    }
    return false;
}

static void pause_before(int attempt, const writing *w)
{
    /* the pauses grow, and differ between writers by their change ids */
    long most = attempt < 6 ? 100000L << attempt : 6400000L;
    struct timespec rest = { 0, most / 2 + (long)w->set.change_id[15] * (most / 512) };
    nanosleep(&rest, NULL);
}

int32_t writing_prepare(writing *w, quipu_error *why)
{
    int32_t code = QUIPU_OK;
    for (uint64_t i = 0; code == QUIPU_OK && i < w->writes->count; i++)
        code = prepare(w, i, why);
    if (code != QUIPU_OK)
        return code;
    if (!w->options || !w->options->operation.len)
        w->set.operation = operation_of(w);
    w->set.changes = (quipu_array){ w->changes, w->writes->count, sizeof *w->changes };
    return QUIPU_OK;
}

static int32_t run_writes(writing *w, quipu_receipt *receipt, quipu_error *why)
{
    for (int attempt = 0;; attempt++) {
        int32_t code = writing_prepare(w, why);
        if (code != QUIPU_OK)
            return code;
        code = quipu_apply_set(w->q, &w->set, receipt, w->call, why);
        if (code != QUIPU_E_CONFLICT || attempt + 1 >= PATCH_ATTEMPTS || !may_retry(w, why))
            return code;
        if ((code = call_check(w->call, why)) != QUIPU_OK)
            return code;
        pause_before(attempt, w);
    }
}

static void tell(const writing *w, quipu_written_fn written, void *context)
{
    for (uint64_t i = 0; written && i < w->writes->count; i++) {
        quipu_str id = str_of(w->ready[i].id);
        written(context, i, &id, w->ready[i].record ? record_view(w->ready[i].record) : NULL);
    }
}

int32_t error_hand_over(const quipu_error *why, quipu_error *error, int32_t code)
{
    if (code != QUIPU_OK && error && error->struct_size >= sizeof *why) {
        uint32_t size = error->struct_size;
        *error = *why;
        error->struct_size = size;
    }
    return code;
}

static int32_t check_writes(const quipu_array *writes, quipu_error *error)
{
    if (!writes || (writes->count && !writes->ptr))
        return fail(error, QUIPU_E_INVALID, "writes", "there are no writes");
    if (writes->count > SIZE_MAX / 2 / (sizeof(prepared) + sizeof(quipu_change)))
        return fail(error, QUIPU_E_TOO_LARGE, "writes", "%llu writes are too many", (unsigned long long)writes->count);
    if (writes->count && (writes->stride < sizeof(quipu_write) || writes->stride % 8))
        return fail(error, QUIPU_E_INVALID, "writes", "writes: the stride is %llu, expected at least %zu",
                    (unsigned long long)writes->stride, sizeof(quipu_write));
    return QUIPU_OK;
}

int32_t writing_begin(writing *w, quipu_error *why)
{
    const quipu_array *writes = w->writes;
    int32_t code = check_writes(writes, why);
    w->set = (quipu_change_set){ .struct_size = sizeof w->set };
    if (code == QUIPU_OK)
        code = quipu_change_set_begin(w->q, w->options, &w->set, why);
    if (code == QUIPU_OK && writes->count == 0)
        code = fail(why, QUIPU_E_INVALID, "writes", "there are no writes");
    if (code != QUIPU_OK)
        return code;
    w->ready = calloc((size_t)writes->count, sizeof *w->ready);
    w->changes = calloc((size_t)writes->count, sizeof *w->changes);
    if (w->ready && w->changes)
        return QUIPU_OK;
    writing_end(w);
    return fail(why, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

void writing_end(writing *w)
{
    for (uint64_t i = 0; w->ready && i < w->writes->count; i++)
        record_free(w->ready[i].record);
    free(w->ready);
    free(w->changes);
    w->ready = NULL;
    w->changes = NULL;
}

int32_t quipu_write_records(quipu *q, const quipu_array *writes, const quipu_write_options *options,
                            quipu_written_fn written, void *context, quipu_receipt *receipt, const quipu_call *call,
                            quipu_error *error)
{
    writing w = { .q = q, .writes = writes, .options = options, .call = call };
    quipu_error why = { .struct_size = sizeof why };
    int32_t code = QUIPU_OK;
    if (receipt)
        code = check_struct(receipt, sizeof *receipt, "receipt", &why);
    if (code == QUIPU_OK)
        code = writing_begin(&w, &why);
    if (code != QUIPU_OK)
        return error_hand_over(&why, error, code);
    code = run_writes(&w, receipt, &why);
    if (code == QUIPU_OK)
        tell(&w, written, context);
    writing_end(&w);
    return error_hand_over(&why, error, code);
}

static void copy_id(void *context, uint64_t index, const quipu_str *id, const quipu_record *stored)
{
    char *out = context;
    (void)index;
    (void)stored;
    memcpy(out, id->ptr, (size_t)id->len);
    out[id->len] = '\0';
}

int32_t quipu_put_json(quipu *q, const quipu_str *json, const quipu_write_options *options, char id[QUIPU_ID_MAX + 1],
                       const quipu_call *call, quipu_error *error)
{
    quipu_write step = { .struct_size = sizeof step, .op = QUIPU_CHANGE_PUT };
    quipu_array writes = { &step, 1, sizeof step };
    if (!json || !json->ptr)
        return fail(error, QUIPU_E_INVALID, "json", "there is no JSON");
    step.json = *json;
    return quipu_write_records(q, &writes, options, id ? copy_id : NULL, id, NULL, call, error);
}
