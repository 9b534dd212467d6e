/*
 * filter_compile.c - the grammar that people write becomes nodes in prefix order.
 *
 * Everything that the nodes point to lives in one arena, whose blocks never move; only the array of nodes grows.
 */
#include <sdk/filter.h>

#include "filter_limits.h"
#include <sdk/json.h>
#include <sdk/record.h>
#include "record_fields.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <stdlib.h>

typedef struct block {
    struct block *next;
    uint64_t bytes[];
} block;

struct filter {
    quipu_filter view;
    quipu_filter_node *nodes;
    size_t count, capacity;
    block *blocks;
};

typedef struct compiler {
    filter *f;
    uint64_t values; /* so far */
    quipu_error *error;
} compiler;

/* One key's comparisons: where they look, and how. */
typedef struct target {
    quipu_str field; /* as nodes name it; the arena's */
    const char *key; /* as the user wrote it, for errors */
    field_type type; /* FIELD_VALUE: a path in the JSON */
    bool set;        /* the user sees a list where the record has one string: contains means equal */
} target;

static const struct {
    const char *key, *field;
    bool set;
} aliases[] = {
    { "user_id", "scope.user", false },
    { "agent_id", "scope.agent", false },
    { "app_id", "scope.app", false },
    { "run_id", "scope.session", false },
    { "user", "scope.user", false },
    { "agent", "scope.agent", false },
    { "app", "scope.app", false },
    { "session", "scope.session", false },
    { "memory_ids", "id", false },
    { "categories", "category", true },
    { "keys", "key", true },
    { "entity_type", "entity.type", false },
    { "entity_id", "entity.id", false },
    { "timestamp", "created_at", false },
    { "expiration_date", "expires_at", false },
};

static const struct {
    const char *name;
    uint32_t op;
} operators[] = {
    { "eq", QUIPU_OP_EQ },
    { "ne", QUIPU_OP_NE },
    { "gt", QUIPU_OP_GT },
    { "gte", QUIPU_OP_GTE },
    { "lt", QUIPU_OP_LT },
    { "lte", QUIPU_OP_LTE },
    { "in", QUIPU_OP_IN },
    { "nin", QUIPU_OP_NIN },
    { "not_in", QUIPU_OP_NIN },
    { "contains", QUIPU_OP_CONTAINS },
    { "icontains", QUIPU_OP_ICONTAINS },
};

static int32_t no_memory(compiler *c)
{
    return fail(c->error, QUIPU_E_NO_MEMORY, NULL, "no memory for a filter");
}

static int32_t refuse(compiler *c, const char *field, const char *what)
{
    return fail(c->error, QUIPU_E_INVALID, field, "in the filter, %s %s", field, what);
}

static void *take(compiler *c, size_t size)
{
    block *b = malloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->next = c->f->blocks;
    c->f->blocks = b;
    return b->bytes;
}

static int32_t take_text(compiler *c, quipu_str text, quipu_str *out)
{
    char *copy = take(c, (size_t)text.len + 1);
    if (!copy)
        return no_memory(c);
    memcpy(copy, text.ptr, (size_t)text.len + 1);
    *out = str_make(copy, (size_t)text.len);
    return QUIPU_OK;
}

/* Appends a node; *index tells where, since the array may move. */
static int32_t add_node(compiler *c, uint32_t op, size_t *index)
{
    filter *f = c->f;
    if (f->count == FILTER_NODES_MAX)
        return fail(c->error, QUIPU_E_TOO_LARGE, "filter", "the filter has more than %d conditions", FILTER_NODES_MAX);
    if (f->count == f->capacity) {
        size_t capacity = f->capacity ? f->capacity * 2 : 16;
        quipu_filter_node *nodes = realloc(f->nodes, capacity * sizeof *nodes);
        if (!nodes)
            return no_memory(c);
        f->nodes = nodes;
        f->capacity = capacity;
    }
    *index = f->count;
    f->nodes[f->count++] = (quipu_filter_node){ .struct_size = sizeof(quipu_filter_node), .op = op };
    return QUIPU_OK;
}

