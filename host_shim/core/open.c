/*
 * open.c - opens a store: options, settings, plugins, backend, slot.
 *
 * A store whose records have moved to another one leads there, unless its own backend is asked for by name: the old store can so be
 * read, and writing to it is answered with QUIPU_E_MOVED.
 */
#include "handle.h"

#include "moved.h"

#include <base/fail.h>
#include <quipu/extensions.h>
#include <sdk/json.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_BACKEND "git"
#define HOPS_MOST 16 /* swaps that one open follows */

/* What quipu_open works with on its way. */
typedef struct opening {
    const quipu_options *options;
    quipu *q;
    char *path;      /* of the store that is looked at */
    char *came_from; /* the store that has moved here, or NULL */
    unsigned hops;
    char *place;           /* that led here */
    quipu_str led_to;      /* the backend that it names */
    store_settings stored; /* what the store was made with */
    bool has_settings;
    bool stays; /* the store's own backend was asked for by name: it is opened although the records have moved on */
    bool
        took_over; /* the store that we came from has moved here, and this one does not know it yet: the swap was cut short */
    bool was_empty;                                               /* the folder was not there, or held nothing */
    quipu_str backend, backend_config, embedder, embedder_config; /* what is used; absent: none */
} opening;

static int32_t check_text(quipu_str text, const char *field, uint64_t max, quipu_error *error)
{
    if (text.len > max)
        return fail(error, QUIPU_E_INVALID, field, "%s has %llu bytes, at most %llu are possible", field,
                    (unsigned long long)text.len, (unsigned long long)max);
    if (text.len && !text.ptr)
        return fail(error, QUIPU_E_INVALID, field, "%s has a length but no text", field);
    if (text.len && utf8_first_bad(text.ptr, (size_t)text.len) >= 0)
        return fail(error, QUIPU_E_INVALID, field, "%s is not UTF-8", field);
    for (uint64_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return fail(error, QUIPU_E_INVALID, field, "%s has control characters", field);
    return QUIPU_OK;
}

int32_t check_settings_text(quipu_str config, const char *field, quipu_error *error)
{
    cJSON *tree = NULL;
    quipu_error why = { .struct_size = sizeof why };
    if (!str_present(config))
        return QUIPU_OK;
    int32_t code = json_parse(config, &tree, &why);
    if (code != QUIPU_OK)
        return fail(error, code, field, "%s: %s", field, why.message);
    if (!cJSON_IsObject(tree))
        code = fail(error, QUIPU_E_INVALID, field, "%s must be a JSON object", field);
    cJSON_Delete(tree);
    return code;
}

static int32_t check_options(const quipu_options *o, quipu_error *error)
{
    int32_t code = check_struct(o, sizeof *o, "options", error);
    if (code != QUIPU_OK)
        return code;
    if (o->flags & ~(QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_DAMAGED))
        return fail(error, QUIPU_E_INVALID, "flags", "unknown flags 0x%x", o->flags);
    if ((code = check_text(o->author, "author", 255, error)) != QUIPU_OK ||
        (code = check_text(o->source, "source", 255, error)) != QUIPU_OK ||
        (code = check_settings_text(o->backend_config, "backend_config", error)) != QUIPU_OK ||
        (code = check_settings_text(o->embedder_config, "embedder_config", error)) != QUIPU_OK)
        return code;
    return QUIPU_OK;
}

/* Options first, then what the store was made with, then the defaults. */
static int32_t choose(opening *o, quipu_error *error)
{
    const quipu_options *given = o->options;
    const store_settings *stored = &o->stored;
    bool other = str_present(given->backend) && stored->backend && !str_same(given->backend, str_of(stored->backend));
    if (other && !(given->flags & QUIPU_OPEN_DAMAGED)) /* there the name may be what is damaged */
        return fail(error, QUIPU_E_INVALID, "backend", "the store was made with the backend \"%s\", not \"%.*s\"",
                    stored->backend, given->backend.len > 32 ? 32 : (int)given->backend.len, given->backend.ptr);
    o->backend =
        str_present(given->backend) ? given->backend : str_of(stored->backend ? stored->backend : DEFAULT_BACKEND);
    if (o->hops && !o->has_settings) /* the fence has led here: it knows */
        o->backend = o->led_to;
    o->backend_config = str_of(stored->backend_config);
    if (str_present(given->backend_config) && o->hops == 0) /* what was meant for the store that was named */
        o->backend_config = given->backend_config;
    o->embedder = str_present(given->embedder) ? given->embedder : str_of(stored->embedder);
    o->embedder_config = given->embedder_config;
    bool same = stored->embedder && str_same(o->embedder, str_of(stored->embedder));
    if (!str_present(o->embedder_config) && same)
        o->embedder_config = str_of(stored->embedder_config);
    if (QUIPU_IS(&o->embedder, "none"))
        o->embedder = (quipu_str){ NULL, 0 };
    return QUIPU_OK;
}

/* Keeps what a swap will need. */
static int32_t keep_texts(opening *o, quipu_error *error)
{
    quipu *q = o->q;
    const quipu_options *given = o->options;
    q->flags = given->flags;
    q->author = str_dup(given->author.len ? given->author : str_of("quipu"));
    q->source = str_dup(given->source.len ? given->source : str_of("libquipu/" QUIPU_VERSION));
    q->plugin_path = str_present(given->plugin_path) ? str_dup(given->plugin_path) : NULL;
    return q->author && q->source && !q->plugin_path == !str_present(given->plugin_path)
               ? QUIPU_OK
               : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

static int32_t keep_settings(opening *o, quipu_error *error)
{
    store_settings *with = &o->q->with;
    *with = (store_settings){ 0 };
    with->backend = str_dup(o->backend);
    with->backend_config = str_present(o->backend_config) ? str_dup(o->backend_config) : NULL;
    with->embedder = str_present(o->embedder) ? str_dup(o->embedder) : NULL;
    with->embedder_config = str_present(o->embedder_config) ? str_dup(o->embedder_config) : NULL;
    return with->backend && !with->backend_config == !str_present(o->backend_config) &&
                   !with->embedder == !str_present(o->embedder) &&
                   !with->embedder_config == !str_present(o->embedder_config)
               ? QUIPU_OK
               : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

static int32_t open_embedder(opening *o, quipu_error *error)
{
    quipu *q = o->q;
    if (!str_present(o->embedder) || q->embedder_open)
        return QUIPU_OK;
    int32_t code = registry_acquire(true, o->embedder, o->options->plugin_path, false, &q->host, &q->embedder, error);
    if (code != QUIPU_OK)
        return code;
    const quipu_embedder_api *api = q->embedder.embedder->api;
    code = api->create(&q->host.table, &q->host.embedder, error);
    code = tenant_check(code, q->host.embedder, o->embedder, error);
    if (code == QUIPU_OK)
        code = tenant_check(api->open(q->host.embedder, &o->embedder_config, NULL, error), q, o->embedder, error);
    if (code == QUIPU_OK) {
        q->embedder_open = true;
        q->host.embedder_api = api; /* from now on the service is offered */
    }
    return code;
}

/* ---- stores that have moved ---- */

static int32_t append_place(void *context, const void *bytes, uint64_t len)
{
    buffer_append(context, bytes, (size_t)len);
    return QUIPU_OK;
}

/* Appends what the store's own fence says. */
static int32_t ask_fence(const tenant *t, buffer *place, quipu_error *error)
{
    const quipu_migrate_api *migrate = tenant_extension(t, QUIPU_EXT_MIGRATE);
    if (!migrate || !QUIPU_HAS(migrate, fenced) || !migrate->fenced)
        return QUIPU_OK;
    int32_t code = migrate->fenced(t->self, append_place, place, NULL, error);
    return code == QUIPU_OK && place->failed ? fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : code;
}

/* Turns to the store that this one has moved to. */
static int32_t follow(opening *o, quipu_str place, quipu_error *error)
{
    quipu_str backend, path;
    char line[400];
    if (!place_read(place, &backend, &path))
        return fail(error, QUIPU_E_FORMAT, "moved_to", "%s has moved, but where to cannot be read: %.*s", o->path,
                    (int)(place.len < 100 ? place.len : 100), place.ptr);
    if (++o->hops > HOPS_MOST)
        return fail(error, QUIPU_E_MOVED, "store", "%s has moved more than %d times; open the last one", o->path,
                    HOPS_MOST);
    snprintf(line, sizeof line, "%.150s has moved to %.*s", o->path, (int)(place.len < 150 ? place.len : 150),
             place.ptr);
    host_write_log(&o->q->host, QUIPU_LOG_INFO, "store", str_of(line));
    free(o->came_from);
    o->came_from = o->path;
    o->path = str_dup(path);
    free(o->place);
    o->place = str_dup(place);
    if (o->place)
        o->led_to = str_make(o->place, (size_t)backend.len);
    return o->path && o->place ? QUIPU_OK : fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

/* Reads what the store says of itself. *away: it says that it has moved, and is to be left. */
static int32_t look(opening *o, bool *away, quipu_error *error)
{
    const quipu_options *given = o->options;
    store_settings_free(&o->stored);
    o->was_empty = store_is_empty(o->path);
    int32_t code = store_settings_read(o->path, &o->stored, &o->has_settings, error);
    if (code != QUIPU_OK && code != QUIPU_E_NO_MEMORY && given->flags & QUIPU_OPEN_DAMAGED) {
        unsigned lost;
        code = store_settings_salvage(o->path, str_present(given->backend), &o->stored, &lost, error);
    }
    if (code != QUIPU_OK)
        return code;
    const char *filling = o->stored.filling_from;
    o->took_over = filling && o->came_from && strcmp(filling, o->came_from) == 0;
    o->stays = str_present(given->backend) && o->stored.backend && str_same(given->backend, str_of(o->stored.backend));
    *away = o->stored.moved_to && !o->stays && !o->took_over;
    if (*away)
        return follow(o, str_of(o->stored.moved_to), error);
    if (filling && !o->took_over)
        return fail(error, QUIPU_E_STATE, "store", "%s is an unfinished copy of %s: open that one, or swap again",
                    o->path, filling);
    return choose(o, error);
}

/* The swap that ended here was cut short after its fence: this store takes the last steps itself. */
static void finish_swap(opening *o)
{
    quipu_error why = { .struct_size = sizeof why };
    buffer place = { 0 };
    const tenant *t = atomic_load(&o->q->active);
    const quipu_migrate_api *migrate = tenant_extension(t, QUIPU_EXT_MIGRATE);
    if (o->options->flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED))
        return;
    int32_t code = ask_fence(t, &place, &why);
    if (code == QUIPU_OK && place.len > 0) {
        quipu_str text = str_make(place.bytes, place.len);
        code = migrate->unfence(t->self, &text, QUIPU_UNFENCE_ALL, NULL, &why);
    }
    free(o->stored.moved_to);
    free(o->stored.filling_from);
    o->stored.moved_to = o->stored.filling_from = NULL;
    if (code == QUIPU_OK)
        code = store_settings_write(o->path, &o->stored, &why);
    if (code != QUIPU_OK)
        host_write_log(&o->q->host, QUIPU_LOG_WARNING, "store", str_of(why.message));
    buffer_free(&place);
}

/* A store that was led to is never made: where it is gone, an empty one in its place would look like a loss. */
static int32_t open_tenant(opening *o, tenant *t, quipu_error *error)
{
    uint32_t flags = o->options->flags | (o->hops ? QUIPU_OPEN_NO_CREATE : 0);
    int32_t code = tenant_open(o->q, t, o->options->plugin_path, o->backend_config, flags, false, error);
    if (code != QUIPU_E_NOT_FOUND || !o->hops)
        return code;
    return fail(error, code, "store",
                "%.80s has moved to %.80s, and there is none: name the old one's backend to read what it held",
                o->came_from, o->path);
}

static int32_t open_backend(opening *o, bool *away, quipu_error *error)
{
    quipu *q = o->q;
    tenant *t;
    buffer place = { 0 };
    int32_t code = tenant_add(q, o->backend, o->path, &t, error);
    if (code != QUIPU_OK)
        return code;
    atomic_store(&q->active, t);
    code = open_tenant(o, t, error);
    if (code != QUIPU_OK)
        return code;
    if (!(o->options->flags & QUIPU_OPEN_DAMAGED) && !o->stays && !o->took_over)
        code = ask_fence(t, &place, error);
    *away = code == QUIPU_OK && place.len > 0;
    if (*away)
        code = follow(o, str_make(place.bytes, place.len), error);
    buffer_free(&place);
    if (*away || code != QUIPU_OK)
        tenant_close(q, t, NULL);
    return code;
}

/* ---- open ---- */

/* The first open of a store leaves behind what it was made with. A store that cannot be written is still of use. A folder that
 * held something, but no settings, is a store of the default backend (a fresh git clone of one), or none of our business. */
static void remember(opening *o)
{
    quipu_error error = { .struct_size = sizeof error };
    if (o->has_settings || (o->options->flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_DAMAGED)) ||
        (!o->was_empty && strcmp(o->q->with.backend, DEFAULT_BACKEND) != 0))
        return;
    if (store_settings_write(o->path, &o->q->with, &error) != QUIPU_OK)
        host_write_log(&o->q->host,
                       error.code == QUIPU_E_READ_ONLY || error.code == QUIPU_E_DENIED ? QUIPU_LOG_INFO
                                                                                       : QUIPU_LOG_WARNING,
                       "store", str_of(error.message));
}

static int32_t run_opening(opening *o, quipu_error *error)
{
    bool make = !(o->options->flags & (QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_NO_CREATE | QUIPU_OPEN_DAMAGED));
    bool away = true;
    int32_t code = keep_texts(o, error);
    if (code == QUIPU_OK)
        code = store_locate(o->options->store, make, &o->path, error);
    while (code == QUIPU_OK && away) {
        code = look(o, &away, error);
        if (code != QUIPU_OK || away)
            continue;
        if ((code = open_embedder(o, error)) == QUIPU_OK)
            code = open_backend(o, &away, error);
    }
    if (code == QUIPU_OK)
        code = keep_settings(o, error);
    if (code != QUIPU_OK)
        return code;
    if (o->took_over)
        finish_swap(o);
    remember(o);
    const tenant *t = atomic_load(&o->q->active);
    return slot_publish(&o->q->slot, tenant_api(t), t->self, 0, NULL, error);
}

int32_t quipu_open(const quipu_options *options, quipu **out, quipu_error *error)
{
    opening o = { .options = options };
    if (!out)
        return fail(error, QUIPU_E_INVALID, "out", "out is NULL");
    *out = NULL;
    int32_t code = check_options(options, error);
    if (code != QUIPU_OK)
        return code;
    fork_watch();
    o.q = calloc(1, sizeof *o.q);
    if (!o.q)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    o.q->epoch = fork_epoch_now();
    pthread_mutex_init(&o.q->control, NULL);
    host_begin(&o.q->host, options->log, options->services, options->context);
    code = run_opening(&o, error);
    store_settings_free(&o.stored);
    free(o.path);
    free(o.came_from);
    free(o.place);
    if (code == QUIPU_OK)
        *out = o.q;
    else
        quipu_close(o.q, NULL);
    return code;
}
