/*
 * router.h - the one table of what is served: method, path, handler, role; and how each wire words its failures.
 *
 * A wire is a file with a list of rows, named in router.c. The OpenAPI document, the metrics and `quipu serve --routes` are made from
 * the same rows, so that none can be forgotten.
 */
#ifndef SERVE_ROUTER_H
#define SERVE_ROUTER_H

#include "web.h"

typedef struct serve serve; /* serve.h */
typedef struct route route;

/* Answers one request: fills `a`, whose status is 200 where the handler says nothing. Errors: any; the wire words them. */
typedef int32_t route_fn(serve *s, web_request *r, web_answer *a, quipu_error *error);

/* How a family of clients expects to be told of a failure: fills the body. status is the final one. */
typedef struct wire {
    const char *name; /* as "mem0"; the tag in the OpenAPI document */
    /* NULL: as Quipu's own routes do */
    void (*refuse)(const web_request *r, web_answer *a, const quipu_error *error);
} wire;

#define ROUTE_FAST 1u     /* never waits: answered by the thread that reads */
#define ROUTE_MAY_LACK 2u /* an empty body stands for {} */

struct route {
    const char *method; /* NULL ends a list */
    const char
        *pattern; /* "/v1/memories/{memory_id}/": a segment in braces is captured. A '/' at the end does not count */
    route_fn *handle;
    unsigned role;  /* ROLE_*: the least that may call it */
    unsigned flags; /* ROUTE_* */
    const wire *wire;
    const char *summary;
    const char *query; /* arguments of the query, as "user_id page:integer"; NULL: none */
    const char *
        body; /* members of the body, as "messages:array! infer:boolean", '!' where it has to be there; NULL: no body is read */
};

typedef struct router router;

/* Errors: INVALID (two rows for one path), NO_MEMORY. prefix: a path below which all is served, as "/memory"; or NULL. */
int32_t router_create(const char *prefix, router **out, quipu_error *error);
void router_free(router *all);
/* Every row, in the order of the tables. */
size_t router_count(const router *all);
const route *router_row(const router *all, size_t i);
/* The row of the request's method and path, and its captures in r->captures. HEAD is answered as GET. index: of router_row; *allowed:
 * the methods of that path, separated by ", ". Errors: NOT_FOUND; UNSUPPORTED (the path is there, with other methods). */
int32_t router_find(const router *all, web_request *r, size_t *index, char allowed[64], quipu_error *error);

/* The failures of Quipu's own routes: {"error":{"code","message","field"}}. */
extern const wire own_wire;

#endif
