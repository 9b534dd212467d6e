/*
 * checks_faults.c - what was acknowledged survives, and no half of a change set is seen: after calls that fail, a full disk,
 * kill -9 and flipped bits.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw */
#endif
#include "check_table.h"
#include "faulty_calls.h"
#include "faulty_memory.h"
#include "rounds.h"

#include <base/fail.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE "store"

typedef struct trial {
    call_fault fault;
    const char *when; /* for reasons */
} trial;

static void make_store(probe *p, scene_shared *shared, void *context)
{
    quipu_error error = probe_error();
    (void)context;
    p->self = probe_open(p, STORE, 0);
    probe_want(p, round_play(p, shared, &error), QUIPU_OK, &error, "apply");
    probe_close(p, p->self);
}

static void verify(probe *p, scene_shared *shared, void *context)
{
    const trial *t = context;
    quipu_error error = probe_error();
    p->self = probe_open(p, STORE, 0);
    rounds_want(p, shared, t->when);
    if (round_play(p, shared, &error) != QUIPU_OK) /* life goes on */
        probe_fail(p, "%s the store takes no changes any more: %.200s", t->when, error.message);
    probe_close(p, p->self);
}

/* Opens, stores and closes while the fault is in force. */
static void work(probe *p, scene_shared *shared, void *context)
{
    const trial *t = context;
    quipu_error error = probe_error();
    const char *why = faulty_calls_install();
    if (why)
        probe_skip(p, "%s", why);
    quipu_backend *self = probe_create(p);
    faulty_calls_begin(&t->fault);
    int32_t code = probe_try_open(p, self, STORE, 0, p->config, &error);
    if (code == QUIPU_OK) {
        p->self = self;
        code = round_play(p, shared, &error);
        p->api->close(self, NULL, NULL);
    }
    shared->operations = faulty_calls_end();
    shared->code = code;
    snprintf(shared->message, sizeof shared->message, "%s", error.message);
    p->api->destroy(self);
}

/* Each operation in turn at the higher levels, some of them at the lower ones. */
static uint32_t step_of(const probe *p, uint32_t operations)
{
    uint32_t wanted = 4u << p->level;
    return p->level >= 4 ? 1 : (operations + wanted - 1) / wanted;
}

static void sweep(probe *p, scene_shared *shared, trial t, bool must_succeed)
{
    const trial count = { { FAULT_COUNT, 0, 0 }, t.when };
    trial measure = count;
    scene_play(p, shared, make_store, NULL, "when a store was made");
    scene_play(p, shared, work, &measure, "in peace");
    uint32_t operations = shared->operations;
    if (operations == 0)
        probe_skip(p, "it makes no file operations of its own");
    for (t.fault.at = 1; t.fault.at <= operations; t.fault.at += step_of(p, operations)) {
        enum scene_end end = scene_play(p, shared, work, &t, t.when);
        if (end == SCENE_ABORTED || (end == SCENE_KILLED && t.fault.kind != FAULT_KILL))
            probe_fail(p, "it ended the process %s", t.when);
        if (end == SCENE_DONE && shared->code != QUIPU_OK && !shared->message[0])
            probe_fail(p, "%s it failed with code %d and said nothing", t.when, (int)shared->code);
        if (end == SCENE_DONE && shared->code != QUIPU_OK && must_succeed)
            probe_fail(p, "%s (operation %u) it failed: %.200s", t.when, t.fault.at, shared->message);
        scene_play(p, shared, verify, &t, "when the store was opened again");
    }
}

static void sweep_io(probe *p, scene_shared *shared)
{
    sweep(p, shared, (trial){ { FAULT_ONCE, 0, EIO }, "after a file operation failed" }, false);
}

static void sweep_full(probe *p, scene_shared *shared)
{
    sweep(p, shared, (trial){ { FAULT_FROM, 0, ENOSPC }, "after the disk was full" }, false);
}

static void sweep_short(probe *p, scene_shared *shared)
{
    sweep(p, shared, (trial){ { FAULT_SHORT, 0, 0 }, "after a write wrote half" }, true);
}

static void sweep_interrupted(probe *p, scene_shared *shared)
{
    sweep(p, shared, (trial){ { FAULT_INTERRUPTED, 0, 0 }, "after a call was interrupted (EINTR)" }, true);
}

static void sweep_kill(probe *p, scene_shared *shared)
{
    sweep(p, shared, (trial){ { FAULT_KILL, 0, 0 }, "after kill -9" }, false);
}

