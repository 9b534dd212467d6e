/* path_filter.c - see path_filter.h. The hash is MurmurHash3 (A. Appleby, 32 bits), twice with other seeds. */
#include "path_filter.h"

#include <stdlib.h>

static uint32_t rotate(uint32_t value, int bits)
{
    return value << bits | value >> (32 - bits);
}

static uint32_t mix_block(uint32_t k)
{
    return rotate(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

static uint32_t murmur3(uint32_t seed, const uint8_t *bytes, size_t len)
{
    uint32_t hash = seed, tail = 0;
    size_t whole = len & ~(size_t)3;
    for (size_t i = 0; i < whole; i += 4) {
        uint32_t k =
            bytes[i] | (uint32_t)bytes[i + 1] << 8 | (uint32_t)bytes[i + 2] << 16 | (uint32_t)bytes[i + 3] << 24;
        hash = rotate(hash ^ mix_block(k), 13) * 5 + 0xe6546b64u;
    }
    for (size_t i = len; i > whole; i--)
        tail = tail << 8 | bytes[i - 1];
    if (len > whole)
        hash ^= mix_block(tail);
    hash ^= (uint32_t)len;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}

/* Version 1 hashes bytes over 127 differently on different machines: with such a path nothing is decided. */
static bool is_plain(const char *path, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)path[i] > 127)
            return false;
    return len > 0;
}

void path_key_make(const char *path, size_t len, path_key *out)
{
    const uint8_t *bytes = (const uint8_t *)path;
    out->any = !is_plain(path, len);
    uint32_t first = murmur3(0x293ae76fu, bytes, len), second = murmur3(0x7e646e2cu, bytes, len);
    for (uint32_t i = 0; i < PATH_FILTER_HASHES; i++)
        out->hashes[i] = first + i * second;
}

bool path_filter_may_hold(const uint8_t *filter, size_t len, const path_key *key)
{
    uint64_t bits = (uint64_t)len * 8;
    if (len == 0 || key->any)
        return true;
    for (unsigned i = 0; i < PATH_FILTER_HASHES; i++) {
        uint64_t bit = key->hashes[i] % bits;
        if (!(filter[bit / 8] & 1u << bit % 8))
            return false;
    }
    return true;
}

void path_keys_make(const char *path, path_keys *out)
{
    enum { MOST = sizeof out->keys / sizeof out->keys[0] };
    path_key_make(path, strlen(path), &out->keys[0]);
    out->count = 1;
    for (size_t i = 1; path[0] && path[i] && out->count < MOST; i++)
        if (path[i] == '/')
            path_key_make(path, i, &out->keys[out->count++]);
}

bool path_filter_may_hold_all(const uint8_t *filter, size_t len, const path_keys *keys)
{
    for (unsigned i = 0; i < keys->count; i++)
        if (!path_filter_may_hold(filter, len, &keys->keys[i]))
            return false;
    return true;
}

static void add_key(changed_paths *p, const char *path, size_t len)
{
    if (p->many || p->failed)
        return;
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 16;
        path_key *keys = realloc(p->keys, capacity * sizeof *keys);
        if (!keys) {
            p->failed = true;
            return;
        }
        p->keys = keys;
        p->capacity = capacity;
    }
    path_key_make(path, len, &p->keys[p->count]);
    p->many = p->keys[p->count++].any || p->count > PATH_FILTER_MOST;
}

void changed_paths_add(changed_paths *p, const char *path)
{
    size_t same = 0;
    while (same < p->last.len && path[same] && path[same] == p->last.bytes[same])
        same++;
    for (size_t i = 0; path[i]; i++)
        if (path[i] == '/' && i >= same)
            add_key(p, path, i);
    add_key(p, path, strlen(path));
    buffer_clear(&p->last);
    buffer_append_text(&p->last, path);
}

void changed_paths_finish(changed_paths *p, buffer *out)
{
    size_t len = (p->count * PATH_FILTER_BITS + 7) / 8;
    if (p->many || len == 0) {
        buffer_append_char(out, (char)(p->many ? 0xff : 0)); /* a filter of no bytes would say that there is none */
    } else {
        uint8_t *filter = (uint8_t *)buffer_reserve(out, len);
        if (filter) {
            memset(filter, 0, len);
            for (size_t i = 0; i < p->count * PATH_FILTER_HASHES; i++) {
                uint32_t bit = p->keys[i / PATH_FILTER_HASHES].hashes[i % PATH_FILTER_HASHES] % (uint32_t)(len * 8);
                filter[bit / 8] |= (uint8_t)(1u << bit % 8);
            }
            out->len += len;
        }
    }
    p->count = 0;
    p->many = false;
    buffer_clear(&p->last);
}

void changed_paths_free(changed_paths *p)
{
    free(p->keys);
    buffer_free(&p->last);
    *p = (changed_paths){ 0 };
}
