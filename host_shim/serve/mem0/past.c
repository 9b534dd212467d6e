/* past.c - the history of one memory, and who has memories: what mem0's clients call history and entities. */
#include "mem0.h"

#include <base/fail.h>
#include <sdk/json.h>
#include <stdlib.h>

/* ---- history ---- */

typedef struct past {
    buffer *out;
    mem0_dialect dialect;
    quipu_str memory_id;
    int64_t created_at;
    unsigned shown;
} past;

static void member(buffer *out, const char *name)
{
    buffer_append_text(out, ",\"");
    buffer_append_text(out, name);
    buffer_append_text(out, "\":");
}

static void print_platform(const quipu_record *r, buffer *out)
{
    buffer_append_text(out, ",\"input\":[{\"role\":");
    json_print_string(r->role.ptr ? r->role : str_of("user"), out);
    buffer_append_text(out, ",\"content\":");
    json_print_string(r->text.ptr ? r->text : str_of(""), out);
    buffer_append_text(out, "}]");
    member(out, "user_id");
    mem0_print_text(r->user, out);
    member(out, "agent_id");
    mem0_print_text(r->agent, out);
    member(out, "app_id");
    mem0_print_text(r->app, out);
    member(out, "run_id");
    mem0_print_text(r->session, out);
    buffer_append_text(out, r->category.ptr ? ",\"categories\":[" : ",\"categories\":null");
    if (r->category.ptr) {
        json_print_string(r->category, out);
        buffer_append_char(out, ']');
    }
    quipu_str metadata = mem0_member(r->json, "metadata");
    member(out, "metadata");
    mem0_print_raw(metadata, out);
}

static void print_oss(const quipu_record *r, bool deleted, buffer *out)
{
    buffer_append_text(out, deleted ? ",\"is_deleted\":true" : ",\"is_deleted\":false");
    member(out, "actor_id");
    mem0_print_text(r->actor, out);
    member(out, "role");
    mem0_print_text(r->role, out);
}

static int32_t show_event(void *context, const quipu_memory_event *event)
{
    past *p = context;
    const quipu_record *seen = event->after ? event->after : event->before;
    const char *word = event->what == QUIPU_MEMORY_ADDED     ? "ADD"
                       : event->what == QUIPU_MEMORY_DELETED ? "DELETE"
                                                             : "UPDATE";
    buffer_printf(p->out, "%s{\"id\":\"%.*s-%u\",\"memory_id\":", p->shown ? "," : "", 36, seen->version.ptr, p->shown);
    p->shown++;
    json_print_string(p->memory_id, p->out);
    member(p->out, "old_memory");
    mem0_print_text(event->before ? event->before->text : (quipu_str){ NULL, 0 }, p->out);
    member(p->out, "new_memory");
    mem0_print_text(event->after ? event->after->text : (quipu_str){ NULL, 0 }, p->out);
    member(p->out, "event");
    buffer_printf(p->out, "\"%s\"", word);
    member(p->out, "created_at");
    mem0_print_time(seen->created_at, p->out);
    member(p->out, "updated_at");
    mem0_print_time(event->what == QUIPU_MEMORY_DELETED ? event->time : seen->updated_at, p->out);
    if (p->dialect == MEM0_PLATFORM)
        print_platform(seen, p->out);
    else
        print_oss(seen, event->what == QUIPU_MEMORY_DELETED, p->out);
    buffer_append_char(p->out, '}');
    return p->out->failed ? QUIPU_E_NO_MEMORY : 0;
}

int32_t mem0_history(serve *s, web_request *r, mem0_dialect dialect, quipu_str id, buffer *out, quipu_error *error)
{
    filter *which = NULL;
    past p = { .out = out, .dialect = dialect, .memory_id = id };
    int32_t code = mem0_filter_own(r, &which, error);
    if (code == QUIPU_OK)
        code = quipu_memory_history(s->q, &id, filter_view(which), show_event, &p, r->call, error);
    filter_free(which);
    return code;
}

/* ---- entities ---- */

static const char *const types[] = { "user", "agent", "app", "run" };
#define TYPES (sizeof types / sizeof types[0])

/* Open addressing: places are found by type and name, the order is made at the end. */
typedef struct census {
    mem0_entities *all;
    size_t *places; /* index + 1 */
    size_t room;
} census;

static uint64_t hash_name(size_t type, quipu_str name)
{
    uint64_t h = 1469598103934665603u ^ type;
    for (uint64_t i = 0; i < name.len; i++)
        h = (h ^ (uint8_t)name.ptr[i]) * 1099511628211u;
    return h;
}

