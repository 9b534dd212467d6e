/*
 * tiny_model.h - a BERT model small enough to be computed by hand, as files in a folder.
 */
#ifndef TESTS_TINY_MODEL_H
#define TESTS_TINY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { TINY_HIDDEN = 8, TINY_INNER = 16, TINY_HEADS = 2, TINY_LAYERS = 2, TINY_POSITIONS = 12 };

/* Tokens 0.. of its vocabulary. */
extern const char *const tiny_words[];
extern const uint32_t tiny_word_count;

/* Writes a file of the folder. */
void tiny_write(const char *folder, const char *name, const void *bytes, uint64_t len);
void tiny_text(const char *folder, const char *name, const char *text);
/* Writes config.json, vocab.txt, 1_Pooling/config.json, modules.json and model.safetensors. `leave_out`: a tensor that is not written, or
 * NULL. `half`: the weights as F16. */
void tiny_model(const char *folder, const char *leave_out, bool half);

/* A value of a tensor of the model, by its name and place; the same in every run, and exact as F16. */
float tiny_value(const char *tensor, uint64_t at);
/* What the model gives for these tokens, computed plainly in double precision: the mean, or the first token, at unit length. */
void tiny_reference(const uint32_t *tokens, uint32_t count, bool first_token, double out[TINY_HIDDEN]);

#endif
