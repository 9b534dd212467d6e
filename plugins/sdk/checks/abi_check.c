/* abi_check.c - see abi_check.h. */
#include <sdk/abi_check.h>

#include <sdk/json.h>

#include <base/fail.h>
#include <quipu/record.h>
#include <string.h>

int32_t abi_check_out(const void *pointer, size_t known, const char *name, quipu_error *error)
{
    uint32_t size;
    if (!pointer)
        return fail(error, QUIPU_E_INVALID, name, "%s is NULL; give one", name);
    memcpy(&size, pointer, sizeof size);
    if (size < known)
        return fail(error, QUIPU_E_INVALID, name,
                    "%s says struct_size %u, but its first version has %zu bytes; "
                    "set struct_size to sizeof",
                    name, size, known);
    return QUIPU_OK;
}

int32_t abi_check_struct(const void *pointer, size_t known, const char *name, quipu_error *error)
{
    uint32_t size;
    int32_t code = abi_check_out(pointer, known, name, error);
    if (code != QUIPU_OK)
        return code;
    memcpy(&size, pointer, sizeof size);
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)pointer)[i] != 0)
            return fail(error, QUIPU_E_INVALID, name,
                        "%s has a field at byte %zu that this side, which knows %zu bytes, "
                        "does not understand; leave it zero",
                        name, i, known);
    return QUIPU_OK;
}

int32_t abi_check_flags(uint32_t flags, uint32_t known, const char *name, quipu_error *error)
{
    if (flags & ~known)
        return fail(error, QUIPU_E_INVALID, name, "%s: flags 0x%x are not known; leave them zero", name,
                    flags & ~known);
    return QUIPU_OK;
}

int32_t abi_check_array(const quipu_array *array, size_t known, const char *name, quipu_error *error)
{
    if (array->count == 0)
        return QUIPU_OK;
    if (!array->ptr)
        return fail(error, QUIPU_E_INVALID, name, "%s has elements but no pointer", name);
    if (array->stride < known || array->stride % 8 != 0)
        return fail(error, QUIPU_E_INVALID, name, "%s has a stride of %llu; at least %zu and a multiple of 8 is needed",
                    name, (unsigned long long)array->stride, known);
    if (array->count > (uint64_t)INT64_MAX / array->stride)
        return fail(error, QUIPU_E_INVALID, name, "%s is larger than any memory", name);
    return QUIPU_OK;
}

