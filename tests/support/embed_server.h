/*
 * embed_server.h - a real HTTP server on the loopback that answers /v1/embeddings and /api/embed, well or badly.
 *
 * One request a connection, one after the other. How each is answered stands in a script, whose last step is repeated.
 */
#ifndef TESTS_EMBED_SERVER_H
#define TESTS_EMBED_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#define EMBED_SERVER_DIMENSION 8

typedef enum embed_step {
    STEP_GOOD,
    STEP_BASE64,
    STEP_SHUFFLED, /* vectors in another order, with their index */
    STEP_NO_INDEX,
    STEP_TOO_MANY,  /* 400 where there are more texts than two, or a text is longer than 2,000 bytes */
    STEP_429,       /* Retry-After: 1 */
    STEP_429_LATER, /* Retry-After: 3600 */
    STEP_500,
    STEP_503,
    STEP_401, /* with the key in its words */
    STEP_404,
    STEP_REDIRECT,
    STEP_SLOW,    /* good, after two seconds */
    STEP_HANG_UP, /* no byte */
    STEP_CUT,     /* less than Content-Length says */
    STEP_GARBAGE,
    STEP_OTHER_JSON, /* JSON without vectors */
    STEP_ERROR_200,  /* HTTP 200 with an error in it */
    STEP_NAN,
    STEP_OVERFLOW,  /* 1e999 */
    STEP_NULL,      /* null in place of a number */
    STEP_DIMENSION, /* one float more */
    STEP_UNEQUAL,   /* the last vector is shorter */
    STEP_EMPTY,     /* vectors of no float */
    STEP_FEWER,     /* one vector less than texts */
    STEP_TWICE,     /* two vectors for the first text */
    STEP_HUGE,      /* 80 MB of blanks */
} embed_step;

typedef struct embed_server embed_server;

embed_server *embed_server_start(void);
void embed_server_stop(embed_server *s);
int embed_server_port(const embed_server *s);
/* The steps of the requests to come; starts counting anew. */
void embed_server_script(embed_server *s, const embed_step *steps, uint32_t count);
uint32_t embed_server_requests(embed_server *s);
/* True where the last request has this text in it, headers or body. */
bool embed_server_saw(embed_server *s, const char *text);

/* The vector that the server gives to a text, of unit length. */
void embed_server_vector(const char *text, float out[EMBED_SERVER_DIMENSION]);

#endif
