/* commits.c - see commits.h; the form is described in git's "gitformat-commit" and git-commit-tree(1). */
#include "commits.h"

#include "commit_links.h"

#include <base/fail.h>

#include <stdlib.h>

static void put_name(quipu_str name, buffer *out)
{
    for (uint64_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool c1 = c == 0xc2 && i + 1 < name.len && (unsigned char)name.ptr[i + 1] < 0xa0; /* U+0080 to U+009F */
        buffer_append_char(out, c1 || c < 0x20 || c == 0x7f || c == '<' || c == '>' ? ' ' : (char)c);
        i += c1;
    }
}

/* An address that leads nowhere (RFC 2606, ".invalid"): letters and digits of the name, others as '-'. */
static void put_address(quipu_str name, buffer *out)
{
    for (uint64_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
        buffer_append_char(out, plain ? c : '-');
    }
    buffer_append_text(out, "@quipu.invalid");
}

static bool has_letter(quipu_str name)
{
    for (uint64_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] > 0x20 && name.ptr[i] != '<' && name.ptr[i] != '>' && name.ptr[i] != 0x7f)
            return true;
    return false;
}

static void put_person(const char *role, quipu_str name, int64_t time, buffer *out)
{
    if (!name.ptr || !has_letter(name))
        name = str_of("quipu");
    int64_t seconds = time < 0 ? 0 : time / 1000000; /* git knows no time before 1970 */
    buffer_printf(out, "%s ", role);
    put_name(name, out);
    buffer_append_text(out, " <");
    put_address(name, out);
    buffer_printf(out, "> %lld +0000\n", (long long)seconds);
}

void commit_print(const object_id *tree, const object_id *parent, const commit_words *words, buffer *out)
{
    char digits[OBJECT_ID_HEX + 1];
    object_id_print(tree, digits);
    buffer_printf(out, "tree %s\n", digits);
    if (!object_id_is_none(parent)) {
        object_id_print(parent, digits);
        buffer_printf(out, "parent %s\n", digits);
    }
    if (!object_id_is_none(&words->merged)) {
        object_id_print(&words->merged, digits);
        buffer_printf(out, "parent %s\n", digits);
    }
    put_person("author", words->author, words->time, out);
    put_person("committer", words->author, words->committed, out);
    buffer_append_char(out, '\n');
    buffer_append_str(out, words->message);
}

/* A line of the header that begins with `key` and a blank: its value, or absent; moves *at past it. */
static quipu_str header_line(const char **at, const char *key)
{
    size_t key_len = strlen(key);
    const char *end = strchr(*at, '\n');
    if (!end || strncmp(*at, key, key_len) != 0 || (*at)[key_len] != ' ')
        return (quipu_str){ 0 };
    quipu_str value = str_make(*at + key_len + 1, (size_t)(end - *at) - key_len - 1);
    *at = end + 1;
    return value;
}

static bool parse_id(quipu_str value, object_id *out)
{
    return value.ptr && value.len == OBJECT_ID_HEX && object_id_parse(value.ptr, out);
}

/* "Name <address> seconds zone" */
static bool parse_person(quipu_str value, quipu_str *name, int64_t *time)
{
    const char *open = value.ptr ? memchr(value.ptr, '<', (size_t)value.len) : NULL;
    const char *close = open ? memchr(open, '>', (size_t)(value.ptr + value.len - open)) : NULL;
    if (!close)
        return false;
    size_t name_len = (size_t)(open - value.ptr);
    while (name_len > 0 && value.ptr[name_len - 1] == ' ')
        name_len--;
    *name = str_make(value.ptr, name_len);
    long long seconds = strtoll(close + 1, NULL, 10);
    if (seconds < 0 || seconds > INT64_MAX / 1000000)
        seconds = 0;
    *time = (int64_t)seconds * 1000000;
    return true;
}

bool commit_parse(commit *c)
{
    const char *at = c->bytes.bytes;
    quipu_str value, committer;
    if (!at || !parse_id(header_line(&at, "tree"), &c->tree))
        return false;
    while ((value = header_line(&at, "parent")).ptr)
        if (c->parent_count == COMMIT_PARENTS_MAX || !parse_id(value, &c->parents[c->parent_count++]))
            return false;
    if (!parse_person(header_line(&at, "author"), &c->author, &c->time) ||
        !parse_person(header_line(&at, "committer"), &committer, &c->committed))
        return false;
    const char *blank = *at == '\n' ? at - 1 : strstr(at, "\n\n"); /* other header lines, a signature for one */
    const char *text = blank ? blank + 2 : c->bytes.bytes + c->bytes.len;
    c->message = str_make(text, c->bytes.len - (size_t)(text - c->bytes.bytes));
    return true;
}

int32_t commit_read(objects *o, const object_id *id, commit *out, quipu_error *error)
{
    memset(out, 0, sizeof *out);
    out->id = *id;
    int32_t code = objects_read(o, id, OBJECT_COMMIT, &out->bytes, error);
    if (code == QUIPU_OK && !commit_parse(out)) {
        char digits[OBJECT_ID_HEX + 1];
        object_id_print(id, digits);
        code = fail(error, QUIPU_E_CORRUPT, NULL, "commit %s cannot be read; run `quipu verify`", digits);
    }
    if (code != QUIPU_OK)
        commit_free(out);
    return code;
}

void commit_free(commit *c)
{
    buffer_free(&c->bytes);
}

int32_t commit_at_time(objects *o, const object_id *from, int64_t time, object_id *out, quipu_error *error)
{
    commit_links links;
    commit_link link;
    bool found = false;
    int32_t code = QUIPU_OK;
    *out = *from;
    commit_links_begin(&links, o);
    while (code == QUIPU_OK && !found && !object_id_is_none(out)) {
        code = commit_link_read(&links, out, &link, error);
        found = code == QUIPU_OK && link.committed <= time;
        if (code == QUIPU_OK && !found)
            *out = link.parent_count ? link.parents[0] : (object_id){ { 0 } };
    }
    commit_links_end(&links);
    return code != QUIPU_OK || found ? code
                                     : fail(error, QUIPU_E_NOT_FOUND, "as_of", "the store has no revision that old");
}
