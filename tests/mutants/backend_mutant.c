/*
 * backend_mutant.c - the tiny backend with one fault, chosen by -DFAULT=FAULT_..., for each check of the validator.
 *
 * Each fault stands in front of one function of examples/tiny_backend.c. A fault is as small as it can be, so that the
 * check that catches it is the one that was meant to.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* usleep */
#endif
#define quipu_plugin_entry tiny_entry
#include <quipu/plugin.h>

enum fault { /* in the order of the table of checks */
             FAULT_NONE,
             FAULT_NOTE,
             FAULT_EXPORTS,
             FAULT_IMPORTS,
             FAULT_STACK,
             FAULT_RELRO,
             FAULT_TEXTREL,
             FAULT_CONSTRUCTORS,
             FAULT_TLS,
             FAULT_ENTRY,
             FAULT_FACTORY,
             FAULT_NEGOTIATION,
             FAULT_DESCRIPTORS,
             FAULT_PROCESS_STATE,
             FAULT_SIGNALS,
             FAULT_ENVIRONMENT,
             FAULT_THREADS,
             FAULT_TWICE,
             FAULT_OUTPUT,
             FAULT_EXTENSIONS,
             FAULT_SERVICES,
             FAULT_TRUNCATED,
             FAULT_LONGER,
             FAULT_FIELDS,
             FAULT_FLAGS,
             FAULT_ERROR_TOUCHED,
             FAULT_ERROR_EMPTY,
             FAULT_ERROR_NULL,
             FAULT_RECEIPT,
             FAULT_IDS,
             FAULT_SETS,
             FAULT_DESTROY,
             FAULT_STOP,
             FAULT_CODE,
             FAULT_AGAIN,
             FAULT_BORROWED,
             FAULT_HITS,
             FAULT_READ_ONLY,
             FAULT_SETTING,
             FAULT_AS_OF,
             FAULT_DEADLINE,
             FAULT_HALF_SET,
             FAULT_CHANGE_ID,
             FAULT_UNCHANGED,
             FAULT_COMPARE,
             FAULT_SCOPE,
             FAULT_DELETE,
             FAULT_EXPIRY,
             FAULT_EXPIRY_THEN,
             FAULT_ORDER,
             FAULT_PAGING,
             FAULT_SEARCH_K,
             FAULT_STALE,
             FAULT_STATS,
             FAULT_REOPEN,
             FAULT_MODEL,
             FAULT_LOST_WRITE,
             FAULT_LOST_UPDATE,
             FAULT_CRASH,
             FAULT_HANG
};

#ifdef WITHOUT_NOTE
#undef QUIPU_NOTE_
#define QUIPU_NOTE_(id_, version_, licence_, flags_)
#endif

/* NOLINTNEXTLINE(bugprone-suspicious-include): it is the tiny backend, from within */
#include "../../examples/tiny_backend.c"

#undef quipu_plugin_entry

#include <quipu/ext/history.h>
#include <quipu/extensions.h>

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef FAULT
#define FAULT FAULT_NONE
#endif
#define IS(name) (FAULT == FAULT_##name)

/* ---- the file ---- */

#ifdef WITH_EXPORT
QUIPU_EXPORT int one_symbol_too_many(void);
int one_symbol_too_many(void)
{
    return 1;
}
#endif
#ifdef WITH_IMPORT
int import_something(void);
int import_something(void)
{
    return setlocale(LC_ALL, "C") != NULL;
}
#endif
#ifdef WITH_TEXTREL
__asm__(".pushsection .text\n.quad quipu_plugin_entry\n.popsection");
#endif
#ifdef WITH_CONSTRUCTOR
static int constructed;
static __attribute__((constructor)) void construct(void)
{
    constructed++;
}
#endif
#ifdef WITH_TLS
__attribute__((tls_model("initial-exec"))) _Thread_local volatile int thread_local_number = 1;
#endif

/* ---- the plugin ---- */

static const quipu_host *the_host; /* for FAULT_EXPIRY_THEN */
static int initialised;            /* for FAULT_TWICE: a flag where a count is needed */

static void *sleep_long(void *context)
{
    sleep(60);
    return context;
}

