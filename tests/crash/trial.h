/*
 * trial.h - one store after another is brought into trouble, looked at, and thrown away.
 *
 * What may crash or hang runs in a forked child with a time limit; it says what is wrong by a line of text.
 */
#ifndef TESTS_CRASH_TRIAL_H
#define TESTS_CRASH_TRIAL_H

#include "fault_os.h"
#include "model_store.h"

#include <sys/types.h>

enum { TRIAL_PATH = 200, TRIAL_WHY = 400 };

/* QUIPU_LONG=1: everything, not a sample. */
bool trial_long(void);
/* What a sample is drawn by: QUIPU_SEED, else the time; printed once. */
unsigned trial_seed(void);
/* The folder of this program; begin makes it, end removes it. */
extern char trial_folder[128];
int trial_begin(void **state);
int trial_end(void **state);
/* "<folder>/<name>", into `out`. */
void trial_path(const char *name, char out[TRIAL_PATH]);
/* Copies a folder to one that must not be there; or removes one. */
void trial_copy(const char *from, const char *to);
void trial_remove(const char *path);

/* "" where every file of one folder is somewhere in the other, to the byte; else which are not. Derived state and locks apart. */
void trial_find_deleted(const char *before, const char *after, char why[TRIAL_WHY]);

/* Runs `work` in a child, with the table of fault_os.h and no fault. "" when it returned without a word, else what is wrong: its own text, a signal, the time limit. */
typedef void (*trial_fn)(void *context, char why[TRIAL_WHY]);
void trial_child(trial_fn work, void *context, unsigned seconds, char why[TRIAL_WHY]);

/* A row of change sets, brought to a store that holds those before it. */
typedef struct workload {
    const char *name;
    const char *config;    /* of the backend; NULL: none */
    const char *prepare;   /* a shell command that is run in the base store; NULL: none */
    unsigned before;       /* sets in the base store; 0: there is no store */
    unsigned sets;         /* more of them */
    unsigned crash_at;     /* the base store was killed before this operation of the first set; 0: it was closed */
    unsigned reopen_after; /* the store is closed and opened again after so many; 0: never */
    bool may_leave;        /* a file could not be removed: then it may lie there afterwards */
} workload;

/* Makes the base store of a workload. */
void workload_base(const workload *w, const char *path);
/* Runs it in a child under `plan`: the number of the last set that was acknowledged. *killed: by the plan; ends the test where it
 * ended in any other way but well. */
unsigned workload_run(const workload *w, const char *path, const fault_plan *plan, bool *killed);
/* What must hold of a store after sets up to `acknowledged` were: everything. "" or what is wrong. */
void workload_check(const workload *w, const char *path, unsigned acknowledged, char why[TRIAL_WHY]);

#endif
