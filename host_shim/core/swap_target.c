/*
 * swap_target.c - where the new store is, what it was before, and what both stores are told of the swap.
 *
 * A store that is being filled says so in its settings ("filling_from"), so that nobody takes a half of it for a whole, and a swap that
 * was cut short finds it again. What a store that moved away says ("moved_to") is for those who open it; its fence is for writers.
 */
#include "swap.h"

#include "moved.h"

#include <base/fail.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <quipu/extensions.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

side side_of(const tenant *t)
{
    side x = { .api = tenant_api(t),
               .self = t->self,
               .history = tenant_extension(t, QUIPU_EXT_HISTORY),
               .migrate = tenant_extension(t, QUIPU_EXT_MIGRATE) };
    x.can_fence = x.migrate && QUIPU_HAS(x.migrate, fenced) && x.migrate->fenced;
    return x;
}

static int32_t see_persistent(void *context, const quipu_stat *stat) QUIPU_NOEXCEPT
{
    bool *persistent = context;
    if (QUIPU_IS(&stat->name, "persistent"))
        *persistent = stat->value != 0;
    return 0;
}

int32_t side_persistent(const side *x, bool *out, quipu_error *error)
{
    *out = true;
    return x->api->stats(x->self, see_persistent, out, NULL, error);
}

/* ---- one swap at a time ---- */

