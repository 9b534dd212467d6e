/*
 * linediff.h - which lines of two texts are equal (longest common subsequence), for people who read a change.
 */
#ifndef CLI_LINEDIFF_H
#define CLI_LINEDIFF_H

#include <quipu/base.h>

/* mark: ' ' in both, '-' only before, '+' only after; 'g' a gap where equal lines were left out. */
typedef void (*linediff_fn)(void *context, char mark, quipu_str line);

/* Shows the lines in reading order, equal ones only within `around` lines of a change. Texts too large to compare line
 * by line are shown as all removed and all added. 0, or -1 without memory. */
int linediff(quipu_str before, quipu_str after, size_t around, linediff_fn show, void *context);

#endif
