/*
 * tiny_host.c - a program that remembers: start here to use libquipu from C.
 *
 *     tiny_host BACKEND [STORE]
 *
 * It opens a store with the backend of that name (found in $QUIPU_PLUGIN_PATH), stores three memories, searches, changes one
 * of them by compare-and-swap, and lists what there is. Everything it uses is in host_shim/include/quipu.h.
 *
 *     cc tiny_host.c $(pkg-config --cflags --libs quipu)
 */
#include <inttypes.h>
#include <quipu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts cross as pointer and length, and are borrowed for the call: nobody frees what another one allocated. */
static quipu_str text(const char *s)
{
    quipu_str t = { s, s ? strlen(s) : 0 };
    return t;
}

/* Every call that can fail answers 0 or a negative code, and fills the error object that was lent to it. */
static void must(int32_t code, const char *what, const quipu_error *error)
{
    if (code == QUIPU_OK)
        return;
    fprintf(stderr, "tiny_host: %s: %s: %s\n", what, quipu_error_name(code), error->message);
    exit(1);
}

/* Answers come through visitors: this one is called once a record, which is borrowed until it returns. */
static int32_t print_record(void *context, const quipu_hit *hit)
{
    const quipu_record *r = hit->record;
    int *count = context;
    printf("  %d. %.*s", ++*count, (int)r->text.len, r->text.ptr);
    if (r->category.ptr)
        printf(" [%.*s]", (int)r->category.len, r->category.ptr);
    if (hit->score != 0)
        printf(" (score %.2f)", hit->score);
    putchar('\n');
    return 0; /* 1 would stop, a negative code would fail the call */
}

/* Keeps the version of the one record that it is shown. */
static int32_t take_version(void *context, const quipu_hit *hit)
{
    memcpy(context, hit->record->version.ptr, QUIPU_VERSION_LEN);
    return 0;
}

static void add_memories(quipu *q, char first_id[QUIPU_ID_MAX + 1])
{
    static const char *const memories[] = {
        "{\"text\":\"Ada prefers tea to coffee\",\"category\":\"preference\",\"scope\":{\"user\":\"ada\"}}",
        "{\"text\":\"Ada's train leaves at 7:42\",\"category\":\"fact\",\"scope\":{\"user\":\"ada\"}}",
        "{\"text\":\"Bob collects stamps\",\"category\":\"fact\",\"scope\":{\"user\":\"bob\"}}",
    };
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        quipu_error error = { .struct_size = sizeof error };
        char id[QUIPU_ID_MAX + 1];
        const quipu_str json = text(memories[i]);
        must(quipu_put_json(q, &json, NULL, id, NULL, &error), "add", &error);
        printf("added %s\n", i == 0 ? "a preference" : "a fact");
        if (i == 0)
            memcpy(first_id, id, sizeof id);
    }
}

static void search(quipu *q, const char *user, const char *question)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_filter filter = { .struct_size = sizeof filter, .user = text(user), .now = QUIPU_TIME_NONE };
    quipu_search query = { .struct_size = sizeof query, .filter = &filter, .text = text(question), .k = 3 };
    int count = 0;
    printf("search for \"%s\" in what is known of %s:\n", question, user);
    must(quipu_search_records(q, &query, print_record, &count, NULL, &error), "search", &error);
    if (count == 0)
        printf("  nothing\n");
}

/* Changes a record only if it is still what was read: two agents that do this at once lose nothing. */
static void change(quipu *q, const char *id)
{
    quipu_error error = { .struct_size = sizeof error };
    char version[QUIPU_VERSION_LEN + 1] = "";
    const quipu_get get = { .struct_size = sizeof get, .id = text(id) };
    must(quipu_get_record(q, &get, take_version, version, NULL, &error), "get", &error);

    const quipu_write write = { .struct_size = sizeof write,
                                .op = QUIPU_WRITE_PATCH,
                                .expect = QUIPU_EXPECT_VERSION,
                                .id = text(id),
                                .expected_version = text(version),
                                .json = text("{\"text\":\"Ada prefers green tea\"}") };
    const quipu_array writes = { &write, 1, sizeof write };
    quipu_receipt receipt = { .struct_size = sizeof receipt };
    must(quipu_write_records(q, &writes, NULL, NULL, NULL, &receipt, NULL, &error), "update", &error);
    printf("updated %" PRIu64 " record%s%s\n", receipt.changed, receipt.revision[0] ? ", revision " : "",
           receipt.revision);

    int32_t code = quipu_write_records(q, &writes, NULL, NULL, NULL, NULL, NULL, &error);
    printf("the same again: %s\n", code == QUIPU_E_CONFLICT ? "refused, the record has changed since" : "accepted?!");
    if (code != QUIPU_E_CONFLICT)
        exit(1);
}

static void list(quipu *q)
{
    quipu_error error = { .struct_size = sizeof error };
    const quipu_scan query = { .struct_size = sizeof query, .order = QUIPU_ORDER_NEWEST, .limit = 100 };
    int count = 0;
    printf("all of it, newest first:\n");
    must(quipu_scan_records(q, &query, print_record, &count, NULL, &error), "list", &error);
}

int main(int argc, char **argv)
{
    quipu_error error = { .struct_size = sizeof error };
    quipu_options options = { .struct_size = sizeof options, .author = text("tiny_host") };
    char id[QUIPU_ID_MAX + 1];
    quipu *q = NULL;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: tiny_host BACKEND [STORE]\n");
        return 2;
    }
    options.backend = text(argv[1]);
    options.store = text(argc == 3 ? argv[2] : NULL); /* absent: the user's own store */
    must(quipu_open(&options, &q, &error), "open", &error);
    printf("libquipu %s, backend %s, store %s\n", quipu_version(), quipu_backend_name(q), quipu_store_path(q));

    add_memories(q, id);
    search(q, "ada", "Which drink does Ada like, tea?");
    search(q, "bob", "tea");
    change(q, id);
    list(q);

    must(quipu_close(q, &error), "close", &error); /* waits for calls under way and makes everything durable */
    return 0;
}
