/*
 * repack_build.c - see repack_build.h. Four passes over the objects:
 *
 *   commits are found, and put in order: each chain of first parents from its newest to its oldest
 *   commits are written, each as the difference to one of the last few, so that walking a history reads one run of the pack
 *   trees and blobs: for each commit the folders of its parent, as the difference to its own folder of the same path
 *   what is left: objects that no commit of these packs leads to
 */
#include "repack_build.h"

#include "delta.h"
#include "tree_entries.h"

#include <base/fail.h>

#include <libdeflate.h>
#include <stdlib.h>

enum {
    COMPRESSION = 9,
    CHAIN_MAX = 50,              /* git's own limit */
    WINDOW = 10,                 /* how many of the last objects are tried as a base */
    WINDOW_OBJECT_MAX = 1 << 14, /* bytes; larger ones are only tried against what is known to belong to them */
    DEPTH_MAX = 64,
    PARENTS_MAX = 16,
    STEP_EVERY = 64,
};

/* The last few objects of a kind, with their bytes. */
typedef struct window {
    pooled *objects[WINDOW];
    buffer bytes[WINDOW];
    unsigned next;
} window;

typedef struct build {
    pack_pool *pool;
    pack_stream *out;
    repack_step_fn step;
    void *context;
    quipu_error *error;
    struct libdeflate_compressor *compressor;
    delta_maker maker;
    buffer trial, delta;  /* instructions: under trial; the best so far */
    const pooled *base;   /* of `delta`; NULL: no delta was found */
    buffer packed, whole; /* deflated */
    window commits, blobs;
    pooled **order; /* commits, as they are to be written */
    uint32_t order_count, order_capacity;
    uint64_t done, total;
} build;

static int32_t no_memory(const build *b)
{
    return fail(b->error, QUIPU_E_NO_MEMORY, NULL, "no memory to repack the store");
}

static int32_t corrupt(const build *b, const object_id *id)
{
    char digits[OBJECT_ID_HEX + 1];
    object_id_print(id, digits);
    return fail(b->error, QUIPU_E_CORRUPT, NULL, "object %s is damaged; run `quipu verify`", digits);
}

/* ---- one object ---- */

/* Tries a base, of which `base_bytes` are the bytes. */
static void consider(build *b, const buffer *bytes, const pooled *base, const buffer *base_bytes)
{
    if (!base || !base->to || base->chain >= CHAIN_MAX)
        return;
    size_t most = b->base ? b->delta.len : bytes->len;
    if (!delta_make(&b->maker, base_bytes, bytes, most, &b->trial))
        return;
    buffer shorter = b->trial;
    b->trial = b->delta;
    b->delta = shorter;
    b->base = base;
}

static void consider_window(build *b, const buffer *bytes, const window *w)
{
    for (unsigned i = 0; i < WINDOW && bytes->len <= WINDOW_OBJECT_MAX; i++)
        consider(b, bytes, w->objects[i], &w->bytes[i]);
}

static void remember(window *w, pooled *object, const buffer *bytes)
{
    unsigned at = w->next;
    if (bytes->len > WINDOW_OBJECT_MAX)
        return;
    w->next = (at + 1) % WINDOW;
    buffer_clear(&w->bytes[at]);
    buffer_append(&w->bytes[at], bytes->bytes, bytes->len);
    w->objects[at] = w->bytes[at].failed ? NULL : object;
}

static bool deflate_into(const build *b, const buffer *bytes, buffer *out)
{
    size_t bound = libdeflate_zlib_compress_bound(b->compressor, bytes->len);
    buffer_clear(out);
    char *to = buffer_reserve(out, bound);
    if (to)
        out->len = libdeflate_zlib_compress(b->compressor, bytes->bytes, bytes->len, to, bound);
    return to != NULL;
}

static int32_t write_entry(build *b, pooled *object, unsigned type, uint64_t size, const buffer *packed)
{
    uint8_t head[20];
    size_t head_len = pack_put_entry_head(head, type, size);
    if (type == PACK_OFS_DELTA)
        head_len += pack_put_base_distance(head + head_len, b->out->written - b->base->to);
    object->to = b->out->written;
    object->crc = libdeflate_crc32(libdeflate_crc32(0, head, head_len), packed->bytes, packed->len);
    object->chain = type == PACK_OFS_DELTA ? (uint8_t)(b->base->chain + 1) : 0;
    int32_t code = pack_stream_write(b->out, head, head_len, b->error);
    if (code == QUIPU_OK)
        code = pack_stream_write(b->out, packed->bytes, packed->len, b->error);
    b->done++;
    if (code == QUIPU_OK && b->done % STEP_EVERY == 0)
        code = b->step(b->context, b->done, b->total);
    return code;
}

