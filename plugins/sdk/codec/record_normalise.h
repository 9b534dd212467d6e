/*
 * record_normalise.h - a JSON tree becomes a record's: checked, defaults filled in, times, sets and empty ones settled.
 */
#ifndef SDK_RECORD_NORMALISE_H
#define SDK_RECORD_NORMALISE_H

#include <sdk/record.h>

/* Changes `tree` and fills `view` from it (not version and json); its strings point into the tree, its tags to `*tags`, which
 * the caller frees. On failure too the view is filled as far as it went. */
int32_t record_normalise(cJSON *tree, const record_defaults *defaults, quipu_record *view, quipu_str **tags,
                         quipu_error *error);

/* A view of a record that has no field yet. */
void record_view_clear(quipu_record *view);

/* QUIPU_OK, or QUIPU_E_NO_MEMORY with the error filled where `there` is false. */
int32_t fail_unless_memory(bool there, quipu_error *error);

/* Years 0000 to 9999, which RFC 3339 can write. */
bool time_in_range(int64_t time);

#endif
