/* pack_files.c - see pack_files.h, and the counting and cleaning of pack_merge.h. */
#include "pack_files.h"

#include "multi_pack.h"
#include "os.h"
#include "pack_retired.h"

#include <base/fail.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_LEN = 5 + OBJECT_ID_HEX, TRANSFER_OLD = 3600 /* seconds */ };

static void path_of(const char *folder, const char *name, const char *suffix, buffer *out)
{
    buffer_clear(out);
    buffer_printf(out, "%s/%s%s", folder, name, suffix);
}

/* The size of a file of a pack; false where there is none. */
static bool size_of(const char *folder, const char *name, const char *suffix, uint64_t *out)
{
    buffer path = { 0 };
    struct stat st;
    path_of(folder, name, suffix, &path);
    bool there = !path.failed && stat(path.bytes, &st) == 0 && S_ISREG(st.st_mode);
    *out = there ? (uint64_t)st.st_size : 0;
    buffer_free(&path);
    return there;
}

static int compare_packs(const void *a, const void *b)
{
    const pack_file *x = a, *y = b;
    if (x->kept != y->kept)
        return x->kept ? 1 : -1;
    if (x->retired != y->retired)
        return x->retired ? 1 : -1;
    return x->pack_len != y->pack_len ? (x->pack_len > y->pack_len ? 1 : -1) : strcmp(x->name, y->name);
}

/* One name in the folder, and which files of it were seen. */
typedef struct seen_pack {
    char name[PACK_NAME_SIZE];
    unsigned files; /* of PART_... */
} seen_pack;

typedef struct seen_packs {
    seen_pack *packs;
    size_t count, room;
} seen_packs;

enum { PART_PACK = 1, PART_INDEX = 2, PART_KEEP = 4 };

static bool see_file(seen_packs *seen, const char *file)
{
    size_t len = strlen(file);
    unsigned part = len <= NAME_LEN || strncmp(file, "pack-", 5) != 0 ? 0
                    : strcmp(file + NAME_LEN, ".pack") == 0           ? PART_PACK
                    : strcmp(file + NAME_LEN, ".idx") == 0            ? PART_INDEX
                    : strcmp(file + NAME_LEN, ".keep") == 0           ? PART_KEEP
                                                                      : 0;
    if (!part)
        return true;
    if (seen->count == seen->room) {
        size_t room = seen->room ? seen->room * 2 : 256;
        seen_pack *packs = realloc(seen->packs, room * sizeof *packs);
        if (!packs)
            return false;
        seen->packs = packs;
        seen->room = room;
    }
    seen_pack *p = &seen->packs[seen->count++];
    *p = (seen_pack){ .files = part };
    memcpy(p->name, file, NAME_LEN);
    return true;
}

static int compare_seen(const void *a, const void *b)
{
    return memcmp(((const seen_pack *)a)->name, ((const seen_pack *)b)->name, NAME_LEN);
}

/* Puts what was seen of one pack together. */
static void join_seen(seen_packs *seen)
{
    size_t kept = 0;
    if (seen->count)
        qsort(seen->packs, seen->count, sizeof *seen->packs, compare_seen);
    for (size_t i = 0; i < seen->count; i++)
        if (kept && compare_seen(&seen->packs[kept - 1], &seen->packs[i]) == 0)
            seen->packs[kept - 1].files |= seen->packs[i].files;
        else
            seen->packs[kept++] = seen->packs[i];
    seen->count = kept;
}

static bool size_in(int folder, const char *name, const char *suffix, uint64_t *out)
{
    char file[NAME_LEN + 8];
    struct stat st;
    memcpy(file, name, NAME_LEN);
    memcpy(file + NAME_LEN, suffix, strlen(suffix) + 1);
    *out = 0;
    if (fstatat(folder, file, &st, 0) != 0 || !S_ISREG(st.st_mode))
        return false;
    *out = (uint64_t)st.st_size;
    return true;
}

static int32_t add_pack(int folder, const seen_pack *seen, const retired_list *retired, pack_list *list,
                        quipu_error *error)
{
    pack_file pack = { .kept = (seen->files & PART_KEEP) != 0 };
    if ((seen->files & (PART_PACK | PART_INDEX)) != (PART_PACK | PART_INDEX) ||
        !size_in(folder, seen->name, ".pack", &pack.pack_len) || !size_in(folder, seen->name, ".idx", &pack.index_len))
        return QUIPU_OK;
    memcpy(pack.name, seen->name, NAME_LEN);
    const retired_pack *since = pack.kept ? NULL : retired_find(retired, pack.name);
    pack.retired = since != NULL;
    pack.retired_since = since ? since->since : 0;
    pack_file *packs = realloc(list->packs, (list->count + 1) * sizeof *packs);
    if (!packs)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to list packs");
    list->packs = packs;
    list->packs[list->count++] = pack;
    list->mergeable += !pack.kept && !pack.retired;
    list->retired += pack.retired;
    return QUIPU_OK;
}

