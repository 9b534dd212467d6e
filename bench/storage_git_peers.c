/* storage_git_peers.c - the same records through `git fast-import`, the `git` command, and libgit2's loose objects. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "storage_bench.h"

#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A shell command that must succeed. */
static void shell(const char *command)
{
    if (system(command) != 0)
        bench_stop(command, "failed");
}

static void init_repository(const char *at, const char *how)
{
    char command[600];
    snprintf(command, sizeof command, "git -c init.defaultBranch=main init -q %s '%s'", how, at);
    shell(command);
}

enum { TENTHS = 10 };

/* Feeds `git fast-import` as it likes it best: blobs inline, one stream. The pipe holds 64 KiB, so that each tenth is taken as fast as it is worked on. */
double peer_fast_import(const char *at, long n, long per_commit, double *tail)
{
    double ends[TENTHS] = { 0 };
    char command[600], json[BENCH_JSON_MAX], message[BENCH_JSON_MAX], path[BENCH_PATH_MAX];
    init_repository(at, "--bare");
    snprintf(command, sizeof command, "git -C '%s' fast-import --quiet", at);
    double begin = bench_now();
    FILE *pipe = popen(command, "w");
    if (!pipe)
        bench_stop("git fast-import", "cannot be started");
    for (long i = 0; i < n; i += per_commit) {
        long count = i + per_commit < n ? per_commit : n - i;
        size_t len = bench_message(i, count, message);
        fprintf(pipe, "commit refs/heads/main\ncommitter bench <bench@quipu.invalid> %ld +0000\ndata %zu\n%s\n",
                1700000000 + i, len, message);
        for (long j = i; j < i + count; j++) {
            bench_path(j, path);
            len = bench_json(j, json);
            fprintf(pipe, "M 100644 inline %s\ndata %zu\n%s\n", path, len, json);
        }
        ends[i * TENTHS / n] = bench_now();
    }
    *tail = (ends[1] - ends[0]) / (ends[TENTHS - 1] - ends[TENTHS - 2]);
    if (pclose(pipe) != 0)
        bench_stop("git fast-import", "failed");
    return (double)n / (bench_now() - begin);
}

double peer_git_command(const char *at, long n)
{
    char command[2000], json[BENCH_JSON_MAX], path[BENCH_PATH_MAX];
    init_repository(at, "");
    double begin = bench_now();
    for (long i = 0; i < n; i++) {
        bench_path(i, path);
        bench_json(i, json);
        snprintf(command, sizeof command,
                 "cd '%s' && mkdir -p \"$(dirname %s)\" && cat >%s <<'END' && git add %s && "
                 "git -c user.name=bench -c user.email=bench@quipu.invalid -c gc.auto=0 -c commit.gpgsign=false "
                 "commit -q -m 'add %ld'\n%sEND\n",
                 at, path, path, path, i, json);
        shell(command);
    }
    return (double)n / (bench_now() - begin);
}

static void check(int result, const char *what)
{
    if (result < 0)
        bench_stop(what, git_error_last() ? git_error_last()->message : "failed");
}

/* One commit on top of `parent` (NULL: the first), which becomes it. */
static void commit_one(git_repository *repository, git_commit **parent, long i)
{
    char json[BENCH_JSON_MAX], message[BENCH_JSON_MAX], path[BENCH_PATH_MAX];
    git_oid blob, tree_id, commit_id;
    git_tree *before = NULL, *after;
    git_signature *who;
    git_tree_update update = { .action = GIT_TREE_UPDATE_UPSERT, .filemode = GIT_FILEMODE_BLOB };
    const git_commit *parents[1] = { *parent };
    bench_path(i, path);
    bench_message(i, 1, message);
    check(git_blob_create_from_buffer(&blob, repository, json, bench_json(i, json)), "blob");
    update.id = blob;
    update.path = path;
    if (*parent)
        check(git_commit_tree(&before, *parent), "tree");
    else {
        git_treebuilder *builder;
        check(git_treebuilder_new(&builder, repository, NULL), "tree");
        check(git_treebuilder_write(&tree_id, builder), "tree");
        git_treebuilder_free(builder);
        check(git_tree_lookup(&before, repository, &tree_id), "tree");
    }
    check(git_tree_create_updated(&tree_id, repository, before, 1, &update), "tree");
    check(git_tree_lookup(&after, repository, &tree_id), "tree");
    check(git_signature_new(&who, "bench", "bench@quipu.invalid", 1700000000 + i, 0), "signature");
    check(git_commit_create(&commit_id, repository, "refs/heads/main", who, who, NULL, message, after, *parent != NULL,
                            parents),
          "commit");
    git_commit_free(*parent);
    check(git_commit_lookup(parent, repository, &commit_id), "commit");
    git_signature_free(who);
    git_tree_free(before);
    git_tree_free(after);
}

double peer_libgit2(const char *at, long n)
{
    git_repository *repository;
    git_commit *parent = NULL;
    git_libgit2_init();
    check(git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1), "fsync");
    check(git_repository_init(&repository, at, 1), "init");
    double begin = bench_now();
    for (long i = 0; i < n; i++)
        commit_one(repository, &parent, i);
    double seconds = bench_now() - begin;
    git_commit_free(parent);
    git_repository_free(repository);
    git_libgit2_shutdown();
    return (double)n / seconds;
}
