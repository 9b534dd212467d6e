/* test_git_index.c - the saved index of the git backend: shared by processes, saved while running, as of any commit. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/buffer.h>
#include <quipu.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>
#include <unistd.h>

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];

static int begin(void **state)
{
    (void)state;
    memories_time = 0;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static void shell(const char *command)
{
    char whole[1000];
    snprintf(whole, sizeof whole, "cd '%s' && { %s; }", folder, command);
    assert_int_equal(system(whole), 0);
}

/* `count` records as one write each, in one publication. */
static void add_many(quipu *q, int from, int count)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_write *writes = calloc((size_t)count, sizeof *writes);
    quipu_array *groups = calloc((size_t)count, sizeof *groups);
    char(*json)[100] = calloc((size_t)count, sizeof *json);
    uint64_t done;
    for (int i = 0; i < count; i++) {
        int len =
            snprintf(json[i], sizeof json[i], "{\"id\":\"r%05d\",\"text\":\"fox %d of many\"}", from + i, from + i);
        writes[i] =
            (quipu_write){ .struct_size = sizeof *writes, .op = QUIPU_CHANGE_PUT, .json = { json[i], (uint64_t)len } };
        groups[i] = (quipu_array){ &writes[i], 1, sizeof *writes };
    }
    quipu_array all = { groups, (uint64_t)count, sizeof *groups };
    assert_int_equal(quipu_write_sets(q, &all, NULL, NULL, &done, NULL, &error), QUIPU_OK);
    free(writes);
    free(groups);
    free(json);
}

/* ---- as of ---- */

static void every_commit_can_be_searched(void **state)
{
    enum { STEPS = 12 };
    char revision[STEPS][64], words[STEPS][40], expected[STEPS][400], listed[STEPS][400];
    (void)state;
    quipu *q = memories_open(store);
    for (int i = 0; i < STEPS; i++) {
        char id[8];
        snprintf(id, sizeof id, "r%d", i % 5); /* records change, go, and come back as they were */
        snprintf(words[i], sizeof words[i], "fox number %d", i % 7);
        snprintf(revision[i], sizeof revision[i], "%s",
                 i % 6 == 5 ? memories_delete(q, "r1") : memories_put(q, id, words[i]));
        snprintf(expected[i], sizeof expected[i], "%s", memories_search(q, "fox", NULL));
        snprintf(listed[i], sizeof listed[i], "%s", memories_list(q, NULL));
        if (i == STEPS / 2) { /* some of the versions are in files, others in memory */
            memories_close(q);
            q = memories_open(store);
        }
    }
    for (int round = 0; round < 3; round++) {
        for (int i = STEPS - 1; i >= 0; i -= 1 + round) {
            assert_string_equal(memories_search(q, "fox", revision[i]), expected[i]);
            assert_string_equal(memories_list(q, revision[i]), listed[i]);
        }
        if (round == 0)
            memories_put(q, "later", "fox that came later");
        if (round == 1) {
            memories_close(q);
            shell("rm -rf store/quipu/catalogue"); /* and with no version known but the present ones */
            q = memories_open(store);
        }
    }
    memories_close(q);
}

static void another_layout_of_a_file_is_found_in_the_past(void **state)
{
    char revision[64];
    (void)state;
    quipu *q = memories_open(store);
    memories_put(q, "a", "the old bridge");
    shell("git clone -q store clone 2>/dev/null && f=$(find clone -name a.json) && tr -d '\\n' <\"$f\" | sed "
          "'s/old/long/' >new && mv new \"$f\" && cd clone && git -c user.name=x -c user.email=x@x commit -qam By-hand "
          "&& "
          "git push -q && git rev-parse HEAD >../revision");
    FILE *f = NULL;
    char path[200];
    snprintf(path, sizeof path, "%s/revision", folder);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%63s", revision), 1);
    fclose(f);
    assert_string_equal(memories_text(q, "a", NULL), "the long bridge");
    assert_string_equal(memories_search(q, "long", NULL), "a ");
    memories_put(q, "a", "the new bridge");
    assert_string_equal(memories_search(q, "long", revision), "a ");
    assert_string_equal(memories_search(q, "new", revision), "");
    assert_string_equal(memories_search(q, "long", NULL), "");
    memories_close(q);
}

