/* store.c - opens the store that the options, the environment and --config name. */
#include "cli.h"

#include <base/fail.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_MAX_BYTES (1u << 20)

static int check_config(cli *c, const char *path)
{
    static const char *const texts[] = { "backend", "embedder", "plugin_path", "author" };
    static const char *const objects[] = { "backend_config", "embedder_config" };
    if (!cJSON_IsObject(c->config))
        return report_fault(c, QUIPU_E_INVALID, "config", "%s: a JSON object is needed", path);
    for (const cJSON *item = c->config->child; item; item = item->next) {
        bool known = false;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            if (strcmp(item->string, texts[i]) == 0) {
                known = true;
                if (!cJSON_IsString(item))
                    return report_fault(c, QUIPU_E_INVALID, item->string, "%s: \"%s\" has to be a string", path,
                                        item->string);
            }
        for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
            if (strcmp(item->string, objects[i]) == 0) {
                known = true;
                if (!cJSON_IsObject(item))
                    return report_fault(c, QUIPU_E_INVALID, item->string, "%s: \"%s\" has to be an object", path,
                                        item->string);
            }
        if (!known)
            return report_fault(
                c, QUIPU_E_INVALID, item->string,
                "%s: unknown setting \"%s\"; known are backend, backend_config, embedder, embedder_config, "
                "plugin_path and author",
                path, item->string);
    }
    return STATUS_DONE;
}

static int load_config(cli *c)
{
    const char *path = option_text(c, "config");
    buffer text = { 0 };
    quipu_error error = error_none();
    int status = STATUS_DONE;
    if (!path || c->config)
        return STATUS_DONE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !read_all(fd, CONFIG_MAX_BYTES, &text)) {
        fail_errno(&error, errno, "cannot read %s", path);
        error.code = QUIPU_E_IO;
        status = report(c, "--config", &error);
    } else if (json_parse(str_make(text.bytes, text.len), &c->config, &error) != QUIPU_OK) {
        status = report(c, path, &error);
    } else {
        status = check_config(c, path);
    }
    if (fd >= 0)
        close(fd);
    buffer_free(&text);
    return status;
}

/* An option, else the setting of that name, else absent. */
static quipu_str setting(const cli *c, const char *option, const char *name)
{
    const char *text = option ? option_text(c, option) : NULL;
    const cJSON *item = c->config ? cJSON_GetObjectItemCaseSensitive(c->config, name) : NULL;
    if (!text && cJSON_IsString(item))
        text = item->valuestring;
    return str_of(text);
}

int store_plugin_path(cli *c, quipu_str *out)
{
    int status = load_config(c);
    *out = setting(c, NULL, "plugin_path");
    return status;
}

/* $QUIPU_AUTHOR, the setting, --agent, --user, the login name: whichever is first. */
static void find_author(cli *c)
{
    const char *names[7] = { getenv("QUIPU_AUTHOR"),
                             setting(c, NULL, "author").ptr,
                             option_text(c, "agent"),
                             option_text(c, "user"),
                             getenv("LOGNAME"),
                             getenv("USER"),
                             NULL };
    const struct passwd *login;
    for (size_t i = 0; i < 6; i++)
        if (names[i] && *names[i] && utf8_first_bad(names[i], strlen(names[i])) < 0) {
            snprintf(c->author, sizeof c->author, "%s", names[i]);
            return;
        }
    login = getpwuid(geteuid());
    snprintf(c->author, sizeof c->author, "%s", login && login->pw_name ? login->pw_name : "quipu");
}

static void write_log(void *context, uint32_t level, const quipu_str *component, const quipu_str *message)
{
    const cli *c = context;
    const char *word = level == QUIPU_LOG_ERROR ? "error" : "warning";
    buffer line = { 0 };
    if (level > QUIPU_LOG_WARNING || (c->quiet && level != QUIPU_LOG_ERROR))
        return;
    if (c->json) {
        buffer_printf(&line, "{\"%s_log\":{\"component\":", word);
        json_print_string(*component, &line);
        buffer_append_text(&line, ",\"message\":");
        json_print_string(*message, &line);
        buffer_append_text(&line, "}}");
    } else {
        buffer_printf(&line, "quipu: %s: ", word);
        safe_append(&line, *component, true);
        buffer_append_text(&line, ": ");
        safe_append(&line, *message, true);
    }
    if (!line.failed)
        fprintf(stderr, "%s\n", line.bytes);
    buffer_free(&line);
}

static void print_setting(const cli *c, const char *name, buffer *out)
{
    const cJSON *item = c->config ? cJSON_GetObjectItemCaseSensitive(c->config, name) : NULL;
    if (item)
        json_print_compact(item, out);
}

static bool refuses_flags(const quipu_error *error)
{
    return strcmp(error->field, "flags") == 0 || strcmp(error->field, "quipu_open_params.flags") == 0;
}

