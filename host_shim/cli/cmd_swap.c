/*
 * cmd_swap.c - `quipu swap`: another backend for the store, and with --shadow a rehearsal of it.
 *
 * Progress goes to stderr: a bar on a terminal, a line for each phase elsewhere, with --json a line of JSON. A signal gives the swap up as
 * long as the old store is untouched.
 */
#include "cli.h"

#include <inttypes.h>
#include <sdk/json.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define SAMPLES_MOST 1000u

static volatile sig_atomic_t ended_by;

static void note_signal(int number)
{
    ended_by = number;
}

static void catch_signal(int number)
{
    struct sigaction action = { .sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND }, before;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

typedef struct swapping {
    cli *c;
    progress bar;
    char phase[32]; /* that was told last */
    quipu_swap_options options;
    quipu_swap_report report;
    quipu_error error;
} swapping;

static void tell_phase(swapping *s, const quipu_swap_progress *p)
{
    progress_end(&s->bar);
    snprintf(s->phase, sizeof s->phase, "%.*s", (int)p->phase.len, p->phase.ptr);
    progress_begin(&s->bar, s->c, s->phase, p->total);
    if (s->c->json && !s->c->quiet)
        fprintf(stderr, "{\"progress\":{\"phase\":\"%s\",\"total\":%" PRIu64 "}}\n", s->phase, p->total);
    else if (!s->bar.shown)
        remark(s->c, "%s", s->phase);
}

static int32_t show_progress(void *context, const quipu_swap_progress *p)
{
    swapping *s = context;
    if (!str_same(p->phase, str_of(s->phase)))
        tell_phase(s, p);
    s->bar.total = p->total;
    progress_step(&s->bar, p->done, p->done);
    return ended_by != 0;
}

/* ---- the answer ---- */

static void append_text(buffer *out, const char *name, quipu_str text)
{
    buffer_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
    json_print_string(text, out);
}

static void append_number(buffer *out, const char *name, uint64_t value)
{
    buffer_printf(out, ",\"%s\":%" PRIu64, name, value);
}

static void append_report(const quipu_swap_report *r, buffer *out)
{
    static const struct {
        const char *name;
        uint32_t flag;
    } flags[] = { { "fenced", QUIPU_SWAPPED_FENCED },
                  { "history", QUIPU_SWAPPED_HISTORY },
                  { "reloaded", QUIPU_SWAPPED_RELOADED },
                  { "returned", QUIPU_SWAPPED_RETURNED },
                  { "lingers", QUIPU_SWAPPED_LINGERS } };
    append_text(out, "backend", r->backend);
    append_text(out, "store", r->store);
    append_text(out, "digest", str_of(r->digest));
    append_number(out, "records", r->records);
    append_number(out, "revisions", r->revisions);
    append_number(out, "written", r->written);
    append_number(out, "late", r->late);
    append_number(out, "searches", r->searches);
    append_number(out, "agreement", r->agreement);
    append_number(out, "waited_us", (uint64_t)r->waited_ns / 1000);
    append_number(out, "took_us", (uint64_t)r->took_ns / 1000);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        buffer_printf(out, ",\"%s\":%s", flags[i].name, r->flags & flags[i].flag ? "true" : "false");
}

static int print_swapped(const swapping *s)
{
    const cli *c = s->c;
    const quipu_swap_report *r = &s->report;
    buffer json = { 0 };
    int status = STATUS_DONE;
    if (c->json) {
        buffer_append_char(&json, '{');
        append_report(r, &json);
        buffer_append_char(&json, '}');
        status = print_json(c, &json);
        buffer_free(&json);
        return status;
    }
    if (c->quiet)
        return status;
    printf("%" PRIu64 " record%s%s, ", r->records, plural(r->records),
           r->flags & QUIPU_SWAPPED_HISTORY ? " with their history" : "");
    printf("%s%s%s by ", paint_on(c, PAINT_GOOD), r->flags & QUIPU_SWAPPED_RELOADED ? "served anew" : "kept",
           paint_off(c));
    print_cell(c, PAINT_BOLD, r->backend, 0, 0);
    printf(" in ");
    print_cell(c, PAINT_PLAIN, r->store, 0, 0);
    printf("\ndigest %s, %" PRIu64 " search%s compared\n", r->digest, r->searches, r->searches == 1 ? "" : "es");
    return status;
}

/* ---- consent ---- */

static bool ask(const char *question)
{
    char answer[8] = "";
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return false;
    fprintf(stderr, "%s [y/N] ", question);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int32_t run_once(swapping *s, bool beside)
{
    s->error = error_none();
    s->report = (quipu_swap_report){ .struct_size = sizeof s->report };
    int32_t code =
        (beside ? quipu_shadow_begin : quipu_swap)(s->c->q, &s->options, show_progress, s, &s->report, NULL, &s->error);
    progress_end(&s->bar);
    return code;
}

/* Nothing has moved when the library says what would be left behind. */
static int run(swapping *s, const char *what, bool beside)
{
    int32_t code = run_once(s, beside);
    bool history = code == QUIPU_E_UNSUPPORTED && strcmp(s->error.field, "history") == 0;
    if (history && !s->c->json) {
        char question[400];
        snprintf(question, sizeof question, "quipu: %s\nGo on without it?", s->error.message);
        if (ask(question)) {
            s->options.flags |= QUIPU_SWAP_DROP_HISTORY;
            code = run_once(s, beside);
            history = false;
        }
    }
    if (code == QUIPU_OK)
        return STATUS_DONE;
    if (history) {
        size_t len = strlen(s->error.message);
        snprintf(s->error.message + len, sizeof s->error.message - len, "; --yes goes on without it");
    }
    int status = report(s->c, what, &s->error);
    return code == QUIPU_E_CANCELLED && ended_by ? STATUS_SIGNAL + (int)ended_by : status;
}

/* ---- the rehearsal ---- */

typedef struct samples {
    buffer ids, texts; /* each ended by a NUL byte */
    uint64_t count;
} samples;

static int32_t keep_sample(void *context, const quipu_hit *hit)
{
    samples *all = context;
    quipu_str text = hit->record->text;
    if (!text.ptr || text.len == 0 || memchr(text.ptr, '\0', (size_t)text.len))
        return 0;
    uint64_t len = text.len < 120 ? text.len : 120;
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    buffer_append_str(&all->ids, hit->record->id);
    buffer_append_char(&all->ids, '\0');
    buffer_append(&all->texts, text.ptr, (size_t)len);
    buffer_append_char(&all->texts, '\0');
    all->count++;
    return all->ids.failed || all->texts.failed ? QUIPU_E_NO_MEMORY : 0;
}

static int32_t take_hit(void *context, const quipu_hit *hit)
{
    (void)context, (void)hit;
    return 0;
}

/* The newest records: each is read, searched for by its own words, and listed in a page. */
static int32_t rehearse(swapping *s, uint64_t count)
{
    samples all = { 0 };
    quipu_scan scan = { .struct_size = sizeof scan, .limit = count, .order = QUIPU_ORDER_NEWEST };
    int32_t code = quipu_scan_records(s->c->q, &scan, keep_sample, &all, NULL, &s->error);
    const char *id = all.ids.bytes, *text = all.texts.bytes;
    for (uint64_t i = 0; i < all.count && code == QUIPU_OK; i++) {
        quipu_get get = { .struct_size = sizeof get, .id = str_of(id) };
        quipu_search search = { .struct_size = sizeof search, .text = str_of(text), .k = 10 };
        code = quipu_get_record(s->c->q, &get, take_hit, NULL, NULL, &s->error);
        if (code == QUIPU_OK)
            code = quipu_search_records(s->c->q, &search, take_hit, NULL, NULL, &s->error);
        id += strlen(id) + 1;
        text += strlen(text) + 1;
    }
    buffer_free(&all.ids);
    buffer_free(&all.texts);
    return code;
}

static int print_shadow(const swapping *s, const quipu_shadow_report *r)
{
    const cli *c = s->c;
    int status = r->apart ? STATUS_CHECK : STATUS_DONE, printed;
    buffer json = { 0 };
    if (c->json) {
        buffer_append_char(&json, '{');
        append_report(&s->report, &json);
        append_number(&json, "calls", r->gets + r->scans + r->searches + r->writes);
        append_number(&json, "apart", r->apart);
        append_number(&json, "agreement_of_searches", r->agreement);
        append_number(&json, "read_p50_us", (uint64_t)r->read_p50_ns / 1000);
        append_number(&json, "read_p99_us", (uint64_t)r->read_p99_ns / 1000);
        append_number(&json, "shadow_read_p50_us", (uint64_t)r->shadow_read_p50_ns / 1000);
        append_number(&json, "shadow_read_p99_us", (uint64_t)r->shadow_read_p99_ns / 1000);
        append_text(&json, "first", str_of(r->first));
        buffer_append_char(&json, '}');
        printed = print_json(c, &json);
        buffer_free(&json);
        return printed == STATUS_DONE ? status : printed;
    }
    printf("%" PRIu64 " record%s in both; nothing was switched\n", s->report.records, plural(s->report.records));
    printf("%" PRIu64 " calls, %" PRIu64 " answered otherwise; searches found the same for %" PRIu64 ".%" PRIu64 "%%\n",
           r->gets + r->scans + r->searches, r->apart, r->agreement / 10, r->agreement % 10);
    printf("reads, median and 99%%: %s %" PRIu64 " and %" PRIu64 " us, ", quipu_backend_name(c->q),
           (uint64_t)r->read_p50_ns / 1000, (uint64_t)r->read_p99_ns / 1000);
    print_cell(c, PAINT_PLAIN, s->report.backend, 0, 0);
    printf(" %" PRIu64 " and %" PRIu64 " us\n", (uint64_t)r->shadow_read_p50_ns / 1000,
           (uint64_t)r->shadow_read_p99_ns / 1000);
    if (r->first[0]) {
        printf("first: ");
        print_cell(c, PAINT_WARN, str_of(r->first), 0, 0);
        putchar('\n');
    }
    return status;
}

static int run_shadow(swapping *s, uint64_t count)
{
    static const char what[] = "cannot try the backend";
    quipu_shadow_report r = { .struct_size = sizeof r };
    quipu_error why = error_none();
    int status = run(s, what, true);
    if (status != STATUS_DONE)
        return status;
    int32_t code = rehearse(s, count);
    int32_t ended = quipu_shadow_end(s->c->q, &r, code == QUIPU_OK ? &s->error : &why);
    if (code != QUIPU_OK || ended != QUIPU_OK)
        return report(s->c, what, &s->error);
    return print_shadow(s, &r);
}

int cmd_swap(cli *c)
{
    uint64_t count;
    swapping s = { .c = c,
                   .options = { .struct_size = sizeof s.options,
                                .backend = str_of(c->arguments[0]),
                                .backend_config = str_of(option_text(c, "with")),
                                .store = str_of(option_text(c, "to")) } };
    if (!option_number(c, "samples", 1, SAMPLES_MOST, 16, &count))
        return STATUS_USAGE;
    s.options.samples = count;
    s.options.flags = option_given(c, "yes") ? QUIPU_SWAP_DROP_HISTORY : 0;
    int status = store_open(c, STORE_WRITE);
    if (status != STATUS_DONE)
        return status;
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    if (option_given(c, "shadow"))
        return run_shadow(&s, count);
    status = run(&s, "cannot swap", false);
    return status == STATUS_DONE ? print_swapped(&s) : status;
}
