/* repair.c - see repair.h: the steps in their order, and what they tell. */
#include "repair_inner.h"

#include "os.h"

#include <base/fail.h>

#include <stdio.h>

uint32_t repair_severity(const repair *r)
{
    return r->aside ? REPAIR_DONE : REPAIR_DAMAGE;
}

int32_t repair_no_memory(const repair *r)
{
    return fail(r->error, QUIPU_E_NO_MEMORY, NULL, "no memory to check the store");
}

int32_t repair_path(const repair *r, buffer *out, const char *inner)
{
    buffer_clear(out);
    buffer_printf(out, "%s/%s", r->store->path, inner);
    return out->failed ? repair_no_memory(r) : QUIPU_OK;
}

int32_t repair_tell(repair *r, uint32_t severity, const char *area, const char *subject, const char *format, ...)
{
    char message[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return r->options->visit(r->options->context, severity, area, subject, message, 0);
}

/* Objects that lie in a damaged pack look lost, and may not be: what is lost is only known after a repair. */
static int32_t tell_unknown(repair *r)
{
    return repair_tell(r, REPAIR_WARNING, "objects", NULL,
                       "what is missing beyond the damaged packs is only known after `quipu verify --repair`");
}

/* With the store's lock held in a repair: from the files up to the refs. */
static int32_t repair_ground(repair *r)
{
    int32_t code = repair_leftovers(r);
    if (code == QUIPU_OK)
        code = repair_packs(r);
    objects_forget(r->store->objects);
    if (code == QUIPU_OK)
        code = repair_layout(r);
    if (code == QUIPU_OK)
        code = repair_refs(r);
    return code;
}

/* Nobody can open a socket, so nobody holds the lock where there is one in its place: that goes first. */
static int32_t replace_lock(repair *r)
{
    buffer path = { 0 };
    int32_t code = repair_path(r, &path, "quipu/lock");
    if (code == QUIPU_OK && repair_is_strange(path.bytes))
        code = repair_tell_strange(r, "quipu/lock", path.bytes);
    if (code == QUIPU_OK)
        code = git_store_open_lock(r->store, r->error);
    buffer_free(&path);
    return code;
}

/* The lock is held where that succeeds. */
static int32_t begin_repair(repair *r)
{
    git_store *s = r->store;
    int32_t code = aside_create(s->path, s->private_folder, &r->aside, r->error);
    if (code == QUIPU_OK && s->lock_fd < 0 && !s->options.read_only)
        code = replace_lock(r);
    return code == QUIPU_OK ? git_store_lock(s, r->call, r->error) : code;
}

int32_t git_repair(git_store *s, const repair_options *options, const quipu_call *call, quipu_error *error)
{
    repair r = { .store = s, .options = options, .call = call, .error = error };
    bool lost = false;
    int32_t code = options->repair ? begin_repair(&r) : QUIPU_OK;
    if (code != QUIPU_OK)
        goto done;
    code = repair_ground(&r);
    if (options->repair)
        git_store_unlock(s);
    if (code == QUIPU_OK)
        code = repair_objects(&r, &lost);
    if (code == QUIPU_OK && r.packs_are_damaged)
        code = tell_unknown(&r);
    if (code == QUIPU_OK && lost && !r.packs_are_damaged)
        code = repair_lost_files(&r);
    if (code == QUIPU_OK && lost && !r.packs_are_damaged)
        code = repair_reach(&r);
done:
    aside_free(r.aside);
    return code;
}
