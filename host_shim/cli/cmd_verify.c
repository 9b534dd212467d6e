/* cmd_verify.c - `quipu verify`: checks everything that is stored, and with --repair mends it. */
#include "cli.h"

#include "../core/store.h"

#include <base/fail.h>
#include <inttypes.h>
#include <sdk/json.h>
#include <stdlib.h>

#define AREAS_MOST 16
#define AREA_BYTES 16

/* How many things of an area were looked at, for the last line. */
typedef struct area_count {
    char name[AREA_BYTES];
    uint64_t count;
} area_count;

typedef struct findings {
    cli *c;
    buffer json;
    uint64_t shown, warnings, damages, repaired;
    area_count areas[AREAS_MOST];
    size_t area_count;
    progress bar;
} findings;

static const char *const severities[] = { "checked", "warning", "damage", "repaired" };

static void append_finding(findings *f, const quipu_finding *finding)
{
    buffer *out = &f->json;
    buffer_printf(out, "%s{\"severity\":\"%s\",\"area\":", f->shown ? "," : "", severities[finding->severity]);
    json_print_string(finding->area, out);
    if (finding->severity == QUIPU_FINDING_CHECKED)
        buffer_printf(out, ",\"count\":%" PRIu64, finding->count);
    if (finding->subject.ptr) {
        buffer_append_text(out, ",\"subject\":");
        json_print_string(finding->subject, out);
    }
    if (finding->message.ptr) {
        buffer_append_text(out, ",\"message\":");
        json_print_string(finding->message, out);
    }
    buffer_append_char(out, '}');
}

static void print_finding(const cli *c, const quipu_finding *finding)
{
    static const paint paints[] = { PAINT_GOOD, PAINT_WARN, PAINT_BAD, PAINT_GOOD };
    static const char *const words[] = { "ok", "warning", "DAMAGE", "repaired" };
    print_cell(c, paints[finding->severity], str_of(words[finding->severity]), 8, 0);
    putchar(' ');
    print_cell(c, PAINT_BOLD, finding->area, 10, 0);
    if (finding->severity == QUIPU_FINDING_CHECKED)
        printf(" %" PRIu64 " checked", finding->count);
    if (finding->subject.ptr) {
        putchar(' ');
        print_cell(c, PAINT_ID, finding->subject, 0, 0);
    }
    if (finding->message.ptr) {
        printf("%s", finding->subject.ptr ? ": " : " ");
        print_cell(c, paints[finding->severity], finding->message, 0, 0);
    }
    putchar('\n');
}

static void count_finding(findings *f, const quipu_finding *finding)
{
    f->warnings += finding->severity == QUIPU_FINDING_WARNING;
    f->damages += finding->severity == QUIPU_FINDING_DAMAGE;
    f->repaired += finding->severity == QUIPU_FINDING_REPAIRED;
    if (finding->severity != QUIPU_FINDING_CHECKED || f->area_count == AREAS_MOST)
        return;
    area_count *area = &f->areas[f->area_count++];
    snprintf(area->name, sizeof area->name, "%.*s", (int)(finding->area.len < AREA_BYTES ? finding->area.len : 0),
             finding->area.ptr);
    area->count = finding->count;
}

static int32_t show_finding(void *context, const quipu_finding *finding)
{
    findings *f = context;
    if (finding->severity > QUIPU_FINDING_PROGRESS)
        return QUIPU_E_PLUGIN;
    if (finding->severity == QUIPU_FINDING_PROGRESS) {
        progress_step(&f->bar, finding->count, 0);
        return 0;
    }
    progress_clear(&f->bar);
    count_finding(f, finding);
    if (f->c->json)
        append_finding(f, finding);
    else if (!f->c->quiet || finding->severity != QUIPU_FINDING_CHECKED)
        print_finding(f->c, finding);
    f->shown++;
    return f->json.failed ? QUIPU_E_NO_MEMORY : 0;
}

static int print_verdict_json(findings *f)
{
    buffer_append_text(&f->json, "],\"counts\":{");
    for (size_t i = 0; i < f->area_count; i++) {
        if (i)
            buffer_append_char(&f->json, ',');
        json_print_string(str_of(f->areas[i].name), &f->json);
        buffer_printf(&f->json, ":%" PRIu64, f->areas[i].count);
    }
    buffer_printf(&f->json, "},\"repaired\":%" PRIu64 ",\"warnings\":%" PRIu64 ",\"damages\":%" PRIu64 ",\"ok\":%s}",
                  f->repaired, f->warnings, f->damages, f->damages ? "false" : "true");
    return print_json(f->c, &f->json);
}

static int print_verdict(findings *f, bool repair)
{
    int status = STATUS_DONE;
    if (f->c->json) {
        status = print_verdict_json(f);
    } else if (f->damages && repair) {
        printf("%" PRIu64 " repaired, %" PRIu64
               " still damaged: see `quipu help verify`; an undamaged copy can be taken "
               "in with `quipu pull`\n",
               f->repaired, f->damages);
    } else if (f->damages) {
        printf("%" PRIu64 " damaged, %" PRIu64 " warnings; run `quipu verify --repair`, which deletes nothing\n",
               f->damages, f->warnings);
    } else if (f->repaired) {
        printf("%" PRIu64 " repaired, nothing is damaged any more; what was taken out of its place is in the store's "
               "folder quipu/aside\n",
               f->repaired);
    } else if (!f->c->quiet) {
        printf("nothing is damaged, %" PRIu64 " warnings\n", f->warnings);
    }
    return status == STATUS_DONE && f->damages ? STATUS_CHECK : status;
}

