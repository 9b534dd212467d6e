/*
 * mutant.c - a plugin with one thing wrong, chosen by -DMUTANT_<name>; with MUTANT_good nothing is.
 *
 * Its backend "null" stores nothing. `stats` tells what the host offers, so that tests see the host through a plugin's eyes;
 * its embedder "ones" answers every text with the vector (1, 0).
 */
#include <quipu/extensions.h>
#include <quipu/ext/history.h>
#include <quipu/plugin.h>

#include <stdlib.h>
#include <string.h>

static int64_t inits, deinits, threads_ended, config_length;
static const quipu_host *init_host;

struct quipu_backend {
    const quipu_host *host;
};
struct quipu_embedder {
    const quipu_host *host;
};

static const void *service(const quipu_host *host, const char *id)
{
    quipu_str text = { id, strlen(id) };
    return host->get_service(host, &text);
}

/* ---- backend ---- */

static int32_t null_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
{
    (void)error;
#ifdef MUTANT_create_lies
    (void)host;
    *out = NULL;
    return QUIPU_OK;
#else
    *out = malloc(sizeof **out);
    if (!*out)
        return QUIPU_E_NO_MEMORY;
    (*out)->host = host;
    return QUIPU_OK;
#endif
}

static void null_destroy(quipu_backend *self)
{
    free(self);
}

static int32_t null_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                         quipu_error *error)
{
    (void)self, (void)params, (void)call, (void)error;
#ifdef MUTANT_open_positive
    return 7;
#elif defined(MUTANT_open_silent)
    return QUIPU_E_IO; /* and the error object stays as it was */
#else
    return QUIPU_OK;
#endif
}

static int32_t null_close(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    (void)self, (void)call, (void)error;
    return QUIPU_OK;
}

static int32_t null_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                          const quipu_call *call, quipu_error *error)
{
    (void)self, (void)set, (void)receipt, (void)call, (void)error;
    return QUIPU_OK;
}

static int32_t null_get(quipu_backend *self, const quipu_get *query, quipu_hit_fn visit, void *context,
                        const quipu_call *call, quipu_error *error)
{
    (void)self, (void)query, (void)visit, (void)context, (void)call, (void)error;
    return QUIPU_E_NOT_FOUND;
}

static int32_t null_scan(quipu_backend *self, const quipu_scan *query, quipu_hit_fn visit, void *context,
                         const quipu_call *call, quipu_error *error)
{
    (void)self, (void)query, (void)visit, (void)context, (void)call, (void)error;
    return QUIPU_OK;
}

static int32_t null_search(quipu_backend *self, const quipu_search *query, quipu_hit_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    (void)self, (void)query, (void)visit, (void)context, (void)call, (void)error;
    return QUIPU_OK;
}

static int32_t show(quipu_stat_fn visit, void *context, const char *name, int64_t value)
{
    quipu_stat stat = { .struct_size = sizeof stat, .name = { name, strlen(name) }, .value = value };
    return visit(context, &stat);
}

static void count_thread(void *unused)
{
    (void)unused;
    threads_ended++;
}

/* Asks to be told when this thread ends. */
static int64_t watch_thread(const quipu_host *host)
{
    const quipu_thread_exit_service *exits = service(host, QUIPU_SERVICE_THREAD_EXIT);
    return exits ? exits->at_exit(host, count_thread, NULL, NULL) : -1;
}

static int32_t take_vector(void *context, uint64_t index, const float *vector, uint64_t dimension)
{
    int64_t *sum = context;
    for (uint64_t i = 0; i < dimension; i++)
        *sum += (int64_t)vector[i] * (int64_t)(100 * (index + 1));
    return 0;
}

/* 300 for two texts with the embedder "ones"; -1 without one. */
static int64_t embed_two(const quipu_host *host)
{
    const quipu_embed_service *embed = service(host, QUIPU_SERVICE_EMBED);
    quipu_str texts[2] = { { "a", 1 }, { "b", 1 } };
    quipu_array array = { texts, 2, sizeof texts[0] };
    int64_t sum = 0;
    if (!embed)
        return -1;
    int32_t code = embed->embed(host, &array, QUIPU_EMBED_PASSAGE, take_vector, &sum, NULL, NULL);
    return code == QUIPU_OK ? sum : code;
}

