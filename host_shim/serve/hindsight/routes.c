/* routes.c - Hindsight's paths, and what it says of itself. */
#include "handlers.h"

/* What the clients' generated models check; so does what they do next: with store_document_text they add to documents. */
#define API_VERSION "0.9.1"

static int32_t version(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)s, (void)r, (void)error;
    buffer_append_text(&a->body, "{\"api_version\":\"" API_VERSION "\",\"version\":\"" API_VERSION "\",\"features\":{"
                                 "\"observations\":false,\"mcp\":false,\"worker\":false,\"bank_config_api\":true,"
                                 "\"bank_llm_health\":false,\"file_upload_api\":false,\"document_export_api\":false,"
                                 "\"document_import_api\":false,\"audit_log\":false,\"llm_trace\":false,"
                                 "\"store_document_text\":true}}");
    return QUIPU_OK;
}

static int32_t live(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)error;
    buffer_printf(&a->body, "{\"status\":\"healthy\",\"version\":\"" API_VERSION "\",\"uptime_seconds\":%lld}",
                  (long long)((r->began_ns - s->began_ns) / 1000000000));
    return QUIPU_OK;
}

static int32_t healthy(serve *s, web_request *r, web_answer *a, quipu_error *error)
{
    (void)s, (void)r, (void)error;
    buffer_append_text(&a->body, "{\"status\":\"healthy\"}");
    return QUIPU_OK;
}

#define BANKS "/v1/default/banks"
#define BANK BANKS "/{bank_id}"
#define WIRE &hindsight_wire
#define PROFILE                                                                                                        \
    "name mission background disposition:object disposition_skepticism:integer disposition_literalism:integer "        \
    "disposition_empathy:integer"
#define PAGE "limit:integer offset:integer"
#define TAGS "tags:array tags_match tag_groups:array"

extern const route hindsight_routes[];
const route hindsight_routes[] = {
    { "GET", "/version", version, ROLE_NONE, ROUTE_FAST, WIRE, "Version and features", NULL, NULL },
    { "GET", "/health/live", live, ROLE_NONE, ROUTE_FAST, WIRE, "Is the server alive?", NULL, NULL },
    { "GET", "/health/ready", healthy, ROLE_NONE, ROUTE_FAST, WIRE, "The same", NULL, NULL },
    { "POST", BANK "/memories", hindsight_retain, ROLE_WRITE, 0, WIRE, "Retain", NULL,
      "items:array! async:boolean document_tags:array operation_id:any" },
    { "POST", BANK "/memories/recall", hindsight_recall, ROLE_READ, 0, WIRE, "Recall", NULL,
      "query! types:array budget max_tokens:integer include:object temporal_window:object min_scores:object " TAGS },
    { "POST", BANK "/reflect", hindsight_reflect, ROLE_READ, 0, WIRE, "Reflect", NULL,
      "query! budget max_tokens:integer fact_types:array " TAGS },
    { "GET", BANK "/memories/list", hindsight_list, ROLE_READ, 0, WIRE, "List units",
      "type q state document_id tags tags_match " PAGE, NULL },
    { "GET", BANK "/memories/{memory_id}", hindsight_get, ROLE_READ, 0, WIRE, "A unit", NULL, NULL },
    { "PATCH", BANK "/memories/{memory_id}", hindsight_change, ROLE_WRITE, 0, WIRE, "Change a unit", NULL,
      "text context occurred_start occurred_end fact_type state reason" },
    { "DELETE", BANK "/memories", hindsight_clear, ROLE_WRITE, 0, WIRE, "Delete units", "type", NULL },
    { "GET", BANKS, hindsight_banks, ROLE_READ, 0, WIRE, "Banks", "q " PAGE, NULL },
    { "PUT", BANK, hindsight_profile_set, ROLE_WRITE, ROUTE_MAY_LACK, WIRE, "Make or change a bank", NULL, PROFILE },
    { "PATCH", BANK, hindsight_profile_set, ROLE_WRITE, ROUTE_MAY_LACK, WIRE, "Change a bank", NULL, PROFILE },
    { "DELETE", BANK, hindsight_bank_drop, ROLE_WRITE, 0, WIRE, "Delete a bank", NULL, NULL },
    { "GET", BANK "/profile", hindsight_profile, ROLE_READ, 0, WIRE, "A bank's profile", NULL, NULL },
    { "PUT", BANK "/profile", hindsight_profile_set, ROLE_WRITE, 0, WIRE, "Change a bank's profile", NULL, PROFILE },
    { "GET", BANK "/config", hindsight_config, ROLE_READ, 0, WIRE, "A bank's settings", NULL, NULL },
    { "PATCH", BANK "/config", hindsight_config_set, ROLE_WRITE, 0, WIRE, "Change settings", NULL, "updates:object!" },
    { "DELETE", BANK "/config", hindsight_config_set, ROLE_WRITE, 0, WIRE, "Back to the defaults", NULL, NULL },
    { "GET", BANK "/stats", hindsight_stats, ROLE_READ, 0, WIRE, "A bank's figures", NULL, NULL },
    { "GET", BANK "/operations", hindsight_operations, ROLE_READ, 0, WIRE, "What was done asynchronously",
      "status " PAGE, NULL },
    { "GET", BANK "/operations/{operation_id}", hindsight_operation, ROLE_READ, 0, WIRE, "An operation", NULL, NULL },
    { "GET", BANK "/documents", hindsight_documents, ROLE_READ, 0, WIRE, "Documents", PAGE, NULL },
    { "GET", BANK "/documents/{document_id}", hindsight_document, ROLE_READ, 0, WIRE, "A document", NULL, NULL },
    { "DELETE", BANK "/documents/{document_id}", hindsight_document_drop, ROLE_WRITE, 0, WIRE, "Delete a document",
      NULL, NULL },
    { "GET", BANK "/tags", hindsight_tag_list, ROLE_READ, 0, WIRE, "Tags", PAGE, NULL },
    { "GET", BANK "/entities", hindsight_entities, ROLE_READ, 0, WIRE, "Entities", PAGE, NULL },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
