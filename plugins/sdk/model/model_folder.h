/*
 * model_folder.h - where models lie on this machine.
 *
 * In this order: an absolute path as it is; each folder of $QUIPU_MODELS (separated by ':'); $XDG_DATA_HOME/quipu/models, else
 * ~/.local/share/quipu/models; the cache of the Hugging Face tools ($HF_HUB_CACHE, $HF_HOME/hub, else
 * ~/.cache/huggingface/hub), where "organisation/name" lies under models--organisation--name/snapshots/REVISION. Nothing is
 * ever downloaded.
 */
#ifndef SDK_MODEL_FOLDER_H
#define SDK_MODEL_FOLDER_H

#include <base/buffer.h>
#include <quipu/error.h>
#include <stdbool.h>

/* One model's folder. Borrowed for the visit; answers 0 to go on, else to stop. */
typedef int (*model_fn)(void *context, const char *name, const char *folder);

/* The folder of a model by its name, as "all-MiniLM-L6-v2" or "BAAI/bge-small-en-v1.5", appended to `out`. Errors: NOT_FOUND
 * (the message names where was looked), NO_MEMORY. */
int32_t model_folder_find(const char *name, buffer *out, quipu_error *error);
/* True where the folder has weights: model.safetensors, in it or in the folder 0_StaticEmbedding of it. */
bool model_folder_has_weights(const char *folder);
/* Every folder with weights in those places. */
void model_folder_each(model_fn visit, void *context);
/* The places that are searched, one a line. */
void model_folder_places(buffer *out);

#endif
