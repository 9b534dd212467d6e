/*
 * record_index_filter.c - see record_index_inner.h: which documents of a part a filter lets through, without decoding any.
 *
 * Each condition gives two sets: those that match for certain, and those that may. NOT turns the two around, so that it is right where
 * its operand is only known roughly. Where the two sets of the whole filter are equal the answer is exact.
 */
#include "record_index_inner.h"

#include <sdk/codec/filter_node.h>
#include <sdk/codec/record_fields.h>
#include "segment_terms.h"

#include <base/hash.h>
#include <math.h>
#include <sdk/filter.h>
#include <stdlib.h>

/* The documents that match a condition. */
typedef struct span {
    bits *sure;
    bits *maybe; /* the same as `sure` where that is known exactly */
} span;

typedef struct compile {
    const index_part *part;
    segment *s;
    const quipu_array *nodes;
    bool failed; /* no memory */
    bool odd;    /* some document has metadata that terms do not tell for certain */
    bool odd_known;
} compile;

static bits *new_set(compile *c, bool all)
{
    bits *b = bits_create(segment_documents(c->s), all);
    c->failed = c->failed || !b;
    return b;
}

static span exactly(bits *b)
{
    return (span){ b, b ? bits_share(b) : NULL };
}

static void span_free(span s)
{
    bits_free(s.sure);
    bits_free(s.maybe);
}

static bool is_exact(const span *s)
{
    return s->sure == s->maybe;
}

/* Nothing for certain, and any of `maybe`. */
static span perhaps(compile *c, bits *maybe)
{
    return (span){ new_set(c, false), maybe };
}

/* Makes both sets ones of our own, keeping an exact span exact. */
static void own_span(compile *c, span *s)
{
    if (is_exact(s)) {
        bits_free(s->maybe);
        s->maybe = NULL;
        c->failed = c->failed || !bits_own(&s->sure);
    } else {
        c->failed = c->failed || !bits_own(&s->sure) || !bits_own(&s->maybe);
    }
}

static void share_again(span *s)
{
    if (!s->maybe)
        s->maybe = bits_share(s->sure);
}

static void combine(compile *c, span *into, span with, void (*both)(bits *, const bits *))
{
    if (is_exact(into) && !is_exact(&with)) {
        bits *copy = bits_copy(into->sure);
        bits_free(into->maybe);
        into->maybe = copy;
        c->failed = c->failed || !copy;
    }
    if (!c->failed)
        own_span(c, into);
    if (!c->failed) {
        both(into->sure, with.sure);
        if (into->maybe)
            both(into->maybe, with.maybe);
        share_again(into);
    }
    span_free(with);
}

static void negate(compile *c, span *s)
{
    own_span(c, s);
    if (c->failed)
        return;
    bits_invert(s->sure);
    if (s->maybe) {
        bits *sure = s->maybe;
        bits_invert(sure);
        s->maybe = s->sure;
        s->sure = sure;
    }
    share_again(s);
}

/* ---- conditions by terms ---- */

static bool has_odd(compile *c)
{
    if (!c->odd_known)
        c->odd = segment_term_count(c->s, segment_term_odd()) > 0;
    c->odd_known = true;
    return c->odd;
}

static bool is_metadata(quipu_str field)
{
    return field.len > 9 && memcmp(field.ptr, "metadata.", 9) == 0;
}

static bits *term_set(compile *c, uint64_t hash)
{
    bits *b = new_set(c, false);
    if (b)
        segment_term(c->s, hash, b);
    return b;
}

/* Of metadata with a dot in a key nothing is certain. */
static span unless_odd(compile *c, quipu_str field, bits *b)
{
    if (!is_metadata(field) || !has_odd(c) || !b)
        return exactly(b);
    bits *odd = term_set(c, segment_term_odd());
    bits *sure = odd ? bits_copy(b) : NULL;
    if (sure) {
        bits_without(sure, odd);
        bits_or(b, odd);
    }
    c->failed = c->failed || !sure;
    bits_free(odd);
    return (span){ sure, b };
}

static span present(compile *c, quipu_str field)
{
    return unless_odd(c, field, term_set(c, segment_term_present(field)));
}

