/* anchor.c - one of every public struct, so that abidiff sees them all. Written by make update-abi. */
#include <quipu/backend.h>
#include <quipu/base.h>
#include <quipu/change.h>
#include <quipu/embedder.h>
#include <quipu/error.h>
#include <quipu/ext/branches.h>
#include <quipu/ext/history.h>
#include <quipu/ext/maintain.h>
#include <quipu/ext/migrate.h>
#include <quipu/ext/sync.h>
#include <quipu/ext/vectors.h>
#include <quipu/ext/verify.h>
#include <quipu/extensions.h>
#include <quipu/filter.h>
#include <quipu/host.h>
#include <quipu/plugin.h>
#include <quipu/query.h>
#include <quipu/record.h>
#include <quipu.h>
#include <quipu_files.h>
#include <quipu_graph.h>
#include <quipu_memory.h>
#include <quipu_validate.h>

struct quipu_open_params anchor_quipu_open_params;
struct quipu_backend_api anchor_quipu_backend_api;
struct quipu_str anchor_quipu_str;
struct quipu_array anchor_quipu_array;
struct quipu_cancel anchor_quipu_cancel;
struct quipu_call anchor_quipu_call;
struct quipu_change anchor_quipu_change;
struct quipu_change_set anchor_quipu_change_set;
struct quipu_receipt anchor_quipu_receipt;
struct quipu_embedder_api anchor_quipu_embedder_api;
struct quipu_error anchor_quipu_error;
struct quipu_branch anchor_quipu_branch;
struct quipu_branches_api anchor_quipu_branches_api;
struct quipu_revision anchor_quipu_revision;
struct quipu_difference anchor_quipu_difference;
struct quipu_log_query anchor_quipu_log_query;
struct quipu_history_api anchor_quipu_history_api;
struct quipu_maintain anchor_quipu_maintain;
struct quipu_maintained anchor_quipu_maintained;
struct quipu_maintain_api anchor_quipu_maintain_api;
struct quipu_migrate_api anchor_quipu_migrate_api;
struct quipu_merge_report anchor_quipu_merge_report;
struct quipu_progress anchor_quipu_progress;
struct quipu_sync_api anchor_quipu_sync_api;
struct quipu_vectors_state anchor_quipu_vectors_state;
struct quipu_vectors_api anchor_quipu_vectors_api;
struct quipu_finding anchor_quipu_finding;
struct quipu_verify_api anchor_quipu_verify_api;
struct quipu_value anchor_quipu_value;
struct quipu_filter_node anchor_quipu_filter_node;
struct quipu_filter anchor_quipu_filter;
struct quipu_host anchor_quipu_host;
struct quipu_log_service anchor_quipu_log_service;
struct quipu_clock_service anchor_quipu_clock_service;
struct quipu_random_service anchor_quipu_random_service;
struct quipu_model anchor_quipu_model;
struct quipu_embed_service anchor_quipu_embed_service;
struct quipu_completion anchor_quipu_completion;
struct quipu_complete_service anchor_quipu_complete_service;
struct quipu_thread_exit_service anchor_quipu_thread_exit_service;
struct quipu_backend_desc anchor_quipu_backend_desc;
struct quipu_backend_list anchor_quipu_backend_list;
struct quipu_embedder_desc anchor_quipu_embedder_desc;
struct quipu_embedder_list anchor_quipu_embedder_list;
struct quipu_plugin anchor_quipu_plugin;
struct quipu_note anchor_quipu_note;
struct quipu_get anchor_quipu_get;
struct quipu_scan anchor_quipu_scan;
struct quipu_search anchor_quipu_search;
struct quipu_component anchor_quipu_component;
struct quipu_hit anchor_quipu_hit;
struct quipu_stat anchor_quipu_stat;
struct quipu_record anchor_quipu_record;
struct quipu_options anchor_quipu_options;
struct quipu_write_options anchor_quipu_write_options;
struct quipu_write anchor_quipu_write;
struct quipu_swap_options anchor_quipu_swap_options;
struct quipu_swap_report anchor_quipu_swap_report;
struct quipu_swap_progress anchor_quipu_swap_progress;
struct quipu_shadow_report anchor_quipu_shadow_report;
struct quipu_lease anchor_quipu_lease;
struct quipu_plugin_info anchor_quipu_plugin_info;
struct quipu_message anchor_quipu_message;
struct quipu_remember anchor_quipu_remember;
struct quipu_memory_event anchor_quipu_memory_event;
struct quipu_validate_options anchor_quipu_validate_options;
struct quipu_check_result anchor_quipu_check_result;
