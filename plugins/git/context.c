/* context.c - what every part of the git backend asks first: "is a store open?". */
#include "backend.h"

#include <sdk/abi_check.h>

int32_t check_entry(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    return store_check_entry(self->store, self->flags, call, error);
}

int32_t check_writable(const quipu_backend *self, const quipu_call *call, quipu_error *error)
{
    int32_t code = store_check_writable(self->store, self->flags, call, error);
    return code == QUIPU_OK ? moved_check(self, error) : code;
}