/* A number that shares its double with others. */
static bool is_rough(const quipu_value *v)
{
    return v->type == QUIPU_VALUE_NUMBER && !(fabs(v->number) < 9007199254740992.0);
}

/* EQ with one value of a field whose values are terms. */
static span equal_term(compile *c, quipu_str field, const quipu_value *v)
{
    uint64_t hash;
    if (v->type == QUIPU_VALUE_NULL) {
        span s = present(c, field);
        if (!c->failed)
            negate(c, &s);
        if (!c->failed && is_metadata(field))
            combine(c, &s, unless_odd(c, field, term_set(c, segment_term_null_element(field))), bits_or);
        return s;
    }
    if (!segment_term_value(field, v, &hash))
        return exactly(new_set(c, false)); /* no value of such a field is a time */
    span s = unless_odd(c, field, term_set(c, hash));
    if (is_rough(v) && !c->failed)
        combine(c, &s, perhaps(c, bits_share(s.maybe)), bits_and);
    return s;
}

static bool is_text(quipu_str field)
{
    return str_same(field, str_of("text"));
}

/* EQ with the text itself: by its hash. */
static span equal_text(compile *c, const quipu_value *v)
{
    uint8_t key[32] = { 0 };
    bits *b = new_set(c, false);
    if (v->type == QUIPU_VALUE_NULL || v->text.len == 0) { /* the hash does not tell an empty text from none */
        bits_free(b);
        return perhaps(c, new_set(c, true));
    }
    hash_sha256(v->text.ptr, (size_t)v->text.len, key);
    for (uint32_t d = 0; b && v->type == QUIPU_VALUE_STRING && d < b->count; d++)
        if (memcmp(segment_text_key(c->s, d), key, SEGMENT_TEXT_KEY) == 0)
            bits_add(b, d);
    return exactly(b);
}

static span equal_id(compile *c, const quipu_value *v)
{
    bits *b = new_set(c, false);
    for (uint32_t d = b && v->type == QUIPU_VALUE_STRING ? segment_lower_bound(c->s, v->text) : BITS_NONE;
         b && d < b->count && str_same(segment_id(c->s, d), v->text); d++)
        bits_add(b, d);
    return exactly(b);
}

static span equal_one(compile *c, quipu_str field, const quipu_value *v)
{
    if (is_text(field))
        return equal_text(c, v);
    return str_same(field, str_of("id")) ? equal_id(c, v) : equal_term(c, field, v);
}

static span equal_any(compile *c, const quipu_filter_node *n)
{
    span s = exactly(new_set(c, false));
    for (uint64_t i = 0; i < n->values.count && !c->failed; i++)
        combine(c, &s, equal_one(c, n->field, QUIPU_AT(quipu_value, &n->values, i)), bits_or);
    return s;
}

/* ---- conditions by columns ---- */

static bool column_of(const record_field *f, segment_column *out)
{
    static const struct {
        size_t offset;
        segment_column column;
    } columns[] = {
        { offsetof(quipu_record, created_at), COLUMN_CREATED_AT },
        { offsetof(quipu_record, updated_at), COLUMN_UPDATED_AT },
        { offsetof(quipu_record, valid_from), COLUMN_VALID_FROM },
        { offsetof(quipu_record, valid_to), COLUMN_VALID_TO },
        { offsetof(quipu_record, expires_at), COLUMN_EXPIRES_AT },
        { offsetof(quipu_record, seq), COLUMN_SEQ },
        { offsetof(quipu_record, importance), COLUMN_IMPORTANCE },
    };
    for (size_t i = 0; f && i < sizeof columns / sizeof columns[0]; i++)
        if (f->offset == columns[i].offset) {
            *out = columns[i].column;
            return f->type == FIELD_TIME || f->type == FIELD_SEQ || f->type == FIELD_WEIGHT;
        }
    return false;
}

