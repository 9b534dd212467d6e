/*
 * graph.h - a knowledge graph in memory: read from the store, changed, and written back as one change set (quipu_graph.h).
 */
#ifndef MEMORY_GRAPH_H
#define MEMORY_GRAPH_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu_graph.h>

/* An entity or a relation, in the order in which they were made. Texts are the tree's. */
typedef struct graph_item {
    cJSON *tree;                      /* the record; of a new one: what it is to be */
    char *version;                    /* NULL: it is new */
    cJSON *observations;              /* array of strings, of an entity; owned */
    const char *name, *type;          /* of an entity */
    const char *from, *relation, *to; /* of a relation */
    bool is_relation, changed, gone;
} graph_item;

typedef struct graph {
    graph_item *items;
    size_t count, capacity;
    int64_t latest; /* created_at of the newest */
    const quipu_write_options *options;
} graph;

/* Reads all of the scope. Ends with graph_free, also on failure. */
int32_t graph_load(graph *g, quipu *q, const quipu_write_options *options, const quipu_call *call, quipu_error *error);
void graph_free(graph *g);
/* Writes what is new, changed or gone as one change set; nothing where there is nothing. Errors: EXISTS, CONFLICT, NOT_FOUND where somebody was
 * faster, and those of quipu_write_records. */
int32_t graph_store(graph *g, quipu *q, const char *operation, const quipu_call *call, quipu_error *error);

/* Adds an item that is new; NULL without memory. Pointers to other items are void then. */
graph_item *graph_add_entity(graph *g, const char *name, const char *type, const cJSON *observations);
graph_item *graph_add_relation(graph *g, const char *from, const char *relation, const char *to,
                               const cJSON *properties);
/* The first entity of a name that is there (not gone), or NULL. `until`: of the first so many items. */
graph_item *graph_find_entity(const graph *g, const char *name, size_t until);
graph_item *graph_find_relation(const graph *g, const char *from, const char *relation, const char *to, size_t until);

/* {"entities":[...],"relations":[...]} of the items that `shown` marks; NULL: of all. */
void graph_print(const graph *g, const bool *shown, buffer *out);
void graph_print_entity(const graph_item *item, buffer *out);
void graph_print_relation(const graph_item *item, buffer *out);

#endif
