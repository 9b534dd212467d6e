/* request.c - what the options say, as the JSON that libquipu takes. */
#include "cli.h"

#include <base/fail.h>
#include <errno.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const scope_fields[] = { "user", "agent", "session", "app" };

bool object_set(cJSON *object, const char *name, cJSON *item)
{
    if (!item)
        return false;
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (cJSON_AddItemToObject(object, name, item))
        return true;
    cJSON_Delete(item);
    return false;
}

cJSON *option_json(cli *c, const char *label, const char *text)
{
    cJSON *tree = NULL;
    quipu_error error = error_none();
    char what[96];
    if (json_parse(str_of(text), &tree, &error) == QUIPU_OK)
        return tree;
    snprintf(what, sizeof what, "%s is not usable JSON", label);
    report(c, what, &error);
    return NULL;
}

bool scope_given(const cli *c)
{
    for (size_t i = 0; i < 4; i++)
        if (option_given(c, scope_fields[i]))
            return true;
    return false;
}

bool scope_holds(const cli *c, const quipu_record *r)
{
    for (size_t i = 0; r && i < 4; i++) {
        const quipu_str has[4] = { r->user, r->agent, r->session, r->app };
        const char *wanted = option_text(c, scope_fields[i]);
        if (wanted && !str_same(has[i], str_of(wanted)))
            return false;
    }
    return true;
}

int request_bind_scope(cli *c, cJSON *scope)
{
    for (size_t i = 0; i < 4; i++) {
        const char *value = option_text(c, scope_fields[i]);
        const cJSON *there = cJSON_GetObjectItemCaseSensitive(scope, scope_fields[i]);
        if (!value)
            continue;
        if (there && !(cJSON_IsString(there) && strcmp(there->valuestring, value) == 0))
            return report_fault(c, QUIPU_E_INVALID, scope_fields[i],
                                "the question's scope.%s differs from --%s %s: leave one of them out", scope_fields[i],
                                scope_fields[i], value);
        if (!object_set(scope, scope_fields[i], json_string(str_of(value))))
            return out_of_memory(c);
    }
    return STATUS_DONE;
}

int request_narrow(cli *c, cJSON *request)
{
    const char *filter = option_text(c, "filter"), *as_of = option_text(c, "as-of");
    if (scope_given(c)) {
        cJSON *scope = cJSON_CreateObject();
        if (!object_set(request, "scope", scope))
            return out_of_memory(c);
        int status = request_bind_scope(c, scope);
        if (status != STATUS_DONE)
            return status;
    }
    if (filter) {
        cJSON *tree = option_json(c, "--filter", filter);
        if (!tree)
            return STATUS_USAGE;
        if (!object_set(request, "filter", tree))
            return out_of_memory(c);
    }
    if (as_of && !object_set(request, "as_of", json_string(str_of(as_of))))
        return out_of_memory(c);
    if (option_given(c, "all") && !object_set(request, "include_expired", cJSON_CreateTrue()))
        return out_of_memory(c);
    return STATUS_DONE;
}

int argument_text(cli *c, const char *label, const char *argument, buffer *out)
{
    if (strcmp(argument, "-") != 0) {
        buffer_append_text(out, argument);
    } else {
        if (!read_all(STDIN_FILENO, LINE_MAX_BYTES, out))
            return report_fault(c, QUIPU_E_IO, label, "cannot read standard input: %s", strerror(errno));
        if (out->len > 0 && out->bytes[out->len - 1] == '\n')
            out->bytes[--out->len] = '\0';
    }
    if (out->failed)
        return out_of_memory(c);
    if (out->len > 0 && memchr(out->bytes, '\0', out->len))
        return report_fault(c, QUIPU_E_INVALID, label, "the %s holds a NUL byte: a record is text; take it out", label);
    int64_t bad = utf8_first_bad(out->bytes ? out->bytes : "", out->len);
    if (bad >= 0)
        return report_fault(c, QUIPU_E_INVALID, label,
                            "the %s is not UTF-8 (byte %lld): convert it first, as with `iconv -t UTF-8`", label,
                            (long long)bad + 1);
    return STATUS_DONE;
}

int32_t sink_to_buffer(void *context, const void *bytes, uint64_t len)
{
    buffer *out = context;
    buffer_append(out, bytes, (size_t)len);
    return out->failed ? QUIPU_E_NO_MEMORY : QUIPU_OK;
}

int request_ask(cli *c, const cJSON *request, ask_fn *ask, const char *what,
                void (*show)(const cli *c, const cJSON *answer))
{
    quipu_error error = error_none();
    buffer question = { 0 }, answer = { 0 };
    int status = store_open(c, STORE_READ);
    if (status == STATUS_DONE) {
        json_print_compact(request, &question);
        quipu_str text = str_make(question.bytes, question.len);
        if (question.failed)
            status = out_of_memory(c);
        else if (ask(c->q, &text, sink_to_buffer, &answer, NULL, &error) != QUIPU_OK)
            status = report(c, what, &error);
        else
            status = c->json ? print_json(c, &answer) : view_text(c, &answer, show);
    }
    buffer_free(&question);
    buffer_free(&answer);
    return status;
}
