/* embed_server.c - see embed_server.h. */
#include "embed_server.h"

#include <arpa/inet.h>
#include <base/buffer.h>
#include <base/hash.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEPS_MAX 32
#define HUGE_BYTES ((size_t)80 << 20)

struct embed_server {
    int listener, port;
    int wake[2]; /* a byte in it ends the server, in the middle of a slow answer too */
    pthread_t thread;
    pthread_mutex_t lock;
    embed_step steps[STEPS_MAX];
    uint32_t step_count, requests;
    buffer last;
};

void embed_server_vector(const char *text, float out[EMBED_SERVER_DIMENSION])
{
    double squares = 0;
    for (uint64_t i = 0; i < EMBED_SERVER_DIMENSION; i++) {
        out[i] = (float)((int)(hash_table_key(text, strlen(text), i + 1) >> 16 & 1023) - 512) / 512.0f;
        squares += (double)out[i] * (double)out[i];
    }
    for (uint64_t i = 0; i < EMBED_SERVER_DIMENSION; i++)
        out[i] = (float)(out[i] / sqrt(squares));
}

/* ---- answers ---- */

static void append_base64(buffer *out, const float *vector, uint32_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[4 * EMBED_SERVER_DIMENSION + 2] = { 0 };
    size_t len = count * sizeof *vector;
    memcpy(bytes, vector, len);
    buffer_append_char(out, '"');
    for (size_t i = 0; i < len; i += 3) {
        unsigned word = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | bytes[i + 2];
        for (unsigned j = 0; j < 4; j++)
            buffer_append_char(out, i + j > len ? '=' : digits[word >> (18 - 6 * j) & 63]);
    }
    buffer_append_char(out, '"');
}

static void append_vector(buffer *out, embed_step step, const char *text, bool last)
{
    float vector[EMBED_SERVER_DIMENSION + 1] = { 0 };
    uint32_t count = EMBED_SERVER_DIMENSION;
    embed_server_vector(text, vector);
    if (step == STEP_BASE64) {
        append_base64(out, vector, count);
        return;
    }
    count = step == STEP_EMPTY             ? 0
            : step == STEP_DIMENSION       ? count + 1
            : step == STEP_UNEQUAL && last ? count - 1
                                           : count;
    buffer_append_char(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        const char *odd = step == STEP_NAN        ? "NaN"
                          : step == STEP_OVERFLOW ? "1e999"
                          : step == STEP_NULL     ? "null"
                                                  : NULL;
        buffer_printf(out, i ? "," : "");
        if (odd && last && i == 3)
            buffer_append_text(out, odd);
        else /* three times too long: the client brings it to unit length */
            buffer_printf(out, "%.9g", 3 * (double)vector[i]);
    }
    buffer_append_char(out, ']');
}

static void append_vectors(buffer *out, embed_step step, const cJSON *input, bool ollama)
{
    int count = cJSON_GetArraySize(input), given = step == STEP_FEWER ? count - 1 : count;
    buffer_append_text(out, ollama ? "{\"model\":\"m\",\"embeddings\":[" : "{\"object\":\"list\",\"data\":[");
    for (int i = 0; i < given; i++) {
        int at = step == STEP_SHUFFLED ? given - 1 - i : step == STEP_TWICE ? 0 : i;
        const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(input, at));
        buffer_append_text(out, i ? "," : "");
        if (!ollama && step == STEP_NO_INDEX)
            buffer_append_text(out, "{\"embedding\":");
        else if (!ollama)
            buffer_printf(out, "{\"object\":\"embedding\",\"index\":%d,\"embedding\":", at);
        append_vector(out, step, text ? text : "", i == given - 1);
        buffer_append_text(out, ollama ? "" : "}");
    }
    buffer_append_text(out, "],\"usage\":null}");
}

static bool is_too_much(const cJSON *input)
{
    const cJSON *text;
    cJSON_ArrayForEach(text, input) if (strlen(cJSON_GetStringValue(text)) > 2000) return true;
    return cJSON_GetArraySize(input) > 2;
}

/* Status line, further headers and body of an answer. */
static const char *status_of(embed_step step, const cJSON *input)
{
    switch (step) {
    case STEP_TOO_MANY:
        return is_too_much(input) ? "400 Bad Request\r\n" : "200 OK\r\n";
    case STEP_429:
        return "429 Too Many Requests\r\nRetry-After: 1\r\n";
    case STEP_429_LATER:
        return "429 Too Many Requests\r\nRetry-After: 3600\r\n";
    case STEP_500:
        return "500 Internal Server Error\r\n";
    case STEP_503:
        return "503 Service Unavailable\r\n";
    case STEP_401:
        return "401 Unauthorized\r\n";
    case STEP_404:
        return "404 Not Found\r\n";
    case STEP_REDIRECT:
        return "307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/elsewhere\r\n";
    default:
        return "200 OK\r\n";
    }
}

