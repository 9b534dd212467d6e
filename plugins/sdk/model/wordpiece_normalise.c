/*
 * wordpiece_normalise.c - see wordpiece_normalise.h.
 *
 * The published tokenizers know the categories of Unicode 8; utf8proc knows later ones. Characters that have got a
 * category since are looked up in a list, so that both see the same.
 */
#include "wordpiece_normalise.h"

#include <utf8proc.h>

typedef struct character_range {
    uint32_t first, last;
} character_range;

/* Marks, punctuation and format characters that came after Unicode 8: no category for the published tokenizers. */
static const character_range later[] = {
    { 0x61d, 0x61d },     { 0x7fd, 0x7fd },     { 0x890, 0x891 },     { 0x898, 0x89f },     { 0x8ca, 0x8e2 },
    { 0x9fd, 0x9fe },     { 0xa76, 0xa76 },     { 0xafa, 0xaff },     { 0xb55, 0xb55 },     { 0xc04, 0xc04 },
    { 0xc3c, 0xc3c },     { 0xc77, 0xc77 },     { 0xc84, 0xc84 },     { 0xd00, 0xd00 },     { 0xd3b, 0xd3c },
    { 0xd81, 0xd81 },     { 0xeba, 0xeba },     { 0xece, 0xece },     { 0x180f, 0x180f },   { 0x1885, 0x1886 },
    { 0x1abf, 0x1ace },   { 0x1b7d, 0x1b7e },   { 0x1df6, 0x1dfb },   { 0x2e43, 0x2e4f },   { 0x2e52, 0x2e5d },
    { 0xa82c, 0xa82c },   { 0xa8c5, 0xa8c5 },   { 0xa8ff, 0xa8ff },   { 0xa9bd, 0xa9bd },   { 0x10d24, 0x10d27 },
    { 0x10eab, 0x10ead }, { 0x10efd, 0x10eff }, { 0x10f46, 0x10f50 }, { 0x10f55, 0x10f59 }, { 0x10f82, 0x10f89 },
    { 0x11070, 0x11070 }, { 0x11073, 0x11074 }, { 0x110c2, 0x110c2 }, { 0x110cd, 0x110cd }, { 0x111cf, 0x111cf },
    { 0x1123e, 0x1123e }, { 0x11241, 0x11241 }, { 0x1133b, 0x1133b }, { 0x11438, 0x1143f }, { 0x11442, 0x11444 },
    { 0x11446, 0x11446 }, { 0x1144b, 0x1144f }, { 0x1145a, 0x1145b }, { 0x1145d, 0x1145e }, { 0x11660, 0x1166c },
    { 0x116b9, 0x116b9 }, { 0x1182f, 0x11837 }, { 0x11839, 0x1183b }, { 0x1193b, 0x1193c }, { 0x1193e, 0x1193e },
    { 0x11943, 0x11946 }, { 0x119d4, 0x119d7 }, { 0x119da, 0x119db }, { 0x119e0, 0x119e0 }, { 0x119e2, 0x119e2 },
    { 0x11a01, 0x11a0a }, { 0x11a33, 0x11a38 }, { 0x11a3b, 0x11a47 }, { 0x11a51, 0x11a56 }, { 0x11a59, 0x11a5b },
    { 0x11a8a, 0x11a96 }, { 0x11a98, 0x11a9c }, { 0x11a9e, 0x11aa2 }, { 0x11b00, 0x11b09 }, { 0x11c30, 0x11c36 },
    { 0x11c38, 0x11c3d }, { 0x11c3f, 0x11c3f }, { 0x11c41, 0x11c45 }, { 0x11c70, 0x11c71 }, { 0x11c92, 0x11ca7 },
    { 0x11caa, 0x11cb0 }, { 0x11cb2, 0x11cb3 }, { 0x11cb5, 0x11cb6 }, { 0x11d31, 0x11d36 }, { 0x11d3a, 0x11d3a },
    { 0x11d3c, 0x11d3d }, { 0x11d3f, 0x11d45 }, { 0x11d47, 0x11d47 }, { 0x11d90, 0x11d91 }, { 0x11d95, 0x11d95 },
    { 0x11d97, 0x11d97 }, { 0x11ef3, 0x11ef4 }, { 0x11ef7, 0x11ef8 }, { 0x11f00, 0x11f01 }, { 0x11f36, 0x11f3a },
    { 0x11f40, 0x11f40 }, { 0x11f42, 0x11f4f }, { 0x11fff, 0x11fff }, { 0x12ff1, 0x12ff2 }, { 0x13430, 0x13440 },
    { 0x13447, 0x13455 }, { 0x16e97, 0x16e9a }, { 0x16f4f, 0x16f4f }, { 0x16fe2, 0x16fe2 }, { 0x16fe4, 0x16fe4 },
    { 0x1cf00, 0x1cf2d }, { 0x1cf30, 0x1cf46 }, { 0x1e000, 0x1e006 }, { 0x1e008, 0x1e018 }, { 0x1e01b, 0x1e021 },
    { 0x1e023, 0x1e024 }, { 0x1e026, 0x1e02a }, { 0x1e08f, 0x1e08f }, { 0x1e130, 0x1e136 }, { 0x1e2ae, 0x1e2ae },
    { 0x1e2ec, 0x1e2ef }, { 0x1e4ec, 0x1e4ef }, { 0x1e944, 0x1e94a }, { 0x1e95e, 0x1e95f },
};

