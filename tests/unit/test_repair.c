/* test_repair.c - a store damaged for real, in each way at once: verify says so, repair mends it, and nothing is deleted. */
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
#include <stdio.h>
#include <stdlib.h>
#include <storage_git/pack_salvage.h>
#include <sys/wait.h>
#include <tests/support/memories.h>
#include <tests/support/scratch.h>

enum { RECORDS = 6 };

static char folder[128]; /* of the test at hand; the store is in it */
static char store[160];
static char output[8000]; /* of the last git or shell command */
static buffer told;       /* findings of the last verify, a line each: "severity area subject: message" */

static const char all_ids[] = "r1 r2 r3 r4 r5 r6 ";

/* Runs a command in the test's folder; its first lines are in `output`. */
static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
    char command[1800], line[2000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    snprintf(line, sizeof line, "cd '%s' && { %s; }", folder, command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t got = fread(output, 1, sizeof output - 1, pipe);
    output[got] = '\0';
    int status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: %d: %s", command, status, output);
}

/* A store of six records, of which r1 was changed once; each revision is a pack of its own. A copy of its files stays. */
static int begin(void **state)
{
    (void)state;
    memories_time = 0;
    scratch_make(folder);
    snprintf(store, sizeof store, "%s/store", folder);
    quipu *q = memories_open(store);
    for (int i = 1; i <= RECORDS; i++) {
        char id[8], text[40];
        snprintf(id, sizeof id, "r%d", i);
        snprintf(text, sizeof text, "what was said first, number %d", i);
        memories_put(q, id, text);
    }
    memories_put(q, "r1", "what was said last");
    memories_close(q);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buffer_free(&told);
    scratch_remove(folder);
    return 0;
}

/* ---- verify ---- */

static int32_t hear(void *context, const quipu_finding *f)
{
    static const char *const words[] = { "checked", "warning", "damage", "repaired" };
    (void)context;
    buffer_printf(&told, "%s %.*s %.*s: %.*s", words[f->severity], (int)f->area.len, f->area.ptr, (int)f->subject.len,
                  f->subject.ptr ? f->subject.ptr : "", (int)f->message.len, f->message.ptr ? f->message.ptr : "");
    if (f->severity == QUIPU_FINDING_CHECKED)
        buffer_printf(&told, "%llu", (unsigned long long)f->count);
    buffer_append_char(&told, '\n');
    return 0;
}

static int32_t try_verify(uint32_t open_flags, uint32_t flags)
{
    static const quipu_str id = QUIPU_STR_INIT(QUIPU_EXT_VERIFY);
    quipu_lease lease = { .struct_size = sizeof lease };
    quipu *q;
    buffer_clear(&told);
    int32_t code = memories_try_open(store, NULL, open_flags, &q);
    if (code != QUIPU_OK)
        return code;
    assert_int_equal(quipu_enter(q, &lease, &memories_error), QUIPU_OK);
    const quipu_verify_api *api = lease.api->get_extension(lease.self, &id);
    code = api->verify(lease.self, flags, hear, NULL, NULL, &memories_error);
    quipu_leave(q, &lease);
    memories_close(q);
    return code;
}

static bool said(const char *text)
{
    return told.bytes && strstr(told.bytes, text);
}

static void look(void)
{
    assert_int_equal(try_verify(QUIPU_OPEN_DAMAGED | QUIPU_OPEN_READ_ONLY, 0), QUIPU_OK);
}

static void repair(void)
{
    int32_t code = try_verify(QUIPU_OPEN_DAMAGED, QUIPU_VERIFY_REPAIR);
    if (code != QUIPU_OK)
        fail_msg("repair: %s", memories_error.message);
}

#define assert_said(text)                                                                                              \
    do {                                                                                                               \
        if (!said(text))                                                                                               \
            fail_msg("not told: %s, but:\n%s", text, told.bytes ? told.bytes : "");                                    \
    } while (0)

static void assert_no(const char *word)
{
    if (said(word))
        fail_msg("%s", told.bytes);
}

static void assert_ids(const char *ids)
{
    quipu *q = memories_open(store);
    assert_string_equal(memories_list(q, NULL), ids);
    memories_close(q);
}

/* Every file that is in the folder `before` is somewhere in the store, to the byte. */
static void assert_nothing_deleted(void)
{
    shell("find store -type f -exec sha1sum {} + | cut -c 1-40 | sort -u > after.sums; find before -type f ! -path "
          "'*/catalogue/*' ! -path '*/quipu/lock' -exec sha1sum {} + | sort > before.sums; cut -c 1-40 before.sums | "
          "sort -u | comm -23 - after.sums | grep -F -f - before.sums || true");
    if (output[0])
        fail_msg("deleted: %s", output);
}

/* It is told, mended, and sound afterwards: nothing of what was there is lost. */
static void mends(const char *damage, const char *area)
{
    char line[40];
    shell("cd store && { %s; }", damage);
    shell("cp -a store before");
    look();
    snprintf(line, sizeof line, "damage %s", area);
    assert_said(line);
    shell("diff -r --exclude=quipu store before");
    repair();
    assert_no("damage ");
    snprintf(line, sizeof line, "repaired %s", area);
    assert_said(line);
    look();
    assert_no("damage ");
    assert_ids(all_ids);
    assert_int_equal(scratch_fsck(store), 0);
    assert_nothing_deleted();
}

/* ---- packs ---- */

static void a_missing_index_is_made_anew(void **state)
{
    (void)state;
    mends("rm $(ls objects/pack/*.idx | head -n 1)", "objects");
}

static void all_missing_indexes_are_made_anew(void **state)
{
    (void)state;
    mends("rm objects/pack/*.idx", "objects");
}

static void an_index_of_garbage_is_made_anew(void **state)
{
    (void)state;
    mends("f=$(ls objects/pack/*.idx | head -n 1); chmod u+w $f; echo garbage > $f", "objects");
}

static void the_index_of_another_pack_is_replaced(void **state)
{
    (void)state;
    mends("set -- objects/pack/*.idx; chmod u+w $1; cp $2 $1", "objects");
}

#define PACKS "f=$(ls -S objects/pack/*.pack | head -n 1) && chmod u+w $f"

static void a_flipped_bit_in_a_pack_is_flipped_back(void **state)
{
    static const char *const places[] = { "3", "10", "40", "200", "400", "700", "$(($(stat -c %s $f) - 3))" };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char damage[600];
        snprintf(damage, sizeof damage,
                 PACKS " && at=%s && b=$(od -An -t u1 -j $at -N 1 $f) && printf \"\\\\$(printf %%03o $((b ^ 16)))\" | "
                       "dd of=$f bs=1 seek=$at conv=notrunc 2>/dev/null",
                 places[i]);
        mends(damage, "objects");
        if (i < 6) {
            end(state);
            begin(state);
        }
    }
}

