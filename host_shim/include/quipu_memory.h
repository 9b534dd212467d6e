/*
 * quipu_memory.h - what agents do with a memory, above any backend: remember what was said, look at it, change it, forget it.
 *
 * Everything here is made of the calls of quipu.h, and obeys its rules. A `within` filter says what the caller may see: a record
 * outside of it is treated as one that is not there. NULL: the whole store.
 */
#ifndef QUIPU_MEMORY_H
#define QUIPU_MEMORY_H

#include <quipu.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One turn of a conversation. */
typedef struct quipu_message {
    uint32_t struct_size;
    uint32_t reserved;
    quipu_str role;    /* user, assistant, system, tool; absent: user */
    quipu_str content; /* UTF-8; becomes the record's text */
    quipu_str name;    /* who said it; may be absent; becomes the record's actor */
} quipu_message;

#define QUIPU_REMEMBER_ONCE 1u /* leave out a text that the same scope holds already, byte for byte */
#define QUIPU_REMEMBER_TOOL 2u /* keep turns of role "tool" as well */

/* What is to be remembered. Everything is borrowed for the call. */
typedef struct quipu_remember {
    uint32_t struct_size;
    uint32_t flags; /* QUIPU_REMEMBER_* */
    quipu_str user; /* the scope; each may be absent */
    quipu_str agent;
    quipu_str session;
    quipu_str app;
    quipu_array messages; /* of quipu_message, in order; at most 10,000 */
    quipu_str
        fields;   /* JSON object: further fields of every record, as {"metadata":{"a":1},"tags":["x"]}; may be absent */
    int64_t time; /* when it was said, for created_at; QUIPU_TIME_NONE: now. Each message is a microsecond later */
    quipu_str author; /* who acts; absent: that of quipu_options */
} quipu_remember;

#define QUIPU_MEMORY_ADDED 1u
#define QUIPU_MEMORY_UPDATED 2u
#define QUIPU_MEMORY_DELETED 3u
#define QUIPU_MEMORY_SAME 4u /* nothing was done: it is there already, under the id that is told */

/* What became of one record. Borrowed for the visit. */
typedef struct quipu_memory_event {
    uint32_t struct_size;
    uint32_t what;              /* QUIPU_MEMORY_* */
    uint64_t index;             /* of the message that it came from; of a history: its place in it, from 0 */
    quipu_str id;               /* of the record */
    const quipu_record *before; /* NULL where there was none, or where it is not known */
    const quipu_record *after;  /* NULL where there is none */
    int64_t time;               /* when; QUIPU_TIME_NONE where it is not known */
    quipu_str author;           /* who acted; absent where it is not known */
} quipu_memory_event;

/* Answers as quipu_hit_fn does. */
typedef int32_t (*quipu_memory_fn)(void *context, const quipu_memory_event *event) QUIPU_NOEXCEPT;

/* Stores each message as one record, verbatim, all of them as one change set; turns of role "system", those without content and (but
 * for QUIPU_REMEMBER_TOOL) those of role "tool" are left out. [any-thread] [may-block]
 * visit: told of each message that was kept, ADDED or SAME, once all is durable; or NULL.
 * Errors: INVALID (field, index of the message), and those of quipu_write_records. */
QUIPU_API int32_t quipu_remember_messages(quipu *q, const quipu_remember *what, quipu_memory_fn visit, void *context,
                                          const quipu_call *call, quipu_error *error);

/* Changes one record by a JSON Merge Patch (RFC 7396), by compare-and-swap, again where somebody was faster. [any-thread] [may-block]
 * author: who acts; NULL: that of quipu_options. visit: told of the record before and after; or NULL.
 * Errors: NOT_FOUND (also: outside of `within`), INVALID, CONFLICT (too many others write it), and those of the backend. */
QUIPU_API int32_t quipu_memory_update(quipu *q, const quipu_str *id, const quipu_filter *within, const quipu_str *patch,
                                      const quipu_str *author, quipu_memory_fn visit, void *context,
                                      const quipu_call *call, quipu_error *error);

/* Deletes one record. [any-thread] [may-block] author, visit and errors as above; NOT_FOUND where there is none. */
QUIPU_API int32_t quipu_memory_delete(quipu *q, const quipu_str *id, const quipu_filter *within,
                                      const quipu_str *author, quipu_memory_fn visit, void *context,
                                      const quipu_call *call, quipu_error *error);

/* Deletes every record of `within`, by change sets of at most 1,000; what is added meanwhile may stay. [any-thread] [may-block]
 * within: must not be NULL. count: receives how many were deleted, also on failure; or NULL.
 * visit: told of each id once it is gone, without records; or NULL. Errors: INVALID (within), and those of the backend. */
QUIPU_API int32_t quipu_memory_delete_all(quipu *q, const quipu_filter *within, const quipu_str *author,
                                          quipu_memory_fn visit, void *context, uint64_t *count, const quipu_call *call,
                                          quipu_error *error);

/* Shows what became of one record, oldest first; states outside of `within` are not shown, and of a deletion it is the state before
 * that counts. A backend without history/1 has the present state to show, as ADDED. [any-thread] [may-block]
 * Nothing is shown, and it is no error, where there never was such a record. Expiry does not count. Errors: those of the backend. */
QUIPU_API int32_t quipu_memory_history(quipu *q, const quipu_str *id, const quipu_filter *within, quipu_memory_fn visit,
                                       void *context, const quipu_call *call, quipu_error *error);

#ifdef __cplusplus
}
#endif
#endif