static int open_with(cli *c, unsigned purpose, quipu_options *options)
{
    quipu_error error = error_none();
    options->flags = purpose == STORE_MAKE ? 0 : QUIPU_OPEN_NO_CREATE;
    if (purpose == STORE_VERIFY || purpose == STORE_REPAIR)
        options->flags |= QUIPU_OPEN_DAMAGED;
    int32_t code = quipu_open(options, &c->q, &error);
    if (code == QUIPU_E_INVALID && options->flags & QUIPU_OPEN_DAMAGED && refuses_flags(&error)) {
        options->flags &= ~QUIPU_OPEN_DAMAGED; /* a backend that knows nothing of damage */
        error = error_none();
        code = quipu_open(options, &c->q, &error);
    }
    if ((purpose == STORE_READ || purpose == STORE_VERIFY) && (code == QUIPU_E_READ_ONLY || code == QUIPU_E_DENIED)) {
        quipu_error again = error_none();
        options->flags |= QUIPU_OPEN_READ_ONLY;
        code = quipu_open(options, &c->q, &again);
        if (code != QUIPU_OK)
            error = again;
    }
    if (code == QUIPU_OK)
        return STATUS_DONE;
    int status = report(c, "cannot open the store", &error);
    return status == STATUS_USAGE ? STATUS_USAGE : STATUS_TROUBLE;
}

int store_open(cli *c, unsigned purpose)
{
    buffer backend_config = { 0 }, embedder_config = { 0 };
    int status = load_config(c);
    if (status != STATUS_DONE)
        return status;
    find_author(c);
    if (!c->source[0])
        snprintf(c->source, sizeof c->source, "quipu-cli/%s", QUIPU_VERSION);
    print_setting(c, "backend_config", &backend_config);
    print_setting(c, "embedder_config", &embedder_config);
    if (backend_config.failed || embedder_config.failed) {
        status = out_of_memory(c);
    } else {
        quipu_options options = {
            .struct_size = sizeof options,
            .store = str_of(option_text(c, "store")),
            .backend = setting(c, "backend", "backend"),
            .backend_config = str_make(backend_config.bytes, backend_config.len),
            .embedder = setting(c, "embedder", "embedder"),
            .embedder_config = str_make(embedder_config.bytes, embedder_config.len),
            .plugin_path = setting(c, NULL, "plugin_path"),
            .author = str_of(c->author),
            .source = str_of(c->source),
            .log = write_log,
            .context = c,
        };
        status = open_with(c, purpose, &options);
    }
    buffer_free(&backend_config);
    buffer_free(&embedder_config);
    return status;
}

int store_close(cli *c)
{
    quipu_error error = error_none();
    int32_t code = quipu_close(c->q, &error);
    c->q = NULL;
    if (code == QUIPU_OK)
        return STATUS_DONE;
    report(c, "cannot close the store", &error);
    return STATUS_TROUBLE;
}

quipu_write_options store_write_options(const cli *c, const char *operation)
{
    return (quipu_write_options){
        .struct_size = sizeof(quipu_write_options),
        .operation = str_of(operation),
        .user = str_of(option_text(c, "user")),
        .agent = str_of(option_text(c, "agent")),
        .session = str_of(option_text(c, "session")),
        .app = str_of(option_text(c, "app")),
    };
}

static int32_t ignore_bytes(void *context, const void *bytes, uint64_t len)
{
    (void)context;
    (void)bytes;
    (void)len;
    return QUIPU_OK;
}

int store_check_scope(cli *c, const char *what, const char *id)
{
    quipu_error error = error_none();
    buffer json = { 0 };
    int status = STATUS_DONE;
    if (!scope_given(c))
        return STATUS_DONE;
    cJSON *request = cJSON_CreateObject();
    if (!request || !object_set(request, "id", json_string(str_of(id))) ||
        !object_set(request, "include_expired", cJSON_CreateTrue()))
        status = out_of_memory(c);
    else
        status = request_narrow(c, request);
    if (status == STATUS_DONE) {
        json_print_compact(request, &json);
        quipu_str text = str_make(json.bytes, json.len);
        if (json.failed)
            status = out_of_memory(c);
        else if (quipu_get_json(c->q, &text, ignore_bytes, NULL, NULL, &error) != QUIPU_OK)
            status = report(c, what, &error);
    }
    buffer_free(&json);
    cJSON_Delete(request);
    return status;
}

int store_extension(cli *c, const char *what, const char *id, quipu_lease *lease, const void **table)
{
    quipu_error error = error_none();
    quipu_str name = str_of(id);
    *lease = (quipu_lease){ .struct_size = sizeof *lease };
    if (quipu_enter(c->q, lease, &error) != QUIPU_OK)
        return report(c, what, &error);
    *table = lease->api->get_extension(lease->self, &name);
    if (*table)
        return STATUS_DONE;
    quipu_leave(c->q, lease);
    return report_fault(c, QUIPU_E_UNSUPPORTED, "backend",
                        "%s: the backend \"%s\" does not have the extension %s; use a backend that has it (git does)",
                        what, quipu_backend_name(c->q), id);
}
