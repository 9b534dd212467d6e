/* view.c - how a record looks to mem0's clients. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "mem0.h"

#include <base/fail.h>
#include <base/hash.h>
#include <math.h>
#include <sdk/json.h>
#include <stdio.h>
#include <time.h>

#define DAY_US 86400000000

int32_t mem0_fields_of(const cJSON *list, mem0_fields *out, quipu_error *error)
{
    const cJSON *one;
    out->count = 0;
    if (!list || cJSON_IsNull(list))
        return QUIPU_OK;
    if (!cJSON_IsArray(list))
        return fail(error, QUIPU_E_INVALID, "fields", "fields must be a list of names");
    cJSON_ArrayForEach(one, list)
    {
        if (!cJSON_IsString(one) || out->count == sizeof out->names / sizeof out->names[0])
            return fail(error, QUIPU_E_INVALID, "fields", "fields must be a list of at most 32 names");
        out->names[out->count++] = str_of(one->valuestring);
    }
    return QUIPU_OK;
}

/* Canonical JSON has each top-level member on a line of its own, two blanks in; within a string there is no line end. */
quipu_str mem0_member(quipu_str canonical, const char *name)
{
    char head[80];
    int len = snprintf(head, sizeof head, "\n  \"%s\": ", name);
    const char *found = memmem(canonical.ptr, (size_t)canonical.len, head, (size_t)len);
    if (!found)
        return (quipu_str){ NULL, 0 };
    const char *from = found + len, *end = canonical.ptr + canonical.len, *at = from;
    for (;;) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (!at)
            return (quipu_str){ NULL, 0 };
        if (end - at < 4 || at[1] == '}') /* the end of the record */
            break;
        if (at[3] != ' ' && at[3] != '}' && at[3] != ']') /* the next member */
            break;
        if (at[3] != ' ') { /* the closing bracket of this one */
            at = memchr(at + 1, '\n', (size_t)(end - at) - 1);
            break;
        }
        at++;
    }
    if (!at)
        return (quipu_str){ NULL, 0 };
    size_t bytes = (size_t)(at - from);
    if (bytes > 0 && from[bytes - 1] == ',')
        bytes--;
    return str_make(from, bytes);
}

static void civil(int64_t time, struct tm *out, long *micro)
{
    int64_t seconds = time / 1000000, rest = time % 1000000;
    if (rest < 0) {
        rest += 1000000;
        seconds--;
    }
    time_t t = (time_t)seconds;
    gmtime_r(&t, out);
    *micro = (long)rest;
}

void mem0_print_time(int64_t time, buffer *out)
{
    struct tm parts = { 0 };
    long micro = 0;
    if (time == QUIPU_TIME_NONE) {
        buffer_append_text(out, "null");
        return;
    }
    civil(time, &parts, &micro);
    buffer_printf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%06ld+00:00\"", parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, micro);
}

void mem0_print_text(quipu_str text, buffer *out)
{
    if (text.ptr)
        json_print_string(text, out);
    else
        buffer_append_text(out, "null");
}

int32_t mem0_date(quipu_str text, int64_t *out, quipu_error *error)
{
    bool date = false;
    quipu_error ignored = { .struct_size = sizeof ignored };
    if (text.len != 10 || time_parse(text, "expiration_date", &date, out, &ignored) != QUIPU_OK || !date)
        return fail(error, QUIPU_E_INVALID, "expiration_date",
                    "expiration_date must be a valid date in YYYY-MM-DD format.");
    *out += DAY_US - 1;
    return QUIPU_OK;
}