/* Writes the object as the best difference that was considered, or whole where that is not larger. */
static int32_t put(build *b, pooled *object, const buffer *bytes)
{
    bool delta = b->base != NULL;
    if (delta && !deflate_into(b, &b->delta, &b->packed))
        return no_memory(b);
    if (!delta || b->delta.len * 3 > bytes->len) {
        if (!deflate_into(b, bytes, &b->whole))
            return no_memory(b);
        delta = delta && b->packed.len < b->whole.len;
    }
    int32_t code = delta ? write_entry(b, object, PACK_OFS_DELTA, b->delta.len, &b->packed)
                         : write_entry(b, object, object->type, bytes->len, &b->whole);
    b->base = NULL;
    return code;
}

/* ---- blobs and trees ---- */

/* newer: the next version at the same path, or NULL. */
static int32_t put_blob(build *b, pooled *object, pooled *newer)
{
    buffer bytes = { 0 }, other = { 0 };
    int32_t code = pack_pool_read(b->pool, object, &bytes, b->error);
    if (code == QUIPU_OK && newer && newer->to)
        code = pack_pool_read(b->pool, newer, &other, b->error);
    if (code == QUIPU_OK) {
        if (other.bytes)
            consider(b, &bytes, newer, &other);
        if (!b->base || b->delta.len * 4 > bytes.len)
            consider_window(b, &bytes, &b->blobs);
        code = put(b, object, &bytes);
    }
    if (code == QUIPU_OK)
        remember(&b->blobs, object, &bytes);
    buffer_free(&bytes);
    buffer_free(&other);
    return code;
}

static int32_t put_tree(build *b, pooled *tree, pooled *newer, unsigned depth);

/* What a folder holds and its newer version does not; where a name is in both, the two belong together. */
static int32_t put_children(build *b, const pooled *tree, const buffer *bytes, const buffer *newer, unsigned depth)
{
    tree_entry e, n;
    size_t at = 0, newer_at = 0;
    bool damaged = false, more = tree_next(newer, &newer_at, &n, &damaged);
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && tree_next(bytes, &at, &e, &damaged)) {
        object_id id, other;
        while (more && tree_order(n.name, n.name_len, n.folder, e.name, e.name_len, e.folder) < 0)
            more = tree_next(newer, &newer_at, &n, &damaged);
        bool both = more && tree_order(n.name, n.name_len, n.folder, e.name, e.name_len, e.folder) == 0;
        if (both && memcmp(n.id, e.id, sizeof id.bytes) == 0)
            continue;
        memcpy(id.bytes, e.id, sizeof id.bytes);
        memcpy(other.bytes, both ? n.id : e.id, sizeof other.bytes);
        pooled *child = pack_pool_find(b->pool, &id), *pair = both ? pack_pool_find(b->pool, &other) : NULL;
        if (child && !child->to)
            code = e.folder ? put_tree(b, child, pair, depth + 1) : put_blob(b, child, pair);
    }
    return code == QUIPU_OK && damaged ? corrupt(b, &tree->id) : code;
}

/* newer: the next version of the same folder, already written, or NULL. */
static int32_t put_tree(build *b, pooled *tree, pooled *newer, unsigned depth)
{
    buffer bytes = { 0 }, other = { 0 };
    if (tree->to)
        return QUIPU_OK;
    int32_t code = pack_pool_read(b->pool, tree, &bytes, b->error);
    if (code == QUIPU_OK && newer)
        code = pack_pool_read(b->pool, newer, &other, b->error);
    if (code == QUIPU_OK && (tree->type != OBJECT_TREE || (newer && newer->type != OBJECT_TREE) || depth > DEPTH_MAX))
        code = corrupt(b, &tree->id);
    if (code == QUIPU_OK) {
        consider(b, &bytes, newer, &other);
        code = put(b, tree, &bytes);
    }
    if (code == QUIPU_OK)
        code = put_children(b, tree, &bytes, &other, depth);
    buffer_free(&bytes);
    buffer_free(&other);
    return code;
}

/* ---- commits ---- */

