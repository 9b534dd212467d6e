/* rounds.c - see rounds.h. */
#include "rounds.h"

#include <stdio.h>

#define ROUND_TEXT "apple of round %u"

int32_t round_play(probe *p, scene_shared *shared, quipu_error *error)
{
    const uint32_t round = shared->next_round;
    char first[16], second[16], text[64];
    if (round >= SCENE_ROUNDS)
        probe_skip(p, "there are too many rounds");
    snprintf(first, sizeof first, "p%04ua", round);
    snprintf(second, sizeof second, "p%04ub", round);
    snprintf(text, sizeof text, ROUND_TEXT, round);
    record *records[] = { probe_record(p, first, "u", text, ""), probe_record(p, second, "u", text, ""),
                          probe_record(p, "counter", "u", text, "") };
    quipu_change changes[3];
    for (size_t i = 0; i < 3; i++)
        changes[i] = probe_put(records[i], QUIPU_EXPECT_ANY, NULL);
    shared->next_round++;
    p->random_state += round; /* another change id than in the scene before */
    int32_t code = probe_apply(p, changes, 3, NULL, error);
    if (code == QUIPU_OK)
        shared->acknowledged[round] = 1;
    for (size_t i = 0; i < 3; i++)
        record_free(records[i]);
    return code;
}

bool round_is_same(probe *p, const seen *s, const char *id, uint32_t round)
{
    char text[64];
    snprintf(text, sizeof text, ROUND_TEXT, round);
    record *r = probe_record(p, id, "u", text, "");
    bool same = str_same(str_make(s->json.bytes, s->json.len), record_view(r)->json);
    record_free(r);
    return same;
}

bool round_is_there(probe *p, uint32_t round, char which, const char *when)
{
    quipu_error error = probe_error();
    char id[16];
    seen s = { 0 };
    snprintf(id, sizeof id, "p%04u%c", round, which);
    int32_t code = probe_get(p, id, NULL, &s, &error);
    if (code != QUIPU_E_NOT_FOUND)
        probe_want(p, code, QUIPU_OK, &error, "get");
    if (code == QUIPU_OK && !round_is_same(p, &s, id, round))
        probe_fail(p, "%s record %s is another one than was stored", when, id);
    seen_free(&s);
    return code == QUIPU_OK;
}

void rounds_want(probe *p, const scene_shared *shared, const char *when)
{
    size_t there = shared->next_round > 0;
    for (uint32_t round = 0; round < shared->next_round; round++) {
        bool first = round_is_there(p, round, 'a', when), second = round_is_there(p, round, 'b', when);
        if (shared->acknowledged[round] && !(first && second))
            probe_fail(p, "%s a change set is lost that apply had answered OK to", when);
        if (first != second)
            probe_fail(p, "%s half of a change set is there", when);
        there += 2 * (size_t)first;
    }
    if (shared->next_round)
        probe_want_count(p, there, when);
}