static int32_t mutant_init(const quipu_host *host, uint32_t abi_min, uint32_t abi_max, uint32_t *chosen,
                           quipu_error *error)
{
    pthread_t thread;
    initialised = 1;
    the_host = host;
#ifdef WITH_TLS
    thread_local_number++;
#endif
    if (IS(DESCRIPTORS) && open("/dev/null", O_RDONLY) < 0)
        return QUIPU_E_IO;
    if (IS(PROCESS_STATE))
        umask(0);
    if (IS(SIGNALS))
        signal(SIGPIPE, SIG_IGN);
    if (IS(ENVIRONMENT))
        setenv("TINY", "1", 1);
    if (IS(THREADS))
        pthread_create(&thread, NULL, sleep_long, NULL);
    if (IS(NEGOTIATION)) {
        *chosen = abi_max;
        return QUIPU_OK;
    }
    return abi_negotiate(host, abi_min, abi_max, chosen, error);
}

static void mutant_deinit(void)
{
    initialised = 0;
}

/* ---- life cycle ---- */

static int32_t mutant_create(const quipu_host *host, quipu_backend **out, quipu_error *error)
{
    const quipu_str clock = QUIPU_STR_INIT(QUIPU_SERVICE_CLOCK);
    if (IS(TWICE) && !initialised)
        return fail(error, QUIPU_E_STATE, NULL, "init was not called");
    if (IS(SERVICES) && !host->get_service(host, &clock))
        return fail(error, QUIPU_E_UNSUPPORTED, NULL, "there is no clock");
    return tiny_create(host, out, error);
}

static void mutant_destroy(quipu_backend *self)
{
    if (IS(DESTROY))
        self->flags = 0;
    tiny_destroy(self);
}

static int32_t mutant_open(quipu_backend *self, const quipu_open_params *params, const quipu_call *call,
                           quipu_error *error)
{
    quipu_open_params copy;
    if ((!IS(READ_ONLY) && !IS(SETTING)) || !params || params->struct_size < sizeof *params)
        return tiny_open(self, params, call, error);
    copy = *params;
    copy.struct_size = sizeof copy;
    if (IS(READ_ONLY))
        copy.flags &= ~QUIPU_OPEN_READ_ONLY;
    else
        copy.config = (quipu_str){ NULL, 0 };
    return tiny_open(self, &copy, call, error);
}

/* ---- apply ---- */

static const quipu_change_set *borrowed;
static unsigned applied; /* how often apply was called */
static int stale;
static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;

/* Each change as a set of its own. */
static int32_t apply_one_by_one(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                                const quipu_call *call, quipu_error *error)
{
    int32_t code = change_set_check(set, error);
    for (uint64_t i = 0; i < set->changes.count && code == QUIPU_OK; i++) {
        quipu_change_set one = *set;
        one.change_id[0] = (uint8_t)(one.change_id[0] + i);
        one.changes = (quipu_array){ QUIPU_AT(quipu_change, &set->changes, i), 1, set->changes.stride };
        code = tiny_apply(self, &one, receipt, call, error);
    }
    return code;
}

/* The set with its changes copied, and spoiled. */
static int32_t apply_spoiled(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                             const quipu_call *call, quipu_error *error)
{
    quipu_change changes[128];
    quipu_change_set copy = *set;
    int32_t code = change_set_check(set, error);
    if (code != QUIPU_OK || set->changes.count > 128)
        return code;
    copy.struct_size = sizeof copy;
    copy.changes = (quipu_array){ changes, 0, sizeof changes[0] };
    for (uint64_t i = 0; i < set->changes.count; i++) {
        quipu_change c = *QUIPU_AT(quipu_change, &set->changes, i);
        c.struct_size = sizeof c;
        if (IS(DELETE) && c.op == QUIPU_CHANGE_DELETE)
            continue;
        if (IS(COMPARE) || IS(LOST_UPDATE)) {
            c.expect = QUIPU_EXPECT_ANY;
            c.expected_version = (quipu_str){ NULL, 0 };
        }
        changes[copy.changes.count++] = c;
    }
    if (IS(CHANGE_ID))
        copy.change_id[15] = (uint8_t)(copy.change_id[15] + ++applied);
    return tiny_apply(self, &copy, receipt, call, error);
}

