/*
 * fuzz_filter.c - {"scope":{...},"filter":{...}} against a few records: what compiles passes the check that a backend makes,
 * and NOT is the opposite.
 */
#include "fuzz.h"

#include <sdk/filter.h>
#include <sdk/json.h>
#include <sdk/record.h>

static const char *const texts[] = {
    "{\"id\":\"a\",\"text\":\"Rye bread\"}",
    "{\"id\":\"b\",\"text\":\"x\",\"scope\":{\"user\":\"u\",\"session\":\"s\"},\"tags\":[\"t\",\"v\"],\"seq\":3,"
    "\"created_at\":\"2025-05-01T10:00:00Z\",\"importance\":0.5,\"category\":\"c\",\"key\":\"k\"}",
    "{\"id\":\"c\",\"kind\":\"relation\",\"head\":\"h\",\"relation\":\"r\",\"tail\":\"l\",\"entity\":{\"type\":\"p\","
    "\"id\":\"1\"},"
    "\"metadata\":{\"a\":{\"b\":[1,2.5e3,\"x\",null,true]},\"n\":-0.0,\"big\":123456789012345678901234567890}}",
    "{\"id\":\"d\",\"text\":\"\",\"actor\":\"A\",\"role\":\"user\",\"expires_at\":\"2001-01-01T00:00:00Z\"}",
};

enum { RECORDS = sizeof texts / sizeof texts[0] };

static record *const *all_records(void)
{
    static record *records[RECORDS];
    for (size_t i = 0; i < RECORDS && !records[RECORDS - 1]; i++)
        PROMISE(record_decode(str_of(texts[i]), NULL, &records[i], NULL) == QUIPU_OK);
    return records;
}

static filter *compile(const cJSON *scope, const cJSON *expression)
{
    filter *f = NULL;
    quipu_error error = { .struct_size = sizeof error };
    if (fuzz_failed(filter_compile(scope, expression, &f, &error), &error)) {
        PROMISE(!f);
        return NULL;
    }
    PROMISE(filter_check(filter_view(f), &error) == QUIPU_OK);
    filter_view(f)->flags |= QUIPU_FILTER_EXPIRED;
    return f;
}

/* {"NOT":[expression]} */
static cJSON *opposite(const cJSON *expression)
{
    cJSON *object = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(object, "NOT");
    PROMISE(list && cJSON_AddItemToArray(list, cJSON_Duplicate(expression, 1)));
    return object;
}

static void check_matches(filter *f, filter * not )
{
    for (size_t i = 0; i < RECORDS; i++) {
        const quipu_record *r = record_view(all_records()[i]);
        int32_t match = filter_match(filter_view(f), r, 0);
        PROMISE(match == 0 || match == 1);
        if (not )
            PROMISE(filter_match(filter_view(not ), r, 0) == 1 - match);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *tree = NULL;
    char *text = fuzz_copy(data, size);
    if (json_parse(str_make(text, size), &tree, NULL) == QUIPU_OK) {
        const cJSON *scope = cJSON_GetObjectItemCaseSensitive(tree, "scope");
        const cJSON *expression = cJSON_GetObjectItemCaseSensitive(tree, "filter");
        filter *f = compile(scope, expression);
        if (f)
            check_matches(f, NULL);
        filter_free(f);
        cJSON *turned = expression ? opposite(expression) : NULL;
        f = turned ? compile(NULL, expression) : NULL;
        filter *not = f ? compile(NULL, turned) : NULL;
        if (f && not )
            check_matches(f, not );
        filter_free(f);
        filter_free(not );
        cJSON_Delete(turned);
    }
    cJSON_Delete(tree);
    free(text);
    return 0;
}
