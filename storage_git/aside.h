/*
 * aside.h - where repair puts what it takes out of its place: nothing is ever deleted.
 *
 * One folder a repair, "quipu/aside/<time>/" in the store, made when it is first needed. Its file "note.txt" has a line for each
 * thing: where it was, and why it is not there any more. The line is on the disk before the file moves.
 */
#ifndef STORAGE_GIT_ASIDE_H
#define STORAGE_GIT_ASIDE_H

#include <quipu/error.h>

typedef struct aside aside;

/* store: its path; private_folder: "<store>/quipu". Makes nothing yet. */
int32_t aside_create(const char *store, const char *private_folder, aside **out, quipu_error *error);
void aside_free(aside *a);

/* Gives a file a second name in the folder, for whoever is about to replace it; where links are not to be had, copies it. */
int32_t aside_keep(aside *a, const char *path, const char *why, quipu_error *error);
/* The same, and takes it from its place. A file that is not there is nothing to do. */
int32_t aside_move(aside *a, const char *path, const char *why, quipu_error *error);
/* Writes down something that was no file of its own: a ref's value. */
int32_t aside_note(aside *a, const char *what, const char *why, quipu_error *error);

#endif
