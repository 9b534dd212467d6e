/* settings.c - the sqlite backend's configuration: {"durability":"full","quote_subjects":true,"record_max":1048576,
 * "busy_timeout":60,"language":"english","fts5":true}. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/settings.h>
#include <string.h>

static int32_t take_patience(const cJSON *item, int64_t *ns, quipu_error *error)
{
    int64_t seconds = 0;
    int32_t code = setting_integer(item, 0, 86400, "seconds", &seconds, error);
    if (code == QUIPU_OK)
        *ns = seconds * 1000000000;
    return code;
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
    if (strcmp(item->string, "busy_timeout") == 0)
        return take_patience(item, &self->patience_ns, error);
    if (strcmp(item->string, "language") == 0)
        return setting_language(item, &self->language, error);
    if (strcmp(item->string, "embed") == 0)
        return setting_embed(item, &self->embeds, error);
    if (strcmp(item->string, "fts5") == 0) {
        bool wanted = false;
        int32_t code = setting_bool(item, &wanted, error);
        self->fts = wanted ? FTS_MAKE : FTS_DROP;
        return code;
    }
    return fail(error, QUIPU_E_INVALID, item->string,
                "the backend \"sqlite\" has no setting \"%s\"; it has durability, quote_subjects, record_max, "
                "busy_timeout, language, embed and fts5",
                item->string);
}

int32_t read_settings(quipu_backend *self, quipu_str config, quipu_error *error)
{
    self->durable = self->quote_subjects = self->embeds = true;
    self->record_max = QUIPU_RECORD_MAX;
    self->patience_ns = (int64_t)60 * 1000000000;
    self->language = TEXT_ENGLISH;
    self->fts = FTS_LEAVE;
    return settings_read(config, take_setting, self, error);
}
