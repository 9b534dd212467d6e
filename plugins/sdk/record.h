/*
 * record.h - the record codec: JSON text to a checked, canonical record, and its parts as a view.
 *
 * The form is described in plugin_api/quipu/record.h. Field names in the JSON: id, kind, scope{user,agent,session,app},
 * text, value, category, key, tags[], entity{type,id}, actor, role, seq, links[{rel,to}], head, relation, tail,
 * importance, created_at, updated_at, valid_from, valid_to, expires_at, provenance{...}, metadata{...}, format. Times are
 * RFC 3339 and are written in UTC with as many digits of a second as are needed (none, 3 or 6). Unknown fields, at any
 * level, survive. `format` is written only where it is not 1; a newer one is refused with QUIPU_E_FORMAT. Empty scope,
 * tags, links, metadata and null values are left out.
 */
#ifndef SDK_RECORD_H
#define SDK_RECORD_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu/error.h>
#include <quipu/record.h>

/* An owned record; immutable; may be shared between threads by counting references. */
typedef struct record record;

/* What the host fills in before a record is stored; an absent string or a NONE time fills nothing. */
typedef struct record_defaults {
    quipu_str id;
    quipu_str user, agent, session, app; /* each only where the record has no such scope field */
    int64_t created_at;                  /* only where the record has none */
    int64_t updated_at;                  /* likewise */
    uint64_t max_bytes;                  /* of the canonical form; 0: QUIPU_RECORD_MAX */
} record_defaults;

/* Checks and canonicalises. defaults may be NULL. After this, id must be there and kind is (default "memory").
 * Errors: INVALID (field), FORMAT, TOO_LARGE, NO_MEMORY. */
int32_t record_decode(quipu_str json, const record_defaults *defaults, record **out, quipu_error *error);
/* The same from a tree, which is changed and stays the caller's. */
int32_t record_from_tree(cJSON *tree, const record_defaults *defaults, record **out, quipu_error *error);
/* From a view that crossed the ABI: trusts nothing but the memory; decodes view->json again where `check` is set, and refuses
 * a view whose id differs from its JSON's. Otherwise copies. */
int32_t record_from_view(const quipu_record *view, bool check, record **out, quipu_error *error);

const quipu_record *record_view(const record *r); /* the record's until it is freed */
record *record_share(record *r);                  /* one reference more; atomic */
void record_free(record *r);                      /* one reference less; NULL is nothing to do */

/* True where the two differ in nothing but updated_at. */
bool record_same_but_updated(const quipu_record *a, const quipu_record *b);
/* True where all four scope fields are equal. */
bool record_same_scope(const quipu_record *a, const quipu_record *b);

/* Applies a JSON Merge Patch (RFC 7396: null removes) to a record's JSON; the result goes through record_decode.
 * `patch` is a tree, which stays the caller's. */
int32_t record_patch(const quipu_record *base, const cJSON *patch, const record_defaults *defaults, record **out,
                     quipu_error *error);

/* RFC 3339 to microseconds; also "YYYY-MM-DD" where `date` is not NULL: *date is set and the time is the day's first
 * moment. Errors: INVALID, with `field` as given. */
int32_t time_parse(quipu_str text, const char *field, bool *date, int64_t *out, quipu_error *error);
/* Appends RFC 3339 in UTC with "Z". */
void time_print(int64_t time, buffer *out);

/* 40 digits of the git blob id of these bytes. */
void record_version(quipu_str json, char out[QUIPU_VERSION_LEN]);

/* The id for a put that names none but asks for upsert: derived from (whole scope, category, key), the same on every
 * machine. Appends to `out`. */
void record_upsert_id(const quipu_record *r, buffer *out);

#endif
