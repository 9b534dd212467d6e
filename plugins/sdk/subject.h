/*
 * subject.h - the one readable line that a history shows for a change set: "add: prefers morning meetings".
 */
#ifndef SDK_SUBJECT_H
#define SDK_SUBJECT_H

#include <base/buffer.h>
#include <quipu/change.h>
#include <stdbool.h>

/* Appends it, without a line end. told: the record whose text is quoted where `quote` is set and one record changed (of a delete: the one that
 * goes), or NULL. changed: records that become another state. About 60 bytes; control characters become blanks. */
void change_subject(const quipu_change_set *set, const quipu_record *told, uint64_t changed, bool quote, buffer *out);

#endif