static void a_flipped_bit_in_an_index_is_of_no_account(void **state)
{
    (void)state;
    mends(
        "f=$(ls -S objects/pack/*.idx | head -n 1) && chmod u+w $f && at=$(($(stat -c %s $f) / 2)) && b=$(od -An -t u1 "
        "-j $at -N 1 $f) && printf \"\\\\$(printf %03o $((b ^ 16)))\" | dd of=$f bs=1 seek=$at conv=notrunc "
        "2>/dev/null",
        "objects");
}

/* The CRC of one flipped bit tells which; of two it does not. */
static void one_bit_is_found_by_the_checksum_and_two_are_not(void **state)
{
    uint8_t bytes[300], flipped[300];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 3);
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < sizeof bytes; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    crc = ~crc;
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        memcpy(flipped, bytes, sizeof bytes);
        flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(crc_mend(flipped, sizeof flipped, crc));
        assert_memory_equal(flipped, bytes, sizeof bytes);
    }
    flipped[3] ^= 1;
    flipped[77] ^= 16;
    assert_false(crc_mend(flipped, sizeof flipped, crc));
    assert_false(crc_mend(bytes, sizeof bytes, crc)); /* nothing is to be mended */
}

/* What is sound in a pack is saved; of what is not, the last readable versions come back, and a commit says so. */
static void a_pack_cut_short_loses_only_what_was_cut_off(void **state)
{
    (void)state;
    shell("cp -a store whole; cd store && git gc -q --prune=now && " PACKS
          " && truncate -s $(($(stat -c %%s $f) * 2 / 3)) $f && cp -a ../store ../before");
    look();
    assert_said("damage objects");
    repair();
    assert_said("can");
    look();
    shell("ls store/quipu/aside/*/*.pack");
    assert_nothing_deleted();
    quipu *q = memories_open(store); /* it can be used again, also to write */
    memories_put(q, "new", "said after the repair");
    memories_close(q);
}

