/*
 * serve_call.h - requests to what `quipu serve` serves, without a socket, on a store of the memory backend.
 */
#ifndef TESTS_SERVE_CALL_H
#define TESTS_SERVE_CALL_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <host_shim/serve/http/serve.h>

/* A fresh store, and what is served from it. options: its q and nothing else is filled in; NULL: all defaults. backend: NULL: memory.
 * store: a folder for those that need one, or NULL. Ends the test where that fails. */
serve *serve_call_open(const serve_options *options, const char *backend, const char *store);
void serve_call_close(serve *s);

/* The answer to the last call, until the next one. */
typedef struct serve_reply {
    int status;
    char *body;  /* with a NUL byte after it */
    cJSON *json; /* NULL where it is none */
    web_answer answer;
} serve_reply;
extern serve_reply serve_reply_last;

/* Calls; the status. target: path and query. headers: "Name: value" lines, or NULL. body: or NULL. */
int serve_call(serve *s, const char *method, const char *target, const char *headers, const char *body);
/* The value of a header of the last answer, or NULL. */
const char *serve_reply_header(const char *name);
/* A text of the last answer by the names that lead to it, separated by '.', numbers for places in lists; NULL where there is none. */
const char *serve_reply_text(const char *path);
const cJSON *serve_reply_node(const char *path);
int serve_reply_count(const char *path); /* of a list; -1 where it is none */

#endif
