/* test_history_json.c - the history, the figures and the way back as JSON: what a scope hides, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <stdio.h>
#include <string.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>

static quipu *q;
static char folder[128];
static buffer answer;
static quipu_error error;

static int32_t keep(void *context, const void *bytes, uint64_t len)
{
    (void)context;
    buffer_append(&answer, bytes, (size_t)len);
    return 0;
}

static int32_t give_up(void *context, const void *bytes, uint64_t len)
{
    (void)context;
    (void)bytes;
    (void)len;
    return QUIPU_E_CANCELLED;
}

typedef int32_t question(quipu *, const quipu_str *, quipu_sink_fn, void *, const quipu_call *, quipu_error *);

static int32_t undo(quipu *self, const quipu_str *request, quipu_sink_fn sink, void *context, const quipu_call *call,
                    quipu_error *why)
{
    return quipu_undo_json(self, request, NULL, sink, context, call, why);
}

static int32_t ask(question *call, const char *request)
{
    quipu_str text = str_of(request);
    buffer_clear(&answer);
    error = (quipu_error){ .struct_size = sizeof error };
    return call(q, &text, keep, NULL, NULL, &error);
}

static const char *answered(question *call, const char *request)
{
    int32_t code = ask(call, request);
    if (code != QUIPU_OK)
        print_error("%s: %s\n", request, error.message);
    assert_int_equal(code, QUIPU_OK);
    buffer_append(&answer, "", 1);
    return answer.bytes;
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

static void put(const char *json)
{
    quipu_str text = str_of(json);
    assert_int_equal(quipu_put_json(q, &text, NULL, NULL, NULL, NULL), QUIPU_OK);
}

static int begin(void **state)
{
    (void)state;
    char store[160];
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    memories_backend = "git";
    q = memories_open(store);
    put("{\"id\":\"a\",\"text\":\"tea\",\"scope\":{\"user\":\"ada\"}}");
    put("{\"id\":\"b\",\"text\":\"coffee\",\"scope\":{\"user\":\"bob\"}}");
    put("{\"id\":\"a\",\"text\":\"green tea\",\"scope\":{\"user\":\"ada\"},\"tags\":[\"drink\"]}");
    return 0;
}

static int end(void **state)
{
    (void)state;
    memories_close(q);
    buffer_free(&answer);
    scratch_remove(folder);
    return 0;
}

static void the_log_tells_newest_first_and_stops_at_its_limit(void **state)
{
    (void)state;
    const char *text = answered(quipu_log_json, "{}");
    assert_int_equal(count(text, "{\"revision\":"), 4); /* the first made the store */
    assert_non_null(strstr(text, "\"message\":"));
    text = answered(quipu_log_json, "{\"limit\":2}");
    assert_int_equal(count(text, "{\"revision\":"), 2);
    text = answered(quipu_log_json, "{\"id\":\"b\"}");
    assert_int_equal(count(text, "{\"revision\":"), 1);
    text = answered(quipu_log_json, "{\"from\":\"HEAD~1\",\"limit\":1}");
    assert_non_null(strstr(text, "coffee"));
}

static void a_scope_sees_only_what_was_done_in_it(void **state)
{
    (void)state;
    const char *text = answered(quipu_log_json, "{\"scope\":{\"user\":\"bob\"}}");
    assert_int_equal(count(text, "{\"revision\":"), 1);
    assert_null(strstr(text, "tea"));
    assert_null(strstr(text, "\"message\":"));
    text = answered(quipu_diff_json, "{\"from\":\"HEAD~2\",\"scope\":{\"user\":\"bob\"}}");
    assert_int_equal(count(text, "\"change\":"), 1);
    assert_null(strstr(text, "tea"));
}

static void a_difference_names_each_field(void **state)
{
    (void)state;
    const char *text = answered(quipu_diff_json, "{}");
    assert_non_null(strstr(text, "{\"id\":\"a\",\"change\":\"changed\""));
    assert_non_null(strstr(text, "{\"field\":\"text\",\"before\":\"tea\",\"after\":\"green tea\"}"));
    assert_non_null(strstr(text, "{\"field\":\"tags\",\"after\":[\"drink\"]}"));
    text = answered(quipu_diff_json, "{\"from\":\"HEAD~2\",\"to\":\"HEAD\",\"id\":\"b\"}");
    assert_non_null(strstr(text, "{\"id\":\"b\",\"change\":\"added\""));
}

