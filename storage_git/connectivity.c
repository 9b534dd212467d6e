/*
 * connectivity.c - every object read once: does it hold what its name says, and is what it names there and of its kind? (repair_inner.h)
 *
 * Linear in the number of objects; 24 bytes of memory for each. Only where something is missing is it asked, by a walk from the refs, what
 * of that somebody can miss: what no ref leads to may have lost its parts long ago, as `git prune` leaves it.
 */
#include "refs.h"

#include "os.h"
#include "repair_inner.h"
#include "tree_entries.h"

#include <base/fail.h>

#include <stdlib.h>
#include <unistd.h>

enum { TOLD_MOST = 50, PROGRESS_EVERY = 1000, REACHED = 1 };

typedef struct known {
    object_id id;
    uint8_t type; /* object_type; 0: cannot be read */
    uint8_t used; /* 1 << object_type: what others take it for */
    uint8_t flags;
} known;

typedef struct table {
    repair *repair;
    known *items; /* by id */
    size_t count, capacity;
    uint64_t by_type[OBJECT_TAG + 1];
    uint64_t missing, told;
    size_t *stack; /* positions that are still to be looked into */
    size_t depth, stack_size;
} table;

/* ---- the table ---- */

static int32_t add(void *context, const object_id *id)
{
    table *t = context;
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? t->capacity * 2 : 1024;
        known *items = realloc(t->items, t->capacity * sizeof *items);
        if (!items)
            return repair_no_memory(t->repair);
        t->items = items;
    }
    t->items[t->count++] = (known){ .id = *id };
    return QUIPU_OK;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(object_id)); /* what is known begins with the id */
}

static int32_t read_table(table *t)
{
    size_t kept = 0;
    int32_t code = objects_each(t->repair->store->objects, add, t, t->repair->error);
    if (t->count > 1)
        qsort(t->items, t->count, sizeof *t->items, by_id);
    for (size_t i = 0; i < t->count; i++)
        if (kept == 0 || by_id(&t->items[kept - 1], &t->items[i]) != 0)
            t->items[kept++] = t->items[i];
    t->count = kept;
    return code;
}

static known *find(const table *t, const object_id *id)
{
    return t->count ? bsearch(id, t->items, t->count, sizeof *t->items, by_id) : NULL;
}

static void free_table(table *t)
{
    free(t->items);
    free(t->stack);
}

/* ---- what an object names ---- */

/* from: the object that names it. */
typedef int32_t (*named_fn)(table *t, const object_id *from, const object_id *id, object_type type);

static int32_t each_of_commit(table *t, commit *c, named_fn visit, bool *damaged)
{
    *damaged = !commit_parse(c);
    int32_t code = *damaged ? QUIPU_OK : visit(t, &c->id, &c->tree, OBJECT_TREE);
    for (unsigned i = 0; !*damaged && i < c->parent_count && code == QUIPU_OK; i++)
        code = visit(t, &c->id, &c->parents[i], OBJECT_COMMIT);
    return code;
}

static int32_t each_of_tree(table *t, const object_id *from, const buffer *bytes, named_fn visit, bool *damaged)
{
    tree_entry entry;
    size_t at = 0;
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && tree_next(bytes, &at, &entry, damaged)) {
        object_id id;
        memcpy(id.bytes, entry.id, sizeof id.bytes);
        if (strncmp(bytes->bytes + entry.offset, "160000 ", 7) != 0) /* a submodule's commit lies elsewhere */
            code = visit(t, from, &id, entry.folder ? OBJECT_TREE : OBJECT_BLOB);
    }
    return code;
}

static int32_t each_named(table *t, const object_id *from, object_type type, buffer *bytes, named_fn visit,
                          bool *damaged)
{
    *damaged = false;
    if (type == OBJECT_COMMIT) {
        commit c = { .id = *from, .bytes = *bytes };
        return each_of_commit(t, &c, visit, damaged);
    }
    return type == OBJECT_TREE ? each_of_tree(t, from, bytes, visit, damaged) : QUIPU_OK;
}

/* ---- every object ---- */

