/* text.c - text that strangers wrote, made harmless for a terminal, and its width there. */
#include "cli.h"

/* Reads one code point; its length in bytes, or 0 where the bytes are not UTF-8. */
static size_t read_point(const char *bytes, size_t len, uint32_t *point)
{
    const unsigned char *b = (const unsigned char *)bytes;
    size_t need = b[0] < 0x80             ? 1
                  : (b[0] & 0xe0) == 0xc0 ? 2
                  : (b[0] & 0xf0) == 0xe0 ? 3
                  : (b[0] & 0xf8) == 0xf0 ? 4
                                          : 0;
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (need == 0 || need > len)
        return 0;
    uint32_t p = need == 1 ? b[0] : b[0] & (0xffu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        p = p << 6 | (b[i] & 0x3fu);
    }
    if (p < least[need] || p > 0x10ffff || (p >= 0xd800 && p <= 0xdfff))
        return 0;
    *point = p;
    return need;
}

/* Characters that move the cursor, set a terminal's state, or turn the direction of what follows. */
static bool is_hostile(uint32_t p)
{
    return p < 0x20 || (p >= 0x7f && p <= 0x9f) || p == 0x200e || p == 0x200f || (p >= 0x2028 && p <= 0x202e) ||
           (p >= 0x2066 && p <= 0x2069) || p == 0xfeff;
}

void safe_append(buffer *out, quipu_str text, bool one_line)
{
    for (size_t i = 0; i < text.len;) {
        uint32_t point = 0;
        size_t size = read_point(text.ptr + i, (size_t)text.len - i, &point);
        if (size == 0)
            buffer_printf(out, "\\x%02x", (unsigned char)text.ptr[i]);
        else if (point == '\n' || point == '\t')
            buffer_append_char(out, one_line ? ' ' : (char)point);
        else if (is_hostile(point))
            buffer_printf(out, point < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)point);
        else
            buffer_append(out, text.ptr + i, size);
        i += size ? size : 1;
    }
}

void safe_append_json(buffer *out, const char *json, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t point = 0;
        size_t size = read_point(json + i, len - i, &point);
        if (size > 0 && point >= 0x7f && is_hostile(point))
            buffer_printf(out, "\\u%04x", (unsigned)point);
        else
            buffer_append(out, json + i, size ? size : 1);
        i += size ? size : 1;
    }
}

/* Columns of one character, near enough: combining marks take none, East Asian wide ones and pictures take two. */
static size_t point_width(uint32_t p)
{
    static const struct {
        uint32_t from, to;
        size_t width;
    } ranges[] = {
        { 0x0300, 0x036f, 0 },   { 0x200b, 0x200d, 0 }, { 0x20d0, 0x20ff, 0 }, { 0xfe00, 0xfe0f, 0 },
        { 0x1100, 0x115f, 2 },   { 0x2e80, 0xa4cf, 2 }, { 0xac00, 0xd7a3, 2 }, { 0xf900, 0xfaff, 2 },
        { 0xfe30, 0xfe6f, 2 },   { 0xff00, 0xff60, 2 }, { 0xffe0, 0xffe6, 2 }, { 0x1f300, 0x1faff, 2 },
        { 0x20000, 0x3fffd, 2 },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (p >= ranges[i].from && p <= ranges[i].to)
            return ranges[i].width;
    return 1;
}

size_t text_fit(quipu_str text, size_t columns)
{
    size_t used = 0, i = 0;
    while (i < text.len) {
        uint32_t point = 0;
        size_t size = read_point(text.ptr + i, (size_t)text.len - i, &point);
        size_t width = size ? point_width(point) : 1;
        if (used + width > columns)
            break;
        used += width;
        i += size ? size : 1;
    }
    return i;
}

size_t text_width(quipu_str text)
{
    size_t used = 0;
    for (size_t i = 0; i < text.len;) {
        uint32_t point = 0;
        size_t size = read_point(text.ptr + i, (size_t)text.len - i, &point);
        used += size ? point_width(point) : 1;
        i += size ? size : 1;
    }
    return used;
}

const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}
