/*
 * record_fields.h - the one table of a record's fields: their JSON names, their types, where the view keeps them.
 */
#ifndef SDK_RECORD_FIELDS_H
#define SDK_RECORD_FIELDS_H

#include <quipu/record.h>
#include <stddef.h>

typedef enum field_type {
    FIELD_TEXT,   /* a string, which may be empty */
    FIELD_NAME,   /* a string of one byte at the least */
    FIELD_TIME,   /* RFC 3339 */
    FIELD_SEQ,    /* an integer from 0 */
    FIELD_WEIGHT, /* a number 0..1 */
    FIELD_TAGS,   /* a set of strings */
    FIELD_LINKS,  /* a list of {rel, to} */
    FIELD_SCOPE,  /* an object with members of its own in this table */
    FIELD_ENTITY, /* likewise */
    FIELD_OBJECT, /* any object */
    FIELD_VALUE,  /* any JSON */
    FIELD_FORMAT  /* the version of the form */
} field_type;

/* X(JSON name, type, member of quipu_record). Sorted by name. */
#define RECORD_TYPED_FIELDS(X)                                                                                         \
    X("actor", FIELD_TEXT, actor)                                                                                      \
    X("category", FIELD_TEXT, category)                                                                                \
    X("created_at", FIELD_TIME, created_at)                                                                            \
    X("entity.id", FIELD_TEXT, entity_id)                                                                              \
    X("entity.type", FIELD_TEXT, entity_type)                                                                          \
    X("expires_at", FIELD_TIME, expires_at)                                                                            \
    X("head", FIELD_TEXT, head)                                                                                        \
    X("id", FIELD_NAME, id)                                                                                            \
    X("importance", FIELD_WEIGHT, importance)                                                                          \
    X("key", FIELD_TEXT, key)                                                                                          \
    X("kind", FIELD_NAME, kind)                                                                                        \
    X("relation", FIELD_TEXT, relation)                                                                                \
    X("role", FIELD_TEXT, role)                                                                                        \
    X("scope.agent", FIELD_NAME, agent)                                                                                \
    X("scope.app", FIELD_NAME, app)                                                                                    \
    X("scope.session", FIELD_NAME, session)                                                                            \
    X("scope.user", FIELD_NAME, user)                                                                                  \
    X("seq", FIELD_SEQ, seq)                                                                                           \
    X("tags", FIELD_TAGS, tags)                                                                                        \
    X("tail", FIELD_TEXT, tail)                                                                                        \
    X("text", FIELD_TEXT, text)                                                                                        \
    X("updated_at", FIELD_TIME, updated_at)                                                                            \
    X("valid_from", FIELD_TIME, valid_from)                                                                            \
    X("valid_to", FIELD_TIME, valid_to)

typedef struct record_field {
    const char *name;
    size_t name_len;
    field_type type;
    size_t offset; /* in quipu_record; 0 where the view does not show it */
} record_field;

/* The field of this name (dotted, as above), or NULL. Only fields that the view shows. */
const record_field *record_field_find(const char *name, size_t len);
/* The field of this top-level member: typed ones, and scope, entity, links, value, metadata, provenance, format. */
const record_field *record_member_find(const char *name, size_t len);

static inline quipu_str *record_str_at(quipu_record *r, size_t offset)
{
    return (quipu_str *)(void *)((char *)r + offset);
}
static inline const quipu_str *record_field_str(const quipu_record *r, const record_field *f)
{
    return (const quipu_str *)(const void *)((const char *)r + f->offset);
}
static inline int64_t *record_int_at(quipu_record *r, size_t offset)
{
    return (int64_t *)(void *)((char *)r + offset);
}
static inline int64_t record_field_int(const quipu_record *r, const record_field *f)
{
    return *(const int64_t *)(const void *)((const char *)r + f->offset);
}

/* Every string of a view, for loops over all of them; ends with SIZE_MAX. */
extern const size_t record_str_offsets[];

#endif
