/*
 * abi_check.h - the checks that every struct from the other side of the ABI goes through (plugin_api/quipu/base.h).
 *
 * A field or flag that this side does not know is refused, never ignored, so that the bits stay usable for later versions.
 */
#ifndef SDK_ABI_CHECK_H
#define SDK_ABI_CHECK_H

#include <quipu/backend.h>
#include <quipu/error.h>
#include <quipu/host.h>
#include <stdbool.h>

/* Checks a struct that begins with `uint32_t struct_size`: there, at least `known` bytes (the sizeof of this side's first
 * version of it), and zero beyond. `name` says which, as "quipu_scan"; it becomes the error's field.
 * Errors: INVALID. */
int32_t abi_check_struct(const void *pointer, size_t known, const char *name, quipu_error *error);
/* The same for a struct that is lent to be filled: what lies past `known` is the caller's and is not looked at. */
int32_t abi_check_out(const void *pointer, size_t known, const char *name, quipu_error *error);

/* Refuses a flag outside of `known`. */
int32_t abi_check_flags(uint32_t flags, uint32_t known, const char *name, quipu_error *error);

/* Checks that an array of structs can be walked: a pointer where there are elements, a stride that holds `known` bytes and
 * keeps them aligned, no overflow. */
int32_t abi_check_array(const quipu_array *array, size_t known, const char *name, quipu_error *error);

/* Checks a text: no bytes without a pointer, UTF-8, no NUL byte; with `line` no control character either. Absent is fine. */
int32_t abi_check_text(quipu_str text, bool line, const char *name, quipu_error *error);

/* Checks an id: 1..QUIPU_ID_MAX bytes of UTF-8 without NUL. */
int32_t abi_check_id(quipu_str id, quipu_error *error);

/* Checks a call's struct and token, then its deadline and cancel flag (call_check). NULL is fine. */
int32_t abi_check_call(const quipu_call *call, quipu_error *error);

/* Checks the parameters of open: struct, flags, an absolute path without NUL, texts. Errors: INVALID. */
int32_t abi_check_open(const quipu_open_params *params, quipu_error *error);
/* The same for a backend that knows other flags than QUIPU_OPEN_READ_ONLY and QUIPU_OPEN_NO_CREATE. */
int32_t abi_check_open_flags(const quipu_open_params *params, uint32_t known, quipu_error *error);

/* What is asked of every call on a store: that it is open (its QUIPU_OPEN_* are `flags`), not merely to be verified, and the call in time.
 * Errors: STATE, those of abi_check_call. */
int32_t store_check_entry(bool open, uint32_t flags, const quipu_call *call, quipu_error *error);
/* The same of every call that changes something. Errors: READ_ONLY too. */
int32_t store_check_writable(bool open, uint32_t flags, const quipu_call *call, quipu_error *error);

/* Checks the arguments of an embedder's embed: texts that can be walked, each UTF-8 without NUL, a known purpose, a visitor. */
int32_t abi_check_embed(const quipu_array *texts, uint32_t purpose, quipu_vector_fn visit, quipu_error *error);

/* What a plugin's init does with the two ranges (it can stand in that slot as it is): *chosen is the version of these headers where the host speaks it as well.
 * Errors: ABI, with both sides in the message; INVALID. */
int32_t abi_negotiate(const quipu_host *host, uint32_t abi_min, uint32_t abi_max, uint32_t *chosen, quipu_error *error);

#endif
