/*
 * where.c - filters compiled to SQL.
 *
 * Every value is a parameter; the SQL is made of constants alone. Each condition is either exact or lets more through; whoever uses it
 * compares each record with the filter once more (sdk/filter.h), so that what cannot be said in SQL costs time and nothing else. NOT of what is
 * not exact says nothing. The scope comes first and is always exact.
 */
#include "where.h"
#include "rows.h"

#include <base/fail.h>
#include <sdk/codec/record_fields.h>
#include <sdk/json.h>
#include <string.h>

enum { PARAMS_ENOUGH = PARAMS_MAX - 16 }; /* from there on conditions are left out */

/* ---- parameters ---- */

int where_int(where *w, int64_t value)
{
    param_int(&w->p, value);
    return w->p.count;
}

int where_text(where *w, quipu_str text)
{
    param_text(&w->p, text);
    return w->p.count;
}

static bool is_full(const where *w)
{
    return w->p.count >= PARAMS_ENOUGH || w->arrays_used == WHERE_ARRAYS;
}

/* Says nothing: everything passes. */
static void nothing(where *w, bool *exact)
{
    buffer_append_text(&w->sql, "true");
    *exact = false;
}

/* Where a condition began, for taking it back with its parameters: the server wants each of them used. */
typedef struct mark {
    size_t len;
    int params;
    unsigned arrays;
} mark;

static mark mark_of(const where *w)
{
    return (mark){ w->sql.len, w->p.count, w->arrays_used };
}

static void take_back(where *w, const mark *m)
{
    if (w->sql.failed)
        return;
    w->sql.len = m->len;
    w->p.count = m->params;
    w->arrays_used = m->arrays;
}

/* ---- one condition ---- */

typedef enum column_type { TYPE_TEXT, TYPE_TIME, TYPE_SEQ, TYPE_WEIGHT, TYPE_TAGS } column_type;

typedef struct column {
    const char *field, *name;
    column_type type;
} column;

static const column columns[] = {
    { "actor", "actor", TYPE_TEXT },
    { "category", "category", TYPE_TEXT },
    { "created_at", "created_at", TYPE_TIME },
    { "entity.id", "entity_id", TYPE_TEXT },
    { "entity.type", "entity_type", TYPE_TEXT },
    { "expires_at", "expires_at", TYPE_TIME },
    { "head", "head", TYPE_TEXT },
    { "id", "id", TYPE_TEXT },
    { "importance", "importance", TYPE_WEIGHT },
    { "key", "key", TYPE_TEXT },
    { "kind", "kind", TYPE_TEXT },
    { "relation", "relation", TYPE_TEXT },
    { "role", "role", TYPE_TEXT },
    { "scope.agent", "agent_id", TYPE_TEXT },
    { "scope.app", "app_id", TYPE_TEXT },
    { "scope.session", "session_id", TYPE_TEXT },
    { "scope.user", "user_id", TYPE_TEXT },
    { "seq", "seq", TYPE_SEQ },
    { "tags", "tags", TYPE_TAGS },
    { "tail", "tail", TYPE_TEXT },
    { "updated_at", "updated_at", TYPE_TIME },
    { "valid_from", "valid_from", TYPE_TIME },
    { "valid_to", "valid_to", TYPE_TIME },
};

static const column *column_of(quipu_str field)
{
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        if (str_same(field, str_of(columns[i].field)))
            return &columns[i];
    return NULL;
}

static const char *sign_of(uint32_t op)
{
    switch (op) {
    case QUIPU_OP_GT:
        return ">";
    case QUIPU_OP_GTE:
        return ">=";
    case QUIPU_OP_LT:
        return "<";
    case QUIPU_OP_LTE:
        return "<=";
    default:
        return "=";
    }
}

