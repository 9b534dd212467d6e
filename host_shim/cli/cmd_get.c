/* cmd_get.c - `quipu get`: one record, whole. */
#include "cli.h"

#include <sdk/json.h>

int cmd_get(cli *c)
{
    int status = STATUS_DONE;
    cJSON *request = cJSON_CreateObject();
    if (!request || !object_set(request, "id", json_string(str_of(c->arguments[0]))))
        status = out_of_memory(c);
    if (status == STATUS_DONE)
        status = request_narrow(c, request);
    if (status == STATUS_DONE)
        status = request_ask(c, request, quipu_get_json, "cannot get the record", view_record);
    cJSON_Delete(request);
    return status;
}
