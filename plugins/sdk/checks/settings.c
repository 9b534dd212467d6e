/* settings.c - see settings.h. */
#include <sdk/settings.h>

#include <base/buffer.h>
#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>

int32_t settings_read(quipu_str config, setting_fn take, void *context, quipu_error *error)
{
    cJSON *tree = NULL;
    if (!config.ptr || config.len == 0)
        return QUIPU_OK;
    int32_t code = json_parse(config, &tree, error);
    if (code == QUIPU_OK && !cJSON_IsObject(tree))
        code = fail(error, QUIPU_E_INVALID, "config", "the configuration must be a JSON object");
    for (const cJSON *item = code == QUIPU_OK ? tree->child : NULL; item && code == QUIPU_OK; item = item->next)
        code = take(context, item, error);
    cJSON_Delete(tree);
    return code;
}

int32_t setting_unknown(const cJSON *item, const char *what, const char *known, quipu_error *error)
{
    return fail(error, QUIPU_E_INVALID, item->string, "%s has no setting \"%s\"; it has %s", what, item->string, known);
}

int32_t setting_bool(const cJSON *item, bool *out, quipu_error *error)
{
    if (!cJSON_IsBool(item))
        return fail(error, QUIPU_E_INVALID, item->string, "the setting \"%s\" must be true or false", item->string);
    *out = cJSON_IsTrue(item);
    return QUIPU_OK;
}

int32_t setting_text(const cJSON *item, char **out, quipu_error *error)
{
    const char *value = cJSON_GetStringValue(item);
    if (!value)
        return fail(error, QUIPU_E_INVALID, item->string, "the setting \"%s\" must be a string", item->string);
    free(*out);
    *out = str_dup(str_of(value));
    return *out ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for settings");
}

int32_t setting_integer(const cJSON *item, int64_t least, int64_t most, const char *of_what, int64_t *out,
                        quipu_error *error)
{
    int64_t value;
    if (!json_is_int(item, &value) || value < least || value > most)
        return fail(error, QUIPU_E_INVALID, item->string, "the setting \"%s\" must be a number of %s from %lld to %lld",
                    item->string, of_what, (long long)least, (long long)most);
    *out = value;
    return QUIPU_OK;
}

int32_t setting_durability(const cJSON *item, bool *full, quipu_error *error)
{
    const char *value = cJSON_GetStringValue(item);
    if (!value || (strcmp(value, "full") != 0 && strcmp(value, "relaxed") != 0))
        return fail(error, QUIPU_E_INVALID, item->string, "the setting \"%s\" must be \"full\" or \"relaxed\"",
                    item->string);
    *full = strcmp(value, "full") == 0;
    return QUIPU_OK;
}

int32_t setting_record_max(const cJSON *item, uint64_t *out, quipu_error *error)
{
    int64_t value = 0;
    int32_t code = setting_integer(item, 1024, SETTING_RECORD_MAX_MOST, "bytes", &value, error);
    if (code == QUIPU_OK)
        *out = (uint64_t)value;
    return code;
}

int32_t setting_language(const cJSON *item, text_language *out, quipu_error *error)
{
    const char *name = cJSON_GetStringValue(item);
    return name && text_language_find(str_of(name), out)
               ? QUIPU_OK
               : fail(error, QUIPU_E_INVALID, item->string, "the setting \"%s\" must be one of %s", item->string,
                      text_language_names());
}

int32_t setting_embed(const cJSON *item, bool *in_background, quipu_error *error)
{
    const char *value = cJSON_GetStringValue(item);
    if (!value || (strcmp(value, "auto") != 0 && strcmp(value, "asked") != 0))
        return fail(error, QUIPU_E_INVALID, item->string, "the setting \"%s\" must be \"auto\" or \"asked\"",
                    item->string);
    *in_background = strcmp(value, "auto") == 0;
    return QUIPU_OK;
}
