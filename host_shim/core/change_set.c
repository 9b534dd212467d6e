/* change_set.c - what every change set carries besides its changes: who, when, with what, and its id. */
#include "handle.h"

#include "records.h"
#include "uuid.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <sdk/json.h>

#define LINE_MAX_BYTES 255u
#define NOTE_MAX_BYTES 4096u

/* One line of UTF-8: it ends up in logs and commit messages, where a line end could forge a trailer. */
static int32_t check_line(quipu_str text, const char *field, uint64_t max, quipu_error *error)
{
    if (!text.ptr)
        return text.len ? fail(error, QUIPU_E_INVALID, field, "%s has a length but no text", field) : QUIPU_OK;
    if (text.len > max)
        return fail(error, QUIPU_E_INVALID, field, "%s has %llu bytes, at most %llu are possible", field,
                    (unsigned long long)text.len, (unsigned long long)max);
    if (utf8_first_bad(text.ptr, (size_t)text.len) >= 0)
        return fail(error, QUIPU_E_INVALID, field, "%s is not UTF-8", field);
    for (uint64_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return fail(error, QUIPU_E_INVALID, field, "%s must be one line without control characters", field);
    return QUIPU_OK;
}

static int32_t check_operation(quipu_str word, quipu_error *error)
{
    for (uint64_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return fail(error, QUIPU_E_INVALID, "operation", "operation must be one lower-case word");
    }
    if (word.len > 32)
        return fail(error, QUIPU_E_INVALID, "operation", "operation has more than 32 bytes");
    return QUIPU_OK;
}

int32_t write_options_check(const quipu_write_options *o, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    if (!o)
        return QUIPU_OK;
    if ((code = check_struct(o, sizeof *o, "options", error)) != QUIPU_OK ||
        (code = check_line(o->author, "author", LINE_MAX_BYTES, error)) != QUIPU_OK ||
        (code = check_line(o->operation, "operation", LINE_MAX_BYTES, error)) != QUIPU_OK ||
        (code = check_operation(o->operation, error)) != QUIPU_OK ||
        (code = check_line(o->note, "note", NOTE_MAX_BYTES, error)) != QUIPU_OK)
        return code;
    if (o->flags & ~QUIPU_WRITE_UPSERT)
        return fail(error, QUIPU_E_INVALID, "flags", "unknown flags 0x%x", o->flags);
    return QUIPU_OK;
}

bool write_options_have_id(const quipu_write_options *o)
{
    static const uint8_t none[16];
    return o && memcmp(o->change_id, none, sizeof none) != 0;
}

int32_t quipu_change_set_begin(quipu *q, const quipu_write_options *options, quipu_change_set *set, quipu_error *error)
{
    if (!q)
        return fail(error, QUIPU_E_INVALID, "quipu", "the handle is NULL");
    if (!set || set->struct_size < sizeof *set)
        return fail(error, QUIPU_E_INVALID, "set", "set: set its struct_size to the sizeof");
    int32_t code = write_options_check(options, error);
    if (code != QUIPU_OK)
        return code;
    quipu_change_set fresh = { .struct_size = sizeof fresh,
                               .time = host_time(),
                               .author = str_of(q->author),
                               .operation = str_of("update"),
                               .source = str_of(q->source) };
    if (options && options->author.len)
        fresh.author = options->author;
    if (options && options->operation.len)
        fresh.operation = options->operation;
    if (options && options->note.len)
        fresh.note = options->note;
    if (write_options_have_id(options))
        memcpy(fresh.change_id, options->change_id, sizeof fresh.change_id);
    else if ((code = uuid_make(fresh.change_id, error)) != QUIPU_OK)
        return code;
    *set = fresh;
    return QUIPU_OK;
}