/* ---- saved while running ---- */

static long files_in_catalogue(void)
{
    char command[300];
    long count = -1;
    snprintf(command, sizeof command, "ls '%s/quipu/catalogue' | grep -c segment-", store);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld", &count), 1);
    pclose(f);
    return count;
}

/* ThreadSanitizer ends a forked process that starts threads, and reading many files does. */
static void skip_where_forks_are_not_followed(void)
{
#ifdef __SANITIZE_THREAD__
    skip();
#endif
}

static void a_reader_that_is_killed_has_saved_what_it_learned(void **state)
{
    int status;
    (void)state;
    skip_where_forks_are_not_followed();
    quipu *q = memories_open(store);
    add_many(q, 0, 1500);
    pid_t child = fork();
    if (child == 0) {
        quipu *own = memories_open(store);
        if (strcmp(memories_search(own, "1234", NULL), "r01234 ") != 0)
            _exit(1);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(files_in_catalogue() > 0);
    add_many(q, 1500, 20);
    assert_string_equal(memories_search(q, "1234", NULL), "r01234 "); /* goes on from what the child saved */
    assert_int_equal(memories_count(q), 1520);
    assert_string_equal(memories_faults(q), "");
    memories_close(q);
}

static void a_writer_that_never_reads_saves_too(void **state)
{
    int status;
    (void)state;
    skip_where_forks_are_not_followed();
    pid_t child = fork();
    if (child == 0) {
        quipu *own = NULL;
        if (memories_try_open(store, "{\"durability\":\"relaxed\"}", 0, &own) != QUIPU_OK)
            _exit(1);
        for (int i = 0; i < 600; i++) {
            char id[16];
            snprintf(id, sizeof id, "r%05d", i);
            memories_put(own, id, "fox of many");
        }
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(files_in_catalogue() > 0);
    quipu *q = memories_open(store);
    assert_int_equal(memories_count(q), 600);
    assert_string_equal(memories_faults(q), "");
    memories_close(q);
}

/* Every search sees what was written before it began, whoever saves meanwhile. */
static void processes_that_read_write_and_save_see_each_other(void **state)
{
    enum { PROCESSES = 3, ROUNDS = 4, EACH = 200 };
    (void)state;
    skip_where_forks_are_not_followed();
    memories_close(memories_open(store));
    for (int p = 0; p < PROCESSES; p++)
        if (fork() == 0) {
            quipu *q = memories_open(store);
            for (int round = 0; round < ROUNDS; round++) {
                char words[20], wanted[20];
                int last = p * 10000 + (round + 1) * EACH - 1;
                add_many(q, p * 10000 + round * EACH, EACH);
                snprintf(words, sizeof words, "%d", last);
                snprintf(wanted, sizeof wanted, "r%05d ", last);
                if (strcmp(memories_search(q, words, NULL), wanted) != 0)
                    _exit(1);
            }
            memories_close(q);
            _exit(0);
        }
    for (int p = 0, status; p < PROCESSES; p++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    quipu *q = memories_open(store);
    assert_int_equal(memories_count(q), PROCESSES * ROUNDS * EACH);
    assert_string_equal(memories_faults(q), "");
    memories_close(q);
}

/* A record's own bytes have no checksum in the catalogue: its version tells. */
static void a_damaged_record_in_the_catalogue_is_read_anew(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    add_many(q, 0, 80);
    assert_int_equal(memories_count(q), 80);
    memories_close(q);
    shell("n=0; for f in $(grep -l 'fox 7 of many' store/quipu/catalogue/segment-*); do n=$((n+1)); sed -i 's/fox 7 of "
          "many/fax 7 of many/' $f; done; test $n -gt 0");
    q = memories_open(store);
    assert_string_equal(memories_text(q, "r00007", NULL), "fox 7 of many");
    const char *found = memories_search(q, "7", NULL);
    assert_true(strncmp(found, "r00007 ", 7) == 0);
    assert_int_equal(memories_count(q), 80);
    assert_string_equal(memories_faults(q), "");
    memories_close(q);
}

typedef struct listed {
    uint64_t count;
    bool twice, seen[80];
    char last[QUIPU_ID_MAX + 1];
} listed;

static int32_t note_listed(void *context, const quipu_hit *hit)
{
    listed *l = context;
    snprintf(l->last, sizeof l->last, "%.*s", (int)hit->record->id.len, hit->record->id.ptr);
    bool *seen = &l->seen[strtoul(l->last + 1, NULL, 10) % 80];
    l->twice = l->twice || *seen;
    *seen = true;
    l->count++;
    return 0;
}

/* In each order, and with a limit: what was shown before the damage is not shown again, and nothing is left out. */
static void a_list_that_comes_upon_damage_goes_on_behind_what_it_showed(void **state)
{
    static const struct {
        uint32_t order;
        uint64_t limit;
        const char *last;
    } cases[] = { { QUIPU_ORDER_ID, 0, "r00079" }, { QUIPU_ORDER_OLDEST, 0, NULL }, { QUIPU_ORDER_ID, 60, "r00059" } };
    (void)state;
    quipu *q = memories_open(store);
    add_many(q, 0, 80);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(memories_count(q), 80);
        memories_close(q);
        shell("sed -i 's/fox 50 of many/fax 50 of many/' $(grep -l 'fox 50 of many' store/quipu/catalogue/segment-*)");
        q = memories_open(store);
        listed all = { .count = 0 };
        quipu_scan query = { .struct_size = sizeof query, .order = cases[i].order, .limit = cases[i].limit };
        quipu_error error = { .struct_size = sizeof error };
        assert_int_equal(quipu_scan_records(q, &query, note_listed, &all, NULL, &error), QUIPU_OK);
        assert_int_equal(all.count, cases[i].limit ? cases[i].limit : 80);
        assert_false(all.twice);
        assert_true(!cases[i].last || strcmp(all.last, cases[i].last) == 0);
    }
    memories_close(q);
}

/* ---- vectors ---- */

static quipu *open_with_vectors(void)
{
    char plugins[512];
    quipu *q = NULL;
    const char *build = getenv("BUILD");
    snprintf(plugins, sizeof plugins, "%s/plugins", build ? build : "build");
    quipu_options o = {
        .struct_size = sizeof o, .store = str_of(store), .embedder = str_of("hash"), .plugin_path = str_of(plugins)
    };
    assert_int_equal(quipu_open(&o, &q, NULL), QUIPU_OK);
    return q;
}

static int32_t note_score(void *context, const quipu_hit *hit)
{
    double *score = context;
    *score = hit->score;
    return 1;
}

/* The cosine of the nearest record. */
static double nearest(quipu *q, const char *words, const char *as_of)
{
    double score = 0;
    quipu_search query = {
        .struct_size = sizeof query, .text = str_of(words), .as_of = str_of(as_of), .k = 1, .mode = QUIPU_SEARCH_VECTOR
    };
    assert_int_equal(quipu_search_records(q, &query, note_score, &score, NULL, NULL), QUIPU_OK);
    return score;
}

/* A search of any commit, in any process, adds no vector: the files, which are never changed, are the same ones. */
static void vectors_are_made_once_for_all_commits(void **state)
{
    char first[64];
    (void)state;
    quipu *q = open_with_vectors();
    snprintf(first, sizeof first, "%s", memories_put(q, "a", "the old bridge"));
    assert_true(nearest(q, "bridge", NULL) > 0.5);
    memories_put(q, "a", "the new fence");
    assert_true(nearest(q, "fence", NULL) > 0.5);
    memories_close(q);
    shell("ls store/quipu/vectors-*/segment-* >before && test $(wc -l <before) -gt 0");
    q = open_with_vectors();
    assert_true(nearest(q, "bridge", first) > 0.5);
    assert_true(nearest(q, "fence", NULL) > 0.5);
    memories_close(q);
    shell("rm -rf store/quipu/catalogue"); /* they need nothing of it */
    q = open_with_vectors();
    assert_true(nearest(q, "fence", NULL) > 0.5);
    assert_true(nearest(q, "bridge", first) > 0.5);
    memories_close(q);
    shell("ls store/quipu/vectors-*/segment-* | cmp - before");
}

/* ---- many files at once ---- */

static char *all_shown(quipu *q, const char *words)
{
    buffer all = { 0 };
    char word[40];
    for (int i = 0; i < 2600; i += 37) {
        snprintf(word, sizeof word, "r%05d", i);
        buffer_printf(&all, "%s ", memories_text(q, word, NULL));
    }
    buffer_printf(&all, "%d %d %d ", (int)memories_count(q), (int)memories_figure(q, "set_aside"),
                  (int)memories_figure(q, "records"));
    buffer_append_text(&all, memories_search(q, words, NULL));
    return all.bytes;
}

/* Read on several threads in the order of the packs, with all kinds of files among them that are no canonical records of their path. */
static void many_files_are_read_at_once(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    add_many(q, 0, 2500);
    assert_int_equal(memories_count(q), 2500);
    shell("git clone -q store clone 2>/dev/null && cd clone && echo junk >records/junk.json && mkdir records/z && "
          "cp $(find . -name r00003.json) records/z/r00003.json && f=$(find . -name r00005.json) && "
          "tr -d '\\n' <$f | sed 's/fox 5/lynx 5/' >new && mv new $f && echo '{}' >$(find . -name r00006.json) && "
          "rm $(find . -name r00007.json) && find . -name 'r001*.json' -delete && "
          "find . -name 'r002*.json' -o -name 'r010*.json' -o -name 'r011*.json' -o -name 'r012*.json' | "
          "xargs sed -i 's/fox/wolf/' && git add -A && "
          "git -c user.name=x -c user.email=x@x commit -qm By-hand && git push -q");
    char *followed = all_shown(q, "lynx"); /* 503 files from one commit to the next */
    assert_string_equal(memories_search(q, "lynx", NULL), "r00005 ");
    assert_int_equal(memories_count(q), 2500 - 100 - 2);
    assert_int_equal(memories_figure(q, "set_aside"), 3);
    assert_string_equal(memories_text(q, "r00203", NULL), "wolf 203 of many");
    assert_string_equal(memories_text(q, "r01203", NULL), "wolf 1203 of many");
    assert_string_equal(memories_text(q, "r00007", NULL), "");
    memories_close(q);
    static const char *const before[] = { "true", "git -C store gc -q --prune=now", "git -C store repack -adfq" };
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        shell(before[i]); /* our packs; and git's, with differences to anything */
        shell("rm -rf store/quipu/catalogue");
        q = memories_open(store);
        char *anew = all_shown(q, "lynx");
        assert_string_equal(anew, followed);
        free(anew);
        assert_string_equal(memories_faults(q), "records records/5/1/b/b/r00006.json\nrecords records/junk.json\n"
                                                "records records/z/r00003.json\n");
        memories_close(q);
    }
    free(followed);
}

static void a_file_whose_object_is_lost_fails_the_reading_of_many(void **state)
{
    (void)state;
    quipu *q = memories_open(store);
    add_many(q, 0, 1200);
    memories_close(q);
    shell("rm -rf store/quipu/catalogue && cd store && b=$(git rev-parse main:$(git ls-tree -r --name-only main | grep "
          "r00700)) "
          "&& git rev-list --objects --all | cut -c1-40 | grep -v $b | git pack-objects -q ../less >/dev/null && "
          "rm -f objects/pack/* && mv ../less-*.pack ../less-*.idx objects/pack && cd objects/pack && "
          "for f in less-*; do mv $f $(echo $f | sed s/less/pack/); done");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_OK);
    quipu_scan query = { .struct_size = sizeof query };
    listed all = { .count = 0 };
    quipu_error error = { .struct_size = sizeof error };
    assert_int_equal(quipu_scan_records(q, &query, note_listed, &all, NULL, &error), QUIPU_E_CORRUPT);
    assert_non_null(strstr(error.message, "is missing"));
    memories_close(q);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(every_commit_can_be_searched),
        FRESH(another_layout_of_a_file_is_found_in_the_past),
        FRESH(a_reader_that_is_killed_has_saved_what_it_learned),
        FRESH(a_writer_that_never_reads_saves_too),
        FRESH(processes_that_read_write_and_save_see_each_other),
        FRESH(a_damaged_record_in_the_catalogue_is_read_anew),
        FRESH(a_list_that_comes_upon_damage_goes_on_behind_what_it_showed),
        FRESH(vectors_are_made_once_for_all_commits),
        FRESH(many_files_are_read_at_once),
        FRESH(a_file_whose_object_is_lost_fails_the_reading_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
