/* hashing.c - see hashing.h. */
#include "hashing.h"

#include <base/buffer.h>
#include <base/fail.h>
#include <math.h>
#include <sdk/text.h>

#define WEIGHT_WORD 1.0f
#define WEIGHT_PAIR 0.3f
#define WEIGHT_GRAMS 1.5f /* of all runs of characters of one word together, in length */

typedef struct hashing {
    float *out;
    uint32_t dimension;
    text_stemmer *stemmer;
    bool content; /* there is a word that is not a stop word; else stop words count */
    char before[TEXT_WORD_MAX + 1];
    size_t before_len;
} hashing;

/* FNV-1a, then the finish of MurmurHash3, because the upper bits choose the place. */
static uint64_t feature_hash(char kind, const char *a, size_t a_len, const char *b, size_t b_len)
{
    uint64_t h = (14695981039346656037u ^ (unsigned char)kind) * 1099511628211u;
    for (size_t i = 0; i < a_len; i++)
        h = (h ^ (unsigned char)a[i]) * 1099511628211u;
    if (b)
        h = (h ^ 0xff) * 1099511628211u; /* no byte of UTF-8 */
    for (size_t i = 0; i < b_len; i++)
        h = (h ^ (unsigned char)b[i]) * 1099511628211u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

/* Long words are rare and say much: their length stands in for the statistics of a corpus, which there is none of. */
static float word_weight(size_t len)
{
    return (float)(len < 3 ? 3 : len > 10 ? 10 : len) / 5.0f;
}

static void add(hashing *x, uint64_t hash, float weight)
{
    uint32_t place = (uint32_t)((hash >> 32) * x->dimension >> 32);
    x->out[place] += hash & 1 ? weight : -weight;
}

/* The runs of 3 to 5 characters of "<word>". */
static void add_grams(hashing *x, const char *word, size_t len)
{
    char bounded[TEXT_WORD_MAX + 2];
    size_t at[TEXT_WORD_MAX + 3], count = 0; /* where characters begin, and the end */
    bounded[0] = '<';
    memcpy(bounded + 1, word, len);
    bounded[len + 1] = '>';
    for (size_t i = 0; i < len + 2; i++)
        if (((unsigned char)bounded[i] & 0xc0) != 0x80)
            at[count++] = i;
    at[count] = len + 2;
    size_t grams = 0;
    for (size_t n = 3; n <= 5; n++)
        grams += count >= n ? count - n + 1 : 0;
    if (grams == 0)
        return;
    float weight = WEIGHT_GRAMS * word_weight(len) / sqrtf((float)grams);
    for (size_t n = 3; n <= 5; n++)
        for (size_t i = 0; i + n <= count; i++)
            add(x, feature_hash('g', bounded + at[i], at[i + n] - at[i], NULL, 0), weight);
}

static void add_word(void *context, const char *word, size_t len)
{
    hashing *x = context;
    if (len > TEXT_WORD_MAX || (x->content && text_is_stop_word(word, len)))
        return;
    add_grams(x, word, len);
    quipu_str stem = text_stem(x->stemmer, word, len);
    size_t stem_len = stem.len <= TEXT_WORD_MAX ? (size_t)stem.len : TEXT_WORD_MAX;
    add(x, feature_hash('w', stem.ptr, stem_len, NULL, 0), WEIGHT_WORD * word_weight(len));
    if (x->before_len > 0)
        add(x, feature_hash('p', x->before, x->before_len, stem.ptr, stem_len), WEIGHT_PAIR);
    memcpy(x->before, stem.ptr, stem_len);
    x->before_len = stem_len;
}

static void note_content(void *context, const char *word, size_t len)
{
    hashing *x = context;
    x->content = x->content || !text_is_stop_word(word, len);
}

int32_t hashing_vector(quipu_str text, uint32_t dimension, float *out, quipu_error *error)
{
    hashing x = { .out = out, .dimension = dimension, .stemmer = text_stemmer_create(TEXT_STEM_ENGLISH, TEXT_ENGLISH) };
    if (!x.stemmer)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for a stemmer");
    memset(out, 0, dimension * sizeof *out);
    text_words(text, TEXT_QUESTION, note_content, &x);
    text_words(text, TEXT_QUESTION, add_word, &x);
    text_stemmer_free(x.stemmer);
    double sum = 0;
    for (uint32_t i = 0; i < dimension; i++)
        sum += (double)out[i] * out[i];
    for (uint32_t i = 0; sum > 0 && i < dimension; i++)
        out[i] = (float)(out[i] / sqrt(sum));
    return QUIPU_OK;
}
