/*
 * embed_failure.c - see record_index_vectors.h: an embedder that fails rests, twice as long each time, from a second to five minutes.
 *
 * Failures of questions and of passages are told apart: an endpoint that refuses a passage may answer questions all the time. The last one of
 * passages is noted in a file beside the vectors, for other processes to show: `quipu stats` is one.
 */
#include "record_index_vectors.h"

#include <base/buffer.h>
#include <inttypes.h>
#include <sdk/services.h>
#include <stdlib.h>
#include <storage_git/os.h>

#define NOTE_FILE ".vectors-failure" /* microseconds since 1970, a blank, why */
#define NOTE_MAX 1024u
#define REST_NS INT64_C(1000000000)
#define REST_MOST_NS INT64_C(300000000000)
#define DOUBLED_MOST 9u

static bool note_path(const embeddings *e, buffer *out)
{
    if (e->path)
        buffer_printf(out, "%s/" NOTE_FILE, e->path);
    return e->path && !out->failed;
}

/* Under `lock`. What goes wrong is nobody's loss. */
static void write_note(const embeddings *e)
{
    buffer path = { 0 }, line = { 0 };
    buffer_printf(&line, "%" PRId64 " %s", e->failed_at, e->failure);
    if (!e->read_only && note_path(e, &path) && !line.failed && e->failed_at)
        (void)os_replace_file(path.bytes, line.bytes, line.len, false, NULL);
    else if (!e->read_only && path.bytes)
        os->unlink(path.bytes);
    buffer_free(&path);
    buffer_free(&line);
}

void embeddings_failed(embeddings *e, embed_failure *f, const char *why)
{
    pthread_mutex_lock(&e->lock);
    uint32_t doubled = f->times < DOUBLED_MOST ? f->times : DOUBLED_MOST;
    int64_t rest = REST_NS << doubled;
    f->times++;
    f->until = monotonic_now() + (rest < REST_MOST_NS ? rest : REST_MOST_NS);
    if (f == &e->of_passages) {
        size_t most = sizeof e->failure - 1, whole = strlen(why), len = whole < most ? whole : most;
        while (len > 0 && len < whole && ((unsigned char)why[len] & 0xc0) == 0x80)
            len--; /* not in the middle of a character */
        memcpy(e->failure, why, len);
        e->failure[len] = '\0';
        e->failed_at = host_now(e->host);
        write_note(e);
    }
    pthread_mutex_unlock(&e->lock);
}

/* One that was noted by a process that has ended goes as well. */
void embeddings_worked(embeddings *e, embed_failure *f)
{
    pthread_mutex_lock(&e->lock);
    if (f == &e->of_passages && (f->times > 0 || !e->note_gone)) {
        e->failed_at = 0;
        e->failure[0] = '\0';
        write_note(e);
        e->note_gone = true;
    }
    *f = (embed_failure){ 0 };
    pthread_mutex_unlock(&e->lock);
}

int64_t embeddings_rests(embeddings *e, const embed_failure *f)
{
    pthread_mutex_lock(&e->lock);
    int64_t left = f->times ? f->until - monotonic_now() : 0;
    pthread_mutex_unlock(&e->lock);
    return left > 0 ? left : 0;
}

static int64_t read_note(const embeddings *e, char out[256])
{
    buffer path = { 0 }, line = { 0 };
    char *rest = NULL;
    int64_t at = 0;
    if (note_path(e, &path) && os_read_file(path.bytes, NOTE_MAX, &line, NULL) == QUIPU_OK && line.len > 0)
        at = strtoll(line.bytes, &rest, 10);
    if (at > 0 && rest && *rest == ' ' && strlen(rest + 1) < 256)
        memcpy(out, rest + 1, strlen(rest + 1) + 1);
    else
        at = 0;
    buffer_free(&path);
    buffer_free(&line);
    return at;
}

int64_t embeddings_failure(embeddings *e, char out[256])
{
    memset(out, 0, 256);
    pthread_mutex_lock(&e->lock);
    int64_t at = e->path ? read_note(e, out) : e->failed_at;
    if (!e->path && at)
        memcpy(out, e->failure, sizeof e->failure);
    pthread_mutex_unlock(&e->lock);
    return at;
}
