/*
 * model_files.h - the small files of a model's folder.
 */
#ifndef SDK_MODEL_FILES_H
#define SDK_MODEL_FILES_H

#include <base/buffer.h>
#include <cjson/cJSON.h>
#include <quipu/error.h>
#include <stdbool.h>

/* Reads `folder`/`name` whole. Errors: NOT_FOUND, IO, TOO_LARGE, NO_MEMORY. */
int32_t model_file_read(const char *folder, const char *name, buffer *out, quipu_error *error);
/* The same for a file that holds a JSON object. Errors: CORRUPT besides. */
int32_t model_file_json(const char *folder, const char *name, cJSON **out, quipu_error *error);
bool model_file_exists(const char *folder, const char *name);

/* Members of an object, or `otherwise` where there is none of that kind. */
int64_t model_int(const cJSON *object, const char *name, int64_t otherwise);
bool model_bool(const cJSON *object, const char *name, bool otherwise);
const char *model_text(const cJSON *object, const char *name, const char *otherwise);

#endif
