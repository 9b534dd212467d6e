/* quipu_history.c - the profile `quipu`: history, diff, revert, branch. */
#include <core/difference.h>
#include "quipu_profile.h"
#include "support.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdio.h>
#include <string.h>

#define DIFFERENCES_MAX 200
#define REVISION_                                                                                                      \
    "{\"type\":\"string\",\"minLength\":1,\"description\":\"a revision's name or its beginning, HEAD, HEAD~N, a "      \
    "branch, a time (RFC 3339) or a date\"}"
#define TEXT_ "{\"type\":\"string\"}"

const char quipu_history_in[] =
    "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"minLength\":1,\"description\":\"only what "
    "changed this memory\"},"
    "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"description\":\"revisions at the most (20)\"},"
    "\"from\":" REVISION_ "},\"additionalProperties\":false}";
const char quipu_history_out[] = "{\"type\":\"object\",\"properties\":{\"revisions\":{\"type\":\"array\",\"items\":{"
                                 "\"type\":\"object\",\"properties\":{"
                                 "\"revision\":" TEXT_ ",\"author\":" TEXT_ ",\"time\":" TEXT_ ",\"subject\":" TEXT_
                                 "},\"required\":[\"revision\"]}}},\"required\":[\"revisions\"]}";
const char quipu_diff_in[] = "{\"type\":\"object\",\"properties\":{\"from\":" REVISION_ ",\"to\":" REVISION_
                             ",\"id\":{\"type\":\"string\",\"minLength\":1,\"description\":\"only this "
                             "memory\"}},\"additionalProperties\":false}";
const char quipu_diff_out[] =
    "{\"type\":\"object\",\"properties\":{\"changes\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
    "\"properties\":{\"id\":" TEXT_
    ",\"change\":{\"type\":\"string\",\"enum\":[\"added\",\"changed\",\"removed\"]},\"fields\":{\"type\":\"array\"}},"
    "\"required\":[\"id\",\"change\",\"fields\"]}},\"more\":{\"type\":\"boolean\"}},\"required\":[\"changes\",\"more\"]"
    "}";
const char quipu_revert_in[] =
    "{\"type\":\"object\",\"properties\":{\"revision\":" REVISION_
    ",\"id\":{\"type\":\"string\",\"minLength\":1,\"description\":\"one memory, together with as_of\"},"
    "\"as_of\":" REVISION_ "},\"additionalProperties\":false}";
const char quipu_revert_out[] = "{\"type\":\"object\",\"properties\":{\"revision\":" TEXT_
                                ",\"changed\":{\"type\":\"integer\"}},\"required\":[\"revision\",\"changed\"]}";
const char quipu_branch_in[] = "{\"type\":\"object\",\"properties\":{\"action\":{\"type\":\"string\",\"enum\":["
                               "\"list\",\"create\",\"switch\",\"merge\",\"delete\"]},"
                               "\"name\":{\"type\":\"string\",\"minLength\":1},\"from\":" REVISION_
                               "},\"required\":[\"action\"],\"additionalProperties\":false}";
const char quipu_branch_out[] =
    "{\"type\":\"object\",\"properties\":{\"branches\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
    "\"properties\":{\"name\":" TEXT_ ",\"revision\":" TEXT_
    ",\"current\":{\"type\":\"boolean\"}},\"required\":[\"name\",\"revision\",\"current\"]}},"
    "\"merged\":{\"type\":\"object\"}},\"required\":[\"branches\"]}";

/* One look into the history; what lies outside of the server's scope is as if it were not there. */
typedef struct look {
    mcp_request *request;
    const quipu_history_api *api;
    quipu_lease lease;
    buffer *out;
    quipu_str id; /* only this record; absent: all */
    uint64_t count, limit;
    bool touched, more;
    char outside[QUIPU_ID_MAX + 1];
} look;

static int32_t look_begin(look *l, mcp_request *r, buffer *out, quipu_error *error)
{
    const void *table = NULL;
    *l = (look){ .request = r, .out = out };
    int32_t code = mcp_enter_extension(r, QUIPU_EXT_HISTORY, &l->lease, &table, error);
    l->api = table;
    return code;
}

static void look_end(look *l)
{
    quipu_leave(l->request->server->q, &l->lease);
}

static bool is_in_scope(const look *l, const quipu_difference *d)
{
    return mcp_scope_holds(l->request->server, d->before) && mcp_scope_holds(l->request->server, d->after);
}

static int32_t stop_in_scope(void *context, const quipu_difference *d)
{
    look *l = context;
    l->touched = is_in_scope(l, d);
    return l->touched;
}

