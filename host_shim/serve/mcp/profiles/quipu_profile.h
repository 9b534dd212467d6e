/* quipu_profile.h - what the files of the profile `quipu` share. */
#ifndef SERVE_PROFILE_QUIPU_H
#define SERVE_PROFILE_QUIPU_H

#include <serve/mcp/mcp.h>

typedef int32_t mcp_tool_fn(mcp_request *r, const cJSON *arguments, mcp_result *out, quipu_error *error);

/* quipu_history.c */
mcp_tool_fn tool_history, tool_diff, tool_revert, tool_branch;
extern const char quipu_history_in[], quipu_history_out[], quipu_diff_in[], quipu_diff_out[], quipu_revert_in[],
    quipu_revert_out[], quipu_branch_in[], quipu_branch_out[];
/* Appends {"revisions":[...]}. id, from: absent for all, for the newest. */
int32_t quipu_print_history(mcp_request *r, quipu_str id, quipu_str from, uint64_t limit, buffer *out,
                            quipu_error *error);

/* quipu_resources.c */
extern const mcp_resources quipu_resources;
extern const mcp_prompt quipu_prompts[];
/* Tells those who watch the record, or its history. */
void quipu_record_changed(mcp_request *r, quipu_str id);

#endif
