/*
 * view_files.c - the records of very many files: read in the order in which they lie in the packs, on several threads.
 */
#include "view.h"

#include <base/fail.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS_MAX = 8, CHUNK = 64 };

#define BYTES_AT_ONCE ((size_t)48 << 20) /* of records that wait for their turn, more or less */

/* What the threads share. */
typedef struct pass {
    const record_place *in;
    view_file *files;
    size_t count;
    atomic_size_t next; /* the first file that nobody has taken */
    atomic_size_t bytes;
} pass;

typedef struct pass_thread {
    pass *pass;
    object_reader *reader;
    pthread_t thread;
    size_t failed_at; /* the first file that could not be read; SIZE_MAX: none */
    quipu_error error;
} pass_thread;

/* A canonical record's version is the blob's id: then nothing more needs to be compared. */
static bool is_version(const record *r, const object_id *blob)
{
    char name[OBJECT_ID_HEX + 1];
    object_id_print(blob, name);
    return r && memcmp(record_view(r)->version.ptr, name, QUIPU_VERSION_LEN) == 0;
}

int32_t view_read_blob(object_reader *reader, const object_id *blob, uint64_t place, const char *path, buffer *bytes,
                       record **out, quipu_error *error)
{
    int32_t code = QUIPU_OK;
    *out = NULL;
    for (int checked = 0; checked < 2 && code == QUIPU_OK; checked++) {
        record_free(*out);
        buffer_clear(bytes);
        code = object_reader_read_at(reader, blob, place, OBJECT_BLOB, checked, bytes, error);
        if (code == QUIPU_OK &&
            record_of_file(path, str_make(bytes->bytes, bytes->len), out, NULL) == QUIPU_E_NO_MEMORY)
            code = fail(error, QUIPU_E_NO_MEMORY, NULL, "no memory for a record");
        if (is_version(*out, blob))
            break;
    }
    return code;
}

static void *read_some(void *context)
{
    pass_thread *t = context;
    pass *p = t->pass;
    buffer bytes = { 0 };
    while (t->failed_at == SIZE_MAX && atomic_load(&p->bytes) < BYTES_AT_ONCE) {
        size_t begin = atomic_fetch_add(&p->next, CHUNK);
        for (size_t i = begin; i < p->count && i < begin + CHUNK && t->failed_at == SIZE_MAX; i++) {
            view_file *f = &p->files[i];
            if (object_id_is_none(&f->after))
                continue;
            if (view_read_blob(t->reader, &f->after, f->place, f->path, &bytes, &f->record, &t->error) != QUIPU_OK ||
                edits_apply(p->in->edits, p->in->time, &f->record, &t->error) != QUIPU_OK)
                t->failed_at = i;
            else if (f->record)
                atomic_fetch_add(&p->bytes, record_view(f->record)->json.len);
        }
        if (begin >= p->count)
            break;
    }
    buffer_free(&bytes);
    return NULL;
}

/* How many threads are worth it, this one included. */
static size_t wanted_threads(size_t files)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t most = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
    return files / (2 * CHUNK) < most ? files / (2 * CHUNK) + 1 : most;
}

/* Fewer threads where no more are to be had. */
static size_t begin_threads(pass_thread *threads, size_t wanted, const object_reader *first)
{
    size_t count = 1;
    for (; count < wanted; count++) {
        threads[count].reader = object_reader_beside(first);
        if (!threads[count].reader)
            break;
        if (pthread_create(&threads[count].thread, NULL, read_some, &threads[count]) != 0) {
            object_reader_free(threads[count].reader);
            break;
        }
    }
    return count;
}

int32_t view_read_files(object_reader *reader, const record_place *in, view_file *files, size_t count, size_t *done,
                        quipu_error *error)
{
    pass p = { .files = files, .count = count, .in = in };
    pass_thread threads[THREADS_MAX];
    const pass_thread *first = &threads[0];
    for (size_t i = 0; i < THREADS_MAX; i++)
        threads[i] =
            (pass_thread){ .pass = &p, .failed_at = SIZE_MAX, .error = { .struct_size = sizeof(quipu_error) } };
    threads[0].reader = reader;
    size_t running = begin_threads(threads, wanted_threads(count), reader);
    read_some(&threads[0]);
    for (size_t i = 1; i < running; i++) {
        pthread_join(threads[i].thread, NULL);
        object_reader_free(threads[i].reader);
        if (threads[i].failed_at < first->failed_at)
            first = &threads[i];
    }
    size_t taken = atomic_load(&p.next);
    *done = taken < count ? taken : count;
    return first->failed_at == SIZE_MAX ? QUIPU_OK : fail(error, first->error.code, NULL, "%s", first->error.message);
}