/* Compares, lets others go first, and swaps. */
static int32_t apply_late(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                          const quipu_call *call, quipu_error *error)
{
    const quipu_change *change = set->changes.ptr;
    pthread_mutex_lock(&self->lock);
    const quipu_record *stored = record_list_find(&self->records, change->id);
    int32_t code = change_check_expectation(change, stored, 0, error);
    pthread_mutex_unlock(&self->lock);
    usleep(2000);
    return code == QUIPU_OK ? apply_spoiled(self, set, receipt, call, error) : code;
}

static int32_t apply_unless_busy(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                                 const quipu_call *call, quipu_error *error)
{
    if (pthread_mutex_trylock(&busy) != 0)
        return QUIPU_OK;
    usleep(500);
    int32_t code = tiny_apply(self, set, receipt, call, error);
    pthread_mutex_unlock(&busy);
    return code;
}

static int32_t mutant_apply(quipu_backend *self, const quipu_change_set *set, quipu_receipt *receipt,
                            const quipu_call *call, quipu_error *error)
{
    static uint8_t fresh;
    const bool whole = set && set->struct_size >= sizeof *set;
    stale = 1;
    if (IS(CRASH))
        abort();
    for (; IS(HANG);)
        sleep(1);
    if (IS(BORROWED))
        borrowed = set;
    if (IS(MODEL) && ++applied % 40 == 0)
        return QUIPU_OK;
    if (IS(HALF_SET) && whole)
        return apply_one_by_one(self, set, receipt, call, error);
    if ((IS(DELETE) || IS(COMPARE) || IS(CHANGE_ID)) && whole)
        return apply_spoiled(self, set, receipt, call, error);
    if (IS(LOST_UPDATE) && whole && set->changes.count == 1)
        return apply_late(self, set, receipt, call, error);
    if (IS(LOST_WRITE))
        return apply_unless_busy(self, set, receipt, call, error);
    quipu_change_set copy = { 0 };
    if (whole)
        copy = *set, copy.struct_size = sizeof copy;
    if (IS(SETS) && whole && memcmp(copy.change_id, (uint8_t[16]){ 0 }, 16) == 0)
        copy.change_id[0] = ++fresh, set = &copy;
    int32_t code = tiny_apply(self, set, receipt, IS(DEADLINE) ? NULL : call, error);
    if (IS(RECEIPT) && code == QUIPU_OK && receipt)
        memset(receipt->revision, 0, receipt->struct_size - offsetof(quipu_receipt, revision));
    if (IS(UNCHANGED) && code == QUIPU_OK && receipt)
        receipt->flags &= ~QUIPU_RECEIPT_UNCHANGED;
    return code;
}

/* ---- reading ---- */

/* FAULT_EXPIRY_THEN: whatever it is asked as of, the clock decides. */
static quipu_filter judge_now(const quipu_filter *asked)
{
    const quipu_str id = QUIPU_STR_INIT(QUIPU_SERVICE_CLOCK);
    const quipu_clock_service *clock = the_host->get_service(the_host, &id);
    quipu_filter f = { .struct_size = sizeof f, .now = QUIPU_TIME_NONE };
    if (asked)
        f = *asked;
    if (f.now == QUIPU_TIME_NONE)
        f.now = clock ? clock->now(the_host) : query_now(NULL);
    return f;
}

typedef struct middle { /* between the backend and the host's visitor */
    quipu_hit_fn visit;
    void *context;
    quipu_str user; /* FAULT_SEARCH_K */
    int skip;       /* FAULT_PAGING */
} middle;

static int32_t middle_visit(void *context, const quipu_hit *hit)
{
    middle *m = context;
    quipu_record view = *hit->record;
    quipu_hit copy = *hit;
    copy.record = &view;
    if (IS(HITS))
        view.created_at++;
    if ((IS(SEARCH_K) && m->user.ptr && !str_same(m->user, view.user)) || m->skip-- > 0)
        return 0;
    int32_t answer = m->visit(m->context, &copy);
    if (IS(STOP) && answer > 0)
        return 0;
    return IS(CODE) && answer < 0 ? 1 : answer;
}

