/*
 * wordpiece.h - text to the token numbers of a BERT model, exactly as the published tokenizers give them.
 *
 * Normalisation and splitting as the BertNormalizer and BertPreTokenizer of github.com/huggingface/tokenizers (control
 * characters go, white space is a blank, blanks around CJK ideographs, accents stripped by canonical decomposition, lower
 * case, punctuation by itself), then WordPiece: greedy longest match, "##" for what continues a word (Wu et al., "Google's
 * Neural Machine Translation System", 2016; Devlin et al., "BERT", 2018). Texts of special tokens, as "[SEP]", are the tokens.
 * Read-only once it is open: any number of threads may encode.
 */
#ifndef SDK_WORDPIECE_H
#define SDK_WORDPIECE_H

#include <quipu/error.h>
#include <stdbool.h>

typedef struct wordpiece wordpiece;

/* Reads the tokenizer of a model's folder: tokenizer.json, or else vocab.txt with tokenizer_config.json (which may be missing).
 * Errors: NOT_FOUND, UNSUPPORTED (another kind of tokenizer), CORRUPT, NO_MEMORY. */
int32_t wordpiece_open(const char *folder, wordpiece **out, quipu_error *error);
void wordpiece_free(wordpiece *w);
uint32_t wordpiece_size(const wordpiece *w); /* one more than the largest token number */
/* The number of a token by its text, or UINT32_MAX. */
uint32_t wordpiece_token(const wordpiece *w, const char *text);
uint32_t wordpiece_unknown(const wordpiece *w);

/* Writes the numbers of a text's tokens to `out`, `most` at the most (the rest of the text is not looked at), and answers how
 * many. Bytes that are not UTF-8 are left out. No special tokens are added. */
uint32_t wordpiece_encode(const wordpiece *w, quipu_str text, uint32_t *out, uint32_t most);

#endif
