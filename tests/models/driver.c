/*
 * driver.c - the encoder without a host: driver embed|query|tokens|static MODEL. Texts come on standard input, each ended by a NUL byte; vectors go
 * out as floats, tokens as numbers, a text a line.
 */
#include "../../plugins/embed_bert/bert.h"
#include "../../plugins/embed_static/static_model.h"

#include <base/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int32_t put_vector(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    (void)context, (void)index;
    return fwrite(vector, sizeof *vector, (size_t)dimension, stdout) == dimension ? 0 : QUIPU_E_IO;
}

static void put_tokens(const bert *b, quipu_str text)
{
    static uint32_t tokens[1 << 20];
    uint32_t count = wordpiece_encode(b->tokenizer, text, tokens, 1 << 20);
    for (uint32_t i = 0; i < count; i++)
        printf("%s%u", i ? " " : "", tokens[i]);
    putchar('\n');
}

/* All of standard input through a model of static embeddings. */
static int put_static(const char *folder)
{
    static_model *m;
    quipu_error error = { .struct_size = sizeof error };
    char *text = NULL;
    size_t room = 0;
    ssize_t len;
    if (static_model_open(folder, &m, &error) != QUIPU_OK) {
        fprintf(stderr, "driver: %s\n", error.message);
        return 2;
    }
    uint32_t *tokens = malloc(m->tokens_most * sizeof *tokens);
    float *row = malloc(m->dimension * sizeof *row), *vector = malloc(m->dimension * sizeof *vector);
    while (tokens && row && vector && (len = getdelim(&text, &room, 0, stdin)) > 0) {
        static_model_vector(m, str_make(text, (size_t)len - (text[len - 1] == '\0')), tokens, row, vector);
        put_vector(NULL, 0, vector, m->dimension);
    }
    free(tokens);
    free(row);
    free(vector);
    free(text);
    static_model_close(m);
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    bert *b;
    quipu_error error = { .struct_size = sizeof error };
    char *text = NULL;
    size_t room = 0;
    ssize_t len;
    if (argc == 3 && strcmp(argv[1], "static") == 0)
        return put_static(argv[2]);
    if (argc != 3 || bert_open(argv[2], NULL, NULL, &b, &error) != QUIPU_OK) {
        fprintf(stderr, "driver: %s\n", argc == 3 ? error.message : "driver embed|query|tokens|static MODEL");
        return 2;
    }
    uint32_t purpose = strcmp(argv[1], "query") == 0 ? QUIPU_EMBED_QUERY : QUIPU_EMBED_PASSAGE;
    while ((len = getdelim(&text, &room, 0, stdin)) > 0) {
        quipu_str one = { text, (uint64_t)len - (text[len - 1] == '\0') };
        quipu_array all = { &one, 1, sizeof one };
        if (strcmp(argv[1], "tokens") == 0)
            put_tokens(b, one);
        else if (bert_embed(b, &all, purpose, 1, put_vector, NULL, NULL, &error) != QUIPU_OK)
            return 1;
    }
    free(text);
    bert_close(b);
    return fflush(stdout) == 0 ? 0 : 1;
}
