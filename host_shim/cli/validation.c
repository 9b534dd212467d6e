/* validation.c - see validation.h. TAP: testanything.org, version 14. JUnit: the subset of its XML that CI systems read. */
#include "validation.h"

#include <sdk/json.h>
#include <string.h>

static const char *const outcomes[] = { "pass", "FAIL", "CRASH", "HUNG", "warn", "skip" };
static const char *const outcome_names[] = { "pass", "fail", "crashed", "hung", "warn", "skip" };
static const char *const form_names[] = { "text", "json", "tap", "junit", "markdown" };

static bool is_bad(uint32_t outcome)
{
    return outcome == QUIPU_OUTCOME_FAIL || outcome == QUIPU_OUTCOME_CRASHED || outcome == QUIPU_OUTCOME_HUNG;
}

static unsigned bad_count(const validation *v)
{
    return v->counts[QUIPU_OUTCOME_FAIL] + v->counts[QUIPU_OUTCOME_CRASHED] + v->counts[QUIPU_OUTCOME_HUNG];
}

bool validation_form_of(cli *c, enum validation_form *out)
{
    const char *name = option_text(c, "format");
    *out = c->json ? FORM_JSON : FORM_TEXT;
    for (int i = 0; name && i < 5; i++)
        if (strcmp(name, form_names[i]) == 0) {
            *out = (enum validation_form)i;
            return true;
        }
    if (name)
        report_fault(c, QUIPU_E_INVALID, "format", "give text, json, tap, junit or markdown");
    return !name;
}

/* ---- JSON ---- */

static void append_member(buffer *out, const char *name, quipu_str text)
{
    if (!text.ptr)
        return;
    buffer_printf(out, ",\"%s\":", name);
    json_print_string(text, out);
}

static void take_json(validation *v, const quipu_check_result *r)
{
    buffer *out = &v->collected;
    buffer_printf(out, "%s{\"id\":", v->number > 1 ? "," : "");
    json_print_string(r->id, out);
    append_member(out, "family", r->family);
    append_member(out, "summary", r->summary);
    if (!v->list) {
        buffer_printf(out, ",\"outcome\":\"%s\",\"milliseconds\":%lld", outcome_names[r->outcome],
                      (long long)r->milliseconds);
        append_member(out, "reason", r->reason);
    }
    buffer_append_char(out, '}');
}

static void end_json(validation *v)
{
    buffer_append_char(&v->collected, ']');
    if (!v->list)
        buffer_printf(&v->collected, ",\"passed\":%u,\"failed\":%u,\"warned\":%u,\"skipped\":%u",
                      v->counts[QUIPU_OUTCOME_PASS], bad_count(v), v->counts[QUIPU_OUTCOME_WARN],
                      v->counts[QUIPU_OUTCOME_SKIP]);
    buffer_append_char(&v->collected, '}');
}

/* ---- TAP ---- */

static void take_tap(validation *v, const quipu_check_result *r)
{
    const cli *c = v->c;
    printf("%sok %u - ", is_bad(r->outcome) ? "not " : "", v->number);
    print_cell(c, PAINT_PLAIN, r->id, 0, 0);
    if (r->outcome == QUIPU_OUTCOME_SKIP) {
        printf(" # SKIP ");
        print_cell(c, PAINT_PLAIN, r->reason.ptr ? r->reason : r->summary, 0, 0);
    } else if (r->reason.ptr) {
        printf("\n  # ");
        print_cell(c, PAINT_PLAIN, r->reason, 0, 0);
    }
    putchar('\n');
}

/* ---- JUnit ---- */

/* XML knows no control characters, not even as references. */
static void append_xml(buffer *out, quipu_str text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        const char *name = c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : NULL;
        if (name)
            buffer_append_text(out, name);
        else
            buffer_append_char(out, (unsigned char)c < 0x20 ? ' ' : c);
    }
}

static void append_outcome(buffer *out, const char *element, const char *type, quipu_str reason)
{
    buffer_printf(out, "><%s", element);
    if (type)
        buffer_printf(out, " type=\"%s\"", type);
    buffer_append_text(out, " message=\"");
    append_xml(out, reason);
    buffer_append_text(out, "\"/></testcase>\n");
}

static void take_junit(validation *v, const quipu_check_result *r)
{
    buffer *out = &v->collected;
    buffer_append_text(out, "  <testcase classname=\"quipu.");
    append_xml(out, r->family);
    buffer_append_text(out, "\" name=\"");
    append_xml(out, r->id);
    buffer_printf(out, "\" time=\"%lld.%03lld\"", (long long)(r->milliseconds / 1000),
                  (long long)(r->milliseconds % 1000));
    if (is_bad(r->outcome))
        append_outcome(out, "failure", outcome_names[r->outcome], r->reason);
    else if (r->outcome == QUIPU_OUTCOME_SKIP)
        append_outcome(out, "skipped", NULL, r->reason.ptr ? r->reason : r->summary);
    else
        buffer_append_text(out, "/>\n");
}