/* A comparison of a time as a range; false where it is none. */
static bool time_range(const quipu_filter_node *n, int64_t *from, int64_t *to)
{
    const quipu_value *v = n->values.count == 1 ? QUIPU_AT(quipu_value, &n->values, 0) : NULL;
    if (!v || v->type != QUIPU_VALUE_TIME)
        return false;
    *from = INT64_MIN + 1; /* QUIPU_TIME_NONE is in no range */
    *to = INT64_MAX;
    switch (n->op) {
    case QUIPU_OP_EQ:
        *from = *to = v->integer;
        return v->integer != QUIPU_TIME_NONE;
    case QUIPU_OP_GT:
        *from = v->integer < INT64_MAX ? v->integer + 1 : INT64_MAX;
        return v->integer < INT64_MAX;
    case QUIPU_OP_GTE:
        *from = v->integer > *from ? v->integer : *from;
        return true;
    case QUIPU_OP_LT:
        *to = v->integer > INT64_MIN ? v->integer - 1 : INT64_MIN;
        return true;
    case QUIPU_OP_LTE:
        *to = v->integer;
        return true;
    default:
        return false;
    }
}

/* Looks at the documents of `within` alone. */
static span by_column(compile *c, const quipu_filter_node *n, segment_column column, const bits *within)
{
    bits *b = new_set(c, false);
    int64_t from = 0, to = 0;
    bool range = column < COLUMN_SEQ && time_range(n, &from, &to);
    const record_field *f = record_field_find(n->field.ptr, (size_t)n->field.len);
    quipu_record r = { .struct_size = sizeof r };
    for (uint32_t d = b ? bits_next(within, 0) : BITS_NONE; d != BITS_NONE; d = bits_next(within, d + 1)) {
        int64_t value = segment_int(c->s, column, d);
        bool match = range && value >= from && value <= to;
        if (!range) {
            memcpy((char *)&r + f->offset, &value, sizeof value); /* importance: the bytes of the double */
            match = filter_match_node(n, &r) == 1;
        }
        if (match)
            bits_add(b, d);
    }
    return exactly(b);
}

/* ---- conditions ---- */

static bool has_terms(const record_field *f, quipu_str field)
{
    return f ? f->type == FIELD_TEXT || f->type == FIELD_NAME || f->type == FIELD_TAGS : is_metadata(field);
}

/* What terms do not tell: any document that has the field may match. */
static span by_presence(compile *c, const quipu_filter_node *n)
{
    if (str_same(n->field, str_of("id")))
        return perhaps(c, new_set(c, true));
    span s = present(c, n->field);
    bits_free(s.sure);
    s.sure = new_set(c, false);
    return s;
}

static span leaf(compile *c, const quipu_filter_node *n, const bits *within)
{
    const record_field *f = record_field_find(n->field.ptr, (size_t)n->field.len);
    segment_column column;
    span s;
    if (column_of(f, &column))
        return by_column(c, n, column, within);
    if (!has_terms(f, n->field))
        return perhaps(c, new_set(c, true));
    switch (n->op) {
    case QUIPU_OP_EQ:
    case QUIPU_OP_IN:
        return equal_any(c, n);
    case QUIPU_OP_NE:
    case QUIPU_OP_NIN:
        s = equal_any(c, n);
        if (!c->failed)
            negate(c, &s);
        return s;
    case QUIPU_OP_EXISTS:
        return str_same(n->field, str_of("id")) ? exactly(new_set(c, true)) : present(c, n->field);
    case QUIPU_OP_CONTAINS:
        if (f && f->type == FIELD_TAGS)
            return equal_any(c, n); /* a whole tag, whatever the operator says */
        return by_presence(c, n);
    default:
        return by_presence(c, n);
    }
}

static bool is_group(const quipu_filter_node *n)
{
    return n->op == QUIPU_OP_AND || n->op == QUIPU_OP_OR || n->op == QUIPU_OP_NOT;
}

/* The index behind node i and all of its operands. */
static uint64_t behind(const quipu_array *nodes, uint64_t i)
{
    for (uint64_t pending = 1; pending > 0; i++)
        pending += QUIPU_AT(quipu_filter_node, nodes, i)->children - 1;
    return i;
}

/* A condition that looks at documents one by one: better done last, when few are left. */
static bool is_slow(const quipu_filter_node *n)
{
    segment_column column;
    return !is_group(n) && column_of(record_field_find(n->field.ptr, (size_t)n->field.len), &column);
}