int32_t abi_check_text(quipu_str text, bool line, const char *name, quipu_error *error)
{
    if (!text.ptr && text.len != 0)
        return fail(error, QUIPU_E_INVALID, name, "%s has a length but no pointer", name);
    if (!text.ptr)
        return QUIPU_OK;
    int64_t bad = utf8_first_bad(text.ptr, (size_t)text.len);
    if (bad >= 0)
        return fail(error, QUIPU_E_INVALID, name, "%s is not UTF-8 at byte %lld", name, (long long)bad);
    if (memchr(text.ptr, '\0', (size_t)text.len))
        return fail(error, QUIPU_E_INVALID, name, "%s holds a NUL byte", name);
    for (uint64_t i = 0; line && i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return fail(error, QUIPU_E_INVALID, name, "%s holds a control character at byte %llu; it must be one line",
                        name, (unsigned long long)i);
    return QUIPU_OK;
}

int32_t abi_check_id(quipu_str id, quipu_error *error)
{
    if (!id.ptr || id.len == 0)
        return fail(error, QUIPU_E_INVALID, "id", "the id is empty; give 1 to %d bytes", QUIPU_ID_MAX);
    if (id.len > QUIPU_ID_MAX)
        return fail(error, QUIPU_E_INVALID, "id", "the id has %llu bytes; at most %d are allowed",
                    (unsigned long long)id.len, QUIPU_ID_MAX);
    return abi_check_text(id, false, "id", error);
}

int32_t abi_check_call(const quipu_call *call, quipu_error *error)
{
    int32_t code;
    if (!call)
        return QUIPU_OK;
    if ((code = abi_check_struct(call, sizeof *call, "quipu_call", error)) != QUIPU_OK ||
        (code = abi_check_flags(call->flags, 0, "quipu_call.flags", error)) != QUIPU_OK)
        return code;
    if (call->cancel) {
        if ((code = abi_check_struct(call->cancel, sizeof *call->cancel, "quipu_cancel", error)) != QUIPU_OK)
            return code;
        if (call->cancel->reserved != 0)
            return fail(error, QUIPU_E_INVALID, "quipu_cancel.reserved", "a reserved field must be zero");
    }
    return call_check(call, error);
}

int32_t abi_check_open(const quipu_open_params *params, quipu_error *error)
{
    return abi_check_open_flags(params, QUIPU_OPEN_READ_ONLY | QUIPU_OPEN_NO_CREATE, error);
}

int32_t abi_check_open_flags(const quipu_open_params *params, uint32_t known, quipu_error *error)
{
    int32_t code;
    if ((code = abi_check_struct(params, sizeof *params, "quipu_open_params", error)) != QUIPU_OK ||
        (code = abi_check_flags(params->flags, known, "quipu_open_params.flags", error)) != QUIPU_OK ||
        (code = abi_check_text(params->path, false, "path", error)) != QUIPU_OK ||
        (code = abi_check_text(params->config, false, "config", error)) != QUIPU_OK)
        return code;
    if (!params->path.ptr || params->path.len == 0 || params->path.ptr[0] != '/')
        return fail(error, QUIPU_E_INVALID, "path", "the store's path must be absolute");
    return QUIPU_OK;
}

int32_t abi_check_embed(const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit, quipu_error *error)
{
    if (!texts || !visit)
        return fail(error, QUIPU_E_INVALID, texts ? "visit" : "texts", "texts and visit must be given");
    if (purpose > QUIPU_EMBED_QUERY)
        return fail(error, QUIPU_E_INVALID, "purpose", "purpose %u is not known", purpose);
    int32_t code = abi_check_array(texts, sizeof(quipu_str), "texts", error);
    for (uint64_t i = 0; code == QUIPU_OK && i < texts->count; i++)
        code = abi_check_text(*QUIPU_AT(quipu_str, texts, i), false, "texts", error);
    return code;
}

int32_t abi_negotiate(const quipu_host *host, uint32_t abi_min, uint32_t abi_max, uint32_t *chosen, quipu_error *error)
{
    const uint32_t mine = QUIPU_ABI_VERSION;
    int32_t code = abi_check_struct(host, sizeof *host, "quipu_host", error);
    if (code != QUIPU_OK)
        return code;
    if (!chosen)
        return fail(error, QUIPU_E_INVALID, "chosen", "chosen is NULL; give a place for the version");
    if (mine < abi_min || mine > abi_max)
        return fail(error, QUIPU_E_ABI, "abi",
                    "the plugin speaks ABI %u.%u, the host %u.%u to %u.%u; "
                    "build the plugin with the host's headers",
                    QUIPU_ABI_MAJOR(mine), QUIPU_ABI_MINOR(mine), QUIPU_ABI_MAJOR(abi_min), QUIPU_ABI_MINOR(abi_min),
                    QUIPU_ABI_MAJOR(abi_max), QUIPU_ABI_MINOR(abi_max));
    *chosen = mine;
    return QUIPU_OK;
}

int32_t store_check_entry(bool open, uint32_t flags, const quipu_call *call, quipu_error *error)
{
    if (!open)
        return fail(error, QUIPU_E_STATE, NULL, "no store is open; call open first");
    if (flags & QUIPU_OPEN_DAMAGED)
        return fail(error, QUIPU_E_STATE, NULL, "the store was opened to be verified, and for nothing else");
    return abi_check_call(call, error);
}

int32_t store_check_writable(bool open, uint32_t flags, const quipu_call *call, quipu_error *error)
{
    int32_t code = store_check_entry(open, flags, call, error);
    if (code == QUIPU_OK && (flags & QUIPU_OPEN_READ_ONLY))
        code = fail(error, QUIPU_E_READ_ONLY, NULL, "the store was opened for reading only");
    return code;
}
