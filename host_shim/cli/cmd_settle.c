/* cmd_settle.c - `quipu conflicts` and `settle`: what a merge could not decide, and deciding it. */
#include "cli.h"

#include <inttypes.h>
#include <sdk/json.h>
#include <stdlib.h>

/* ---- conflicts ---- */

/* "/metadata/a" as "metadata/a"; the whole record as its name. */
static const char *field_name(const cJSON *pointer)
{
    const char *text = cJSON_GetStringValue(pointer);
    return !text ? "?" : text[0] ? text + 1 : "the whole record";
}

static void print_side(const char *label, const cJSON *value, const char *pointer);

static void print_conflict(const cli *c, const cJSON *record)
{
    static const char *const sides[] = { "base", "ours", "theirs" };
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(record, "value");
    print_cell(c, PAINT_ID, field_of(record, "id"), 0, 0);
    printf("  ");
    print_cell(c, PAINT_BOLD, field_of(value, "record"), 0, 0);
    putchar('\n');
    const cJSON *field;
    cJSON_ArrayForEach(field, cJSON_GetObjectItemCaseSensitive(value, "fields"))
    {
        printf("  ");
        print_cell(c, PAINT_WARN, str_of(field_name(field)), 0, 0);
        putchar('\n');
        for (size_t i = 0; i < 3; i++)
            print_side(sides[i], cJSON_GetObjectItemCaseSensitive(value, sides[i]), cJSON_GetStringValue(field));
    }
}

static void print_conflicts(const cli *c, const cJSON *answer)
{
    const cJSON *record, *results = cJSON_GetObjectItemCaseSensitive(answer, "results");
    cJSON_ArrayForEach(record, results) print_conflict(c, record);
    if (!results || !results->child)
        printf("nothing is left open\n");
}

int cmd_conflicts(cli *c)
{
    int status = STATUS_DONE;
    cJSON *request = cJSON_CreateObject(), *filter = cJSON_CreateObject();
    bool good = request && filter && object_set(filter, "kind", json_string(str_of(QUIPU_KIND_CONFLICT)));
    if (!good)
        cJSON_Delete(filter);
    if (!good || !object_set(request, "filter", filter) || !object_set(request, "limit", json_number_int(100000)))
        status = out_of_memory(c);
    if (status == STATUS_DONE)
        status = request_narrow(c, request);
    if (status == STATUS_DONE)
        status = request_ask(c, request, quipu_list_json, "cannot list the conflicts", print_conflicts);
    cJSON_Delete(request);
    return status;
}

/* ---- JSON Pointers (RFC 6901) ---- */

/* Takes one step off: its name, for the caller to free; NULL at the end or without memory. */
static char *next_step(const char **pointer)
{
    buffer name = { 0 };
    if (**pointer != '/')
        return NULL;
    buffer_append_text(&name, "");
    for (++*pointer; **pointer && **pointer != '/'; ++*pointer) {
        bool escaped = **pointer == '~' && ((*pointer)[1] == '0' || (*pointer)[1] == '1');
        if (escaped)
            ++*pointer;
        buffer_append_char(&name, !escaped ? **pointer : **pointer == '0' ? '~' : '/');
    }
    if (!name.bytes && !name.failed)
        return calloc(1, 1);
    if (!name.failed)
        return name.bytes;
    buffer_free(&name);
    return NULL;
}

/* What a pointer leads to; NULL where there is nothing. */
static const cJSON *find(const cJSON *tree, const char *pointer)
{
    char *name;
    while (tree && (name = next_step(&pointer)) != NULL) {
        tree = cJSON_IsObject(tree) ? cJSON_GetObjectItemCaseSensitive(tree, name) : NULL;
        free(name);
    }
    return tree;
}

static void print_side(const char *label, const cJSON *value, const char *pointer)
{
    buffer text = { 0 }, safe = { 0 };
    const cJSON *found = value ? find(value, pointer ? pointer : "") : NULL;
    if (found)
        json_print_compact(found, &text);
    safe_append(&safe, found ? str_make(text.bytes, text.len) : str_of("(absent)"), true);
    printf("    %-7s %s\n", label, safe.bytes ? safe.bytes : "");
    buffer_free(&text);
    buffer_free(&safe);
}

