/*
 * scene.h - a part of a check that runs in a process of its own with the plugin loaded anew, because it may be killed there.
 *
 * A check with scenes loads nothing itself. What a scene wants to tell the check goes through `scene_shared`.
 */
#ifndef VALIDATE_SCENE_H
#define VALIDATE_SCENE_H

#include "probe.h"

#define SCENE_ROUNDS 4096

typedef struct scene_shared {
    uint32_t backends;   /* of the plugin */
    uint32_t persistent; /* 1: the store is on disk */
    uint32_t operations; /* file operations that were counted */
    uint32_t next_round; /* number of change sets that were tried so far */
    int32_t code;        /* what the last call answered */
    char message[256];
    uint8_t acknowledged[SCENE_ROUNDS]; /* by round: apply answered OK */
} scene_shared;

/* Runs in the child; the plugin is initialised, no store is open. */
typedef void (*scene_part)(probe *p, scene_shared *shared, void *context);

enum scene_end { SCENE_DONE, SCENE_KILLED /* by SIGKILL */, SCENE_ABORTED /* by SIGABRT */ };

/* Memory that scenes share with the check. */
scene_shared *scene_begin(probe *p);
/* `size` bytes of zeros that scenes share as well. */
void *scene_memory(probe *p, size_t size);
/* Plays one part to its end. Fails the check where it ends by another signal, and ends the check where the part did. */
enum scene_end scene_play(probe *p, scene_shared *shared, scene_part part, void *context, const char *what);
/* The same in two steps, for scenes that are played at once. */
int scene_start(probe *p, scene_shared *shared, scene_part part, void *context);
enum scene_end scene_wait(probe *p, int process, const char *what);
/* Runs `check` once for each backend that keeps something on disk; skips where there is none. */
void scene_each_backend(probe *p, void (*check)(probe *p, scene_shared *shared));

#endif