static int32_t show_revision(void *context, const quipu_revision *revision)
{
    look *l = context;
    l->touched = !mcp_scope_bound(l->request->server);
    int32_t code = l->touched ? QUIPU_OK
                              : l->api->diff(l->lease.self, NULL, &revision->name, &l->id, stop_in_scope, l,
                                             l->request->call, NULL);
    if (code != QUIPU_OK || !l->touched)
        return code;
    buffer_append_text(l->out, l->count++ > 0 ? "," : "");
    revision_json(revision, l->out);
    buffer_append_char(l->out, '}');
    return l->out->failed ? QUIPU_E_NO_MEMORY : l->count == l->limit;
}

int32_t quipu_print_history(mcp_request *r, quipu_str id, quipu_str from, uint64_t limit, buffer *out,
                            quipu_error *error)
{
    look l;
    int32_t code = look_begin(&l, r, out, error);
    if (code != QUIPU_OK)
        return code;
    l.id = id;
    quipu_log_query query = { .struct_size = sizeof query, .id = id, .from = from };
    query.limit = mcp_scope_bound(r->server) ? 0 : limit; /* what lies outside of the scope does not count */
    l.limit = limit;
    buffer_append_text(out, "{\"revisions\":[");
    code = l.api->log(l.lease.self, &query, show_revision, &l, r->call, error);
    buffer_append_text(out, "]}");
    look_end(&l);
    return code;
}

int32_t tool_history(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    return quipu_print_history(r, mcp_argument_str(arguments, "id"), mcp_argument_str(arguments, "from"),
                               (uint64_t)mcp_argument_int(arguments, "limit", 20), &out->structured, error);
}

static int32_t show_difference(void *context, const quipu_difference *d)
{
    look *l = context;
    if (!is_in_scope(l, d))
        return 0;
    l->more = l->count == DIFFERENCES_MAX;
    if (l->more)
        return 1;
    buffer_append_text(l->out, l->count++ > 0 ? "," : "");
    difference_json(d, false, l->out);
    return l->out->failed ? QUIPU_E_NO_MEMORY : 0;
}

int32_t tool_diff(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    quipu_str from = mcp_argument_str(arguments, "from"), to = mcp_argument_str(arguments, "to");
    quipu_str id = mcp_argument_str(arguments, "id");
    look l;
    int32_t code = look_begin(&l, r, &out->structured, error);
    if (code != QUIPU_OK)
        return code;
    if (!str_present(to))
        to = str_of("HEAD");
    buffer_append_text(l.out, "{\"changes\":[");
    code = l.api->diff(l.lease.self, &from, &to, &id, show_difference, &l, r->call, error);
    buffer_printf(l.out, "],\"more\":%s}", l.more ? "true" : "false");
    look_end(&l);
    return code;
}

/* ---- undo ---- */

static int32_t find_outside(void *context, const quipu_difference *d)
{
    look *l = context;
    if (is_in_scope(l, d))
        return 0;
    snprintf(l->outside, sizeof l->outside, "%.*s", (int)d->id.len, d->id.ptr);
    return 1;
}

static int32_t tell_of(void *context, const quipu_difference *d)
{
    look *l = context;
    quipu_record_changed(l->request, d->id);
    return 0;
}

/* A revision is taken back only where all that it changed lies in the server's scope. */
static int32_t take_back(look *l, quipu_str revision, const quipu_change_set *set, quipu_receipt *receipt,
                         quipu_error *error)
{
    const quipu_call *call = l->request->call;
    int32_t code = QUIPU_OK;
    if (mcp_scope_bound(l->request->server))
        code = l->api->diff(l->lease.self, NULL, &revision, NULL, find_outside, l, call, error);
    if (code == QUIPU_OK && l->outside[0])
        return fail(error, QUIPU_E_SCOPE, NULL,
                    "it also changed records outside of the scope that this server is bound to; nothing was done");
    return code == QUIPU_OK ? l->api->revert(l->lease.self, &revision, set, receipt, call, error) : code;
}

