/*
 * jsonrpc.h - JSON-RPC 2.0 messages (https://www.jsonrpc.org/specification): reading one strictly, writing answers.
 *
 * Nothing here knows what the methods mean, or how messages travel.
 */
#ifndef SERVE_JSONRPC_H
#define SERVE_JSONRPC_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu/error.h>

#define RPC_MESSAGE_MAX (16u << 20) /* bytes of a message: a record of 1 MiB, every byte escaped, and room to spare */

#define RPC_OK 0
#define RPC_PARSE_ERROR (-32700)
#define RPC_INVALID_REQUEST (-32600)
#define RPC_METHOD_NOT_FOUND (-32601)
#define RPC_INVALID_PARAMS (-32602)
#define RPC_INTERNAL_ERROR (-32603)

/* Why a request cannot be answered. */
typedef struct rpc_error {
    int code;
    char message[256]; /* UTF-8, one line */
    buffer data;       /* JSON, or empty */
} rpc_error;

/* Fills it and answers `code`. */
int rpc_fail(rpc_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for an error of libquipu, whose code becomes INVALID_PARAMS or INTERNAL_ERROR. */
int rpc_fail_as(rpc_error *error, const quipu_error *from);
void rpc_error_free(rpc_error *error);

/* One message; the texts are the tree's. */
typedef struct rpc_message {
    cJSON *tree;
    const cJSON *id;     /* a string or a number; NULL: a notification */
    const char *method;  /* NULL: an answer to a request of ours */
    const cJSON *params; /* an object; NULL: none */
    buffer spare_id;     /* JSON: the id of a message that could not be read otherwise, or empty */
} rpc_message;

/* Reads one message. Ends with rpc_message_free, also on failure. RPC_OK, or PARSE_ERROR (no JSON) or INVALID_REQUEST (JSON, but not
 * strict enough, or no message); whatever can be read of the id is there then, so that the answer finds its question. */
int rpc_read(quipu_str text, rpc_message *out, rpc_error *error);
/* The same of a tree, which becomes the message's. */
int rpc_read_tree(cJSON *tree, rpc_message *out, rpc_error *error);
void rpc_message_free(rpc_message *m);

/* Append one message, without a line end. result: JSON. id NULL: null. */
void rpc_print_result(const rpc_message *to, const buffer *result, buffer *out);
void rpc_print_error(const rpc_message *to, const rpc_error *error, buffer *out);
/* params: JSON of an object. */
void rpc_print_notification(const char *method, const buffer *params, buffer *out);

#endif
