/*
 * filter_match.c - does a record match a filter?
 *
 * Typed fields are read from the view; every other path is looked up in the record's JSON text (json_find.h), and only
 * when the answer depends on it. Memory is taken only for a JSON string that holds escapes.
 */
#include <sdk/filter.h>

#include <sdk/json.h>
#include "filter_node.h"
#include "json_find.h"
#include "record_fields.h"

#include <math.h>

typedef enum operand_type {
    OPERAND_ABSENT,
    OPERAND_NULL,
    OPERAND_BOOL,
    OPERAND_NUMBER,
    OPERAND_STRING,
    OPERAND_TIME,
    OPERAND_TAGS,
    OPERAND_LIST,
    OPERAND_OBJECT
} operand_type;

/* The record's side of a comparison. */
typedef struct operand {
    operand_type type;
    int64_t integer; /* a bool, a time, or seq */
    double number;
    quipu_str text; /* a string's bytes; a number's or a list's source text */
    const quipu_array *tags;
    buffer decoded; /* owns the bytes of a string that had escapes */
} operand;

static operand operand_of_json(quipu_str json)
{
    operand o = { .type = OPERAND_ABSENT, .text = json };
    if (!json.ptr || json.len == 0)
        return o;
    switch (json.ptr[0]) {
    case '"':
        o.type = OPERAND_STRING;
        o.text = str_make(json.ptr + 1, (size_t)json.len - 2);
        if (memchr(o.text.ptr, '\\', (size_t)o.text.len)) {
            json_unquote(json, &o.decoded);
            o.text = str_make(o.decoded.bytes, o.decoded.len);
        }
        break;
    case '{':
        o.type = OPERAND_OBJECT;
        break;
    case '[':
        o.type = OPERAND_LIST;
        break;
    case 'n':
        o.type = OPERAND_NULL;
        break;
    case 't':
    case 'f':
        o.type = OPERAND_BOOL;
        o.integer = json.ptr[0] == 't';
        break;
    default:
        if (json_number_value(json, &o.number))
            o.type = OPERAND_NUMBER;
        break;
    }
    return o;
}

static operand operand_of_field(const quipu_record *r, const record_field *f)
{
    operand o = { .type = OPERAND_ABSENT };
    switch (f->type) {
    case FIELD_TIME:
        o.integer = record_field_int(r, f);
        o.type = o.integer == QUIPU_TIME_NONE ? OPERAND_ABSENT : OPERAND_TIME;
        break;
    case FIELD_SEQ:
        o.integer = r->seq;
        o.number = (double)r->seq;
        o.type = r->seq == QUIPU_INT_NONE ? OPERAND_ABSENT : OPERAND_NUMBER;
        break;
    case FIELD_WEIGHT:
        o.number = r->importance;
        o.type = r->importance < 0 ? OPERAND_ABSENT : OPERAND_NUMBER;
        break;
    case FIELD_TAGS:
        o.tags = &r->tags;
        o.type = r->tags.count == 0 ? OPERAND_ABSENT : OPERAND_TAGS;
        break;
    default:
        o.text = *record_field_str(r, f);
        o.type = str_present(o.text) ? OPERAND_STRING : OPERAND_ABSENT;
        break;
    }
    return o;
}

/* Past 2^53 two integers may share one double: then their digits decide. */
static int compare_numbers(const operand *o, const quipu_value *v)
{
    int64_t a = o->integer, b;
    if (islessgreater(o->number, v->number))
        return o->number < v->number ? -1 : 1;
    if (fabs(o->number) < 9007199254740992.0 || !json_integer_value(v->text, &b) ||
        (o->text.ptr && !json_integer_value(o->text, &a)))
        return 0;
    return (a > b) - (a < b);
}

