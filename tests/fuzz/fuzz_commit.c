/* fuzz_commit.c - the bytes of a commit object, of any program's making, and the trailers of its message. */
#include "fuzz.h"

#include <plugins/git/backend.h>
#include <storage_git/commits.h>

static bool within(quipu_str part, quipu_str whole)
{
    return !part.ptr ||
           (part.ptr >= whole.ptr && part.len <= whole.len && (uint64_t)(part.ptr - whole.ptr) <= whole.len - part.len);
}

static void check_message(quipu_str message)
{
    message_facts facts;
    message_read(message, &facts);
    PROMISE(within(facts.subject, message) && within(facts.operation, message) && within(facts.source, message));
}

/* What we print ourselves with the words of this commit is a commit again. */
static void check_print(const commit *c)
{
    commit again = { 0 };
    commit_words words = { .author = c->author, .time = c->time, .committed = c->committed, .message = c->message };
    commit_print(&c->tree, &c->parents[0], &words, &again.bytes);
    PROMISE(!again.bytes.failed && commit_parse(&again));
    PROMISE(object_id_equal(&again.tree, &c->tree) && object_id_equal(&again.parents[0], &c->parents[0]));
    PROMISE(again.time == c->time && again.committed == c->committed && str_same(again.message, c->message));
    commit_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    commit c = { 0 };
    c.bytes = (buffer){ .bytes = fuzz_copy(data, size), .len = size, .capacity = size + 1 };
    quipu_str all = str_make(c.bytes.bytes, size);
    check_message(all);
    if (commit_parse(&c)) {
        PROMISE(within(c.message, all) && within(c.author, all) && c.parent_count <= COMMIT_PARENTS_MAX);
        PROMISE(c.time >= 0 && c.committed >= 0);
        check_message(c.message);
        check_print(&c);
    }
    commit_free(&c);
    return 0;
}
