/*
 * rounds.h - work whose outcome can be told afterwards by another process: a round stores two new records and changes a third,
 * in one change set.
 */
#ifndef VALIDATE_ROUNDS_H
#define VALIDATE_ROUNDS_H

#include "scene.h"

/* Plays round `shared->next_round` on the open store. Answers what apply did; where that is OK the round is acknowledged. */
int32_t round_play(probe *p, scene_shared *shared, quipu_error *error);
/* The record of one round ('a' or 'b') is there; fails where it is there and another one than was stored. */
bool round_is_there(probe *p, uint32_t round, char which, const char *when);
/* What was seen is the record `id` as that round stored it, byte for byte. */
bool round_is_same(probe *p, const seen *s, const char *id, uint32_t round);
/* Fails unless each acknowledged round is there, no round by half, and nothing else is. */
void rounds_want(probe *p, const scene_shared *shared, const char *when);

#endif