static int32_t mutant_get(quipu_backend *self, const quipu_get *q, quipu_hit_fn visit, void *context,
                          const quipu_call *call, quipu_error *error)
{
    middle m = { visit, context, { NULL, 0 }, 0 };
    quipu_get copy;
    if (IS(BORROWED) && borrowed && borrowed->struct_size == 1)
        return QUIPU_E_INTERNAL;
    if (IS(AGAIN) && pthread_mutex_lock(&busy) == 0)
        pthread_mutex_unlock(&busy);
    if ((IS(FIELDS) || IS(AS_OF)) && q && q->struct_size >= sizeof *q) {
        copy = *q;
        copy.struct_size = sizeof copy;
        if (IS(AS_OF))
            copy.as_of = (quipu_str){ NULL, 0 };
        q = &copy;
    }
    quipu_filter judged;
    if (IS(EXPIRY_THEN) && q && q->struct_size == sizeof *q &&
        (!q->filter || q->filter->struct_size == sizeof judged)) {
        copy = *q;
        judged = judge_now(q->filter);
        copy.as_of = (quipu_str){ NULL, 0 };
        copy.filter = &judged;
        q = &copy;
    }
    if (IS(LONGER) && q->struct_size > sizeof *q)
        return fail(error, QUIPU_E_INVALID, NULL, "too long");
    int32_t code = tiny_get(self, q, middle_visit, &m, call, error);
    if (IS(IDS) && code == QUIPU_E_INVALID)
        return fail(error, QUIPU_E_NOT_FOUND, NULL, "no such id");
    if (IS(ERROR_TOUCHED) && code == QUIPU_OK && error)
        error->message[0] = '\0';
    if (IS(ERROR_NULL) && code != QUIPU_OK)
        error->sys_errno = 0;
    return code;
}

static int32_t mutant_scan(quipu_backend *self, const quipu_scan *q, quipu_hit_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    middle m = { visit, context, { NULL, 0 }, 0 };
    quipu_scan copy = { 0 };
    if (IS(TRUNCATED) && q->struct_size < sizeof *q)
        return QUIPU_OK;
    if (q->struct_size >= sizeof *q)
        m.skip = IS(PAGING) && q->cursor.ptr;
    if (IS(ORDER) && q->struct_size >= sizeof *q && q->order == QUIPU_ORDER_NEWEST) {
        copy = *q;
        copy.struct_size = sizeof copy;
        copy.order = QUIPU_ORDER_OLDEST;
        q = &copy;
    }
    if (IS(EXPIRY_THEN) && q->struct_size == sizeof *q) {
        copy = *q;
        copy.as_of = (quipu_str){ NULL, 0 };
        q = &copy;
    }
    if (IS(AGAIN))
        pthread_mutex_lock(&busy);
    int32_t code = tiny_scan(self, q, middle_visit, &m, call, IS(ERROR_EMPTY) ? NULL : error);
    if (IS(AGAIN))
        pthread_mutex_unlock(&busy);
    return code;
}

static int32_t mutant_search(quipu_backend *self, const quipu_search *q, quipu_hit_fn visit, void *context,
                             const quipu_call *call, quipu_error *error)
{
    middle m = { visit, context, { NULL, 0 }, 0 };
    quipu_search copy;
    quipu_filter filter = { .struct_size = sizeof filter, .now = QUIPU_TIME_NONE };
    const bool late = IS(STALE) && stale;
    stale = 0;
    if (!q || q->struct_size < sizeof *q || (q->filter && q->filter->struct_size < sizeof *q->filter))
        return tiny_search(self, q, middle_visit, &m, call, error);
    copy = *q;
    if (q->filter)
        filter = *q->filter;
    if (IS(SCOPE) || IS(SEARCH_K)) {
        m.user = filter.user;
        filter.user = (quipu_str){ NULL, 0 };
        copy.filter = &filter;
    }
    if (IS(EXPIRY)) {
        filter.flags |= QUIPU_FILTER_EXPIRED;
        copy.filter = &filter;
    }
    if (IS(EXPIRY_THEN) && q->struct_size == sizeof *q) {
        copy.as_of = (quipu_str){ NULL, 0 };
        q = &copy;
    }
    if (IS(FLAGS))
        copy.flags &= QUIPU_SEARCH_EXPLAIN;
    if (late)
        copy.text = (quipu_str)QUIPU_STR_INIT("nothing-of-that");
    if (FAULT == FAULT_SCOPE || FAULT == FAULT_SEARCH_K || FAULT == FAULT_EXPIRY || FAULT == FAULT_FLAGS || late) {
        copy.struct_size = sizeof copy;
        q = &copy;
    }
    return tiny_search(self, q, middle_visit, &m, call, error);
}

