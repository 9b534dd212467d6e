/* graph_write.c - see graph_write.h: gathering the history, with what the graph that lies there tells of it, and putting the new one in place. */
#include "graph_write.h"

#include "graph_build.h"
#include "os.h"

#include <base/fail.h>

#include <errno.h>
#include <stdlib.h>

enum { ENOUGH = 1 /* no fault, but nothing is written */ };

typedef struct work {
    git_store *store;
    commit_links links; /* with the graph as it is */
    graph_history history;
    uint64_t memory;
    graph_check_fn check;
    void *context;
    quipu_error *error;
} work;

static int32_t no_memory(work *w)
{
    return fail(w->error, QUIPU_E_NO_MEMORY, NULL, "no memory for the commit-graph");
}

/* ---- gathering ---- */

/* The order of numbers is that in which commits were met first, so those still to be gathered come after all others. */
static int32_t add_parents(work *w, gathered *c, const commit_link *link)
{
    graph_history *h = &w->history;
    if (h->parents_count + link->parent_count > h->parents_size) {
        size_t size = h->parents_size * 2 + COMMIT_PARENTS_MAX;
        uint32_t *parents = realloc(h->parents, size * sizeof *parents);
        if (!parents)
            return no_memory(w);
        h->parents = parents;
        h->parents_size = size;
    }
    c->parents_at = h->parents_count;
    c->parent_count = link->parent_count;
    for (unsigned i = 0; i < link->parent_count; i++)
        if (!id_map_add(&h->map, &link->parents[i], &h->parents[h->parents_count++], NULL))
            return no_memory(w);
    return QUIPU_OK;
}

static int32_t gather_one(work *w)
{
    graph_history *h = &w->history;
    commit_link link;
    gathered *c = &h->commits[h->count];
    object_id id = h->map.ids[h->count];
    int32_t code = commit_link_read(&w->links, &id, &link, w->error);
    if (code != QUIPU_OK)
        return code;
    *c = (gathered){ .tree = link.tree, .seconds = link.committed / 1000000 };
    if (c->seconds >> 34) /* the file has no room for such a time */
        return ENOUGH;
    code = add_parents(w, c, &link);
    h->count += code == QUIPU_OK;
    return code;
}

static int32_t gather(work *w, const object_id *head)
{
    graph_history *h = &w->history;
    uint32_t number, size = 0;
    int32_t code = id_map_add(&h->map, head, &number, NULL) ? QUIPU_OK : no_memory(w);
    while (code == QUIPU_OK && h->count < h->map.count) {
        if (h->count == size) {
            size = size ? size * 2 : 1024;
            gathered *commits = realloc(h->commits, size * sizeof *commits);
            if (!commits)
                return no_memory(w);
            h->commits = commits;
        }
        code = (uint64_t)h->count * GRAPH_BYTES_EACH > w->memory ? ENOUGH : w->check(w->context);
        if (code == QUIPU_OK)
            code = gather_one(w);
    }
    return code;
}

/* ---- filters ---- */

static int32_t note_change(void *context, const tree_change *change)
{
    changed_paths *paths = context;
    changed_paths_add(paths, change->path);
    return paths->many || paths->failed ? ENOUGH : QUIPU_OK;
}

/* What was known of the commit before. */
static bool take_known_filter(work *w, uint32_t i)
{
    uint32_t at;
    const uint8_t *filter;
    size_t len;
    const commit_graph *g = w->links.graph;
    if (!g || !commit_graph_find(g, &w->history.map.ids[i], &at) || !commit_graph_filter(g, at, &filter, &len))
        return false;
    buffer_append(&w->history.filters, filter, len);
    return true;
}

static int32_t make_filter(work *w, const gathered *c, changed_paths *paths)
{
    static const object_id none;
    graph_history *h = &w->history;
    const object_id *before = c->parent_count ? &h->commits[h->parents[c->parents_at]].tree : &none;
    int32_t code = tree_diff(w->links.objects, before, &c->tree, "", note_change, paths, w->error);
    if (paths->failed)
        return no_memory(w);
    if (code == ENOUGH)
        code = QUIPU_OK;
    changed_paths_finish(paths, &h->filters);
    return code;
}

static int32_t add_filters(work *w)
{
    graph_history *h = &w->history;
    changed_paths paths = { 0 };
    int32_t code = QUIPU_OK;
    bool ending = false;
    for (uint32_t i = 0; i < h->count && code == QUIPU_OK; i++) {
        gathered *c = &h->commits[i];
        c->filter_at = h->filters.len;
        if (!take_known_filter(w, i) && !ending) {
            code = w->check(w->context);
            ending = code == ENOUGH;
            code = ending ? QUIPU_OK : code == QUIPU_OK ? make_filter(w, c, &paths) : code;
        }
        c->filter_len = h->filters.len - c->filter_at;
    }
    changed_paths_free(&paths);
    return code != QUIPU_OK ? code : h->filters.failed ? no_memory(w) : QUIPU_OK;
}

