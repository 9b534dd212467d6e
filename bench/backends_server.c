/* backends_server.c - see backends_bench.h: a server for the postgres backend. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backends_bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Its standard input ends with this process; then it stops the server and goes. */
static void be_server(int in, int out)
{
    const char *source = getenv("SOURCE");
    char script[1000];
    snprintf(script, sizeof script, "%s/tests/postgres/server.sh", source ? source : ".");
    setenv("QUIPU_POSTGRES_FSYNC", "on", 1);
    setsid();
    dup2(in, 0);
    dup2(out, 1);
    execlp("sh", "sh", script, (char *)NULL);
    _exit(127);
}

bool bench_server_start(void)
{
    static char answer[300];
    char host[200];
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        return false;
    if (fork() == 0)
        be_server(in[0], out[1]);
    close(in[0]);
    close(out[1]);
    FILE *answers = fdopen(out[0], "r");
    bool ready = answers && fgets(answer, sizeof answer, answers) && sscanf(answer, "ready host=%199s", host) == 1;
    if (!ready) {
        fprintf(stderr, "bench_backends: postgres is left out: %s", answer[0] ? answer : "its server does not start\n");
        return false;
    }
    setenv("PGHOST", host, 1);
    setenv("PGUSER", "quipu", 1);
    setenv("PGDATABASE", "postgres", 1);
    return true;
}
