/* vectors.c - see vectors.h. Rows lie in blocks of about 4 MiB, so that growing copies nothing. */
#include <sdk/vectors.h>

#include <base/fail.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)4 << 20)

struct vectors {
    float **blocks;
    uint32_t block_count, block_capacity;
    uint32_t rows_per_block;
    uint32_t dimension;
    uint32_t count;
};

int32_t vectors_create(uint32_t dimension, vectors **out, quipu_error *error)
{
    *out = NULL;
    if (dimension == 0 || dimension > VECTORS_DIMENSION_MAX)
        return fail(error, QUIPU_E_INVALID, "dimension", "a vector has 1 to %u floats, not %u", VECTORS_DIMENSION_MAX,
                    dimension);
    int32_t rc = vectors_check_blas(error);
    if (rc != QUIPU_OK)
        return rc;
    vectors *v = calloc(1, sizeof *v);
    if (!v)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for vectors");
    v->dimension = dimension;
    v->rows_per_block = (uint32_t)(BLOCK_BYTES / (dimension * sizeof(float)));
    *out = v;
    return QUIPU_OK;
}

void vectors_free(vectors *v)
{
    if (!v)
        return;
    for (uint32_t i = 0; i < v->block_count; i++)
        free(v->blocks[i]);
    free(v->blocks);
    free(v);
}

uint32_t vectors_dimension(const vectors *v)
{
    return v->dimension;
}

uint32_t vectors_count(const vectors *v)
{
    return v->count;
}

static float *row_at(const vectors *v, uint32_t row)
{
    return v->blocks[row / v->rows_per_block] + (size_t)(row % v->rows_per_block) * v->dimension;
}

const float *vectors_row(const vectors *v, uint32_t row)
{
    return row_at(v, row);
}

static bool add_block(vectors *v)
{
    if (v->block_count == v->block_capacity) {
        uint32_t capacity = v->block_capacity ? v->block_capacity * 2 : 8;
        float **blocks = realloc(v->blocks, capacity * sizeof *blocks);
        if (!blocks)
            return false;
        v->blocks = blocks;
        v->block_capacity = capacity;
    }
    float *block = malloc((size_t)v->rows_per_block * v->dimension * sizeof *block);
    if (!block)
        return false;
    v->blocks[v->block_count++] = block;
    return true;
}

int32_t vectors_add(vectors *v, const float *vector, uint32_t *row, quipu_error *error)
{
    if (v->count == VECTORS_NONE - 1)
        return fail(error, QUIPU_E_TOO_LARGE, NULL, "there are too many vectors");
    if (v->count / v->rows_per_block == v->block_count && !add_block(v))
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for %u vectors", v->count + 1);
    *row = v->count++;
    vectors_normalise(vector, v->dimension, row_at(v, *row));
    return QUIPU_OK;
}

uint32_t vectors_remove(vectors *v, uint32_t row)
{
    uint32_t last = --v->count;
    if (row != last)
        memcpy(row_at(v, row), row_at(v, last), v->dimension * sizeof(float));
    /* One empty block is kept, so that a row that comes and goes does not allocate each time. */
    while (v->block_count > v->count / v->rows_per_block + 2)
        free(v->blocks[--v->block_count]);
    return row != last ? last : VECTORS_NONE;
}

int32_t vectors_score(const vectors *v, const float *question, float *out, const quipu_call *call, quipu_error *error)
{
    for (uint32_t first = 0; first < v->count; first += v->rows_per_block) {
        int32_t rc = call_check(call, error);
        if (rc != QUIPU_OK)
            return rc;
        uint32_t rows = v->count - first < v->rows_per_block ? v->count - first : v->rows_per_block;
        int dimension = (int)v->dimension;
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)rows, dimension, 1.0f, row_at(v, first), dimension, question, 1,
                    0.0f, out + first, 1);
    }
    return QUIPU_OK;
}

float vectors_cosine(const vectors *v, uint32_t row, const float *question)
{
    return cblas_sdot((int)v->dimension, row_at(v, row), 1, question, 1);
}

/* True where a is a worse answer than b. */
static bool worse(vectors_match a, vectors_match b)
{
    return a.score < b.score || (a.score == b.score && a.row > b.row);
}

/* The worst of `count` stands at the top of the heap; lets it sink from `at`. */
static void sink(vectors_match *heap, uint32_t count, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1, lowest = at;
        if (child < count && worse(heap[child], heap[lowest]))
            lowest = child;
        if (child + 1 < count && worse(heap[child + 1], heap[lowest]))
            lowest = child + 1;
        if (lowest == at)
            return;
        vectors_match other = heap[at];
        heap[at] = heap[lowest];
        heap[lowest] = other;
        at = lowest;
    }
}

int32_t vectors_top(const vectors *v, const float *question, uint32_t k, vectors_match *out, uint32_t *count,
                    const quipu_call *call, quipu_error *error)
{
    *count = 0;
    float *scores = malloc((v->count ? v->count : 1) * sizeof *scores);
    if (!scores)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory to search with");
    int32_t rc = vectors_score(v, question, scores, call, error);
    uint32_t kept = 0;
    for (uint32_t row = 0; rc == QUIPU_OK && k > 0 && row < v->count; row++) {
        vectors_match match = { scores[row], row };
        if (kept < k) {
            out[kept++] = match;
            for (uint32_t i = kept == k ? k / 2 + 1 : 0; i > 0; i--)
                sink(out, kept, i - 1);
        } else if (worse(out[0], match)) {
            out[0] = match;
            sink(out, kept, 0);
        }
    }
    free(scores);
    if (rc != QUIPU_OK)
        return rc;
    for (uint32_t i = kept / 2 + 1; i > 0 && kept < k; i--) /* fewer than k: not a heap yet */
        sink(out, kept, i - 1);
    for (uint32_t left = kept; left > 1; left--) { /* heap sort: the worst goes to the end */
        vectors_match worst = out[0];
        out[0] = out[left - 1];
        out[left - 1] = worst;
        sink(out, left - 1, 0);
    }
    *count = kept;
    return QUIPU_OK;
}