/* A lock that ends with the process. Of a store that is no folder there is none: it belongs to one process. */
static int32_t lock_folder(swap *s, const char *path, int *out)
{
    *out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out < 0)
        return QUIPU_OK;
    if (flock(*out, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return QUIPU_OK; /* a file system without locks */
    return fail(s->error, QUIPU_E_BUSY, "store", "another process is swapping %s", path);
}

void swap_unlock(swap *s)
{
    if (s->old_lock >= 0)
        close(s->old_lock);
    if (s->new_lock >= 0)
        close(s->new_lock);
    s->old_lock = s->new_lock = -1;
}

static int32_t see_place(void *context, const void *bytes, uint64_t len) QUIPU_NOEXCEPT
{
    buffer_append(context, bytes, (size_t)len);
    return QUIPU_OK;
}

int32_t swap_lock_old(swap *s)
{
    store_settings found = { 0 };
    buffer place = { 0 };
    bool any;
    int32_t code = lock_folder(s, s->from->path, &s->old_lock);
    if (code == QUIPU_OK && s->old.can_fence)
        code = s->old.migrate->fenced(s->old.self, see_place, &place, s->call, s->error);
    if (code == QUIPU_OK)
        code = store_settings_read(s->from->path, &found, &any, s->error);
    if (code == QUIPU_OK && place.len == 0 && found.moved_to)
        buffer_append_text(&place, found.moved_to);
    if (code == QUIPU_OK && place.len > 0)
        code = fail(s->error, QUIPU_E_MOVED, "store", "the store has moved to %.200s: open that one", place.bytes);
    store_settings_free(&found);
    buffer_free(&place);
    return code;
}

/* ---- choosing ---- */

static void place_of(const swap *s, buffer *out)
{
    place_print(s->options->backend, s->target_path, out);
}

/* Whether the store at `path` had been left for the one that is active now. */
static bool was_left_for_us(const swap *s, const store_settings *found)
{
    buffer here = { 0 };
    place_print(str_of(s->from->name), s->from->path, &here);
    bool same = found->moved_to && !here.failed && strcmp(found->moved_to, here.bytes) == 0;
    buffer_free(&here);
    return same;
}

static bool ends_with_name(const char *path, const char *name)
{
    size_t len = strlen(path), tail = strlen(name);
    return len > tail + 2 && path[len - tail - 1] == '.' && strcmp(path + len - tail, name) == 0;
}

/* "memory" and "sqlite" give "memory.sqlite"; "memory.sqlite" and "git" give "memory", where that is the store that was left, else
 * "memory.git". */
static int32_t default_path(swap *s, buffer *out)
{
    const tenant *from = s->from;
    store_settings left = { 0 };
    bool found = false;
    buffer_append_text(out, from->path);
    if (out->bytes && ends_with_name(from->path, from->name)) {
        out->len -= strlen(from->name) + 1;
        out->bytes[out->len] = '\0';
        int32_t code = store_settings_read(out->bytes, &left, &found, s->error);
        bool back = code == QUIPU_OK && found && left.backend && str_same(str_of(left.backend), s->options->backend) &&
                    was_left_for_us(s, &left);
        store_settings_free(&left);
        if (code != QUIPU_OK || back)
            return code;
    }
    buffer_append_char(out, '.');
    buffer_append_str(out, s->options->backend);
    return out->failed ? fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted") : QUIPU_OK;
}

static int32_t judge(swap *s, const store_settings *found, bool any)
{
    const char *path = s->target_path;
    s->target = TARGET_FRESH;
    if (!any)
        return QUIPU_OK; /* what is in it is looked at when it is open */
    if (found->backend && !str_same(str_of(found->backend), s->options->backend))
        return fail(s->error, QUIPU_E_EXISTS, "store", "%s is a store of the backend %s: choose another place", path,
                    found->backend);
    if (found->filling_from && strcmp(found->filling_from, s->from->path) == 0)
        s->target = found->moved_to ? TARGET_BACK : TARGET_RESUME;
    else if (found->filling_from)
        return fail(s->error, QUIPU_E_EXISTS, "store", "%s is an unfinished copy of %s: choose another place", path,
                    found->filling_from);
    else if (was_left_for_us(s, found))
        s->target = TARGET_BACK;
    else
        return fail(s->error, QUIPU_E_EXISTS, "store", "%s holds a store already: choose another place", path);
    return QUIPU_OK;
}

/* What the new store's settings will be; those of one that is there already are kept where none are given. */
static int32_t make_settings(swap *s, const store_settings *found)
{
    store_settings made = s->q->with;
    const quipu_str config = s->options->backend_config;
    char *backend = str_dup(s->options->backend);
    char *given = str_present(config) ? str_dup(config) : NULL;
    made.backend = backend;
    made.backend_config = given ? given : s->target == TARGET_SAME ? s->q->with.backend_config : found->backend_config;
    made.filling_from = s->from->path;
    made.moved_to = found->moved_to;
    bool whole = store_settings_copy(&made, &s->settings) && backend && !given == !str_present(config);
    free(backend);
    free(given);
    return whole ? QUIPU_OK : fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
}

int32_t swap_choose_target(swap *s)
{
    buffer standard = { 0 };
    store_settings found = { 0 };
    bool any = false, persistent;
    int32_t code = side_persistent(&s->old, &persistent, s->error);
    bool given = str_present(s->options->store);
    if (code == QUIPU_OK && !given && persistent && str_same(s->options->backend, str_of(s->from->name))) {
        s->target = TARGET_SAME;
        s->target_path = str_dup(str_of(s->from->path));
        return s->target_path ? make_settings(s, &found)
                              : fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted");
    }
    if (code == QUIPU_OK && !given)
        code = default_path(s, &standard);
    if (code == QUIPU_OK)
        code = store_locate(given ? s->options->store : str_make(standard.bytes, standard.len), true, &s->target_path,
                            s->error);
    buffer_free(&standard);
    if (code == QUIPU_OK && persistent && strcmp(s->target_path, s->from->path) == 0)
        code = fail(s->error, QUIPU_E_INVALID, "store", "the new store cannot be where the old one is");
    if (code == QUIPU_OK)
        code = store_settings_read(s->target_path, &found, &any, s->error);
    if (code == QUIPU_OK)
        code = judge(s, &found, any);
    if (code == QUIPU_OK)
        code = make_settings(s, &found);
    store_settings_free(&found);
    return code;
}

/* ---- trying out ---- */

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    (void)remove(path);
    return 0;
}

