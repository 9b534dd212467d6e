/* settings.c - the git backend's configuration: {"durability":"full","quote_subjects":true,"record_max":1048576,
 * "network_timeout":120,"language":"english"}. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <storage_git/network_wait.h>

static int32_t take_bool(const cJSON *item, bool *out, quipu_error *error)
{
    if (!cJSON_IsBool(item))
        return fail(error, QUIPU_E_INVALID, item->string, "the setting \"%s\" must be true or false", item->string);
    *out = cJSON_IsTrue(item);
    return QUIPU_OK;
}

static int32_t take_durability(const cJSON *item, bool *durable, quipu_error *error)
{
    const char *value = cJSON_GetStringValue(item);
    if (!value || (strcmp(value, "full") != 0 && strcmp(value, "relaxed") != 0))
        return fail(error, QUIPU_E_INVALID, "durability", "the setting \"durability\" must be \"full\" or \"relaxed\"");
    *durable = strcmp(value, "full") == 0;
    return QUIPU_OK;
}

static int32_t take_size(const cJSON *item, uint64_t *out, quipu_error *error)
{
    int64_t value;
    if (!json_is_int(item, &value) || value < 1024 || value > RECORD_MAX_MOST)
        return fail(error, QUIPU_E_INVALID, item->string,
                    "the setting \"%s\" must be a number of bytes from 1024 to 67108864", item->string);
    *out = (uint64_t)value;
    return QUIPU_OK;
}

static int32_t take_seconds(const cJSON *item, int64_t *milliseconds, quipu_error *error)
{
    int64_t value;
    if (!json_is_int(item, &value) || value < 1 || value > 86400)
        return fail(error, QUIPU_E_INVALID, item->string,
                    "the setting \"%s\" must be a number of seconds from 1 to 86400", item->string);
    *milliseconds = value * 1000;
    return QUIPU_OK;
}

static int32_t take_language(const cJSON *item, text_language *out, quipu_error *error)
{
    const char *name = cJSON_GetStringValue(item);
    return name && text_language_find(str_of(name), out)
               ? QUIPU_OK
               : fail(error, QUIPU_E_INVALID, "language", "the setting \"language\" must be one of %s",
                      text_language_names());
}

static int32_t take_setting(quipu_backend *self, const cJSON *item, quipu_error *error)
{
    if (strcmp(item->string, "durability") == 0)
        return take_durability(item, &self->durable, error);
    if (strcmp(item->string, "quote_subjects") == 0)
        return take_bool(item, &self->quote_subjects, error);
    if (strcmp(item->string, "record_max") == 0)
        return take_size(item, &self->record_max, error);
    if (strcmp(item->string, "network_timeout") == 0)
        return take_seconds(item, &self->patience_ms, error);
    if (strcmp(item->string, "language") == 0)
        return take_language(item, &self->language, error);
    return fail(error, QUIPU_E_INVALID, item->string,
                "the backend \"git\" has no setting \"%s\"; it has durability, quote_subjects, record_max, "
                "network_timeout and language",
                item->string);
}

int32_t read_settings(quipu_backend *self, quipu_str config, quipu_error *error)
{
    cJSON *tree = NULL;
    self->durable = self->quote_subjects = true;
    self->record_max = QUIPU_RECORD_MAX;
    self->patience_ms = NETWORK_PATIENCE_MS;
    self->language = TEXT_ENGLISH;
    if (!config.ptr || config.len == 0)
        return QUIPU_OK;
    int32_t code = json_parse(config, &tree, error);
    if (code == QUIPU_OK && !cJSON_IsObject(tree))
        code = fail(error, QUIPU_E_INVALID, "config", "the configuration must be a JSON object");
    for (const cJSON *item = code == QUIPU_OK ? tree->child : NULL; item && code == QUIPU_OK; item = item->next)
        code = take_setting(self, item, error);
    cJSON_Delete(tree);
    return code;
}
