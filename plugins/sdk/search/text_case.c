/* text_case.c - see text_case.h. */
#include "text_case.h"

#include <stdbool.h>

size_t text_decode(const unsigned char *at, const unsigned char *end, uint32_t *out)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t left = (size_t)(end - at);
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    if (len == 0 || len > left)
        return 0;
    uint32_t c = len == 1 ? at[0] : at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (at[i] & 0x3fu);
    }
    if (c < least[len] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
        return 0;
    *out = c;
    return len;
}

size_t text_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00u >> len & 0xf0u) | c);
    return len;
}

static bool between(uint32_t c, uint32_t low, uint32_t high)
{
    return c >= low && c <= high;
}

static uint32_t lower_latin(uint32_t c)
{
    if (between(c, 0xc0, 0xde))
        return c == 0xd7 ? c : c + 32;
    if (c == 0x130)
        return 'i';
    if (c == 0x178)
        return 0xff;
    if (between(c, 0x139, 0x148) || between(c, 0x179, 0x17e)) /* pairs that begin at an odd number */
        return c & 1 ? c + 1 : c;
    if (between(c, 0x100, 0x137) || between(c, 0x14a, 0x177) || between(c, 0x1e00, 0x1e95) ||
        between(c, 0x1ea0, 0x1eff))
        return c | 1;
    return c == 0x1e9e ? 0xdf : c;
}

static uint32_t lower_greek(uint32_t c)
{
    if (between(c, 0x391, 0x3a9))
        return c + 32;
    if (between(c, 0x388, 0x38a))
        return c + 37;
    switch (c) {
    case 0x386:
        return 0x3ac;
    case 0x38c:
        return 0x3cc;
    case 0x38e:
        return 0x3cd;
    case 0x38f:
        return 0x3ce;
    case 0x3c2: /* final sigma */
        return 0x3c3;
    default:
        return c;
    }
}

static uint32_t lower_cyrillic(uint32_t c)
{
    if (c <= 0x40f)
        return c + 80;
    if (c <= 0x42f)
        return c + 32;
    if (c == 0x4c0)
        return 0x4cf;
    if (between(c, 0x4c1, 0x4ce))
        return c & 1 ? c + 1 : c;
    if (between(c, 0x460, 0x481) || between(c, 0x48a, 0x4bf) || between(c, 0x4d0, 0x52f))
        return c | 1;
    return c;
}

uint32_t text_lower(uint32_t c)
{
    if (c < 0x80)
        return between(c, 'A', 'Z') ? c + 32 : c;
    if (c < 0x180 || between(c, 0x1e00, 0x1eff))
        return lower_latin(c);
    if (between(c, 0x370, 0x3ff))
        return lower_greek(c);
    if (between(c, 0x400, 0x52f))
        return lower_cyrillic(c);
    if (between(c, 0x531, 0x556))
        return c + 48;
    if (between(c, 0xff10, 0xff19) || between(c, 0xff41, 0xff5a)) /* full-width digits and letters */
        return c - 0xfee0;
    if (between(c, 0xff21, 0xff3a))
        return c - 0xfee0 + 32;
    return c;
}

