/* codes.c - see codes.h. */
#include "codes.h"

#include <math.h>
#include <stdbool.h>

void codes_encode(const float *difference, const float *centre, uint32_t dimension, uint8_t *block, uint32_t place,
                  codes_factors *factors)
{
    float norm = 0, inner = 0, of_difference = 0, of_centre = 0;
    uint32_t lane = place % 16, shift = place < 16 ? 0 : 4;
    for (uint32_t i = 0; i < dimension; i++) {
        bool positive = difference[i] > 0;
        norm += difference[i] * difference[i];
        inner += difference[i] * centre[i];
        of_difference += fabsf(difference[i]);
        of_centre += positive ? centre[i] : -centre[i];
        block[(size_t)(i / 4) * 16 + lane] |= (uint8_t)(positive << (shift + i % 4));
    }
    factors->slope = of_difference > 0 ? norm / of_difference : 0;
    factors->shift = inner - factors->slope * of_centre;
}

/* The sums of four floats' subsets. */
static void subset_sums(const float *values, float sums[16])
{
    sums[0] = 0;
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t j = 0; j < 1u << i; j++)
            sums[j + (1u << i)] = sums[j] + values[i];
}

static float lowest_of(const float *values)
{
    float lowest = 0;
    for (uint32_t i = 0; i < 4; i++)
        lowest += values[i] < 0 ? values[i] : 0;
    return lowest;
}

void codes_ask(const float *rotated, uint32_t dimension, uint8_t *table, codes_question *out)
{
    uint32_t groups = codes_groups(dimension);
    float widest = 0, lowest = 0, all = 0;
    /* The sum of all groups' bytes has to fit into 16 bits. */
    uint32_t share = 65535 / groups;
    float most = share < 255 ? (float)share : 255;
    for (uint32_t g = 0; g < groups; g++) {
        float values[4], width = 0;
        for (uint32_t i = 0; i < 4; i++) {
            values[i] = 4 * g + i < dimension ? rotated[4 * g + i] : 0;
            width += fabsf(values[i]);
            all += values[i];
        }
        lowest += lowest_of(values);
        widest = width > widest ? width : widest;
    }
    float step = widest > 0 ? widest / most : 1;
    for (uint32_t g = 0; g < groups; g++) {
        float values[4], sums[16];
        for (uint32_t i = 0; i < 4; i++)
            values[i] = 4 * g + i < dimension ? rotated[4 * g + i] : 0;
        subset_sums(values, sums);
        float low = lowest_of(values);
        for (uint32_t i = 0; i < 16; i++) {
            float scaled = (sums[i] - low) / step + 0.5f;
            table[(size_t)g * 16 + i] = (uint8_t)(scaled < most ? scaled : most);
        }
    }
    *out = (codes_question){ .scale = 2 * step, .offset = 2 * lowest - all, .groups = groups, .table = table };
}
