/* verify.c - the extension verify/1: the storage first (storage_git/repair.h), then what it means: format, records, index. */
#include "backend.h"

#include <base/fail.h>
#include <storage_git/repair.h>

int32_t verify_tell(verification *v, uint32_t severity, const char *area, const char *subject, const char *message,
                    uint64_t count)
{
    return findings_tell(&v->told, severity, area, str_of(subject), message, count);
}

int32_t verify_unreadable(verification *v, const char *why)
{
    return v->told.damages ? verify_tell(v, QUIPU_FINDING_WARNING, "records", NULL,
                                         "they cannot be checked before the damage above is repaired", 0)
                           : verify_tell(v, QUIPU_FINDING_DAMAGE, "records", NULL, why, 0);
}

static int32_t show(void *context, uint32_t severity, const char *area, const char *subject, const char *message,
                    uint64_t count)
{
    return verify_tell(context, severity, area, subject, message, count);
}

static int32_t note_stray(void *context, const object_id *id, quipu_str bytes)
{
    return verify_note_stray(context, id, bytes);
}

static int32_t verify_storage(verification *v)
{
    repair_options options = { .repair = v->repair,
                               .author = str_of("quipu"),
                               .now = host_now(v->self->host),
                               .marker = FORMAT_FILE,
                               .marker_text = format_text,
                               .stray = v->repair ? note_stray : NULL,
                               .visit = show,
                               .context = v };
    return git_repair(v->self->store, &options, v->call, v->told.error);
}

/* A store that cannot be read as one has no records to look at. */
static int32_t verify_contents(verification *v)
{
    quipu_error why = { .struct_size = sizeof why };
    if (check_format(v->self, &why) == QUIPU_OK) {
        int32_t code = verify_strays(v);
        if (code == QUIPU_OK)
            code = verify_records(v);
        return code == QUIPU_OK ? verify_vectors(v) : code;
    }
    return verify_unreadable(v, why.message);
}

int32_t verify_commit(verification *v, git_transaction *t, const char *subject, const buffer *list, bool *lost)
{
    object_id revision;
    buffer message = { 0 };
    int64_t now = host_now(v->self->host);
    buffer_printf(&message, "repair: %s\n\n%s\nQuipu-Op: repair\n", subject, list->bytes ? list->bytes : "");
    commit_words words = {
        .author = str_of("quipu"), .time = now, .committed = now, .message = str_make(message.bytes, message.len)
    };
    int32_t code = message.failed || list->failed
                       ? fail(v->told.error, QUIPU_E_NO_MEMORY, NULL, "no memory to repair the store")
                       : git_transaction_commit(t, &words, &revision, v->told.error);
    if (code == QUIPU_OK)
        code = git_publish(t, lost, v->told.error);
    else
        git_abort(t);
    buffer_free(&message);
    return code;
}

static int32_t verify(quipu_backend *self, uint32_t flags, quipu_finding_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    verification v = {
        .self = self, .repair = flags & QUIPU_VERIFY_REPAIR, .told = { flags, 0, visit, context, error }, .call = call
    };
    int32_t code = findings_check(self->store, self->flags, flags, call, error);
    if (code == QUIPU_OK)
        code = verify_storage(&v);
    if (code == QUIPU_OK)
        code = verify_contents(&v);
    verify_free_strays(&v);
    return code == VERIFY_ENOUGH ? QUIPU_OK : code;
}

const quipu_verify_api git_verify = {
    .struct_size = sizeof(quipu_verify_api),
    .verify = verify,
};
