/*
 * credentials.h - what this user can show to another machine: keys and agent for ssh, name and password for https.
 *
 * ssh: the file that QUIPU_SSH_KEY names, and no other; else the running agent, then id_ed25519, id_ecdsa and id_rsa of ~/.ssh. A key
 * with a passphrase is for the agent: nobody is asked here. https: QUIPU_REMOTE_USER and QUIPU_REMOTE_PASSWORD, else the file that
 * `git config credential.helper store` keeps; http: that file alone. No helper program is started.
 */
#ifndef STORAGE_GIT_CREDENTIALS_H
#define STORAGE_GIT_CREDENTIALS_H

#include <base/buffer.h>

enum { CREDENTIALS_KEYS = 3 };

/* Found once, before the first question; texts are for credentials_free. */
typedef struct credentials {
    bool agent;                   /* one answers */
    char *keys[CREDENTIALS_KEYS]; /* files, the first to be tried first; NULL: no more */
    char *locked;                 /* a key that has a passphrase, and so was left out; or NULL */
    char *user, *password;        /* for https; NULL: none */
    const char *password_is_from; /* for messages */
} credentials;

/* url: without user and password. Errors of reading are as if nothing were there. False without memory. */
bool credentials_find(const char *url, credentials *out);
void credentials_free(credentials *c);

/* Whether a line of git's credential store ("https://user:password@host[:port][/path]", percent-encoded) is about an address;
 * then its user and password are appended. */
bool credentials_of_line(quipu_str line, quipu_str url, buffer *user, buffer *password);
/* Appends the text with each %XX as its byte; false where it is malformed, or has a NUL or a line's end in it. */
bool credentials_decode(quipu_str text, buffer *out);
/* Where "scheme://" ends, the user part before '@' lies, and the rest begins; false: no such scheme. *info: absent where there is none. */
bool credentials_split(quipu_str url, quipu_str *scheme, quipu_str *info, quipu_str *rest);

#endif