int32_t tool_revert(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    quipu_str revision = mcp_argument_str(arguments, "revision"), id = mcp_argument_str(arguments, "id");
    quipu_str as_of = mcp_argument_str(arguments, "as_of");
    quipu_write_options options = mcp_write_options(r, str_present(id) ? "restore" : "revert");
    quipu_change_set set = { .struct_size = sizeof set };
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    buffer then = { 0 };
    look l;
    if (str_present(revision) == str_present(id) || str_present(id) != str_present(as_of))
        return fail(error, QUIPU_E_INVALID, "revision", "give either a revision, or an id and as_of");
    int32_t code =
        str_present(id) && mcp_scope_bound(r->server) ? mcp_get_record(r, id, as_of, &then, error) : QUIPU_OK;
    buffer_free(&then);
    if (code == QUIPU_OK)
        code = quipu_change_set_begin(r->server->q, &options, &set, error);
    if (code == QUIPU_OK)
        code = look_begin(&l, r, &out->structured, error);
    if (code != QUIPU_OK)
        return code;
    if (!QUIPU_HAS(l.api, restore) || !l.api->revert || !l.api->restore)
        code = fail(error, QUIPU_E_UNSUPPORTED, "backend", "this backend shows its history but cannot undo");
    else if (str_present(id))
        code = l.api->restore(l.lease.self, &id, &as_of, &set, &receipt, r->call, error);
    else
        code = take_back(&l, revision, &set, &receipt, error);
    if (code == QUIPU_OK && receipt.changed > 0 && receipt.revision[0]) {
        quipu_str made = str_of(receipt.revision);
        l.api->diff(l.lease.self, NULL, &made, NULL, tell_of, &l, NULL, NULL);
    }
    look_end(&l);
    buffer_append_text(l.out, "{\"revision\":");
    json_print_string(str_of(receipt.revision), l.out);
    buffer_printf(l.out, ",\"changed\":%llu}", (unsigned long long)receipt.changed);
    return code;
}

/* ---- branches ---- */

typedef struct branches {
    buffer *out;
    uint64_t count;
} branches;

static int32_t show_branch(void *context, const quipu_branch *branch)
{
    branches *b = context;
    buffer_append_text(b->out, b->count++ > 0 ? ",{\"name\":" : "{\"name\":");
    json_print_string(branch->name, b->out);
    buffer_append_text(b->out, ",\"revision\":");
    json_print_string(branch->revision, b->out);
    buffer_printf(b->out, ",\"current\":%s}", branch->flags & QUIPU_BRANCH_CURRENT ? "true" : "false");
    return b->out->failed ? QUIPU_E_NO_MEMORY : 0;
}

static int32_t merge_branch(mcp_request *r, const quipu_branches_api *api, const quipu_lease *lease, quipu_str name,
                            quipu_merge_report *report, quipu_error *error)
{
    quipu_write_options options = mcp_write_options(r, "merge");
    quipu_change_set set = { .struct_size = sizeof set };
    int32_t code = quipu_change_set_begin(r->server->q, &options, &set, error);
    return code == QUIPU_OK ? api->merge(lease->self, &name, &set, report, r->call, error) : code;
}

static int32_t change_branches(mcp_request *r, const quipu_branches_api *api, const quipu_lease *lease,
                               const char *action, const cJSON *arguments, quipu_merge_report *report,
                               quipu_error *error)
{
    quipu_str name = mcp_argument_str(arguments, "name"), from = mcp_argument_str(arguments, "from");
    if (strcmp(action, "list") == 0)
        return QUIPU_OK;
    if (r->server->read_only)
        return fail(error, QUIPU_E_READ_ONLY, "action", "this server only reads");
    if (mcp_scope_bound(r->server))
        return fail(error, QUIPU_E_SCOPE, "action",
                    "branches are of the whole store, and this server is bound to a scope: it only lists them");
    if (!str_present(name))
        return fail(error, QUIPU_E_INVALID, "name", "which branch? give its name");
    if (strcmp(action, "create") == 0)
        return api->create(lease->self, &name, &from, r->call, error);
    if (strcmp(action, "switch") == 0)
        return api->switch_to(lease->self, &name, r->call, error);
    if (strcmp(action, "delete") == 0)
        return api->remove(lease->self, &name, r->call, error);
    return merge_branch(r, api, lease, name, report, error);
}

int32_t tool_branch(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error)
{
    const char *action = mcp_argument_str(arguments, "action").ptr;
    quipu_lease lease;
    const void *table = NULL;
    quipu_merge_report report = { .struct_size = sizeof report };
    branches b = { .out = &out->structured };
    int32_t code = mcp_enter_extension(r, QUIPU_EXT_BRANCHES, &lease, &table, error);
    if (code != QUIPU_OK)
        return code;
    const quipu_branches_api *api = table;
    code = change_branches(r, api, &lease, action, arguments, &report, error);
    buffer_append_text(b.out, "{\"branches\":[");
    if (code == QUIPU_OK)
        code = api->list(lease.self, show_branch, &b, r->call, error);
    buffer_append_char(b.out, ']');
    quipu_leave(r->server->q, &lease);
    if (strcmp(action, "merge") == 0)
        buffer_printf(b.out, ",\"merged\":{\"revisions\":%llu,\"records\":%llu,\"conflicts\":%llu}",
                      (unsigned long long)report.revisions, (unsigned long long)report.records,
                      (unsigned long long)report.conflicts);
    buffer_append_char(b.out, '}');
    return code;
}