typedef struct links {
    object_id tree;
    object_id parents[PARENTS_MAX]; /* more than that are not followed: their objects are among what is left */
    unsigned parent_count;
} links;

/* Takes the line "<key> <40 digits>" from the front of `text`. */
static bool link_line(quipu_str *text, const char *key, object_id *out)
{
    size_t len = strlen(key) + OBJECT_ID_HEX + 1;
    if (text->len < len || memcmp(text->ptr, key, strlen(key)) != 0 || text->ptr[len - 1] != '\n' ||
        !object_id_parse(text->ptr + strlen(key), out))
        return false;
    text->ptr += len;
    text->len -= len;
    return true;
}

/* Reads a commit into `bytes`, and what it leads to. */
static int32_t read_links(build *b, pooled *commit_, buffer *bytes, links *out)
{
    int32_t code = pack_pool_read(b->pool, commit_, bytes, b->error);
    if (code != QUIPU_OK)
        return code;
    quipu_str text = str_make(bytes->bytes, bytes->len);
    out->parent_count = 0;
    if (!link_line(&text, "tree ", &out->tree))
        return corrupt(b, &commit_->id);
    while (out->parent_count < PARENTS_MAX && link_line(&text, "parent ", &out->parents[out->parent_count]))
        out->parent_count++;
    return QUIPU_OK;
}

static pooled *find_commit(build *b, const object_id *id)
{
    pooled *found = pack_pool_find(b->pool, id);
    return found && found->type == OBJECT_COMMIT ? found : NULL;
}

static int32_t order_push(build *b, pooled *commit_)
{
    if (b->order_count == b->order_capacity) {
        uint32_t capacity = b->order_capacity ? b->order_capacity * 2 : 1024;
        pooled **order = realloc(b->order, capacity * sizeof(pooled *));
        if (!order)
            return no_memory(b);
        b->order = order;
        b->order_capacity = capacity;
    }
    b->order[b->order_count++] = commit_;
    commit_->listed = true;
    return QUIPU_OK;
}

/* Lists a commit and its first parents, up to one that is listed already. */
static int32_t order_chain(build *b, pooled *from)
{
    buffer bytes = { 0 };
    links l;
    int32_t code = QUIPU_OK;
    while (code == QUIPU_OK && from && !from->listed) {
        code = order_push(b, from);
        if (code == QUIPU_OK)
            code = read_links(b, from, &bytes, &l);
        from = code == QUIPU_OK && l.parent_count ? find_commit(b, &l.parents[0]) : NULL;
    }
    buffer_free(&bytes);
    return code;
}

/* The sides of merges: parents after the first. Those that are found are listed behind, and looked at in their turn. */
static int32_t order_sides(build *b)
{
    buffer bytes = { 0 };
    links l;
    int32_t code = QUIPU_OK;
    for (uint32_t i = 0; i < b->order_count && code == QUIPU_OK; i++) {
        code = read_links(b, b->order[i], &bytes, &l);
        for (unsigned k = 1; code == QUIPU_OK && k < l.parent_count; k++)
            code = order_chain(b, find_commit(b, &l.parents[k]));
    }
    buffer_free(&bytes);
    return code;
}

/* Finds the commits, and which of them are the newest of their line. */
static int32_t find_commits(build *b)
{
    uint32_t count;
    pooled *objects_ = pack_pool_objects(b->pool, &count);
    buffer bytes = { 0 };
    links l;
    int32_t code = QUIPU_OK;
    for (uint32_t i = 0; i < count && code == QUIPU_OK; i++)
        code = pack_pool_type(b->pool, &objects_[i], b->error);
    for (uint32_t i = 0; i < count && code == QUIPU_OK; i++) {
        if (objects_[i].type != OBJECT_COMMIT)
            continue;
        code = read_links(b, &objects_[i], &bytes, &l);
        for (unsigned k = 0; code == QUIPU_OK && k < l.parent_count; k++) {
            pooled *parent = find_commit(b, &l.parents[k]);
            if (parent)
                parent->has_child = true;
        }
        if (code == QUIPU_OK && i % STEP_EVERY == 0)
            code = b->step(b->context, 0, b->total);
    }
    buffer_free(&bytes);
    return code;
}

