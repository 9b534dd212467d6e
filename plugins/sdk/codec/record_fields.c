/* record_fields.c - see record_fields.h. */
#include "record_fields.h"

#include <stdlib.h>
#include <string.h>

#define ROW_(name_, type_, member_) { name_, sizeof(name_) - 1, type_, offsetof(quipu_record, member_) },
#define PLAIN_(name_, type_) { name_, sizeof(name_) - 1, type_, 0 },

static const record_field typed[] = { RECORD_TYPED_FIELDS(ROW_) };

static const record_field members[] = { PLAIN_("entity", FIELD_ENTITY) PLAIN_("format", FIELD_FORMAT)
                                            PLAIN_("links", FIELD_LINKS) PLAIN_("metadata", FIELD_OBJECT)
                                                PLAIN_("provenance", FIELD_OBJECT) PLAIN_("scope", FIELD_SCOPE)
                                                    PLAIN_("value", FIELD_VALUE) };

const size_t record_str_offsets[] = {
#define STR_(member_) offsetof(quipu_record, member_),
    STR_(id) STR_(version) STR_(json) STR_(kind) STR_(user) STR_(agent) STR_(session) STR_(app) STR_(text)
        STR_(category) STR_(key) STR_(actor) STR_(role) STR_(entity_type) STR_(entity_id) STR_(head) STR_(relation)
            STR_(tail) SIZE_MAX
#undef STR_
};

typedef struct name_key {
    const char *name;
    size_t len;
} name_key;

static int compare_name(const void *key, const void *row)
{
    const name_key *k = key;
    const record_field *f = row;
    int order = memcmp(k->name, f->name, k->len < f->name_len ? k->len : f->name_len);
    return order ? order : (k->len > f->name_len) - (k->len < f->name_len);
}

static const record_field *find(const record_field *rows, size_t count, const char *name, size_t len)
{
    name_key key = { name, len };
    return bsearch(&key, rows, count, sizeof *rows, compare_name);
}

const record_field *record_field_find(const char *name, size_t len)
{
    return find(typed, sizeof typed / sizeof typed[0], name, len);
}

const record_field *record_member_find(const char *name, size_t len)
{
    const record_field *f = find(members, sizeof members / sizeof members[0], name, len);
    if (f || memchr(name, '.', len))
        return f; /* a member "scope.user" is not the member user of scope */
    return record_field_find(name, len);
}
