/* cmd_get.c - `quipu get`: one record, whole. */
#include "cli.h"

#include <sdk/json.h>

int cmd_get(cli *c)
{
    quipu_error error = error_none();
    buffer question = { 0 }, answer = { 0 };
    int status = STATUS_DONE;
    cJSON *request = cJSON_CreateObject();
    if (!request || !object_set(request, "id", json_string(str_of(c->arguments[0]))))
        status = out_of_memory(c);
    if (status == STATUS_DONE)
        status = request_narrow(c, request);
    if (status == STATUS_DONE)
        status = store_open(c, STORE_READ);
    if (status == STATUS_DONE) {
        json_print_compact(request, &question);
        quipu_str text = str_make(question.bytes, question.len);
        if (quipu_get_json(c->q, &text, sink_to_buffer, &answer, NULL, &error) != QUIPU_OK)
            status = report(c, "cannot get the record", &error);
        else
            status = c->json ? print_json(c, &answer) : view_text(c, &answer, view_record);
    }
    buffer_free(&question);
    buffer_free(&answer);
    cJSON_Delete(request);
    return status;
}
