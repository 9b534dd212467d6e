/* key_ring.c - the keys as a running server sees them: read again where the file has changed, compared in constant time. */
#include "keys.h"

#include <base/hash.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

struct key_ring {
    char *path; /* NULL: no keys */
    pthread_rwlock_t lock;
    struct stat seen; /* the file as it was read; zeros where there was none */
    key_list list;
    bool unreadable;
};

static void look(const char *path, struct stat *out)
{
    if (stat(path, out) != 0)
        memset(out, 0, sizeof *out);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_mode == b->st_mode &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int32_t key_ring_open(const char *path, key_ring **out, quipu_error *error)
{
    key_ring *ring = calloc(1, sizeof *ring);
    int32_t code = QUIPU_E_NO_MEMORY;
    *out = NULL;
    if (!ring)
        return code;
    pthread_rwlock_init(&ring->lock, NULL);
    ring->path = path ? str_dup(str_of(path)) : NULL;
    if (!path || ring->path)
        code = QUIPU_OK;
    if (code == QUIPU_OK && ring->path) {
        look(ring->path, &ring->seen);
        code = keys_read(ring->path, &ring->list, error);
    }
    if (code == QUIPU_OK)
        *out = ring;
    else
        key_ring_close(ring);
    return code;
}

void key_ring_close(key_ring *ring)
{
    if (!ring)
        return;
    keys_free(&ring->list);
    pthread_rwlock_destroy(&ring->lock);
    free(ring->path);
    free(ring);
}

/* Reads the file again where it is another one now. What cannot be read lets nobody in. */
static void refresh(key_ring *ring)
{
    struct stat now;
    key_list fresh;
    if (!ring->path)
        return;
    look(ring->path, &now);
    pthread_rwlock_rdlock(&ring->lock);
    bool same = is_same_file(&now, &ring->seen);
    pthread_rwlock_unlock(&ring->lock);
    if (same)
        return;
    pthread_rwlock_wrlock(&ring->lock);
    look(ring->path, &ring->seen);
    ring->unreadable = keys_read(ring->path, &fresh, NULL) != QUIPU_OK;
    keys_free(&ring->list);
    ring->list = fresh;
    pthread_rwlock_unlock(&ring->lock);
}

bool key_ring_any(key_ring *ring)
{
    refresh(ring);
    pthread_rwlock_rdlock(&ring->lock);
    bool any = ring->list.count > 0 || ring->unreadable;
    pthread_rwlock_unlock(&ring->lock);
    return any;
}

static bool fill(const key *k, web_request *r, principal *who)
{
    const struct {
        const char *from;
        quipu_str *to;
    } parts[] = { { k->label, &who->name },
                  { k->user, &who->user },
                  { k->agent, &who->agent },
                  { k->session, &who->session },
                  { k->app, &who->app } };
    *who = (principal){ .role = k->role };
    memcpy(who->key, k->id, sizeof k->id);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        *parts[i].to = web_keep_text(r, str_of(parts[i].from));
        if (parts[i].from && !parts[i].to->ptr)
            return false; /* a bound that is not known must not be taken for none */
    }
    return true;
}

bool key_ring_check(key_ring *ring, quipu_str text, web_request *r, principal *who)
{
    static const char prefix[] = "qk_";
    uint8_t hash[32] = { 0 };
    const key *found = NULL;
    size_t front = sizeof prefix - 1 + KEY_ID_LEN;
    if (text.len <= front + 1 || text.len >= KEY_TEXT_MAX || memcmp(text.ptr, prefix, sizeof prefix - 1) != 0 ||
        text.ptr[front] != '_')
        return false;
    hash_sha256(text.ptr + front + 1, (size_t)text.len - front - 1, hash);
    refresh(ring);
    pthread_rwlock_rdlock(&ring->lock);
    for (size_t i = 0; !found && i < ring->list.count; i++)
        if (memcmp(ring->list.items[i].id, text.ptr + sizeof prefix - 1, KEY_ID_LEN) == 0) /* no secret */
            found = &ring->list.items[i];
    bool good = found && CRYPTO_memcmp(found->hash, hash, sizeof hash) == 0 && fill(found, r, who);
    pthread_rwlock_unlock(&ring->lock);
    return good;
}
