/*
 * settings.h - the settings of backends and embedders: a JSON object whose members are taken one by one, each refused by its name.
 */
#ifndef SDK_SETTINGS_H
#define SDK_SETTINGS_H

#include <cjson/cJSON.h>
#include <quipu/error.h>
#include <sdk/text.h>

#define SETTING_RECORD_MAX_MOST (64 << 20) /* bytes that the setting record_max may allow */

/* Takes one member; an unknown one is refused by name. */
typedef int32_t (*setting_fn)(void *context, const cJSON *item, quipu_error *error);
/* Hands every member of the configuration to `take`; absent or empty: none. */
int32_t settings_read(quipu_str config, setting_fn take, void *context, quipu_error *error);

/* Refuses a member that `what`, as "the backend \"git\"", does not have; `known` names those that it has. */
int32_t setting_unknown(const cJSON *item, const char *what, const char *known, quipu_error *error);
/* What the kinds of settings take; each refuses anything else with what may be there. */
int32_t setting_bool(const cJSON *item, bool *out, quipu_error *error);
int32_t setting_text(const cJSON *item, char **out,
                     quipu_error *error); /* a copy, to be freed; *out was NULL or a copy */
int32_t setting_integer(const cJSON *item, int64_t least, int64_t most, const char *of_what, int64_t *out,
                        quipu_error *error);
int32_t setting_durability(const cJSON *item, bool *full, quipu_error *error); /* "full" or "relaxed" */
int32_t setting_record_max(const cJSON *item, uint64_t *out, quipu_error *error);
int32_t setting_language(const cJSON *item, text_language *out, quipu_error *error);
/* "auto" or "asked": whether vectors are made in the background (embed_thread.h), or only while somebody waits for them. */
int32_t setting_embed(const cJSON *item, bool *in_background, quipu_error *error);

#endif
