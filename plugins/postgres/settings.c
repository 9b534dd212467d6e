/* settings.c - the postgres backend's configuration: {"url":"postgresql://ana@db.example.org/memory","schema":"quipu","search":"index","pool":8,
 * "connect_timeout":10,"busy_timeout":60,"durability":"full","quote_subjects":true,"record_max":1048576,"language":"english"}. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/settings.h>
#include <stdlib.h>
#include <string.h>

/* A password in the url would end up in the store's settings file. What libpq says of a url that it cannot read may quote it. */
static int32_t check_url(const char *url, quipu_error *error)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &why);
    int32_t code = QUIPU_OK;
    PQfreemem(why);
    if (!options)
        return fail(
            error, QUIPU_E_INVALID, "url",
            "the url cannot be read; it is like postgresql://ana@db.example.org/memory, or host=... dbname=...");
    for (const PQconninfoOption *o = options; o->keyword && code == QUIPU_OK; o++)
        if (o->val && o->val[0] && (strcmp(o->keyword, "password") == 0 || strcmp(o->keyword, "sslpassword") == 0))
            code =
                fail(error, QUIPU_E_INVALID, "url",
                     "a password does not belong into the settings, which are stored; put it into ~/.pgpass, a service "
                     "file, or $PGPASSWORD");
    PQconninfoFree(options);
    return code;
}

/* A name that needs no quoting, so that people can type it. */
static int32_t check_schema(const char *name, quipu_error *error)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (len > 0 && len <= SCHEMA_MAX && name[len] == '\0' && (name[0] < '0' || name[0] > '9') &&
        strncmp(name, "pg_", 3) != 0)
        return QUIPU_OK;
    return fail(error, QUIPU_E_INVALID, "schema",
                "a schema's name has 1 to 63 small letters, digits and underlines, and begins with none of the digits "
                "nor with pg_");
}

static int32_t take_seconds(const cJSON *item, int64_t least, int64_t *ns, quipu_error *error)
{
    int64_t seconds = 0;
    int32_t code = setting_integer(item, least, 86400, "seconds", &seconds, error);
    if (code == QUIPU_OK)
        *ns = seconds * 1000000000;
    return code;
}

static int32_t take_search(const cJSON *item, int *out, quipu_error *error)
{
    const char *value = cJSON_GetStringValue(item);
    if (!value || (strcmp(value, "index") != 0 && strcmp(value, "server") != 0))
        return fail(error, QUIPU_E_INVALID, "search", "search is \"index\" or \"server\"");
    *out = strcmp(value, "server") == 0 ? SEARCH_SERVER : SEARCH_INDEX;
    return QUIPU_OK;
}

static int32_t take_setting(void *context, const cJSON *item, quipu_error *error)
{
    settings *set = context;
    int32_t code;
    if (strcmp(item->string, "url") == 0) {
        code = setting_text(item, &set->url, error);
        return code == QUIPU_OK ? check_url(set->url, error) : code;
    }
    if (strcmp(item->string, "schema") == 0) {
        code = setting_text(item, &set->schema, error);
        return code == QUIPU_OK ? check_schema(set->schema, error) : code;
    }
    if (strcmp(item->string, "search") == 0)
        return take_search(item, &set->search, error);
    if (strcmp(item->string, "pool") == 0)
        return setting_integer(item, 1, 100, "connections", &set->pool, error);
    if (strcmp(item->string, "connect_timeout") == 0)
        return take_seconds(item, 1, &set->connect_ns, error);
    if (strcmp(item->string, "busy_timeout") == 0)
        return take_seconds(item, 0, &set->patience_ns, error);
    if (strcmp(item->string, "durability") == 0)
        return setting_durability(item, &set->durable, error);
    if (strcmp(item->string, "quote_subjects") == 0)
        return setting_bool(item, &set->quote_subjects, error);
    if (strcmp(item->string, "record_max") == 0)
        return setting_record_max(item, &set->record_max, error);
    if (strcmp(item->string, "language") == 0)
        return setting_language(item, &set->language, error);
    if (strcmp(item->string, "embed") == 0)
        return setting_embed(item, &set->embeds, error);
    return setting_unknown(item, "the backend \"postgres\"",
                           "url, schema, search, pool, connect_timeout, busy_timeout, durability, quote_subjects, "
                           "record_max, language and embed",
                           error);
}

int32_t settings_take(settings *set, quipu_str config, quipu_error *error)
{
    settings_free(set);
    *set = (settings){ .pool = 8,
                       .connect_ns = (int64_t)10 * 1000000000,
                       .patience_ns = (int64_t)60 * 1000000000,
                       .durable = true,
                       .quote_subjects = true,
                       .embeds = true,
                       .record_max = QUIPU_RECORD_MAX,
                       .language = TEXT_ENGLISH };
    return settings_read(config, take_setting, set, error);
}

void settings_free(settings *set)
{
    free(set->url);
    free(set->schema);
    set->url = set->schema = NULL;
}