static void a_pack_of_zeros_is_set_aside(void **state)
{
    (void)state;
    mends("dd if=/dev/zero of=objects/pack/pack-1111111111111111111111111111111111111111.pack bs=1000 count=1 "
          "2>/dev/null",
          "objects");
}

static void an_index_without_its_pack_is_set_aside(void **state)
{
    (void)state;
    mends("cp $(ls objects/pack/*.idx | head -n 1) objects/pack/pack-1111111111111111111111111111111111111111.idx",
          "objects");
}

static void what_git_derives_is_set_aside_when_damaged(void **state)
{
    (void)state;
    mends("git commit-graph write --reachable 2>/dev/null && f=objects/info/commit-graph && chmod u+w $f && printf x | "
          "dd "
          "of=$f bs=1 seek=100 conv=notrunc 2>/dev/null",
          "objects");
}

/* ---- lost objects ---- */

#define UNPACK                                                                                                         \
    "mkdir ../packs; mv objects/pack/* ../packs; for q in ../packs/*.pack; do git unpack-objects -q < $q; done"
#define OBJECT_OF(spec) "x=$(git rev-parse " spec ") && y=objects/$(echo $x | cut -c 1-2)/$(echo $x | cut -c 3-)"

static void a_lost_record_gets_its_last_readable_version(void **state)
{
    (void)state;
    shell("cd store && " UNPACK
          " && " OBJECT_OF("HEAD:$(git ls-tree -r --name-only HEAD | grep r1.json)") " && rm -f $y");
    look();
    assert_said("damage records");
    assert_said("r1.json");
    repair();
    assert_said("repaired records");
    assert_said("damage objects"); /* the version of the past stays lost */
    quipu *q = memories_open(store);
    assert_string_equal(memories_text(q, "r1", NULL), "what was said first, number 1");
    memories_close(q);
    assert_ids(all_ids);
    shell("git -C store log -1 --format=%%B");
    assert_non_null(strstr(output, "r1.json: as of "));
    assert_non_null(strstr(output, "Quipu-Op: repair"));
}

static void a_lost_record_without_another_version_goes_and_is_named(void **state)
{
    (void)state;
    shell("cd store && " UNPACK
          " && " OBJECT_OF("HEAD:$(git ls-tree -r --name-only HEAD | grep r3.json)") " && rm -f $y");
    repair();
    assert_said("and is gone");
    assert_ids("r1 r2 r4 r5 r6 ");
    shell("git -C store log -1 --format=%%B");
    assert_non_null(strstr(output, "r3.json: gone"));
}

static void a_damaged_loose_object_is_set_aside(void **state)
{
    (void)state;
    shell("cd store && " UNPACK " && " OBJECT_OF(
        "HEAD:$(git ls-tree -r --name-only HEAD | grep r1.json)") " && chmod u+w $y && echo garbage > $y && cp -a "
                                                                  "../store ../before && rm ../before/refs/heads/main");
    repair();
    assert_said("it was set aside");
    assert_ids(all_ids);
    assert_nothing_deleted();
}

