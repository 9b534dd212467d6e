/* http_curl.c - see http_inner.h: one attempt, on libcurl. */
#include "http_inner.h"

#include <base/fail.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP_MS 20 /* how long a cancel without a file descriptor may go unseen */
#define BEHIND_MS                                                                                                      \
    100 /* curl's own limits come that much later: who ends a late call is the loop here, which knows whose limit it was */
#define LINE_KEPT_S 60L

struct http_line {
    CURLM *many; /* keeps the connections */
    CURL *one;
    char why[CURL_ERROR_SIZE];
    buffer *to;
    uint64_t most;
    bool too_large;
};

static int32_t begun = CURLE_FAILED_INIT;

static void begin(void)
{
    begun = (int32_t)curl_global_init(CURL_GLOBAL_DEFAULT);
}

int32_t http_curl_begin(quipu_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, begin);
    return begun == CURLE_OK ? QUIPU_OK
                             : fail(error, QUIPU_E_NETWORK, NULL, "libcurl cannot be used: it does not begin");
}

http_line *http_line_create(void)
{
    http_line *line = calloc(1, sizeof *line);
    if (!line)
        return NULL;
    line->many = curl_multi_init();
    line->one = curl_easy_init();
    if (!line->many || !line->one) {
        http_line_free(line);
        return NULL;
    }
    return line;
}

void http_line_free(http_line *line)
{
    curl_easy_cleanup(line->one);
    if (line->many)
        curl_multi_cleanup(line->many);
    free(line);
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    http_line *line = context;
    size_t len = size * count;
    line->too_large = line->to->len + len > line->most;
    if (line->too_large)
        return 0;
    buffer_append(line->to, bytes, len);
    return line->to->failed ? 0 : len;
}

/* ---- the request ---- */

