/*
 * lost_branch.c - a branch that has no commit any more: which one had it? (repair_inner.h)
 *
 * Asked are all commits that can be read. Those that no ref leads to and that no other commit follows are the ends of lines; such an
 * end, of a store, is a candidate. One candidate is the answer. Of several: the one that goes on from what the branch's log says
 * last, or the one that is both newer and longer than every other. Else all are named, and somebody has to choose.
 */
#include "refs.h"

#include "os.h"
#include "repair_inner.h"

#include <base/fail.h>

#include <stdio.h>
#include <stdlib.h>

enum { LOG_MAX = 64 << 20, TOLD_MOST = 20 };

#define NOWHERE UINT32_MAX

typedef struct node {
    object_id id, tree;
    int64_t committed;
    uint32_t parents; /* where in `lines` they begin */
    uint32_t length;  /* commits on the longest way from here to a first one */
    uint8_t parent_count;
    bool followed; /* it is the parent of another */
    bool led_to;   /* by a ref */
    bool candidate;
} node;

typedef struct search {
    repair *repair;
    node *nodes; /* by id, once sorted */
    size_t count, capacity;
    object_id *parents;
    uint32_t *lines; /* parents as positions in `nodes` */
    size_t parent_count, parent_capacity;
    uint32_t *stack;
    unsigned branches; /* others, but for the inbox */
    char only[256];    /* the last of them */
} search;

/* ---- gathering ---- */

static int32_t add_node(search *s, const commit *c)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 256;
        node *nodes = realloc(s->nodes, s->capacity * sizeof *nodes);
        if (!nodes)
            return repair_no_memory(s->repair);
        s->nodes = nodes;
    }
    if (s->parent_count + c->parent_count > s->parent_capacity) {
        s->parent_capacity = (s->parent_capacity + COMMIT_PARENTS_MAX) * 2;
        object_id *parents = realloc(s->parents, s->parent_capacity * sizeof *parents);
        if (!parents)
            return repair_no_memory(s->repair);
        s->parents = parents;
    }
    s->nodes[s->count++] = (node){ .id = c->id,
                                   .tree = c->tree,
                                   .committed = c->committed,
                                   .parents = (uint32_t)s->parent_count,
                                   .parent_count = (uint8_t)c->parent_count };
    for (unsigned i = 0; i < c->parent_count; i++)
        s->parents[s->parent_count++] = c->parents[i];
    return QUIPU_OK;
}

static int32_t gather(void *context, const object_id *id)
{
    search *s = context;
    object_type type;
    commit c = { .id = *id };
    int32_t code = call_check(s->repair->call, s->repair->error);
    if (code == QUIPU_OK && objects_read_any(s->repair->store->objects, id, &type, &c.bytes, NULL) == QUIPU_OK &&
        type == OBJECT_COMMIT && commit_parse(&c))
        code = add_node(s, &c);
    commit_free(&c);
    return code;
}

static int compare_nodes(const void *a, const void *b)
{
    return memcmp(((const node *)a)->id.bytes, ((const node *)b)->id.bytes, 20);
}

static uint32_t position_of(const search *s, const object_id *id)
{
    node key = { .id = *id };
    const node *found = s->count ? bsearch(&key, s->nodes, s->count, sizeof key, compare_nodes) : NULL;
    return found ? (uint32_t)(found - s->nodes) : NOWHERE;
}

/* Sorts, leaves one of each, and links. */
static int32_t link_nodes(search *s)
{
    size_t kept = 0;
    if (s->count > 1)
        qsort(s->nodes, s->count, sizeof *s->nodes, compare_nodes);
    for (size_t i = 0; i < s->count; i++)
        if (kept == 0 || compare_nodes(&s->nodes[kept - 1], &s->nodes[i]) != 0)
            s->nodes[kept++] = s->nodes[i];
    s->count = kept;
    s->lines = malloc((s->parent_count + 1) * sizeof *s->lines);
    s->stack = malloc((s->count + s->parent_count + 1) * sizeof *s->stack);
    if (!s->lines || !s->stack)
        return repair_no_memory(s->repair);
    for (size_t i = 0; i < s->parent_count; i++) {
        s->lines[i] = position_of(s, &s->parents[i]);
        if (s->lines[i] != NOWHERE)
            s->nodes[s->lines[i]].followed = true;
    }
    return QUIPU_OK;
}

/* ---- what leads where ---- */