/* The root of r6's commit, or its whole way down to the record, is lost; what the record said is not. */
static void a_record_whose_folders_are_lost_is_found_again(void **state)
{
    (void)state;
    shell("cd store && " UNPACK
          " && for d in records $(git ls-tree -r -t --name-only HEAD | grep '^records/./' | grep -v "
          "json); do x=$(git rev-parse HEAD:$d) && git cat-file -e HEAD~2:$d 2>/dev/null && test $x = $(git rev-parse "
          "HEAD~2:$d) || rm -f objects/$(echo $x | cut -c 1-2)/$(echo $x | cut -c 3-); done");
    repair();
    assert_said("the record was found again");
    assert_ids(all_ids);
    quipu *q = memories_open(store);
    assert_string_equal(memories_text(q, "r6", NULL), "what was said first, number 6");
    assert_string_equal(memories_text(q, "r1", NULL), "what was said last");
    memories_close(q);
    shell("git -C store log -1 --format=%%B");
    assert_non_null(strstr(output, "records were found again"));
}

static void a_lost_root_is_rebuilt_from_the_commit_before(void **state)
{
    (void)state;
    shell("cd store && " UNPACK " && " OBJECT_OF("HEAD^{tree}") " && rm -f $y");
    repair();
    assert_said("repaired records");
    quipu *q = memories_open(store);
    assert_string_equal(memories_list(q, NULL), all_ids);
    memories_close(q);
}

/* ---- refs ---- */

static void a_store_whose_branch_is_gone_is_not_begun_anew(void **state)
{
    quipu *q;
    (void)state;
    shell("git -C store rev-parse HEAD > head; rm store/refs/heads/main");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_CORRUPT);
    assert_non_null(strstr(memories_error.message, "quipu verify --repair"));
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_READ_ONLY, &q), QUIPU_E_CORRUPT);
    shell("test ! -e store/refs/heads/main && cp -a store before");
    repair();
    assert_no("damage ");
    assert_ids(all_ids);
    shell("git -C store rev-parse HEAD | cmp - head");
    assert_nothing_deleted();
}

static void a_deleted_branch_is_put_back(void **state)
{
    (void)state;
    mends("rm refs/heads/main", "refs");
}

static void an_empty_branch_is_put_back(void **state)
{
    (void)state;
    mends(": > refs/heads/main", "refs");
}

static void a_branch_of_garbage_is_put_back(void **state)
{
    (void)state;
    mends("echo garbage > refs/heads/main", "refs");
}

static void a_branch_that_leads_nowhere_is_put_back(void **state)
{
    (void)state;
    mends("echo 1111111111111111111111111111111111111111 > refs/heads/main", "refs");
}

static void other_refs_that_lead_nowhere_are_set_aside(void **state)
{
    (void)state;
    mends("echo 1111111111111111111111111111111111111111 > refs/heads/other; echo garbage > refs/tags/x", "refs");
    shell("cat store/quipu/aside/*/note.txt");
    assert_non_null(strstr(output, "refs/heads/other"));
    assert_non_null(strstr(output, "1111111111111111111111111111111111111111"));
}

static void damaged_lines_of_packed_refs_are_left_out(void **state)
{
    (void)state;
    mends("git branch other && git pack-refs --all && echo garbage >> packed-refs && echo "
          "'1111111111111111111111111111111111111111 refs/heads/nowhere' >> packed-refs",
          "refs");
}

/* git refuses a packed-refs with such a line. */
static void a_damaged_header_of_packed_refs_is_left_out(void **state)
{
    (void)state;
    mends("git branch other && git pack-refs --all && sed -i '1s/refs/sefs/' packed-refs", "refs");
}

static void a_second_header_of_packed_refs_is_left_out(void **state)
{
    (void)state;
    mends("git branch other && git pack-refs --all && head -n 1 packed-refs >> packed-refs", "refs");
}

static void a_head_that_names_no_branch_is_set_right(void **state)
{
    (void)state;
    mends("echo garbage > HEAD", "refs");
}

static void a_head_that_names_a_missing_branch_is_set_right(void **state)
{
    (void)state;
    mends("echo 'ref: refs/heads/mbin' > HEAD", "refs");
}

static void a_missing_head_is_set_right(void **state)
{
    (void)state;
    mends("rm HEAD", "refs");
}