static int32_t add_leaf(compiler *c, const target *t, uint32_t op, const quipu_value *values, size_t count)
{
    size_t index;
    int32_t code = add_node(c, op, &index);
    if (code != QUIPU_OK)
        return code;
    if (count > FILTER_VALUES_MAX - c->values)
        return fail(c->error, QUIPU_E_TOO_LARGE, t->key, "the filter has more than %d values", FILTER_VALUES_MAX);
    c->values += count;
    c->f->nodes[index].field = t->field;
    if (count == 0)
        return QUIPU_OK;
    quipu_value *copy = take(c, count * sizeof *copy);
    if (!copy)
        return no_memory(c);
    memcpy(copy, values, count * sizeof *copy);
    c->f->nodes[index].values = (quipu_array){ copy, count, sizeof *copy };
    return QUIPU_OK;
}

/* ---- values ---- */

static int32_t time_value(compiler *c, const target *t, const cJSON *json, bool *date, quipu_value *v)
{
    *date = false;
    if (!cJSON_IsString(json))
        return refuse(c, t->key, "needs a time: RFC 3339 or YYYY-MM-DD in quotes");
    v->type = QUIPU_VALUE_TIME;
    return time_parse(str_of(json->valuestring), t->key, date, &v->integer, c->error);
}

static int32_t read_value(compiler *c, const target *t, const cJSON *json, bool *date, quipu_value *v)
{
    bool text_field = t->type == FIELD_TEXT || t->type == FIELD_NAME || t->type == FIELD_TAGS;
    bool number_field = t->type == FIELD_SEQ || t->type == FIELD_WEIGHT;
    *v = (quipu_value){ .struct_size = sizeof *v, .type = QUIPU_VALUE_NULL };
    *date = false;
    if (cJSON_IsNull(json))
        return QUIPU_OK;
    if (t->type == FIELD_TIME)
        return time_value(c, t, json, date, v);
    if (cJSON_IsString(json) && !number_field) {
        v->type = QUIPU_VALUE_STRING;
        return take_text(c, str_of(json->valuestring), &v->text);
    }
    if (text_field)
        return refuse(c, t->key, "needs a string");
    if (json_is_number(json, &v->number)) {
        char text[32] = "";
        v->type = QUIPU_VALUE_NUMBER;
        if (cJSON_IsNumber(json))
            json_double_text(v->number, text);
        return take_text(c, str_of(cJSON_IsRaw(json) ? json->valuestring : text), &v->text);
    }
    if (number_field)
        return refuse(c, t->key, "needs a number");
    if (!cJSON_IsBool(json))
        return refuse(c, t->key, "cannot be compared with a list or an object; use {\"in\": [...]} or an operator");
    v->type = QUIPU_VALUE_BOOL;
    v->integer = cJSON_IsTrue(json);
    return QUIPU_OK;
}

/* ---- comparisons ---- */

#define DAY ((int64_t)86400 * 1000000)

/* A date names a whole day: equal is within it, and an upper bound covers it. */
static int32_t compare_date(compiler *c, const target *t, uint32_t op, quipu_value v)
{
    quipu_value next = v;
    size_t index;
    next.integer += DAY;
    switch (op) {
    case QUIPU_OP_GT:
        return add_leaf(c, t, QUIPU_OP_GTE, &next, 1);
    case QUIPU_OP_LTE:
        return add_leaf(c, t, QUIPU_OP_LT, &next, 1);
    case QUIPU_OP_GTE:
    case QUIPU_OP_LT:
        return add_leaf(c, t, op, &v, 1);
    default:
        break;
    }
    int32_t code = QUIPU_OK;
    if (op == QUIPU_OP_NE) {
        code = add_node(c, QUIPU_OP_NOT, &index);
        if (code == QUIPU_OK)
            c->f->nodes[index].children = 1;
    }
    if (code == QUIPU_OK)
        code = add_node(c, QUIPU_OP_AND, &index);
    if (code != QUIPU_OK)
        return code;
    c->f->nodes[index].children = 2;
    code = add_leaf(c, t, QUIPU_OP_GTE, &v, 1);
    return code == QUIPU_OK ? add_leaf(c, t, QUIPU_OP_LT, &next, 1) : code;
}

