/*
 * platform.h - what the files of the platform's wire share.
 */
#ifndef SERVE_MEM0_PLATFORM_H
#define SERVE_MEM0_PLATFORM_H

#include "mem0.h"

#define MEM0_EVENT_ID 40 /* bytes of an event's id, with the NUL byte */

/* Appends the text; QUIPU_OK. */
int32_t mem0_answer(web_answer *a, const char *text);
/* The failure of an id that leads to nothing. */
int32_t mem0_missing(web_answer *a, quipu_str id, quipu_error *error);
/* A memory that may be changed. Errors: NOT_FOUND, INVALID (it was made to stay as it is). */
int32_t mem0_get_mutable(serve *s, web_request *r, web_answer *a, quipu_str id, record **out, quipu_error *error);

/* events.c: keeps what was done for those who ask later, as long as the server runs and not too much else was done. results: a
 * JSON array. */
int32_t mem0_event_keep(serve *s, web_request *r, const char *type, quipu_str results, char id[MEM0_EVENT_ID],
                        quipu_error *error);

/* settings.c: small JSON objects that are kept in the store, as records of kind "setting". */
int32_t mem0_unbound(const web_request *r, quipu_error *error); /* DENIED for a key that is bound to a scope */
int32_t mem0_setting_read(serve *s, web_request *r, const char *id, cJSON **out, quipu_error *error);
int32_t mem0_setting_write(serve *s, web_request *r, const char *id, const cJSON *value, quipu_error *error);
int32_t mem0_setting_delete(serve *s, web_request *r, const char *id, quipu_error *error);
/* Notes in a memory's value what was thought of it. */
int32_t mem0_note_feedback(serve *s, web_request *r, quipu_str id, quipu_str word, quipu_str reason,
                           quipu_error *error);
/* Visits all whose id begins with `prefix`. */
int32_t mem0_setting_each(serve *s, web_request *r, const char *prefix,
                          void (*visit)(void *context, const cJSON *value), void *context, quipu_error *error);

#endif
