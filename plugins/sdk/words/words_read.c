/* words_read.c - see words_inner.h: from texts to the keys of words. */
#include "words_inner.h"

#include <sdk/search/text_case.h>

#include <base/hash.h>
#include <stdlib.h>
#include <string.h>

#define RECENT_SIZE 16384u
#define RECENT_WORD_MAX 21

/* Words that were read lately, so that few are stemmed a second time. */
typedef struct recent_word {
    uint64_t key;
    uint8_t len; /* 0: empty */
    bool stop;
    uint8_t time;
    char word[RECENT_WORD_MAX];
} recent_word;

struct words_reader {
    text_stemmer *stemmer;
    bool english;        /* function words are known in English alone */
    recent_word *recent; /* or NULL: every word is read anew */
    words_token_fn visit;
    void *context;
};

/* The end of MurmurHash3's 64 bits (Appleby, public domain): every bit of the input changes half of the output. */
static uint64_t mixed(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

uint64_t words_key(quipu_str text)
{
    return mixed(hash_table_key(text.ptr, (size_t)text.len, 0));
}

uint64_t words_key_pair(uint64_t first, uint64_t second)
{
    return mixed(first * 3 + mixed(second + 1));
}

uint64_t words_key_spoken(uint64_t word)
{
    return mixed(word ^ UINT64_C(0x5f0ca57a3b1d92e6));
}

uint64_t words_key_session(const quipu_record *r)
{
    const quipu_str fields[] = { r->user, r->agent, r->app, r->session };
    if (!str_present(r->session))
        return 0;
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        h = mixed(h + 1 + (str_present(fields[i]) ? words_key(fields[i]) : 0));
    return h ? h : 1;
}

/* ---- temporal expressions ---- */

static const struct {
    const char *word;
    uint8_t time;
} time_words[] = {
    { "ago", TIME_WORD },      { "april", TIME_WORD },    { "august", TIME_WORD },    { "december", TIME_WORD },
    { "february", TIME_WORD }, { "friday", TIME_WORD },   { "january", TIME_WORD },   { "july", TIME_WORD },
    { "june", TIME_WORD },     { "just", TIME_WORD },     { "last", TIME_WORD },      { "march", TIME_WORD },
    { "monday", TIME_WORD },   { "month", TIME_WORD },    { "morning", TIME_AFTER },  { "next", TIME_WORD },
    { "november", TIME_WORD }, { "october", TIME_WORD },  { "past", TIME_AFTER },     { "recently", TIME_WORD },
    { "saturday", TIME_WORD }, { "since", TIME_WORD },    { "september", TIME_WORD }, { "sunday", TIME_WORD },
    { "this", TIME_THIS },     { "thursday", TIME_WORD }, { "today", TIME_WORD },     { "tomorrow", TIME_WORD },
    { "tonight", TIME_WORD },  { "tuesday", TIME_WORD },  { "wednesday", TIME_WORD }, { "week", TIME_WORD },
    { "weekend", TIME_WORD },  { "year", TIME_WORD },     { "yesterday", TIME_WORD },
};

static uint8_t time_of(const char *word, size_t len)
{
    size_t digits = 0;
    while (digits < len && word[digits] >= '0' && word[digits] <= '9')
        digits++;
    if (digits == 4 && len == 4)
        return TIME_WORD;
    for (size_t i = 0; i < sizeof time_words / sizeof time_words[0]; i++)
        if (strlen(time_words[i].word) == len && memcmp(time_words[i].word, word, len) == 0)
            return time_words[i].time;
    return 0;
}

/* ---- reading ---- */

words_reader *words_reader_create(bool remember, text_language language)
{
    words_reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->stemmer = text_stemmer_create(TEXT_STEM_SCRIPTS, language);
    r->english = language == TEXT_ENGLISH;
    r->recent = remember ? calloc(RECENT_SIZE, sizeof *r->recent) : NULL;
    if (!r->stemmer || (remember && !r->recent)) {
        words_reader_free(r);
        return NULL;
    }
    return r;
}

void words_reader_free(words_reader *r)
{
    if (!r)
        return;
    text_stemmer_free(r->stemmer);
    free(r->recent);
    free(r);
}

static bool unspaced(const char *word, size_t len)
{
    uint32_t c = 0;
    const unsigned char *at = (const unsigned char *)word;
    return at[0] >= 0xe0 && text_decode(at, at + len, &c) > 0 && text_classify(c) == TEXT_CLASS_UNSPACED;
}

static void learn(words_reader *r, const char *word, size_t len, words_token *t)
{
    t->stem = text_stem(r->stemmer, word, len);
    t->key = words_key(t->stem);
    t->stop = r->english && text_is_stop_word(word, len);
    t->time = time_of(word, len);
}

/* Without a memory, with the stem. */
static void read_anew(void *context, const char *word, size_t len)
{
    words_reader *r = context;
    words_token t = { .raw = word, .raw_len = len, .pairs = !unspaced(word, len) };
    learn(r, word, len, &t);
    r->visit(r->context, &t);
}

static void read_known(void *context, const char *word, size_t len)
{
    words_reader *r = context;
    words_token t = { .raw = word, .raw_len = len, .pairs = !unspaced(word, len) };
    recent_word *c = &r->recent[mixed(hash_table_key(word, len, 0)) % RECENT_SIZE];
    if (c->len != len || memcmp(c->word, word, len) != 0) {
        learn(r, word, len, &t);
        t.stem = (quipu_str){ 0 };
        if (len <= RECENT_WORD_MAX) {
            *c = (recent_word){ .key = t.key, .len = (uint8_t)len, .stop = t.stop, .time = t.time };
            memcpy(c->word, word, len);
        }
    } else {
        t.key = c->key;
        t.stop = c->stop;
        t.time = c->time;
    }
    r->visit(r->context, &t);
}

void words_read(words_reader *r, quipu_str text, uint32_t purpose, words_token_fn visit, void *context)
{
    r->visit = visit;
    r->context = context;
    text_words(text, purpose, r->recent ? read_known : read_anew, r);
}
