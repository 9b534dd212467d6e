/* settings.c - the git backend's configuration: {"durability":"full","quote_subjects":true,"record_max":1048576,
 * "network_timeout":120,"language":"english",
 * "maintain":"auto","embed":"auto"}. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/settings.h>
#include <storage_git/network_wait.h>

static int32_t take_seconds(const cJSON *item, int64_t *milliseconds, quipu_error *error)
{
    int64_t value = 0;
    int32_t code = setting_integer(item, 1, 86400, "seconds", &value, error);
    if (code == QUIPU_OK)
        *milliseconds = value * 1000;
    return code;
}

static int32_t take_maintain(const cJSON *item, bool *maintains, quipu_error *error)
{
    const char *value = cJSON_IsString(item) ? item->valuestring : "";
    *maintains = strcmp(value, "auto") == 0;
    if (*maintains || strcmp(value, "off") == 0)
        return QUIPU_OK;
    return fail(error, QUIPU_E_INVALID, item->string, "maintain is \"auto\" or \"off\"");
}

static int32_t take_setting(void *context, const cJSON *item, quipu_error *error)
{
    quipu_backend *self = context;
    if (strcmp(item->string, "durability") == 0)
        return setting_durability(item, &self->durable, error);
    if (strcmp(item->string, "quote_subjects") == 0)
        return setting_bool(item, &self->quote_subjects, error);
    if (strcmp(item->string, "record_max") == 0)
        return setting_record_max(item, &self->record_max, error);
    if (strcmp(item->string, "network_timeout") == 0)
        return take_seconds(item, &self->patience_ms, error);
    if (strcmp(item->string, "language") == 0)
        return setting_language(item, &self->language, error);
    if (strcmp(item->string, "maintain") == 0)
        return take_maintain(item, &self->maintains, error);
    if (strcmp(item->string, "embed") == 0)
        return setting_embed(item, &self->embeds, error);
    return fail(error, QUIPU_E_INVALID, item->string,
                "the backend \"git\" has no setting \"%s\"; it has durability, quote_subjects, record_max, "
                "network_timeout, language, maintain and embed",
                item->string);
}

int32_t read_settings(quipu_backend *self, quipu_str config, quipu_error *error)
{
    self->durable = self->quote_subjects = self->maintains = self->embeds = true;
    self->record_max = QUIPU_RECORD_MAX;
    self->patience_ms = NETWORK_PATIENCE_MS;
    self->language = TEXT_ENGLISH;
    return settings_read(config, take_setting, self, error);
}