static void a_config_that_git_cannot_read_is_replaced(void **state)
{
    (void)state;
    mends("echo '[[[' > config", "refs");
}

static void missing_folders_are_made(void **state)
{
    (void)state;
    mends("git pack-refs --all && rm -r refs", "refs");
}

/* Two lines end where no ref leads, equally long and equally old: somebody has to choose. */
static void of_two_lost_lines_neither_is_chosen_for_you(void **state)
{
    quipu *q;
    (void)state;
    shell(
        "cd store && export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b "
        "GIT_COMMITTER_DATE='2030-01-01T00:00:00Z' && git commit-tree -m one -p HEAD HEAD^{tree} && git commit-tree -m "
        "two -p HEAD HEAD^{tree} && rm refs/heads/main");
    repair();
    assert_said("damage refs refs/heads/main: it is lost, and 2 commits may have been its last");
    assert_said("git update-ref refs/heads/main ");
    assert_int_equal(memories_try_open(store, NULL, 0, &q), QUIPU_E_CORRUPT);
    shell("cd store && git update-ref refs/heads/main $(git fsck --unreachable 2>/dev/null | grep commit | head -n 1 | "
          "cut "
          "-d ' ' -f 3)");
    assert_ids(all_ids);
}

/* What was abandoned before it became part of the branch is no reason to doubt. */
static void an_abandoned_commit_does_not_hide_the_branch(void **state)
{
    (void)state;
    mends("export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; "
          "GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' git commit-tree -m one -p HEAD~3 HEAD~3^{tree} && rm "
          "refs/heads/main",
          "refs");
    assert_said("objects");
}

/* ---- what others left ---- */

static void leftovers_are_set_aside_and_what_is_in_use_is_not(void **state)
{
    (void)state;
    shell("cd store && touch -d '1 hour ago' refs/heads/main.lock objects/pack/tmp_pack_x HEAD.lock && touch "
          "refs/heads/new.lock && cp -a ../store ../before");
    repair();
    assert_no("damage ");
    assert_said("repaired refs refs/heads/main.lock");
    assert_said("repaired objects objects/pack/tmp_pack_x");
    assert_said("warning refs refs/heads/new.lock");
    shell("test -e store/refs/heads/new.lock && test ! -e store/refs/heads/main.lock");
    assert_nothing_deleted();
}

static void files_that_are_no_records_move_out_by_a_commit(void **state)
{
    (void)state;
    shell("git clone -q store clone && cd clone && echo hello > records/note.txt && cp $(find records -name r1.json) "
          "records/copy.json && sed 's/\"r2\"/\"r9\"/' $(find records -name r2.json) > records/r9.json && git add . && "
          "git "
          "-c user.name=a -c user.email=a@b commit -qm foreign && git push -q");
    look();
    assert_said("warning records records/note.txt");
    assert_said("checked aside : 3");
    repair();
    assert_said(
        "repaired records records/note.txt: it was no record of that path, and is at aside/records/note.txt now");
    assert_said("aside/records/copy.json now"); /* the path of r1 is taken */
    assert_ids("r1 r2 r3 r4 r5 r6 r9 ");
    look();
    assert_no("warning ");
    shell("git -C store show HEAD:aside/records/note.txt && git -C store log -1 --format=%%B");
    assert_non_null(strstr(output, "hello"));
    assert_non_null(strstr(output, "Quipu-Op: repair"));
    assert_int_equal(scratch_fsck(store), 0);
}

/* ---- manners ---- */

static void a_sound_store_is_only_counted(void **state)
{
    (void)state;
    look();
    assert_no("damage ");
    assert_no("warning ");
    assert_said("checked commits : 8");
    assert_said("checked blobs : 8");
    assert_said("checked refs : 1");
    assert_said("checked records : 6");
    assert_said("checked aside : 0");
    assert_said("checked index : 6");
    shell("cp -a store before");
    repair();
    assert_no("repaired ");
    shell("diff -r --exclude=catalogue store before && test ! -e store/quipu/aside");
}

