/*
 * keys.h - API keys: made, listed, taken back, checked. They live in one file, hashed.
 *
 * A key is "qk_ID_SECRET": 12 hexadecimal digits by which it is known, and 40 that nobody keeps: the file has their SHA-256 (160
 * random bits need no slow hash). The file is written whole, by rename, with mode 0600; a running server sees the change at its
 * next request.
 */
#ifndef SERVE_KEYS_H
#define SERVE_KEYS_H

#include "web.h"

#define KEY_ID_LEN 12
#define KEY_TEXT_MAX 64 /* bytes of a key's text, with the NUL byte after it */
#define KEYS_MAX 10000u

typedef struct key {
    char id[KEY_ID_LEN + 1];
    uint8_t hash[32];
    unsigned role;
    char *label;                        /* who acts with it */
    char *user, *agent, *session, *app; /* what it is bound to; NULL: not */
    char *created_at;
} key;

typedef struct key_list {
    key *items;
    size_t count;
} key_list;

/* The default place: $XDG_CONFIG_HOME/quipu/keys.json, else ~/.config/quipu/keys.json; for the caller to free. NULL without a home. */
char *keys_default_path(void);

/* Reads the file; no keys where there is none. Errors: INVALID and FORMAT (not such a file), DENIED (others may read it), IO. */
int32_t keys_read(const char *path, key_list *out, quipu_error *error);
void keys_free(key_list *list);

/* Makes a key as `wanted` says (role, label, scope), adds it to the file, and gives its text, which is not kept. Errors: INVALID
 * (label, scope), TOO_LARGE, BUSY, IO, FULL. */
int32_t keys_add(const char *path, const key *wanted, char text[KEY_TEXT_MAX], quipu_error *error);
/* Takes it out of the file. Errors: NOT_FOUND, and as above. */
int32_t keys_remove(const char *path, const char *id, quipu_error *error);

const char *role_name(unsigned role); /* "none", "read", "write", "admin" */
bool role_find(const char *name, unsigned *out);

/* ---- as a running server sees them ---- */

typedef struct key_ring key_ring;

/* path: NULL: no keys, ever. Errors: as keys_read. */
int32_t key_ring_open(const char *path, key_ring **out, quipu_error *error);
void key_ring_close(key_ring *ring); /* NULL is nothing to do */
/* True where there is at least one key. Looks at the file again where it has changed; a file that cannot be read then counts as one
 * with keys of which none fits. [any-thread] */
bool key_ring_any(key_ring *ring);
/* Fills *who where the text is a key of the ring; false where it is not. The time does not tell how much of it was right. */
bool key_ring_check(key_ring *ring, quipu_str text, web_request *r, principal *who);

#endif
