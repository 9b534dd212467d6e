/*
 * letters.h - a host whose embedder counts letters, and how often it was asked.
 */
#ifndef TESTS_LETTERS_H
#define TESTS_LETTERS_H

#include <quipu/plugin.h>
#include <stdatomic.h>
#include <stdbool.h>

#define LETTERS_DIMENSION 8 /* how many there are of each of a to h */

typedef struct letters {
    atomic_int passages, questions; /* embedded */
    _Atomic int32_t answer;         /* what the embedder returns */
    bool nan, too_few, no_passages; /* what it does wrong */
    bool backwards;                 /* it counts from h to a */
    atomic_bool holds;              /* a passage gets no answer until this ends, or the call */
    atomic_bool held;               /* one is without an answer just now */
    atomic_int *of_all;             /* passages embedded by all processes; or NULL */
    const char *model_id;           /* NULL: "letters:8" */
    int64_t now;                    /* microseconds */
} letters;

/* There is one of them in a program. */
extern letters the_letters;
void letters_reset(void);
extern const quipu_host letters_host; /* with the embedder */
extern const quipu_host plain_host;   /* without */

#endif