static void print_date(int64_t time, buffer *out)
{
    struct tm parts = { 0 };
    long micro;
    if (time == QUIPU_TIME_NONE) {
        buffer_append_text(out, "null");
        return;
    }
    civil(time, &parts, &micro);
    buffer_printf(out, "\"%04d-%02d-%02d\"", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

double mem0_score(const quipu_hit *hit)
{
    double score = hit->score > 0 ? hit->score : 0;
    return 0.1 + 0.9 * score / (score + 1); /* a hit is never below the threshold that the clients send unasked, 0.1 */
}

/* ---- one record ---- */

static bool wanted(const mem0_fields *fields, const char *name)
{
    if (!fields || fields->count == 0)
        return true;
    for (unsigned i = 0; i < fields->count; i++)
        if (quipu_str_equal(&fields->names[i], name, strlen(name)))
            return true;
    return false;
}

static bool begin(const mem0_fields *fields, const char *name, buffer *out)
{
    if (!wanted(fields, name))
        return false;
    buffer_append_text(out, ",\"");
    buffer_append_text(out, name);
    buffer_append_text(out, "\":");
    return true;
}

static void print_hash(quipu_str text, buffer *out)
{
    uint8_t digest[16];
    char digits[33] = "";
    hash_md5(text.ptr ? text.ptr : "", (size_t)text.len, digest);
    hex_encode(digest, sizeof digest, digits);
    digits[32] = '\0';
    buffer_printf(out, "\"%s\"", digits);
}

/* A member of a canonical record on one line: no line end is within a string. */
void mem0_print_raw(quipu_str text, buffer *out)
{
    if (!text.ptr)
        buffer_append_text(out, "null");
    while (text.ptr && text.len > 0) {
        const char *end = memchr(text.ptr, '\n', (size_t)text.len);
        size_t len = end ? (size_t)(end - text.ptr) : (size_t)text.len;
        buffer_append(out, text.ptr, len);
        while (len < text.len && (text.ptr[len] == '\n' || text.ptr[len] == ' '))
            len++;
        text.ptr += len;
        text.len -= len;
    }
}

static void print_platform(const quipu_record *r, const mem0_fields *fields, buffer *out)
{
    const struct {
        const char *name;
        quipu_str text;
    } texts[] = { { "user_id", r->user },   { "agent_id", r->agent }, { "app_id", r->app },
                  { "run_id", r->session }, { "actor_id", r->actor }, { "role", r->role } };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (begin(fields, texts[i].name, out))
            mem0_print_text(texts[i].text, out);
    if (begin(fields, "metadata", out))
        mem0_print_raw(mem0_member(r->json, "metadata"), out);
    if (begin(fields, "categories", out)) {
        buffer_append_text(out, r->category.ptr ? "[" : "");
        mem0_print_text(r->category, out);
        buffer_append_text(out, r->category.ptr ? "]" : "");
    }
    if (begin(fields, "created_at", out))
        mem0_print_time(r->created_at, out);
    if (begin(fields, "updated_at", out))
        mem0_print_time(r->updated_at, out);
    if (begin(fields, "expiration_date", out))
        print_date(r->expires_at, out);
    if (begin(fields, "hash", out))
        print_hash(r->text, out);
}

static void print_oss(const quipu_record *r, buffer *out)
{
    const struct {
        const char *name;
        quipu_str text;
    } texts[] = { { "user_id", r->user }, { "agent_id", r->agent }, { "run_id", r->session },
                  { "app_id", r->app },   { "actor_id", r->actor }, { "role", r->role } };
    begin(NULL, "hash", out);
    print_hash(r->text, out);
    begin(NULL, "created_at", out);
    mem0_print_time(r->created_at, out);
    begin(NULL, "updated_at", out);
    mem0_print_time(r->updated_at, out);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].text.ptr && begin(NULL, texts[i].name, out))
            mem0_print_text(texts[i].text, out);
    if (r->expires_at != QUIPU_TIME_NONE && begin(NULL, "expiration_date", out))
        print_date(r->expires_at, out);
    quipu_str metadata = mem0_member(r->json, "metadata");
    if (metadata.ptr && begin(NULL, "metadata", out))
        mem0_print_raw(metadata, out);
}

void mem0_print(mem0_dialect dialect, const quipu_record *r, const mem0_fields *fields, double score, buffer *out)
{
    buffer_append_text(out, "{\"id\":");
    json_print_string(r->id, out);
    buffer_append_text(out, ",\"memory\":");
    json_print_string(r->text.ptr ? r->text : str_of(""), out);
    if (dialect == MEM0_PLATFORM)
        print_platform(r, fields, out);
    else
        print_oss(r, out);
    if (score >= 0) {
        char digits[32];
        buffer_append_text(out, ",\"score\":");
        buffer_append_text(out, json_double_text(score, digits) ? digits : "0");
    }
    buffer_append_char(out, '}');
}