static int32_t compare_one(compiler *c, const target *t, uint32_t op, const cJSON *json)
{
    quipu_value v;
    bool date;
    int32_t code = read_value(c, t, json, &date, &v);
    if (code != QUIPU_OK)
        return code;
    if (date)
        return compare_date(c, t, op, v);
    return add_leaf(c, t, op, &v, 1);
}

/* A list of times that may hold dates: OR (for nin: NOT) of one comparison each. */
static int32_t compare_times(compiler *c, const target *t, uint32_t op, const cJSON *list)
{
    size_t index;
    uint64_t children = 0;
    int32_t code = add_node(c, op == QUIPU_OP_IN ? QUIPU_OP_OR : QUIPU_OP_NOT, &index);
    for (const cJSON *item = list->child; item && code == QUIPU_OK; item = item->next, children++)
        code = compare_one(c, t, QUIPU_OP_EQ, item);
    if (code == QUIPU_OK)
        c->f->nodes[index].children = children;
    return code;
}

static int32_t compare_list(compiler *c, const target *t, uint32_t op, const cJSON *list)
{
    bool date;
    if (!cJSON_IsArray(list))
        return refuse(c, t->key, op == QUIPU_OP_IN ? "needs a list after in" : "needs a list after nin");
    if (t->type == FIELD_TIME)
        return compare_times(c, t, op, list);
    size_t count = (size_t)cJSON_GetArraySize(list), i = 0;
    if (count > FILTER_VALUES_MAX - c->values)
        return fail(c->error, QUIPU_E_TOO_LARGE, t->key, "the filter has more than %d values", FILTER_VALUES_MAX);
    quipu_value *values = malloc((count + 1) * sizeof *values);
    int32_t code = values ? QUIPU_OK : no_memory(c);
    for (const cJSON *item = list->child; item && code == QUIPU_OK; item = item->next)
        code = read_value(c, t, item, &date, &values[i++]);
    if (code == QUIPU_OK)
        code = add_leaf(c, t, op, values, count);
    free(values);
    return code;
}

static int32_t compile_operator(compiler *c, const target *t, const cJSON *member)
{
    uint32_t op = 0;
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (strcmp(member->string, operators[i].name) == 0)
            op = operators[i].op;
    if (op == 0)
        return fail(
            c->error, QUIPU_E_INVALID, t->key,
            "in the filter, %s has an unknown operator; there are eq ne gt gte lt lte in nin contains icontains",
            t->key);
    if (op == QUIPU_OP_IN || op == QUIPU_OP_NIN)
        return compare_list(c, t, op, member);
    if (op >= QUIPU_OP_GT && op <= QUIPU_OP_LTE && (cJSON_IsNull(member) || cJSON_IsBool(member)))
        return refuse(c, t->key, "cannot be ordered against null, true or false");
    if ((op == QUIPU_OP_CONTAINS || op == QUIPU_OP_ICONTAINS) && (!cJSON_IsString(member) || t->type == FIELD_TIME))
        return refuse(c, t->key, "takes contains and icontains only with a string, and not where it is a time");
    if (op == QUIPU_OP_CONTAINS && t->set)
        op = QUIPU_OP_EQ;
    return compare_one(c, t, op, member);
}

