/* cmd_validate.c - `quipu validate`: does a plugin keep the contract? */
#include "cli.h"

#include <quipu_validate.h>
#include <sdk/json.h>
#include <stdlib.h>

typedef struct validation {
    cli *c;
    bool list; /* nothing was run */
    buffer json;
    char family[32];
    unsigned counts[6]; /* by outcome */
} validation;

static const char *const outcomes[] = { "pass", "FAIL", "CRASH", "HUNG", "warn", "skip" };
static const char *const outcome_names[] = { "pass", "fail", "crashed", "hung", "warn", "skip" };

static void append_member(buffer *out, const char *name, quipu_str text)
{
    if (!text.ptr)
        return;
    buffer_printf(out, ",\"%s\":", name);
    json_print_string(text, out);
}

static void append_result(validation *v, const quipu_check_result *r)
{
    buffer_printf(&v->json, "%s{\"id\":", v->json.len > sizeof "{\"checks\":[" - 1 ? "," : "");
    json_print_string(r->id, &v->json);
    append_member(&v->json, "family", r->family);
    append_member(&v->json, "summary", r->summary);
    if (!v->list) {
        buffer_printf(&v->json, ",\"outcome\":\"%s\",\"milliseconds\":%lld", outcome_names[r->outcome],
                      (long long)r->milliseconds);
        append_member(&v->json, "reason", r->reason);
    }
    buffer_append_char(&v->json, '}');
}

static void print_result(validation *v, const quipu_check_result *r)
{
    const cli *c = v->c;
    paint p = r->outcome == QUIPU_OUTCOME_PASS ? PAINT_GOOD : r->outcome <= QUIPU_OUTCOME_HUNG ? PAINT_BAD : PAINT_WARN;
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
    if (r->reason.ptr) {
        printf("           ");
        print_cell(c, p, r->reason, 0, 0);
        putchar('\n');
    }
}

static int32_t take_result(void *context, const quipu_check_result *r)
{
    validation *v = context;
    v->counts[r->outcome < 6 ? r->outcome : QUIPU_OUTCOME_FAIL]++;
    if (v->c->json)
        append_result(v, r);
    else
        print_result(v, r);
    fflush(stdout);
    return 0;
}

static int finish(validation *v)
{
    const unsigned *n = v->counts;
    unsigned bad = n[QUIPU_OUTCOME_FAIL] + n[QUIPU_OUTCOME_CRASHED] + n[QUIPU_OUTCOME_HUNG];
    int status = v->list || bad == 0 ? STATUS_DONE : STATUS_CHECK;
    if (v->c->json) {
        buffer_append_char(&v->json, ']');
        if (!v->list)
            buffer_printf(&v->json, ",\"passed\":%u,\"failed\":%u,\"warned\":%u,\"skipped\":%u", n[QUIPU_OUTCOME_PASS],
                          bad, n[QUIPU_OUTCOME_WARN], n[QUIPU_OUTCOME_SKIP]);
        buffer_append_char(&v->json, '}');
        int printed = print_json(v->c, &v->json);
        return printed == STATUS_DONE ? status : printed;
    }
    if (!v->list)
        printf("\n%u passed, %u failed, %u warned, %u skipped\n", n[QUIPU_OUTCOME_PASS], bad, n[QUIPU_OUTCOME_WARN],
               n[QUIPU_OUTCOME_SKIP]);
    return status;
}

int cmd_validate(cli *c)
{
    validation v = { .c = c, .list = option_given(c, "list") };
    quipu_validate_options options = { .struct_size = sizeof options, .only = str_of(option_text(c, "only")) };
    quipu_error error = error_none();
    uint64_t level, limit;
    int32_t code;
    if (!option_number(c, "level", 1, 5, 1, &level) || !option_number(c, "seed", 0, INT64_MAX, 1, &options.seed) ||
        !option_number(c, "time-limit", 1, 3600, 30, &limit))
        return STATUS_USAGE;
    if (!v.list && c->argument_count != 1)
        return report_fault(c, QUIPU_E_INVALID, "FILE.so", "name the plugin file to check, or give --list");
    options.level = (uint32_t)level;
    options.time_limit_ms = (uint32_t)limit * 1000;
    buffer_append_text(&v.json, "{\"checks\":[");
    if (v.list) {
        code = quipu_validate_list(take_result, &v, &error);
    } else {
        const quipu_str path = str_of(c->arguments[0]);
        code = quipu_validate(&path, &options, take_result, &v, &error);
    }
    int status = code == QUIPU_OK ? finish(&v) : report(c, "cannot validate", &error);
    buffer_free(&v.json);
    return status;
}
