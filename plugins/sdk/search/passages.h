/*
 * passages.h - vectors by the hash of the text that they stand for, all of one model.
 *
 * Records with the same text share one row, and a row stays when no record has its text any more, so that no text is embedded
 * twice; the owner begins anew with what is still needed once the rest is most of it. Not locked: any number of threads may find and score while none adds.
 */
#ifndef SDK_PASSAGES_H
#define SDK_PASSAGES_H

#include <sdk/vectors.h>

#define PASSAGES_NONE UINT32_MAX
#define PASSAGES_KEY 16 /* bytes of a key: the first of SHA-256 of the text */

typedef struct passages passages;

/* model: the id of the model that the vectors are of; copied. */
int32_t passages_create(quipu_str model, uint32_t dimension, passages **out, quipu_error *error);
void passages_free(passages *p);
/* True where the vectors are of this model. */
bool passages_are_of(const passages *p, quipu_str model, uint32_t dimension);
const vectors *passages_vectors(const passages *p);

/* The row of a text, or PASSAGES_NONE. */
uint32_t passages_find(const passages *p, const uint8_t key[PASSAGES_KEY]);
/* Adds one that is not there. */
int32_t passages_add(passages *p, const uint8_t key[PASSAGES_KEY], const float *vector, uint32_t *row,
                     quipu_error *error);

#endif