static size_t place_of(const census *c, size_t type, quipu_str name)
{
    size_t at = (size_t)hash_name(type, name) & (c->room - 1);
    while (c->places[at]) {
        const mem0_entity *e = &c->all->items[c->places[at] - 1];
        if (e->type == types[type] && str_same(str_of(e->name), name))
            break;
        at = (at + 1) & (c->room - 1);
    }
    return at;
}

static size_t type_index(const char *type)
{
    size_t i = 0;
    while (i + 1 < TYPES && strcmp(types[i], type) != 0)
        i++;
    return i;
}

static bool grow(census *c)
{
    size_t room = c->room ? c->room * 2 : 256, *places = calloc(room, sizeof *places);
    mem0_entity *items = places ? realloc(c->all->items, room * sizeof *items) : NULL;
    if (items)
        c->all->items = items;
    if (!places || !items) {
        free(places);
        return false;
    }
    free(c->places);
    c->places = places;
    c->room = room;
    for (size_t i = 0; i < c->all->count; i++)
        places[place_of(c, type_index(items[i].type), str_of(items[i].name))] = i + 1;
    return true;
}

static bool note(census *c, size_t type, quipu_str name, const quipu_record *r)
{
    if (!name.ptr)
        return true;
    if (c->all->count * 2 >= c->room && !grow(c))
        return false;
    size_t at = place_of(c, type, name);
    if (!c->places[at]) {
        mem0_entity fresh = { types[type], str_dup(name), 0, r->created_at, r->updated_at };
        if (!fresh.name)
            return false;
        c->all->items[c->all->count++] = fresh;
        c->places[at] = c->all->count;
    }
    mem0_entity *e = &c->all->items[c->places[at] - 1];
    e->count++;
    if (r->created_at < e->created_at)
        e->created_at = r->created_at;
    if (r->updated_at > e->updated_at)
        e->updated_at = r->updated_at;
    return true;
}

static int32_t note_record(void *context, const quipu_hit *hit)
{
    const quipu_record *r = hit->record;
    bool good = note(context, 0, r->user, r) && note(context, 1, r->agent, r) && note(context, 2, r->app, r) &&
                note(context, 3, r->session, r);
    return good ? 0 : QUIPU_E_NO_MEMORY;
}

static int by_type_and_name(const void *a, const void *b)
{
    const mem0_entity *x = a, *y = b;
    int order = strcmp(x->type, y->type);
    return order ? order : strcmp(x->name, y->name);
}

int32_t mem0_entities_read(serve *s, web_request *r, mem0_entities *out, quipu_error *error)
{
    filter *which = NULL;
    census c = { .all = out };
    *out = (mem0_entities){ NULL, 0, 0 };
    int32_t code = mem0_filter(r, NULL, NULL, true, &which, error);
    if (code == QUIPU_OK) {
        quipu_scan query = { .struct_size = sizeof query, .filter = filter_view(which), .order = QUIPU_ORDER_ID };
        code = quipu_scan_records(s->q, &query, note_record, &c, r->call, error);
    }
    if (code == QUIPU_OK && out->count > 1)
        qsort(out->items, out->count, sizeof *out->items, by_type_and_name);
    if (code != QUIPU_OK)
        mem0_entities_free(out);
    free(c.places);
    filter_free(which);
    return code;
}

void mem0_entities_free(mem0_entities *all)
{
    for (size_t i = 0; i < all->count; i++)
        free(all->items[i].name);
    free(all->items);
    *all = (mem0_entities){ NULL, 0, 0 };
}

int32_t mem0_entity_delete(serve *s, web_request *r, web_answer *a, quipu_str type, quipu_str name, uint64_t *count,
                           quipu_error *error)
{
    mem0_ids ids = { 0 };
    quipu_str *const parts[TYPES] = { &ids.user, &ids.agent, &ids.app, &ids.run };
    for (size_t i = 0; i < TYPES; i++)
        if (quipu_str_equal(&type, types[i], strlen(types[i]))) {
            *parts[i] = name;
            int32_t code = mem0_ids_bind(r, a, &ids, error);
            return code == QUIPU_OK ? mem0_delete_all(s, r, &ids, NULL, count, error) : code;
        }
    return fail(error, QUIPU_E_INVALID, "entity_type", "entity_type must be one of user, agent, app, run");
}
