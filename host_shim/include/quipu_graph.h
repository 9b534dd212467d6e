/*
 * quipu_graph.h - a knowledge graph above any backend: entities with observations, and relations between them.
 *
 * An entity is a record of kind "entity" whose `entity` has its type and, as id, its name, and whose text holds the observations, a line
 * each (in `value` as well, where a line would not tell them apart). A relation is a record of kind "relation" with head, relation
 * and tail; its properties are its value. Names are merged within a scope: the four scope fields of the options say which graph is meant.
 * Ids follow from name and scope, so that two clones of a store that learn of the same thing merge.
 *
 * The rules are those of the Model Context Protocol's memory server
 * (https://github.com/modelcontextprotocol/servers/tree/main/src/memory): what is there already is skipped and not answered; a relation's
 * ends need not exist; an entity goes with its relations; words are looked for in any letter case, as parts of names, types and observations.
 */
#ifndef QUIPU_GRAPH_H
#define QUIPU_GRAPH_H

#include "quipu.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUIPU_KIND_ENTITY "entity"

/* One step, which is one change set at most: all of it is done, or nothing. [any-thread] [may-block]
 *
 *   request                                                                            answer
 *   {"op":"create_entities","entities":[{"name","entityType","observations":["..."]}]}  {"entities":[those that are new]}
 *   {"op":"create_relations","relations":[{"from","to","relationType","properties"?}]}  {"relations":[those that are new]}
 *   {"op":"add_observations","observations":[{"entityName","contents":["..."]}]}        {"results":[{"entityName","addedObservations"}]}
 *   {"op":"delete_entities","entityNames":["..."]}                                      {"deleted":records}
 *   {"op":"delete_observations","deletions":[{"entityName","observations":["..."]}]}    {"deleted":observations}
 *   {"op":"delete_relations","relations":[{"from","to","relationType"}]}                {"deleted":records}
 *   {"op":"read"}                                                                       {"entities":[...],"relations":[...]}
 *   {"op":"search","query":"..."}                      likewise, with the relations that touch one of the entities
 *   {"op":"open","names":["..."]}                      likewise
 *   {"op":"neighbours","names":["..."],"depth":1}      likewise: what is at most `depth` (1 to 16) relations away from one of the names
 *
 * options: scope, author and the like; or NULL. What others write meanwhile is not lost: the step is tried again where it met them.
 * Errors: INVALID (field), NOT_FOUND (add_observations: "Entity with name X not found"; nothing is added then), CONFLICT (others write
 * all the time), and those of quipu_write_records. */
QUIPU_API int32_t quipu_graph_json(quipu *q, const quipu_str *request, const quipu_write_options *options,
                                   quipu_sink_fn sink, void *context, const quipu_call *call, quipu_error *error);

#ifdef __cplusplus
}
#endif
#endif