static int32_t note_use(table *t, const object_id *from, const object_id *id, object_type type)
{
    known *k = find(t, id);
    (void)from;
    if (k)
        k->used |= (uint8_t)(1u << type);
    else
        t->missing++;
    return QUIPU_OK;
}

/* A loose object that cannot be read stands in the way of git. */
static int32_t set_loose_aside(repair *r, const char *digits, bool *done)
{
    buffer inner = { 0 }, path = { 0 };
    buffer_printf(&inner, "objects/%.2s/%s", digits, digits + 2);
    int32_t code = inner.failed ? repair_no_memory(r) : repair_path(r, &path, inner.bytes);
    *done = code == QUIPU_OK && r->aside && access(path.bytes, F_OK) == 0;
    if (*done)
        code = aside_move(r->aside, path.bytes, "a damaged object", r->error);
    buffer_free(&inner);
    buffer_free(&path);
    return code;
}

static int32_t tell_unreadable(table *t, const object_id *id, const char *why)
{
    char digits[OBJECT_ID_HEX + 1];
    bool done;
    object_id_print(id, digits);
    t->missing++;
    int32_t code = set_loose_aside(t->repair, digits, &done);
    if (code == QUIPU_OK && t->told++ < TOLD_MOST)
        code = repair_tell(t->repair, done ? REPAIR_DONE : REPAIR_DAMAGE, "objects", digits, "%s%s", why,
                           done ? "; it was set aside" : "");
    return code;
}

/* The error names the object, as the finding does. */
static const char *reason_of(const quipu_error *why)
{
    const char *reason = strstr(why->message, "cannot be read");
    return reason                                       ? reason
           : strstr(why->message, "what its name says") ? "it does not hold what its name says"
                                                        : "it cannot be read";
}

static int32_t check_object(table *t, known *k)
{
    object_type type = 0;
    buffer bytes = { 0 };
    quipu_error why = { .struct_size = sizeof why };
    bool damaged = false;
    int32_t code = objects_read_any(t->repair->store->objects, &k->id, &type, &bytes, &why);
    if (code == QUIPU_E_CORRUPT) {
        code = tell_unreadable(t, &k->id, reason_of(&why));
    } else if (code != QUIPU_OK) {
        fail(t->repair->error, code, NULL, "%s", why.message);
    } else {
        k->type = (uint8_t)type;
        t->by_type[type]++;
        code = each_named(t, &k->id, type, &bytes, note_use, &damaged);
        if (code == QUIPU_OK && damaged)
            code = tell_unreadable(t, &k->id, "its bytes are not what an object of its kind must be");
    }
    buffer_free(&bytes);
    return code;
}

static int32_t check_kind(table *t, const known *k)
{
    char digits[OBJECT_ID_HEX + 1];
    if (!k->type || !(k->used & ~(1u << k->type)))
        return QUIPU_OK;
    object_id_print(&k->id, digits);
    t->missing++;
    return t->told++ < TOLD_MOST ? repair_tell(t->repair, REPAIR_DAMAGE, "objects", digits,
                                               "it is a %s, and another object takes it for something else",
                                               object_type_name((object_type)k->type))
                                 : QUIPU_OK;
}

static int32_t tell_count(const repair *r, const char *area, uint64_t count)
{
    return r->options->visit(r->options->context, REPAIR_CHECKED, area, NULL, NULL, count);
}

int32_t repair_objects(repair *r, bool *lost)
{
    table t = { .repair = r };
    int32_t code = read_table(&t);
    for (size_t i = 0; i < t.count && code == QUIPU_OK; i++) {
        code = call_check(r->call, r->error);
        if (code == QUIPU_OK && i % PROGRESS_EVERY == 0)
            code = r->options->visit(r->options->context, REPAIR_PROGRESS, "objects", NULL, NULL, i);
        if (code == QUIPU_OK)
            code = check_object(&t, &t.items[i]);
    }
    for (size_t i = 0; i < t.count && code == QUIPU_OK; i++)
        code = check_kind(&t, &t.items[i]);
    if (code == QUIPU_OK)
        code = tell_count(r, "objects", t.count);
    if (code == QUIPU_OK)
        code = tell_count(r, "commits", t.by_type[OBJECT_COMMIT]);
    if (code == QUIPU_OK)
        code = tell_count(r, "trees", t.by_type[OBJECT_TREE]);
    if (code == QUIPU_OK)
        code = tell_count(r, "blobs", t.by_type[OBJECT_BLOB]);
    *lost = t.missing > 0;
    free_table(&t);
    objects_forget(r->store->objects);
    return code;
}

