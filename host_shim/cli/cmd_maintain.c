/* cmd_maintain.c - `quipu maintain`: takes expired records away and makes the store small. */
#include "cli.h"

#include <inttypes.h>

#define MIB_MOST (UINT64_C(1) << 30)
#define SECONDS_MOST UINT64_C(1000000000)

static int32_t show_progress(void *context, const quipu_str *phase, uint64_t done, uint64_t total)
{
    progress *bar = context;
    (void)phase;
    bar->total = total;
    progress_step(bar, done, done);
    return 0;
}

static int print_report_json(const cli *c, const quipu_maintained *r)
{
    buffer json = { 0 };
    buffer_printf(
        &json,
        "{\"purged\":%" PRIu64 ",\"packs_before\":%" PRIu64 ",\"packs_after\":%" PRIu64 ",\"bytes_before\":%" PRIu64
        ",\"bytes_after\":%" PRIu64 ",\"needed\":%s,\"out_of_time\":%s,\"out_of_memory\":%s}",
        r->purged, r->packs_before, r->packs_after, r->bytes_before, r->bytes_after,
        r->flags & QUIPU_MAINTAINED_UNNEEDED ? "false" : "true", r->flags & QUIPU_MAINTAINED_NO_TIME ? "true" : "false",
        r->flags & QUIPU_MAINTAINED_NO_ROOM ? "true" : "false");
    int status = print_json(c, &json);
    buffer_free(&json);
    return status;
}

static int print_report(const cli *c, const quipu_maintained *r)
{
    int status = r->flags & (QUIPU_MAINTAINED_NO_TIME | QUIPU_MAINTAINED_NO_ROOM) ? STATUS_CHECK : STATUS_DONE;
    if (c->json) {
        int printed = print_report_json(c, r);
        return printed == STATUS_DONE ? status : printed;
    }
    if (r->flags & QUIPU_MAINTAINED_NO_TIME)
        remark(c, "the time limit passed; what was unfinished is as it was before");
    if (r->flags & QUIPU_MAINTAINED_NO_ROOM)
        remark(c, "the memory limit is too small to repack anything; give a larger --memory-limit");
    if (!c->quiet)
        printf("purged %" PRIu64 " record%s; %" PRIu64 " pack%s, %" PRIu64 " bytes; before %" PRIu64 " pack%s, %" PRIu64
               " bytes\n",
               r->purged, plural(r->purged), r->packs_after, plural(r->packs_after), r->bytes_after, r->packs_before,
               plural(r->packs_before), r->bytes_before);
    return status;
}

static bool read_limits(cli *c, quipu_maintain *params)
{
    uint64_t mib, seconds;
    if (!option_number(c, "memory-limit", 1, MIB_MOST, 0, &mib) ||
        !option_number(c, "time-limit", 1, SECONDS_MOST, 0, &seconds))
        return false;
    params->memory_limit = mib << 20;
    params->time_limit = seconds * 1000;
    params->flags = option_given(c, "force") ? QUIPU_MAINTAIN_FORCE : 0;
    params->author = str_of(c->author);
    params->source = str_of(c->source);
    return true;
}

int cmd_maintain(cli *c)
{
    static const char what[] = "cannot maintain the store";
    quipu_maintain params = { .struct_size = sizeof params };
    quipu_maintained done = { .struct_size = sizeof done };
    quipu_error error = error_none();
    quipu_lease lease;
    const void *table = NULL;
    progress bar;
    if (!read_limits(c, &params))
        return STATUS_USAGE;
    int status = store_open(c, STORE_WRITE);
    if (status == STATUS_DONE)
        status = store_extension(c, what, QUIPU_EXT_MAINTAIN, &lease, &table);
    if (status != STATUS_DONE)
        return status;
    const quipu_maintain_api *api = table;
    progress_begin(&bar, c, "maintaining", 0);
    int32_t code = api->maintain(lease.self, &params, show_progress, &bar, &done, NULL, &error);
    progress_end(&bar);
    error.code = error.code ? error.code : code;
    quipu_leave(c->q, &lease);
    return code == QUIPU_OK ? print_report(c, &done) : report(c, what, &error);
}
