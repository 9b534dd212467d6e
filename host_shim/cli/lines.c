/* lines.c - a file or stdin, line by line, in bounded memory. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define READ_STEP 65536u

/* Reads some more; the bytes before the next line are dropped first. */
static int read_more(line_reader *r)
{
    if (r->begin > 0) {
        memmove(r->bytes.bytes, r->bytes.bytes + r->begin, r->bytes.len - r->begin);
        r->bytes.len -= r->begin;
        r->begin = 0;
    }
    char *to = buffer_reserve(&r->bytes, READ_STEP);
    if (!to) {
        errno = ENOMEM;
        return LINE_FAILED;
    }
    ssize_t got = read(r->fd, to, READ_STEP);
    if (got < 0)
        return LINE_FAILED;
    r->bytes.len += (size_t)got;
    r->ended = got == 0;
    return LINE_GIVEN;
}

static void give(line_reader *r, size_t len, size_t end, quipu_str *line)
{
    const char *at = r->bytes.bytes + r->begin;
    r->number++;
    r->consumed += len + end;
    r->begin += len + end;
    if (len > 0 && at[len - 1] == '\r')
        len--;
    *line = str_make(at, len);
}

int line_next(line_reader *r, quipu_str *line)
{
    size_t searched = 0;
    for (;;) {
        size_t len = r->bytes.len - r->begin;
        const char *at = r->bytes.bytes ? r->bytes.bytes + r->begin : "";
        const char *end = len > searched ? memchr(at + searched, '\n', len - searched) : NULL;
        if (end) {
            give(r, (size_t)(end - at), 1, line);
            return LINE_GIVEN;
        }
        if (len > LINE_MAX_BYTES)
            return LINE_TOO_LONG;
        if (r->ended) {
            if (len == 0)
                return LINE_END;
            give(r, len, 0, line);
            return LINE_GIVEN;
        }
        searched = len;
        if (read_more(r) == LINE_FAILED)
            return LINE_FAILED;
    }
}

bool line_waits(const line_reader *r)
{
    struct pollfd input = { .fd = r->fd, .events = POLLIN };
    size_t len = r->bytes.len - r->begin;
    return r->ended || (len > 0 && memchr(r->bytes.bytes + r->begin, '\n', len)) || poll(&input, 1, 0) != 0;
}

void line_reader_free(line_reader *r)
{
    buffer_free(&r->bytes);
}

bool read_all(int fd, size_t most, buffer *out)
{
    for (;;) {
        char *to = buffer_reserve(out, READ_STEP);
        if (!to) {
            errno = ENOMEM;
            return false;
        }
        ssize_t got = read(fd, to, READ_STEP);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            return true;
        out->len += (size_t)got;
        if (out->len > most) {
            errno = EFBIG;
            return false;
        }
    }
}
