/* verify.c - the extension verify/1: the storage first (storage_git/repair.h), then what it means: format, records, index. */
#include "backend.h"

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/query.h>
#include <storage_git/repair.h>

int32_t verify_tell(verification *v, uint32_t severity, const char *area, const char *subject, const char *message,
                    uint64_t count)
{
    bool stop = false;
    if (severity == QUIPU_FINDING_PROGRESS && !(v->flags & QUIPU_VERIFY_PROGRESS))
        return QUIPU_OK;
    v->damages += severity == QUIPU_FINDING_DAMAGE;
    quipu_finding finding = { .struct_size = sizeof finding,
                              .severity = severity,
                              .area = str_of(area),
                              .subject = str_of(subject),
                              .message = str_of(message),
                              .count = count };
    int32_t code = query_answer(v->visit(v->context, &finding), &stop, v->error);
    return code != QUIPU_OK ? code : stop ? VERIFY_ENOUGH : QUIPU_OK;
}

int32_t verify_unreadable(verification *v, const char *why)
{
    return v->damages ? verify_tell(v, QUIPU_FINDING_WARNING, "records", NULL,
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
    return git_repair(v->self->store, &options, v->call, v->error);
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
                       ? fail(v->error, QUIPU_E_NO_MEMORY, NULL, "no memory to repair the store")
                       : git_transaction_commit(t, &words, &revision, v->error);
    if (code == QUIPU_OK)
        code = git_publish(t, lost, v->error);
    else
        git_abort(t);
    buffer_free(&message);
    return code;
}

static int32_t check_request(quipu_backend *self, uint32_t flags, const quipu_call *call, quipu_error *error)
{
    if (!self->store)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    int32_t code = abi_check_call(call, error);
    if (code == QUIPU_OK)
        code = abi_check_flags(flags, QUIPU_VERIFY_REPAIR | QUIPU_VERIFY_PROGRESS, "flags", error);
    if (code == QUIPU_OK && flags & QUIPU_VERIFY_REPAIR && self->flags & QUIPU_OPEN_READ_ONLY)
        code = fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only, and cannot be repaired");
    return code;
}

static int32_t verify(quipu_backend *self, uint32_t flags, quipu_finding_fn visit, void *context,
                      const quipu_call *call, quipu_error *error)
{
    verification v = { .self = self,
                       .flags = flags,
                       .repair = flags & QUIPU_VERIFY_REPAIR,
                       .visit = visit,
                       .context = context,
                       .call = call,
                       .error = error };
    int32_t code = check_request(self, flags, call, error);
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
