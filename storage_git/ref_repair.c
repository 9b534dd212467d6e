/* ref_repair.c - what branches and other refs hold, and whether it is there (repair_inner.h). */
#include "refs.h"

#include "os.h"
#include "repair_inner.h"

#include <base/fail.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PACKED_MAX = 64 << 20 };

typedef struct refs {
    repair *repair;
    uint64_t count;
    char *head; /* the branch that HEAD names; NULL: none */
} refs;

/* ---- packed-refs ---- */

/* As git-check-ref-format(1) has it, as far as a damaged byte could offend. */
static bool name_is_sound(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] <= ' ' || strchr("~^:?*[\\\x7f", name[i]) ||
            (i > 0 && name[i] == name[i - 1] && (name[i] == '.' || name[i] == '/')))
            return false;
    return len > 5 && memcmp(name, "refs/", 5) == 0 && name[len - 1] != '/' && name[len - 1] != '.';
}

/* "# pack-refs with: ..." before all others: git refuses to read what has any other line that begins like it. A name of a ref in it
 * means that its end is damaged. */
static bool header_is_sound(const char *line, size_t len)
{
    static const char start[] = "# pack-refs with:";
    size_t at = sizeof start - 1;
    if (len < at || memcmp(line, start, at) != 0)
        return false;
    while (at < len && (line[at] == ' ' || line[at] == '-' || (line[at] >= 'a' && line[at] <= 'z')))
        at++;
    return at == len;
}

/* "^<40 digits>", or "<40 digits> refs/...". */
static bool line_is_sound(const char *line, size_t len)
{
    object_id id;
    if (len == OBJECT_ID_HEX + 1 && line[0] == '^')
        return object_id_parse(line + 1, &id);
    return len > OBJECT_ID_HEX + 1 && line[OBJECT_ID_HEX] == ' ' &&
           name_is_sound(line + OBJECT_ID_HEX + 1, len - OBJECT_ID_HEX - 1) && object_id_parse(line, &id);
}

/* Copies the lines that are sound and not about `without` (NULL: none); how many others there were. */
static unsigned filter_lines(const buffer *text, const char *without, buffer *out)
{
    unsigned dropped = 0;
    size_t name_len = without ? strlen(without) : 0;
    bool skip_peeled = false;
    for (size_t at = 0, len; at < text->len; at += len) {
        const char *line = text->bytes + at, *stop = memchr(line, '\n', text->len - at);
        size_t bare = stop ? (size_t)(stop - line) : text->len - at;
        len = bare + (stop != NULL);
        bool named =
            without && bare == OBJECT_ID_HEX + 1 + name_len && memcmp(line + OBJECT_ID_HEX + 1, without, name_len) == 0;
        bool sound = (at == 0 && header_is_sound(line, bare)) || line_is_sound(line, bare);
        bool keep = sound && !named && !(skip_peeled && line[0] == '^');
        skip_peeled = !keep;
        dropped += !keep;
        if (keep) {
            buffer_append(out, line, bare);
            buffer_append_char(out, '\n');
        }
    }
    return dropped;
}

/* Writes packed-refs without what is not sound, and without one ref. */
static int32_t rewrite_packed(repair *r, const char *without, const char *why, unsigned *dropped)
{
    buffer path = { 0 }, text = { 0 }, kept = { 0 };
    *dropped = 0;
    int32_t code = repair_path(r, &path, "packed-refs");
    if (code == QUIPU_OK)
        code = os_read_file(path.bytes, PACKED_MAX, &text, r->error);
    if (code == QUIPU_E_NOT_FOUND)
        code = QUIPU_OK;
    else if (code == QUIPU_OK)
        *dropped = filter_lines(&text, without, &kept);
    if (code == QUIPU_OK && kept.failed)
        code = repair_no_memory(r);
    if (code == QUIPU_OK && *dropped && r->aside)
        code = aside_keep(r->aside, path.bytes, why, r->error);
    if (code == QUIPU_OK && *dropped && r->aside)
        code = os_replace_file(path.bytes, kept.bytes ? kept.bytes : "", kept.len, true, r->error);
    buffer_free(&path);
    buffer_free(&text);
    buffer_free(&kept);
    return code;
}

