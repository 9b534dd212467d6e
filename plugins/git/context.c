/* context.c - what every part of the git backend asks first: "is a store open?". */
#include "backend.h"

#include <base/fail.h>
#include <sdk/abi_check.h>

int32_t check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    if (!self->store)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    if (self->flags & QUIPU_OPEN_DAMAGED)
        return fail(error, QUIPU_E_STATE, NULL, "the store was opened to be verified, and for nothing else");
    return abi_check_call(call, error);
}

int32_t check_writable(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK && (self->flags & QUIPU_OPEN_READ_ONLY))
        code = fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    return code == QUIPU_OK ? moved_check(self, error) : code;
}