/* What stands behind a key: a value, "*", or an object of operators, all of which must hold. */
static int32_t compile_condition(compiler *c, const target *t, const cJSON *json)
{
    size_t index;
    if (cJSON_IsString(json) && strcmp(json->valuestring, "*") == 0)
        return add_leaf(c, t, QUIPU_OP_EXISTS, NULL, 0);
    if (!cJSON_IsObject(json))
        return compare_one(c, t, QUIPU_OP_EQ, json);
    if (!json->child)
        return refuse(c, t->key, "has an empty object; name an operator");
    if (!json->child->next)
        return compile_operator(c, t, json->child);
    int32_t code = add_node(c, QUIPU_OP_AND, &index);
    uint64_t children = 0;
    for (const cJSON *member = json->child; member && code == QUIPU_OK; member = member->next, children++)
        code = compile_operator(c, t, member);
    if (code == QUIPU_OK)
        c->f->nodes[index].children = children;
    return code;
}

/* ---- keys ---- */

/* The field that `key` means. */
static int32_t find_target(compiler *c, const char *prefix, const char *key, target *t)
{
    buffer name = { 0 };
    *t = (target){ .key = key, .type = FIELD_VALUE };
    buffer_append_text(&name, prefix);
    buffer_append_text(&name, key);
    if (name.failed || name.len > FILTER_FIELD_MAX - sizeof "metadata.") {
        bool failed = name.failed;
        buffer_free(&name);
        return failed ? no_memory(c) : fail(c->error, QUIPU_E_TOO_LARGE, key, "a key in the filter is too long");
    }
    const char *field = name.bytes;
    for (size_t i = 0; !prefix[0] && i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strcmp(key, aliases[i].key) == 0) {
            field = aliases[i].field;
            t->set = aliases[i].set;
        }
    }
    const record_field *f = record_field_find(field, strlen(field));
    bool path = strncmp(field, "metadata.", 9) == 0 || strncmp(field, "scope.", 6) == 0 ||
                strncmp(field, "entity.", 7) == 0 || strcmp(field, "metadata") == 0 || strcmp(field, "scope") == 0 ||
                strcmp(field, "entity") == 0;
    buffer whole = { 0 };
    if (f)
        t->type = f->type;
    else if (!path)
        buffer_append_text(&whole, "metadata.");
    buffer_append_text(&whole, field);
    int32_t code = whole.failed ? no_memory(c) : take_text(c, str_make(whole.bytes, whole.len), &t->field);
    buffer_free(&whole);
    buffer_free(&name);
    return code;
}

static int32_t compile_object(compiler *c, const cJSON *object, const char *prefix);

/* AND, OR, NOT with their list of expressions. */
static int32_t compile_branch(compiler *c, uint32_t op, const cJSON *member)
{
    size_t index;
    uint64_t children = 0;
    if (!cJSON_IsArray(member))
        return refuse(c, member->string, "needs a list of filters");
    if (!member->child && op != QUIPU_OP_AND)
        return refuse(c, member->string, "has an empty list");
    int32_t code = add_node(c, op, &index);
    for (const cJSON *item = member->child; item && code == QUIPU_OK; item = item->next, children++)
        code = cJSON_IsObject(item) ? compile_object(c, item, "")
                                    : refuse(c, member->string, "lists something that is not an object");
    if (code == QUIPU_OK)
        c->f->nodes[index].children = children;
    return code;
}

/* metadata, scope and entity may hold their keys in an object. */
static const char *group_prefix(const char *key)
{
    return strcmp(key, "metadata") == 0 ? "metadata."
           : strcmp(key, "scope") == 0  ? "scope."
           : strcmp(key, "entity") == 0 ? "entity."
                                        : NULL;
}