/* ---- the file that says what the store was made with ---- */

static int32_t tell_settings(findings *f, uint32_t severity, const char *message)
{
    quipu_finding finding = { .struct_size = sizeof finding,
                              .severity = severity,
                              .area = str_of("settings"),
                              .subject = message ? str_of(STORE_SETTINGS_NAME) : (quipu_str){ NULL, 0 },
                              .message = str_of(message),
                              .count = 1 };
    return show_finding(f, &finding);
}

/* What was given by options takes the place of what was read. */
static int32_t settle_settings(const cli *c, store_settings *s, quipu_error *error)
{
    const char *given[] = { option_text(c, "backend"), option_text(c, "embedder") };
    char **texts[] = { &s->backend, &s->embedder };
    for (size_t i = 0; i < 2; i++) {
        if (!given[i] || strcmp(given[i], "none") == 0)
            continue;
        free(*texts[i]);
        *texts[i] = str_dup(str_of(given[i]));
        if (!*texts[i])
            return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    return QUIPU_OK;
}

/* why: what is wrong with the file; "": it is missing. */
static int32_t mend_settings(findings *f, const char *store, const char *why, bool repair, quipu_error *error)
{
    store_settings s = { 0 };
    unsigned lost = 0;
    char message[700];
    bool there = why[0] != '\0';
    int32_t code = store_settings_salvage(store, option_text(f->c, "backend") != NULL, &s, &lost, error);
    if (code == QUIPU_OK)
        code = settle_settings(f->c, &s, error);
    if (code == QUIPU_OK && !s.backend)
        code = fail(error, QUIPU_E_FORMAT, "backend", "nothing tells the store's backend: name it with --backend");
    if (code == QUIPU_OK && repair && there)
        code = store_settings_set_aside(store, error);
    if (code == QUIPU_OK && repair)
        code = store_settings_write(store, &s, error);
    snprintf(message, sizeof message, "%.300s; it %s backend %.60s, %s%.60s%s", there ? why : "it is missing",
             repair ? "was made anew:" : "can be made anew with:", s.backend ? s.backend : "",
             s.embedder ? "embedder " : "", s.embedder ? s.embedder : "no embedder",
             lost ? "; give what was lost with --embedder and --config" : "");
    store_settings_free(&s);
    if (code != QUIPU_OK)
        return code;
    return tell_settings(f,
                         repair  ? QUIPU_FINDING_REPAIRED
                         : there ? QUIPU_FINDING_DAMAGE
                                 : QUIPU_FINDING_WARNING,
                         message);
}

static int32_t check_settings(findings *f, bool repair, quipu_error *error)
{
    char *store = NULL;
    store_settings s = { 0 };
    bool found = false, other = false;
    const char *backend = option_text(f->c, "backend");
    quipu_error why = { .struct_size = sizeof why };
    int32_t code = store_locate(str_of(option_text(f->c, "store")), false, &store, error);
    if (code != QUIPU_OK || store_is_empty(store)) {
        free(store);
        return code;
    }
    code = store_settings_read(store, &s, &found, &why);
    other = code == QUIPU_OK && found && backend && s.backend && strcmp(backend, s.backend) != 0;
    if (other)
        snprintf(why.message, sizeof why.message, "it names the backend %.60s", s.backend);
    if (code == QUIPU_OK && found && !other)
        code = tell_settings(f, QUIPU_FINDING_CHECKED, NULL);
    else if (code == QUIPU_E_NO_MEMORY || code == QUIPU_E_DENIED)
        code = fail(error, code, NULL, "%s", why.message);
    else
        code = mend_settings(f, store, why.message, repair, error);
    store_settings_free(&s);
    free(store);
    return code;
}

int cmd_verify(cli *c)
{
    bool repair = option_given(c, "repair");
    const char *what = repair ? "cannot repair the store" : "cannot verify";
    findings f = { .c = c };
    quipu_error error = error_none();
    quipu_lease lease;
    const void *table = NULL;
    int status = store_open(c, repair ? STORE_REPAIR : STORE_VERIFY);
    if (status == STATUS_DONE)
        status = store_extension(c, what, QUIPU_EXT_VERIFY, &lease, &table);
    if (status != STATUS_DONE)
        return status;
    const quipu_verify_api *api = table;
    buffer_append_text(&f.json, "{\"findings\":[");
    progress_begin(&f.bar, c, repair ? "repairing" : "verifying", 0);
    uint32_t flags = (repair ? QUIPU_VERIFY_REPAIR : 0) | (f.bar.shown ? QUIPU_VERIFY_PROGRESS : 0);
    int32_t code = check_settings(&f, repair, &error);
    if (code == QUIPU_OK)
        code = api->verify(lease.self, flags, show_finding, &f, NULL, &error);
    progress_end(&f.bar);
    error.code = error.code ? error.code : code;
    quipu_leave(c->q, &lease);
    status = code == QUIPU_OK ? print_verdict(&f, repair) : report(c, what, &error);
    if (code != QUIPU_OK && status != STATUS_USAGE)
        status = STATUS_TROUBLE;
    buffer_free(&f.json);
    return status;
}
