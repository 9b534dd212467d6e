/*
 * shadow.h - shadow mode: the calls that a tap repeats on a second backend, and what is learned from that.
 *
 * Writes go to both in one order, under one lock. A read is repeated after the active backend has answered; where a write came in between,
 * the two answers are not compared. What the second backend does never changes what the caller is told.
 */
#ifndef CORE_SHADOW_H
#define CORE_SHADOW_H

#include "tap.h"

#include <quipu.h>

typedef struct shadow shadow;
struct tenant;

/* NULL without memory. */
shadow *shadow_new(void);
void shadow_free(shadow *s);
/* What has to be undone at its end. */
void shadow_bind(shadow *s, tap *t, struct tenant *to);

int32_t shadow_apply(tap *t, const quipu_change_set *set, quipu_receipt *receipt, const quipu_call *call,
                     quipu_error *error);
int32_t shadow_get(tap *t, const quipu_get *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                   quipu_error *error);
int32_t shadow_scan(tap *t, const quipu_scan *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                    quipu_error *error);
int32_t shadow_search(tap *t, const quipu_search *query, quipu_hit_fn visit, void *context, const quipu_call *call,
                      quipu_error *error);

/* Ends shadow mode where it is on, without a report: the handle is being closed. Under q->control. */
void shadow_drop(quipu *q);

#endif