/* Gives `tree` at the pointer what `source` has there, or nothing where that has nothing. */
static bool take_over(cJSON *tree, const char *pointer, const cJSON *source)
{
    const cJSON *value = find(source, pointer);
    char *name = next_step(&pointer);
    while (name && *pointer) {
        cJSON *next = cJSON_GetObjectItemCaseSensitive(tree, name);
        if (!cJSON_IsObject(next)) {
            next = cJSON_CreateObject();
            if (!value || !object_set(tree, name, next)) {
                free(name);
                if (!value)
                    cJSON_Delete(next);
                return !value; /* there is nothing to take away */
            }
        }
        tree = next;
        free(name);
        name = next_step(&pointer);
    }
    bool good = name != NULL;
    if (name && value) {
        cJSON *copy = cJSON_Duplicate(value, true);
        good = copy && object_set(tree, name, copy);
    } else if (name) {
        cJSON_DeleteItemFromObjectCaseSensitive(tree, name);
    }
    free(name);
    return good;
}

/* ---- settling ---- */

typedef struct settlement {
    cJSON *conflict; /* the conflict record */
    cJSON *stored;   /* the record that it is about as it is now; NULL: there is none */
    buffer conflict_version, stored_version;
    buffer json;    /* the record as it should be */
    bool put, gone; /* what is to be done to it; neither: it stays */
} settlement;

/* Reads a record; *out NULL where there is none. Takes "version" out of it. */
static int read_record(cli *c, const char *id, cJSON **out, buffer *version)
{
    quipu_error error = error_none();
    buffer question = { 0 }, answer = { 0 };
    int status = STATUS_DONE;
    cJSON *request = cJSON_CreateObject();
    if (!request || !object_set(request, "id", json_string(str_of(id))) ||
        !object_set(request, "include_expired", cJSON_CreateTrue()))
        status = out_of_memory(c);
    if (status == STATUS_DONE)
        status = request_narrow(c, request);
    if (status == STATUS_DONE) {
        json_print_compact(request, &question);
        quipu_str text = str_make(question.bytes, question.len);
        int32_t code = quipu_get_json(c->q, &text, sink_to_buffer, &answer, NULL, &error);
        if (code == QUIPU_OK)
            code = json_parse(str_make(answer.bytes, answer.len), out, &error);
        if (code != QUIPU_OK && code != QUIPU_E_NOT_FOUND)
            status = report(c, "cannot settle", &error);
    }
    if (*out) {
        buffer_append_str(version, field_of(*out, "version"));
        cJSON_DeleteItemFromObjectCaseSensitive(*out, "version");
    }
    buffer_free(&question);
    buffer_free(&answer);
    cJSON_Delete(request);
    return status;
}

/* A state that was too deep to stand in the conflict record is the text of its JSON there. */
static int state_of(cli *c, const settlement *s, const char *side, cJSON **out)
{
    quipu_error error = error_none();
    const cJSON *state = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(s->conflict, "value"), side);
    *out = NULL;
    if (cJSON_IsString(state))
        return json_parse(str_of(state->valuestring), out, &error) == QUIPU_OK ? STATUS_DONE
                                                                               : report(c, "cannot settle", &error);
    if (!state)
        return STATUS_DONE;
    *out = cJSON_Duplicate(state, true);
    return *out ? STATUS_DONE : out_of_memory(c);
}

static int print_record(cli *c, settlement *s, cJSON *record)
{
    cJSON_DeleteItemFromObjectCaseSensitive(record, "updated_at"); /* it changes now */
    json_print_compact(record, &s->json);
    s->put = true;
    return s->json.failed ? out_of_memory(c) : STATUS_DONE;
}

static int choose_side(cli *c, settlement *s, const char *side)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(s->conflict, "value"), *field;
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(value, "fields");
    bool whole = !s->stored;
    cJSON *state = NULL;
    int status = state_of(c, s, side, &state);
    cJSON_ArrayForEach(field, fields) whole = whole || (cJSON_IsString(field) && field->valuestring[0] == '\0');
    if (status == STATUS_DONE && !state && !cJSON_GetObjectItemCaseSensitive(value, "ours")) {
        status = STATUS_DONE; /* ours lies in another scope, and stays as it is */
    } else if (status == STATUS_DONE && whole && state) {
        status = print_record(c, s, state);
    } else if (status == STATUS_DONE && whole) {
        s->gone = s->stored != NULL;
    } else if (status == STATUS_DONE) {
        bool good = true;
        cJSON_ArrayForEach(field, fields) good =
            good && cJSON_IsString(field) && take_over(s->stored, field->valuestring, state);
        status = good ? print_record(c, s, s->stored) : out_of_memory(c);
    }
    cJSON_Delete(state);
    return status;
}

