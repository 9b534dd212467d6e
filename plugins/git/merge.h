/*
 * merge.h - merging another line of history into the branch, by record: for inbox, sync and branches.
 */
#ifndef PLUGINS_GIT_MERGE_H
#define PLUGINS_GIT_MERGE_H

#include "backend.h"

#include <quipu/ext/sync.h>

/* Whose changes are taken in. */
typedef struct merge_source {
    const char *label; /* for the commit's subject: "inbox/ruth" */
    objects *from; /* another repository, from which the commits have to be copied first; NULL: they lie in the store */
    object_id tip;
} merge_source;

typedef struct merge_result {
    uint32_t flags; /* QUIPU_MERGE_* */
    uint64_t revisions, records, conflicts;
    object_id revision; /* of the branch, afterwards */
} merge_result;

/* Merges, as one transaction, again where somebody else moved the branch. as: author, time, change id, operation and source. Errors:
 * FORMAT (theirs is no store, or of a newer format), and those of a write. */
int32_t merge_history(quipu_backend *self, const merge_source *source, const quipu_change_set *as, merge_result *out,
                      const quipu_call *call, quipu_error *error);
/* Checks a report that was lent, and fills it; NULL is fine. */
int32_t merge_report_check(const quipu_merge_report *report, quipu_error *error);
void merge_report_fill(quipu_merge_report *report, const merge_result *result);
/* Checks `as`: a well-formed set without changes, and a store that may be written. */
int32_t merge_check(quipu_backend *self, const quipu_change_set *as, const quipu_merge_report *report,
                    const quipu_call *call, quipu_error *error);

#endif
