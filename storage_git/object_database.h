/*
 * object_database.h - libgit2's object database: for what is not in a pack that we read ourselves (loose objects, alternates, packs of
 * another kind), for what is damaged, and for going through all objects.
 *
 * It is opened when it is first asked, because it opens every pack; most stores never need it.
 */
#ifndef STORAGE_GIT_OBJECT_DATABASE_H
#define STORAGE_GIT_OBJECT_DATABASE_H

#include "objects.h"

typedef struct object_database object_database; /* any number of threads may read */

/* folder: the repository's "objects". careful: packs whose index is not sound are left out. NULL without memory. */
object_database *object_database_create(const char *folder, bool careful);
void object_database_free(object_database *d);

/* Appends the object's bytes, whose name was compared. It is looked for in what is open, and then twice in what lies on the disk.
 * Errors: CORRUPT (missing or damaged), IO (also where no descriptor is left), NO_MEMORY. */
int32_t object_database_read(object_database *d, const object_id *id, object_type *type, buffer *out,
                             quipu_error *error);
/* As objects_find_commit and objects_each; both look at the disk afresh. */
int32_t object_database_find_commit(object_database *d, const char *digits, size_t len, object_id *out,
                                    quipu_error *error);
int32_t object_database_each(object_database *d, objects_each_fn visit, void *context, quipu_error *error);

/* Closes it until it is asked again. */
void object_database_forget(object_database *d);

#endif
