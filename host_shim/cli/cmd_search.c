/* cmd_search.c - `quipu search`: one question, or with --stdin one a line. */
#include "cli.h"

#include <base/fail.h>
#include <ctype.h>
#include <errno.h>
#include <sdk/json.h>
#include <string.h>
#include <unistd.h>

static void show_components(const cli *c, const cJSON *components)
{
    const cJSON *part;
    double number;
    if (!components || !components->child)
        return;
    printf("   ");
    cJSON_ArrayForEach(part, components)
    {
        const char *name = part->string; /* {"bm25":1.5} */
        const cJSON *value = part;
        if (!name) { /* [{"name":"bm25","value":1.5}] */
            name = field_of(part, "name").ptr;
            value = cJSON_GetObjectItemCaseSensitive(part, "value");
        }
        if (!name || !value)
            continue;
        printf(" ");
        print_cell(c, PAINT_DIM, str_of(name), 0, 0);
        if (json_is_number(value, &number))
            printf("%s=%.4g%s", paint_on(c, PAINT_DIM), number, paint_off(c));
    }
    putchar('\n');
}

/* One line, to be kept for `quipu replay`. */
static void show_receipt(const cJSON *receipt)
{
    buffer line = { 0 };
    if (!receipt)
        return;
    json_print_compact(receipt, &line);
    if (!line.failed)
        printf("%s\n", line.bytes);
    buffer_free(&line);
}

static void show_results(const cli *c, const cJSON *answer)
{
    const cJSON *result;
    unsigned rank = 0;
    cJSON_ArrayForEach(result, cJSON_GetObjectItemCaseSensitive(answer, "results"))
    {
        char when[17];
        double score = 0;
        json_is_number(cJSON_GetObjectItemCaseSensitive(result, "score"), &score);
        view_time(result, "created_at", when);
        printf("%s%2u.%s ", paint_on(c, PAINT_DIM), ++rank, paint_off(c));
        print_cell(c, PAINT_ID, field_of(result, "id"), 0, 0);
        printf("  %s%.4g  %s%s  ", paint_on(c, PAINT_DIM), score, when, paint_off(c));
        print_cell(c, PAINT_DIM, field_of(result, "actor"), 0, 0);
        putchar('\n');
        if (field_of(result, "text").ptr)
            print_text(field_of(result, "text"), "    ");
        show_components(c, cJSON_GetObjectItemCaseSensitive(result, "components"));
    }
    if (rank == 0)
        remark(c, "nothing found");
    show_receipt(cJSON_GetObjectItemCaseSensitive(answer, "receipt"));
}

/* A number given as an option, under the name that libquipu knows it by. */
static int add_weight(cli *c, cJSON *request, const char *option, const char *name)
{
    const char *text = option_text(c, option);
    double value;
    if (!text)
        return STATUS_DONE;
    if (!json_number_value(str_of(text), &value))
        return report_fault(c, QUIPU_E_INVALID, name, "--%s %s: a number is needed", option, text);
    return object_set(request, name, json_number_text(text)) ? STATUS_DONE : out_of_memory(c);
}

static int add_weights(cli *c, cJSON *request)
{
    int status = add_weight(c, request, "recency", "recency");
    if (status == STATUS_DONE)
        status = add_weight(c, request, "half-life", "half_life_days");
    return status == STATUS_DONE ? add_weight(c, request, "importance", "importance") : status;
}

/* What the options say about every question; members that a question has itself win, but for the scope. */
static int add_options(cli *c, cJSON *request)
{
    const char *mode = option_text(c, "mode");
    uint64_t k;
    if (!option_number(c, "k", 1, QUIPU_SEARCH_K_MAX, 10, &k))
        return STATUS_USAGE;
    if (mode && strcmp(mode, "hybrid") != 0 && strcmp(mode, "lexical") != 0 && strcmp(mode, "vector") != 0 &&
        strcmp(mode, "auto") != 0)
        return report_fault(c, QUIPU_E_INVALID, "mode", "--mode %s: hybrid, lexical or vector is needed", mode);
    if ((option_given(c, "k") && !object_set(request, "k", json_number_int((int64_t)k))) ||
        (mode && strcmp(mode, "auto") != 0 && !object_set(request, "mode", json_string(str_of(mode)))) ||
        (option_given(c, "explain") && !object_set(request, "explain", cJSON_CreateTrue())) ||
        (option_given(c, "wait") && !object_set(request, "wait", cJSON_CreateTrue())) ||
        (option_given(c, "receipt") && !object_set(request, "receipt", cJSON_CreateTrue())))
        return out_of_memory(c);
    int status = add_weights(c, request);
    return status == STATUS_DONE ? request_narrow(c, request) : status;
}

