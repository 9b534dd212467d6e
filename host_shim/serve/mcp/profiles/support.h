/*
 * support.h - what several profiles need between a request and libquipu: scope, authors, questions, resource URIs.
 */
#ifndef SERVE_PROFILE_SUPPORT_H
#define SERVE_PROFILE_SUPPORT_H

#include <serve/mcp/mcp.h>

/* A string among the arguments; absent where it is not there. */
quipu_str mcp_argument_str(const cJSON *arguments, const char *name);
bool mcp_argument_true(const cJSON *arguments, const char *name);
/* A whole number, which the schema has checked; `otherwise` where it is not there. */
int64_t mcp_argument_int(const cJSON *arguments, const char *name, int64_t otherwise);

/* Appends `"scope":{...}`: that of the server and, where it leaves a field open, that of the arguments (or NULL). Errors: SCOPE, where the two
 * differ in a field. */
int32_t mcp_scope_print(const mcp_request *r, const cJSON *given, buffer *out, quipu_error *error);
/* The server's scope and an expression (as docs/filters.md has it) as a filter, for quipu_filter_free. */
int32_t mcp_filter_of(const mcp_request *r, const buffer *expression, quipu_parsed_filter **out, quipu_error *error);
/* True where the server has no scope, or the record lies in it. NULL lies in every scope. */
bool mcp_scope_holds(const mcp_server *server, const quipu_record *record);
bool mcp_scope_bound(const mcp_server *server);

/* Scope and author of a write; `operation`: as in quipu_write_options, or NULL. */
quipu_write_options mcp_write_options(const mcp_request *r, const char *operation);

/* quipu_search_json and its like. */
typedef int32_t mcp_ask_fn(quipu *q, const quipu_str *request, quipu_sink_fn sink, void *context,
                           const quipu_call *call, quipu_error *error);
/* Asks; a question that could not be put together fails. */
int32_t mcp_ask(const mcp_request *r, mcp_ask_fn *fn, const buffer *question, buffer *answer, quipu_error *error);
/* The same, parsed; *out is for the caller to delete. */
int32_t mcp_ask_tree(const mcp_request *r, mcp_ask_fn *fn, const buffer *question, cJSON **out, quipu_error *error);
/* One record of the scope, as JSON. as_of: absent for now. */
int32_t mcp_get_record(const mcp_request *r, quipu_str id, quipu_str as_of, buffer *answer, quipu_error *error);
/* NOT_FOUND where the scope has no such record; also those that have expired count. */
int32_t mcp_check_in_scope(const mcp_request *r, quipu_str id, quipu_error *error);
/* quipu_sink_fn that appends to a buffer. */
int32_t mcp_collect_bytes(void *context, const void *bytes, uint64_t len);

/* A lease on the active backend and the table of an extension; quipu_leave it where this succeeded. Errors: UNSUPPORTED. */
int32_t mcp_enter_extension(const mcp_request *r, const char *id, quipu_lease *lease, const void **table,
                            quipu_error *error);

/* Appends JSON as most programs print it for people: by two blanks, members in the order of the tree. */
void mcp_print_indented(const cJSON *node, buffer *out);

/* Percent-encoding of a path segment (RFC 3986), and back; false where it is none, or not UTF-8. */
void uri_append(buffer *out, quipu_str text);
bool uri_decode(const char *text, size_t len, buffer *out);

#endif
