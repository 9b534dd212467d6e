/*
 * stdio.h - MCP over standard input and output: one JSON-RPC message a line.
 *
 * The calling thread reads, and answers at once what needs no store; a second thread answers the rest in the order in which it was
 * asked, so that a client that sends several requests in a row gets what it would have got one by one. A request may be taken back
 * (notifications/cancelled) while it waits or runs: no answer comes then.
 */
#ifndef SERVE_MCP_STDIO_H
#define SERVE_MCP_STDIO_H

#include "mcp.h"

#define MCP_PENDING_MAX 256u              /* requests that may wait; more are refused */
#define MCP_PENDING_BYTES_MAX (64u << 20) /* bytes of messages that may wait */
#define MCP_BUSY 429                      /* code of a request that is refused, because too many wait */

/* Serves until `in` ends, and then answers what was asked; or until `stop` becomes readable (-1: never), and then drops it. SIGPIPE has
 * to be ignored. [may-block] Errors: IO (in or out), NO_MEMORY. */
int32_t mcp_serve_stdio(const mcp_server *server, int in, int out, int stop, quipu_error *error);

#endif
