/* change.c - see change.h. */
#include <sdk/change.h>

#include <sdk/abi_check.h>
#include <sdk/record.h>

#include <base/fail.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_version(quipu_str version)
{
    if (!version.ptr || version.len != QUIPU_VERSION_LEN)
        return false;
    for (size_t i = 0; i < QUIPU_VERSION_LEN; i++)
        if (!((version.ptr[i] >= '0' && version.ptr[i] <= '9') || (version.ptr[i] >= 'a' && version.ptr[i] <= 'f')))
            return false;
    return true;
}

static bool is_operation(quipu_str word)
{
    if (!word.ptr || word.len == 0 || word.len > 32 || word.ptr[0] < 'a' || word.ptr[0] > 'z')
        return false;
    for (uint64_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

static int32_t check_header(const quipu_change_set *set, quipu_error *error)
{
    static const uint8_t none[sizeof set->change_id];
    int32_t code;
    if ((code = abi_check_struct(set, sizeof *set, "quipu_change_set", error)) != QUIPU_OK ||
        (code = abi_check_flags(set->flags, 0, "quipu_change_set.flags", error)) != QUIPU_OK)
        return code;
    if (memcmp(set->change_id, none, sizeof none) == 0)
        return fail(error, QUIPU_E_INVALID, "change_id",
                    "the change id is all zeros; make a random one for each change set");
    if (set->time == QUIPU_TIME_NONE)
        return fail(error, QUIPU_E_INVALID, "time", "the change set has no time");
    if (!is_operation(set->operation))
        return fail(error, QUIPU_E_INVALID, "operation",
                    "the operation must be one word of a-z, 0-9 and '-' that begins with a letter, at most 32 bytes");
    if ((code = abi_check_text(set->author, true, "author", error)) != QUIPU_OK ||
        (code = abi_check_text(set->source, true, "source", error)) != QUIPU_OK ||
        (code = abi_check_text(set->note, true, "note", error)) != QUIPU_OK)
        return code;
    return abi_check_array(&set->changes, sizeof(quipu_change), "changes", error);
}

static int32_t check_record_texts(const quipu_record *r, quipu_error *error)
{
    const struct {
        quipu_str text;
        const char *name;
    } texts[] = { { r->json, "json" },
                  { r->kind, "kind" },
                  { r->user, "scope.user" },
                  { r->agent, "scope.agent" },
                  { r->session, "scope.session" },
                  { r->app, "scope.app" },
                  { r->text, "text" },
                  { r->category, "category" },
                  { r->key, "key" },
                  { r->actor, "actor" },
                  { r->role, "role" },
                  { r->entity_type, "entity.type" },
                  { r->entity_id, "entity.id" },
                  { r->head, "head" },
                  { r->relation, "relation" },
                  { r->tail, "tail" } };
    int32_t code = abi_check_array(&r->tags, sizeof(quipu_str), "tags", error);
    for (size_t i = 0; code == QUIPU_OK && i < sizeof texts / sizeof texts[0]; i++)
        code = abi_check_text(texts[i].text, false, texts[i].name, error);
    for (uint64_t i = 0; code == QUIPU_OK && i < r->tags.count; i++)
        code = abi_check_text(*QUIPU_AT(quipu_str, &r->tags, i), false, "tags", error);
    return code;
}

static int32_t check_record(const quipu_record *r, quipu_error *error)
{
    char version[QUIPU_VERSION_LEN];
    int32_t code;
    if ((code = abi_check_struct(r, sizeof *r, "quipu_record", error)) != QUIPU_OK ||
        (code = abi_check_flags(r->flags, 0, "quipu_record.flags", error)) != QUIPU_OK ||
        (code = check_record_texts(r, error)) != QUIPU_OK)
        return code;
    if (!r->json.ptr || r->json.len == 0)
        return fail(error, QUIPU_E_INVALID, "json", "the record has no JSON");
    if (isnan(r->importance) || r->importance > 1)
        return fail(error, QUIPU_E_INVALID, "importance", "the importance must be from 0 to 1, or negative for none");
    if (!is_version(r->version))
        return fail(error, QUIPU_E_INVALID, "version", "the record's version is not 40 lower-case hexadecimal digits");
    record_version(r->json, version);
    if (memcmp(version, r->version.ptr, sizeof version) != 0)
        return fail(error, QUIPU_E_INVALID, "version", "the record's version is not that of its JSON");
    return QUIPU_OK;
}

static int32_t check_change(const quipu_change *change, quipu_error *error)
{
    int32_t code;
    if ((code = abi_check_struct(change, sizeof *change, "quipu_change", error)) != QUIPU_OK ||
        (code = abi_check_flags(change->flags, 0, "quipu_change.flags", error)) != QUIPU_OK ||
        (code = abi_check_id(change->id, error)) != QUIPU_OK)
        return code;
    if (change->op != QUIPU_CHANGE_PUT && change->op != QUIPU_CHANGE_DELETE)
        return fail(error, QUIPU_E_INVALID, "op", "change operation %u is not known", change->op);
    if (change->expect > QUIPU_EXPECT_VERSION)
        return fail(error, QUIPU_E_INVALID, "expect", "expectation %u is not known", change->expect);
    if (change->expect == QUIPU_EXPECT_VERSION && !is_version(change->expected_version))
        return fail(error, QUIPU_E_INVALID, "expected_version",
                    "the expected version is not 40 lower-case hexadecimal digits");
    if (change->expect != QUIPU_EXPECT_VERSION && change->expected_version.ptr)
        return fail(error, QUIPU_E_INVALID, "expected_version",
                    "a version is given but not expected; set expect to QUIPU_EXPECT_VERSION");
    if (change->op == QUIPU_CHANGE_DELETE)
        return change->record ? fail(error, QUIPU_E_INVALID, "record", "a delete has no record") : QUIPU_OK;
    if ((code = check_record(change->record, error)) != QUIPU_OK)
        return code;
    if (change->record->id.len != change->id.len || !change->record->id.ptr ||
        memcmp(change->record->id.ptr, change->id.ptr, (size_t)change->id.len) != 0)
        return fail(error, QUIPU_E_INVALID, "id", "the change and its record name different ids");
    return QUIPU_OK;
}

static int compare_ids(const void *a, const void *b)
{
    const quipu_change *x = *(const quipu_change *const *)a, *y = *(const quipu_change *const *)b;
    int order = str_compare(x->id, y->id);
    return order ? order : x < y ? -1 : x > y;
}

static int32_t name_change(const quipu_change *change, uint64_t index, int32_t code, quipu_error *error)
{
    if (error && error->struct_size >= sizeof *error)
        error->index = index;
    if (change)
        fail_name_record(error, &change->id);
    return code;
}

/* Every change is well formed by now. */
static int32_t check_twice(const quipu_array *changes, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    const quipu_change **sorted;
    if (changes->count < 2)
        return QUIPU_OK;
    sorted = malloc((size_t)changes->count * sizeof *sorted);
    if (!sorted)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to check %llu changes",
                    (unsigned long long)changes->count);
    for (uint64_t i = 0; i < changes->count; i++)
        sorted[i] = QUIPU_AT(quipu_change, changes, i);
    qsort(sorted, (size_t)changes->count, sizeof(sorted[0]), compare_ids);
    for (uint64_t i = 1; i < changes->count && code == QUIPU_OK; i++)
        if (str_same(sorted[i - 1]->id, sorted[i]->id)) {
            uint64_t index = (uint64_t)((const char *)sorted[i] - (const char *)changes->ptr) / changes->stride;
            code = fail(error, QUIPU_E_INVALID, "id", "the id occurs twice in one change set");
            name_change(sorted[i], index, code, error);
        }
    free(sorted);
    return code;
}

/* An id that is not one does not get into an error's texts. */
static bool has_good_id(const quipu_change *change)
{
    return abi_check_struct(change, sizeof *change, "quipu_change", NULL) == QUIPU_OK &&
           abi_check_id(change->id, NULL) == QUIPU_OK;
}

int32_t change_set_check(const quipu_change_set *set, quipu_error *error)
{
    int32_t code = check_header(set, error);
    if (code != QUIPU_OK)
        return code;
    for (uint64_t i = 0; i < set->changes.count; i++) {
        const quipu_change *change = QUIPU_AT(quipu_change, &set->changes, i);
        if ((code = check_change(change, error)) != QUIPU_OK)
            return name_change(has_good_id(change) ? change : NULL, i, code, error);
    }
    return check_twice(&set->changes, error);
}

static int32_t check_state(const quipu_change *change, const quipu_record *stored, quipu_error *error)
{
    if (change->op == QUIPU_CHANGE_PUT && stored && !record_same_scope(change->record, stored))
        return fail(error, QUIPU_E_SCOPE, "scope", "the id belongs to a record of another scope; choose another id");
    switch (change->expect) {
    case QUIPU_EXPECT_ABSENT:
        return stored ? fail(error, QUIPU_E_EXISTS, "id", "there is a record of that id already") : QUIPU_OK;
    case QUIPU_EXPECT_PRESENT:
        return stored ? QUIPU_OK : fail(error, QUIPU_E_NOT_FOUND, "id", "there is no record of that id");
    case QUIPU_EXPECT_VERSION:
        if (!stored)
            return fail(error, QUIPU_E_CONFLICT, "expected_version", "there is no record of that id any more");
        if (!str_same(change->expected_version, stored->version))
            return fail(error, QUIPU_E_CONFLICT, "expected_version",
                        "the record has been changed in the meantime; read it again and retry");
        return QUIPU_OK;
    default:
        return QUIPU_OK;
    }
}

int32_t change_check_expectation(const quipu_change *change, const quipu_record *stored, size_t index,
                                 quipu_error *error)
{
    int32_t code = check_state(change, stored, error);
    if (code == QUIPU_OK)
        return QUIPU_OK;
    name_change(change, index, code, error);
    if (error && error->struct_size >= sizeof *error && stored && code != QUIPU_E_SCOPE &&
        stored->version.len < sizeof error->version) {
        memcpy(error->version, stored->version.ptr, (size_t)stored->version.len);
        error->version[stored->version.len] = '\0';
    }
    return code;
}

bool change_alters(const quipu_change *change, const quipu_record *stored)
{
    if (change->op == QUIPU_CHANGE_DELETE)
        return stored != NULL;
    return !stored || !record_same_but_updated(stored, change->record);
}

int32_t receipt_check(const quipu_receipt *receipt, quipu_error *error)
{
    return receipt ? abi_check_out(receipt, sizeof *receipt, "quipu_receipt", error) : QUIPU_OK;
}

void receipt_fill(quipu_receipt *receipt, uint32_t flags, uint64_t changed, const char *revision)
{
    size_t len = revision ? strnlen(revision, sizeof receipt->revision - 1) : 0;
    if (!receipt)
        return;
    receipt->flags = flags;
    receipt->changed = changed;
    memset(receipt->revision, 0, sizeof receipt->revision);
    if (len)
        memcpy(receipt->revision, revision, len);
}