static void set_protocols(CURL *one)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(one, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(one, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_certificates(const http_client *c, CURL *one)
{
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    curl_easy_setopt(one, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(one, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(one, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (c->options.authorities)
        curl_easy_setopt(one, CURLOPT_CAINFO, c->options.authorities);
    else if (file && *file)
        curl_easy_setopt(one, CURLOPT_CAINFO, file);
    if (!c->options.authorities && folder && *folder)
        curl_easy_setopt(one, CURLOPT_CAPATH, folder);
}

/* The headers of a request; false without memory, and then there are none. */
static bool make_headers(const http_client *c, const http_request *request, struct curl_slist **out)
{
    char type[128];
    const char *lines[4] = { "Expect:" }; /* no 100-continue: some services never answer it */
    size_t count = 1;
    *out = NULL;
    if (request->type) {
        snprintf(type, sizeof type, "Content-Type: %s", request->type);
        lines[count++] = type;
    }
    if (c->header)
        lines[count++] = c->header;
    for (size_t i = 0; i < count; i++) {
        struct curl_slist *more = curl_slist_append(*out, lines[i]);
        if (!more) {
            curl_slist_free_all(*out);
            *out = NULL;
            return false;
        }
        *out = more;
    }
    return true;
}

static void set_request(const http_client *c, http_line *line, const http_request *request, struct curl_slist *headers,
                        const quipu_call *call)
{
    CURL *one = line->one;
    int64_t attempt = http_left_ms(call, c->options.attempt_ms) + BEHIND_MS;
    curl_easy_reset(one);
    line->why[0] = '\0';
    line->too_large = false;
    curl_easy_setopt(one, CURLOPT_ERRORBUFFER, line->why);
    curl_easy_setopt(one, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(one, CURLOPT_URL, request->url);
    curl_easy_setopt(one, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(one, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(one, CURLOPT_USERAGENT, c->options.user_agent);
    curl_easy_setopt(one, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(one, CURLOPT_CONNECTTIMEOUT_MS, (long)(http_left_ms(call, c->options.connect_ms) + BEHIND_MS));
    curl_easy_setopt(one, CURLOPT_TIMEOUT_MS, (long)attempt);
    curl_easy_setopt(one, CURLOPT_MAXAGE_CONN, LINE_KEPT_S);
    curl_easy_setopt(one, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(one, CURLOPT_WRITEDATA, line);
    if (request->method)
        curl_easy_setopt(one, CURLOPT_CUSTOMREQUEST, request->method);
    set_protocols(one);
    set_certificates(c, one);
    if (request->type) {
        curl_easy_setopt(one, CURLOPT_POST, 1L);
        curl_easy_setopt(one, CURLOPT_POSTFIELDS, request->body.ptr ? request->body.ptr : "");
        curl_easy_setopt(one, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    }
}

/* ---- the answer ---- */

/* Runs until the transfer is done; *result says how it ended. */
static int32_t run(http_line *line, CURLcode *result, const quipu_call *call, quipu_error *error)
{
    int running = 1, left;
    struct curl_waitfd token = { .fd = call && call->cancel ? call->cancel->fd : -1, .events = CURL_WAIT_POLLIN };
    unsigned watched = token.fd >= 0 ? 1 : 0;
    bool sliced = call && call->cancel && !watched;
    int32_t code = QUIPU_OK;
    if (curl_multi_add_handle(line->many, line->one) != CURLM_OK)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a request");
    while (code == QUIPU_OK && curl_multi_perform(line->many, &running) == CURLM_OK && running) {
        curl_multi_poll(line->many, &token, watched, sliced ? STEP_MS : (int)http_left_ms(call, 1000), NULL);
        code = call_check(call, error);
    }
    for (CURLMsg *message; (message = curl_multi_info_read(line->many, &left));)
        if (message->msg == CURLMSG_DONE)
            *result = message->data.result;
    curl_multi_remove_handle(line->many, line->one);
    return code;
}

static bool worth_another(int status)
{
    static const int those[] = { 408, 429, 500, 502, 503, 504 };
    for (size_t i = 0; i < sizeof those / sizeof those[0]; i++)
        if (status == those[i])
            return true;
    return false;
}

static int32_t explain(const http_line *line, const http_request *request, CURLcode result, bool *again,
                       quipu_error *error)
{
    const char *why = line->why[0] ? line->why : curl_easy_strerror(result);
    if (line->too_large)
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "the answer of %s is larger than %llu bytes", request->url,
                    (unsigned long long)line->most);
    if (line->to->failed || result == CURLE_OUT_OF_MEMORY)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for the answer of %s", request->url);
    if (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE)
        return fail(error, QUIPU_E_NETWORK, NULL, "the certificate of %s cannot be trusted: %s", request->url, why);
    *again = true;
    return fail(error, QUIPU_E_NETWORK, NULL, "%s cannot be reached: %s", request->url, why);
}

static void take_status(http_line *line, http_answer *answer, bool *again)
{
    long status = 0;
    curl_off_t seconds = 0;
    curl_easy_getinfo(line->one, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(line->one, CURLINFO_RETRY_AFTER, &seconds);
    answer->status = (int)status;
    answer->retry_ms = seconds > 0 && seconds < INT32_MAX ? (int64_t)seconds * 1000 : 0;
    *again = worth_another(answer->status);
}

int32_t http_attempt(const http_client *c, http_line *line, const http_request *request, http_answer *answer,
                     bool *again, const quipu_call *call, quipu_error *error)
{
    struct curl_slist *headers;
    CURLcode result = CURLE_SEND_ERROR;
    if (!make_headers(c, request, &headers))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a request");
    line->to = &answer->body;
    line->most = c->options.answer_most;
    set_request(c, line, request, headers, call);
    int32_t code = run(line, &result, call, error);
    if (code == QUIPU_OK && result == CURLE_OK)
        take_status(line, answer, again);
    else if (code == QUIPU_OK && (code = call_check(call, error)) == QUIPU_OK)
        code = explain(line, request, result, again, error);
    curl_easy_reset(line->one); /* nothing of the request stays: the body is the caller's */
    curl_slist_free_all(headers);
    return code;
}
