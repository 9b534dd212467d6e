/* wordpiece_open.c - see wordpiece.h: the tokenizer of a model's folder. */
#include "model_files.h"
#include "wordpiece_inner.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 4000000 /* of a vocabulary */

static int32_t no_memory(quipu_error *error)
{
    return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a vocabulary");
}

static int32_t add_special(wordpiece *w, quipu_str text, uint32_t token, quipu_error *error)
{
    special_token *more = realloc(w->specials, (w->special_count + 1) * sizeof *more);
    char *copy = more ? str_dup(text) : NULL;
    if (more)
        w->specials = more;
    if (!copy)
        return no_memory(error);
    w->specials[w->special_count++] = (special_token){ copy, (size_t)text.len, token };
    w->special_first[(unsigned char)copy[0]] = true;
    return QUIPU_OK;
}

/* ---- tokenizer.json ---- */

static int32_t read_vocabulary(wordpiece *w, const cJSON *vocabulary, quipu_error *error)
{
    const cJSON *item;
    int64_t token;
    if (!cJSON_IsObject(vocabulary))
        return fail(error, QUIPU_E_CORRUPT, "vocab", "tokenizer.json has no vocabulary");
    cJSON_ArrayForEach(item, vocabulary)
    {
        if (!json_is_int(item, &token) || token < 0 || token >= TOKENS_MAX)
            return fail(error, QUIPU_E_CORRUPT, "vocab", "the vocabulary gives a token a number that cannot be");
        if (!wordpiece_add(w, str_of(item->string), (uint32_t)token))
            return no_memory(error);
    }
    return QUIPU_OK;
}

static int32_t read_added(wordpiece *w, const cJSON *added, quipu_error *error)
{
    const cJSON *item;
    int32_t code = QUIPU_OK;
    cJSON_ArrayForEach(item, added)
    {
        const char *content = model_text(item, "content", "");
        int64_t token = model_int(item, "id", -1);
        if (token < 0 || token >= TOKENS_MAX || !*content)
            return fail(error, QUIPU_E_CORRUPT, "added_tokens",
                        "tokenizer.json has an added token without text or number");
        if (code == QUIPU_OK)
            code = add_special(w, str_of(content), (uint32_t)token, error);
        if (code == QUIPU_OK && (uint32_t)token >= w->size)
            w->size = (uint32_t)token + 1;
    }
    return code;
}

static int32_t read_normalizer(wordpiece *w, const cJSON *normalizer, quipu_error *error)
{
    if (!cJSON_IsObject(normalizer) || strcmp(model_text(normalizer, "type", ""), "BertNormalizer") != 0)
        return fail(error, QUIPU_E_UNSUPPORTED, "normalizer",
                    "tokenizer.json asks for the normalizer %s; BertNormalizer is what there is",
                    model_text(normalizer, "type", "(none)"));
    w->options.clean_text = model_bool(normalizer, "clean_text", true);
    w->options.ideographs = model_bool(normalizer, "handle_chinese_chars", true);
    w->options.lower_case = model_bool(normalizer, "lowercase", true);
    w->options.strip_accents = model_bool(normalizer, "strip_accents", w->options.lower_case);
    return QUIPU_OK;
}

static int32_t read_tokenizer(wordpiece *w, const cJSON *tree, const char **unknown, quipu_error *error)
{
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(tree, "model");
    const char *type = model_text(model, "type", "WordPiece");
    if (strcmp(type, "WordPiece") != 0 || strcmp(model_text(model, "continuing_subword_prefix", "##"), "##") != 0)
        return fail(error, QUIPU_E_UNSUPPORTED, "model", "tokenizer.json is of the kind %s; WordPiece is what there is",
                    type);
    int64_t most = model_int(model, "max_input_chars_per_word", 100);
    if (most < 1 || most > WORD_CHARACTERS_MAX)
        return fail(error, QUIPU_E_UNSUPPORTED, "max_input_chars_per_word",
                    "words of up to %d characters are what there is", WORD_CHARACTERS_MAX);
    w->word_most = (uint32_t)most;
    *unknown = model_text(model, "unk_token", "[UNK]");
    int32_t code = read_normalizer(w, cJSON_GetObjectItemCaseSensitive(tree, "normalizer"), error);
    if (code == QUIPU_OK)
        code = read_vocabulary(w, cJSON_GetObjectItemCaseSensitive(model, "vocab"), error);
    return code == QUIPU_OK ? read_added(w, cJSON_GetObjectItemCaseSensitive(tree, "added_tokens"), error) : code;
}

/* ---- vocab.txt: a token a line, numbered from 0 ---- */

static int32_t read_lines(wordpiece *w, const buffer *lines, quipu_error *error)
{
    uint32_t token = 0;
    for (size_t at = 0; at < lines->len && token < TOKENS_MAX; token++) {
        const char *line = lines->bytes + at, *end = memchr(line, '\n', lines->len - at);
        size_t len = end ? (size_t)(end - line) : lines->len - at;
        at += len + 1;
        if (len > 0 && line[len - 1] == '\r')
            len--;
        if (!wordpiece_add(w, str_make(line, len), token))
            return no_memory(error);
    }
    return QUIPU_OK;
}

static int32_t read_plain(wordpiece *w, const char *folder, quipu_error *error)
{
    static const char *const specials[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" };
    buffer lines = { 0 };
    cJSON *config = NULL;
    int32_t code = model_file_read(folder, "vocab.txt", &lines, error);
    if (code == QUIPU_OK && model_file_exists(folder, "tokenizer_config.json"))
        code = model_file_json(folder, "tokenizer_config.json", &config, error);
    if (code == QUIPU_OK)
        code = read_lines(w, &lines, error);
    w->word_most = 100;
    w->options.clean_text = true;
    w->options.ideographs = model_bool(config, "tokenize_chinese_chars", true);
    w->options.lower_case = model_bool(config, "do_lower_case", true);
    w->options.strip_accents = model_bool(config, "strip_accents", w->options.lower_case);
    if (code == QUIPU_OK && !wordpiece_index(w))
        code = no_memory(error);
    for (size_t i = 0; code == QUIPU_OK && i < sizeof specials / sizeof specials[0]; i++) {
        uint32_t token = wordpiece_token(w, specials[i]);
        if (token != UINT32_MAX)
            code = add_special(w, str_of(specials[i]), token, error);
    }
    cJSON_Delete(config);
    buffer_free(&lines);
    return code;
}

int32_t wordpiece_open(const char *folder, wordpiece **out, quipu_error *error)
{
    const char *unknown = "[UNK]";
    cJSON *tree = NULL;
    wordpiece *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w)
        return no_memory(error);
    int32_t code;
    if (model_file_exists(folder, "tokenizer.json")) {
        code = model_file_json(folder, "tokenizer.json", &tree, error);
        if (code == QUIPU_OK)
            code = read_tokenizer(w, tree, &unknown, error);
        if (code == QUIPU_OK && !wordpiece_index(w))
            code = no_memory(error);
    } else {
        code = read_plain(w, folder, error);
    }
    if (code == QUIPU_OK && (w->unknown = wordpiece_token(w, unknown)) == UINT32_MAX)
        code = fail(error, QUIPU_E_CORRUPT, "unk_token", "the vocabulary has no token %s", unknown);
    cJSON_Delete(tree);
    if (code == QUIPU_OK)
        *out = w;
    else
        wordpiece_free(w);
    return code;
}
