/*
 * record.h - one memory, as a view.
 *
 * The whole record is its canonical JSON: keys sorted by their bytes, two-space indent, UTF-8, one final newline, absent
 * fields left out, numbers as they were written. Equal content gives equal bytes gives an equal version. The fields that
 * are filtered, sorted and searched by are typed beside it, so that a backend need not parse anything.
 *
 * Who makes it: the host hands every record to a backend already checked and canonical, with all typed fields filled from
 * the JSON. A backend hands out exactly the `json` that it was given; the typed fields of what it hands out must agree
 * with the JSON as well.
 *
 * The version is the git blob id of the JSON: SHA-1 over "blob ", the length in decimal, a NUL byte, and the bytes
 * (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects), as 40 lower-case hexadecimal digits - in every backend, so
 * that compare-and-swap and digests survive a swap.
 */
#ifndef QUIPU_RECORD_H
#define QUIPU_RECORD_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUIPU_ID_MAX 255            /* bytes of an id, 1 at the least; UTF-8 without NUL */
#define QUIPU_VERSION_LEN 40        /* hexadecimal digits of a version */
#define QUIPU_RECORD_MAX (1u << 20) /* bytes of the canonical JSON; the host may be configured to another limit */
#define QUIPU_DEPTH_MAX 64          /* levels of nesting in the JSON */

#define QUIPU_KIND_MEMORY "memory" /* the kind of a record that names none */
#define QUIPU_KIND_MESSAGE "message"
#define QUIPU_KIND_RELATION "relation"
#define QUIPU_KIND_ASSEMBLY "assembly"
#define QUIPU_KIND_SUMMARY "summary"
/* A text that lives under a path. Its id is "<scope>/<path>": the scope as one part, "user=ruth,app=notes" (of user, agent, session, app
 * those that are there, in this order; '%', ',' and '/' in a value as "%25", "%2C", "%2F"), or "-" for none; then the path. A backend that keeps
 * files may show the text as one. */
#define QUIPU_KIND_FILE "file"
#define QUIPU_KIND_CONFLICT "conflict"

/* Every text is borrowed for the call or the visit it came with. */
typedef struct quipu_record {
    uint32_t struct_size;
    uint32_t flags;    /* none defined: 0 */
    quipu_str id;      /* 1..QUIPU_ID_MAX bytes, unique in the store */
    quipu_str version; /* QUIPU_VERSION_LEN hexadecimal digits */
    quipu_str json;    /* the canonical form, whole */
    quipu_str kind;
    quipu_str user; /* the scope: each of the four may be absent */
    quipu_str agent;
    quipu_str session;
    quipu_str app;
    quipu_str text; /* what is searched and embedded */
    quipu_str category;
    quipu_str key;
    quipu_str actor; /* who said it */
    quipu_str role;  /* user, assistant, system, tool */
    quipu_str entity_type;
    quipu_str entity_id;
    quipu_str head; /* of a relation: head -relation-> tail */
    quipu_str relation;
    quipu_str tail;
    quipu_array tags;   /* of quipu_str, sorted by their bytes, none twice */
    int64_t seq;        /* position in its session, from 0; QUIPU_INT_NONE */
    int64_t created_at; /* times as base.h says; QUIPU_TIME_NONE where absent */
    int64_t updated_at;
    int64_t valid_from;
    int64_t valid_to;
    int64_t expires_at;
    double importance; /* 0..1; negative: absent */
} quipu_record;

#ifdef __cplusplus
}
#endif
#endif
