/* fuzz_safetensors.c - any file is refused, or each tensor that it names lies within it. */
#include "fuzz.h"

#include <fcntl.h>
#include <sdk/json.h>
#include <sdk/model/safetensors.h>
#include <unistd.h>

static char path[64];

static void forget(void)
{
    unlink(path);
}

static void write_file(const uint8_t *data, size_t size)
{
    if (!path[0]) {
        snprintf(path, sizeof path, "/tmp/quipu-fuzz-tensors-%ld", (long)getpid());
        atexit(forget);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    PROMISE(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
}

static void read_all_of(const tensor *t)
{
    unsigned sum = 0;
    for (uint64_t i = 0; i < t->bytes; i++)
        sum += ((const unsigned char *)t->data)[i];
    volatile unsigned kept = sum;
    (void)kept;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "a", "b", "embeddings.word_embeddings.weight" };
    quipu_error error = { .struct_size = sizeof error };
    safetensors *s;
    tensor t;
    uint8_t print[32];
    write_file(data, size);
    int32_t code = safetensors_open(path, &s, &error);
    if (fuzz_failed(code, &error))
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        error.code = 0;
        code = safetensors_find(s, names[i], &t, &error);
        if (!fuzz_failed(code, &error))
            read_all_of(&t);
    }
    safetensors_fingerprint(s, print);
    safetensors_close(s);
    return 0;
}
