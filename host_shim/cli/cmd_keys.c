/* cmd_keys.c - `quipu keys`: the API keys of `quipu serve`. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* explicit_bzero */
#endif
#include "cli.h"

#include <serve/http/keys.h>

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>

static void print_member(buffer *out, const char *name, const char *text)
{
    if (!text)
        return;
    buffer_printf(out, "%s\"%s\":", out->bytes[out->len - 1] == '{' ? "" : ",", name);
    json_print_string(str_of(text), out);
}

static void append_key(const key *k, buffer *out)
{
    buffer_append_char(out, '{');
    print_member(out, "id", k->id);
    print_member(out, "role", role_name(k->role));
    print_member(out, "label", k->label);
    print_member(out, "user", k->user);
    print_member(out, "agent", k->agent);
    print_member(out, "session", k->session);
    print_member(out, "app", k->app);
    print_member(out, "created_at", k->created_at);
    buffer_append_char(out, '}');
}

static void show_key(const cli *c, const key *k)
{
    const struct {
        const char *name, *text;
    } bounds[] = { { "user", k->user }, { "agent", k->agent }, { "session", k->session }, { "app", k->app } };
    print_cell(c, PAINT_ID, str_of(k->id), 14, 0);
    print_cell(c, PAINT_PLAIN, str_of(role_name(k->role)), 7, 0);
    print_cell(c, PAINT_DIM, str_of(k->created_at ? k->created_at : ""), 22, 0);
    print_cell(c, PAINT_PLAIN, str_of(k->label ? k->label : ""), 0, 0);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++)
        if (bounds[i].text) {
            printf("  %s=", bounds[i].name);
            print_cell(c, PAINT_PLAIN, str_of(bounds[i].text), 0, 0);
        }
    putchar('\n');
}

static int list_keys(cli *c, const char *path)
{
    key_list list;
    quipu_error error = error_none();
    buffer json = { 0 };
    int status = STATUS_DONE;
    if (keys_read(path, &list, &error) != QUIPU_OK)
        return report(c, "cannot list the keys", &error);
    buffer_append_text(&json, "{\"keys\":[");
    for (size_t i = 0; i < list.count; i++) {
        buffer_append_text(&json, i ? "," : "");
        append_key(&list.items[i], &json);
        if (!c->json)
            show_key(c, &list.items[i]);
    }
    buffer_append_text(&json, "]}");
    if (c->json)
        status = print_json(c, &json);
    else if (list.count == 0)
        remark(c, "there are no keys: `quipu serve` is open to every program on this machine, and to no other");
    keys_free(&list);
    buffer_free(&json);
    return status;
}

static int add_key(cli *c, const char *path)
{
    char text[KEY_TEXT_MAX];
    quipu_error error = error_none();
    const char *role = option_text(c, "role");
    key wanted = { .role = ROLE_WRITE,
                   .label = (char *)(uintptr_t)option_text(c, "label"),
                   .user = (char *)(uintptr_t)option_text(c, "user"),
                   .agent = (char *)(uintptr_t)option_text(c, "agent"),
                   .session = (char *)(uintptr_t)option_text(c, "session"),
                   .app = (char *)(uintptr_t)option_text(c, "app") };
    if (role && !role_find(role, &wanted.role))
        return report_fault(c, QUIPU_E_INVALID, "role", "--role %s: read, write or admin is needed", role);
    if (keys_add(path, &wanted, text, &error) != QUIPU_OK)
        return report(c, "cannot make a key", &error);
    printf(c->json ? "{\"key\":\"%s\"}\n" : "%s\n", text);
    remark(c, "keep it: it cannot be shown again");
    explicit_bzero(text, sizeof text);
    return STATUS_DONE;
}

static int remove_key(cli *c, const char *path, const char *id)
{
    quipu_error error = error_none();
    if (keys_remove(path, id, &error) != QUIPU_OK)
        return report(c, "cannot remove the key", &error);
    remark(c, "removed; a running server knows it already");
    return STATUS_DONE;
}

int cmd_keys(cli *c)
{
    const char *verb = c->argument_count > 0 ? c->arguments[0] : "list", *given = option_text(c, "keys");
    bool removes = strcmp(verb, "remove") == 0;
    char *path = given ? str_dup(str_of(given)) : keys_default_path();
    int status;
    if (!path)
        return report_fault(c, QUIPU_E_NOT_FOUND, "keys", "there is no home folder: name the file with --keys");
    if (removes != (c->argument_count == 2))
        status = report_fault(c, QUIPU_E_INVALID, "arguments", "quipu keys list, add, or remove ID is needed");
    else if (removes)
        status = remove_key(c, path, c->arguments[1]);
    else if (strcmp(verb, "add") == 0)
        status = add_key(c, path);
    else if (strcmp(verb, "list") == 0)
        status = list_keys(c, path);
    else
        status = report_fault(c, QUIPU_E_INVALID, "arguments", "quipu keys %s: list, add or remove is needed", verb);
    free(path);
    return status;
}