static int32_t order_commits(build *b, const object_id *head)
{
    uint32_t count;
    pooled *objects_ = pack_pool_objects(b->pool, &count);
    int32_t code = find_commits(b);
    if (code == QUIPU_OK)
        code = order_chain(b, find_commit(b, head));
    for (uint32_t i = 0; i < count && code == QUIPU_OK; i++)
        if (objects_[i].type == OBJECT_COMMIT && !objects_[i].has_child)
            code = order_chain(b, &objects_[i]);
    return code == QUIPU_OK ? order_sides(b) : code;
}

static int32_t write_commits(build *b)
{
    buffer bytes = { 0 };
    int32_t code = QUIPU_OK;
    for (uint32_t i = 0; i < b->order_count && code == QUIPU_OK; i++) {
        code = pack_pool_read(b->pool, b->order[i], &bytes, b->error);
        if (code != QUIPU_OK)
            break;
        consider_window(b, &bytes, &b->commits);
        code = put(b, b->order[i], &bytes);
        remember(&b->commits, b->order[i], &bytes);
    }
    buffer_free(&bytes);
    return code;
}

/* The tree of a commit, where it lies in these packs. */
static int32_t tree_of(build *b, pooled *commit_, buffer *bytes, pooled **out)
{
    links l;
    *out = NULL;
    int32_t code = commit_ ? read_links(b, commit_, bytes, &l) : QUIPU_OK;
    if (code == QUIPU_OK && commit_)
        *out = pack_pool_find(b->pool, &l.tree);
    return code;
}

static int32_t write_trees(build *b)
{
    buffer bytes = { 0 };
    links l;
    int32_t code = QUIPU_OK;
    for (uint32_t i = 0; i < b->order_count && code == QUIPU_OK; i++) {
        pooled *tree, *older;
        code = read_links(b, b->order[i], &bytes, &l);
        tree = code == QUIPU_OK ? pack_pool_find(b->pool, &l.tree) : NULL;
        if (code == QUIPU_OK && tree)
            code = put_tree(b, tree, NULL, 0);
        for (unsigned k = 0; code == QUIPU_OK && tree && k < l.parent_count; k++) {
            code = tree_of(b, find_commit(b, &l.parents[k]), &bytes, &older);
            if (code == QUIPU_OK && older)
                code = put_tree(b, older, tree, 0);
        }
    }
    buffer_free(&bytes);
    return code;
}

static int32_t write_rest(build *b)
{
    uint32_t count;
    pooled *objects_ = pack_pool_objects(b->pool, &count);
    buffer bytes = { 0 };
    int32_t code = QUIPU_OK;
    for (uint32_t i = 0; i < count && code == QUIPU_OK; i++) {
        pooled *o = &objects_[i];
        if (o->to)
            continue;
        if (o->type == OBJECT_TREE) {
            code = put_tree(b, o, NULL, 0);
        } else if (o->type == OBJECT_BLOB) {
            code = put_blob(b, o, NULL);
        } else {
            code = pack_pool_read(b->pool, o, &bytes, b->error);
            if (code == QUIPU_OK)
                code = put(b, o, &bytes);
        }
    }
    buffer_free(&bytes);
    return code;
}

static void window_free(window *w)
{
    for (unsigned i = 0; i < WINDOW; i++)
        buffer_free(&w->bytes[i]);
}

int32_t repack_build(pack_pool *pool, pack_stream *out, const object_id *head, repack_step_fn step, void *context,
                     quipu_error *error)
{
    build b = { .pool = pool, .out = out, .step = step, .context = context, .error = error };
    uint32_t count;
    pack_pool_objects(pool, &count);
    b.total = count;
    b.compressor = libdeflate_alloc_compressor(COMPRESSION);
    int32_t code = b.compressor ? order_commits(&b, head) : no_memory(&b);
    if (code == QUIPU_OK)
        code = write_commits(&b);
    if (code == QUIPU_OK)
        code = write_trees(&b);
    if (code == QUIPU_OK)
        code = write_rest(&b);
    if (code == QUIPU_OK && b.done != b.total)
        code = fail(error, QUIPU_E_CORRUPT, NULL, "the packs hold commits that lead to themselves; run `quipu verify`");
    if (b.compressor)
        libdeflate_free_compressor(b.compressor);
    delta_maker_free(&b.maker);
    buffer_free(&b.trial);
    buffer_free(&b.delta);
    buffer_free(&b.packed);
    buffer_free(&b.whole);
    window_free(&b.commits);
    window_free(&b.blobs);
    free(b.order);
    return code;
}
