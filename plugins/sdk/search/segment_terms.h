/*
 * segment_terms.h - what of a record can be filtered by equality, as terms: 64 bits of a hash of a field's name and a value.
 *
 * Of a string field of the view a term of its value and one that it is there; of tags one each; of metadata the same for every
 * path in it: strings, booleans, numbers (by their value as a double), and the elements of lists. Text has only "is there". A
 * record whose metadata has a key with a dot in it, which one path may name in two ways, also has the odd term: for it the
 * metadata's terms are only a hint.
 */
#ifndef SDK_SEGMENT_TERMS_H
#define SDK_SEGMENT_TERMS_H

#include <base/buffer.h>
#include <quipu/filter.h>
#include <quipu/record.h>

/* Receives the bytes that are hashed; borrowed for the call. */
typedef void (*segment_term_fn)(void *context, quipu_str term);

/* Visits the terms of a record, some perhaps twice. `scratch` is used on the way. False without memory. */
bool segment_terms_each(const quipu_record *r, buffer *scratch, segment_term_fn visit, void *context);
uint64_t segment_term_hash(quipu_str term);

/* The hashes that a filter asks for. `field`: as in quipu_filter_node. */
uint64_t segment_term_present(quipu_str field);
uint64_t segment_term_odd(void);
uint64_t segment_term_null_element(quipu_str field);
uint64_t segment_term_string(quipu_str field, quipu_str value);
/* Of a value that is a boolean, a number or a string; false: there is no such term. */
bool segment_term_value(quipu_str field, const quipu_value *value, uint64_t *out);

#endif
