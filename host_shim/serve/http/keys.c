/* keys.c - the file of keys; see keys.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getentropy */
#endif
#include "keys.h"

#include <base/fail.h>
#include <base/hash.h>
#include <errno.h>
#include <fcntl.h>
#include <sdk/json.h>
#include <sdk/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEYS_FILE_MAX (16u << 20)
#define KEYS_FORMAT 1
#define SECRET_BYTES 20
#define LABEL_MAX 128

static const char *const role_names[] = { "none", "read", "write", "admin" };

const char *role_name(unsigned role)
{
    return role <= ROLE_ADMIN ? role_names[role] : "none";
}

bool role_find(const char *name, unsigned *out)
{
    for (unsigned i = ROLE_READ; i <= ROLE_ADMIN; i++)
        if (strcmp(name, role_names[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

char *keys_default_path(void)
{
    const char *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    buffer path = { 0 };
    if (folder && *folder == '/')
        buffer_printf(&path, "%s/quipu/keys.json", folder);
    else if (home && *home == '/')
        buffer_printf(&path, "%s/.config/quipu/keys.json", home);
    if (!path.failed)
        return path.bytes;
    buffer_free(&path);
    return NULL;
}

/* ---- reading ---- */

static void key_free(key *k)
{
    free(k->label);
    free(k->user);
    free(k->agent);
    free(k->session);
    free(k->app);
    free(k->created_at);
}

void keys_free(key_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        key_free(&list->items[i]);
    free(list->items);
    *list = (key_list){ NULL, 0 };
}

/* A string member as a copy; NULL where there is none. False: it is something else, or there is no memory. */
static bool copy_member(const cJSON *object, const char *name, char **out)
{
    const cJSON *member = web_member(object, name);
    *out = NULL;
    if (!member)
        return true;
    if (!cJSON_IsString(member))
        return false;
    *out = str_dup(str_of(member->valuestring));
    return *out != NULL;
}

static bool read_key(const cJSON *row, key *k)
{
    const cJSON *id = web_member(row, "id"), *hash = web_member(row, "hash"), *role = web_member(row, "role");
    const cJSON *scope = web_member(row, "scope");
    if (!cJSON_IsString(id) || strlen(id->valuestring) != KEY_ID_LEN || !cJSON_IsString(hash) ||
        strlen(hash->valuestring) != 2 * sizeof k->hash || hex_decode(hash->valuestring, sizeof k->hash, k->hash) != 0)
        return false;
    if (!cJSON_IsString(role) || !role_find(role->valuestring, &k->role) || (scope && !cJSON_IsObject(scope)))
        return false;
    memcpy(k->id, id->valuestring, KEY_ID_LEN + 1);
    for (const cJSON *part = scope ? scope->child : NULL; part; part = part->next)
        if (strcmp(part->string, "user") != 0 && strcmp(part->string, "agent") != 0 &&
            strcmp(part->string, "session") != 0 && strcmp(part->string, "app") != 0)
            return false; /* a bound that this program does not know must not be overlooked */
    return copy_member(row, "label", &k->label) && copy_member(row, "created_at", &k->created_at) &&
           copy_member(scope, "user", &k->user) && copy_member(scope, "agent", &k->agent) &&
           copy_member(scope, "session", &k->session) && copy_member(scope, "app", &k->app);
}

static int32_t read_list(const char *path, const cJSON *tree, key_list *out, quipu_error *error)
{
    const cJSON *rows = web_member(tree, "keys"), *row;
    int64_t format;
    if (!json_is_int(web_member(tree, "format"), &format) || !cJSON_IsArray(rows))
        return fail(error, QUIPU_E_FORMAT, "keys", "%s is no file of keys", path);
    if (format > KEYS_FORMAT)
        return fail(error, QUIPU_E_FORMAT, "keys", "%s was written by a newer Quipu", path);
    size_t count = (size_t)cJSON_GetArraySize(rows);
    if (count > KEYS_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, "keys", "%s has more than %u keys", path, KEYS_MAX);
    out->items = calloc(count + 1, sizeof *out->items);
    if (!out->items)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    cJSON_ArrayForEach(row, rows)
    {
        if (!read_key(row, &out->items[out->count++]))
            return fail(error, QUIPU_E_FORMAT, "keys", "%s: key %zu is not understood", path, out->count);
    }
    return QUIPU_OK;
}

int32_t keys_read(const char *path, key_list *out, quipu_error *error)
{
    struct stat info;
    buffer text = { 0 };
    cJSON *tree = NULL;
    *out = (key_list){ NULL, 0 };
    if (stat(path, &info) != 0)
        return errno == ENOENT || errno == ENOTDIR ? QUIPU_OK : fail_errno(error, errno, "cannot read %s", path);
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        return fail(error, QUIPU_E_DENIED, "keys", "%s can be read or written by others: chmod 600 it", path);
    int32_t code = os_read_file(path, KEYS_FILE_MAX, &text, error);
    if (code == QUIPU_E_NOT_FOUND) {
        buffer_free(&text);
        return QUIPU_OK;
    }
    if (code == QUIPU_OK)
        code = json_parse(str_make(text.bytes ? text.bytes : "", text.len), &tree, error);
    if (code == QUIPU_OK)
        code = read_list(path, tree, out, error);
    if (code != QUIPU_OK)
        keys_free(out);
    cJSON_Delete(tree);
    buffer_free(&text);
    return code;
}

/* ---- writing ---- */

static void add_text(cJSON *object, const char *name, const char *text, bool *good)
{
    if (text)
        *good = cJSON_AddItemToObject(object, name, json_string(str_of(text))) && *good;
}

static bool add_key(cJSON *rows, const key *k)
{
    char hash[2 * sizeof k->hash + 1] = "";
    cJSON *row = cJSON_CreateObject(), *scope = cJSON_CreateObject();
    bool good = row && scope;
    hex_encode(k->hash, sizeof k->hash, hash);
    hash[sizeof hash - 1] = '\0';
    add_text(row, "id", k->id, &good);
    add_text(row, "hash", hash, &good);
    add_text(row, "role", role_name(k->role), &good);
    add_text(row, "label", k->label, &good);
    add_text(row, "created_at", k->created_at, &good);
    add_text(scope, "user", k->user, &good);
    add_text(scope, "agent", k->agent, &good);
    add_text(scope, "session", k->session, &good);
    add_text(scope, "app", k->app, &good);
    if (good && scope->child)
        good = cJSON_AddItemToObject(row, "scope", scope);
    else
        cJSON_Delete(scope);
    if (good && cJSON_AddItemToArray(rows, row))
        return true;
    cJSON_Delete(row);
    return false;
}

static int32_t write_list(const char *path, const key_list *list, quipu_error *error)
{
    buffer text = { 0 };
    cJSON *tree = cJSON_CreateObject(), *rows = cJSON_CreateArray();
    bool good = tree && rows && cJSON_AddItemToObject(tree, "format", json_number_int(KEYS_FORMAT));
    for (size_t i = 0; good && i < list->count; i++)
        good = add_key(rows, &list->items[i]);
    if (good && cJSON_AddItemToObject(tree, "keys", rows))
        json_print_canonical(tree, &text);
    else
        cJSON_Delete(rows);
    int32_t code = good && !text.failed ? os_replace_file(path, text.bytes, text.len, true, error)
                                        : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    cJSON_Delete(tree);
    buffer_free(&text);
    return code;
}

static int32_t make_parents(const char *path, quipu_error *error)
{
    char *copy = str_dup(str_of(path));
    int32_t code = copy ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    for (char *at = copy ? strchr(copy + 1, '/') : NULL; code == QUIPU_OK && at; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            code = fail_errno(error, errno, "cannot make %s", copy);
        *at = '/';
    }
    free(copy);
    return code;
}

/* Who changes the file holds the lock of the one beside it, since the file itself is replaced. */
static int32_t take_lock(const char *path, int *fd, quipu_error *error)
{
    buffer name = { 0 };
    buffer_printf(&name, "%s.lock", path);
    *fd = name.failed ? -1 : os->open(name.bytes, O_RDWR | O_CREAT, 0600);
    int32_t code = QUIPU_OK;
    if (name.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    else if (*fd < 0 || os->lock(*fd, true) != 0)
        code = fail_errno(error, errno, "cannot lock %s", name.bytes);
    buffer_free(&name);
    return code;
}

typedef int32_t change_fn(key_list *list, void *context, quipu_error *error);

static int32_t change_file(const char *path, change_fn *change, void *context, quipu_error *error)
{
    key_list list = { NULL, 0 };
    int fd = -1;
    int32_t code = make_parents(path, error);
    if (code == QUIPU_OK)
        code = take_lock(path, &fd, error);
    if (code == QUIPU_OK)
        code = keys_read(path, &list, error);
    if (code == QUIPU_OK)
        code = change(&list, context, error);
    if (code == QUIPU_OK)
        code = write_list(path, &list, error);
    keys_free(&list);
    if (fd >= 0)
        os->close(fd);
    return code;
}

static bool copy_text(const char *from, char **out)
{
    *out = from ? str_dup(str_of(from)) : NULL;
    return !from || *out;
}

static int32_t append(key_list *list, void *context, quipu_error *error)
{
    const key *wanted = context;
    if (list->count >= KEYS_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, "keys", "there are %u keys already", KEYS_MAX);
    key *more = realloc(list->items, (list->count + 1) * sizeof *more);
    if (!more)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    list->items = more;
    key *k = &more[list->count++];
    *k = (key){ .role = wanted->role };
    memcpy(k->id, wanted->id, sizeof k->id);
    memcpy(k->hash, wanted->hash, sizeof k->hash);
    bool good = copy_text(wanted->label, &k->label) && copy_text(wanted->user, &k->user) &&
                copy_text(wanted->agent, &k->agent) && copy_text(wanted->session, &k->session) &&
                copy_text(wanted->app, &k->app) && copy_text(wanted->created_at, &k->created_at);
    return good ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

static int32_t check_texts(const key *wanted, quipu_error *error)
{
    const struct {
        const char *name, *text;
    } parts[] = { { "label", wanted->label },
                  { "user", wanted->user },
                  { "agent", wanted->agent },
                  { "session", wanted->session },
                  { "app", wanted->app } };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *text = parts[i].text;
        if (!text)
            continue;
        if (!*text || strlen(text) > LABEL_MAX || utf8_first_bad(text, strlen(text)) >= 0)
            return fail(error, QUIPU_E_INVALID, parts[i].name, "%s must be UTF-8 of 1 to %d bytes", parts[i].name,
                        LABEL_MAX);
        for (; *text; text++)
            if ((unsigned char)*text < 0x20 || *text == 0x7f)
                return fail(error, QUIPU_E_INVALID, parts[i].name, "%s must not have control characters",
                            parts[i].name);
    }
    return QUIPU_OK;
}

static void hash_secret(quipu_str secret, uint8_t out[32])
{
    hash_sha256(secret.ptr, (size_t)secret.len, out);
}

int32_t keys_add(const char *path, const key *wanted, char text[KEY_TEXT_MAX], quipu_error *error)
{
    uint8_t random[KEY_ID_LEN / 2 + SECRET_BYTES];
    char digits[2 * sizeof random + 1];
    struct timespec now;
    buffer created = { 0 };
    int32_t code = check_texts(wanted, error);
    if (code != QUIPU_OK)
        return code;
    if (getentropy(random, sizeof random) != 0)
        return fail_errno(error, errno, "the system gives no random bytes");
    hex_encode(random, sizeof random, digits);
    digits[sizeof digits - 1] = '\0';
    clock_gettime(CLOCK_REALTIME, &now);
    time_print((int64_t)now.tv_sec * 1000000, &created);
    key k = *wanted;
    k.created_at = created.bytes;
    snprintf(k.id, sizeof k.id, "%.*s", KEY_ID_LEN, digits);
    hash_secret(str_of(digits + KEY_ID_LEN), k.hash);
    code = created.failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                          : change_file(path, append, &k, error);
    if (code == QUIPU_OK)
        snprintf(text, KEY_TEXT_MAX, "qk_%s_%s", k.id, digits + KEY_ID_LEN);
    explicit_bzero(random, sizeof random);
    explicit_bzero(digits, sizeof digits);
    buffer_free(&created);
    return code;
}

static int32_t take_out(key_list *list, void *context, quipu_error *error)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].id, context) == 0) {
            key_free(&list->items[i]);
            memmove(&list->items[i], &list->items[i + 1], (list->count - i - 1) * sizeof list->items[0]);
            list->count--;
            return QUIPU_OK;
        }
    return fail(error, QUIPU_E_NOT_FOUND, "id", "there is no key \"%s\"; `quipu keys list` shows them",
                (const char *)context);
}

int32_t keys_remove(const char *path, const char *id, quipu_error *error)
{
    char copy[KEY_ID_LEN + 2];
    snprintf(copy, sizeof copy, "%s", id);
    return change_file(path, take_out, copy, error);
}