/* First and last character of each block, in order, with what it is; what lies between blocks is a word's. */
static const struct {
    uint32_t first, last;
    text_class class;
} blocks[] = {
    { 0x0080, 0x00a9, TEXT_CLASS_NONE },       { 0x00ab, 0x00ac, TEXT_CLASS_NONE },
    { 0x00ad, 0x00ad, TEXT_CLASS_IGNORED },    { 0x00ae, 0x00b1, TEXT_CLASS_NONE },
    { 0x00b4, 0x00b4, TEXT_CLASS_NONE },       { 0x00b6, 0x00b8, TEXT_CLASS_NONE },
    { 0x00bb, 0x00bb, TEXT_CLASS_NONE },       { 0x00bf, 0x00bf, TEXT_CLASS_NONE },
    { 0x00d7, 0x00d7, TEXT_CLASS_NONE },       { 0x00f7, 0x00f7, TEXT_CLASS_NONE },
    { 0x037e, 0x037e, TEXT_CLASS_NONE },       { 0x0387, 0x0387, TEXT_CLASS_NONE },
    { 0x055a, 0x055f, TEXT_CLASS_NONE },       { 0x0589, 0x058f, TEXT_CLASS_NONE },
    { 0x05be, 0x05be, TEXT_CLASS_NONE },       { 0x05f3, 0x060f, TEXT_CLASS_NONE },
    { 0x061b, 0x061f, TEXT_CLASS_NONE },       { 0x0640, 0x0640, TEXT_CLASS_IGNORED },
    { 0x066a, 0x066d, TEXT_CLASS_NONE },       { 0x06d4, 0x06d4, TEXT_CLASS_NONE },
    { 0x0964, 0x0965, TEXT_CLASS_NONE },       { 0x0e01, 0x0e3a, TEXT_CLASS_UNSPACED },
    { 0x0e3f, 0x0e3f, TEXT_CLASS_NONE },       { 0x0e40, 0x0e4e, TEXT_CLASS_UNSPACED },
    { 0x0e4f, 0x0e4f, TEXT_CLASS_NONE },       { 0x0e5a, 0x0e5b, TEXT_CLASS_NONE },
    { 0x0e80, 0x0eff, TEXT_CLASS_UNSPACED },   { 0x1000, 0x1049, TEXT_CLASS_UNSPACED },
    { 0x104a, 0x104f, TEXT_CLASS_NONE },       { 0x1780, 0x17d3, TEXT_CLASS_UNSPACED },
    { 0x17d4, 0x17db, TEXT_CLASS_NONE },       { 0x2000, 0x200b, TEXT_CLASS_NONE },
    { 0x200c, 0x200f, TEXT_CLASS_IGNORED },    { 0x2010, 0x2029, TEXT_CLASS_NONE },
    { 0x202a, 0x202e, TEXT_CLASS_IGNORED },    { 0x202f, 0x205f, TEXT_CLASS_NONE },
    { 0x2060, 0x206f, TEXT_CLASS_IGNORED },    { 0x207a, 0x207e, TEXT_CLASS_NONE },
    { 0x208a, 0x208e, TEXT_CLASS_NONE },       { 0x20a0, 0x20cf, TEXT_CLASS_NONE },
    { 0x2190, 0x2bff, TEXT_CLASS_NONE },       { 0x2e00, 0x2e7f, TEXT_CLASS_NONE },
    { 0x2e80, 0x2fdf, TEXT_CLASS_UNSPACED },   { 0x2ff0, 0x3004, TEXT_CLASS_NONE },
    { 0x3005, 0x3007, TEXT_CLASS_UNSPACED },   { 0x3008, 0x3020, TEXT_CLASS_NONE },
    { 0x3030, 0x3030, TEXT_CLASS_NONE },       { 0x303d, 0x303f, TEXT_CLASS_NONE },
    { 0x3041, 0x309f, TEXT_CLASS_UNSPACED },   { 0x30a0, 0x30a0, TEXT_CLASS_NONE },
    { 0x30a1, 0x30fa, TEXT_CLASS_UNSPACED },   { 0x30fb, 0x30fb, TEXT_CLASS_NONE },
    { 0x30fc, 0x31ff, TEXT_CLASS_UNSPACED },   { 0x3200, 0x33ff, TEXT_CLASS_NONE },
    { 0x3400, 0x4dbf, TEXT_CLASS_UNSPACED },   { 0x4e00, 0x9fff, TEXT_CLASS_UNSPACED },
    { 0xac00, 0xd7ff, TEXT_CLASS_UNSPACED },   { 0xe000, 0xf8ff, TEXT_CLASS_NONE },
    { 0xf900, 0xfaff, TEXT_CLASS_UNSPACED },   { 0xfd3e, 0xfd3f, TEXT_CLASS_NONE },
    { 0xfe00, 0xfe0f, TEXT_CLASS_IGNORED },    { 0xfe10, 0xfe1f, TEXT_CLASS_NONE },
    { 0xfe30, 0xfe6f, TEXT_CLASS_NONE },       { 0xfeff, 0xfeff, TEXT_CLASS_IGNORED },
    { 0xff00, 0xff0f, TEXT_CLASS_NONE },       { 0xff1a, 0xff20, TEXT_CLASS_NONE },
    { 0xff3b, 0xff40, TEXT_CLASS_NONE },       { 0xff5b, 0xff65, TEXT_CLASS_NONE },
    { 0xff66, 0xff9f, TEXT_CLASS_UNSPACED },   { 0xffa0, 0xffff, TEXT_CLASS_NONE },
    { 0x1b000, 0x1b16f, TEXT_CLASS_UNSPACED }, { 0x1f000, 0x1faff, TEXT_CLASS_NONE },
    { 0x20000, 0x3ffff, TEXT_CLASS_UNSPACED }, { 0xe0000, 0x10ffff, TEXT_CLASS_IGNORED },
};

text_class text_classify(uint32_t c)
{
    if (c < 0x80)
        return between(c, '0', '9') || between(c, 'A', 'Z') || between(c, 'a', 'z') ? TEXT_CLASS_WORD : TEXT_CLASS_NONE;
    size_t low = 0, high = sizeof blocks / sizeof blocks[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > blocks[middle].last)
            low = middle + 1;
        else if (c < blocks[middle].first)
            high = middle;
        else
            return blocks[middle].class;
    }
    return TEXT_CLASS_WORD;
}
