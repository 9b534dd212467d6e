/*
 * model.h - what a store should hold, by the plainest means: an array. It follows plugin_api/quipu/change.h by itself and
 * shares no code with the SDK's checks, so that the two are not wrong in the same way.
 */
#ifndef VALIDATE_MODEL_H
#define VALIDATE_MODEL_H

#include <quipu/change.h>
#include <sdk/record.h>

#define MODEL_RECORDS 64

typedef struct model {
    record *records[MODEL_RECORDS]; /* in no order */
    size_t count;
} model;

/* Makes the changes or none; answers the code that a backend has to answer. `changed` counts the records with a new state.
 * alternative: where two rules are broken at once, the other code that is right, too. */
int32_t model_apply(model *m, const quipu_change *changes, size_t count, uint64_t *changed, int32_t *alternative);
const quipu_record *model_find(const model *m, quipu_str id);
/* The records of a user (NULL: all) in an order of query.h, into `out` of MODEL_RECORDS; their number. */
size_t model_list(const model *m, const char *user, uint32_t order, const quipu_record **out);
void model_free(model *m);

#endif
