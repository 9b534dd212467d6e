/* peers.c - see peers.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getentropy */
#endif
#include "peers.h"

#include <base/fail.h>
#include <base/hash.h>
#include <errno.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct peers {
    pthread_mutex_t lock;
    peer *first;
    uint32_t count;
};

/* What a stream of a peer gives back at its end. */
typedef struct tap {
    peer *of;
    web_stream *stream;
} tap;

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec;
}

peers *peers_create(void)
{
    peers *all = calloc(1, sizeof *all);
    if (all)
        pthread_mutex_init(&all->lock, NULL);
    return all;
}

static void peer_free(peer *p)
{
    mcp_session_end(&p->session);
    pthread_mutex_destroy(&p->lock);
    for (size_t i = 0; i < sizeof p->texts / sizeof p->texts[0]; i++)
        free(p->texts[i]);
    free(p);
}

void peers_free(void *state)
{
    peers *all = state;
    while (all->first) {
        peer *next = all->first->next;
        peer_free(all->first);
        all->first = next;
    }
    pthread_mutex_destroy(&all->lock);
    free(all);
}

/* An event of a stream; JSON as it is printed here has no line end inside. */
static void send_event(void *context, const buffer *message)
{
    peer *p = context;
    buffer event = { 0 };
    buffer_append_text(&event, "event: message\ndata: ");
    buffer_append(&event, message->bytes, message->len);
    buffer_append_text(&event, "\n\n");
    pthread_mutex_lock(&p->lock);
    if (p->stream && !event.failed)
        web_stream_send(p->stream, event.bytes, event.len);
    pthread_mutex_unlock(&p->lock);
    buffer_free(&event);
}

static bool copy_principal(peer *p, const principal *who)
{
    quipu_str *texts[] = { &p->who.name, &p->who.user, &p->who.agent, &p->who.session, &p->who.app };
    p->who = *who;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!texts[i]->ptr)
            continue;
        p->texts[i] = str_dup(*texts[i]);
        if (!p->texts[i])
            return false;
        texts[i]->ptr = p->texts[i];
    }
    return true;
}

static peer *peer_create(const mcp_profile *profile, const principal *who, quipu_error *error)
{
    uint8_t random[(MCP_PEER_ID - 1) / 2];
    peer *p = calloc(1, sizeof *p);
    if (!p) {
        fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
        return NULL;
    }
    mcp_session_begin(&p->session, send_event, p);
    pthread_mutex_init(&p->lock, NULL);
    p->profile = profile;
    p->held = 1;
    p->used_s = now_s();
    int32_t code = QUIPU_OK;
    if (getentropy(random, sizeof random) != 0)
        code = fail_errno(error, errno, "the system gives no random bytes");
    else if (!copy_principal(p, who))
        code = fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    hex_encode(random, sizeof random, p->id);
    if (code == QUIPU_OK)
        return p;
    peer_free(p);
    return NULL;
}

/* Takes one out that nobody holds: the place that points to it. */
static void remove_at(peers *all, peer **at)
{
    peer *p = *at;
    *at = p->next;
    all->count--;
    peer_free(p);
}

/* Makes room: those that were quiet too long go, and where that is not enough the one that was quiet longest. */
static bool make_room(peers *all)
{
    int64_t now = now_s();
    peer **oldest = NULL;
    for (peer **at = &all->first; *at;) {
        if ((*at)->held == 0 && ((*at)->ended || now - (*at)->used_s > MCP_PEER_QUIET_S)) {
            remove_at(all, at);
            continue;
        }
        at = &(*at)->next;
    }
    for (peer **at = &all->first; *at; at = &(*at)->next)
        if ((*at)->held == 0 && (!oldest || (*at)->used_s < (*oldest)->used_s))
            oldest = at;
    if (all->count >= MCP_PEERS_MAX && oldest)
        remove_at(all, oldest);
    return all->count < MCP_PEERS_MAX;
}

int32_t peers_add(peers *all, const mcp_profile *profile, const principal *who, bool listens, peer **out,
                  quipu_error *error)
{
    peer *p = peer_create(profile, who, error);
    *out = p;
    if (!p)
        return error->code;
    p->listens = listens;
    pthread_mutex_lock(&all->lock);
    bool room = make_room(all);
    if (room) {
        p->all = all;
        p->next = all->first;
        all->first = p;
        all->count++;
    }
    pthread_mutex_unlock(&all->lock);
    if (room)
        return QUIPU_OK;
    peer_free(p);
    *out = NULL;
    return fail(error, QUIPU_E_BUSY, NULL, "too many clients listen at once (at most %u)", MCP_PEERS_MAX);
}