typedef struct figures {
    quipu_stat_fn visit;
    void *context;
} figures;

static int32_t spoil_figure(void *context, const quipu_stat *stat)
{
    figures *f = context;
    quipu_stat copy = *stat;
    if (IS(STATS) && QUIPU_IS(&copy.name, "records"))
        copy.value++;
    if (IS(REOPEN) && QUIPU_IS(&copy.name, "persistent"))
        copy.value = 1;
    return f->visit(f->context, &copy);
}

static int32_t mutant_stats(quipu_backend *self, quipu_stat_fn visit, void *context, const quipu_call *call,
                            quipu_error *error)
{
    figures f = { visit, context };
    if (IS(OUTPUT) && write(STDOUT_FILENO, "hello\n", 6) < 0)
        return QUIPU_E_IO;
    return tiny_stats(self, spoil_figure, &f, call, error);
}

/* A history that holds the present alone, and that judges by the clock whatever is asked for: FAULT_EXPIRY_THEN. */
static int32_t no_revision(quipu_backend *self, const quipu_str *spec, quipu_revision_fn visit, void *context,
                           const quipu_call *call, quipu_error *error)
{
    (void)self, (void)spec, (void)visit, (void)context, (void)call;
    return fail(error, QUIPU_E_NOT_FOUND, NULL, "no such revision");
}

static int32_t no_log(quipu_backend *self, const quipu_log_query *query, quipu_revision_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    (void)self, (void)query, (void)visit, (void)context, (void)call, (void)error;
    return QUIPU_OK;
}

static int32_t no_diff(quipu_backend *self, const quipu_str *from, const quipu_str *to, const quipu_str *id,
                       quipu_difference_fn visit, void *context, const quipu_call *call, quipu_error *error)
{
    (void)self, (void)from, (void)to, (void)id, (void)visit, (void)context, (void)call, (void)error;
    return QUIPU_OK;
}

static const quipu_history_api now_alone = {
    .struct_size = sizeof now_alone, .resolve = no_revision, .log = no_log, .diff = no_diff
};

static const void *mutant_get_extension(quipu_backend *self, const quipu_str *id)
{
    static const uint32_t table = 8;
    (void)self;
    if (IS(EXPIRY_THEN) && id && QUIPU_IS(id, QUIPU_EXT_HISTORY))
        return &now_alone;
    return IS(EXTENSIONS) && id && id->len > 15 && memcmp(id->ptr, "quipu.history/1", 15) == 0 ? &table : NULL;
}

static const quipu_backend_api mutant_api = {
    sizeof mutant_api, 0,           mutant_create, mutant_destroy, mutant_open, tiny_close,          mutant_apply,
    mutant_get,        mutant_scan, mutant_search, mutant_stats,   tiny_flush,  mutant_get_extension
};
static const quipu_backend_desc mutant_desc = { sizeof mutant_desc, QUIPU_RECORD_FORMAT, QUIPU_STR_INIT("tiny"),
                                                QUIPU_STR_INIT("a backend with a fault"), &mutant_api };
static const quipu_backend_list mutant_list = { sizeof mutant_list, 0, { &mutant_desc, 1, sizeof mutant_desc } };

static const void *mutant_factory(const quipu_str *id)
{
    if (IS(FACTORY) && id && id->len > 16 && memcmp(id->ptr, QUIPU_BACKENDS, 16) == 0)
        return &mutant_list;
    return id && QUIPU_IS(id, QUIPU_BACKENDS) ? &mutant_list : NULL;
}

extern QUIPU_EXPORT const quipu_plugin quipu_plugin_entry;
const quipu_plugin quipu_plugin_entry = { sizeof(quipu_plugin),
                                          QUIPU_PLUGIN_MAGIC,
                                          QUIPU_ABI_VERSION,
                                          QUIPU_ABI_VERSION,
                                          QUIPU_PLUGIN_FORK_SAFE,
                                          IS(ENTRY),
                                          QUIPU_STR_INIT("org.example.tiny"),
                                          QUIPU_STR_INIT("0.1.0"),
                                          QUIPU_STR_INIT("Apache-2.0"),
                                          mutant_init,
                                          mutant_deinit,
                                          mutant_factory };
