/* cmd_plugins.c - `quipu plugins`: what stands in the plugin folders, without running it unless asked to. */
#include "cli.h"

#include <sdk/json.h>

typedef struct plugin_list {
    cli *c;
    buffer json;
    unsigned shown, refused;
} plugin_list;

static void append_member(buffer *out, const char *name, quipu_str text)
{
    if (!text.ptr)
        return;
    buffer_printf(out, ",\"%s\":", name);
    json_print_string(text, out);
}

static void append_plugin(plugin_list *list, const quipu_plugin_info *p)
{
    buffer *out = &list->json;
    buffer_printf(out, "%s{\"state\":\"%s\"", list->shown ? "," : "",
                  p->state == QUIPU_PLUGIN_ACCEPTED ? "accepted" : "refused");
    append_member(out, "path", p->path);
    append_member(out, "id", p->id);
    append_member(out, "version", p->version);
    append_member(out, "licence", p->licence);
    buffer_printf(out, ",\"abi_min\":\"%u.%u\",\"abi_max\":\"%u.%u\"", QUIPU_ABI_MAJOR(p->abi_min),
                  QUIPU_ABI_MINOR(p->abi_min), QUIPU_ABI_MAJOR(p->abi_max), QUIPU_ABI_MINOR(p->abi_max));
    append_member(out, "backends", p->backends);
    append_member(out, "embedders", p->embedders);
    append_member(out, "faults", p->faults);
    buffer_append_char(out, '}');
}

static void print_part(const cli *c, const char *label, quipu_str text)
{
    if (!text.ptr || !text.len)
        return;
    printf("    ");
    print_cell(c, PAINT_DIM, str_of(label), 10, 0);
    printf(" ");
    print_cell(c, PAINT_PLAIN, text, 0, 0);
    putchar('\n');
}

static void print_plugin(const cli *c, const quipu_plugin_info *p)
{
    bool accepted = p->state == QUIPU_PLUGIN_ACCEPTED;
    print_cell(c, accepted ? PAINT_GOOD : PAINT_BAD, str_of(accepted ? "ok" : "refused"), 8, 0);
    print_cell(c, PAINT_ID, p->id.ptr ? p->id : str_of("(no id)"), 24, 0);
    if (p->version.ptr) {
        printf(" ");
        print_cell(c, PAINT_PLAIN, p->version, 8, 0);
        printf(" ABI %u.%u-%u.%u  ", QUIPU_ABI_MAJOR(p->abi_min), QUIPU_ABI_MINOR(p->abi_min),
               QUIPU_ABI_MAJOR(p->abi_max), QUIPU_ABI_MINOR(p->abi_max));
        print_cell(c, PAINT_DIM, p->licence, 0, 0);
    }
    putchar('\n');
    print_part(c, "file", p->path);
    print_part(c, "backends", p->backends);
    print_part(c, "embedders", p->embedders);
    if (p->faults.ptr && p->faults.len)
        print_text(p->faults, "    fault: ");
}

static int32_t show_plugin(void *context, const quipu_plugin_info *p)
{
    plugin_list *list = context;
    list->refused += p->state != QUIPU_PLUGIN_ACCEPTED;
    if (list->c->json)
        append_plugin(list, p);
    else
        print_plugin(list->c, p);
    list->shown++;
    return list->json.failed ? QUIPU_E_NO_MEMORY : 0;
}

int cmd_plugins(cli *c)
{
    plugin_list list = { .c = c };
    quipu_error error = error_none();
    quipu_str path;
    bool load = option_given(c, "load");
    int status = store_plugin_path(c, &path);
    if (status != STATUS_DONE)
        return status;
    buffer_append_text(&list.json, "{\"plugins\":[");
    if (quipu_list_plugins(path.ptr ? &path : NULL, load, show_plugin, &list, &error) != QUIPU_OK) {
        status = report(c, "cannot list the plugins", &error);
    } else if (c->json) {
        buffer_append_text(&list.json, "]}");
        status = print_json(c, &list.json);
    } else if (list.shown == 0) {
        remark(c, "no plugins found: set QUIPU_PLUGIN_PATH to the folder that holds them");
    }
    buffer_free(&list.json);
    return status == STATUS_DONE && load && list.refused ? STATUS_CHECK : status;
}
