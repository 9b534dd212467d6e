/*
 * plugin.h - how a .so says that it is a plugin. Read this first; then backend.h.
 *
 * A plugin exports one symbol, the constant QUIPU_PLUGIN_ENTRY. It is data: the host checks it before any code of the
 * plugin runs. Everything else hangs from it:
 *
 *   entry --get_factory("quipu.backends/1")-->  quipu_backend_list  --> descriptors --> quipu_backend_api
 *         --get_factory("quipu.embedders/1")--> quipu_embedder_list --> descriptors --> quipu_embedder_api
 *
 * Life cycle: the host maps the file and checks the entry; calls `init`, in which both sides agree on an ABI version;
 * creates, opens, calls, closes and destroys instances; calls `deinit`. init and deinit are counted: two loaders may hold
 * the same file, and only the first init and the last deinit do the work.
 *
 * The same macro that makes the entry makes an ELF note, so that a folder of plugins can be listed without loading one.
 */
#ifndef QUIPU_PLUGIN_H
#define QUIPU_PLUGIN_H

#include "backend.h"
#include "base.h"
#include "embedder.h"
#include "error.h"
#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUIPU_PLUGIN_SYMBOL "quipu_plugin_entry"
#define QUIPU_PLUGIN_MAGIC 0x55505551u /* the bytes "QUPU", read as a little-endian number */

/* Claims that a plugin makes; one that is not known is refused. */
#define QUIPU_PLUGIN_UNLOADABLE 1u /* after deinit no thread, thread-local, atfork handler or descriptor is left */
#define QUIPU_PLUGIN_FORK_SAFE 2u  /* after fork the child may create and open new instances */

#define QUIPU_BACKENDS "quipu.backends/1"
#define QUIPU_EMBEDDERS "quipu.embedders/1"

/* One backend of a plugin. */
typedef struct quipu_backend_desc {
    uint32_t struct_size;
    uint32_t format;   /* the stored format that it writes; older ones it must still read */
    quipu_str name;    /* what users choose it by: [a-z0-9_-], 1..32 bytes */
    quipu_str summary; /* one line */
    const quipu_backend_api *api;
} quipu_backend_desc;

typedef struct quipu_backend_list {
    uint32_t struct_size;
    uint32_t reserved;
    quipu_array items; /* of quipu_backend_desc */
} quipu_backend_list;

/* One embedder of a plugin. */
typedef struct quipu_embedder_desc {
    uint32_t struct_size;
    uint32_t reserved;
    quipu_str name;
    quipu_str summary;
    const quipu_embedder_api *api;
} quipu_embedder_desc;

typedef struct quipu_embedder_list {
    uint32_t struct_size;
    uint32_t reserved;
    quipu_array items; /* of quipu_embedder_desc */
} quipu_embedder_list;

/* The entry. Constant; plugin's until the file is unmapped. */
typedef struct quipu_plugin {
    uint32_t struct_size;
    uint32_t magic;   /* QUIPU_PLUGIN_MAGIC */
    uint32_t abi_min; /* the range of call ABI versions that it can speak */
    uint32_t abi_max;
    uint32_t flags; /* QUIPU_PLUGIN_* */
    uint32_t reserved;
    quipu_str id;      /* reverse-DNS or a plain word, at most 63 bytes: "org.example.redis", "git" */
    quipu_str version; /* of the plugin's own release, at most 31 bytes */
    quipu_str licence; /* an SPDX expression, at most 63 bytes */

    /* Begins the plugin's life and agrees on a version. [main-thread] [loaded] [may-block]
     * host: host's until deinit; host->abi is the newest that the host speaks. abi_min, abi_max: the host's range.
     * chosen: the version that the plugin will speak, within both ranges; the host may still refuse it.
     * Errors: ABI, with a message that says what the plugin needs; NO_MEMORY. */
    int32_t (*init)(const quipu_host *host, uint32_t abi_min, uint32_t abi_max, uint32_t *chosen,
                    quipu_error *error) QUIPU_NOEXCEPT;

    /* Ends it; every instance has been destroyed. [main-thread] [inited] [may-block] */
    void (*deinit)(void) QUIPU_NOEXCEPT;

    /* The list of one sort, plugin's until the file is unmapped; NULL for an id it does not know, an id with trailing
     * bytes, and a NULL id. Callable before init, because the lists are constants. [any-thread] [loaded] [fast] */
    const void *(*get_factory)(const quipu_str *id) QUIPU_NOEXCEPT;
} quipu_plugin;

/* What the ELF note holds: owner "Quipu", type 1, section ".note.quipu". Texts end with NUL bytes. */
#define QUIPU_NOTE_OWNER "Quipu"
#define QUIPU_NOTE_TYPE 1u

typedef struct quipu_note {
    uint32_t struct_size;
    uint32_t abi_min;
    uint32_t abi_max;
    uint32_t flags;
    char id[64];
    char version[32];
    char licence[64];
} quipu_note;

/* QUIPU_STR_INIT("text"): initialises a quipu_str from a string literal. */
#define QUIPU_STR_INIT(literal)                                                                                        \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

#if defined(__GNUC__)
#define QUIPU_EXPORT __attribute__((visibility("default")))
#else
#define QUIPU_EXPORT
#endif

#if defined(__ELF__)
#define QUIPU_NOTE_(id_, version_, licence_, flags_)                                                                   \
    static const struct {                                                                                              \
        uint32_t namesz, descsz, type;                                                                                 \
        char name[8];                                                                                                  \
        quipu_note desc;                                                                                               \
    } quipu_plugin_note __attribute__((section(".note.quipu"), used, aligned(4))) = {                                  \
        sizeof(QUIPU_NOTE_OWNER),                                                                                      \
        sizeof(quipu_note),                                                                                            \
        QUIPU_NOTE_TYPE,                                                                                               \
        QUIPU_NOTE_OWNER,                                                                                              \
        { sizeof(quipu_note), QUIPU_ABI_VERSION, QUIPU_ABI_VERSION, flags_, id_, version_, licence_ }                  \
    };
#else
#define QUIPU_NOTE_(id_, version_, licence_, flags_)
#endif

#ifdef __cplusplus
#define QUIPU_DECLARE_ extern "C"
#else
#define QUIPU_DECLARE_ extern
#endif

/* Use once in a plugin, at file level:
 *   QUIPU_PLUGIN("org.example.redis", "1.0.0", "MIT", QUIPU_PLUGIN_FORK_SAFE, my_init, my_deinit, my_get_factory) */
#define QUIPU_PLUGIN(id_, version_, licence_, flags_, init_, deinit_, factory_)                                        \
    QUIPU_NOTE_(id_, version_, licence_, flags_)                                                                       \
    QUIPU_DECLARE_ QUIPU_EXPORT const quipu_plugin quipu_plugin_entry;                                                 \
    const quipu_plugin quipu_plugin_entry = { sizeof(quipu_plugin),                                                    \
                                              QUIPU_PLUGIN_MAGIC,                                                      \
                                              QUIPU_ABI_VERSION,                                                       \
                                              QUIPU_ABI_VERSION,                                                       \
                                              flags_,                                                                  \
                                              0,                                                                       \
                                              QUIPU_STR_INIT(id_),                                                     \
                                              QUIPU_STR_INIT(version_),                                                \
                                              QUIPU_STR_INIT(licence_),                                                \
                                              init_,                                                                   \
                                              deinit_,                                                                 \
                                              factory_ }

#ifdef __cplusplus
}
#endif
#endif