/* One record in, found, seen by a scan, and out again. */
static int32_t exercise(swap *s, const side *x)
{
    static const quipu_str id = QUIPU_STR_INIT("self-test");
    swap scratch = { .q = s->q, .call = s->call, .error = s->error, .new = *x, .old = *x };
    record *r = NULL, *back = NULL;
    batch b = { 0 };
    int32_t code = record_decode(str_of("{\"id\":\"self-test\",\"text\":\"a knot on a cord\"}"), NULL, &r, s->error);
    if (code == QUIPU_OK)
        code = batch_add(&scratch, &b, record_share(r), id);
    if (code == QUIPU_OK)
        code = batch_write(&scratch, &b);
    if (code == QUIPU_OK)
        code = side_get(&scratch, x, id, &back);
    if (code == QUIPU_OK && (!back || !str_same(record_view(back)->version, record_view(r)->version)))
        code = fail(s->error, QUIPU_E_PLUGIN, "backend",
                    "the backend failed its test: it does not give back what it was given");
    if (code == QUIPU_OK)
        code = batch_add(&scratch, &b, NULL, id);
    if (code == QUIPU_OK)
        code = batch_write(&scratch, &b);
    record_free(back);
    back = NULL;
    if (code == QUIPU_OK)
        code = side_get(&scratch, x, id, &back);
    if (code == QUIPU_OK && back)
        code =
            fail(s->error, QUIPU_E_PLUGIN, "backend", "the backend failed its test: what was deleted is still there");
    record_free(back);
    record_free(r);
    batch_free(&b);
    return code;
}

/* Nothing has moved yet when this refuses. */
static int32_t judge_abilities(swap *s, const side *x)
{
    bool persistent, before;
    int32_t code = side_persistent(x, &persistent, s->error);
    if (code == QUIPU_OK)
        code = side_persistent(&s->old, &before, s->error);
    if (code == QUIPU_OK && !persistent && before && !(s->options->flags & QUIPU_SWAP_VOLATILE))
        return fail(s->error, QUIPU_E_UNSUPPORTED, "backend",
                    "the backend %s keeps nothing on the disk: all would be gone when the store is closed",
                    s->to->name);
    if (code != QUIPU_OK || s->target == TARGET_SAME)
        return code;
    bool able = s->old.history && x->history && x->migrate;
    s->replays = able && s->target != TARGET_BACK;
    return able || s->target == TARGET_BACK ? QUIPU_OK : history_consent(s);
}

int32_t swap_try_out(swap *s)
{
    char folder[512], path[600];
    const char *where = getenv("TMPDIR");
    quipu *q = s->q;
    snprintf(folder, sizeof folder, "%.400s/quipu-try-XXXXXX", where && where[0] == '/' ? where : "/tmp");
    int32_t code = swap_tell(s, "testing", 0, 0);
    if (code != QUIPU_OK)
        return code;
    if (!mkdtemp(folder))
        return fail_errno(s->error, errno, "cannot make a scratch folder %s", folder);
    snprintf(path, sizeof path, "%s/store", folder);
    code = tenant_add(q, s->options->backend, path, &s->to, s->error);
    if (code == QUIPU_OK)
        code = tenant_open(q, s->to, str_of(q->plugin_path), str_of(s->settings.backend_config), 0, true, s->error);
    if (code == QUIPU_OK) {
        side x = side_of(s->to);
        code = exercise(s, &x);
        if (code == QUIPU_OK)
            code = judge_abilities(s, &x);
    }
    if (s->to)
        tenant_close(q, s->to, NULL);
    s->to = NULL;
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return code;
}

/* ---- opening ---- */

static int32_t see_record(void *context, const quipu_hit *hit) QUIPU_NOEXCEPT
{
    (void)hit;
    *(bool *)context = true;
    return 1;
}