void check_fault_io(probe *p)
{
    scene_each_backend(p, sweep_io);
}

void check_fault_full(probe *p)
{
    scene_each_backend(p, sweep_full);
}

void check_fault_short(probe *p)
{
    scene_each_backend(p, sweep_short);
}

void check_fault_interrupted(probe *p)
{
    scene_each_backend(p, sweep_interrupted);
}

void check_fault_kill(probe *p)
{
    scene_each_backend(p, sweep_kill);
}

/* ---- files that changed on the disk ---- */

static struct {
    char (*paths)[512];
    off_t *sizes;
    size_t count;
    unsigned loose; /* files and folders that others may read or write */
    char example[512];
} tree;

static int take_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)where;
    if ((type == FTW_F || type == FTW_D) && (st->st_mode & 077)) {
        tree.loose++;
        snprintf(tree.example, sizeof tree.example, "%s has mode %03o", path, (unsigned)(st->st_mode & 0777));
    }
    if (type != FTW_F || st->st_size == 0 || strlen(path) >= sizeof *tree.paths)
        return 0;
    if (tree.count % 64 == 0) {
        tree.paths = realloc(tree.paths, (tree.count + 64) * sizeof *tree.paths);
        tree.sizes = realloc(tree.sizes, (tree.count + 64) * sizeof *tree.sizes);
        if (!tree.paths || !tree.sizes)
            abort();
    }
    snprintf(tree.paths[tree.count], sizeof *tree.paths, "%s", path);
    tree.sizes[tree.count++] = st->st_size;
    return 0;
}

static void read_tree(const probe *p)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/" STORE, p->scratch);
    tree.count = tree.loose = 0;
    nftw(path, take_file, 16, FTW_PHYS);
}

static void flip_bit(probe *p, const char *path, off_t at, unsigned bit)
{
    unsigned char byte;
    struct stat st;
    if (stat(path, &st) != 0)
        return;
    chmod(path, st.st_mode | S_IWUSR);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &byte, 1, at) != 1)
        probe_skip(p, "a file of the store cannot be read");
    byte ^= (unsigned char)(1u << bit);
    if (pwrite(fd, &byte, 1, at) != 1)
        probe_skip(p, "a file of the store cannot be written");
    close(fd);
    chmod(path, st.st_mode);
}

/* An error is a good answer; another text than was stored, or a record that is silently gone, is not. */
static void read_damaged(probe *p, scene_shared *shared, void *context)
{
    quipu_error error = probe_error();
    const trial *t = context;
    quipu_backend *self = probe_create(p);
    if (probe_try_open(p, self, STORE, QUIPU_OPEN_READ_ONLY, p->config, &error) != QUIPU_OK)
        return;
    p->self = self;
    seen s = { 0 };
    int32_t code = probe_scan(p, QUIPU_ORDER_ID, NULL, 0, &s, &error);
    for (uint32_t round = 0; code == QUIPU_OK && round < shared->next_round; round++) {
        char id[16];
        snprintf(id, sizeof id, "p%04ua", round);
        if (!seen_has(&s, id))
            probe_fail(p, "%s a record is missing, and nothing says so", t->when);
        seen one = { 0 };
        if (probe_get(p, id, NULL, &one, &error) == QUIPU_OK && !round_is_same(p, &one, id, round))
            probe_fail(p, "%s a record is another one than was stored, and nothing says so", t->when);
        seen_free(&one);
    }
    seen_free(&s);
    p->api->close(self, NULL, NULL);
    p->api->destroy(self);
}

static void flip_bits(probe *p, scene_shared *shared)
{
    char when[640];
    scene_play(p, shared, make_store, NULL, "when a store was made");
    scene_play(p, shared, make_store, NULL, "when a store was filled");
    read_tree(p);
    for (unsigned i = 0; i < 8u << p->level && tree.count; i++) {
        size_t file = probe_below(p, (uint32_t)tree.count);
        off_t at = (off_t)(probe_random(p) % (uint64_t)tree.sizes[file]);
        unsigned bit = probe_below(p, 8);
        const char *name = tree.paths[file] + strlen(p->scratch) + sizeof STORE + 1;
        snprintf(when, sizeof when, "after a bit flipped in byte %lld of %s", (long long)at, name);
        trial t = { { FAULT_COUNT, 0, 0 }, when };
        flip_bit(p, tree.paths[file], at, bit);
        if (scene_play(p, shared, read_damaged, &t, when) != SCENE_DONE)
            probe_fail(p, "it ended the process %s", when);
        flip_bit(p, tree.paths[file], at, bit);
    }
}

