/* vector_check.c - part of vector_index.h: is what lies in a folder sound, of whatever model it is? */
#include "vector_index_inner.h"

#include <base/fail.h>
#include <math.h>
#include <string.h>

#define UNIT_SLACK 0.02 /* by which the square of a length may be off */

/* Rows are of unit length, or zero; keys are found by halving. */
static const char *fault_of_run(const run *r)
{
    for (uint32_t i = 0; i < r->rows; i++) {
        double square = 0;
        const float *row = run_row(r, i);
        for (uint32_t j = 0; j < r->dimension; j++)
            square += (double)row[j] * (double)row[j];
        if (!isfinite(square) || (square > 0 && fabs(square - 1) > UNIT_SLACK))
            return "a vector is not of unit length";
        if (r->by_key[i] >= r->rows ||
            (i > 0 && memcmp(run_key(r, r->by_key[i - 1]), run_key(r, r->by_key[i]), VECTOR_KEY) >= 0))
            return "its keys are not in order";
    }
    return NULL;
}

static int32_t check_image(quipu_str image, uint64_t *rows, const char **fault, quipu_error *error)
{
    run_header h;
    int32_t rc = QUIPU_OK;
    uint32_t removals;
    *fault = "a file in it has another form";
    if (image.len < sizeof h)
        return rc;
    memcpy(&h, image.ptr, sizeof h);
    if (h.model_len > image.len - sizeof h)
        return rc;
    quipu_str model = str_make(image.ptr + sizeof h, h.model_len);
    run *r = run_open(image, model, h.dimension, &rc);
    if (rc != QUIPU_OK)
        return vector_no_memory(error);
    if (r) {
        *fault = fault_of_run(r);
        *rows += r->rows;
        run_leave(r);
    } else if (run_removals(image, model, h.dimension, &removals)) {
        *fault = NULL;
    }
    return rc;
}

int32_t vector_index_check(const char *path, const char *name, uint64_t *rows, const char **fault,
                           const quipu_call *call, quipu_error *error)
{
    derived *folder = NULL;
    derived_snapshot *s = NULL;
    bool damaged = false;
    *fault = NULL;
    int32_t rc = derived_open(path, name, VECTOR_DISK_FORMAT, true, &folder, error);
    if (rc == QUIPU_OK)
        rc = derived_read(folder, &s, &damaged, error);
    if (rc == QUIPU_OK && damaged)
        *fault = "a file in it is missing, or does not have its checksum";
    for (uint64_t i = 0; rc == QUIPU_OK && !*fault && i < derived_segments(s); i++) {
        rc = call_check(call, error);
        if (rc == QUIPU_OK)
            rc = check_image(derived_segment(s, i), rows, fault, error);
    }
    derived_snapshot_free(s);
    derived_close(folder);
    return rc;
}
