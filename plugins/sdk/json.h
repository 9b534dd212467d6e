/*
 * json.h - JSON in and out on cJSON, strict where cJSON is lax.
 *
 * The text is checked against RFC 8259 first, and refused by name for: bad UTF-8, \u0000 or unpaired surrogates, a key
 * twice in one object, a number that is not finite as a double, nesting deeper than QUIPU_DEPTH_MAX, anything after
 * the value. In the tree every number is a cJSON_Raw node that holds its source text, so that nothing is rounded.
 */
#ifndef SDK_JSON_H
#define SDK_JSON_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu/error.h>

#define JSON_TEXT_MAX (64u << 20) /* bytes of a text to parse */

/* Parses `text` into `*out`, to be freed with cJSON_Delete. Errors: INVALID (field: the path of what is at fault, as
 * "metadata.a"; message: what and at which byte), TOO_LARGE, NO_MEMORY. */
int32_t json_parse(quipu_str text, cJSON **out, quipu_error *error);
/* The same rules for a tree that was built by hand: UTF-8, depth, keys twice, finite numbers. */
int32_t json_check_tree(const cJSON *tree, quipu_error *error);

/* Appends the canonical form: keys sorted by their bytes, two-space indent, "[]" and "{}" for empty ones, strings with the
 * shortest escapes (\" \\ \b \f \n \r \t, \u00XX in lower case for the other control characters, all else as it is),
 * numbers as their source text, and one final newline. Sorts the tree's objects in place. */
void json_print_canonical(cJSON *tree, buffer *out);
/* The same on one line: no blanks, no newline at the end, keys in the order of the tree. For wires and terminals. */
void json_print_compact(const cJSON *tree, buffer *out);
/* Sorts the members of one object by their keys' bytes, in place. */
void json_sort_object(cJSON *object);
/* Appends a quoted JSON string. */
void json_print_string(quipu_str text, buffer *out);

/* Bytes of the JSON number at the beginning of `text`, or 0 where there is none. */
size_t json_number_len(const char *text, size_t len);
/* The value of a text that is one JSON number as a whole; false where it is not, or not finite. */
bool json_number_value(quipu_str text, double *out);
/* The same for digits with at most a minus before them that fit 64 bits. */
bool json_integer_value(quipu_str text, int64_t *out);
/* The shortest text that reads back equal; false where the value is not finite. */
bool json_double_text(double value, char out[32]);
/* A number node from its source text, from an integer, from a double (shortest text that reads back equal; NULL where
 * it is not finite). NULL without memory. */
cJSON *json_number_text(const char *text);
cJSON *json_number_int(int64_t value);
cJSON *json_number_double(double value);
/* True where the node is a number; *out gets its value. */
bool json_is_number(const cJSON *node, double *out);
/* True where the node is a whole number that fits. */
bool json_is_int(const cJSON *node, int64_t *out);
/* A string node from bytes that are already known to be UTF-8 without NUL. */
cJSON *json_string(quipu_str text);

/* The first byte that is not UTF-8 (overlong forms, surrogates and values past U+10FFFF are not), or -1 where all is. */
int64_t utf8_first_bad(const char *bytes, size_t len);
/* Bytes of the UTF-8 sequence at `bytes` (len at least 1), or 0 where there is none. */
size_t utf8_sequence(const char *bytes, size_t len);
/* Writes a code point's UTF-8 and returns how many bytes that took. */
size_t utf8_encode(uint32_t point, char out[4]);

#endif
