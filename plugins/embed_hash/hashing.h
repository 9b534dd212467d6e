/*
 * hashing.h - a vector from a text without a model: features are hashed to places and signs ("feature hashing", Weinberger and
 * others, 2009).
 *
 * Features are the words that are not stop words, stemmed; pairs of neighbouring words; and runs of 3 to 5 characters of each word
 * between "<" and ">", so that forms of a word and misspelt words are near each other. The same text gives the same vector on
 * every machine: hash, weights and words are part of the model "hash-v1" and never change.
 */
#ifndef EMBED_HASH_HASHING_H
#define EMBED_HASH_HASHING_H

#include <quipu/error.h>

#define HASHING_DIMENSION_MIN 16
#define HASHING_DIMENSION_MAX 65536

/* Writes `dimension` floats of unit length; all zeros for a text without words. Errors: NO_MEMORY. */
int32_t hashing_vector(quipu_str text, uint32_t dimension, float *out, quipu_error *error);

#endif