static const character_range ideograph_blocks[] = {
    { 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },   { 0xf900, 0xfaff },   { 0x20000, 0x2a6df },
    { 0x2a700, 0x2b81f }, { 0x2b920, 0x2ceaf }, { 0x2f800, 0x2fa1f },
};

static bool in_ranges(const character_range *ranges, size_t count, uint32_t c)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && ranges[low].first <= c;
}

static utf8proc_category_t category(uint32_t c)
{
    if (c == 0x166d || c == 0x111c9)
        return UTF8PROC_CATEGORY_PO; /* in Unicode 8, and something else since */
    if (c == 0x1734)
        return UTF8PROC_CATEGORY_MN; /* likewise */
    if (c >= 0x61d && in_ranges(later, sizeof later / sizeof later[0], c))
        return UTF8PROC_CATEGORY_CN;
    return utf8proc_category((utf8proc_int32_t)c);
}

bool character_is_white(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool character_is_punctuation(uint32_t c)
{
    if (c < 0x80)
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    utf8proc_category_t of = category(c);
    return of >= UTF8PROC_CATEGORY_PC && of <= UTF8PROC_CATEGORY_PO;
}

static bool is_dropped(uint32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r')
        return false;
    if (c < 0x80)
        return c < 32 || c == 127;
    utf8proc_category_t of = category(c);
    return c == 0xfffd || of == UTF8PROC_CATEGORY_CC || of == UTF8PROC_CATEGORY_CF || of == UTF8PROC_CATEGORY_CO;
}

static size_t decompose(uint32_t c, uint32_t out[NORMALISED_MAX])
{
    utf8proc_int32_t parts[NORMALISED_MAX];
    int boundary = 0;
    utf8proc_ssize_t count = c == 0x11938 ? -1 /* since Unicode 13 */
                                          : utf8proc_decompose_char((utf8proc_int32_t)c, parts, NORMALISED_MAX,
                                                                    UTF8PROC_DECOMPOSE, &boundary);
    size_t kept = 0;
    if (count < 1 || count > NORMALISED_MAX) {
        out[0] = c;
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < count; i++)
        if (category((uint32_t)parts[i]) != UTF8PROC_CATEGORY_MN)
            out[kept++] = (uint32_t)parts[i];
    return kept;
}

/* The only character whose lower case is two. */
static size_t lower(uint32_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (out[i] == 0x130) {
            out[i] = 'i';
            if (count < NORMALISED_MAX)
                out[count++] = 0x307; /* it stands alone: decomposition would have taken it apart */
            break;
        }
        out[i] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)out[i]);
    }
    return count;
}

size_t normalise_character(const normalise_options *o, uint32_t c, uint32_t out[NORMALISED_MAX], bool *alone)
{
    size_t count = 1;
    *alone = false;
    if (o->clean_text && is_dropped(c))
        return 0;
    out[0] = o->clean_text && character_is_white(c) ? ' ' : c;
    if (c < 0x80) {
        if (o->lower_case && c >= 'A' && c <= 'Z')
            out[0] = c + 32;
        return 1;
    }
    *alone = o->ideographs && in_ranges(ideograph_blocks, sizeof ideograph_blocks / sizeof ideograph_blocks[0], c);
    if (o->strip_accents)
        count = decompose(out[0], out);
    return o->lower_case ? lower(out, count) : count;
}
