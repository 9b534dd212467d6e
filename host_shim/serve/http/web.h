/*
 * web.h - one HTTP request and its answer, as the wires see them: no sockets, and nothing of the library that speaks HTTP.
 *
 * Everything that a request holds is the request's until its end; what a handler needs besides comes from web_keep. Path and query are
 * kept as they were sent: the path is split at '/' first and each segment decoded afterwards (so "a%2Fb" is one), and '+' is a blank
 * in the query only.
 */
#ifndef SERVE_WEB_H
#define SERVE_WEB_H

#include "stream.h"

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu/error.h>
#include <stdbool.h>

#define WEB_SEGMENTS_MAX 16
#define WEB_ARGUMENTS_MAX 64
#define WEB_HEADERS_MAX 8
#define WEB_ID_LEN 16 /* digits of a request's id */

/* Who asks: what the credentials are good for. Texts are absent or the request's. */
#define ROLE_NONE 0u /* also without credentials */
#define ROLE_READ 1u
#define ROLE_WRITE 2u
#define ROLE_ADMIN 3u
typedef struct principal {
    unsigned role;
    char key[20];                        /* the public part of the key; "" without one */
    quipu_str name;                      /* the key's label: who acts */
    quipu_str user, agent, session, app; /* what the key is bound to; absent: not bound */
} principal;

typedef struct web_pair {
    quipu_str name, value;
} web_pair;

/* The value of a header, without regard to the case of `name`; absent where there is none. */
typedef quipu_str web_header_fn(void *connection, const char *name);

typedef struct web_chunk web_chunk; /* memory of the request */

typedef struct web_request {
    const char *method;
    quipu_str path;  /* as sent, from the first '/' on; without the query */
    quipu_str query; /* as sent, after the '?' */
    quipu_str body;
    quipu_str peer; /* the client's address */
    web_header_fn *header;
    void *connection;
    char id[WEB_ID_LEN + 1];
    const quipu_call *call; /* deadline and cancel token; for every call that may block */

    /* Filled on the way to the handler. */
    quipu_str segments[WEB_SEGMENTS_MAX]; /* of the path, decoded */
    unsigned segment_count;
    bool slash_at_end;
    quipu_str captures[4]; /* what the pattern's {names} stand for, in order */
    web_pair arguments[WEB_ARGUMENTS_MAX];
    unsigned argument_count;
    cJSON *json; /* the body, where it was parsed */
    principal who;
    web_chunk *memory;
    size_t route; /* of router_row; SIZE_MAX before it is known */
    int64_t began_ns;
} web_request;

typedef struct web_answer {
    int status;       /* 0: 200, or what the code of the failure stands for */
    const char *type; /* NULL: application/json */
    buffer body;
    struct {
        const char *name;
        char value[160];
    } headers[WEB_HEADERS_MAX];
    unsigned header_count;
    web_stream *stream; /* what comes after the headers, instead of `body`; NULL: the body is all. The answer's */
} web_answer;

/* ---- requests ---- */

/* Bytes that live as long as the request; NULL without memory. */
void *web_keep(web_request *r, size_t len);
/* A copy with a NUL byte after it; absent without memory. */
quipu_str web_keep_text(web_request *r, quipu_str text);
/* Ends what the functions of this file began; the struct itself is the caller's. */
void web_request_free(web_request *r);

/* Splits and decodes path and query. Errors: INVALID (bad escapes, bytes that are not UTF-8, NUL), TOO_LARGE (too many parts). */
int32_t web_request_split(web_request *r, quipu_error *error);
/* The first argument of the query with this name; absent where there is none. */
quipu_str web_argument(const web_request *r, const char *name);
/* A whole number from `least` to `most` of the query; `otherwise` where it is not given. Errors: INVALID. */
int32_t web_argument_number(const web_request *r, const char *name, int64_t least, int64_t most, int64_t otherwise,
                            int64_t *out, quipu_error *error);
/* True for true, 1, yes; false for false, 0, no and absent. Errors: INVALID. */
int32_t web_argument_flag(const web_request *r, const char *name, bool *out, quipu_error *error);
/* Parses the body into r->json, which is an object. An empty body is an empty object where `may_lack`. Errors: INVALID, TOO_LARGE. */
int32_t web_body(web_request *r, bool may_lack, quipu_error *error);

/* ---- members of bodies ---- */

/* NULL where there is none, or where it is null. */
const cJSON *web_member(const cJSON *object, const char *name);
/* A member that has to be a string; absent where there is none. Errors: INVALID (field). */
int32_t web_member_text(const cJSON *object, const char *name, quipu_str *out, quipu_error *error);
int32_t web_member_flag(const cJSON *object, const char *name, bool otherwise, bool *out, quipu_error *error);
int32_t web_member_number(const cJSON *object, const char *name, int64_t least, int64_t most, int64_t otherwise,
                          int64_t *out, quipu_error *error);

/* ---- answers ---- */

void web_answer_free(web_answer *a);
/* name: a literal. A value with control characters, or one too many, is left out. */
void web_answer_header(web_answer *a, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Fills error and status; answers `code`. For handlers that know better than web_status what HTTP calls a failure. */
int32_t web_refuse(web_answer *a, quipu_error *error, int status, int32_t code, const char *field, const char *format,
                   ...) __attribute__((format(printf, 6, 7)));
/* The status of HTTP that a code of error.h stands for. */
int web_status(int32_t code);
/* The words of HTTP for a status, as "Not Found". */
const char *web_status_text(int status);
/* Moves a tree into the body, which is emptied before; the tree is freed. Errors: NO_MEMORY (also for NULL). */
int32_t web_answer_json(web_answer *a, cJSON *tree, quipu_error *error);

#endif
