/* safetensors.c - see safetensors.h. */
#include "safetensors.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <base/hash.h>
#include <errno.h>
#include <fcntl.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH_BYTES 8u
#define SAMPLES 1024u     /* of the fingerprint */
#define SAMPLE_BYTES 256u /* each */

struct safetensors {
    const uint8_t *bytes;
    size_t size;
    const uint8_t *data; /* behind the header */
    size_t data_size;
    cJSON *header;
};

static int32_t map_file(const char *path, safetensors *s, quipu_error *error)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(error, errno, "cannot read %s", path);
    int32_t code = QUIPU_OK;
    void *at = MAP_FAILED;
    if (fstat(fd, &status) != 0)
        code = fail_errno(error, errno, "cannot read %s", path);
    else if (!S_ISREG(status.st_mode) || status.st_size < (off_t)LENGTH_BYTES)
        code = fail(error, QUIPU_E_CORRUPT, NULL, "%s is no safetensors file: it is too short", path);
    else if ((at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        code = fail_errno(error, errno, "cannot map %s", path);
    close(fd);
    if (code != QUIPU_OK)
        return code;
    s->bytes = at;
    s->size = (size_t)status.st_size;
    return QUIPU_OK;
}

static int32_t read_header(const char *path, safetensors *s, quipu_error *error)
{
    uint64_t len = 0;
    quipu_error why = { .struct_size = sizeof why };
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        len |= (uint64_t)s->bytes[i] << (8 * i);
    if (len > s->size - LENGTH_BYTES || len > JSON_TEXT_MAX)
        return fail(error, QUIPU_E_CORRUPT, NULL, "%s is no safetensors file: its header would be longer than it",
                    path);
    quipu_str text = { (const char *)s->bytes + LENGTH_BYTES, len };
    if (json_parse(text, &s->header, &why) != QUIPU_OK || !cJSON_IsObject(s->header))
        return fail(error, why.code == QUIPU_E_NO_MEMORY ? why.code : QUIPU_E_CORRUPT, NULL,
                    "the header of %s is not usable: %s", path, s->header ? "it is no object" : why.message);
    s->data = s->bytes + LENGTH_BYTES + len;
    s->data_size = s->size - LENGTH_BYTES - (size_t)len;
    return QUIPU_OK;
}

int32_t safetensors_open(const char *path, safetensors **out, quipu_error *error)
{
    safetensors *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a model");
    int32_t code = map_file(path, s, error);
    if (code == QUIPU_OK)
        code = read_header(path, s, error);
    if (code != QUIPU_OK) {
        safetensors_close(s);
        return code;
    }
    *out = s;
    return QUIPU_OK;
}

void safetensors_close(safetensors *s)
{
    if (!s)
        return;
    cJSON_Delete(s->header);
    if (s->bytes)
        munmap((void *)(uintptr_t)s->bytes, s->size);
    free(s);
}

static tensor_type type_of(const cJSON *dtype, uint64_t *element)
{
    static const struct {
        const char *name;
        tensor_type type;
        uint64_t bytes;
    } known[] = { { "F32", TENSOR_F32, 4 },
                  { "F16", TENSOR_F16, 2 },
                  { "F64", TENSOR_F64, 8 },
                  { "I64", TENSOR_I64, 8 },
                  { "I8", TENSOR_I8, 1 } };
    for (size_t i = 0; cJSON_IsString(dtype) && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, dtype->valuestring) == 0) {
            *element = known[i].bytes;
            return known[i].type;
        }
    return TENSOR_OTHER;
}

/* The number of elements; false where the shape is none that can be held. */
static bool read_shape(const cJSON *shape, tensor *t, uint64_t *elements)
{
    const cJSON *item;
    int64_t length;
    *elements = 1;
    t->rank = 0;
    if (!cJSON_IsArray(shape))
        return false;
    cJSON_ArrayForEach(item, shape)
    {
        if (t->rank == TENSOR_RANK_MAX || !json_is_int(item, &length) || length < 0 || length > INT32_MAX)
            return false;
        if (length != 0 && *elements > UINT64_MAX / 16 / (uint64_t)length)
            return false;
        t->shape[t->rank++] = (uint64_t)length;
        *elements *= (uint64_t)length;
    }
    return true;
}

int32_t safetensors_find(const safetensors *s, const char *name, tensor *out, quipu_error *error)
{
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(s->header, name);
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    int64_t begin, end;
    uint64_t element = 1, elements;
    memset(out, 0, sizeof *out);
    if (!cJSON_IsObject(entry))
        return fail(error, QUIPU_E_NOT_FOUND, NULL, "the model has no tensor %s", name);
    out->type = type_of(cJSON_GetObjectItemCaseSensitive(entry, "dtype"), &element);
    if (!read_shape(cJSON_GetObjectItemCaseSensitive(entry, "shape"), out, &elements) ||
        cJSON_GetArraySize(offsets) != 2 || !json_is_int(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !json_is_int(cJSON_GetArrayItem(offsets, 1), &end) || begin < 0 || end < begin || (uint64_t)end > s->data_size)
        return fail(error, QUIPU_E_CORRUPT, NULL, "the tensor %s lies outside of its file, or has no shape", name);
    out->data = s->data + begin;
    out->bytes = (uint64_t)(end - begin);
    if (out->type != TENSOR_OTHER && (out->bytes != elements * element || (uintptr_t)out->data % element != 0))
        return fail(error, QUIPU_E_CORRUPT, NULL, "the tensor %s has not the size that its shape asks for", name);
    return QUIPU_OK;
}

bool tensor_is_numeric(const tensor *t)
{
    return t->type == TENSOR_F32 || t->type == TENSOR_F16 || t->type == TENSOR_F64 || t->type == TENSOR_I8;
}

static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu, bits;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void tensor_floats(const tensor *t, uint64_t first, uint64_t count, float *out)
{
    const float *floats = t->data;
    const uint16_t *halves = t->data;
    const double *doubles = t->data;
    const int8_t *bytes = t->data;
    for (uint64_t i = 0; i < count; i++) {
        if (t->type == TENSOR_F32)
            out[i] = floats[first + i];
        else if (t->type == TENSOR_F16)
            out[i] = half_to_float(halves[first + i]);
        else if (t->type == TENSOR_F64)
            out[i] = (float)doubles[first + i];
        else
            out[i] = (float)bytes[first + i];
    }
}

bool safetensors_has(const safetensors *s, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(s->header, name) != NULL;
}

void safetensors_fingerprint(const safetensors *s, uint8_t out[32])
{
    size_t head = (size_t)(s->data - s->bytes), step = s->data_size / SAMPLES, samples = step ? SAMPLES : 0;
    uint8_t digest[32];
    buffer all = { 0 };
    buffer_append(&all, s->bytes, head);
    for (size_t i = 0; i < samples; i++)
        buffer_append(&all, s->data + i * step, step < SAMPLE_BYTES ? step : SAMPLE_BYTES);
    if (!samples)
        buffer_append(&all, s->data, s->data_size);
    hash_sha256(all.failed ? (const void *)s->bytes : all.bytes, all.failed ? head : all.len, digest);
    memcpy(out, digest, sizeof digest);
    buffer_free(&all);
}