static bool is_index(const char *file)
{
    return strlen(file) == NAME_LEN + 4 && strncmp(file, "pack-", 5) == 0 && strcmp(file + NAME_LEN, ".idx") == 0;
}

int32_t pack_each_name(const char *folder, pack_name_fn visit, void *context)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int32_t code = QUIPU_OK;
    if (!dir)
        return errno == ENOENT ? QUIPU_OK : QUIPU_E_IO;
    while (code == QUIPU_OK && (entry = readdir(dir)) != NULL)
        if (is_index(entry->d_name)) {
            char name[PACK_NAME_SIZE] = "";
            memcpy(name, entry->d_name, NAME_LEN);
            code = visit(context, name);
        }
    closedir(dir);
    return code;
}

bool pack_files_run_out(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE;
    close(fd);
    return false;
}

int32_t pack_list_read(const char *folder, pack_list *out, quipu_error *error)
{
    retired_list retired = { 0 };
    seen_packs seen = { 0 };
    const struct dirent *entry;
    /* before the folder: what is retired later is listed with what took its place */
    int32_t code = retired_read(folder, &retired, error);
    DIR *dir = code == QUIPU_OK ? opendir(folder) : NULL;
    if (!dir) {
        retired_free(&retired);
        return code != QUIPU_OK ? code : fail_errno(error, errno, "cannot list %s", folder);
    }
    while (code == QUIPU_OK && (entry = readdir(dir)) != NULL)
        if (!see_file(&seen, entry->d_name))
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to list packs");
    join_seen(&seen);
    for (size_t i = 0; i < seen.count && code == QUIPU_OK; i++)
        code = add_pack(dirfd(dir), &seen.packs[i], &retired, out, error);
    closedir(dir);
    free(seen.packs);
    retired_free(&retired);
    if (out->count)
        qsort(out->packs, out->count, sizeof *out->packs, compare_packs);
    return code;
}

void pack_file_unmap(pack_file *pack)
{
    if (pack->pack)
        munmap((void *)(uintptr_t)pack->pack, (size_t)pack->pack_len);
    if (pack->index_bytes)
        munmap((void *)(uintptr_t)pack->index_bytes, (size_t)pack->index_len);
    pack->pack = pack->index_bytes = NULL;
}

void pack_list_free(pack_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        pack_file_unmap(&list->packs[i]);
    free(list->packs);
    *list = (pack_list){ 0 };
}

static const uint8_t *map_file(const char *folder, const char *name, const char *suffix, uint64_t *len,
                               quipu_error *error)
{
    buffer path = { 0 };
    struct stat st;
    void *bytes = MAP_FAILED;
    path_of(folder, name, suffix, &path);
    int fd = path.failed ? -1 : os->open(path.bytes, O_RDONLY, 0);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        *len = (uint64_t)st.st_size;
        bytes = mmap(NULL, (size_t)*len, PROT_READ, MAP_SHARED, fd, 0);
    }
    if (bytes == MAP_FAILED)
        fail_errno(error, errno ? errno : EIO, "cannot read %s", path.failed ? name : path.bytes);
    if (fd >= 0)
        os->close(fd);
    buffer_free(&path);
    return bytes == MAP_FAILED ? NULL : bytes;
}

int32_t pack_file_map(const char *folder, pack_file *pack, quipu_error *error)
{
    pack->pack = map_file(folder, pack->name, ".pack", &pack->pack_len, error);
    pack->index_bytes = pack->pack ? map_file(folder, pack->name, ".idx", &pack->index_len, error) : NULL;
    if (!pack->index_bytes)
        return QUIPU_E_IO;
    if (pack->pack_len < PACK_HEADER_SIZE + PACK_TRAILER_SIZE || memcmp(pack->pack, "PACK", 4) != 0 ||
        !pack_index_check(pack->index_bytes, (size_t)pack->index_len, &pack->index))
        return fail(error, QUIPU_E_CORRUPT, NULL, "%s is damaged; run `quipu verify`", pack->name);
    return QUIPU_OK;
}

int32_t pack_file_publish(const char *folder, const char *name, const char *temporary, const buffer *index,
                          bool durable, quipu_error *error)
{
    buffer pack_path = { 0 }, index_path = { 0 };
    int32_t code = QUIPU_OK;
    path_of(folder, name, ".pack", &pack_path);
    path_of(folder, name, ".idx", &index_path);
    if (pack_path.failed || index_path.failed)
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory to write a pack");
    else if (os->rename(temporary, pack_path.bytes) < 0)
        code = fail_errno(error, errno, "cannot name %s", pack_path.bytes);
    else
        code = os_replace_file(index_path.bytes, index->bytes, index->len, durable, error);
    buffer_free(&pack_path);
    buffer_free(&index_path);
    return code;
}

