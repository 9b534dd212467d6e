/*
 * check_table.h - one table of all checks. A check is a function that runs in a process of its own and ends by returning
 * (pass) or through probe_fail, probe_warn or probe_skip.
 *
 * Ids never change and are never used again for something else: authors' scripts and the mutants' tests name them.
 */
#ifndef VALIDATE_CHECK_TABLE_H
#define VALIDATE_CHECK_TABLE_H

#include "probe.h"

/* X(function, id, family, needs, summary). needs: FILE: the file only; ENTRY: mapped, not initialised; STORE: run once
 * for each backend of the plugin, which is initialised, with an open store in p->self. */
#define VALIDATE_CHECKS(X)                                                                                             \
    X(check_static_note, "static-note", "static", FILE,                                                                \
      "the file is a shared object for this machine with a plugin note")                                               \
    X(check_static_exports, "static-exports", "static", FILE, "it exports quipu_plugin_entry and nothing else")        \
    X(check_static_imports, "static-imports", "static", FILE, "it imports no function that changes the whole process") \
    X(check_static_stack, "static-stack", "static", FILE, "its stack is not executable")                               \
    X(check_static_relro, "static-relro", "static", FILE, "it is bound at once and then made read-only (full RELRO)")  \
    X(check_static_textrel, "static-textrel", "static", FILE, "its code needs no relocation")                          \
    X(check_static_constructors, "static-constructors", "static", FILE, "mapping it runs no code of its own")          \
    X(check_static_tls, "static-tls", "static", FILE,                                                                  \
      "its thread-local storage does not need room set aside at start")                                                \
    X(check_load_entry, "load-entry", "loading", ENTRY, "entry, tables and note are well formed and agree")            \
    X(check_load_factory, "load-factory", "loading", ENTRY,                                                            \
      "get_factory knows its own ids, byte for byte, and no other")                                                    \
    X(check_load_negotiation, "load-negotiation", "loading", ENTRY, "a host of another ABI is refused with a reason")  \
    X(check_load_descriptors, "load-descriptors", "loading", FILE, "loading and init leave no file descriptor open")   \
    X(check_load_process_state, "load-process-state", "loading", FILE,                                                 \
      "loading and init leave folder, umask and locale alone")                                                         \
    X(check_load_signals, "load-signals", "loading", FILE, "loading and init install no signal handler")               \
    X(check_load_environment, "load-environment", "loading", FILE, "loading and init leave the environment alone")     \
    X(check_load_threads, "load-threads", "loading", FILE, "loading and init start no thread")                         \
    X(check_load_twice, "load-twice", "loading", FILE, "init and deinit are counted")                                  \
    X(check_output, "load-output", "loading", FILE, "nothing is written to standard output or standard error")         \
    X(check_extension_ids, "contract-unknown-extension-id", "contract", STORE,                                         \
      "get_extension answers NULL for what it does not have")                                                          \
    X(check_services, "contract-missing-services", "contract", STORE,                                                  \
      "it works with any subset of the host's services")                                                               \
    X(check_truncated, "contract-truncated-structs", "contract", STORE,                                                \
      "a struct that is cut short is refused, and not read past its end")                                              \
    X(check_oversized_zero, "contract-longer-structs", "contract", STORE,                                              \
      "a longer struct with zeros at its end is accepted")                                                             \
    X(check_oversized, "contract-unknown-fields", "contract", STORE,                                                   \
      "a longer struct with an unknown field set is refused")                                                          \
    X(check_flags, "contract-unknown-flags", "contract", STORE,                                                        \
      "unknown flags, orders, modes and reserved fields are refused")                                                  \
    X(check_error_success, "contract-error-untouched", "contract", STORE, "the error object is untouched on success")  \
    X(check_error_failure, "contract-error-filled", "contract", STORE, "the error object is filled on every failure")  \
    X(check_null_error, "contract-error-null", "contract", STORE, "NULL in place of an error object is legal")         \
    X(check_receipt, "contract-receipt-bounds", "contract", STORE, "a receipt is filled, no further than its version") \
    X(check_bad_ids, "contract-bad-ids", "contract", STORE,                                                            \
      "an id that is empty, too long, not UTF-8 or has a NUL is refused")                                              \
    X(check_bad_sets, "contract-bad-change-sets", "contract", STORE,                                                   \
      "a change set that is not well formed is refused")                                                               \
    X(check_destroy, "contract-destroy", "contract", STORE, "destroy is legal from every state and takes NULL")        \
    X(check_visitor_stop, "contract-visitor-stop", "contract", STORE,                                                  \
      "a visitor that stops at the k-th result ends the call well")                                                    \
    X(check_visitor_code, "contract-visitor-code", "contract", STORE,                                                  \
      "a visitor's negative code is what the call answers")                                                            \
    X(check_visitor_again, "contract-visitor-calls-again", "contract", STORE, "a visitor may call the same backend")   \
    X(check_borrowed, "contract-borrowed-memory", "contract", STORE,                                                   \
      "inputs are neither written to nor used after the call")                                                         \
    X(check_hits, "contract-hits", "contract", STORE, "what is shown is the record that was stored, byte for byte")    \
    X(check_read_only, "contract-read-only", "contract", STORE, "a store opened for reading only refuses changes")     \
    X(check_config, "contract-unknown-setting", "contract", STORE, "an unknown setting is refused by name")            \
    X(check_as_of, "contract-as-of", "contract", STORE, "reading as of a time answers, or says that it cannot")        \
    X(check_deadline, "contract-deadline", "contract", STORE, "a call that is late or cancelled changes nothing")      \
    X(check_atomic, "behaviour-atomic", "behaviour", STORE, "a change set that fails leaves no trace")                 \
    X(check_change_id, "behaviour-change-id", "behaviour", STORE, "a change id applied twice has the effect of once")  \
    X(check_unchanged, "behaviour-unchanged", "behaviour", STORE, "what changes nothing says so")                      \
    X(check_compare, "behaviour-compare-and-swap", "behaviour", STORE,                                                 \
      "each expectation holds, and a mismatch tells what is there")                                                    \
    X(check_scope, "behaviour-scope", "behaviour", STORE, "no record is seen or overwritten from another scope")       \
    X(check_delete, "behaviour-delete", "behaviour", STORE, "a deleted record is gone from get, scan and search")      \
    X(check_expiry, "behaviour-expiry", "behaviour", STORE, "an expired record is hidden unless it is asked for")      \
    X(check_expiry_then, "behaviour-expiry-then", "behaviour", STORE, "what had not expired is shown as of then")      \
    X(check_order, "behaviour-order", "behaviour", STORE, "each order is what it says")                                \
    X(check_paging, "behaviour-paging", "behaviour", STORE,                                                            \
      "pages of any size add up to the whole, also while others write")                                                \
    X(check_search_k, "behaviour-search-k", "behaviour", STORE,                                                        \
      "a search answers with k results whenever k match, under filters")                                               \
    X(check_search_fresh, "behaviour-search-fresh", "behaviour", STORE,                                                \
      "a search sees every change that returned before")                                                               \
    X(check_stats, "behaviour-stats", "behaviour", STORE, "stats counts the records")                                  \
    X(check_reopen, "behaviour-reopen", "behaviour", STORE, "a store that is opened again holds what was stored")      \
    X(check_model, "behaviour-model", "behaviour", STORE, "random operations do what they do to the model")            \
    X(check_threads, "threads-writes", "threads", STORE, "threads that write and read at once lose nothing")           \
    X(check_threads_compare, "threads-compare-and-swap", "threads", STORE,                                             \
      "threads that compare and swap lose no update")                                                                  \
    X(check_fault_io, "faults-io-error", "faults", FILE, "a file operation that fails loses nothing that was stored")  \
    X(check_fault_full, "faults-full-disk", "faults", FILE, "a full disk loses nothing that was stored")               \
    X(check_fault_short, "faults-short-writes", "faults", FILE, "a write that writes half is gone on with")            \
    X(check_fault_interrupted, "faults-interrupted-calls", "faults", FILE, "a call that is interrupted is made again") \
    X(check_fault_kill, "faults-kill", "faults", FILE,                                                                 \
      "kill -9 loses nothing that was acknowledged and leaves no half of a change set")                                \
    X(check_fault_bits, "faults-flipped-bits", "faults", FILE,                                                         \
      "a flipped bit is an error, never another text or a record that is silently gone")                               \
    X(check_fault_modes, "faults-file-modes", "faults", FILE, "what it stores can be read by its owner only")          \
    X(check_fault_folder, "faults-unwritable-folder", "faults", FILE,                                                  \
      "a folder where it may not write is refused with a reason")                                                      \
    X(check_fault_memory, "faults-memory", "faults", FILE,                                                             \
      "a request for memory that is refused ends in an error, and nothing is lost")                                    \
    X(check_life_again, "life-open-again", "life", STORE, "an instance that was closed can be opened again")           \
    X(check_life_two_stores, "life-two-stores", "life", STORE, "two open stores do not mix")                           \
    X(check_life_given_back, "life-given-back", "life", STORE,                                                         \
      "a store that is closed leaves no descriptor and no thread")                                                     \
    X(check_life_unload, "life-unload", "life", FILE, "what claims to be unloadable leaves nothing mapped")            \
    X(check_life_fork, "life-fork", "life", STORE, "after fork destroy is legal, and a new store where it says so")    \
    X(check_life_processes, "life-two-processes", "life", FILE,                                                        \
      "two processes that write one store lose nothing, or one of them is refused")                                    \
    X(check_embed_model, "embedder-model", "embedder", EMBEDDER, "the model has an id and a dimension that stay")      \
    X(check_embed_unit, "embedder-unit-length", "embedder", EMBEDDER,                                                  \
      "vectors are finite and of unit length, one a text")                                                             \
    X(check_embed_same, "embedder-same-again", "embedder", EMBEDDER,                                                   \
      "a text has one vector, whatever is embedded beside it")                                                         \
    X(check_embed_odd, "embedder-odd-texts", "embedder", EMBEDDER, "empty, long and strange texts have vectors")       \
    X(check_embed_bad, "embedder-bad-input", "embedder", EMBEDDER, "bad texts, arrays and purposes are refused")       \
    X(check_embed_visitor, "embedder-visitor", "embedder", EMBEDDER,                                                   \
      "a visitor may stop, or end the call with a code")                                                               \
    X(check_embed_cancel, "embedder-cancel", "embedder", EMBEDDER, "a call that is cancelled shows nothing")           \
    X(check_embed_setting, "embedder-unknown-setting", "embedder", EMBEDDER, "an unknown setting is refused by name")  \
    X(check_embed_destroy, "embedder-destroy", "embedder", EMBEDDER,                                                   \
      "destroy is legal from every state and takes NULL")                                                              \
    X(check_embed_threads, "embedder-threads", "embedder", EMBEDDER, "threads may embed at once")

enum check_needs { NEEDS_FILE, NEEDS_ENTRY, NEEDS_STORE, NEEDS_EMBEDDER };

typedef struct check {
    const char *id;
    const char *family;
    const char *summary;
    void (*run)(probe *p);
    enum check_needs needs;
} check;

#define VALIDATE_DECLARE_(function, id, family, needs, summary) void function(probe *p);
VALIDATE_CHECKS(VALIDATE_DECLARE_)
#undef VALIDATE_DECLARE_

#endif