static void append_body(buffer *out, embed_step step, const cJSON *input, bool ollama, const char *request)
{
    const char *key = strstr(request, "Bearer ");
    bool good = strncmp(status_of(step, input), "200", 3) == 0;
    if (step == STEP_401)
        buffer_printf(out, "{\"error\":{\"message\":\"Incorrect API key provided: %.20s\"}}", key ? key + 7 : "none");
    else if (!good || step == STEP_ERROR_200)
        buffer_append_text(out,
                           ollama ? "{\"error\":\"no such thing\"}" : "{\"error\":{\"message\":\"no such thing\"}}");
    else if (step == STEP_GARBAGE)
        buffer_append_text(out, "<html>\xff not JSON");
    else if (step == STEP_OTHER_JSON)
        buffer_append_text(out, "{\"object\":\"list\"}");
    else if (step == STEP_HUGE)
        for (size_t i = 0; i < HUGE_BYTES; i += 64)
            buffer_append(out, "                                                                ", 64);
    else
        append_vectors(out, step, input, ollama);
}

/* ---- the wire ---- */

static void send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        len -= (size_t)sent;
    }
}

/* The whole request, headers and body. */
static bool read_request(int fd, buffer *out)
{
    for (;;) {
        const char *end = out->bytes ? strstr(out->bytes, "\r\n\r\n") : NULL;
        const char *length = end ? strstr(out->bytes, "Content-Length: ") : NULL;
        if (end && out->len >= (size_t)(end + 4 - out->bytes) + (length ? strtoul(length + 16, NULL, 10) : 0))
            return true;
        char *at = buffer_reserve(out, 65536);
        ssize_t got = at ? recv(fd, at, 65535, 0) : -1;
        if (got <= 0)
            return false;
        at[got] = '\0';
        out->len += (size_t)got;
    }
}

static void answer(embed_server *s, int fd, embed_step step, const buffer *request)
{
    bool ollama = strncmp(request->bytes, "POST /api/embed ", 16) == 0;
    bool known = ollama || strncmp(request->bytes, "POST /v1/embeddings ", 20) == 0;
    cJSON *tree = cJSON_Parse(strstr(request->bytes, "\r\n\r\n") + 4);
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(tree, "input");
    buffer body = { 0 }, all = { 0 };
    struct pollfd woken = { .fd = s->wake[0], .events = POLLIN };
    if (!known || !tree)
        step = STEP_404;
    if (step == STEP_SLOW)
        poll(&woken, 1, 2000);
    append_body(&body, step, input, ollama, request->bytes);
    buffer_printf(&all, "HTTP/1.1 %sContent-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                  status_of(step, input), body.len);
    buffer_append(&all, body.bytes, step == STEP_CUT ? body.len / 2 : body.len);
    if (step != STEP_HANG_UP)
        send_all(fd, all.bytes, all.len);
    cJSON_Delete(tree);
    buffer_free(&body);
    buffer_free(&all);
}

static void serve(embed_server *s, int fd)
{
    buffer request = { 0 };
    if (read_request(fd, &request)) {
        pthread_mutex_lock(&s->lock);
        uint32_t at = s->requests++;
        embed_step step = s->steps[at < s->step_count ? at : s->step_count - 1];
        buffer_clear(&s->last);
        buffer_append(&s->last, request.bytes, request.len);
        pthread_mutex_unlock(&s->lock);
        answer(s, fd, step, &request);
    }
    buffer_free(&request);
    shutdown(fd, SHUT_RDWR);
    close(fd);
}

static void *run(void *context)
{
    embed_server *s = context;
    struct pollfd watched[] = { { .fd = s->listener, .events = POLLIN }, { .fd = s->wake[0], .events = POLLIN } };
    while (poll(watched, 2, -1) >= 0 && !watched[1].revents) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd >= 0)
            serve(s, fd);
    }
    return NULL;
}

/* ---- life ---- */

static void need(bool good)
{
    if (!good) {
        perror("embed_server");
        abort();
    }
}

embed_server *embed_server_start(void)
{
    embed_server *s = calloc(1, sizeof *s);
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof where;
    need(s && pipe(s->wake) == 0);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    need(s->listener >= 0 && bind(s->listener, (struct sockaddr *)&where, sizeof where) == 0);
    need(listen(s->listener, 64) == 0 && getsockname(s->listener, (struct sockaddr *)&where, &len) == 0);
    s->port = ntohs(where.sin_port);
    s->step_count = 1;
    pthread_mutex_init(&s->lock, NULL);
    need(pthread_create(&s->thread, NULL, run, s) == 0);
    return s;
}

void embed_server_stop(embed_server *s)
{
    if (!s)
        return;
    need(write(s->wake[1], "x", 1) == 1);
    pthread_join(s->thread, NULL);
    close(s->listener);
    close(s->wake[0]);
    close(s->wake[1]);
    pthread_mutex_destroy(&s->lock);
    buffer_free(&s->last);
    free(s);
}

int embed_server_port(const embed_server *s)
{
    return s->port;
}

void embed_server_script(embed_server *s, const embed_step *steps, uint32_t count)
{
    pthread_mutex_lock(&s->lock);
    s->step_count = count < STEPS_MAX ? count : STEPS_MAX;
    memcpy(s->steps, steps, s->step_count * sizeof *steps);
    s->requests = 0;
    pthread_mutex_unlock(&s->lock);
}

uint32_t embed_server_requests(embed_server *s)
{
    pthread_mutex_lock(&s->lock);
    uint32_t requests = s->requests;
    pthread_mutex_unlock(&s->lock);
    return requests;
}

bool embed_server_saw(embed_server *s, const char *text)
{
    pthread_mutex_lock(&s->lock);
    bool seen = s->last.bytes && strstr(s->last.bytes, text);
    pthread_mutex_unlock(&s->lock);
    return seen;
}
