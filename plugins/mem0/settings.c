/* settings.c - how a mem0 store is configured, and the note that makes a folder one. */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <sdk/key.h>
#include <sdk/settings.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <string.h>

#define NOTE_NAME "mem0.store"
#define NOTE_MAX 8192u

static int32_t take_api(settings *set, const cJSON *item, quipu_error *error)
{
    const char *value = cJSON_GetStringValue(item);
    if (!value || (strcmp(value, "oss") != 0 && strcmp(value, "platform") != 0))
        return fail(error, QUIPU_E_INVALID, "api", "the setting \"api\" must be \"oss\" or \"platform\"");
    set->platform = strcmp(value, "platform") == 0;
    return QUIPU_OK;
}

static int32_t take_number(settings *set, const cJSON *item, bool *taken, quipu_error *error)
{
    *taken = true;
    if (strcmp(item->string, "timeout") == 0)
        return setting_integer(item, 1, 3600, "seconds", &set->timeout, error);
    if (strcmp(item->string, "attempts") == 0)
        return setting_integer(item, 1, 20, "attempts", &set->attempts, error);
    if (strcmp(item->string, "fresh_ms") == 0)
        return setting_integer(item, 0, 3600000, "milliseconds", &set->fresh_ms, error);
    if (strcmp(item->string, "record_max") == 0)
        return setting_record_max(item, &set->record_max, error);
    if (strcmp(item->string, "shared") == 0)
        return setting_bool(item, &set->shared, error);
    if (strcmp(item->string, "allow_http") == 0)
        return setting_bool(item, &set->allow_http, error);
    if (strcmp(item->string, "embed") == 0)
        return setting_embed(item, &set->embeds, error);
    *taken = false;
    return QUIPU_OK;
}

static int32_t take_setting(void *context, const cJSON *item, quipu_error *error)
{
    settings *set = context;
    const struct {
        const char *name;
        char **to;
    } texts[] = { { "url", &set->url },
                  { "user", &set->user },
                  { "key_env", &set->key_env },
                  { "key_file", &set->key_file },
                  { "authorities", &set->authorities } };
    bool taken;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(item->string, texts[i].name) == 0)
            return setting_text(item, texts[i].to, error);
    int32_t code = take_number(set, item, &taken, error);
    if (taken)
        return code;
    if (strcmp(item->string, "api") == 0)
        return take_api(set, item, error);
    if (strcmp(item->string, "key") == 0 || strcmp(item->string, "api_key") == 0)
        return fail(error, QUIPU_E_INVALID, item->string,
                    "a key does not belong into settings, which are stored; name an environment variable with key_env, "
                    "or a file of mode 600 with key_file");
    return setting_unknown(item, "the backend \"mem0\"",
                           "url, api, user, shared, key_env, key_file, authorities, allow_http, timeout, attempts, "
                           "fresh_ms, record_max and embed",
                           error);
}

int32_t settings_take(settings *set, quipu_str config, quipu_error *error)
{
    *set = (settings){ .shared = true,
                       .embeds = true,
                       .timeout = 30,
                       .attempts = 4,
                       .fresh_ms = 1000,
                       .record_max = QUIPU_RECORD_MAX / 4 };
    int32_t code = settings_read(config, take_setting, set, error);
    if (code == QUIPU_OK && !set->url)
        code = fail(error, QUIPU_E_INVALID, "url",
                    "the backend \"mem0\" needs the setting url, as {\"url\":\"http://127.0.0.1:8888\"}");
    if (code == QUIPU_OK)
        code = http_check_url(set->url, "url", error);
    for (size_t len = set->url ? strlen(set->url) : 0; code == QUIPU_OK && len > 0 && set->url[len - 1] == '/'; len--)
        set->url[len - 1] = '\0';
    return code;
}

void settings_free(settings *set)
{
    free(set->url);
    free(set->user);
    free(set->key_env);
    free(set->key_file);
    free(set->authorities);
    *set = (settings){ 0 };
}

/* ---- the note: the address, and the owner of what is written ---- */

/* Two lines and their checksum: a digit that has changed would be another owner, whose store is empty. */
static void note_print(const quipu_backend *self, buffer *out)
{
    uint8_t digest[32] = { 0 };
    char digits[17] = "";
    buffer_printf(out, "%s\n%s\n", self->set.url, self->owner);
    if (!out->failed)
        hash_sha256(out->bytes, out->len, digest);
    hex_encode(digest, 8, digits);
    buffer_printf(out, "%s\n", digits);
}

