/* refs_each.c - the refs below a prefix (refs.h): those with a file of their own, and those in packed-refs. */
#include "refs.h"

#include "os.h"

#include <base/buffer.h>
#include <base/fail.h>

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PACKED_MAX = 64 << 20, FOLDERS_DEEP = 16 };

typedef struct names {
    char **items;
    size_t count;
    quipu_error *error;
} names;

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to list the branches");
}

static int32_t add_name(names *n, quipu_str name)
{
    if ((n->count & (n->count - 1)) == 0) {
        char **items = realloc(n->items, (n->count ? n->count * 2 : 1) * sizeof *items);
        if (!items)
            return no_memory(n->error);
        n->items = items;
    }
    n->items[n->count] = str_dup(name);
    return n->items[n->count] ? (n->count++, QUIPU_OK) : no_memory(n->error);
}

static bool ends_with_lock(const char *name)
{
    size_t len = strlen(name);
    return len >= 5 && strcmp(name + len - 5, ".lock") == 0;
}

/* name: of a folder below the repository, with a '/' at its end; is left as it was. */
static int32_t read_folder(names *n, const char *repository, buffer *name, unsigned depth)
{
    buffer path = { 0 };
    struct dirent *entry;
    struct stat st;
    int32_t code = QUIPU_OK;
    size_t keep = name->len;
    buffer_printf(&path, "%s/%s", repository, name->bytes);
    DIR *dir = path.failed ? NULL : opendir(path.bytes);
    while (dir && code == QUIPU_OK && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.' || ends_with_lock(entry->d_name))
            continue;
        buffer_append_text(name, entry->d_name);
        buffer_clear(&path);
        buffer_printf(&path, "%s/%s", repository, name->bytes);
        if (name->failed || path.failed)
            code = no_memory(n->error);
        else if (stat(path.bytes, &st) == 0 && S_ISREG(st.st_mode))
            code = add_name(n, str_make(name->bytes, name->len));
        else if (stat(path.bytes, &st) == 0 && S_ISDIR(st.st_mode) && depth < FOLDERS_DEEP) {
            buffer_append_char(name, '/');
            code = read_folder(n, repository, name, depth + 1);
        }
        name->len = keep;
        name->bytes[keep] = '\0';
    }
    if (dir)
        closedir(dir);
    buffer_free(&path);
    return code;
}

static int32_t read_packed_names(names *n, const char *repository, const char *prefix)
{
    buffer path = { 0 }, text = { 0 };
    size_t prefix_len = strlen(prefix);
    buffer_printf(&path, "%s/packed-refs", repository);
    int32_t code = path.failed ? no_memory(n->error) : os_read_file(path.bytes, PACKED_MAX, &text, n->error);
    if (code == QUIPU_E_NOT_FOUND)
        code = QUIPU_OK;
    for (const char *line = text.bytes, *end = line ? line + text.len : NULL; line && line < end && code == QUIPU_OK;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t len = stop ? (size_t)(stop - line) : (size_t)(end - line);
        if (len > OBJECT_ID_HEX + 1 + prefix_len && line[OBJECT_ID_HEX] == ' ' &&
            memcmp(line + OBJECT_ID_HEX + 1, prefix, prefix_len) == 0)
            code = add_name(n, str_make(line + OBJECT_ID_HEX + 1, len - OBJECT_ID_HEX - 1));
        line = stop ? stop + 1 : NULL;
    }
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, each once. */
static int32_t list_names(names *n, const char *repository, const char *prefix)
{
    buffer name = { 0 };
    size_t kept = 0;
    buffer_append_text(&name, prefix);
    int32_t code = name.failed ? no_memory(n->error) : read_folder(n, repository, &name, 0);
    if (code == QUIPU_OK)
        code = read_packed_names(n, repository, prefix);
    if (n->count > 1)
        qsort(n->items, n->count, sizeof *n->items, by_bytes);
    for (size_t i = 0; i < n->count; i++) {
        if (kept > 0 && strcmp(n->items[i], n->items[kept - 1]) == 0)
            free(n->items[i]);
        else
            n->items[kept++] = n->items[i];
    }
    n->count = kept;
    buffer_free(&name);
    return code;
}

static void free_names(names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->items[i]);
    free(n->items);
}

int32_t ref_each(const char *repository, const char *prefix, ref_fn visit, void *context, quipu_error *error)
{
    names n = { .error = error };
    int32_t code = list_names(&n, repository, prefix);
    for (size_t i = 0; i < n.count && code == QUIPU_OK; i++) {
        object_id id;
        code = ref_read(repository, n.items[i], &id, error);
        if (code == QUIPU_OK && !object_id_is_none(&id))
            code = visit(context, n.items[i], &id);
    }
    free_names(&n);
    return code;
}

static bool is_symbolic(const char *repository, const char *name)
{
    buffer path = { 0 }, text = { 0 };
    buffer_printf(&path, "%s/%s", repository, name);
    bool symbolic = !path.failed && os_read_file(path.bytes, 4096, &text, NULL) == QUIPU_OK && text.len > 10 &&
                    strncmp(text.bytes, "ref: refs/", 10) == 0;
    buffer_free(&path);
    buffer_free(&text);
    return symbolic;
}

int32_t ref_each_told(const char *repository, const char *prefix, ref_told_fn visit, void *context, quipu_error *error)
{
    names n = { .error = error };
    int32_t code = list_names(&n, repository, prefix);
    for (size_t i = 0; i < n.count && code == QUIPU_OK; i++) {
        quipu_error why = { .struct_size = sizeof why };
        ref_told told = { .name = n.items[i] };
        code = ref_read(repository, n.items[i], &told.id, &why);
        if (code == QUIPU_E_CORRUPT) {
            memset(&told.id, 0, sizeof told.id);
            told.symbolic = is_symbolic(repository, n.items[i]);
            told.fault = told.symbolic ? NULL : "it does not hold a commit's name";
        } else if (code != QUIPU_OK) {
            fail(error, code, NULL, "%s", why.message);
            break;
        }
        code = visit(context, &told);
    }
    free_names(&n);
    return code;
}