/* ---- what refs lead to ---- */

static int32_t tell_missing(table *t, const object_id *from, const object_id *id, object_type type)
{
    char digits[OBJECT_ID_HEX + 1], by[OBJECT_ID_HEX + 1];
    if (t->told++ >= TOLD_MOST)
        return QUIPU_OK;
    object_id_print(id, digits);
    object_id_print(from, by);
    return repair_tell(t->repair, REPAIR_DAMAGE, "objects", digits,
                       "this %s, which %s names, is lost; versions of the past that need it cannot be shown",
                       object_type_name(type), by);
}

static int32_t reach(table *t, const object_id *from, const object_id *id, object_type type)
{
    known *k = find(t, id);
    if (!k)
        return tell_missing(t, from, id, type);
    if (k->flags & REACHED)
        return QUIPU_OK;
    k->flags |= REACHED;
    if (t->depth == t->stack_size) {
        t->stack_size = t->stack_size ? t->stack_size * 2 : 1024;
        size_t *stack = realloc(t->stack, t->stack_size * sizeof *stack);
        if (!stack)
            return repair_no_memory(t->repair);
        t->stack = stack;
    }
    t->stack[t->depth++] = (size_t)(k - t->items);
    return QUIPU_OK;
}

static int32_t reach_from_ref(void *context, const ref_told *ref)
{
    table *t = context;
    bool there = !ref->fault && !ref->symbolic && find(t, &ref->id) != NULL; /* else it was told */
    return there ? reach(t, &ref->id, &ref->id, OBJECT_COMMIT) : QUIPU_OK;
}

static int32_t look_into(table *t, const known *k)
{
    object_type type = 0;
    buffer bytes = { 0 };
    bool damaged;
    int32_t code = call_check(t->repair->call, t->repair->error);
    if (code == QUIPU_OK &&
        objects_read_any(t->repair->store->objects, &k->id, &type, &bytes, NULL) == QUIPU_OK) /* else it was told */
        code = each_named(t, &k->id, type, &bytes, reach, &damaged);
    buffer_free(&bytes);
    return code;
}

static int32_t tell_strays(const table *t)
{
    const repair *r = t->repair;
    int32_t code = QUIPU_OK;
    for (size_t i = 0; i < t->count && code == QUIPU_OK; i++) {
        object_type type = 0;
        buffer bytes = { 0 };
        if (!(t->items[i].flags & REACHED) &&
            objects_read_any(r->store->objects, &t->items[i].id, &type, &bytes, NULL) == QUIPU_OK &&
            type == OBJECT_BLOB)
            code = r->options->stray(r->options->context, &t->items[i].id, str_make(bytes.bytes, bytes.len));
        buffer_free(&bytes);
    }
    return code;
}

int32_t repair_reach(repair *r)
{
    table t = { .repair = r };
    int32_t code = read_table(&t);
    if (code == QUIPU_OK)
        code = ref_each_told(r->store->path, "refs/", reach_from_ref, &t, r->error);
    while (code == QUIPU_OK && t.depth > 0)
        code = look_into(&t, &t.items[t.stack[--t.depth]]);
    if (code == QUIPU_OK && t.told > TOLD_MOST)
        code = repair_tell(r, REPAIR_DAMAGE, "objects", NULL, "%llu more are lost",
                           (unsigned long long)(t.told - TOLD_MOST));
    if (code == QUIPU_OK && r->folders_were_lost && r->options->stray)
        code = tell_strays(&t);
    free_table(&t);
    return code;
}