/* A folder without settings may hold a store all the same. */
static int32_t refuse_records(swap *s)
{
    static const quipu_filter all = { .struct_size = sizeof all,
                                      .flags = QUIPU_FILTER_EXPIRED,
                                      .now = QUIPU_TIME_NONE };
    bool any = false;
    quipu_scan query = { .struct_size = sizeof query, .filter = &all, .limit = 1 };
    int32_t code = s->new.api->scan(s->new.self, &query, see_record, &any, s->call, s->error);
    if (code == QUIPU_OK && any)
        code =
            fail(s->error, QUIPU_E_EXISTS, "store", "%s holds records already: choose another place", s->target_path);
    return code;
}

/* Only this handle may write there until the swap is done. */
static int32_t enter_left_store(swap *s)
{
    buffer here = { 0 };
    if (!s->new.can_fence)
        return QUIPU_OK;
    place_print(str_of(s->from->name), s->from->path, &here);
    quipu_str place = str_make(here.bytes, here.len);
    int32_t code = here.failed ? fail(s->error, QUIPU_E_NO_MEMORY, NULL, "memory is exhausted")
                               : s->new.migrate->unfence(s->new.self, &place, QUIPU_UNFENCE_SELF, s->call, s->error);
    buffer_free(&here);
    return code;
}

int32_t swap_open_target(swap *s)
{
    quipu *q = s->q;
    int32_t code = swap_tell(s, "opening", 0, 0);
    if (code == QUIPU_OK)
        code = tenant_add(q, s->options->backend, s->target_path, &s->to, s->error);
    if (code == QUIPU_OK)
        code = tenant_open(q, s->to, str_of(q->plugin_path), str_of(s->settings.backend_config), 0, true, s->error);
    if (code != QUIPU_OK)
        return code;
    s->new = side_of(s->to);
    if (s->target != TARGET_SAME)
        code = lock_folder(s, s->target_path, &s->new_lock);
    if (code == QUIPU_OK && s->target == TARGET_FRESH)
        code = refuse_records(s);
    if (code == QUIPU_OK && s->target == TARGET_BACK)
        code = enter_left_store(s);
    if (code == QUIPU_OK && s->target != TARGET_SAME)
        code = store_settings_write(s->target_path, &s->settings, s->error);
    return code;
}

/* ---- afterwards ---- */

static void warn(const swap *s, const quipu_error *why)
{
    host_write_log(&s->q->host, QUIPU_LOG_WARNING, "swap", str_of(why->message));
}

static void settle_new(swap *s)
{
    quipu_error why = { .struct_size = sizeof why };
    store_settings *made = &s->settings;
    buffer here = { 0 };
    if (s->target == TARGET_BACK && s->new.can_fence) {
        place_print(str_of(s->from->name), s->from->path, &here);
        quipu_str place = str_make(here.bytes, here.len);
        if (here.failed || s->new.migrate->unfence(s->new.self, &place, QUIPU_UNFENCE_ALL, NULL, &why) != QUIPU_OK)
            warn(s, &why);
        buffer_free(&here);
    }
    free(made->filling_from);
    free(made->moved_to);
    made->filling_from = made->moved_to = NULL;
    if (store_settings_write(s->target_path, made, &why) != QUIPU_OK)
        warn(s, &why);
}

static void settle_old(swap *s)
{
    quipu_error why = { .struct_size = sizeof why };
    store_settings left = s->q->with;
    buffer place = { 0 };
    place_of(s, &place);
    left.moved_to = place.bytes;
    if (place.failed || store_settings_write(s->from->path, &left, &why) != QUIPU_OK)
        warn(s, &why);
    buffer_free(&place);
}

/* The new store first: until the old one leads to it, the fence does. */
void swap_settle_stores(swap *s)
{
    if (s->target == TARGET_SAME)
        return;
    settle_new(s);
    if (s->report.flags & QUIPU_SWAPPED_FENCED || !(s->options->flags & QUIPU_SWAP_VOLATILE))
        settle_old(s);
    store_settings_free(&s->q->with);
    s->q->with = s->settings;
    s->settings = (store_settings){ 0 };
}