static int64_t random_works(const quipu_host *host)
{
    const quipu_random_service *random = service(host, QUIPU_SERVICE_RANDOM);
    unsigned char bytes[1000] = { 0 };
    int seen = 0;
    if (!random || random->fill(host, bytes, sizeof bytes, NULL) != QUIPU_OK)
        return 0;
    for (size_t i = 900; i < sizeof bytes; i++)
        seen |= bytes[i];
    return seen != 0;
}

static int32_t null_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                          quipu_error *error)
{
    const quipu_host *host = self->host;
    const quipu_clock_service *clock = service(host, QUIPU_SERVICE_CLOCK);
    const quipu_log_service *log = service(host, QUIPU_SERVICE_LOG);
    quipu_str who = { "null", 4 }, what = { "stats were asked for", 20 };
    (void)call, (void)error;
    if (log)
        log->write(host, QUIPU_LOG_WARNING, &who, &what);
    show(visit, context, "records", 0);
    show(visit, context, "inits", inits);
    show(visit, context, "deinits", deinits);
    show(visit, context, "threads_ended", threads_ended);
    show(visit, context, "watch_thread", watch_thread(host));
    show(visit, context, "embed_two", embed_two(host));
    show(visit, context, "config_length", config_length);
    show(visit, context, "random_works", random_works(host));
    show(visit, context, "now", clock ? clock->now(host) : 0);
    show(visit, context, "monotonic", clock ? clock->monotonic(host) : 0);
    show(visit, context, "complete", service(host, QUIPU_SERVICE_COMPLETE) != NULL);
    show(visit, context, "trailing", service(host, QUIPU_SERVICE_LOG "x") != NULL);
    return show(visit, context, "null_id", host->get_service(host, NULL) != NULL);
}

static int32_t null_flush(quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    (void)self, (void)call, (void)error;
    return QUIPU_OK;
}

#ifdef MUTANT_half_history
static int32_t no_resolve(quipu_backend *self, const quipu_str *spec, quipu_revision_fn visit, void *context,
                          const quipu_call *call, quipu_error *error)
{
    (void)self, (void)spec, (void)visit, (void)context, (void)call, (void)error;
    return QUIPU_E_UNSUPPORTED;
}
static int32_t no_log(quipu_backend *self, const quipu_log_query *query, quipu_revision_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    (void)self, (void)query, (void)visit, (void)context, (void)call, (void)error;
    return QUIPU_E_UNSUPPORTED;
}
static int32_t no_revert(quipu_backend *self, const quipu_str *spec, const quipu_change_set *as, quipu_receipt *receipt,
                         const quipu_call *call, quipu_error *error)
{
    (void)self, (void)spec, (void)as, (void)receipt, (void)call, (void)error;
    return QUIPU_E_UNSUPPORTED;
}
static const quipu_history_api history = {
    .struct_size = sizeof history, .resolve = no_resolve, .log = no_log, .diff = NULL, .revert = no_revert
};
#endif

static const void *null_extension(quipu_backend *self, const quipu_str *id)
{
    (void)self, (void)id;
#ifdef MUTANT_half_history
    if (id && QUIPU_IS(id, QUIPU_EXT_HISTORY))
        return &history;
#endif
    return NULL;
}

static const quipu_backend_api null_api = {
#ifdef MUTANT_truncated_table
    .struct_size = offsetof(quipu_backend_api, flush),
#else
    .struct_size = sizeof(quipu_backend_api),
#endif
#ifdef MUTANT_table_flag
    .flags = 4,
#endif
    .create = null_create,
    .destroy = null_destroy,
    .open = null_open,
    .close = null_close,
    .apply = null_apply,
    .get = null_get,
    .scan = null_scan,
#ifndef MUTANT_missing_slots
    .search = null_search,
    .stats = null_stats,
#endif
    .flush = null_flush,
    .get_extension = null_extension,
};

#ifdef MUTANT_missing_slots
/* what the table leaves out */
int32_t (*const unused_search)(quipu_backend *, const quipu_search *, quipu_hit_fn, void *, const quipu_call *,
                               quipu_error *) = null_search;
int32_t (*const unused_stats)(quipu_backend *, quipu_stat_fn, void *, const quipu_call *, quipu_error *) = null_stats;
#endif

/* ---- embedder ---- */

static int32_t ones_create(const quipu_host *host, quipu_embedder **out, quipu_error *error)
{
    (void)error;
    *out = malloc(sizeof **out);
    if (!*out)
        return QUIPU_E_NO_MEMORY;
    (*out)->host = host;
    return QUIPU_OK;
}

