/* findings.c - what verify was given, and what it tells. */
#include <sdk/findings.h>

#include <base/fail.h>
#include <sdk/abi_check.h>
#include <sdk/query.h>

int32_t findings_check(bool open, uint32_t store_flags, uint32_t flags, const quipu_call *call, quipu_error *error)
{
    if (!open)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    int32_t code = abi_check_call(call, error);
    if (code == QUIPU_OK)
        code = abi_check_flags(flags, QUIPU_VERIFY_REPAIR | QUIPU_VERIFY_PROGRESS, "flags", error);
    if (code == QUIPU_OK && flags & QUIPU_VERIFY_REPAIR && store_flags & QUIPU_OPEN_READ_ONLY)
        code = fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only, and cannot be repaired");
    return code;
}

bool findings_repair(const findings *f)
{
    return f->flags & QUIPU_VERIFY_REPAIR;
}

int32_t findings_tell(findings *f, uint32_t severity, const char *area, quipu_str subject, const char *message,
                      uint64_t count)
{
    quipu_finding finding = { .struct_size = sizeof finding,
                              .severity = severity,
                              .area = str_of(area),
                              .subject = subject,
                              .message = str_of(message),
                              .count = count };
    bool stop = false;
    if (severity == QUIPU_FINDING_PROGRESS && !(f->flags & QUIPU_VERIFY_PROGRESS))
        return QUIPU_OK;
    f->damages += severity == QUIPU_FINDING_DAMAGE;
    int32_t code = query_answer(f->visit(f->context, &finding), &stop, f->error);
    return code != QUIPU_OK ? code : stop ? FINDINGS_ENOUGH : QUIPU_OK;
}
