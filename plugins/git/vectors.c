/* vectors.c - the extension vectors/1: of the records as they are now. */
#include "backend.h"

static int32_t git_vectors_state(quipu_backend *self, quipu_vectors_state *out, const quipu_call *call,
                                 quipu_error *error)
{
    view *v;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = view_take(self, (quipu_str){ 0 }, &v, error);
    if (code != QUIPU_OK)
        return code;
    code = record_index_show_vectors(view_index(v), out, call, error);
    view_give(v);
    return code;
}

static int32_t git_vectors_embed(quipu_backend *self, quipu_vectors_fn visit, void *context, const quipu_call *call,
                                 quipu_error *error)
{
    view *v;
    int32_t code = check_entry(self, call, error);
    if (code == QUIPU_OK)
        code = view_take(self, (quipu_str){ 0 }, &v, error);
    if (code != QUIPU_OK)
        return code;
    code = record_index_embed(view_index(v), visit, context, call, error);
    view_give(v);
    return code;
}

const quipu_vectors_api git_vectors = { .struct_size = sizeof(quipu_vectors_api),
                                        .state = git_vectors_state,
                                        .embed = git_vectors_embed };
