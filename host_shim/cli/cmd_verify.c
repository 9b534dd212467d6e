/* cmd_verify.c - `quipu verify`: checks everything that is stored. */
#include "cli.h"

#include <inttypes.h>
#include <sdk/json.h>

typedef struct findings {
    cli *c;
    buffer json;
    uint64_t shown, warnings, damages;
} findings;

static const char *const severities[] = { "checked", "warning", "damage" };

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
    static const paint paints[] = { PAINT_GOOD, PAINT_WARN, PAINT_BAD };
    static const char *const words[] = { "ok", "warning", "DAMAGE" };
    print_cell(c, paints[finding->severity], str_of(words[finding->severity]), 8, 0);
    print_cell(c, PAINT_BOLD, finding->area, 10, 0);
    if (finding->severity == QUIPU_FINDING_CHECKED)
        printf(" %" PRIu64 " checked", finding->count);
    if (finding->subject.ptr) {
        putchar(' ');
        print_cell(c, PAINT_ID, finding->subject, 0, 0);
    }
    if (finding->message.ptr) {
        printf(": ");
        print_cell(c, paints[finding->severity], finding->message, 0, 0);
    }
    putchar('\n');
}

static int32_t show_finding(void *context, const quipu_finding *finding)
{
    findings *f = context;
    if (finding->severity > QUIPU_FINDING_DAMAGE)
        return QUIPU_E_PLUGIN;
    f->warnings += finding->severity == QUIPU_FINDING_WARNING;
    f->damages += finding->severity == QUIPU_FINDING_DAMAGE;
    if (f->c->json)
        append_finding(f, finding);
    else if (!f->c->quiet || finding->severity != QUIPU_FINDING_CHECKED)
        print_finding(f->c, finding);
    f->shown++;
    return f->json.failed ? QUIPU_E_NO_MEMORY : 0;
}

static int print_verdict(findings *f)
{
    int status = STATUS_DONE;
    if (f->c->json) {
        buffer_printf(&f->json, "],\"warnings\":%" PRIu64 ",\"damages\":%" PRIu64 ",\"ok\":%s}", f->warnings,
                      f->damages, f->damages ? "false" : "true");
        status = print_json(f->c, &f->json);
    } else if (f->damages) {
        printf("%" PRIu64 " damaged, %" PRIu64 " warnings\n", f->damages, f->warnings);
    } else if (!f->c->quiet) {
        printf("nothing is damaged, %" PRIu64 " warnings\n", f->warnings);
    }
    return status == STATUS_DONE && f->damages ? STATUS_CHECK : status;
}

int cmd_verify(cli *c)
{
    static const char what[] = "cannot verify";
    findings f = { .c = c };
    quipu_error error = error_none();
    quipu_lease lease;
    const void *table = NULL;
    int status = store_open(c, STORE_READ);
    if (status == STATUS_DONE)
        status = store_extension(c, what, QUIPU_EXT_VERIFY, &lease, &table);
    if (status != STATUS_DONE)
        return status;
    const quipu_verify_api *api = table;
    buffer_append_text(&f.json, "{\"findings\":[");
    int32_t code = api->verify(lease.self, 0, show_finding, &f, NULL, &error);
    error.code = error.code ? error.code : code;
    quipu_leave(c->q, &lease);
    status = code == QUIPU_OK ? print_verdict(&f) : report(c, what, &error);
    buffer_free(&f.json);
    return status;
}
