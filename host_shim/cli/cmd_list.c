/* cmd_list.c - `quipu list`: a page of records. */
#include "cli.h"

#include <sdk/json.h>
#include <string.h>

/* One record a line: id, time, who, text. */
static void show_row(const cli *c, const cJSON *record, size_t columns, size_t id_width)
{
    char when[17];
    quipu_str actor = field_of(record, "actor"), text = field_of(record, "text");
    size_t used = id_width + 20 + (actor.len ? text_width(actor) + 2 : 0);
    view_time(record, "created_at", when);
    print_cell(c, PAINT_ID, field_of(record, "id"), id_width, 0);
    printf("  ");
    print_cell(c, PAINT_DIM, str_of(when), 16, 0);
    printf("  ");
    if (actor.len) {
        print_cell(c, PAINT_BOLD, actor, 0, 0);
        printf(": ");
    }
    if (!text.ptr && field_of(record, "relation").ptr) {
        print_cell(c, PAINT_BOLD, field_of(record, "head"), 0, 0);
        printf(" ");
        print_cell(c, PAINT_DIM, field_of(record, "relation"), 0, 0);
        printf(" ");
        text = field_of(record, "tail");
    }
    print_cell(c, PAINT_PLAIN, text, 0, columns > used + 10 ? columns - used : columns ? 10 : 0);
    putchar('\n');
}

static void show_page(const cli *c, const cJSON *page)
{
    const cJSON *results = cJSON_GetObjectItemCaseSensitive(page, "results"), *record;
    size_t id_width = 0, columns = terminal_width();
    cJSON_ArrayForEach(record, results)
    {
        size_t width = text_width(field_of(record, "id"));
        if (width > id_width && width <= 40)
            id_width = width;
    }
    cJSON_ArrayForEach(record, results) show_row(c, record, columns, id_width);
    quipu_str cursor = field_of(page, "cursor");
    if (cursor.ptr)
        remark(c, "there is more: --cursor %.*s", (int)cursor.len, cursor.ptr);
}

static int build_request(cli *c, cJSON *request)
{
    const char *cursor = option_text(c, "cursor"), *order = option_text(c, "order");
    uint64_t limit;
    if (!option_number(c, "limit", 1, 100000, 100, &limit))
        return STATUS_USAGE;
    if (order && strcmp(order, "newest") != 0 && strcmp(order, "oldest") != 0 && strcmp(order, "id") != 0)
        return report_fault(c, QUIPU_E_INVALID, "order", "--order %s: newest, oldest or id is needed", order);
    if (!object_set(request, "limit", json_number_int((int64_t)limit)) ||
        (cursor && !object_set(request, "cursor", json_string(str_of(cursor)))) ||
        (order && !object_set(request, "order", json_string(str_of(order)))))
        return out_of_memory(c);
    return request_narrow(c, request);
}

int cmd_list(cli *c)
{
    cJSON *request = cJSON_CreateObject();
    int status = request ? build_request(c, request) : out_of_memory(c);
    if (status == STATUS_DONE)
        status = request_ask(c, request, quipu_list_json, "cannot list", show_page);
    cJSON_Delete(request);
    return status;
}
