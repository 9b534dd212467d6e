/*
 * fence.h - the fence of a store that has moved away (the group "fence" of ext/migrate.h), for backends whose store is a folder: a file
 * "moved" that holds the new place.
 *
 * Every writer asks for it under the store's lock, and it is set and taken away under the same lock, so that who comes after the fence sees
 * it, and what came before it is in the store.
 */
#ifndef SDK_FENCE_H
#define SDK_FENCE_H

#include <base/buffer.h>
#include <quipu/error.h>
#include <quipu/ext/migrate.h>

#define FENCE_FILE "moved"

/* Appends the place; nothing where there is no fence. */
int32_t fence_read(const char *folder, buffer *out, quipu_error *error);
/* Refuses where there is one. Errors: MOVED, those of reading it. */
int32_t fence_check(const char *folder, quipu_error *error);
/* The slot `fenced`, on a store that is open. */
int32_t fence_show(const char *folder, quipu_sink_fn sink, void *context, quipu_error *error);
/* What is asked of the arguments of the slots `fence` and `unfence`. flags: of the open store. */
int32_t fence_check_place(const quipu_str *place, uint32_t flags, quipu_error *error);
int32_t fence_check_set(const quipu_str *position, const quipu_change_set *as, quipu_error *error);

/* Under the store's lock. Durable when it returns. */
int32_t fence_set(const char *folder, quipu_str place, quipu_error *error);
/* For a fence that was set and is not to be: what fails here nobody can mend. */
void fence_drop(const char *folder);
/* Under the store's lock: the slot `unfence`. With QUIPU_UNFENCE_SELF the file stays. Errors: CONFLICT (it names another place). */
int32_t fence_take(const char *folder, quipu_str place, uint32_t scope, quipu_error *error);

#endif