/* A number against seq: by digits where both are whole, else by value, where a tie of large ones may be none. */
static void compare_seq(where *w, const char *sign, const quipu_value *v, bool *exact)
{
    int64_t whole, bits;
    if (json_integer_value(v->text, &whole)) {
        buffer_printf(&w->sql, "coalesce(r.seq %s $%d::bigint, false)", sign, where_int(w, whole));
        return;
    }
    memcpy(&bits, &v->number, sizeof bits);
    buffer_printf(&w->sql, "coalesce(r.seq::float8 %s%s $%d::float8, false)", sign,
                  strlen(sign) == 1 && sign[0] != '=' ? "=" : "", where_int(w, bits));
    *exact = false;
}

/* EQ, GT, GTE, LT or LTE of a column with one value. Values of another type are neither equal nor in any order. */
static void compare(where *w, const column *c, uint32_t op, const quipu_value *v, bool *exact)
{
    const char *sign = sign_of(op);
    int64_t bits;
    if (v->type == QUIPU_VALUE_NULL && op == QUIPU_OP_EQ)
        buffer_printf(&w->sql, "r.%s IS NULL", c->name);
    else if (c->type == TYPE_TAGS && v->type == QUIPU_VALUE_STRING && op == QUIPU_OP_EQ)
        buffer_printf(&w->sql, "coalesce(r.tags @> ARRAY[$%d::text], false)", where_text(w, v->text));
    else if (c->type == TYPE_TEXT && v->type == QUIPU_VALUE_STRING)
        buffer_printf(&w->sql, "coalesce(r.%s COLLATE \"C\" %s $%d::text, false)", c->name, sign,
                      where_text(w, v->text));
    else if (c->type == TYPE_TIME && v->type == QUIPU_VALUE_TIME)
        buffer_printf(&w->sql, "coalesce(r.%s %s $%d::bigint, false)", c->name, sign, where_int(w, v->integer));
    else if (c->type == TYPE_SEQ && v->type == QUIPU_VALUE_NUMBER)
        compare_seq(w, sign, v, exact);
    else if (c->type == TYPE_WEIGHT && v->type == QUIPU_VALUE_NUMBER) {
        memcpy(&bits, &v->number, sizeof bits);
        buffer_printf(&w->sql, "coalesce(r.importance %s $%d::float8, false)", sign, where_int(w, bits));
    } else
        buffer_append_text(&w->sql, "false");
}

/* Texts of one list in one parameter; what else is in the list one by one. */
static void equals_any(where *w, const column *c, const quipu_array *values, bool *exact)
{
    sql_array *texts = &w->arrays[w->arrays_used];
    buffer_append_char(&w->sql, '(');
    if (c->type == TYPE_TEXT && values->count > 4) {
        w->arrays_used++;
        array_begin(texts, OID_TEXT);
        for (uint64_t i = 0; i < values->count; i++) {
            const quipu_value *v = QUIPU_AT(quipu_value, values, i);
            if (v->type == QUIPU_VALUE_STRING)
                array_text(texts, v->text);
            else if (v->type == QUIPU_VALUE_NULL)
                buffer_printf(&w->sql, "r.%s IS NULL OR ", c->name);
        }
        array_end(texts);
        param_array(&w->p, texts);
        buffer_printf(&w->sql, "coalesce(r.%s = ANY($%d::text[]), false)", c->name, w->p.count);
    } else if (values->count > (uint64_t)(PARAMS_ENOUGH - w->p.count)) {
        nothing(w, exact);
    } else {
        for (uint64_t i = 0; i < values->count; i++) {
            buffer_append_text(&w->sql, i ? " OR " : "");
            compare(w, c, QUIPU_OP_EQ, QUIPU_AT(quipu_value, values, i), exact);
        }
        if (values->count == 0)
            buffer_append_text(&w->sql, "false");
    }
    buffer_append_char(&w->sql, ')');
}