static void what_a_revision_changed_is_taken_back(void **state)
{
    (void)state;
    assert_non_null(strstr(answered(undo, "{\"revision\":\"HEAD\"}"), ",\"changed\":1}"));
    assert_string_equal(memories_text(q, "a", NULL), "tea");
    assert_non_null(strstr(answered(quipu_log_json, "{\"limit\":1}"), "\"operation\":\"revert\""));
    assert_non_null(strstr(answered(undo, "{\"id\":\"a\",\"as_of\":\"HEAD~1\"}"), ",\"changed\":1}"));
    assert_string_equal(memories_text(q, "a", NULL), "green tea");
}

static void nothing_outside_of_a_scope_is_taken_back(void **state)
{
    (void)state;
    assert_int_equal(ask(undo, "{\"revision\":\"HEAD\",\"scope\":{\"user\":\"bob\"}}"), QUIPU_E_SCOPE);
    assert_int_equal(ask(undo, "{\"id\":\"a\",\"as_of\":\"HEAD~1\",\"scope\":{\"user\":\"bob\"}}"), QUIPU_E_NOT_FOUND);
    assert_string_equal(memories_text(q, "a", NULL), "green tea");
    answered(undo, "{\"revision\":\"HEAD\",\"scope\":{\"user\":\"ada\"}}");
    assert_string_equal(memories_text(q, "a", NULL), "tea");
}

static void a_wrong_question_is_refused_by_name(void **state)
{
    quipu_str empty = str_of("{}");
    (void)state;
    assert_int_equal(ask(quipu_log_json, "{\"limits\":2}"), QUIPU_E_INVALID);
    assert_string_equal(error.field, "limits");
    assert_int_equal(ask(quipu_log_json, "{\"limit\":0}"), QUIPU_E_INVALID);
    assert_string_equal(error.field, "limit");
    assert_int_equal(ask(quipu_diff_json, "[]"), QUIPU_E_INVALID);
    assert_int_equal(ask(quipu_diff_json, "{\"to\":\"nowhere\"}"), QUIPU_E_NOT_FOUND);
    assert_int_equal(ask(undo, "{}"), QUIPU_E_INVALID);
    assert_string_equal(error.field, "revision");
    assert_int_equal(ask(undo, "{\"revision\":\"HEAD\",\"id\":\"a\"}"), QUIPU_E_INVALID);
    assert_int_equal(ask(undo, "{\"id\":\"a\"}"), QUIPU_E_INVALID);
    assert_int_equal(quipu_log_json(q, &empty, NULL, NULL, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(quipu_log_json(q, &empty, give_up, NULL, NULL, NULL), QUIPU_E_CANCELLED);
    assert_int_equal(quipu_stats_json(q, NULL, NULL, NULL, NULL), QUIPU_E_INVALID);
    assert_int_equal(quipu_stats_json(q, give_up, NULL, NULL, NULL), QUIPU_E_CANCELLED);
}

static void figures_are_one_object(void **state)
{
    (void)state;
    buffer_clear(&answer);
    assert_int_equal(quipu_stats_json(q, keep, NULL, NULL, NULL), QUIPU_OK);
    buffer_append(&answer, "", 1);
    assert_non_null(strstr(answer.bytes, "\"backend\":\"git\""));
    assert_non_null(strstr(answer.bytes, "\"records\":2"));
}

static void a_backend_without_history_says_so(void **state)
{
    quipu *before = q;
    char store[160];
    (void)state;
    snprintf(store, sizeof store, "%s/elsewhere", folder);
    memories_backend = "memory";
    q = memories_open(store);
    assert_int_equal(ask(quipu_log_json, "{}"), QUIPU_E_UNSUPPORTED);
    assert_string_equal(error.field, "backend");
    assert_int_equal(ask(undo, "{\"revision\":\"HEAD\"}"), QUIPU_E_UNSUPPORTED);
    memories_close(q);
    q = before;
    memories_backend = NULL;
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(the_log_tells_newest_first_and_stops_at_its_limit),
        FRESH(a_scope_sees_only_what_was_done_in_it),
        FRESH(a_difference_names_each_field),
        FRESH(what_a_revision_changed_is_taken_back),
        FRESH(nothing_outside_of_a_scope_is_taken_back),
        FRESH(a_wrong_question_is_refused_by_name),
        FRESH(figures_are_one_object),
        FRESH(a_backend_without_history_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
