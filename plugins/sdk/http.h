/*
 * http.h - requests to an HTTP service: with a deadline, cancelled when the caller wants, tried again where that may help.
 *
 * On libcurl (curl/curl.h is included by http/ alone; a plugin that does not use this file does not link it). Certificates are always
 * checked. Redirects are not followed, so that a key goes nowhere else. Proxies are those of the environment ($HTTPS_PROXY, $NO_PROXY),
 * as are other authorities ($SSL_CERT_FILE, $SSL_CERT_DIR). A client may be used by any number of threads; it keeps connections.
 */
#ifndef SDK_HTTP_H
#define SDK_HTTP_H

#include <base/buffer.h>
#include <quipu/error.h>
#include <stdbool.h>

typedef struct http_client http_client;

/* Texts are copied. Zero or NULL is the default. */
typedef struct http_options {
    const char *user_agent;
    const char *key;         /* sent as "Authorization: Bearer KEY"; NULL: no such header. Never shown in any message */
    const char *key_header;  /* what stands before the key ("Authorization: Bearer ") */
    const char *authorities; /* a file of certificates in place of the system's */
    int64_t connect_ms;      /* one attempt's, to be connected (5,000) */
    int64_t attempt_ms;      /* one attempt's, in all (60,000) */
    int64_t
        wait_first_ms; /* before the second attempt; doubled each time, at random between half and the whole (500) */
    int64_t
        wait_most_ms; /* before any attempt, also where the service asks for more: then it is not tried again (30,000) */
    uint64_t answer_most; /* bytes of an answer (64 MiB) */
} http_options;

typedef struct http_request {
    const char *url;  /* http_check_url has checked it */
    const char *type; /* of the body, as "application/json"; NULL: there is none */
    quipu_str body;
    uint32_t attempts;  /* how many at the most; 0: one */
    const char *method; /* NULL: POST where there is a body, else GET */
} http_request;

/* Zeroed by the caller, freed by http_answer_free. */
typedef struct http_answer {
    int status;       /* of HTTP, as 200 */
    uint32_t tried;   /* attempts that were made */
    int64_t retry_ms; /* what the service asked to wait, or 0 */
    buffer body;
} http_answer;

/* Refuses what is no http or https URL, and one that holds a user, a password, a query or a fragment. `field` is the error's. */
int32_t http_check_url(const char *url, const char *field, quipu_error *error);
/* True where what is sent stays on this machine, or is encrypted. */
bool http_url_is_private(const char *url);

int32_t http_client_create(const http_options *options, http_client **out, quipu_error *error);
void http_client_free(http_client *c); /* NULL is nothing to do; wipes the key */

/* Asks. Tries again after 408, 429, 500, 502, 503, 504 and where the connection failed, waiting as Retry-After says, else longer and
 * longer, while deadline and attempts last. QUIPU_OK: there is an answer, whatever its status. Errors: NETWORK (message: to whom and
 * why), TIMEOUT, CANCELLED, TOO_LARGE, NO_MEMORY. */
int32_t http_send(http_client *c, const http_request *request, http_answer *answer, const quipu_call *call,
                  quipu_error *error);
void http_answer_free(http_answer *answer);

#endif
