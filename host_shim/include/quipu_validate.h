/*
 * quipu_validate.h - does a plugin keep the contract? The checks behind `quipu validate FILE.so`.
 *
 * Each check has a stable id and runs in a process of its own with a time limit, so that a plugin that crashes or hangs
 * fails one check and not the caller. The checks go from outside in: what the file looks like, what loading it does, what
 * each function answers to good and bad input, whether it behaves as the model does, whether threads can share it, and what is left
 * of a store when calls fail, memory or the disk is short, or the process is killed.
 */
#ifndef QUIPU_VALIDATE_H
#define QUIPU_VALIDATE_H

#include <quipu.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUIPU_OUTCOME_PASS 0u
#define QUIPU_OUTCOME_FAIL 1u
#define QUIPU_OUTCOME_CRASHED 2u /* a signal, or the process ended by itself */
#define QUIPU_OUTCOME_HUNG 3u    /* the time limit passed */
#define QUIPU_OUTCOME_WARN 4u    /* legal, but its author should know */
#define QUIPU_OUTCOME_SKIP 5u    /* does not apply to this plugin, or needs a higher level */

typedef struct quipu_validate_options {
    uint32_t struct_size;
    uint32_t
        level; /* 1..5: how thorough; 0: 1. Each level doubles the random operations; from 4 on each single call fails once */
    uint64_t seed;          /* of the random checks: the same seed makes the same operations */
    uint32_t time_limit_ms; /* of one check; 0: 30,000 */
    uint32_t reserved;
    quipu_str only;   /* the id of one check, or the name of one family; absent: all */
    quipu_str config; /* JSON object with settings for the open of backends and embedders; absent: none */
} quipu_validate_options;

/* One check, and what became of it. Texts are borrowed for the visit. */
typedef struct quipu_check_result {
    uint32_t struct_size;
    uint32_t outcome;  /* QUIPU_OUTCOME_*; SKIP in a list */
    quipu_str id;      /* stable, as "contract-bad-ids" */
    quipu_str family;  /* static, loading, contract, behaviour, threads, faults, life, embedder */
    quipu_str summary; /* what is promised, in one line */
    quipu_str reason;  /* why it is not a pass; absent where there is nothing to say */
    int64_t milliseconds;
} quipu_check_result;

/* As quipu_hit_fn, for results. */
typedef int32_t (*quipu_check_result_fn)(void *context, const quipu_check_result *result) QUIPU_NOEXCEPT;

/* Runs the checks on one plugin file, in order, and shows each result. Forks: call it from a process with one thread. [may-block]
 * options: NULL for all defaults. Answers QUIPU_OK when every check was run, whatever came out.
 * Errors: INVALID (level, only), NOT_FOUND (no such file), IO, and the visitor's. */
QUIPU_API int32_t quipu_validate(const quipu_str *path, const quipu_validate_options *options,
                                 quipu_check_result_fn visit, void *context, quipu_error *error);

/* Shows every check there is, without running one. [any-thread] [fast] */
QUIPU_API int32_t quipu_validate_list(quipu_check_result_fn visit, void *context, quipu_error *error);

#ifdef __cplusplus
}
#endif
#endif
