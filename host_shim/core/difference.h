/*
 * difference.h - revisions, and how two states of a record differ, field by field; as JSON.
 */
#ifndef CORE_DIFFERENCE_H
#define CORE_DIFFERENCE_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu/ext/history.h>

/* One field that differs, by its path ("metadata.a"). before, after: borrowed; NULL where the field was not there. */
typedef void (*field_fn)(void *context, const char *path, const cJSON *before, const cJSON *after);
void difference_walk(const quipu_difference *d, field_fn show, void *context);

/* {"id","change":"added"|"removed"|"changed","fields":[{"field","before"?,"after"?}]}, with `states` the whole records as well: "before"?,
 * "after"? */
void difference_json(const quipu_difference *d, bool states, buffer *out);
/* {"revision","parent","author","time","committed_at","operation","subject","source","foreign" - without the closing brace. */
void revision_json(const quipu_revision *r, buffer *out);

#endif
