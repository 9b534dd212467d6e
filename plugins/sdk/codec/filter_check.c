/* filter_check.c - a filter that crossed the ABI is looked through before anything believes it. */
#include <sdk/filter.h>

#include <sdk/abi_check.h>
#include "filter_limits.h"
#include "record_fields.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <math.h>
#include <stdio.h>

typedef struct check {
    uint64_t values; /* seen so far */
    quipu_error *error;
} check;

static int32_t refuse(const check *c, uint64_t node, const char *what)
{
    char field[48];
    snprintf(field, sizeof field, "filter.nodes[%llu]", (unsigned long long)node);
    return fail(c->error, QUIPU_E_INVALID, field, "the filter is not well formed: %s", what);
}

static bool is_branch(uint32_t op)
{
    return op == QUIPU_OP_AND || op == QUIPU_OP_OR || op == QUIPU_OP_NOT;
}

static int32_t check_value(check *c, uint64_t node, const quipu_filter_node *n, const quipu_value *v)
{
    const record_field *f = record_field_find(n->field.ptr, (size_t)n->field.len);
    bool time = f && f->type == FIELD_TIME;
    if (v->struct_size > n->values.stride)
        return refuse(c, node, "a value that is longer than its stride");
    int32_t code = abi_check_struct(v, sizeof *v, "quipu_value", c->error);
    if (code != QUIPU_OK)
        return code;
    if (v->type > QUIPU_VALUE_TIME)
        return refuse(c, node, "a value of an unknown type");
    if (time ? v->type != QUIPU_VALUE_TIME && v->type != QUIPU_VALUE_NULL : v->type == QUIPU_VALUE_TIME)
        return refuse(c, node, time ? "a field that is a time needs times" : "a time for a field that is none");
    if (v->type == QUIPU_VALUE_BOOL && v->integer != 0 && v->integer != 1)
        return refuse(c, node, "a truth value other than 0 and 1");
    if (v->type == QUIPU_VALUE_NUMBER && !isfinite(v->number))
        return refuse(c, node, "a number that is not finite");
    if (v->type == QUIPU_VALUE_STRING && !v->text.ptr)
        return refuse(c, node, "a string value without its text");
    if (n->op >= QUIPU_OP_GT && n->op <= QUIPU_OP_LTE && v->type < QUIPU_VALUE_NUMBER)
        return refuse(c, node, "null and truth values have no order");
    if ((n->op == QUIPU_OP_CONTAINS || n->op == QUIPU_OP_ICONTAINS) && v->type != QUIPU_VALUE_STRING)
        return refuse(c, node, "contains needs a string");
    return abi_check_text(v->text, false, "filter", c->error);
}

static int32_t check_leaf(check *c, uint64_t node, const quipu_filter_node *n)
{
    if (n->children != 0)
        return refuse(c, node, "only AND, OR and NOT have children");
    if (!n->field.ptr || n->field.len == 0 || n->field.len > FILTER_FIELD_MAX)
        return refuse(c, node, "the field's name is missing or too long");
    int32_t code = abi_check_text(n->field, false, "filter", c->error);
    if (code == QUIPU_OK)
        code = abi_check_array(&n->values, sizeof(quipu_value), "quipu_value", c->error);
    if (code != QUIPU_OK)
        return code;
    if ((uintptr_t)n->values.ptr % sizeof(void *) != 0)
        return refuse(c, node, "values at an address that is not aligned");
    uint64_t wanted = n->op == QUIPU_OP_EXISTS ? 0 : 1;
    if (n->op != QUIPU_OP_IN && n->op != QUIPU_OP_NIN && n->values.count != wanted)
        return refuse(c, node, "the number of values does not fit the operator");
    if (n->values.count > FILTER_VALUES_MAX - c->values)
        return fail(c->error, QUIPU_E_TOO_LARGE, "filter", "more than %d values", FILTER_VALUES_MAX);
    c->values += n->values.count;
    for (uint64_t i = 0; i < n->values.count && code == QUIPU_OK; i++)
        code = check_value(c, node, n, QUIPU_AT(quipu_value, &n->values, i));
    return code;
}

static int32_t check_node(check *c, uint64_t node, const quipu_filter_node *n, uint64_t stride)
{
    if (n->struct_size > stride)
        return refuse(c, node, "a node that is longer than its stride");
    int32_t code = abi_check_struct(n, sizeof *n, "quipu_filter_node", c->error);
    if (code != QUIPU_OK)
        return code;
    if (n->op < QUIPU_OP_AND || n->op > QUIPU_OP_EXISTS)
        return refuse(c, node, "an unknown operator");
    if (!is_branch(n->op))
        return check_leaf(c, node, n);
    if (n->field.ptr || n->field.len || n->values.ptr || n->values.count)
        return refuse(c, node, "AND, OR and NOT have neither field nor values");
    return QUIPU_OK;
}

/* Walks the prefix order with a stack of how many operands are still due on each level. */
static int32_t check_shape(check *c, const quipu_array *nodes)
{
    uint64_t due[QUIPU_DEPTH_MAX + 1] = { 1 };
    size_t depth = 0;
    for (uint64_t i = 0; i < nodes->count; i++) {
        const quipu_filter_node *n = QUIPU_AT(quipu_filter_node, nodes, i);
        int32_t code = check_node(c, i, n, nodes->stride);
        if (code != QUIPU_OK)
            return code;
        while (depth > 0 && due[depth] == 0)
            depth--;
        if (due[depth] == 0)
            return refuse(c, i, "a node that belongs to no other: there must be one root");
        due[depth]--;
        if (n->children > nodes->count)
            return refuse(c, i, "more children than there are nodes");
        if (n->children > 0 && depth == QUIPU_DEPTH_MAX)
            return refuse(c, i, "nesting deeper than 64 levels");
        if (n->children > 0)
            due[++depth] = n->children;
    }
    for (; nodes->count > 0; depth--) {
        if (due[depth] != 0)
            return refuse(c, nodes->count, "fewer nodes than the children that were announced");
        if (depth == 0)
            break;
    }
    return QUIPU_OK;
}

int32_t filter_check(const quipu_filter *f, quipu_error *error)
{
    static const char *const names[] = { "filter.user", "filter.agent", "filter.session", "filter.app" };
    check c = { .error = error };
    if (!f)
        return QUIPU_OK;
    int32_t code = abi_check_struct(f, sizeof *f, "quipu_filter", error);
    if (code == QUIPU_OK)
        code = abi_check_flags(f->flags, QUIPU_FILTER_EXPIRED, "quipu_filter", error);
    if (code != QUIPU_OK)
        return code; /* before any field of a struct that may be cut short is read */
    const quipu_str scope[] = { f->user, f->agent, f->session, f->app };
    for (size_t i = 0; i < 4 && code == QUIPU_OK; i++)
        code = abi_check_text(scope[i], false, names[i], error);
    if (code == QUIPU_OK)
        code = abi_check_array(&f->nodes, sizeof(quipu_filter_node), "quipu_filter_node", error);
    if (code != QUIPU_OK)
        return code;
    if ((uintptr_t)f->nodes.ptr % sizeof(void *) != 0)
        return fail(error, QUIPU_E_INVALID, "filter.nodes", "the nodes are at an address that is not aligned");
    if (f->nodes.count > FILTER_NODES_MAX)
        return fail(error, QUIPU_E_TOO_LARGE, "filter", "more than %d nodes", FILTER_NODES_MAX);
    return check_shape(&c, &f->nodes);
}
