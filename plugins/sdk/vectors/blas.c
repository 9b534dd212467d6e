/* blas.c - see blas.h and vectors.h. */
#include "blas.h"

#include <sdk/vectors.h>

#include <base/fail.h>
#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

/* OpenBLAS 0.3 divides a matrix-vector product from 9,216 floats on, and a product of matrices from 262,145 multiplications on
 * (interface/gemv.c and gemm.c: GEMM_MULTITHREAD_THRESHOLD of 4). */
#define UNDIVIDED_VECTOR 9215u
#define UNDIVIDED_MATRIX 262144u
#define LONG_ROW 64u /* floats from which on the call of sdot costs less than sgemv's slower reading */
#define TILE_BYTES ((uint32_t)1 << 18) /* of rows; a part of the second-level cache */

/* Not every BLAS has these; then they are NULL. */
extern void openblas_set_num_threads(int count) __attribute__((weak));
extern int openblas_get_num_threads(void) __attribute__((weak));
extern char *openblas_get_config(void) __attribute__((weak));

/* ---- threads ---- */

#define THREADS_MOST 256

static pthread_once_t threads_asked = PTHREAD_ONCE_INIT;
static int threads_chosen; /* by $QUIPU_BLAS_THREADS; 0: not; -1: it is no number of threads */

static void choose_threads(void)
{
    const char *text = getenv("QUIPU_BLAS_THREADS");
    char *end = NULL;
    if (!text || !*text)
        return;
    long count = strtol(text, &end, 10);
    threads_chosen = *end || count < 1 || count > THREADS_MOST ? -1 : (int)count;
    if (threads_chosen > 0)
        vectors_set_threads(threads_chosen);
}

static int32_t check_threads(quipu_error *error)
{
    pthread_once(&threads_asked, choose_threads);
    return threads_chosen >= 0 ? QUIPU_OK
                               : fail(error, QUIPU_E_INVALID, "QUIPU_BLAS_THREADS",
                                      "QUIPU_BLAS_THREADS must be a number from 1 to %d, or not set", THREADS_MOST);
}

/* ---- what every BLAS must do ---- */

int32_t vectors_check_blas(quipu_error *error)
{
    int32_t rc = check_threads(error);
    if (rc != QUIPU_OK)
        return rc;
    /* Sizes that differ, padding that must not be read, and values that floats hold exactly. */
    static const float matrix[3 * 5] = { 1, 2, 3, 4, 99, -1, 0.5f, 0, 2, 99, 0, 0, -8, 0.25f, 99 };
    static const float vector[4] = { 2, -1, 0.5f, 4 };
    static const float expected[3] = { 17.5f, 5.5f, -3 };
    float result[4] = { 7, 7, 7, 7 };
    cblas_sgemv(CblasRowMajor, CblasNoTrans, 3, 4, 1.0f, matrix, 5, vector, 1, 0.0f, result, 1);
    for (int i = 0; i < 3; i++)
        if (!(fabsf(result[i] - expected[i]) < 1e-5f))
            return fail(
                error, QUIPU_E_INTERNAL, NULL,
                "the BLAS in this process (%s) multiplies wrongly; another library may stand in OpenBLAS's place",
                vectors_blas_name());
    if (result[3] != 7)
        return fail(error, QUIPU_E_INTERNAL, NULL, "the BLAS in this process (%s) writes past its result",
                    vectors_blas_name());
    return QUIPU_OK;
}

bool vectors_set_threads(int count)
{
    if (!openblas_set_num_threads || count < 1)
        return false;
    openblas_set_num_threads(count);
    return true;
}

const char *vectors_blas_name(void)
{
    return openblas_get_config ? openblas_get_config() : "not OpenBLAS";
}

/* Rows that one call of BLAS may take: where nobody chose a number of threads, so few that it does not divide them among its own.
 * `undivided`: in floats. */
static uint32_t tile_rows(uint32_t dimension, uint32_t undivided)
{
    bool alone = threads_chosen > 0 || !openblas_get_num_threads || openblas_get_num_threads() == 1;
    uint32_t rows = (alone ? TILE_BYTES / (uint32_t)sizeof(float) : undivided) / dimension;
    return rows ? rows : 1;
}

void blas_scores(const float *rows, uint32_t count, uint32_t dimension, const float *question, float *scores)
{
    uint32_t tile = tile_rows(dimension, UNDIVIDED_VECTOR), some;
    for (uint32_t i = 0; dimension >= LONG_ROW && i < count; i++)
        scores[i] = blas_dot(rows + (size_t)i * dimension, question, dimension);
    if (dimension >= LONG_ROW)
        return;
    for (uint32_t i = 0; i < count; i += some) {
        some = count - i < tile ? count - i : tile;
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)some, (int)dimension, 1.0f, rows + (size_t)i * dimension,
                    (int)dimension, question, 1, 0.0f, scores + i, 1);
    }
}

void blas_scores_many(const float *rows, uint32_t count, uint32_t dimension, const float *asked, uint32_t questions,
                      float *scores)
{
    uint32_t tile = tile_rows(dimension, UNDIVIDED_MATRIX / questions), some;
    for (uint32_t i = 0; i < count; i += some) {
        some = count - i < tile ? count - i : tile;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)some, (int)questions, (int)dimension, 1.0f,
                    rows + (size_t)i * dimension, (int)dimension, asked, (int)dimension, 0.0f,
                    scores + (size_t)i * questions, (int)questions);
    }
}

float blas_dot(const float *a, const float *b, uint32_t dimension)
{
    return cblas_sdot((int)dimension, a, 1, b, 1);
}
