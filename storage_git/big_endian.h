/*
 * big_endian.h - numbers as git's files hold them: the highest byte first.
 */
#ifndef STORAGE_GIT_BIG_ENDIAN_H
#define STORAGE_GIT_BIG_ENDIAN_H

#include <base/buffer.h>
#include <stdint.h>

static inline void put_u32(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 24);
    out[1] = (uint8_t)(value >> 16);
    out[2] = (uint8_t)(value >> 8);
    out[3] = (uint8_t)value;
}

static inline uint32_t get_u32(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static inline uint64_t get_u64(const uint8_t *in)
{
    return (uint64_t)get_u32(in) << 32 | get_u32(in + 4);
}

static inline void append_u32(buffer *out, uint32_t value)
{
    uint8_t bytes[4];
    put_u32(bytes, value);
    buffer_append(out, bytes, sizeof bytes);
}

#endif
