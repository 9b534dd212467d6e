/* request.c - reads a JSON request by its table. */
#include "request.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <string.h>

#define DAYS_MAX 1000000

static int32_t take_choice(const member_row *row, const cJSON *member, uint32_t *out, quipu_error *error)
{
    buffer known = { 0 };
    for (const choice_row *c = row->choices; c->name; c++) {
        if (cJSON_IsString(member) && strcmp(member->valuestring, c->name) == 0) {
            *out = c->value;
            buffer_free(&known);
            return QUIPU_OK;
        }
        buffer_append_text(&known, c == row->choices ? "" : ", ");
        buffer_append_text(&known, c->name);
    }
    int32_t code = fail(error, QUIPU_E_INVALID, row->name, "%s must be one of %s", row->name,
                        known.failed ? "the known words" : known.bytes);
    buffer_free(&known);
    return code;
}

static int32_t take_days(const member_row *row, const cJSON *member, int64_t *out, quipu_error *error)
{
    double days;
    if (!json_is_number(member, &days) || !(days > 0 && days <= DAYS_MAX))
        return fail(error, QUIPU_E_INVALID, row->name, "%s must be a number above 0, and at most %d", row->name,
                    DAYS_MAX);
    *out = days * 86400e6 < 1 ? 1 : (int64_t)(days * 86400e6);
    return QUIPU_OK;
}

static int32_t take_member(const member_row *row, const cJSON *member, request *r, quipu_error *error)
{
    int64_t whole;
    char *at = row->offset == UNUSED ? NULL : (char *)r + row->offset;
    switch (row->sort) {
    case TEXT:
        if (!cJSON_IsString(member))
            return fail(error, QUIPU_E_INVALID, row->name, "%s must be a string", row->name);
        *(quipu_str *)(void *)at = str_of(member->valuestring);
        return QUIPU_OK;
    case WHOLE:
        if (!json_is_int(member, &whole) || whole < 1 || (uint64_t)whole > row->most)
            return fail(error, QUIPU_E_INVALID, row->name, "%s must be a whole number from 1 to %llu", row->name,
                        (unsigned long long)row->most);
        *(uint64_t *)(void *)at = (uint64_t)whole;
        return QUIPU_OK;
    case FLAG:
        if (!cJSON_IsBool(member))
            return fail(error, QUIPU_E_INVALID, row->name, "%s must be true or false", row->name);
        if (at)
            *(bool *)(void *)at = cJSON_IsTrue(member);
        return QUIPU_OK;
    case OBJECT:
        return cJSON_IsObject(member) ? QUIPU_OK
                                      : fail(error, QUIPU_E_INVALID, row->name, "%s must be an object", row->name);
    case CHOICE:
        return take_choice(row, member, (uint32_t *)(void *)at, error);
    case MOMENT:
        return cJSON_IsString(member)
                   ? time_parse(str_of(member->valuestring), row->name, NULL, (int64_t *)(void *)at, error)
                   : fail(error, QUIPU_E_INVALID, row->name, "%s must be a time (RFC 3339)", row->name);
    case WEIGHT:
        return json_is_number(member, (double *)(void *)at)
                   ? QUIPU_OK
                   : fail(error, QUIPU_E_INVALID, row->name, "%s must be a number", row->name);
    case DAYS:
        return take_days(row, member, (int64_t *)(void *)at, error);
    }
    return fail(error, QUIPU_E_INTERNAL, row->name, "no rule for this member");
}

static int32_t take_members(const member_row *rows, request *r, quipu_error *error)
{
    for (const cJSON *member = r->tree->child; member; member = member->next) {
        const member_row *row = rows;
        while (row->name && strcmp(row->name, member->string) != 0)
            row++;
        if (!row->name)
            return fail(error, QUIPU_E_INVALID, member->string, "\"%s\" is no member of this request", member->string);
        if (cJSON_IsNull(member))
            continue; /* the same as leaving it out */
        int32_t code = take_member(row, member, r, error);
        if (code != QUIPU_OK)
            return code;
    }
    return QUIPU_OK;
}

static const cJSON *object_member(const cJSON *tree, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(tree, name);
    return cJSON_IsObject(member) ? member : NULL;
}

int32_t request_read(const quipu_str *json, const member_row *rows, request *r, quipu_error *error)
{
    if (!json || !json->ptr)
        return fail(error, QUIPU_E_INVALID, "request", "there is no request");
    int32_t code = json_parse(*json, &r->tree, error);
    if (code == QUIPU_OK && !cJSON_IsObject(r->tree))
        code = fail(error, QUIPU_E_INVALID, "request", "the request must be a JSON object");
    if (code == QUIPU_OK)
        code = take_members(rows, r, error);
    if (code == QUIPU_OK)
        code = filter_compile(object_member(r->tree, "scope"), object_member(r->tree, "filter"), &r->filter, error);
    if (code == QUIPU_OK && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(r->tree, "include_expired")))
        filter_view(r->filter)->flags |= QUIPU_FILTER_EXPIRED;
    return code;
}

void request_free(request *r)
{
    filter_free(r->filter);
    cJSON_Delete(r->tree);
}
