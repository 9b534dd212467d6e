/*
 * safetensors.h - the weights of a model in the file form of that name, mapped and never copied.
 *
 * The form: u64 little-endian length of the header, the header (a JSON object: name -> {"dtype","shape","data_offsets"}), the
 * tensors' bytes. Source: the README of github.com/huggingface/safetensors. Everything is checked against the file's size
 * before it is believed; a file that is cut short while it is mapped ends the process with SIGBUS, as any mapping.
 */
#ifndef SDK_SAFETENSORS_H
#define SDK_SAFETENSORS_H

#include <quipu/error.h>
#include <stdbool.h>

#define TENSOR_RANK_MAX 4

typedef enum tensor_type { TENSOR_OTHER, TENSOR_F32, TENSOR_F16, TENSOR_F64, TENSOR_I64, TENSOR_I8 } tensor_type;

/* A tensor in row-major order; `data` is the file's and aligned to the size of its elements. */
typedef struct tensor {
    const void *data;
    uint64_t bytes;
    tensor_type type;
    uint32_t rank;
    uint64_t shape[TENSOR_RANK_MAX];
} tensor;

typedef struct safetensors safetensors;

/* Maps the file `path`. Errors: NOT_FOUND, IO, CORRUPT (not such a file; the message says why), NO_MEMORY. */
int32_t safetensors_open(const char *path, safetensors **out, quipu_error *error);
void safetensors_close(safetensors *s); /* NULL is nothing to do */

/* Finds a tensor by its name. Errors: NOT_FOUND, CORRUPT; both name it. */
int32_t safetensors_find(const safetensors *s, const char *name, tensor *out, quipu_error *error);
bool safetensors_has(const safetensors *s, const char *name);

/* True where tensor_floats can read it. */
bool tensor_is_numeric(const tensor *t);
/* Elements [first, first + count) as floats. */
void tensor_floats(const tensor *t, uint64_t first, uint64_t count, float *out);

/* Tells two files with other weights apart without reading them whole: SHA-256 over the header and samples from all over
 * the file. Not a proof against somebody who means to deceive. */
void safetensors_fingerprint(const safetensors *s, uint8_t out[32]);

#endif
