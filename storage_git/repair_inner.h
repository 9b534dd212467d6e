/*
 * repair_inner.h - one repair, as its steps share it. repair.c takes them in this order.
 */
#ifndef STORAGE_GIT_REPAIR_INNER_H
#define STORAGE_GIT_REPAIR_INNER_H

#include "aside.h"
#include "git_store_inner.h"
#include "repair.h"

typedef struct repair {
    git_store *store;
    const repair_options *options;
    aside *aside;           /* NULL: it only looks */
    bool folders_were_lost; /* of the head */
    bool packs_are_damaged; /* and stay so: it only looks */
    const quipu_call *call;
    quipu_error *error;
} repair;

/* Tells of a thing: with a repair that it was mended, else that it is damaged. The message is printf's. */
int32_t repair_tell(repair *r, uint32_t severity, const char *area, const char *subject, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* REPAIR_DONE in a repair, else REPAIR_DAMAGE. */
uint32_t repair_severity(const repair *r);
int32_t repair_no_memory(const repair *r);
/* "<store>/<inner>" into `out`, which is cleared. */
int32_t repair_path(const repair *r, buffer *out, const char *inner);

/* leftovers.c: temporary files, locks and keeps of processes that are no more; what git derives from the objects. */
int32_t repair_leftovers(repair *r);
/* The same file: a pipe, a socket or a device, also one that a link leads to. */
bool repair_is_strange(const char *path);
int32_t repair_tell_strange(repair *r, const char *inner, const char *path);
/* pack_repair.c: each pack and its index. */
int32_t repair_packs(repair *r);
/* layout_repair.c: HEAD and config. */
int32_t repair_layout(repair *r);
/* HEAD shall name this branch, because of `why`: done in a repair, else told. */
int32_t repair_head(repair *r, const char *branch, const char *why);
/* ref_repair.c: what branches and other refs lead to. */
int32_t repair_refs(repair *r);
/* lost_branch.c: a branch that has no commit. head: HEAD names it. */
int32_t repair_lost_branch(repair *r, const char *branch, bool head);

/* connectivity.c: every object, and whether what it names is there. *lost: something is not. */
int32_t repair_objects(repair *r, bool *lost);
/* The same file: what of that is lost to somebody, because a ref leads to it. */
int32_t repair_reach(repair *r);
/* lost_files.c: files of the head that cannot be read get their last readable version, or go: by a commit that says so. */
int32_t repair_lost_files(repair *r);

#endif
