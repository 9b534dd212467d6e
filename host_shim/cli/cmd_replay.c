/* cmd_replay.c - `quipu replay`: a search asked again by its receipt. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <sdk/json.h>
#include <string.h>
#include <unistd.h>

#define RECEIPT_MAX_BYTES (64u << 20)

/* FILE, or standard input for "-". */
static int read_receipt(cli *c, const char *path, buffer *out)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int status = STATUS_DONE;
    if (fd < 0 || !read_all(fd, RECEIPT_MAX_BYTES, out))
        status = report_fault(c, QUIPU_E_IO, NULL, "cannot read %s: %s", standard ? "standard input" : path,
                              strerror(errno));
    if (fd >= 0 && !standard)
        close(fd);
    return status;
}

static void show_side(const cli *c, const char *word, const cJSON *result)
{
    double score = 0;
    printf("  %s ", word);
    if (!cJSON_IsObject(result)) {
        printf("nothing");
        return;
    }
    json_is_number(cJSON_GetObjectItemCaseSensitive(result, "score"), &score);
    print_cell(c, PAINT_ID, field_of(result, "id"), 0, 0);
    printf(" %.8s %.6g", field_of(result, "version").ptr, score);
}

static void show_replay(const cli *c, const cJSON *answer)
{
    const cJSON *difference;
    bool same = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "same"));
    int64_t rank = 0, results = 0;
    json_is_int(cJSON_GetObjectItemCaseSensitive(answer, "results"), &results);
    cJSON_ArrayForEach(difference, cJSON_GetObjectItemCaseSensitive(answer, "differences"))
    {
        json_is_int(cJSON_GetObjectItemCaseSensitive(difference, "rank"), &rank);
        printf("%2d.", (int)rank);
        show_side(c, "was", cJSON_GetObjectItemCaseSensitive(difference, "before"));
        show_side(c, "is", cJSON_GetObjectItemCaseSensitive(difference, "after"));
        putchar('\n');
    }
    printf("%s%s%s, %d %s\n", paint_on(c, same ? PAINT_GOOD : PAINT_BAD), same ? "the same" : "not the same",
           paint_off(c), (int)results, results == 1 ? "result" : "results");
}

int cmd_replay(cli *c)
{
    quipu_error error = error_none();
    buffer text = { 0 }, answer = { 0 };
    int status = read_receipt(c, c->arguments[0], &text);
    if (status == STATUS_DONE)
        status = store_open(c, STORE_READ);
    if (status == STATUS_DONE) {
        quipu_str receipt = str_make(text.bytes ? text.bytes : "", text.len), query = str_of(option_text(c, "query"));
        if (quipu_replay_json(c->q, &receipt, &query, sink_to_buffer, &answer, NULL, &error) != QUIPU_OK)
            status = report(c, "cannot replay", &error);
    }
    if (status == STATUS_DONE) {
        bool same = strstr(answer.bytes, "{\"same\":true") == answer.bytes;
        status = c->json ? print_json(c, &answer) : view_text(c, &answer, show_replay);
        if (status == STATUS_DONE && !same)
            status = STATUS_CHECK;
    }
    buffer_free(&text);
    buffer_free(&answer);
    return status;
}
