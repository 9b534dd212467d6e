/*
 * passages.h - vectors by the hash of the text that they stand for, all of one model.
 *
 * Records with the same text share one passage, and one that no record uses any more stays for a while, so that a text is
 * not embedded twice. Not locked.
 */
#ifndef SDK_PASSAGES_H
#define SDK_PASSAGES_H

#include <sdk/vectors.h>

#define PASSAGES_NONE UINT32_MAX
#define PASSAGES_KEY 32 /* bytes of a key: SHA-256 of the text */

typedef struct passages passages;

/* model: the id of the model that the vectors are of; copied. */
int32_t passages_create(quipu_str model, uint32_t dimension, passages **out, quipu_error *error);
void passages_free(passages *p);
/* True where the vectors are of this model. */
bool passages_are_of(const passages *p, quipu_str model, uint32_t dimension);
const vectors *passages_vectors(const passages *p);

/* The number of a text's passage, or PASSAGES_NONE. */
uint32_t passages_find(const passages *p, const uint8_t key[PASSAGES_KEY]);
/* Adds one, which is not there and which nobody uses yet. */
int32_t passages_add(passages *p, const uint8_t key[PASSAGES_KEY], const float *vector, uint32_t *number,
                     quipu_error *error);
void passages_use(passages *p, uint32_t number);
/* One user less. PASSAGES_NONE is nothing to do. May throw away passages that nobody uses. */
void passages_leave(passages *p, uint32_t number);
/* The passage's row in passages_vectors, until the next change. */
uint32_t passages_row(const passages *p, uint32_t number);

#endif
