/*
 * http_era.h - which era an HTTP request belongs to, and whether its headers say what its body says.
 */
#ifndef SERVE_MCP_HTTP_ERA_H
#define SERVE_MCP_HTTP_ERA_H

#include "mcp.h"

#include <serve/http/web.h>

#define RPC_HEADER_MISMATCH (-32020)
#define RPC_MISSING_CAPABILITY (-32021)
#define RPC_UNSUPPORTED_VERSION (-32022)

/* By its _meta, or where it has none by its header. */
bool era_is_modern(const web_request *r, const rpc_message *m);
bool era_header_is_modern(const web_request *r);
/* The headers of a modern request. *meta_is_bad: its _meta lacks what it needs, which mcp_answer will say. RPC_OK, or a failure. */
int era_check(const web_request *r, const rpc_message *m, bool *meta_is_bad, rpc_error *why);
/* The revision that the header of an earlier request names; without one 2025-03-26. Errors: INVALID. */
int32_t era_revision(const web_request *r, mcp_revision *out, quipu_error *error);

#endif