static void mark_led_to(search *s, const object_id *from)
{
    size_t depth = 0;
    uint32_t at = position_of(s, from);
    if (at == NOWHERE || s->nodes[at].led_to)
        return;
    s->nodes[at].led_to = true;
    for (s->stack[depth++] = at; depth > 0;) {
        const node *n = &s->nodes[s->stack[--depth]];
        for (unsigned i = 0; i < n->parent_count; i++) {
            uint32_t parent = s->lines[n->parents + i];
            if (parent != NOWHERE && !s->nodes[parent].led_to) {
                s->nodes[parent].led_to = true;
                s->stack[depth++] = parent;
            }
        }
    }
}

static int32_t mark_ref(void *context, const ref_told *ref)
{
    search *s = context;
    if (ref->fault || ref->symbolic || object_id_is_none(&ref->id))
        return QUIPU_OK;
    mark_led_to(s, &ref->id);
    if (strncmp(ref->name, "refs/heads/", 11) == 0 && strncmp(ref->name, "refs/heads/inbox/", 17) != 0 &&
        position_of(s, &ref->id) != NOWHERE) {
        s->branches++;
        snprintf(s->only, sizeof s->only, "%s", ref->name);
    }
    return QUIPU_OK;
}

/* The lengths of all that lead to a node, deepest first; a node waits on the stack until its parents have theirs. */
static void measure(search *s, uint32_t from)
{
    size_t depth = 0;
    if (s->nodes[from].length)
        return;
    for (s->stack[depth++] = from; depth > 0;) {
        node *n = &s->nodes[s->stack[depth - 1]];
        uint32_t longest = 0, waits_for = NOWHERE;
        for (unsigned i = 0; i < n->parent_count && waits_for == NOWHERE; i++) {
            uint32_t parent = s->lines[n->parents + i];
            if (parent != NOWHERE && s->nodes[parent].length == 0)
                waits_for = parent;
            else if (parent != NOWHERE && s->nodes[parent].length > longest)
                longest = s->nodes[parent].length;
        }
        if (waits_for != NOWHERE) {
            s->stack[depth++] = waits_for;
        } else {
            n->length = longest + 1;
            depth--;
        }
    }
}

static bool leads_back_to(search *s, uint32_t from, uint32_t to)
{
    size_t depth = 0;
    bool found = false;
    bool *seen = calloc(s->count, sizeof *seen);
    if (!seen)
        return false;
    seen[from] = true;
    for (s->stack[depth++] = from; depth > 0 && !found;) {
        uint32_t at = s->stack[--depth];
        const node *n = &s->nodes[at];
        found = at == to;
        for (unsigned i = 0; i < n->parent_count; i++) {
            uint32_t parent = s->lines[n->parents + i];
            if (parent != NOWHERE && !seen[parent]) {
                seen[parent] = true;
                s->stack[depth++] = parent;
            }
        }
    }
    free(seen);
    return found;
}

/* Of a store? Where a tree cannot be read, that of the commit before has to say. */
static bool is_of_a_store(const search *s, const node *n)
{
    object_id found = { { 0 } };
    const char *marker = s->repair->options->marker;
    while (tree_find(s->repair->store->objects, &n->tree, marker, &found, NULL) != QUIPU_OK) {
        uint32_t parent = n->parent_count ? s->lines[n->parents] : NOWHERE;
        if (parent == NOWHERE)
            return false;
        n = &s->nodes[parent];
    }
    return !object_id_is_none(&found);
}

/* ---- choosing ---- */

/* The last commit that the branch's log tells of and that is there. */
static uint32_t last_logged(const search *s, const char *branch)
{
    buffer path = { 0 }, text = { 0 }, inner = { 0 };
    uint32_t found = NOWHERE;
    object_id id;
    buffer_printf(&inner, "logs/%s", branch);
    if (!inner.failed && repair_path(s->repair, &path, inner.bytes) == QUIPU_OK &&
        os_read_file(path.bytes, LOG_MAX, &text, NULL) == QUIPU_OK)
        for (const char *line = text.bytes; line && line < text.bytes + text.len;) {
            const char *stop = memchr(line, '\n', (size_t)(text.bytes + text.len - line));
            size_t len = stop ? (size_t)(stop - line) : (size_t)(text.bytes + text.len - line);
            if (len > 2 * OBJECT_ID_HEX + 1 && object_id_parse(line + OBJECT_ID_HEX + 1, &id) &&
                position_of(s, &id) != NOWHERE)
                found = position_of(s, &id);
            line = stop ? stop + 1 : NULL;
        }
    buffer_free(&path);
    buffer_free(&text);
    buffer_free(&inner);
    return found;
}

