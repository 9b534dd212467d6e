/* cmd_models.c - `quipu models`: the folders of models on this machine, and where they are looked for. Nothing is downloaded. */
#include "cli.h"

#include <sdk/json.h>
#include <sdk/model/model_folder.h>

typedef struct model_list {
    cli *c;
    buffer json;
    unsigned shown;
} model_list;

static int show_model(void *context, const char *name, const char *folder)
{
    model_list *list = context;
    if (list->c->json) {
        buffer_append_text(&list->json, list->shown ? ",{\"name\":" : "{\"name\":");
        json_print_string(str_of(name), &list->json);
        buffer_append_text(&list->json, ",\"folder\":");
        json_print_string(str_of(folder), &list->json);
        buffer_append_char(&list->json, '}');
    } else {
        print_cell(list->c, PAINT_ID, str_of(name), 40, 0);
        printf(" ");
        print_cell(list->c, PAINT_DIM, str_of(folder), 0, 0);
        putchar('\n');
    }
    list->shown++;
    return list->json.failed;
}

/* Each place on a line of its own, or as a member of the list. */
static void show_places(model_list *list, char *places)
{
    unsigned count = 0;
    for (char *rest, *place = strtok_r(places, "\n", &rest); place; place = strtok_r(NULL, "\n", &rest)) {
        if (list->c->json) {
            buffer_append_text(&list->json, count++ ? "," : "");
            json_print_string(str_of(place), &list->json);
        } else {
            print_cell(list->c, PAINT_DIM, str_of("looked in"), 12, 0);
            printf(" ");
            print_cell(list->c, PAINT_PLAIN, str_of(place), 0, 0);
            putchar('\n');
        }
    }
}

int cmd_models(cli *c)
{
    model_list list = { .c = c };
    buffer places = { 0 };
    int status = STATUS_DONE;
    buffer_append_text(&list.json, "{\"models\":[");
    model_folder_each(show_model, &list);
    model_folder_places(&places);
    buffer_append_text(&list.json, "],\"looked_in\":[");
    if (places.bytes && !places.failed)
        show_places(&list, places.bytes);
    buffer_append_text(&list.json, "]}");
    if (c->json)
        status = print_json(c, &list.json);
    else if (list.shown == 0)
        remark(c, "no models found; docs/embedders.md has the command that gets each family");
    buffer_free(&places);
    buffer_free(&list.json);
    return status;
}