static void end_junit(validation *v)
{
    buffer whole = { 0 };
    buffer_printf(
        &whole,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuite name=\"quipu validate\" tests=\"%u\" failures=\"%u\" skipped=\"%u\" time=\"%lld.%03lld\">\n",
        v->number, bad_count(v), v->counts[QUIPU_OUTCOME_SKIP], (long long)(v->milliseconds / 1000),
        (long long)(v->milliseconds % 1000));
    buffer_append(&whole, v->collected.bytes, v->collected.len);
    buffer_append_text(&whole, "</testsuite>");
    buffer_free(&v->collected);
    v->collected = whole;
}

/* ---- a table for documents ---- */

static void take_markdown(validation *v, const quipu_check_result *r)
{
    if (v->number == 1)
        printf("| check | what is promised |\n|---|---|\n");
    printf("| `");
    print_cell(v->c, PAINT_PLAIN, r->id, 0, 0);
    printf("` | ");
    print_cell(v->c, PAINT_PLAIN, r->summary, 0, 0);
    if (!v->list)
        printf(" | %s", outcome_names[r->outcome]);
    printf(" |\n");
}

/* ---- text ---- */

static void print_reason(validation *v, const quipu_check_result *r, paint p)
{
    const bool skip = r->outcome == QUIPU_OUTCOME_SKIP, given = r->reason.ptr != NULL;
    char reason[sizeof v->reason];
    snprintf(reason, sizeof reason, "%.*s", given ? (int)r->reason.len : 0, given ? r->reason.ptr : "");
    if (given && !(skip && strcmp(reason, v->reason) == 0)) {
        printf("           ");
        print_cell(v->c, p, r->reason, 0, 0);
        putchar('\n');
    }
    snprintf(v->reason, sizeof v->reason, "%s", skip ? reason : "");
}

static void take_text(validation *v, const quipu_check_result *r)
{
    const cli *c = v->c;
    paint p = r->outcome == QUIPU_OUTCOME_PASS ? PAINT_GOOD : is_bad(r->outcome) ? PAINT_BAD : PAINT_WARN;
    if (strncmp(v->family, r->family.ptr, sizeof v->family) != 0) {
        snprintf(v->family, sizeof v->family, "%s", r->family.ptr);
        print_cell(c, PAINT_BOLD, r->family, 0, 0);
        putchar('\n');
    }
    printf("  ");
    if (!v->list)
        print_cell(c, p, str_of(outcomes[r->outcome]), 6, 0);
    print_cell(c, PAINT_ID, r->id, 30, 0);
    printf(" ");
    print_cell(c, PAINT_PLAIN, r->summary, 0, 0);
    putchar('\n');
    print_reason(v, r, p);
}

/* ---- all of them ---- */

void validation_begin(validation *v)
{
    if (v->form == FORM_JSON)
        buffer_append_text(&v->collected, "{\"checks\":[");
    if (v->form == FORM_TAP)
        printf("TAP version 14\n");
}

int32_t validation_take(void *context, const quipu_check_result *r)
{
    static void (*const take[])(validation *, const quipu_check_result *) = { take_text, take_json, take_tap,
                                                                              take_junit, take_markdown };
    validation *v = context;
    v->counts[r->outcome < 6 ? r->outcome : QUIPU_OUTCOME_FAIL]++;
    v->number++;
    v->milliseconds += r->milliseconds;
    take[v->form](v, r);
    fflush(stdout);
    return 0;
}

int validation_end(validation *v)
{
    int status = v->list || bad_count(v) == 0 ? STATUS_DONE : STATUS_CHECK, printed = STATUS_DONE;
    switch (v->form) {
    case FORM_JSON:
        end_json(v);
        printed = print_json(v->c, &v->collected);
        break;
    case FORM_JUNIT:
        end_junit(v);
        printed = print_json(v->c, &v->collected);
        break;
    case FORM_TAP:
        printf("1..%u\n", v->number);
        break;
    case FORM_TEXT:
        if (!v->list)
            printf("\n%u passed, %u failed, %u warned, %u skipped\n", v->counts[QUIPU_OUTCOME_PASS], bad_count(v),
                   v->counts[QUIPU_OUTCOME_WARN], v->counts[QUIPU_OUTCOME_SKIP]);
        break;
    case FORM_MARKDOWN:
        break;
    }
    return printed == STATUS_DONE ? status : printed;
}
