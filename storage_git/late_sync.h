/*
 * late_sync.h - the setting "relaxed": what was written is synced a little later, all of it at once.
 *
 * One thread a store, made when the first change is noted. It waits LATE_SYNC_MS after a change, then syncs the file system that the
 * store is on (syncfs(2), Linux), so that many changes share one sync. A change is thus on the disk within
 * LATE_SYNC_MS and the time that one sync takes. A sync that failed is told at the next call here, and tried again.
 */
#ifndef STORAGE_GIT_LATE_SYNC_H
#define STORAGE_GIT_LATE_SYNC_H

#include <quipu/error.h>

enum { LATE_SYNC_MS = 50 };

typedef struct late_sync late_sync;

/* folder: of the store. Errors: IO, NO_MEMORY. */
int32_t late_sync_create(const char *folder, late_sync **out, quipu_error *error);
/* Syncs what is still outstanding, ends the thread, frees; NULL is nothing to do. In a forked child, where there is no such thread, it only
 * frees. */
void late_sync_free(late_sync *l);
/* Something was written. Errors: those of the sync before, which the caller has to tell: that change may be lost. */
int32_t late_sync_note(late_sync *l, quipu_error *error);
/* Syncs at once what is outstanding, and waits for it. Errors: IO, FULL. */
int32_t late_sync_now(late_sync *l, quipu_error *error);

#endif
