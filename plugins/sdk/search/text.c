/* text.c - see text.h. */
#include <sdk/text.h>

#include "text_case.h"

#include <libstemmer.h>
#include <stdlib.h>
#include <string.h>

/* A run of characters being read. */
typedef struct reader {
    const unsigned char *at, *end;
    uint32_t purpose;
    text_word_fn visit;
    void *context;
    char word[TEXT_WORD_MAX + 4];
    size_t len;
} reader;

/* Appends a character unless the word is full. */
static void word_add(reader *r, uint32_t c)
{
    if (r->len + 4 <= TEXT_WORD_MAX)
        r->len += text_encode(c, r->word + r->len);
}

static void word_show(reader *r)
{
    if (r->len > 0)
        r->visit(r->context, r->word, r->len);
    r->len = 0;
}

/* The character at the reader's place, lower-cased, and its class; *len gets its bytes. */
static text_class peek(const reader *r, const unsigned char *at, uint32_t *c, size_t *len)
{
    if (at >= r->end)
        return TEXT_CLASS_NONE;
    if (*at < 0x80) { /* by far the most */
        *c = *at >= 'A' && *at <= 'Z' ? *at + 32u : *at;
        *len = 1;
        return (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ? TEXT_CLASS_WORD : TEXT_CLASS_NONE;
    }
    *len = text_decode(at, r->end, c);
    if (*len == 0) {
        *len = 1;
        return TEXT_CLASS_NONE;
    }
    *c = text_lower(*c);
    return text_classify(*c);
}

/* Bytes of the apostrophe at `at`, or 0. */
static size_t apostrophe(const reader *r, const unsigned char *at)
{
    if (at < r->end && *at == '\'')
        return 1;
    return r->end - at >= 3 && at[0] == 0xe2 && at[1] == 0x80 && at[2] == 0x99 ? 3 : 0;
}

/* After the apostrophe at r->at stand letters: "s" is dropped, others are joined to the word. */
static void read_after_apostrophe(reader *r, size_t skip)
{
    const unsigned char *at = r->at + skip;
    size_t before = r->len, letters = 0, len = 0;
    uint32_t c = 0, first = 0;
    while (peek(r, at, &c, &len) == TEXT_CLASS_WORD && !(c >= '0' && c <= '9')) {
        first = letters++ == 0 ? c : first;
        word_add(r, c);
        at += len;
    }
    if (letters == 0)
        return;
    if (letters == 1 && first == 's')
        r->len = before;
    r->at = at;
}

static void read_word(reader *r)
{
    uint32_t c = 0;
    size_t len = 0;
    for (;;) {
        text_class class = peek(r, r->at, &c, &len);
        if (class == TEXT_CLASS_WORD)
            word_add(r, c);
        else if (class != TEXT_CLASS_IGNORED)
            break;
        r->at += len;
    }
    size_t skip = apostrophe(r, r->at);
    if (skip)
        read_after_apostrophe(r, skip);
    word_show(r);
}

/* A run of an unspaced script: pairs, and where asked for single characters. */
static void read_pairs(reader *r)
{
    uint32_t before = 0, c = 0;
    size_t len = 0, count = 0;
    for (;;) {
        text_class class = peek(r, r->at, &c, &len);
        if (class != TEXT_CLASS_UNSPACED && class != TEXT_CLASS_IGNORED)
            break;
        r->at += len;
        if (class == TEXT_CLASS_IGNORED)
            continue;
        if (count++ > 0) {
            word_add(r, before);
            word_add(r, c);
            word_show(r);
        }
        if (r->purpose == TEXT_STORED) {
            word_add(r, c);
            word_show(r);
        }
        before = c;
    }
    if (count == 1 && r->purpose != TEXT_STORED) {
        word_add(r, before);
        word_show(r);
    }
}

void text_words(quipu_str text, uint32_t purpose, text_word_fn visit, void *context)
{
    if (!text.ptr || text.len == 0)
        return;
    reader r = { .at = (const unsigned char *)text.ptr, .purpose = purpose, .visit = visit, .context = context };
    r.end = r.at + text.len;
    while (r.at < r.end) {
        uint32_t c = 0;
        size_t len = 0;
        switch (peek(&r, r.at, &c, &len)) {
        case TEXT_CLASS_WORD:
            read_word(&r);
            break;
        case TEXT_CLASS_UNSPACED:
            read_pairs(&r);
            break;
        default:
            r.at += len;
        }
    }
}

/* Function words: they stand in almost every sentence and say little about what it is about. Sorted by their bytes. */
static const char *const stop_words[] = {
    "a",       "about",   "above",   "after", "again",     "against", "all",      "also",       "am",         "an",
    "and",     "any",     "are",     "arent", "as",        "at",      "be",       "because",    "been",       "before",
    "being",   "below",   "between", "both",  "but",       "by",      "can",      "cannot",     "cant",       "could",
    "couldnt", "d",       "did",     "didnt", "do",        "does",    "doesnt",   "doing",      "don",        "dont",
    "down",    "during",  "each",    "few",   "for",       "from",    "further",  "get",        "got",        "had",
    "hadnt",   "has",     "hasnt",   "have",  "havent",    "having",  "he",       "hed",        "her",        "here",
    "hers",    "herself", "hes",     "him",   "himself",   "his",     "how",      "hows",       "i",          "id",
    "if",      "im",      "in",      "into",  "is",        "isnt",    "it",       "itd",        "itll",       "its",
    "itself",  "ive",     "just",    "lets",  "ll",        "m",       "me",       "more",       "most",       "my",
    "myself",  "no",      "nor",     "not",   "now",       "of",      "off",      "on",         "once",       "only",
    "or",      "other",   "our",     "ours",  "ourselves", "out",     "over",     "own",        "re",         "s",
    "same",    "shall",   "shant",   "she",   "shes",      "should",  "shouldnt", "so",         "some",       "such",
    "t",       "than",    "that",    "thats", "the",       "their",   "theirs",   "them",       "themselves", "then",
    "there",   "theres",  "these",   "they",  "theyd",     "theyll",  "theyre",   "theyve",     "this",       "those",
    "through", "to",      "too",     "under", "until",     "up",      "ve",       "very",       "was",        "wasnt",
    "we",      "were",    "werent",  "weve",  "what",      "whats",   "when",     "where",      "which",      "while",
    "who",     "whom",    "whos",    "whose", "why",       "will",    "with",     "wont",       "would",      "wouldnt",
    "you",     "youd",    "youll",   "your",  "youre",     "yours",   "yourself", "yourselves", "youve",
};

bool text_is_stop_word(const char *word, size_t len)
{
    size_t low = 0, high = sizeof stop_words / sizeof stop_words[0];
    while (low < high) {
        size_t middle = (low + high) / 2, have = strlen(stop_words[middle]);
        int order = memcmp(word, stop_words[middle], len < have ? len : have);
        if (order == 0 && len == have)
            return true;
        if (order < 0 || (order == 0 && len < have))
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* ---- stems ---- */

#define LANGUAGES 19u
#define NAMES                                                                                                          \
    "english basque catalan danish dutch finnish french german hungarian indonesian irish italian lithuanian "         \
    "norwegian "                                                                                                       \
    "portuguese romanian spanish swedish turkish"

const char *text_language_names(void)
{
    return NAMES;
}

/* Its number is its place among the names. */
static quipu_str language_name(text_language language)
{
    const char *at = NAMES;
    for (; language > 0 && *at; language--)
        at += strcspn(at, " ") + 1;
    return (quipu_str){ at, strcspn(at, " ") };
}

bool text_language_find(quipu_str name, text_language *out)
{
    for (text_language i = 0; i < LANGUAGES; i++) {
        quipu_str known = language_name(i);
        if (known.len == name.len && memcmp(known.ptr, name.ptr, name.len) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* Scripts in which one language of libstemmer's is by far the most written, and the letters of each. */
static const struct {
    const char *language;
    uint32_t first, last;
} scripts[] = {
    { "greek", 0x370, 0x3ff },  { "russian", 0x400, 0x52f }, { "armenian", 0x530, 0x58f },
    { "arabic", 0x600, 0x6ff }, { "hindi", 0x900, 0x97f },   { "tamil", 0xb80, 0xbff },
};
enum { SCRIPTS = sizeof scripts / sizeof scripts[0], LATIN_END = 0x250 };

/* libstemmer's objects are not thread-safe; each text_stemmer has its own, those of other scripts from their first word on. */
struct text_stemmer {
    struct sb_stemmer *latin; /* NULL: the library does not have the language */
    bool english;
    struct sb_stemmer *of_script[SCRIPTS];
    bool tried[SCRIPTS]; /* a library without the language leaves its words as they are */
    bool all_scripts;
};

text_stemmer *text_stemmer_create(uint32_t which, text_language latin)
{
    char name[16];
    quipu_str language = language_name(latin);
    text_stemmer *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    memcpy(name, language.ptr, language.len);
    name[language.len] = '\0';
    s->all_scripts = which == TEXT_STEM_SCRIPTS;
    s->english = latin == TEXT_ENGLISH;
    s->latin = sb_stemmer_new(name, "UTF_8");
    if (s->english && !s->latin) {
        free(s);
        return NULL;
    }
    return s;
}

void text_stemmer_free(text_stemmer *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < SCRIPTS; i++)
        sb_stemmer_delete(s->of_script[i]);
    sb_stemmer_delete(s->latin);
    free(s);
}

/* The stemmer of the word's script, by its first letter; NULL: it has none. */
static struct sb_stemmer *stemmer_of(text_stemmer *s, const char *word, size_t len)
{
    uint32_t c;
    if (!s->all_scripts || text_decode((const unsigned char *)word, (const unsigned char *)word + len, &c) == 0)
        return NULL;
    if (c < LATIN_END)
        return s->english ? NULL : s->latin;
    for (size_t i = 0; i < SCRIPTS; i++) {
        if (c < scripts[i].first || c > scripts[i].last)
            continue;
        if (!s->tried[i])
            s->of_script[i] = sb_stemmer_new(scripts[i].language, "UTF_8");
        s->tried[i] = true;
        return s->of_script[i];
    }
    return NULL;
}

static bool is_plain(const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (word[i] < 'a' || word[i] > 'z')
            return false;
    return true;
}

quipu_str text_stem(text_stemmer *s, const char *word, size_t len)
{
    struct sb_stemmer *stemmer = is_plain(word, len) ? s->latin : stemmer_of(s, word, len);
    const sb_symbol *stem = stemmer ? sb_stemmer_stem(stemmer, (const sb_symbol *)word, (int)len) : NULL;
    if (!stem || sb_stemmer_length(stemmer) < 1)
        return (quipu_str){ word, len };
    return (quipu_str){ (const char *)stem, (uint64_t)sb_stemmer_length(stemmer) };
}
