/* http_inner.h - what http.c (waiting and trying again) and http_curl.c (one attempt, on libcurl) share. */
#ifndef SDK_HTTP_INNER_H
#define SDK_HTTP_INNER_H

#include <sdk/http.h>

#include <pthread.h>

#define HTTP_LINES_KEPT 4u /* idle ones */

/* One connection at a time, with those that it keeps open. */
typedef struct http_line http_line;

struct http_client {
    http_options options; /* texts are the client's */
    char *header;         /* "Authorization: Bearer KEY", or NULL */
    pthread_mutex_t lock;
    http_line *idle[HTTP_LINES_KEPT];
    uint32_t idle_count;
};

/* Makes what all lines need; once. */
int32_t http_curl_begin(quipu_error *error);
http_line *http_line_create(void); /* NULL without memory */
void http_line_free(http_line *line);

/* One attempt. As http_send, but *again says whether another attempt may help. */
int32_t http_attempt(const http_client *c, http_line *line, const http_request *request, http_answer *answer,
                     bool *again, const quipu_call *call, quipu_error *error);

/* Waits; CANCELLED and TIMEOUT as call_check. */
int32_t http_wait(int64_t milliseconds, const quipu_call *call, quipu_error *error);
int64_t http_left_ms(const quipu_call *call, int64_t most); /* until the deadline, `most` at the most */

#endif
