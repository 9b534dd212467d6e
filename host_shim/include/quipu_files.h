/*
 * quipu_files.h - Anthropic's memory tool (`memory_20250818`) above any backend: a small tree of text files, as records of kind "file".
 *
 * A file /memories/notes/a.md of the scope user=ana is the record "user=ana/notes/a.md"; without a scope "-/notes/a.md". Folders are
 * there as long as a file is in them. Texts are those of the helpers in Anthropic's SDKs, so that a model meets what it was taught
 * (https://docs.claude.com/en/docs/agents-and-tools/tool-use/memory-tool).
 */
#ifndef QUIPU_FILES_H
#define QUIPU_FILES_H

#include "quipu.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUIPU_FILES_DOCUMENTED                                                                                         \
    1u /* the wording of the documentation and of the TypeScript helper, where Python's is another one */

/* One command, as the model gives it (the `input` of its tool_use). [any-thread] [may-block]
 *
 *   {"command":"view","path","view_range"?:[first,last]}             a file with line numbers, or what is in a folder, two levels deep
 *   {"command":"create","path","file_text"}                          a new file
 *   {"command":"str_replace","path","old_str","new_str"?}            in place of the one occurrence
 *   {"command":"insert","path","insert_line","insert_text"}          after so many lines
 *   {"command":"delete","path"}                                      a file, or a folder with all it holds
 *   {"command":"rename","old_path","new_path"}
 *   {"command":"clear_all_memory"}
 *
 * flags: QUIPU_FILES_*. options: scope, author and the like; or NULL. sink: receives the text for the model, also where the command fails
 * as a tool fails: then the call answers INVALID, NOT_FOUND or EXISTS, and the text says why (the tool_result with is_error). Nothing
 * reaches the sink where it answers another code. Each command is one change set; what others write meanwhile is not lost.
 * Errors: as said, and TOO_LARGE (a text or a path that does not fit into a record), CONFLICT (others write the same file all the time), and
 * those of quipu_write_records. */
QUIPU_API int32_t quipu_files_json(quipu *q, const quipu_str *command, uint32_t flags,
                                   const quipu_write_options *options, quipu_sink_fn sink, void *context,
                                   const quipu_call *call, quipu_error *error);

#ifdef __cplusplus
}
#endif
#endif