static int write_settlement(cli *c, const settlement *s, const char *id, const char *record)
{
    quipu_error error = error_none();
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    quipu_write_options options = { .struct_size = sizeof options, .operation = str_of("settle") };
    quipu_write steps[2] = { { .struct_size = sizeof steps[0],
                               .op = QUIPU_CHANGE_DELETE,
                               .expect = QUIPU_EXPECT_VERSION,
                               .id = str_of(id),
                               .expected_version = str_make(s->conflict_version.bytes, s->conflict_version.len) },
                             { .struct_size = sizeof steps[1],
                               .op = s->put ? QUIPU_CHANGE_PUT : QUIPU_CHANGE_DELETE,
                               .expect = s->stored ? QUIPU_EXPECT_VERSION : QUIPU_EXPECT_ABSENT,
                               .id = str_of(record),
                               .json = str_make(s->json.bytes, s->json.len) } };
    if (s->stored)
        steps[1].expected_version = str_make(s->stored_version.bytes, s->stored_version.len);
    quipu_array writes = { steps, s->put || s->gone ? 2 : 1, sizeof steps[0] };
    if (quipu_write_records(c->q, &writes, &options, NULL, NULL, &receipt, NULL, &error) != QUIPU_OK)
        return report(c, "cannot settle", &error);
    if (c->json) {
        buffer json = { 0 };
        buffer_append_text(&json, "{\"record\":");
        json_print_string(str_of(record), &json);
        buffer_printf(&json, ",\"revision\":\"%s\"}", receipt.revision);
        int status = print_json(c, &json);
        buffer_free(&json);
        return status;
    }
    if (!c->quiet)
        printf("settled: revision %s\n", receipt.revision);
    return STATUS_DONE;
}

static int settle(cli *c, settlement *s, const char *id)
{
    const char *own = option_text(c, "record");
    int status = read_record(c, id, &s->conflict, &s->conflict_version);
    if (status != STATUS_DONE)
        return status;
    const char *record = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(s->conflict, "value"), "record"));
    if (!s->conflict || !record || !str_same(field_of(s->conflict, "kind"), str_of(QUIPU_KIND_CONFLICT)))
        return report_fault(c, QUIPU_E_NOT_FOUND, "id", "there is no conflict %s; `quipu conflicts` lists them", id);
    status = read_record(c, record, &s->stored, &s->stored_version);
    if (status == STATUS_DONE && own) {
        cJSON *given = option_json(c, "--record", own);
        status = given ? STATUS_DONE : STATUS_USAGE;
        if (given && (!cJSON_IsObject(given) || !object_set(given, "id", json_string(str_of(record)))))
            status = report_fault(c, QUIPU_E_INVALID, "record", "--record has to be a JSON object");
        if (status == STATUS_DONE)
            status = print_record(c, s, given);
        cJSON_Delete(given);
    } else if (status == STATUS_DONE) {
        status = choose_side(c, s, option_given(c, "ours") ? "ours" : "theirs");
    }
    return status == STATUS_DONE ? write_settlement(c, s, id, record) : status;
}

int cmd_settle(cli *c)
{
    settlement s = { 0 };
    if (option_given(c, "ours") + option_given(c, "theirs") + option_given(c, "record") != 1)
        return report_fault(c, QUIPU_E_INVALID, "ours",
                            "say what is to become of it: --ours, --theirs or --record JSON");
    int status = store_open(c, STORE_WRITE);
    if (status == STATUS_DONE)
        status = settle(c, &s, c->arguments[0]);
    cJSON_Delete(s.conflict);
    cJSON_Delete(s.stored);
    buffer_free(&s.conflict_version);
    buffer_free(&s.stored_version);
    buffer_free(&s.json);
    return status;
}