static void ones_destroy(quipu_embedder *self)
{
    free(self);
}

static int32_t ones_open(quipu_embedder *self, const quipu_str *config, const quipu_call *call, quipu_error *error)
{
    (void)self, (void)call, (void)error;
    config_length = config && config->ptr ? (int64_t)config->len : -1;
    return QUIPU_OK;
}

static int32_t ones_close(quipu_embedder *self, const quipu_call *call, quipu_error *error)
{
    (void)self, (void)call, (void)error;
    return QUIPU_OK;
}

static int32_t ones_model(quipu_embedder *self, quipu_model *out, quipu_error *error)
{
    (void)self, (void)error;
    *out = (quipu_model){ .struct_size = sizeof *out, .dimension = 2, .id = QUIPU_STR_INIT("ones:2") };
    return QUIPU_OK;
}

static int32_t ones_embed(quipu_embedder *self, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                          void *context, const quipu_call *call, quipu_error *error)
{
    static const float vector[2] = { 1, 0 };
    (void)self, (void)purpose, (void)call, (void)error;
    for (uint64_t i = 0; i < texts->count; i++) {
        int32_t code = visit(context, i, vector, 2);
        if (code != 0)
            return code < 0 ? code : QUIPU_OK;
    }
    return QUIPU_OK;
}

static const void *ones_extension(quipu_embedder *self, const quipu_str *id)
{
    (void)self, (void)id;
    return NULL;
}

static const quipu_embedder_api ones_api = {
    .struct_size = sizeof(quipu_embedder_api),
    .create = ones_create,
    .destroy = ones_destroy,
    .open = ones_open,
    .close = ones_close,
    .model = ones_model,
#ifndef MUTANT_embedder_slot
    .embed = ones_embed,
#endif
    .get_extension = ones_extension,
};

#ifdef MUTANT_embedder_slot
int32_t (*const unused_embed)(quipu_embedder *, const quipu_array *, uint32_t, quipu_vector_fn, void *,
                              const quipu_call *, quipu_error *) = ones_embed;
#endif

/* ---- the plugin ---- */

#ifdef MUTANT_bad_name
#define NAME "Null!"
#else
#define NAME "null"
#endif

static const quipu_backend_desc descs[] = {
    { .struct_size = sizeof descs[0],
      .format = 1,
      .name = QUIPU_STR_INIT(NAME),
      .summary = QUIPU_STR_INIT("stores nothing"),
      .api = &null_api },
#ifdef MUTANT_two_names
    { .struct_size = sizeof descs[0],
      .format = 1,
      .name = QUIPU_STR_INIT(NAME),
      .summary = QUIPU_STR_INIT("stores nothing, again"),
      .api = &null_api },
#endif
};

#ifdef MUTANT_bad_stride
#define STRIDE (sizeof descs[0] - 8)
#else
#define STRIDE sizeof descs[0]
#endif

static const quipu_backend_list backends = { .struct_size = sizeof backends,
                                             .items = { descs, sizeof descs / sizeof descs[0], STRIDE } };

static const quipu_embedder_desc embedder_desc = { .struct_size = sizeof embedder_desc,
                                                   .name = QUIPU_STR_INIT("ones"),
                                                   .summary = QUIPU_STR_INIT("every text is (1, 0)"),
                                                   .api = &ones_api };
static const quipu_embedder_list embedders = { .struct_size = sizeof embedders,
                                               .items = { &embedder_desc, 1, sizeof embedder_desc } };

static const void *get_factory(const quipu_str *id)
{
#ifdef MUTANT_offers_nothing
    (void)id, (void)backends, (void)embedders;
    return NULL;
#else
    if (id && QUIPU_IS(id, QUIPU_BACKENDS))
        return &backends;
    return id && QUIPU_IS(id, QUIPU_EMBEDDERS) ? &embedders : NULL;
#endif
}

static int32_t init(const quipu_host *host, uint32_t abi_min, uint32_t abi_max, uint32_t *chosen, quipu_error *error)
{
    (void)abi_min, (void)abi_max, (void)error;
    inits++;
    init_host = host;
#ifdef MUTANT_init_fails
    if (error) {
        error->code = QUIPU_E_IO;
        memcpy(error->message, "the moon is in the wrong phase", 31);
    }
    return QUIPU_E_IO;
#endif
#ifdef MUTANT_init_chooses
    *chosen = QUIPU_ABI_MAKE(9, 9);
#else
    *chosen = abi_max;
#endif
    return QUIPU_OK;
}