bool pack_any_larger(const char *folder, uint32_t objects)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    buffer path = { 0 };
    bool any = false;
    while (dir && !any && (entry = readdir(dir)) != NULL) {
        uint8_t head[PACK_HEADER_SIZE];
        size_t len = strlen(entry->d_name);
        if (len < 5 || strcmp(entry->d_name + len - 5, ".pack") != 0)
            continue;
        path_of(folder, entry->d_name, "", &path);
        int fd = path.failed ? -1 : os->open(path.bytes, O_RDONLY, 0);
        if (fd >= 0 && os->pread(fd, head, sizeof head, 0) == sizeof head)
            any = ((uint32_t)head[8] << 24 | (uint32_t)head[9] << 16 | (uint32_t)head[10] << 8 | head[11]) > objects;
        if (fd >= 0)
            os->close(fd);
    }
    if (dir)
        closedir(dir);
    buffer_free(&path);
    return any;
}

void pack_remove(const char *folder, const char *name)
{
    static const char *const beside[] = { ".bitmap", ".rev", ".mtimes" };
    buffer path = { 0 };
    multi_pack_remove(folder);
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        path_of(folder, name, beside[i], &path);
        if (!path.failed && access(path.bytes, F_OK) == 0)
            os->unlink(path.bytes);
    }
    buffer_free(&path);
    pack_withdraw(folder, name);
}

int32_t pack_count(const char *folder, pack_figures *out, quipu_error *error)
{
    pack_list list = { 0 };
    *out = (pack_figures){ 0 };
    int32_t code = pack_list_read(folder, &list, error);
    for (size_t i = 0; i < list.count && code == QUIPU_OK; i++) {
        if (list.packs[i].retired) {
            out->retired++;
            out->retired_bytes += list.packs[i].pack_len + list.packs[i].index_len;
            continue;
        }
        out->packs++;
        out->bytes += list.packs[i].pack_len + list.packs[i].index_len;
        /* header 8, fan-out 1024, trailers 40, 28 bytes an object */
        if (list.packs[i].index_len > 1072)
            out->objects += (list.packs[i].index_len - 1072) / 28;
    }
    pack_list_free(&list);
    return code;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* A keep of ours says so; receive-pack's says "receive-pack". */
static bool keep_is_ours(const char *path)
{
    buffer text = { 0 };
    bool ours = os_read_file(path, 4096, &text, NULL) == QUIPU_OK && (text.len == 0 || begins(text.bytes, "quipu"));
    buffer_free(&text);
    return ours;
}

/* What a crash left of a pack of ours: the pack without its index. Git's own packs cannot be written to. */
static bool is_half(const char *folder, const char *name)
{
    buffer path = { 0 };
    struct stat st;
    uint64_t len;
    path_of(folder, name, ".pack", &path);
    bool half =
        !path.failed && stat(path.bytes, &st) == 0 && (st.st_mode & S_IWUSR) && !size_of(folder, name, ".idx", &len);
    buffer_free(&path);
    return half;
}

/* Takes away a keep that a killed process of ours left; and its pack, where that was not yet, or no longer, whole. */
static void clear_keep(const char *folder, const char *file)
{
    buffer path = { 0 };
    char name[PACK_NAME_SIZE] = "";
    path_of(folder, file, "", &path);
    if (!path.failed && keep_is_ours(path.bytes)) {
        if (strlen(file) == NAME_LEN + 5)
            memcpy(name, file, NAME_LEN);
        if (name[0] && is_half(folder, name))
            pack_withdraw(folder, name);
        os->unlink(path.bytes);
    }
    buffer_free(&path);
}

/* What libgit2 receives has this name until all is there. It may be under way, in another process; but then it was written to lately. */
static bool is_old_transfer(const char *file, const char *path)
{
    struct stat st;
    return begins(file, "pack_git2_") && stat(path, &st) == 0 && os->now() - st.st_mtime > TRANSFER_OLD;
}

void pack_clear_stale(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    buffer path = { 0 };
    retired_clear_stale(folder);
    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len > 5 && strcmp(entry->d_name + len - 5, ".keep") == 0)
            clear_keep(folder, entry->d_name);
        path_of(folder, entry->d_name, "", &path);
        bool unfinished = begins(entry->d_name, "quipu_tmp_") || strstr(entry->d_name, ".idx.tmp-") != NULL;
        if (!path.failed && (unfinished || is_old_transfer(entry->d_name, path.bytes)))
            os->unlink(path.bytes);
    }
    closedir(dir);
    buffer_free(&path);
}