static void contains(where *w, const column *c, uint32_t op, const quipu_value *v, bool *exact)
{
#define LOWERED "translate(%s, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')"
    if (c->type == TYPE_TAGS && op == QUIPU_OP_CONTAINS) {
        compare(w, c, QUIPU_OP_EQ, v->type == QUIPU_VALUE_STRING ? v : &(quipu_value){ .type = QUIPU_VALUE_BOOL },
                exact);
    } else if (c->type == TYPE_TAGS) {
        buffer_append_text(&w->sql, "r.tags IS NOT NULL");
        *exact = false;
    } else if (c->type != TYPE_TEXT || v->type != QUIPU_VALUE_STRING) {
        buffer_append_text(&w->sql, "false");
    } else if (op == QUIPU_OP_CONTAINS) {
        buffer_printf(&w->sql, "coalesce(strpos(r.%s, $%d::text) > 0, false)", c->name, where_text(w, v->text));
    } else {
        char left[40], right[40];
        snprintf(left, sizeof left, "r.%s", c->name);
        snprintf(right, sizeof right, "$%d::text", where_text(w, v->text));
        buffer_append_text(&w->sql, "coalesce(strpos(");
        buffer_printf(&w->sql, LOWERED ", " LOWERED, left, right);
        buffer_append_text(&w->sql, ") > 0, false)");
    }
#undef LOWERED
}

static void of_column(where *w, const column *c, const quipu_filter_node *n, bool *exact)
{
    const quipu_value *first = n->values.count ? QUIPU_AT(quipu_value, &n->values, 0) : NULL;
    switch (n->op) {
    case QUIPU_OP_EQ:
    case QUIPU_OP_IN:
        equals_any(w, c, &n->values, exact);
        break;
    case QUIPU_OP_NE:
    case QUIPU_OP_NIN: {
        mark begin = mark_of(w);
        buffer_append_text(&w->sql, "NOT ");
        equals_any(w, c, &n->values, exact);
        if (!*exact) {
            take_back(w, &begin);
            nothing(w, exact);
        }
        break;
    }
    case QUIPU_OP_CONTAINS:
    case QUIPU_OP_ICONTAINS:
        contains(w, c, n->op, first, exact);
        break;
    case QUIPU_OP_EXISTS:
        buffer_printf(&w->sql, "r.%s IS NOT NULL", c->name);
        break;
    default:
        compare(w, c, n->op, first, exact);
    }
}

/* ---- metadata: by terms, which two values may share ---- */

static void add_term(where *w, sql_array *terms, quipu_str path, const quipu_value *v, bool *whole)
{
    char bytes[8];
    if (v->type == QUIPU_VALUE_STRING) {
        array_int(terms, rows_term(path, 's', v->text, &w->scratch));
    } else if (v->type == QUIPU_VALUE_BOOL) {
        array_int(terms, rows_term(path, 'b', str_of(v->integer ? "1" : "0"), &w->scratch));
    } else if (v->type == QUIPU_VALUE_NUMBER) {
        rows_number(v->number, bytes);
        array_int(terms, rows_term(path, 'n', str_make(bytes, sizeof bytes), &w->scratch));
    } else {
        *whole = false; /* null, which is absence as well */
    }
}

static void of_metadata(where *w, const quipu_filter_node *n, bool *exact)
{
    sql_array *terms = &w->arrays[w->arrays_used];
    bool whole = n->op == QUIPU_OP_EQ || n->op == QUIPU_OP_IN || n->op == QUIPU_OP_EXISTS;
    *exact = false;
    array_begin(terms, OID_BIGINT);
    if (n->op == QUIPU_OP_EXISTS)
        array_int(terms, rows_term(n->field, 'e', (quipu_str){ 0 }, &w->scratch));
    for (uint64_t i = 0; i < n->values.count && whole && n->op != QUIPU_OP_EXISTS; i++)
        add_term(w, terms, n->field, QUIPU_AT(quipu_value, &n->values, i), &whole);
    array_int(terms, ROWS_TERM_MORE);
    array_end(terms);
    if (!whole) {
        nothing(w, exact);
        return;
    }
    w->arrays_used++;
    param_array(&w->p, terms);
    buffer_printf(&w->sql, "r.terms && $%d::bigint[]", w->p.count);
}

/* ---- the tree ---- */