static int32_t note_make(quipu_backend *self, const char *path, quipu_error *error)
{
    uint8_t id[16];
    char digits[33] = "";
    buffer text = { 0 };
    if (self->flags & QUIPU_OPEN_READ_ONLY && self->set.shared)
        return QUIPU_OK; /* what is read is at the remote, and nothing is to be remembered */
    if (!self->set.shared && self->flags & (QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_READ_ONLY))
        return fail(error, QUIPU_E_NOT_FOUND, "path", "there is no store at %s", self->folder);
    int32_t code = os_make_folder(self->folder, error);
    if (code == QUIPU_OK)
        code = host_change_id(self->host, id, error);
    if (code != QUIPU_OK)
        return code;
    hex_encode(id, sizeof id, digits);
    snprintf(self->owner, sizeof self->owner, "quipu-%s", digits);
    note_print(self, &text);
    code = text.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store")
                       : os_replace_file(path, text.bytes, text.len, true, error);
    buffer_free(&text);
    return code;
}

/* Whether the note is what is printed for its own address and owner. */
static bool note_is_whole(quipu_backend *self, const buffer *text, size_t url)
{
    buffer own = { 0 };
    char *given = self->set.url;
    char *noted = str_dup(str_make(text->bytes, url));
    self->set.url = noted;
    if (noted)
        note_print(self, &own);
    self->set.url = given;
    bool whole = noted && !own.failed && own.len == text->len && memcmp(own.bytes, text->bytes, own.len) == 0;
    free(noted);
    buffer_free(&own);
    return whole;
}

static int32_t note_take(quipu_backend *self, const buffer *text, quipu_error *error)
{
    const char *end = text->bytes ? strchr(text->bytes, '\n') : NULL;
    size_t len = end ? strcspn(end + 1, "\n") : 0, url = end ? (size_t)(end - text->bytes) : 0;
    bool whole = len > 0 && len < sizeof self->owner;
    if (whole) {
        memcpy(self->owner, end + 1, len);
        self->owner[len] = '\0';
        whole = note_is_whole(self, text, url);
    }
    if (!whole)
        return fail(error, QUIPU_E_CORRUPT, "path", "%s/" NOTE_NAME " is no note of a mem0 store, or damaged",
                    self->folder);
    if (strlen(self->set.url) != url || memcmp(self->set.url, text->bytes, url) != 0)
        return fail(error, QUIPU_E_INVALID, "url", "the store at %s is of %.*s; use that address, or another folder",
                    self->folder, (int)url, text->bytes);
    return QUIPU_OK;
}

int32_t note_settle(quipu_backend *self, quipu_error *error)
{
    buffer path = { 0 }, text = { 0 };
    quipu_error why = { .struct_size = sizeof why };
    buffer_printf(&path, "%s/" NOTE_NAME, self->folder);
    int32_t code = path.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store")
                               : os_read_file(path.bytes, NOTE_MAX, &text, &why);
    if (code == QUIPU_E_NOT_FOUND)
        code = note_make(self, path.bytes, error);
    else if (code == QUIPU_OK)
        code = note_take(self, &text, error);
    else if (!path.failed)
        fail(error, code, "path", "%s", why.message);
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

int32_t client_make(quipu_backend *self, quipu_error *error)
{
    const settings *set = &self->set;
    char *key = NULL;
    int32_t code = key_read(set->key_env, set->key_file, &key, error);
    if (code == QUIPU_OK && set->key_env && !set->key_file && !key)
        code = fail(error, QUIPU_E_NOT_FOUND, "key_env",
                    "the environment variable %s, which is to hold the key, is not set", set->key_env);
    if (code == QUIPU_OK && key && !set->allow_http && !http_url_is_private(set->url))
        code = fail(error, QUIPU_E_INVALID, "url",
                    "the key would be sent unencrypted to %s; use https://, or set allow_http to true", set->url);
    http_options options = { .user_agent = "quipu/" QUIPU_VERSION,
                             .key = key,
                             .key_header = set->platform ? "Authorization: Token " : "X-API-Key: ",
                             .authorities = set->authorities,
                             .attempt_ms = set->timeout * 1000 };
    if (code == QUIPU_OK)
        code = http_client_create(&options, &self->http, error);
    key_free(key);
    return code;
}