/* ---- the file ---- */

static int32_t path_in(const char *folder, const char *name, buffer *out)
{
    buffer_printf(out, "%s/%s", folder, name);
    return out->failed ? QUIPU_E_NO_MEMORY : QUIPU_OK;
}

/* Notes the newest commit of the graph, for git_drop_stale_graph. */
static int32_t note_head(work *w, const object_id *head)
{
    char digits[OBJECT_ID_HEX + 1];
    buffer path = { 0 };
    object_id_print(head, digits);
    int32_t code = path_in(git_store_private(w->store), "commit-graph.head", &path);
    if (code == QUIPU_OK)
        code = os_replace_file(path.bytes, digits, OBJECT_ID_HEX, false, w->error);
    buffer_free(&path);
    return code;
}

/* Made in Quipu's own folder, under one name, so that a crash leaves no more than one. */
static int32_t put_in_place(work *w, const buffer *bytes)
{
    buffer from = { 0 }, to = { 0 };
    int32_t code = path_in(git_store_private(w->store), "commit-graph.new", &from);
    if (code == QUIPU_OK)
        code = path_in(git_store_path(w->store), "objects/info/commit-graph", &to);
    if (code != QUIPU_OK) {
        code = no_memory(w);
        goto done;
    }
    os->unlink(from.bytes);
    if (os_write_new(from.bytes, bytes->bytes, bytes->len, true) < 0) {
        code = fail_errno(w->error, errno, "cannot write %s", from.bytes);
    } else if (os->rename(from.bytes, to.bytes) < 0) {
        code = fail_errno(w->error, errno, "cannot replace %s", to.bytes);
        os->unlink(from.bytes);
    }
done:
    buffer_free(&from);
    buffer_free(&to);
    return code;
}

void git_drop_stale_graph(git_store *s)
{
    buffer path = { 0 }, note = { 0 };
    object_id newest;
    commit c;
    int32_t code = path_in(git_store_private(s), "commit-graph.head", &path);
    if (code == QUIPU_OK && os_read_file(path.bytes, 4096, &note, NULL) == QUIPU_OK && note.len == OBJECT_ID_HEX &&
        object_id_parse(note.bytes, &newest)) {
        code = commit_read(git_store_objects(s), &newest, &c, NULL);
        if (code == QUIPU_OK) {
            commit_free(&c);
        } else {
            os->unlink(path.bytes);
            buffer_clear(&path);
            if (path_in(git_store_path(s), "objects/info/commit-graph", &path) == QUIPU_OK)
                os->unlink(path.bytes);
        }
    }
    buffer_free(&path);
    buffer_free(&note);
}

/* The graph holds all of the history where it has the head, and nothing else where it has no more commits than that. */
static bool is_written(work *w, const object_id *head)
{
    uint32_t at;
    uint64_t count;
    const commit_graph *g = w->links.graph;
    return g && g->filter_ends && commit_graph_find(g, head, &at) &&
           commit_count(w->links.objects, head, &count, NULL) == QUIPU_OK && count == g->count;
}

static int32_t write_graph(work *w)
{
    object_id head;
    buffer bytes = { 0 };
    int32_t code = git_store_head(w->store, &head, w->error);
    if (code != QUIPU_OK || object_id_is_none(&head) || is_written(w, &head))
        return code;
    code = gather(w, &head);
    if (code == QUIPU_OK)
        code = add_filters(w);
    if (code == QUIPU_OK && !graph_print(&w->history, &bytes))
        code = no_memory(w);
    if (code == QUIPU_OK)
        code = note_head(w, &head);
    if (code == QUIPU_OK)
        code = put_in_place(w, &bytes);
    buffer_free(&bytes);
    /* a history with a hole in it, damaged or shallow, is verify's to tell of */
    return code == ENOUGH || code == QUIPU_E_CORRUPT ? QUIPU_OK : code;
}

int32_t git_write_graph(git_store *s, uint64_t memory, graph_check_fn check, void *context, quipu_error *error)
{
    work w = { .store = s, .memory = memory, .check = check, .context = context, .error = error };
    commit_links_begin(&w.links, git_store_objects(s));
    int32_t code = write_graph(&w);
    commit_links_end(&w.links);
    id_map_free(&w.history.map);
    free(w.history.commits);
    free(w.history.parents);
    buffer_free(&w.history.filters);
    return code;
}