static int search_once(cli *c, cJSON *request)
{
    quipu_error error = error_none();
    buffer question = { 0 }, answer = { 0 }, text = { 0 };
    int status = argument_text(c, "query", c->arguments[0], &text);
    if (status == STATUS_DONE &&
        !object_set(request, "query", json_string(str_make(text.bytes ? text.bytes : "", text.len))))
        status = out_of_memory(c);
    if (status == STATUS_DONE) {
        json_print_compact(request, &question);
        quipu_str asked = str_make(question.bytes, question.len);
        if (quipu_search_json(c->q, &asked, sink_to_buffer, &answer, NULL, &error) != QUIPU_OK)
            status = report(c, "cannot search", &error);
        else
            status = c->json ? print_json(c, &answer) : view_text(c, &answer, show_results);
    }
    buffer_free(&text);
    buffer_free(&question);
    buffer_free(&answer);
    return status;
}

/* Completes a question of the stream by the options. Nothing is parsed here where there are none. */
static int32_t complete(const cJSON *defaults, quipu_str line, buffer *question, quipu_error *error)
{
    cJSON *request = NULL;
    const cJSON *item, *bound = cJSON_GetObjectItemCaseSensitive(defaults, "scope");
    int32_t code = QUIPU_OK;
    if (!defaults->child) {
        buffer_append_str(question, line);
        return QUIPU_OK;
    }
    code = json_parse(line, &request, error);
    if (code == QUIPU_OK && !cJSON_IsObject(request))
        code = fail(error, QUIPU_E_INVALID, NULL, "a JSON object is needed, as {\"query\":\"...\"}");
    for (item = code == QUIPU_OK ? defaults->child : NULL; item; item = item->next)
        if (!cJSON_GetObjectItemCaseSensitive(request, item->string) &&
            !object_set(request, item->string, cJSON_Duplicate(item, 1)))
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    for (item = code == QUIPU_OK && bound ? bound->child : NULL; item; item = item->next) {
        cJSON *scope = cJSON_GetObjectItemCaseSensitive(request, "scope");
        const cJSON *there = cJSON_GetObjectItemCaseSensitive(scope, item->string);
        if (there && !cJSON_Compare(there, item, 1))
            code = fail(error, QUIPU_E_INVALID, "scope", "the question's scope.%s is not that of the options",
                        item->string);
        else if (!there && cJSON_IsObject(scope) && !object_set(scope, item->string, cJSON_Duplicate(item, 1)))
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    if (code == QUIPU_OK)
        json_print_compact(request, question);
    cJSON_Delete(request);
    return code;
}

static void append_error(buffer *out, const quipu_error *e)
{
    buffer_clear(out);
    buffer_append_text(out, "{\"error\":{\"code\":\"");
    for (const char *name = error_name(e->code); *name; name++)
        buffer_append_char(out, (char)tolower((unsigned char)*name));
    buffer_append_text(out, "\",\"message\":");
    json_print_string(str_of(e->message), out);
    buffer_append_text(out, ",\"field\":");
    json_print_string(str_of(e->field), out);
    buffer_append_text(out, "}}");
}

/* One line in, one line out, at once. False where it was answered with an error. */
static bool answer_line(cli *c, const cJSON *defaults, quipu_str line, int *status)
{
    quipu_error error = error_none();
    buffer question = { 0 }, answer = { 0 };
    int32_t code = complete(defaults, line, &question, &error);
    quipu_str asked = str_make(question.bytes ? question.bytes : "", question.len);
    if (code == QUIPU_OK)
        code = quipu_search_json(c->q, &asked, sink_to_buffer, &answer, NULL, &error);
    if (code != QUIPU_OK) {
        error.code = code;
        append_error(&answer, &error);
    }
    *status = print_json(c, &answer);
    if (fflush(stdout) != 0)
        *status = STATUS_TROUBLE;
    buffer_free(&question);
    buffer_free(&answer);
    return code == QUIPU_OK;
}

static int search_lines(cli *c, const cJSON *defaults)
{
    line_reader reader = { .fd = STDIN_FILENO };
    quipu_str line;
    int got, status = STATUS_DONE;
    bool all_answered = true;
    while (status == STATUS_DONE && (got = line_next(&reader, &line)) != LINE_END) {
        if (got == LINE_GIVEN)
            all_answered = answer_line(c, defaults, line, &status) && all_answered;
        else if (got == LINE_TOO_LONG)
            status = report_fault(c, QUIPU_E_IO, NULL, "cannot read standard input: line %llu is longer than %u bytes",
                                  (unsigned long long)reader.number + 1, LINE_MAX_BYTES);
        else if (errno != EINTR)
            status = report_fault(c, QUIPU_E_IO, NULL, "cannot read standard input: %s", strerror(errno));
    }
    line_reader_free(&reader);
    return status == STATUS_DONE && !all_answered ? STATUS_CHECK : status;
}

int cmd_search(cli *c)
{
    bool lines = option_given(c, "stdin");
    if (lines != (c->argument_count == 0))
        return report_fault(c, QUIPU_E_INVALID, "query",
                            lines ? "--stdin takes its questions from standard input: leave QUERY out"
                                  : "something is missing: quipu search QUERY, or --stdin");
    cJSON *request = cJSON_CreateObject();
    int status = request ? add_options(c, request) : out_of_memory(c);
    if (status == STATUS_DONE)
        status = store_open(c, STORE_READ);
    if (status == STATUS_DONE)
        status = lines ? search_lines(c, request) : search_once(c, request);
    cJSON_Delete(request);
    return status;
}
