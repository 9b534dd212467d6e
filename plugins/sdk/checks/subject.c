/* subject.c - see subject.h. */
#include <sdk/subject.h>

enum { SUBJECT_MAX = 60 };

/* Appends up to `most` bytes on one line: runs of blanks and control characters (the C1 ones as well: a
 * terminal obeys U+009B as it does ESC [) become one blank; cut at a character. */
static void put_line(quipu_str text, size_t most, buffer *out)
{
    size_t begin = out->len;
    bool gap = false;
    for (uint64_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool c1 = c == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0; /* U+0080 to U+009F */
        if (c <= ' ' || c == 0x7f || c1) {
            gap = out->len > begin;
            i += c1;
            continue;
        }
        size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (out->len - begin + gap + len > most) {
            while (out->len > begin && out->bytes[out->len - 1] == ' ')
                out->len--;
            buffer_append_text(out, "\xe2\x80\xa6"); /* an ellipsis: the text goes on */
            return;
        }
        if (gap)
            buffer_append_char(out, ' ');
        gap = false;
        buffer_append(out, text.ptr + i, len);
        i += len - 1;
    }
}

void change_subject(const quipu_change_set *set, const quipu_record *told, uint64_t changed, bool quote, buffer *out)
{
    size_t begin = out->len;
    buffer_append_str(out, set->operation);
    buffer_append_text(out, ": ");
    size_t left = SUBJECT_MAX - (out->len - begin);
    quipu_str words = { 0 };
    if (changed == 1 && told && quote)
        words = told->text.ptr && told->text.len ? told->text : told->key.ptr && told->key.len ? told->key : told->id;
    if (set->note.ptr && set->note.len)
        words = set->note;
    size_t before = out->len;
    if (words.ptr)
        put_line(words, left, out);
    if (out->len == before)
        buffer_printf(out, "%llu record%s", (unsigned long long)changed, changed == 1 ? "" : "s");
}
