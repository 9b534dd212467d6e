/*
 * object_reader.h - reading very many objects: from the packs of one look (pack_table.h), in the order in which they lie there where that is
 * wanted, and by several threads. What is not to be had so (it is loose, or came later, or its pack is damaged) is read as all else: objects.h.
 */
#ifndef STORAGE_GIT_OBJECT_READER_H
#define STORAGE_GIT_OBJECT_READER_H

#include "objects.h"

typedef struct object_reader object_reader; /* for one thread at a time */

int32_t object_reader_create(objects *o, object_reader **out, quipu_error *error);
/* Another one on the same packs, for another thread; to be freed first. NULL without memory. */
object_reader *object_reader_beside(const object_reader *first);
void object_reader_free(object_reader *r); /* NULL is nothing to do */

/* Numbers that ascend in the order in which the objects lie; the same for readers beside. */
uint64_t object_reader_place(const object_reader *r, const object_id *id);
#define OBJECT_NOWHERE UINT64_MAX

/* Appends the object's bytes. place: of object_reader_place. checked: they are compared with the name; else the caller does that, and
 * asks again with it where they differ. Errors: as objects_read. */
int32_t object_reader_read_at(object_reader *r, const object_id *id, uint64_t place, object_type type, bool checked,
                              buffer *out, quipu_error *error);
/* The same, compared with the name, wherever it lies. */
int32_t object_reader_read(object_reader *r, const object_id *id, object_type type, buffer *out, quipu_error *error);

#endif