static void deinit(void)
{
    deinits++;
    init_host = NULL;
}

#if defined(MUTANT_unknown_flag) || defined(MUTANT_many)
#define FLAGS (QUIPU_PLUGIN_FORK_SAFE | 0x80u)
#elif defined(MUTANT_not_fork_safe)
#define FLAGS 0u
#else
#define FLAGS (QUIPU_PLUGIN_FORK_SAFE | QUIPU_PLUGIN_UNLOADABLE)
#endif

#if defined(MUTANT_bad_utf8)
#define ID "org.example.\xff"
#else
#define ID "org.example.null"
#endif
#if defined(MUTANT_many)
#define VERSION "" /* no version */
#else
#define VERSION "1.0.0"
#endif

#ifdef MUTANT_newer_major
#undef QUIPU_ABI_VERSION
#define QUIPU_ABI_VERSION QUIPU_ABI_MAKE(1, 2)
#endif
#ifdef MUTANT_wrong_magic
#undef QUIPU_PLUGIN_MAGIC
#define QUIPU_PLUGIN_MAGIC 0x12345678u
#endif

#if defined(MUTANT_note_differs)
QUIPU_NOTE_("org.example.other", "2.0.0", "Apache-2.0", FLAGS)
#endif
#if defined(MUTANT_note_differs) || defined(MUTANT_no_note)
#undef QUIPU_NOTE_
#define QUIPU_NOTE_(id_, version_, licence_, flags_)
#endif

#define FIELDS(size_)                                                                                                  \
    {                                                                                                                  \
        size_, QUIPU_PLUGIN_MAGIC, QUIPU_ABI_VERSION, QUIPU_ABI_VERSION, FLAGS, 0, QUIPU_STR_INIT(ID),                 \
            QUIPU_STR_INIT(VERSION), QUIPU_STR_INIT("Apache-2.0"), init, deinit, get_factory                           \
    }

#if defined(MUTANT_no_entry)
QUIPU_NOTE_(ID, VERSION, "Apache-2.0", FLAGS)
extern QUIPU_EXPORT const quipu_plugin quipu_plugin_entri;
const quipu_plugin quipu_plugin_entri = FIELDS(sizeof(quipu_plugin));
#elif defined(MUTANT_truncated_entry)
QUIPU_NOTE_(ID, VERSION, "Apache-2.0", FLAGS)
extern QUIPU_EXPORT const quipu_plugin quipu_plugin_entry;
const quipu_plugin quipu_plugin_entry = FIELDS(offsetof(quipu_plugin, get_factory));
#elif defined(MUTANT_oversized_entry)
/* A plugin of a later minor version, which relies on a field that this host does not know. */
typedef struct later_plugin {
    quipu_plugin known;
    uint64_t later;
} later_plugin;
QUIPU_NOTE_(ID, VERSION, "Apache-2.0", FLAGS)
extern QUIPU_EXPORT const later_plugin quipu_plugin_entry;
const later_plugin quipu_plugin_entry = { FIELDS(sizeof(later_plugin)), 1 };
#elif defined(MUTANT_size_lies)
QUIPU_NOTE_(ID, VERSION, "Apache-2.0", FLAGS)
extern QUIPU_EXPORT const quipu_plugin quipu_plugin_entry;
const quipu_plugin quipu_plugin_entry = FIELDS(sizeof(quipu_plugin) + 64);
#elif defined(MUTANT_half_group)
QUIPU_PLUGIN(ID, VERSION, "Apache-2.0", FLAGS, init, NULL, get_factory);
void (*const unused_deinit)(void) = deinit;
#elif defined(MUTANT_many)
QUIPU_PLUGIN(ID, VERSION, "Apache-2.0", FLAGS, NULL, deinit, NULL);
int32_t (*const unused_init)(const quipu_host *, uint32_t, uint32_t, uint32_t *, quipu_error *) = init;
const void *(*const unused_factory)(const quipu_str *) = get_factory;
#else
QUIPU_PLUGIN(ID, VERSION, "Apache-2.0", FLAGS, init, deinit, get_factory);
#endif
