/* metrics.c - counters of requests, as Prometheus reads them (its text format 0.0.4). */
#include "serve.h"

#include <base/fail.h>
#include <stdlib.h>

#define CLASSES 6 /* of statuses: by hundreds */

/* Upper ends, in nanoseconds. */
static const int64_t bounds[] = { 500000,   1000000,   2500000,   5000000,   10000000,   25000000,
                                  50000000, 100000000, 250000000, 500000000, 1000000000, 5000000000 };
#define BOUNDS (sizeof bounds / sizeof bounds[0])

typedef struct row_metrics {
    atomic_uint_fast64_t by_class[CLASSES];
    atomic_uint_fast64_t within[BOUNDS + 1];
    atomic_uint_fast64_t total_ns;
} row_metrics;

struct metrics {
    size_t count;
    row_metrics rows[];
};

int32_t metrics_create(size_t routes, metrics **out, quipu_error *error)
{
    metrics *m = calloc(1, sizeof *m + routes * sizeof m->rows[0]);
    *out = m;
    if (!m)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    m->count = routes;
    return QUIPU_OK;
}

void metrics_free(metrics *m)
{
    free(m);
}

static void add(atomic_uint_fast64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static uint64_t value(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_count(metrics *m, size_t index, int status, int64_t took_ns)
{
    row_metrics *row = &m->rows[index < m->count ? index : m->count - 1];
    size_t i = 0;
    while (i < BOUNDS && took_ns > bounds[i])
        i++;
    add(&row->within[i], 1);
    add(&row->by_class[status / 100 % CLASSES], 1);
    add(&row->total_ns, (uint64_t)took_ns);
}

static void label(const router *routes, size_t i, buffer *out)
{
    if (i < router_count(routes))
        buffer_printf(out, "method=\"%s\",route=\"%s\"", router_row(routes, i)->method, router_row(routes, i)->pattern);
    else
        buffer_append_text(out, "method=\"\",route=\"none\"");
}

static uint64_t requests(const row_metrics *row)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < CLASSES; i++)
        sum += value(&row->by_class[i]);
    return sum;
}

static void print_row(const metrics *m, const router *routes, size_t i, buffer *out)
{
    uint64_t sum = 0;
    for (size_t b = 0; b <= BOUNDS; b++) {
        sum += value(&m->rows[i].within[b]);
        buffer_append_text(out, "quipu_http_request_duration_seconds_bucket{");
        label(routes, i, out);
        if (b < BOUNDS)
            buffer_printf(out, ",le=\"%g\"} %llu\n", (double)bounds[b] * 1e-9, (unsigned long long)sum);
        else
            buffer_printf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)sum);
    }
    buffer_append_text(out, "quipu_http_request_duration_seconds_sum{");
    label(routes, i, out);
    buffer_printf(out, "} %.9f\nquipu_http_request_duration_seconds_count{",
                  (double)value(&m->rows[i].total_ns) * 1e-9);
    label(routes, i, out);
    buffer_printf(out, "} %llu\n", (unsigned long long)sum);
}

static int32_t print_stat(void *context, const quipu_stat *stat)
{
    buffer *out = context;
    if (QUIPU_IS(&stat->name, "records") && !stat->text.ptr)
        buffer_printf(out,
                      "# HELP quipu_store_records Records in the store.\n# TYPE quipu_store_records gauge\n"
                      "quipu_store_records %lld\n",
                      (long long)stat->value);
    return 0;
}

void metrics_print(const metrics *m, const router *routes, quipu *q, buffer *out)
{
    buffer_append_text(out, "# HELP quipu_http_requests_total Requests that were answered.\n"
                            "# TYPE quipu_http_requests_total counter\n");
    for (size_t i = 0; i < m->count; i++)
        for (size_t c = 0; c < CLASSES; c++)
            if (value(&m->rows[i].by_class[c])) {
                buffer_append_text(out, "quipu_http_requests_total{");
                label(routes, i, out);
                buffer_printf(out, ",status=\"%zuxx\"} %llu\n", c, (unsigned long long)value(&m->rows[i].by_class[c]));
            }
    buffer_append_text(out, "# HELP quipu_http_request_duration_seconds Time to answer, without the transfer.\n"
                            "# TYPE quipu_http_request_duration_seconds histogram\n");
    for (size_t i = 0; i < m->count; i++)
        if (requests(&m->rows[i]))
            print_row(m, routes, i, out);
    quipu_read_stats(q, print_stat, out, NULL, NULL);
    buffer_printf(out,
                  "# HELP quipu_build_info The release that runs.\n# TYPE quipu_build_info gauge\n"
                  "quipu_build_info{version=\"%s\",backend=\"%s\"} 1\n",
                  quipu_version(), quipu_backend_name(q));
}