void check_fault_bits(probe *p)
{
    scene_each_backend(p, flip_bits);
}

/* ---- least permission ---- */

static void want_private(probe *p, scene_shared *shared)
{
    mode_t mask = umask(0);
    scene_play(p, shared, make_store, NULL, "when a store was made");
    umask(mask);
    read_tree(p);
    if (tree.loose)
        probe_fail(p, "%u files and folders of the store can be read by others, who may be strangers: %.300s",
                   tree.loose, tree.example + strlen(p->scratch) + 1);
}

void check_fault_modes(probe *p)
{
    scene_each_backend(p, want_private);
}

/* Nobody may write here; root may everywhere, so root becomes somebody else first. */
static void open_unwritable(probe *p, scene_shared *shared, void *context)
{
    quipu_error error = probe_error();
    (void)context;
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setegid(65534) != 0 || seteuid(65534) != 0))
        probe_skip(p, "root cannot become another user here");
    quipu_backend *self = probe_create(p);
    shared->code = probe_try_open(p, self, "closed/store", 0, p->config, &error);
    snprintf(shared->message, sizeof shared->message, "%s", error.message);
    p->api->destroy(self);
}

static void want_refusal(probe *p, scene_shared *shared)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/closed", p->scratch);
    if (mkdir(path, 0500) != 0 || chmod(p->scratch, 0755) != 0)
        probe_skip(p, "a folder could not be made");
    if (scene_play(p, shared, open_unwritable, NULL, "in a folder where it may not write") != SCENE_DONE)
        probe_fail(p, "it ended the process in a folder where it may not write");
    chmod(path, 0700);
    if (shared->code == QUIPU_OK || !shared->message[0])
        probe_fail(p, "open of a store in a folder where it may not write answered %s%s", error_name(shared->code),
                   shared->code ? " and said nothing" : "");
}

void check_fault_folder(probe *p)
{
    scene_each_backend(p, want_refusal);
}

/* ---- no memory ---- */

typedef struct shortage {
    uint32_t at;
    uint32_t calls; /* that asked for memory */
} shortage;

static void ask_everything(probe *p)
{
    quipu_error error = probe_error();
    seen s = { 0 };
    probe_get(p, "counter", NULL, &s, &error);
    probe_scan(p, QUIPU_ORDER_NEWEST, NULL, 5, &s, &error);
    probe_search(p, "apple", NULL, 5, &s, &error);
    seen_free(&s);
}

static void starve(probe *p, scene_shared *shared, void *context)
{
    shortage *lack = context;
    quipu_error error = probe_error();
    p->self = probe_open(p, "hungry", 0);
    probe_want(p, round_play(p, shared, &error), QUIPU_OK, &error, "apply");
    const char *why = faulty_memory_install(p->path);
    if (why)
        probe_skip(p, "%s", why);
    faulty_memory_begin(lack->at);
    int32_t code = round_play(p, shared, &error);
    ask_everything(p);
    shared->operations = faulty_memory_end();
    if (code != QUIPU_OK && code != QUIPU_E_NO_MEMORY && lack->at)
        probe_fail(p, "apply without memory answered %s: %.200s", error_name(code), error.message);
    for (uint32_t round = shared->next_round - 2; round < shared->next_round; round++)
        if (round_is_there(p, round, 'a', "without memory") != round_is_there(p, round, 'b', "without memory"))
            probe_fail(p, "after apply without memory half of a change set is there");
    if (code == QUIPU_OK && !round_is_there(p, shared->next_round - 1, 'a', "without memory"))
        probe_fail(p, "apply without memory answered OK and stored nothing");
    probe_close(p, p->self);
}

void check_fault_memory(probe *p)
{
    scene_shared *shared = scene_begin(p);
    for (p->backend = 0;; p->backend++) {
        shortage lack = { 0, 0 };
        shared->next_round = 0;
        scene_play(p, shared, starve, &lack, "in peace");
        if (p->backend >= shared->backends)
            break;
        uint32_t calls = shared->operations;
        if (calls == 0)
            probe_skip(p, "it asks nobody for memory that could be refused");
        for (lack.at = 1; lack.at <= calls; lack.at += step_of(p, calls))
            if (scene_play(p, shared, starve, &lack, "when memory was refused") == SCENE_ABORTED)
                probe_warn(p, "it ends the whole process when memory is refused");
    }
    if (p->backend == 0)
        probe_skip(p, "this plugin has no backend");
}
