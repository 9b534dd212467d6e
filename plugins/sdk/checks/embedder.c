/* embedder.c - see embedder.h. */
#include <sdk/embedder.h>

#include <base/buffer.h>
#include <base/fail.h>
#include <stdlib.h>

struct quipu_embedder {
    const embedder_kind *kind;
    const quipu_host *host;
    void *model; /* NULL: created, not open */
};

bool embedder_give(quipu_vector_fn visit, void *context, uint64_t index, const float *vector, uint32_t dimension,
                   int32_t *code, quipu_error *error)
{
    int32_t answer = visit(context, index, vector, dimension);
    *code = answer < 0 ? fail(error, answer, NULL, "the visitor ended the call: %s", error_text(answer)) : QUIPU_OK;
    return answer == 0;
}

int32_t embedder_create(const embedder_kind *kind, const quipu_host *host, quipu_embedder **out, quipu_error *error)
{
    int32_t code;
    if (!out)
        return fail(error, QUIPU_E_INVALID, "out", "out is NULL; give a place for the embedder");
    *out = NULL;
    if ((code = abi_check_struct(host, sizeof *host, "quipu_host", error)) != QUIPU_OK)
        return code;
    quipu_embedder *self = calloc(1, sizeof *self);
    if (!self)
        return fail(error, QUIPU_E_NO_MEMORY, NULL, "there is no memory for an embedder");
    *self = (quipu_embedder){ .kind = kind, .host = host };
    *out = self;
    return QUIPU_OK;
}

void embedder_destroy(quipu_embedder *self)
{
    if (self && self->model)
        self->kind->close(self->model);
    free(self);
}

int32_t embedder_open(quipu_embedder *self, const quipu_str *config, const quipu_call *call, quipu_error *error)
{
    static const quipu_str none = { NULL, 0 };
    if (self->model)
        return fail(error, QUIPU_E_STATE, NULL, "the embedder is open already; close it first");
    if (!config || config->len == 0)
        config = &none;
    int32_t code = abi_check_call(call, error);
    if (code == QUIPU_OK)
        code = abi_check_text(*config, false, "config", error);
    return code == QUIPU_OK ? self->kind->open(self->host, *config, call, &self->model, error) : code;
}

static int32_t need_open(const quipu_embedder *self, quipu_error *error)
{
    return self->model ? QUIPU_OK : fail(error, QUIPU_E_STATE, NULL, "the embedder is not open; call open first");
}

int32_t embedder_close(quipu_embedder *self, const quipu_call *call, quipu_error *error)
{
    (void)call;
    int32_t code = need_open(self, error);
    if (code == QUIPU_OK)
        self->kind->close(self->model);
    self->model = NULL;
    return code;
}

int32_t embedder_model(quipu_embedder *self, quipu_model *out, quipu_error *error)
{
    int32_t code = need_open(self, error);
    if (code == QUIPU_OK)
        code = abi_check_out(out, sizeof *out, "quipu_model", error);
    return code == QUIPU_OK ? self->kind->describe(self->model, out, error) : code;
}

int32_t embedder_embed(quipu_embedder *self, const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit,
                       void *context, const quipu_call *call, quipu_error *error)
{
    int32_t code;
    if ((code = need_open(self, error)) != QUIPU_OK ||
        (code = abi_check_embed(texts, purpose, visit, error)) != QUIPU_OK ||
        (code = abi_check_call(call, error)) != QUIPU_OK || texts->count == 0)
        return code;
    return self->kind->embed(self->model, texts, purpose, visit, context, call, error);
}

const void *embedder_extension(quipu_embedder *self, const quipu_str *id)
{
    (void)self;
    (void)id;
    return NULL;
}

void embedder_deinit(void)
{
}
