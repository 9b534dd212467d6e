/*
 * merge.h - two changes of one record, merged against the state that both came from.
 *
 * Merging is symmetric: which side is called "ours" makes no difference to any byte of the outcome, so that two stores
 * that merge each other's changes end equal. Of the two sides one is *kept*: that with the later updated_at, or where these
 * are equal, with the larger canonical form. Then, member by member:
 *
 *   created_at           the earlier
 *   updated_at           the later
 *   tags, links          sets: what either side added is in, what either side removed is out
 *   metadata, value      key by key, objects within objects likewise
 *   any other            changed by one side: the change; changed by both to the same: that; else a conflict: the kept
 *                        side's stays, and a conflict record remembers the other
 *
 * A side that deleted the record while the other changed it is a conflict as well: the changed record stays.
 */
#ifndef SDK_MERGE_H
#define SDK_MERGE_H

#include <sdk/record.h>

#define MERGE_LINK_REL "conflict-of" /* the link from a conflict record to the record that it is about */

typedef struct merged_record {
    record *result;   /* NULL: gone */
    record *conflict; /* a record of kind "conflict"; NULL where nothing is left open */
} merged_record;

/* Merges. base: NULL where there was none; ours, theirs: NULL where that side has none (not both). To be ended with
 * merged_record_free, also after a failure.
 *
 * The conflict record: its id follows from the record's id and the versions; its scope is the record's; a link "conflict-of"
 * leads to the record; `value` is
 *   {"record": id, "fields": [JSON Pointers (RFC 6901) of what both changed; "" is the whole record],
 *    "base", "ours", "theirs": the three states, each absent where there was none}
 * with the kept side as "ours". Where the two sides lie in different scopes, neither may see the other: the conflict record then lies in
 * the scope of the side that was not kept, and holds that state only. Two states of a conflict record itself never make another:
 * the kept one stays. */
int32_t record_merge(const quipu_record *base, const quipu_record *ours, const quipu_record *theirs, merged_record *out,
                     quipu_error *error);
void merged_record_free(merged_record *m);

#endif
