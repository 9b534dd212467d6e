/*
 * note.c - the file in the store's folder that says where in the database the store is: the schema's name, and the id that the table
 * `store` must have too, so that a url that leads to another database is noticed.
 *
 *     quipu postgres store 1
 *     schema quipu_0192f1c9a1b27c3e8d4f5a6b7c8d9e0f
 *     id 0192f1c9a1b27c3e8d4f5a6b7c8d9e0f
 *     sum 16 bytes over what stands above, in digits
 */
#include "backend.h"

#include <base/fail.h>
#include <base/hash.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/os.h>
#include <string.h>
#include <unistd.h>

static const char heading[] = "quipu postgres store ";
enum { NOTE_MAX = 4096, NOTE_VERSION = 1, ID_HEX = 32, SUM_HEX = 2 * QUICK_SUM_LEN };

static void sum_of(const char *bytes, size_t len, char out[SUM_HEX + 1])
{
    quick_sum sum;
    uint8_t digest[QUICK_SUM_LEN];
    quick_sum_begin(&sum);
    quick_sum_add(&sum, bytes, len);
    quick_sum_end(&sum, digest);
    hex_encode(digest, sizeof digest, out);
    out[SUM_HEX] = '\0';
}

static void print_note(const store_note *note, buffer *out)
{
    char digits[ID_HEX + 1] = "", sum[SUM_HEX + 1] = "";
    hex_encode(note->id, sizeof note->id, digits);
    buffer_printf(out, "%s%d\nschema %s\nid %.32s\n", heading, (int)NOTE_VERSION, note->schema, digits);
    if (!out->failed)
        sum_of(out->bytes, out->len, sum);
    buffer_printf(out, "sum %s\n", sum);
}

/* What is printed is read back by printing what was read: any other byte is damage. */
static bool parse_note(const buffer *text, store_note *out)
{
    char schema[SCHEMA_MAX + 1] = "", digits[ID_HEX + 1] = "";
    buffer again = { 0 };
    memset(out, 0, sizeof *out);
    if (text->len == 0 ||
        sscanf(text->bytes, "quipu postgres store 1\nschema %63[a-z0-9_]\nid %32[0-9a-f]\n", schema, digits) != 2 ||
        strlen(digits) != ID_HEX || hex_decode(digits, sizeof out->id, out->id) != 0)
        return false;
    memcpy(out->schema, schema, sizeof schema);
    print_note(out, &again);
    bool same = !again.failed && again.len == text->len && memcmp(again.bytes, text->bytes, text->len) == 0;
    buffer_free(&again);
    return same;
}

static int32_t path_of(const char *folder, const char *name, buffer *out, quipu_error *error)
{
    buffer_printf(out, "%s/%s", folder, name);
    return out->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store") : QUIPU_OK;
}

int32_t note_read(const char *folder, store_note *out, bool *found, quipu_error *error)
{
    buffer path = { 0 }, text = { 0 };
    *found = false;
    int32_t code = path_of(folder, NOTE_NAME, &path, error);
    if (code == QUIPU_OK) {
        code = os_read_file(path.bytes, NOTE_MAX, &text, error);
        *found = code == QUIPU_OK;
        if (code == QUIPU_E_NOT_FOUND)
            code = QUIPU_OK;
    }
    size_t head = sizeof heading - 1;
    if (*found && text.len > head + 1 && memcmp(text.bytes, heading, head) == 0 &&
        strtol(text.bytes + head, NULL, 10) > NOTE_VERSION)
        code = fail(error, QUIPU_E_FORMAT, "path", "%s is of a newer Quipu: use that", path.bytes);
    else if (*found && !parse_note(&text, out))
        code = fail(error, QUIPU_E_CORRUPT, "path", "%s is damaged; bring a copy of it back", path.bytes);
    buffer_free(&path);
    buffer_free(&text);
    return code;
}

/* Under its name it is complete, and the first one stays. */
static int32_t place_note(const char *folder, const char *fresh, const char *path, quipu_error *error)
{
    if (os->link(fresh, path) != 0)
        return errno == EEXIST ? fail(error, QUIPU_E_EXISTS, "path", "%s is there already", path)
                               : fail_errno(error, errno, "cannot make %s", path);
    return os_sync_folder(folder) == 0 ? QUIPU_OK : fail_errno(error, errno, "cannot sync %s", folder);
}

int32_t note_write(const char *folder, const store_note *note, quipu_error *error)
{
    buffer path = { 0 }, fresh = { 0 }, text = { 0 };
    char name[sizeof NOTE_NAME + 40];
    snprintf(name, sizeof name, "%s.%ld", NOTE_NAME, (long)getpid());
    print_note(note, &text);
    int32_t code = path_of(folder, NOTE_NAME, &path, error);
    if (code == QUIPU_OK)
        code = path_of(folder, name, &fresh, error);
    if (code == QUIPU_OK && text.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to open the store");
    if (code == QUIPU_OK) {
        os->unlink(fresh.bytes); /* of a process of this number that was killed */
        if (os_write_new(fresh.bytes, text.bytes, text.len, true) != 0) {
            code = fail_errno(error, errno, "cannot write %s", fresh.bytes);
        } else {
            code = place_note(folder, fresh.bytes, path.bytes, error);
            os->unlink(fresh.bytes);
        }
    }
    buffer_free(&path);
    buffer_free(&fresh);
    buffer_free(&text);
    return code;
}

bool note_folder_is_free(const char *folder)
{
    static const char *const ours[] = { ".", "..", "catalogue" };
    DIR *dir = opendir(folder);
    bool free_ = true;
    if (!dir)
        return true; /* what is wrong with it shows when the note is made */
    for (struct dirent *entry; free_ && (entry = readdir(dir));) {
        free_ = strncmp(entry->d_name, "quipu-store.json", 16) == 0 ||
                strncmp(entry->d_name, NOTE_NAME, sizeof NOTE_NAME - 1) == 0;
        for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
            free_ = free_ || strcmp(entry->d_name, ours[i]) == 0;
    }
    closedir(dir);
    return free_;
}