/* anyway: also those that a ref leads to. */
static unsigned find_candidates(search *s, bool anyway, uint32_t *last)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        node *n = &s->nodes[i];
        n->candidate = !n->followed && (anyway || !n->led_to) && is_of_a_store(s, n);
        if (n->candidate) {
            measure(s, i);
            *last = i;
            count++;
        }
    }
    return count;
}

/* NOWHERE where that is not clear. */
static uint32_t choose(search *s, const char *branch)
{
    uint32_t logged = last_logged(s, branch), chosen = NOWHERE;
    unsigned fitting = 0;
    for (uint32_t i = 0; i < s->count && logged != NOWHERE; i++)
        if (s->nodes[i].candidate && leads_back_to(s, i, logged)) {
            chosen = i;
            fitting++;
        }
    if (fitting == 1)
        return chosen;
    chosen = NOWHERE;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->nodes[i].candidate && (chosen == NOWHERE || s->nodes[i].committed > s->nodes[chosen].committed))
            chosen = i;
    for (uint32_t i = 0; i < s->count && chosen != NOWHERE; i++)
        if (i != chosen && s->nodes[i].candidate &&
            (s->nodes[i].committed >= s->nodes[chosen].committed || s->nodes[i].length >= s->nodes[chosen].length))
            return NOWHERE;
    return chosen;
}

static int32_t tell_candidates(search *s, const char *branch, uint32_t chosen)
{
    unsigned told = 0;
    int32_t code = QUIPU_OK;
    for (uint32_t i = 0; i < s->count && code == QUIPU_OK && told < TOLD_MOST; i++) {
        char digits[OBJECT_ID_HEX + 1];
        if (!s->nodes[i].candidate || i == chosen)
            continue;
        object_id_print(&s->nodes[i].id, digits);
        told++;
        code = repair_tell(s->repair, REPAIR_WARNING, "refs", digits,
                           "no ref leads to this commit, the last of %u; to keep it, run `git update-ref %s %s`",
                           s->nodes[i].length, chosen == NOWHERE ? branch : "refs/heads/NAME", digits);
    }
    return code;
}

static int32_t put_back(search *s, const char *branch, const node *n)
{
    static const object_id none;
    repair *r = s->repair;
    ref_outcome outcome = REF_UNTOUCHED;
    char digits[OBJECT_ID_HEX + 1];
    object_id_print(&n->id, digits);
    int32_t code = r->aside ? ref_swap(r->store->path, branch, &none, &n->id, true, &outcome, r->error) : QUIPU_OK;
    if (code == QUIPU_OK && r->aside && outcome != REF_MOVED)
        return repair_tell(r, REPAIR_WARNING, "refs", branch, "somebody has put it back meanwhile");
    return code != QUIPU_OK
               ? code
               : repair_tell(r, repair_severity(r), "refs", branch, "it %s %s, the last of %u commits",
                             r->aside ? "was lost, and is now at" : "is lost; the commit that it was at is likely",
                             digits, n->length);
}

static int32_t decide(search *s, const char *branch, bool head)
{
    uint32_t chosen = NOWHERE;
    unsigned count = find_candidates(s, false, &chosen);
    if (count == 0 && head && s->branches == 0) /* the refs that there are may be damaged names */
        count = find_candidates(s, true, &chosen);
    if (count > 1)
        chosen = choose(s, branch);
    if (count == 0 && head && s->branches == 1)
        return repair_head(s->repair, s->only, "HEAD named a branch that is not there");
    int32_t code = QUIPU_OK;
    if (chosen != NOWHERE)
        code = put_back(s, branch, &s->nodes[chosen]);
    else if (head)
        code = repair_tell(s->repair, REPAIR_DAMAGE, "refs", branch,
                           count ? "it is lost, and %u commits may have been its last; choose one"
                                 : "it is lost, and no commit that it could have been at was found (%u)",
                           count);
    return code == QUIPU_OK ? tell_candidates(s, branch, chosen) : code;
}

int32_t repair_lost_branch(repair *r, const char *branch, bool head)
{
    search s = { .repair = r };
    int32_t code = objects_each(r->store->objects, gather, &s, r->error);
    if (code == QUIPU_OK)
        code = link_nodes(&s);
    if (code == QUIPU_OK)
        code = ref_each_told(r->store->path, "refs/", mark_ref, &s, r->error);
    if (code == QUIPU_OK)
        code = decide(&s, branch, head);
    free(s.nodes);
    free(s.parents);
    free(s.lines);
    free(s.stack);
    return code;
}
