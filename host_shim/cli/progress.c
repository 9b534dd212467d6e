/* progress.c - one line on the terminal: count, share, rate, time left. Nothing where stderr is no terminal. */
#include "cli.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#define DRAW_EVERY_NS INT64_C(100000000)
#define BAR_COLUMNS 24u

static int64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void progress_begin(progress *p, const cli *c, const char *label, uint64_t total)
{
    *p = (progress){ .shown = isatty(STDERR_FILENO) && !c->quiet && !c->json, .label = label, .total = total };
    p->started = p->drawn = monotonic();
}

void progress_step(progress *p, uint64_t count, uint64_t done)
{
    int64_t now = p->shown ? monotonic() : 0;
    if (!p->shown || now - p->drawn < DRAW_EVERY_NS)
        return;
    double seconds = (double)(now - p->started) / 1e9, share = p->total ? (double)done / (double)p->total : 0;
    p->drawn = now;
    fprintf(stderr, "\r\x1b[K%s %" PRIu64 "  %.0f/s", p->label, count, (double)count / seconds);
    if (p->total && share > 0 && share <= 1) {
        unsigned left = (unsigned)(seconds / share - seconds), bar = (unsigned)(share * BAR_COLUMNS);
        fprintf(stderr, "  %3.0f%%  [", share * 100);
        for (unsigned i = 0; i < BAR_COLUMNS; i++)
            fputc(i < bar ? '=' : ' ', stderr);
        fprintf(stderr, "]  %u:%02u left", left / 60, left % 60);
    }
    fflush(stderr);
}

void progress_clear(progress *p)
{
    if (p->shown) {
        fputs("\r\x1b[K", stderr);
        fflush(stderr);
    }
}

void progress_end(progress *p)
{
    progress_clear(p);
    p->shown = false;
}