static int32_t compile_member(compiler *c, const cJSON *member, const char *prefix)
{
    target t;
    if (!prefix[0]) {
        if (strcmp(member->string, "AND") == 0)
            return compile_branch(c, QUIPU_OP_AND, member);
        if (strcmp(member->string, "OR") == 0)
            return compile_branch(c, QUIPU_OP_OR, member);
        if (strcmp(member->string, "NOT") == 0)
            return compile_branch(c, QUIPU_OP_NOT, member);
        const char *group = group_prefix(member->string);
        if (group && cJSON_IsObject(member))
            return compile_object(c, member, group);
        if (group && !(cJSON_IsString(member) && strcmp(member->valuestring, "*") == 0))
            return refuse(c, member->string, "needs an object");
    }
    int32_t code = find_target(c, prefix, member->string, &t);
    return code == QUIPU_OK ? compile_condition(c, &t, member) : code;
}

/* All members must hold. Appends exactly one node with all of its operands. */
static int32_t compile_object(compiler *c, const cJSON *object, const char *prefix)
{
    size_t index;
    uint64_t children = 0;
    int32_t code = QUIPU_OK;
    if (object->child && !object->child->next)
        return compile_member(c, object->child, prefix);
    code = add_node(c, QUIPU_OP_AND, &index);
    for (const cJSON *member = object->child; member && code == QUIPU_OK; member = member->next, children++)
        code = compile_member(c, member, prefix);
    if (code == QUIPU_OK)
        c->f->nodes[index].children = children;
    return code;
}

static int32_t compile_scope(compiler *c, const cJSON *scope)
{
    quipu_filter *v = &c->f->view;
    if (!cJSON_IsObject(scope))
        return refuse(c, "scope", "must be an object with user, agent, session and app");
    for (const cJSON *member = scope->child; member; member = member->next) {
        const char *name = member->string;
        quipu_str *to = strcmp(name, "user") == 0      ? &v->user
                        : strcmp(name, "agent") == 0   ? &v->agent
                        : strcmp(name, "session") == 0 ? &v->session
                        : strcmp(name, "app") == 0     ? &v->app
                                                       : NULL;
        if (!to)
            return fail(c->error, QUIPU_E_INVALID, name,
                        "in the scope, %s is not known; there are user agent session app", name);
        if (cJSON_IsNull(member))
            continue;
        if (!cJSON_IsString(member) || member->valuestring[0] == '\0')
            return fail(c->error, QUIPU_E_INVALID, name, "in the scope, %s must be a string that is not empty", name);
        int32_t code = take_text(c, str_of(member->valuestring), to);
        if (code != QUIPU_OK)
            return code;
    }
    return QUIPU_OK;
}

int32_t filter_compile(const cJSON *scope, const cJSON *expression, filter **out, quipu_error *error)
{
    *out = NULL;
    filter *f = calloc(1, sizeof *f);
    compiler c = { .f = f, .error = error };
    if (!f)
        return no_memory(&c);
    f->view = (quipu_filter){ .struct_size = sizeof f->view, .now = QUIPU_TIME_NONE };
    int32_t code = scope ? json_check_tree(scope, error) : QUIPU_OK;
    if (code == QUIPU_OK && scope && !cJSON_IsNull(scope))
        code = compile_scope(&c, scope);
    if (code == QUIPU_OK && expression)
        code = json_check_tree(expression, error);
    if (code == QUIPU_OK && expression && !cJSON_IsObject(expression))
        code = fail(error, QUIPU_E_INVALID, "filter", "a filter must be a JSON object");
    if (code == QUIPU_OK && expression && expression->child)
        code = compile_object(&c, expression, "");
    if (code == QUIPU_OK && f->count > 0)
        f->view.nodes = (quipu_array){ f->nodes, f->count, sizeof f->nodes[0] };
    if (code == QUIPU_OK)
        code = filter_check(&f->view, error);
    if (code != QUIPU_OK) {
        filter_free(f);
        return code;
    }
    *out = f;
    return QUIPU_OK;
}

quipu_filter *filter_view(filter *f)
{
    return &f->view;
}

void filter_free(filter *f)
{
    if (!f)
        return;
    for (block *b = f->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(f->nodes);
    free(f);
}
