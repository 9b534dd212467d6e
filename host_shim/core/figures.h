/*
 * figures.h - all figures about a store: those of its backend, then those of the vectors, where an embedder is there.
 */
#ifndef CORE_FIGURES_H
#define CORE_FIGURES_H

#include <quipu.h>

int32_t figures_read(quipu *q, quipu_stat_fn visit, void *context, const quipu_call *call, quipu_error *error);

#endif
