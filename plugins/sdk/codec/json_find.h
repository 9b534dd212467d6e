/*
 * json_find.h - finds one value in JSON text without building a tree. For text that was checked before; on other text it
 * finds nothing, or something wrong, but never reads past the end.
 */
#ifndef SDK_JSON_FIND_H
#define SDK_JSON_FIND_H

#include <base/buffer.h>

/* The text of the value at a dotted path, without blanks around it; absent where there is none. A key that holds dots
 * itself is found too: {"a.b":1} has "a.b". */
quipu_str json_find(quipu_str object, quipu_str path);

/* Steps through a list: begin with what json_elements makes of the list's text; each call takes the next element off. False
 * at the end. */
quipu_str json_elements(quipu_str list);
bool json_next_element(quipu_str *rest, quipu_str *value);
/* The same for an object: json_elements(object), then one member a call; `key` with its quotes. */
bool json_next_member(quipu_str *rest, quipu_str *key, quipu_str *value);

/* Appends what a string's text (with its quotes) stands for. */
void json_unquote(quipu_str quoted, buffer *out);

#endif
