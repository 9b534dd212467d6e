/* unit.c - see vectors.h: single vectors. */
#include <sdk/vectors.h>

#include <base/fail.h>
#include <math.h>

bool vectors_are_finite(const float *vector, uint32_t dimension)
{
    for (uint32_t i = 0; i < dimension; i++)
        if (!isfinite(vector[i]))
            return false;
    return true;
}

bool vectors_normalise(const float *from, uint32_t dimension, float *to)
{
    double sum = 0; /* floats squared cannot overflow a double */
    for (uint32_t i = 0; i < dimension; i++)
        sum += (double)from[i] * from[i];
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (uint32_t i = 0; i < dimension; i++)
        to[i] = (float)(from[i] * scale);
    return sum > 0;
}

int32_t vectors_check(const float *vector, uint64_t dimension, uint32_t expected, quipu_error *error)
{
    if (dimension != expected)
        return fail(error, QUIPU_E_INVALID, "vector", "the vector has %llu floats, but those of this model have %u",
                    (unsigned long long)dimension, expected);
    if (!vectors_are_finite(vector, expected))
        return fail(error, QUIPU_E_INVALID, "vector", "the vector holds a number that is not finite");
    return QUIPU_OK;
}
