/*
 * mcp_client.h - an MCP client inside of a test: what it says goes straight to the protocol, without a transport.
 */
#ifndef TESTS_MCP_CLIENT_H
#define TESTS_MCP_CLIENT_H

#include <host_shim/serve/mcp/mcp.h>

/* A modern request's _meta, to be put into params. */
#define MCP_MODERN                                                                                                     \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/"                 \
    "clientCapabilities\":{}}"

typedef struct mcp_client {
    quipu *q;
    mcp_server server;
    mcp_session session;
    buffer answer; /* to the last message */
    buffer heard;  /* notifications, a line each */
    cJSON *tree;   /* the last answer, parsed */
    bool failed;   /* the last tool answered with isError */
} mcp_client;

/* A store at `store` by that backend, served by the profile. Ends the test where that fails. */
void mcp_client_begin(mcp_client *c, const char *store, const char *backend, const char *profile);
void mcp_client_end(mcp_client *c);
/* initialize by the revision. */
void mcp_client_initialize(mcp_client *c, const char *revision);

/* One message, as printf makes it; its answer, until the next call: "" where none came. */
const char *mcp_say(mcp_client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A request with params, without the braces around them; "result" or "error" of its answer as compact JSON, until the next call. */
const char *mcp_ask_for(mcp_client *c, const char *method, const char *params);
/* A tool by the modern rules; its text, until the next call. */
const char *mcp_tool_text(mcp_client *c, const char *tool, const char *arguments);
/* Its structured content as compact JSON, until the next call; "" for none. */
const char *mcp_tool_object(mcp_client *c, const char *tool, const char *arguments);

#endif
