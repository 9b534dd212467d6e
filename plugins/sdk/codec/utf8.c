/* utf8.c - UTF-8, checked and written. */
#include <sdk/json.h>
#include <string.h>

/* RFC 3629, section 4. */
size_t utf8_sequence(const char *bytes, size_t len)
{
    const unsigned char *s = (const unsigned char *)bytes;
    unsigned char low = 0x80, high = 0xbf;
    size_t size;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    size = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (len < size || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return size;
}

/* Most text is ASCII: eight bytes of it at once. */
static size_t skip_ascii(const char *bytes, size_t i, size_t len)
{
    uint64_t eight;
    for (; i + sizeof eight <= len; i += sizeof eight) {
        memcpy(&eight, bytes + i, sizeof eight);
        if (eight & 0x8080808080808080u)
            break;
    }
    return i;
}

int64_t utf8_first_bad(const char *bytes, size_t len)
{
    for (size_t i = skip_ascii(bytes, 0, len); i < len;) {
        if (i % 16 == 0) /* behind other letters it may begin again */
            i = skip_ascii(bytes, i, len);
        if (i == len)
            break;
        size_t size = utf8_sequence(bytes + i, len - i);
        if (size == 0)
            return (int64_t)i;
        i += size;
    }
    return -1;
}

size_t utf8_encode(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)((size == 2 ? 0xc0u : size == 3 ? 0xe0u : 0xf0u) | point);
    return size;
}