/* -1, 0 or 1; false where the two are of different types or have no order. */
static bool compare(const operand *o, const quipu_value *v, int *order)
{
    if (o->type == OPERAND_NUMBER && v->type == QUIPU_VALUE_NUMBER)
        *order = compare_numbers(o, v);
    else if (o->type == OPERAND_STRING && v->type == QUIPU_VALUE_STRING)
        *order = str_compare(o->text, v->text);
    else if (o->type == OPERAND_TIME && v->type == QUIPU_VALUE_TIME)
        *order = (o->integer > v->integer) - (o->integer < v->integer);
    else
        return false;
    return true;
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool same_bytes(const char *a, const char *b, size_t len, bool fold)
{
    if (!fold)
        return memcmp(a, b, len) == 0;
    for (size_t i = 0; i < len; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

static bool holds(quipu_str text, quipu_str part, bool fold)
{
    if (part.len == 0)
        return true;
    for (size_t at = 0; at + part.len <= text.len; at++) {
        if (!fold) { /* jump to the next place where the first byte fits */
            const char *found = memchr(text.ptr + at, part.ptr[0], (size_t)(text.len - part.len) - at + 1);
            if (!found)
                return false;
            at = (size_t)(found - text.ptr);
        }
        if (same_bytes(text.ptr + at, part.ptr, (size_t)part.len, fold))
            return true;
    }
    return false;
}

/* EQ, CONTAINS or ICONTAINS of one scalar with a value. `element`: the scalar is a list's, so a part is not enough. */
static bool match_scalar(const operand *o, uint32_t op, const quipu_value *v, bool element)
{
    int order;
    bool fold = op == QUIPU_OP_ICONTAINS;
    if (op != QUIPU_OP_EQ) {
        if (o->type != OPERAND_STRING || v->type != QUIPU_VALUE_STRING)
            return false;
        if (!element)
            return holds(o->text, v->text, fold);
        return o->text.len == v->text.len &&
               (v->text.len == 0 || same_bytes(o->text.ptr, v->text.ptr, (size_t)v->text.len, fold));
    }
    if (v->type == QUIPU_VALUE_NULL)
        return o->type == OPERAND_NULL || o->type == OPERAND_ABSENT;
    if (v->type == QUIPU_VALUE_BOOL)
        return o->type == OPERAND_BOOL && o->integer == v->integer;
    return compare(o, v, &order) && order == 0;
}

/* The same where the record's side may be a list; or a negative code. */
static int32_t match_value(const operand *o, uint32_t op, const quipu_value *v)
{
    if (o->type == OPERAND_TAGS) {
        for (uint64_t i = 0; i < o->tags->count; i++) {
            operand tag = { .type = OPERAND_STRING, .text = *QUIPU_AT(quipu_str, o->tags, i) };
            if (match_scalar(&tag, op, v, true))
                return 1;
        }
        return 0;
    }
    if (o->type != OPERAND_LIST)
        return match_scalar(o, op, v, false);
    quipu_str rest = json_elements(o->text), json;
    while (json_next_element(&rest, &json)) {
        operand element = operand_of_json(json);
        int32_t code = element.decoded.failed ? QUIPU_E_NO_MEMORY : match_scalar(&element, op, v, true);
        buffer_free(&element.decoded);
        if (code != 0)
            return code;
    }
    return 0;
}

static int32_t match_any(const operand *o, uint32_t op, const quipu_array *values)
{
    for (uint64_t i = 0; i < values->count; i++) {
        int32_t code = match_value(o, op, QUIPU_AT(quipu_value, values, i));
        if (code != 0)
            return code;
    }
    return 0;
}

static int32_t match_order(const operand *o, uint32_t op, const quipu_value *v)
{
    int order;
    if (!compare(o, v, &order))
        return 0;
    switch (op) {
    case QUIPU_OP_GT:
        return order > 0;
    case QUIPU_OP_GTE:
        return order >= 0;
    case QUIPU_OP_LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

static int32_t match_operand(const quipu_filter_node *n, const operand *o)
{
    int32_t code;
    switch (n->op) {
    case QUIPU_OP_EQ:
    case QUIPU_OP_IN:
        return match_any(o, QUIPU_OP_EQ, &n->values);
    case QUIPU_OP_NE:
    case QUIPU_OP_NIN:
        code = match_any(o, QUIPU_OP_EQ, &n->values);
        return code < 0 ? code : !code;
    case QUIPU_OP_CONTAINS:
    case QUIPU_OP_ICONTAINS:
        return match_any(o, n->op, &n->values);
    case QUIPU_OP_EXISTS:
        return o->type != OPERAND_ABSENT && o->type != OPERAND_NULL;
    default:
        return match_order(o, n->op, QUIPU_AT(quipu_value, &n->values, 0));
    }
}

int32_t filter_match_node(const quipu_filter_node *n, const quipu_record *r)
{
    const record_field *f = record_field_find(n->field.ptr, (size_t)n->field.len);
    operand o = f ? operand_of_field(r, f) : operand_of_json(json_find(r->json, n->field));
    int32_t code = o.decoded.failed ? QUIPU_E_NO_MEMORY : match_operand(n, &o);
    buffer_free(&o.decoded);
    return code;
}

/* The index behind node i and all of its operands. */
static uint64_t behind(const quipu_array *nodes, uint64_t i)
{
    for (uint64_t pending = 1; pending > 0; i++)
        pending += QUIPU_AT(quipu_filter_node, nodes, i)->children - 1;
    return i;
}

/* AND stops at the first child that does not match; OR and NOT at the first that does. */
static int32_t match_node(const quipu_array *nodes, uint64_t i, const quipu_record *r)
{
    const quipu_filter_node *n = QUIPU_AT(quipu_filter_node, nodes, i);
    if (n->op != QUIPU_OP_AND && n->op != QUIPU_OP_OR && n->op != QUIPU_OP_NOT)
        return filter_match_node(n, r);
    int32_t stop = n->op != QUIPU_OP_AND;
    uint64_t child = i + 1;
    for (uint64_t left = n->children; left > 0; left--) {
        int32_t code = match_node(nodes, child, r);
        if (code < 0)
            return code;
        if (code == stop)
            return n->op == QUIPU_OP_OR;
        if (left > 1)
            child = behind(nodes, child);
    }
    return n->op != QUIPU_OP_OR;
}

static bool in_scope(quipu_str wanted, quipu_str has)
{
    return !str_present(wanted) || str_same(wanted, has);
}

int32_t filter_match(const quipu_filter *f, const quipu_record *r, int64_t now)
{
    int64_t moment = f && f->now != QUIPU_TIME_NONE ? f->now : now;
    bool show_expired = f && (f->flags & QUIPU_FILTER_EXPIRED);
    if (!show_expired && r->expires_at != QUIPU_TIME_NONE && r->expires_at <= moment)
        return 0;
    if (!f)
        return 1;
    if (!in_scope(f->user, r->user) || !in_scope(f->agent, r->agent) || !in_scope(f->session, r->session) ||
        !in_scope(f->app, r->app))
        return 0;
    return f->nodes.count == 0 ? 1 : match_node(&f->nodes, 0, r);
}