static int32_t check_packed(repair *r)
{
    unsigned dropped;
    int32_t code = rewrite_packed(r, NULL, "lines that name no ref; they were left out", &dropped);
    if (code == QUIPU_OK && dropped)
        code = repair_tell(r, repair_severity(r), "refs", "packed-refs", "%u lines are damaged%s", dropped,
                           r->aside ? "; they were left out" : "");
    return code;
}

/* ---- one ref ---- */

/* Takes the ref from its place: its file, and its line in packed-refs, which would come to light. */
static int32_t set_aside(repair *r, const char *name, const char *why)
{
    buffer path = { 0 };
    unsigned dropped;
    int32_t code = repair_path(r, &path, name);
    if (code == QUIPU_OK)
        code = aside_move(r->aside, path.bytes, why, r->error);
    if (code == QUIPU_OK)
        code = rewrite_packed(r, name, why, &dropped);
    buffer_free(&path);
    return code;
}

static const char *find_fault(const refs *c, const ref_told *ref)
{
    object_type type;
    buffer bytes = { 0 };
    if (ref->fault || c->repair->packs_are_damaged)
        return ref->fault;
    int32_t code = objects_read_any(c->repair->store->objects, &ref->id, &type, &bytes, NULL);
    buffer_free(&bytes);
    if (code != QUIPU_OK)
        return "what it leads to cannot be read";
    return strncmp(ref->name, "refs/heads/", 11) == 0 && type != OBJECT_COMMIT ? "it leads to no commit" : NULL;
}

static int32_t check_ref(void *context, const ref_told *ref)
{
    refs *c = context;
    repair *r = c->repair;
    char said[OBJECT_ID_HEX + 1] = "", why[120];
    int32_t code = call_check(r->call, r->error);
    if (code != QUIPU_OK || ref->symbolic || (object_id_is_none(&ref->id) && !ref->fault))
        return code;
    c->count++;
    const char *fault = find_fault(c, ref);
    if (!fault)
        return QUIPU_OK;
    if (!ref->fault)
        object_id_print(&ref->id, said);
    snprintf(why, sizeof why, "%s%s%s", fault, said[0] ? ": " : "", said);
    if (r->aside)
        code = set_aside(r, ref->name, why);
    if (code == QUIPU_OK)
        code = repair_tell(r, repair_severity(r), "refs", ref->name, "%s%s", why, r->aside ? "; it was set aside" : "");
    bool head = c->head && strcmp(c->head, ref->name) == 0;
    if (code == QUIPU_OK && !head && !r->packs_are_damaged && strncmp(ref->name, "refs/heads/", 11) == 0)
        code = repair_lost_branch(r, ref->name, false);
    return code;
}

/* The branch that HEAD names, after all others: what they lead to is not lost. */
static int32_t check_head(refs *c)
{
    object_id head = { { 0 } };
    repair *r = c->repair;
    quipu_error why = { .struct_size = sizeof why };
    bool used = false;
    int32_t code = c->head ? ref_read(r->store->path, c->head, &head, &why) : QUIPU_OK;
    if (!c->head ||
        (code == QUIPU_OK && !object_id_is_none(&head) && !find_fault(c, &(ref_told){ c->head, head, NULL, false })))
        return QUIPU_OK;
    if (code != QUIPU_OK && code != QUIPU_E_CORRUPT)
        return fail(r->error, code, NULL, "%s", why.message);
    if (r->packs_are_damaged)
        return QUIPU_OK;
    code = objects_any(r->store->objects, &used, r->error);
    if (code == QUIPU_OK && !used)
        return repair_tell(r, REPAIR_WARNING, "refs", c->head, "there is no commit yet, and no object");
    return code == QUIPU_OK ? repair_lost_branch(r, c->head, true) : code;
}

int32_t repair_refs(repair *r)
{
    refs c = { .repair = r };
    if (git_store_branch(r->store, &c.head, NULL) != QUIPU_OK)
        c.head = NULL; /* that was told */
    int32_t code = check_packed(r);
    if (code == QUIPU_OK)
        code = ref_each_told(r->store->path, "refs/", check_ref, &c, r->error);
    if (code == QUIPU_OK)
        code = check_head(&c);
    if (code == QUIPU_OK)
        code = r->options->visit(r->options->context, REPAIR_CHECKED, "refs", NULL, NULL, c.count);
    free(c.head);
    return code;
}