static bool is_same_key(const peer *p, const principal *who)
{
    return strcmp(p->who.key, who->key) == 0 && str_same(p->who.user, who->user) &&
           str_same(p->who.agent, who->agent) && str_same(p->who.session, who->session) &&
           str_same(p->who.app, who->app);
}

peer *peers_find(peers *all, quipu_str id, const mcp_profile *profile, const principal *who)
{
    peer *found = NULL;
    pthread_mutex_lock(&all->lock);
    for (peer *p = all->first; p && !found; p = p->next)
        if (!p->ended && !p->listens && p->profile == profile && quipu_str_equal(&id, p->id, MCP_PEER_ID - 1) &&
            is_same_key(p, who))
            found = p;
    if (found) {
        found->held++;
        found->used_s = now_s();
    }
    pthread_mutex_unlock(&all->lock);
    return found;
}

void peers_drop(peer *p)
{
    peers *all = p->all;
    pthread_mutex_lock(&all->lock);
    p->held--;
    for (peer **at = &all->first; p->held == 0 && p->ended && *at; at = &(*at)->next)
        if (*at == p) {
            remove_at(all, at);
            break;
        }
    pthread_mutex_unlock(&all->lock);
}

void peers_end(peer *p)
{
    pthread_mutex_lock(&p->all->lock);
    p->ended = true;
    pthread_mutex_unlock(&p->all->lock);
    pthread_mutex_lock(&p->lock);
    if (p->stream)
        web_stream_end(p->stream);
    pthread_mutex_unlock(&p->lock);
}

static void stream_gone(void *context)
{
    tap *t = context;
    peer *p = t->of;
    pthread_mutex_lock(&p->lock);
    if (p->stream == t->stream)
        p->stream = NULL;
    pthread_mutex_unlock(&p->lock);
    if (p->listens)
        peers_end(p);
    peers_drop(p);
    free(t);
}

web_stream *peers_open_stream(peer *p)
{
    tap *t = calloc(1, sizeof *t);
    web_stream *made = t ? web_stream_create(stream_gone, t) : NULL;
    if (!made) {
        free(t);
        return NULL;
    }
    *t = (tap){ .of = p, .stream = made };
    pthread_mutex_lock(&p->all->lock);
    p->held++;
    pthread_mutex_unlock(&p->all->lock);
    pthread_mutex_lock(&p->lock);
    if (p->stream)
        web_stream_end(p->stream);
    p->stream = made;
    pthread_mutex_unlock(&p->lock);
    return made;
}

/* True where somebody bound to `own` may know of what is bound to `other`. */
static bool sees(quipu_str own, quipu_str other)
{
    return !str_present(own) || str_same(own, other);
}

void peers_changed(const mcp_server *server, const char *uri)
{
    peers *all = server->context;
    pthread_mutex_lock(&all->lock);
    for (peer *p = all->first; p; p = p->next)
        if (!p->ended && p->profile == server->profile && sees(p->who.user, server->user) &&
            sees(p->who.agent, server->agent) && sees(p->who.session, server->session) && sees(p->who.app, server->app))
            mcp_session_changed(&p->session, uri);
    pthread_mutex_unlock(&all->lock);
}

/* ---- requests that run ---- */

void peers_begin(peer *p, peer_running *run, const cJSON *id)
{
    *run = (peer_running){ .cancel = { .struct_size = sizeof run->cancel, .fd = -1 } };
    json_print_compact(id, &run->id);
    pthread_mutex_lock(&p->lock);
    run->next = p->running;
    p->running = run;
    pthread_mutex_unlock(&p->lock);
}

void peers_finish(peer *p, peer_running *run)
{
    pthread_mutex_lock(&p->lock);
    for (peer_running **at = &p->running; *at; at = &(*at)->next)
        if (*at == run) {
            *at = run->next;
            break;
        }
    pthread_mutex_unlock(&p->lock);
    buffer_free(&run->id);
}

/* id NULL: all of them. */
static void cancel(peer *p, const buffer *id)
{
    pthread_mutex_lock(&p->lock);
    for (peer_running *run = p->running; run; run = run->next)
        if (!id || (!id->failed && !run->id.failed && run->id.len == id->len &&
                    memcmp(run->id.bytes, id->bytes, id->len) == 0))
            __atomic_store_n(&run->cancel.flag, 1, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&p->lock);
}

void peers_cancel(peer *p, const cJSON *id_node)
{
    buffer id = { 0 };
    json_print_compact(id_node, &id);
    cancel(p, &id);
    buffer_free(&id);
}

void peers_cancel_all(void *state)
{
    peers *all = state;
    pthread_mutex_lock(&all->lock);
    for (peer *p = all->first; p; p = p->next)
        cancel(p, NULL);
    pthread_mutex_unlock(&all->lock);
}