static void of_leaf(where *w, const quipu_filter_node *n, bool *exact)
{
    static const char metadata[] = "metadata.";
    const column *c = column_of(n->field);
    *exact = true;
    if (is_full(w))
        nothing(w, exact);
    else if (c)
        of_column(w, c, n, exact);
    else if (n->field.len > sizeof metadata && memcmp(n->field.ptr, metadata, sizeof metadata - 1) == 0)
        of_metadata(w, n, exact);
    else
        nothing(w, exact);
}

/* The index behind node i and all of its operands. */
static uint64_t behind(const quipu_array *nodes, uint64_t i)
{
    for (uint64_t pending = 1; pending > 0; i++)
        pending += QUIPU_AT(quipu_filter_node, nodes, i)->children - 1;
    return i;
}

static void of_node(where *w, const quipu_array *nodes, uint64_t i, bool *exact);

/* NOT (a, b): neither. Of what is not exact it says nothing. */
static void of_not(where *w, const quipu_array *nodes, uint64_t child, bool *exact)
{
    mark begin = mark_of(w);
    bool one = true;
    buffer_append_text(&w->sql, "NOT ");
    of_node(w, nodes, child, &one);
    if (!one) {
        take_back(w, &begin);
        nothing(w, exact);
    }
}

static void of_node(where *w, const quipu_array *nodes, uint64_t i, bool *exact)
{
    const quipu_filter_node *n = QUIPU_AT(quipu_filter_node, nodes, i);
    bool all = true;
    if (n->op != QUIPU_OP_AND && n->op != QUIPU_OP_OR && n->op != QUIPU_OP_NOT) {
        of_leaf(w, n, exact);
        return;
    }
    buffer_append_char(&w->sql, '(');
    if (n->children == 0)
        buffer_append_text(&w->sql, n->op == QUIPU_OP_OR ? "false" : "true");
    uint64_t child = i + 1;
    for (uint64_t k = 0; k < n->children; k++) {
        bool one = true;
        buffer_append_text(&w->sql, k == 0 ? "" : n->op == QUIPU_OP_OR ? " OR " : " AND ");
        if (n->op == QUIPU_OP_NOT)
            of_not(w, nodes, child, &one);
        else
            of_node(w, nodes, child, &one);
        all = all && one;
        if (k + 1 < n->children)
            child = behind(nodes, child);
    }
    buffer_append_char(&w->sql, ')');
    *exact = all;
}

static void of_scope(where *w, const quipu_filter *f)
{
    const struct {
        const char *column;
        quipu_str value;
    } scope[] = {
        { "user_id", f->user }, { "agent_id", f->agent }, { "session_id", f->session }, { "app_id", f->app }
    };
    for (size_t i = 0; i < sizeof scope / sizeof scope[0]; i++)
        if (str_present(scope[i].value))
            buffer_printf(&w->sql, " AND r.%s = $%d::text", scope[i].column, where_text(w, scope[i].value));
}

int32_t where_build(where *w, const quipu_filter *f, int64_t now, quipu_error *error)
{
    int64_t moment = f && f->now != QUIPU_TIME_NONE ? f->now : now;
    w->exact = true;
    buffer_append_text(&w->sql, " WHERE true");
    if (f)
        of_scope(w, f);
    if (!f || !(f->flags & QUIPU_FILTER_EXPIRED))
        buffer_printf(&w->sql, " AND (r.expires_at IS NULL OR r.expires_at > $%d::bigint)", where_int(w, moment));
    if (f && f->nodes.count) {
        buffer_append_text(&w->sql, " AND ");
        of_node(w, &f->nodes, 0, &w->exact);
    }
    return w->sql.failed || w->scratch.failed ? fail(error, QUIPU_E_NO_MEMORY, "filter", "no memory for a filter")
                                              : QUIPU_OK;
}

void where_free(where *w)
{
    buffer_free(&w->sql);
    buffer_free(&w->scratch);
    for (size_t i = 0; i < WHERE_ARRAYS; i++)
        array_free(&w->arrays[i]);
}
