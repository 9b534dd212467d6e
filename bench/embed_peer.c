/* embed_peer.c - see embed_bench.h: a batch of turns beside sentence-transformers, which embed_peer.py runs and this one asks in turn. */
#include "embed_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct peer {
    pid_t process;
    FILE *to, *from;
} peer;

static bool peer_start(peer *p, uint32_t threads)
{
    char script[400], number[12], ready[40];
    int ask[2], answer[2];
    const char *source = getenv("SOURCE"), *python = getenv("PYTHON");
    python = python && *python ? python : "python3";
    snprintf(script, sizeof script, "%.300s/bench/embed_peer.py", source ? source : ".");
    snprintf(number, sizeof number, "%u", threads);
    fflush(stdout);
    if (pipe(ask) != 0 || pipe(answer) != 0 || (p->process = fork()) < 0)
        bench_stop("embed_peer.py", "cannot be started");
    if (p->process == 0) {
        dup2(ask[0], 0);
        dup2(answer[1], 1);
        close(ask[1]);
        close(answer[0]);
        setenv("OMP_NUM_THREADS", number, 1);
        execlp(python, python, script, bench_model, number, (char *)NULL);
        _exit(127);
    }
    close(ask[0]);
    close(answer[1]);
    p->to = fdopen(ask[1], "w");
    p->from = fdopen(answer[0], "r");
    if (!p->to || !p->from)
        bench_stop("embed_peer.py", "cannot be talked to");
    return fgets(ready, sizeof ready, p->from) && strcmp(ready, "ready\n") == 0;
}

static void peer_end(peer *p)
{
    fclose(p->to);
    fclose(p->from);
    waitpid(p->process, NULL, 0);
}

/* Seconds that the batch took; its vectors. */
static double peer_ask(peer *p, const quipu_str *texts, uint32_t count, float *vectors, uint32_t dimension,
                       double *processor)
{
    char line[80];
    double took;
    for (uint32_t i = 0; i < count; i++)
        fprintf(p->to, "%.*s\n", (int)texts[i].len, texts[i].ptr);
    fputs("\n", p->to);
    fflush(p->to);
    size_t all = (size_t)count * dimension;
    if (!fgets(line, sizeof line, p->from) || sscanf(line, "%lf %lf", &took, processor) != 2 ||
        fread(vectors, sizeof *vectors, all, p->from) != all)
        bench_stop("embed_peer.py", "ended");
    return took;
}

static double least_cosine(const float *a, const float *b, uint32_t count, uint32_t dimension)
{
    double least = 1;
    for (uint32_t i = 0; i < count; i++) {
        double cosine = 0;
        for (uint32_t j = 0; j < dimension; j++)
            cosine += (double)a[(size_t)i * dimension + j] * (double)b[(size_t)i * dimension + j];
        least = cosine < least ? cosine : least;
    }
    return least;
}

static void take_turns(const bert *b, peer *p, uint32_t threads)
{
    size_t all = (size_t)BENCH_BATCH * b->hidden;
    float *ours = malloc(all * sizeof *ours), *theirs = malloc(all * sizeof *theirs);
    double took[BENCH_ROUNDS], took_peer[BENCH_ROUNDS], ratios[BENCH_ROUNDS], work[BENCH_ROUNDS], processor;
    char subject[80];
    if (!ours || !theirs)
        bench_stop("memory", "none left");
    for (int i = -1; i < BENCH_ROUNDS; i++) { /* the first time does not count: there both make room */
        const quipu_str *texts = bench_turns + (i + 1) * 35;
        double spent = bench_processor();
        double mine = bench_embed(b, texts, BENCH_BATCH, threads, ours);
        spent = bench_processor() - spent;
        double its = peer_ask(p, texts, BENCH_BATCH, theirs, b->hidden, &processor);
        if (least_cosine(ours, theirs, BENCH_BATCH, b->hidden) < 0.99999)
            bench_stop("embed_peer.py", "its vectors are others");
        if (i < 0)
            continue;
        took[i] = mine;
        took_peer[i] = its;
        ratios[i] = its / mine;
        work[i] = processor / spent;
    }
    snprintf(subject, sizeof subject, "64 turns, threads: %u", threads);
    bench_value(subject, 1e3 * bench_median(took, BENCH_ROUNDS), "ms");
    snprintf(subject, sizeof subject, "sentence-transformers, 64 turns, threads: %u", threads);
    bench_value(subject, 1e3 * bench_median(took_peer, BENCH_ROUNDS), "ms");
    snprintf(subject, sizeof subject, "64 turns, threads: %u: speed", threads);
    bench_ratio(subject, "sentence-transformers", bench_median(ratios, BENCH_ROUNDS), 1.5);
    snprintf(subject, sizeof subject, "64 turns, threads: %u: speed for each second of processor time", threads);
    bench_ratio(subject, "sentence-transformers", bench_median(work, BENCH_ROUNDS), 1.5);
    free(ours);
    free(theirs);
}

void bench_beside_peer(const bert *b)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    for (uint32_t threads = 1; threads <= (cores > 4 ? 4 : (uint32_t)cores); threads *= 2) {
        peer p;
        if (peer_start(&p, threads))
            take_turns(b, &p, threads);
        else
            bench_note("no sentence-transformers: pip install sentence-transformers, into the venv of PYTHON=");
        peer_end(&p);
    }
}