static span node(compile *c, uint64_t i, const bits *within);

static span all_of(compile *c, uint64_t i, const bits *within)
{
    uint64_t count = QUIPU_AT(quipu_filter_node, c->nodes, i)->children;
    span s = exactly(bits_copy(within)); /* what is not in it does not matter to anybody */
    c->failed = c->failed || !s.sure;
    for (int slow = 0; slow < 2; slow++) {
        uint64_t child = i + 1;
        for (uint64_t left = count; left > 0 && !c->failed; left--) {
            if (is_slow(QUIPU_AT(quipu_filter_node, c->nodes, child)) == (slow == 1))
                combine(c, &s, node(c, child, s.maybe), bits_and);
            if (left > 1)
                child = behind(c->nodes, child);
        }
    }
    return s;
}

static span any_of(compile *c, uint64_t i, const bits *within)
{
    uint64_t child = i + 1;
    span s = exactly(new_set(c, false));
    for (uint64_t left = QUIPU_AT(quipu_filter_node, c->nodes, i)->children; left > 0 && !c->failed; left--) {
        combine(c, &s, node(c, child, within), bits_or);
        if (left > 1)
            child = behind(c->nodes, child);
    }
    return s;
}

/* Right for the documents of `within`; whatever for others. */
static span node(compile *c, uint64_t i, const bits *within)
{
    const quipu_filter_node *n = QUIPU_AT(quipu_filter_node, c->nodes, i);
    if (n->op == QUIPU_OP_AND)
        return all_of(c, i, within);
    if (!is_group(n))
        return leaf(c, n, within);
    span s = any_of(c, i, within);
    if (n->op == QUIPU_OP_NOT && !c->failed)
        negate(c, &s);
    return s;
}

/* ---- the whole filter ---- */

static void keep_scope(compile *c, const char *field, quipu_str wanted, bits *set)
{
    if (!str_present(wanted) || c->failed)
        return;
    bits *b = term_set(c, segment_term_string(str_of(field), wanted));
    if (b)
        bits_and(set, b);
    bits_free(b);
}

static void drop_expired(compile *c, int64_t moment, bits *set)
{
    bits *b = term_set(c, segment_term_present(str_of("expires_at")));
    for (uint32_t d = b ? bits_next(b, 0) : BITS_NONE; d != BITS_NONE; d = bits_next(b, d + 1)) {
        int64_t expires = segment_int(c->s, COLUMN_EXPIRES_AT, d);
        if (expires != QUIPU_TIME_NONE && expires <= moment)
            bits_drop(set, d);
    }
    bits_free(b);
}

static bool narrows(compile *c, const quipu_filter *f)
{
    if (f && (str_present(f->user) || str_present(f->agent) || str_present(f->session) || str_present(f->app) ||
              f->nodes.count > 0))
        return true;
    return !(f && f->flags & QUIPU_FILTER_EXPIRED) &&
           segment_term_count(c->s, segment_term_present(str_of("expires_at"))) > 0;
}

int32_t index_admit(const index_part *part, const quipu_filter *f, int64_t now, admitted *out, quipu_error *error)
{
    compile c = { .part = part, .s = part->segment, .nodes = f ? &f->nodes : NULL };
    *out = (admitted){ .exact = true };
    if (!narrows(&c, f))
        return QUIPU_OK;
    bits *set = bits_copy(part->alive);
    c.failed = !set;
    if (set && f) {
        keep_scope(&c, "scope.user", f->user, set);
        keep_scope(&c, "scope.agent", f->agent, set);
        keep_scope(&c, "scope.session", f->session, set);
        keep_scope(&c, "scope.app", f->app, set);
    }
    if (set && !(f && f->flags & QUIPU_FILTER_EXPIRED))
        drop_expired(&c, f && f->now != QUIPU_TIME_NONE ? f->now : now, set);
    if (set && !c.failed && f && f->nodes.count > 0) {
        span s = node(&c, 0, set);
        if (!c.failed) {
            out->exact = is_exact(&s);
            bits_and(set, s.maybe);
        }
        span_free(s);
    }
    if (c.failed) {
        bits_free(set);
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a filter");
    }
    out->set = set;
    return QUIPU_OK;
}