static void a_store_opened_damaged_serves_nothing_but_verify(void **state)
{
    quipu *q;
    quipu_lease lease = { .struct_size = sizeof lease };
    (void)state;
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_DAMAGED, &q), QUIPU_OK);
    assert_int_equal(quipu_enter(q, &lease, &memories_error), QUIPU_OK);
    assert_int_equal(lease.api->flush(lease.self, NULL, &memories_error), QUIPU_E_STATE);
    assert_non_null(strstr(memories_error.message, "to be verified"));
    quipu_leave(q, &lease);
    memories_close(q);
}

static void only_known_flags_are_taken_and_a_reader_repairs_nothing(void **state)
{
    (void)state;
    assert_int_equal(try_verify(0, 1u << 30), QUIPU_E_INVALID);
    assert_int_equal(try_verify(QUIPU_OPEN_READ_ONLY, QUIPU_VERIFY_REPAIR), QUIPU_E_READ_ONLY);
    assert_int_equal(try_verify(QUIPU_OPEN_DAMAGED | QUIPU_OPEN_READ_ONLY, QUIPU_VERIFY_REPAIR), QUIPU_E_READ_ONLY);
    assert_int_equal(try_verify(0, QUIPU_VERIFY_REPAIR), QUIPU_OK);
}

static void a_store_that_is_not_there_is_not_made(void **state)
{
    quipu *q;
    (void)state;
    shell("rm -r store");
    assert_int_equal(memories_try_open(store, NULL, QUIPU_OPEN_DAMAGED, &q), QUIPU_E_NOT_FOUND);
    shell("test ! -e store");
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_missing_index_is_made_anew),
        FRESH(all_missing_indexes_are_made_anew),
        FRESH(an_index_of_garbage_is_made_anew),
        FRESH(the_index_of_another_pack_is_replaced),
        FRESH(a_flipped_bit_in_a_pack_is_flipped_back),
        FRESH(a_flipped_bit_in_an_index_is_of_no_account),
        cmocka_unit_test(one_bit_is_found_by_the_checksum_and_two_are_not),
        FRESH(a_pack_cut_short_loses_only_what_was_cut_off),
        FRESH(a_pack_of_zeros_is_set_aside),
        FRESH(an_index_without_its_pack_is_set_aside),
        FRESH(what_git_derives_is_set_aside_when_damaged),
        FRESH(a_lost_record_gets_its_last_readable_version),
        FRESH(a_lost_record_without_another_version_goes_and_is_named),
        FRESH(a_damaged_loose_object_is_set_aside),
        FRESH(a_record_whose_folders_are_lost_is_found_again),
        FRESH(a_lost_root_is_rebuilt_from_the_commit_before),
        FRESH(a_store_whose_branch_is_gone_is_not_begun_anew),
        FRESH(a_deleted_branch_is_put_back),
        FRESH(an_empty_branch_is_put_back),
        FRESH(a_branch_of_garbage_is_put_back),
        FRESH(a_branch_that_leads_nowhere_is_put_back),
        FRESH(other_refs_that_lead_nowhere_are_set_aside),
        FRESH(damaged_lines_of_packed_refs_are_left_out),
        FRESH(a_damaged_header_of_packed_refs_is_left_out),
        FRESH(a_second_header_of_packed_refs_is_left_out),
        FRESH(a_head_that_names_no_branch_is_set_right),
        FRESH(a_head_that_names_a_missing_branch_is_set_right),
        FRESH(a_missing_head_is_set_right),
        FRESH(a_config_that_git_cannot_read_is_replaced),
        FRESH(missing_folders_are_made),
        FRESH(of_two_lost_lines_neither_is_chosen_for_you),
        FRESH(an_abandoned_commit_does_not_hide_the_branch),
        FRESH(leftovers_are_set_aside_and_what_is_in_use_is_not),
        FRESH(files_that_are_no_records_move_out_by_a_commit),
        FRESH(a_sound_store_is_only_counted),
        FRESH(a_store_opened_damaged_serves_nothing_but_verify),
        FRESH(only_known_flags_are_taken_and_a_reader_repairs_nothing),
        FRESH(a_store_that_is_not_there_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
