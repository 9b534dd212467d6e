/*
 * peers.h - the clients of MCP over HTTP that are remembered between requests: sessions of the initialize era, and who listens.
 *
 * A peer is found by its id, for the key that began it only. It goes when the client ends it, when it was quiet for an hour, or when
 * there are too many and it was quiet longest. Whoever holds one (peers_find, peers_add) gives it back by peers_drop.
 */
#ifndef SERVE_MCP_PEERS_H
#define SERVE_MCP_PEERS_H

#include "mcp.h"

#include <serve/http/web.h>

#define MCP_PEERS_MAX 1024u
#define MCP_PEER_ID 33        /* bytes of an id, with the NUL byte */
#define MCP_PEER_QUIET_S 3600 /* a peer without a stream may go after so long */

typedef struct peers peers;
typedef struct peer peer;

/* What a request that runs can be taken back by. */
typedef struct peer_running {
    buffer id; /* JSON */
    quipu_cancel cancel;
    struct peer_running *next;
} peer_running;

struct peer {
    mcp_session session;
    char id[MCP_PEER_ID];
    const mcp_profile *profile;
    principal who; /* its texts are `texts` */
    char *texts[5];
    bool listens; /* it goes with its stream */

    peers *all;
    unsigned held; /* under the lock of `all`, as `next`, `used_s`, `ended` */
    bool ended;
    int64_t used_s;
    peer *next;

    pthread_mutex_t lock; /* of what follows */
    web_stream *stream;   /* or NULL */
    peer_running *running;
};

peers *peers_create(void); /* NULL without memory */
void peers_free(void *all);
/* A new one. listens: it has no session, and goes with its stream. Errors: NO_MEMORY, BUSY (all are in use), IO (no random bytes). */
int32_t peers_add(peers *all, const mcp_profile *profile, const principal *who, bool listens, peer **out,
                  quipu_error *error);
/* NULL where there is none that this key may use. */
peer *peers_find(peers *all, quipu_str id, const mcp_profile *profile, const principal *who);
void peers_drop(peer *p);
/* It is found no more; its stream ends. */
void peers_end(peer *p);
/* Gives it a stream, which is ended when another one comes; NULL without memory. The stream holds the peer. */
web_stream *peers_open_stream(peer *p);
/* Tells all who watch the resource and see what `server` sees; for mcp_server.changed, with the peers as context. */
void peers_changed(const mcp_server *server, const char *uri);

/* A request begins, whose id is `id`. And its end. */
void peers_begin(peer *p, peer_running *run, const cJSON *id);
void peers_finish(peer *p, peer_running *run);
void peers_cancel(peer *p, const cJSON *id);
void peers_cancel_all(void *all);

#endif
