/*
 * commands.c - the one table that describes every command.
 *
 * `quipu help`, the man pages and the completion scripts are all made from it. A new command is a row here, its
 * function in a file of its own (cmd_NAME.c), and its name in the last line of cli.h.
 */
#include "cli.h"

#include <string.h>

#define MODES "hybrid lexical vector"
#define KINDS "memory message relation assembly summary file"
#define ROLES "user assistant system tool"
#define PROFILES "quipu memory anthropic openmemory goose"

/* Rows that several commands share. */
#define FIELD_OPTIONS                                                                                                  \
    { "kind", 0, "KIND", "what it is: " KINDS ", or a word of your own", KINDS },                                      \
        { "category", 0, "TEXT", "the category", NULL },                                                               \
        { "key", 0, "TEXT", "the key, by which it can be looked up", NULL },                                           \
        { "tag", 't', "TAG", "a tag; may be given again", NULL },                                                      \
        { "meta", 'm', "NAME=TEXT", "a member of metadata; NAME:=JSON for numbers and the like; may be given again",   \
          NULL },                                                                                                      \
        { "actor", 0, "NAME", "who said it", NULL }, { "role", 0, "ROLE", "the role of who said it: " ROLES, ROLES },  \
        { "seq", 0, "N", "its position in the session, from 0", NULL }, { "importance", 0, "X", "from 0 to 1", NULL }, \
        { "expires", 0, "WHEN",                                                                                        \
          "hidden afterwards: a time (RFC 3339), a date (its end), or a duration such as 12h, 30d, 1y", NULL },        \
        { "created-at", 0, "TIME", "when it was made, where that is not now (RFC 3339, or a date)", NULL },            \
        { "value", 0, "JSON", "a payload of any shape", NULL },                                                        \
    {                                                                                                                  \
        "field", 0, "NAME=JSON", "any other field of a record; may be given again", NULL                               \
    }
#define FILTER_OPTION                                                                                                  \
    {                                                                                                                  \
        "filter", 'f', "JSON", "only records that match, as {\"kind\":\"memory\",\"tags\":\"work\"}", NULL             \
    }
#define AS_OF_OPTION                                                                                                   \
    {                                                                                                                  \
        "as-of", 0, "REV|TIME", "as it was then: a revision, a time (RFC 3339) or a date (its end)", NULL              \
    }
#define ALL_OPTION                                                                                                     \
    {                                                                                                                  \
        "all", 'a', NULL, "also what has expired", NULL                                                                \
    }
#define IF_VERSION_OPTION                                                                                              \
    {                                                                                                                  \
        "if-version", 0, "VERSION", "only where the stored version is this one; else nothing is done, status 1", NULL  \
    }
#define OPTIONS_END                                                                                                    \
    {                                                                                                                  \
        NULL, 0, NULL, NULL, NULL                                                                                      \
    }

const option_spec cli_global_options[] = {
    { "store", 's', "DIR", "the store; else $QUIPU_STORE, $XDG_DATA_HOME/quipu, ~/.local/share/quipu", "DIR" },
    { "backend", 0, "NAME", "the backend; else what the store was made with, else git", "git memory" },
    { "user", 'u', "NAME", "the user a record belongs to; only this user's records are seen", NULL },
    { "agent", 0, "NAME", "likewise the agent", NULL },
    { "session", 0, "NAME", "likewise the session", NULL },
    { "app", 0, "NAME", "likewise the app", NULL },
    { "config", 0, "FILE",
      "settings: a JSON object with backend, backend_config, embedder, embedder_config, plugin_path, author", "FILE" },
    { "embedder", 0, "NAME",
      "what turns texts into vectors; \"none\" for words only; else what the store was made with", "hash none" },
    { "json", 0, NULL, "machine-readable output and errors, one line of JSON", NULL },
    { "quiet", 'q', NULL, "nothing but results and errors", NULL },
    { "no-color", 0, NULL, "plain text, also on a terminal", NULL },
    { "help", 'h', NULL, "what the command does", NULL },
    { "version", 0, NULL, "the version of this program", NULL },
    OPTIONS_END,
};

static const option_spec add_options[] = {
    { "id", 0, "ID", "1 to 255 bytes; else a new one is made. An id that is taken is refused, unless --upsert is given",
      NULL },
    { "upsert", 0, NULL, "replace what is there under the --id, or else under the same scope, category and key", NULL },
    FIELD_OPTIONS,
    OPTIONS_END,
};
static const option_spec update_options[] = { IF_VERSION_OPTION, FIELD_OPTIONS, OPTIONS_END };
static const option_spec get_options[] = { AS_OF_OPTION, ALL_OPTION, OPTIONS_END };
static const option_spec delete_options[] = { IF_VERSION_OPTION, OPTIONS_END };
static const option_spec list_options[] = {
    FILTER_OPTION,
    { "limit", 'n', "N", "records at the most (100)", NULL },
    { "cursor", 0, "CURSOR", "go on where the page that gave this cursor ended", NULL },
    { "order", 0, "ORDER", "newest (first), oldest (first), or by id", "newest oldest id" },
    AS_OF_OPTION,
    ALL_OPTION,
    OPTIONS_END,
};
static const option_spec search_options[] = {
    { "k", 'k', "N", "results at the most (10)", NULL },
    FILTER_OPTION,
    AS_OF_OPTION,
    { "explain", 0, NULL, "show what each score is made of", NULL },
    { "wait", 0, NULL, "make all vectors that are pending first", NULL },
    { "recency", 0, "W",
      "weight of how new a record is, 0 to 100 (0): its score grows by W parts, by W/2 after a half-life", NULL },
    { "half-life", 0, "DAYS", "of --recency (30)", NULL },
    { "importance", 0, "W", "weight of a record's importance, likewise", NULL },
    { "receipt", 0, NULL, "also give a receipt, with which `quipu replay` asks the same again", NULL },
    { "mode", 0, "MODE", "hybrid (words and vectors), lexical (words), vector; else hybrid where there are vectors",
      MODES },
    ALL_OPTION,
    { "stdin", 0, NULL,
      "one question a line from standard input, as {\"query\":\"...\",\"scope\":{...},\"k\":5}; one answer a line",
      NULL },
    OPTIONS_END,
};
static const option_spec replay_options[] = {
    { "query", 0, "TEXT", "the question, where the receipt was kept without it", NULL },
    OPTIONS_END,
};
static const option_spec verify_options[] = {
    { "repair", 0, NULL, "mend what can be mended; nothing is deleted", NULL },
    OPTIONS_END,
};
static const option_spec maintain_options[] = {
    { "memory-limit", 0, "MIB", "how much memory it may take, in MiB (512)", NULL },
    { "time-limit", 0, "SECONDS", "stop after that time; what is unfinished stays as it was", NULL },
    { "force", 0, NULL, "repack also where nothing has changed since the last time", NULL },
    OPTIONS_END,
};
static const option_spec swap_options[] = {
    { "to", 0, "DIR", "the new store, not there or empty; else beside the old one, with .BACKEND at its end", "DIR" },
    { "with", 0, "JSON", "settings of the new backend, as {\"durability\":\"relaxed\"}", NULL },
    { "shadow", 0, NULL, "only rehearse: fill the new store, make the same calls to both, compare; nothing is switched",
      NULL },
    { "samples", 0, "N", "searches to compare, 1 to 1000 (16)", NULL },
    { "yes", 'y', NULL, "go on where the new backend keeps no history; the old store still has it", NULL },
    OPTIONS_END,
};
static const option_spec serving_options[] = {
    { "port", 0, "N", "the port (8765); 0: any that is free", NULL },
    { "listen", 0, "ADDRESS", "the address (127.0.0.1); another one than of the loopback needs a key", NULL },
    { "keys", 0, "FILE", "the file of keys; else keys.json in $XDG_CONFIG_HOME/quipu or ~/.config/quipu", "FILE" },
    { "require-key", 0, NULL, "do not serve programs of this machine without a key either", NULL },
    { "allow-host", 0, "NAME", "a further name by which this server is reached; may be given again", NULL },
    { "allow-origin", 0, "URL", "a web page's origin that may call, as https://example.org; may be given again", NULL },
    { "prefix", 0, "PATH", "serve everything below this path", NULL },
    { "rate", 0, "N", "requests a second of one key, or without keys of one address (0: any number)", NULL },
    { "workers", 0, "N", "requests that are worked on at once (32)", NULL },
    { "body-limit", 0, "BYTES", "of one request's body (8388608)", NULL },
    { "tls-cert", 0, "FILE", "speak HTTPS with this certificate, and those above it (PEM)", "FILE" },
    { "tls-key", 0, "FILE", "the certificate's key (PEM)", "FILE" },
    { "log", 0, "WHAT", "which requests go to standard error: all, failures (the default), nothing",
      "all failures nothing" },
    OPTIONS_END,
};
static const option_spec keys_options[] = {
    { "role", 0, "ROLE", "what the new key may do: read, write (the default) or admin", "read write admin" },
    { "label", 0, "TEXT", "a name for the new key: who acts with it, in the history", NULL },
    { "keys", 0, "FILE", "the file of keys; else keys.json in $XDG_CONFIG_HOME/quipu or ~/.config/quipu", "FILE" },
    OPTIONS_END,
};
static const option_spec import_options[] = {
    { "batch", 0, "N", "records in one commit (1000); 1 gives each its own", NULL },
    OPTIONS_END,
};
static const option_spec export_options[] = { FILTER_OPTION, AS_OF_OPTION, OPTIONS_END };
static const option_spec log_options[] = {
    { "limit", 'n', "N", "revisions at the most", NULL },
    { "from", 0, "REV", "begin here and go back", NULL },
    OPTIONS_END,
};
static const option_spec diff_options[] = { { "id", 0, "ID", "only this record", NULL }, OPTIONS_END };
static const option_spec restore_options[] = { AS_OF_OPTION, OPTIONS_END };
static const option_spec branch_options[] = {
    { "delete", 'd', NULL, "take the branch's name away", NULL },
    OPTIONS_END,
};
static const option_spec settle_options[] = {
    { "ours", 0, NULL, "the state that the merge kept", NULL },
    { "theirs", 0, NULL, "the other one, in the fields that are open", NULL },
    { "record", 0, "JSON", "the whole record as it should be", NULL },
    OPTIONS_END,
};
static const option_spec plugins_options[] = {
    { "load", 0, NULL, "load each one and check it fully; status 1 where one is refused", NULL },
    OPTIONS_END,
};
static const option_spec validate_options[] = {
    { "level", 0, "N", "how thorough: 1 (default) to 5", NULL },
    { "seed", 0, "S", "of the random checks (1): the same seed makes the same operations", NULL },
    { "time-limit", 0, "SECONDS", "of one check (30)", NULL },
    { "only", 0, "CHECK", "one check, or one family of them", NULL },
    { "settings", 0, "JSON", "what its backends and embedders are opened with", NULL },
    { "format", 0, "FORM", "text (default), json, tap, junit or markdown", "text json tap junit markdown" },
    { "list", 0, NULL, "show the checks, run none", NULL },
    OPTIONS_END,
};
static const option_spec mcp_options[] = {
    { "profile", 'p', "NAME", "which tools there are: " PROFILES " (quipu)", PROFILES },
    { "read-only", 0, NULL, "only the tools that change nothing", NULL },
    OPTIONS_END,
};
static const option_spec help_options[] = { { "man", 0, NULL, "as a man page (roff)", NULL }, OPTIONS_END };

#define REVISIONS                                                                                                      \
    "A revision is named by what `quipu log` prints (or an unambiguous beginning of it, 4 characters at least), by "   \
    "HEAD or "                                                                                                         \
    "HEAD~N, or by a time: the last revision made at or before it."

#define REMOTES                                                                                                        \
    "REMOTE is a name from the store's git configuration (\"origin\" where none is given), a folder, or an address: "  \
    "ssh://, host:path (with a key of the ssh agent), https:// (with what the address names as user and password), "   \
    "git://. A credential helper is not asked."

const command cli_commands[] = {
    { "add", "remember a text", "TEXT|-", 1, 1, add_options,
      "Adds one record and prints its id. When the command returns, the record is stored and cannot be lost.\n\n"
      "TEXT is what is searched later; - reads it from standard input. --user, --agent, --session and --app say whom "
      "it belongs to.\n\n"
      "An --id that is taken already is refused with status 1, so that nothing is overwritten by chance; --upsert "
      "replaces.",
      "quipu add \"prefers morning meetings\" --user ana --tag habits\n"
      "quipu add \"Berlin\" --user ana --category city --key home --upsert\n"
      "# a number in the metadata, and an end\n"
      "quipu add \"voucher\" --meta amount:=25 --expires 30d\n"
      "git log -1 --format=%B | quipu add - --kind message --actor git",
      NULL, cmd_add },
    { "get", "show one record", "ID", 1, 1, get_options,
      "Shows a record with all its fields. With --user and the like, a record outside of that scope is not found.",
      "quipu get 0190f1c2-7a51-7c3e-b0a4-2f6d3f9f8a11\nquipu get home --as-of 2025-01-31 --json", NULL, cmd_get },
    { "update", "change a record", "ID [TEXT|-]", 1, 2, update_options,
      "Changes the text and the fields that are given, and leaves the others alone. An empty value removes: --meta "
      "NAME= takes the member away, --category \"\" the category. --tag gives the whole new set of tags; --tag \"\" "
      "empties it.\n\n"
      "A change by somebody else in between is not lost: the record is read, changed and put back only where it is "
      "still what was read. --if-version makes sure of a version that you have seen.",
      "quipu update home \"Hamburg\"\nquipu update home --tag city --meta source=  --importance 0.8", NULL,
      cmd_update },
    { "delete", "forget records", "ID...", 1, -1, delete_options,
      "Deletes the records, all of them or, where one is missing, none. What was there can still be seen with `quipu "
      "log` and brought back with `quipu restore`.",
      "quipu delete home\nquipu delete a b c --user ana", NULL, cmd_delete },
    { "list", "list records", "", 0, 0, list_options,
      "Lists records, newest first. There is more than one page where the answer ends with a cursor.\n\n"
      "A filter is JSON: {\"kind\":\"message\"} for equal, {\"importance\":{\"gte\":0.5}} with one of eq ne gt gte lt "
      "lte in nin contains icontains, \"*\" for present, and AND, OR, NOT around lists of filters.",
      "quipu list --user ana -n 20\n"
      "quipu list --filter '{\"AND\":[{\"tags\":\"work\"},{\"created_at\":{\"gte\":\"2025-01-01\"}}]}'",
      NULL, cmd_list },
    { "search", "find records by what they say", "QUERY|- | --stdin", 0, 1, search_options,
      "Shows the records that answer the question best, best first. --user and the like, and --filter, narrow what is "
      "searched.\n\n"
      "With --stdin every line of standard input is a JSON object with the members query, scope, filter, k, mode, "
      "as_of, explain, wait, receipt, recency, importance, half_life_days, now and include_expired, and for each line "
      "one "
      "line of JSON comes out at once, in the "
      "same order: "
      "{\"results\":[...]}, or {\"error\":{...}} for a line that could not be answered. The options hold for every "
      "question that does not say otherwise; the scope of the options binds them all.",
      "quipu search \"when does she like to meet?\" --user ana -k 3\n"
      "quipu search \"home town\" --as-of 2025-01-31 --explain\n"
      "printf '%s\\n"
      "' '{\"query\":\"meetings\",\"k\":3}' | quipu search --stdin",
      "With --stdin: 0 when every line was answered, 1 when some line was answered with an error.", cmd_search },
    { "replay", "ask again what a receipt was made for", "FILE|-", 1, 1, replay_options,
      "Takes the receipt that `quipu search --receipt` gave (its line, or the whole answer with --json), asks the same "
      "question of the same revision and moment, and compares ids, versions and scores. So it can be shown later what "
      "an agent was told, and that nobody has changed it.\n\n"
      "A receipt may be kept without the question itself (its member request.query): it has the question's SHA-256, "
      "and --query gives the text.",
      "quipu search \"home town\" --receipt --json > told.json\nquipu replay told.json",
      "1 where the answer is another one now.", cmd_replay },
    { "import", "take in records from a file", "FILE|-", 1, 1, import_options,
      "Stores one record a line of JSON, as `quipu export` writes them; blank lines are skipped. A record with the id "
      "of a stored one replaces it. --user and the like fill in the scope of records that name none.\n\n"
      "A line that cannot be stored ends the import with its number; the lines before it are stored, and nothing "
      "half. An interrupt stores the lines read so far and says how far it came.",
      "quipu import conversation.jsonl --user ana\nquipu --store new import - < export.jsonl",
      "3 where a line could not be stored; 130 after an interrupt.", cmd_import },
    { "export", "write records to a file", "[FILE|-]", 0, 1, export_options,
      "Writes the records, those that have expired too, one JSON object a line, ordered by id, to FILE or standard "
      "output. Imported into an empty store they have the same versions.",
      "quipu export backup.jsonl\nquipu export --user ana | gzip > ana.jsonl.gz", NULL, cmd_export },
    { "log", "show what happened", "[ID]", 0, 1, log_options,
      "Shows the revisions of the store, or those that changed one record, newest first: name, time, author, what was "
      "done.",
      "quipu log -n 10\nquipu log home", NULL, cmd_log },
    { "show", "show one revision and what it changed", "REV", 1, 1, NULL,
      "Shows who made a revision, when and why, and every field that it changed, before and after.\n\n" REVISIONS,
      "quipu show HEAD\nquipu show 3f2a91c0", NULL, cmd_show },
    { "diff", "compare two revisions", "A [B] [ID]", 1, 3, diff_options,
      "Shows what B holds otherwise than A. Without B, the newest revision is meant. Of two arguments the second is "
      "taken as "
      "a revision where there is one of that name, else as the id of a record; --id says it plainly.\n\n" REVISIONS,
      "quipu diff HEAD~3\nquipu diff 2025-01-31 HEAD home", NULL, cmd_diff },
    { "revert", "take one revision back", "REV", 1, 1, NULL,
      "Undoes what a revision changed, as a new revision on top. Where one of its records has changed since, nothing "
      "is done "
      "and the record is named.\n\n" REVISIONS,
      "quipu revert HEAD", NULL, cmd_revert },
    { "restore", "bring back a record as it was", "ID --as-of REV|TIME", 1, 1, restore_options,
      "Gives a record the state that it had then, as a new revision; a record that was deleted since comes "
      "back.\n\n" REVISIONS,
      "quipu restore home --as-of 2025-01-31\nquipu restore home --as-of HEAD~1", NULL, cmd_restore },
    { "branch", "show, make or delete branches", "[NAME [REV]]", 0, 2, branch_options,
      "Without NAME shows the branches, the current one marked with a star. With NAME makes one, at REV or where the "
      "current one stands.",
      "quipu branch\nquipu branch experiment\nquipu branch before HEAD~10\nquipu branch --delete experiment", NULL,
      cmd_branch },
    { "switch", "make another branch the current one", "NAME", 1, 1, NULL,
      "From now on everybody who uses the store reads and writes this branch, also processes that have it open.",
      "quipu branch experiment && quipu switch experiment", NULL, cmd_switch },
    { "merge", "merge a branch into the current one", "NAME", 1, 1, NULL,
      "Takes in what the branch changed since the two had parted, record by record and field by field, as `quipu pull` "
      "does. What both changed differently stays as a record of kind \"conflict\"; see `quipu conflicts`.",
      "quipu switch main && quipu merge experiment", NULL, cmd_merge },
    { "pull", "take in what another store has", "[REMOTE]", 0, 1, NULL,
      "Takes in the changes of another store and merges them, record by record and field by field: what one side "
      "changed is taken, tags and links merge as sets, metadata and value by key. What both changed differently stays "
      "as a record of kind \"conflict\"; see `quipu conflicts`.\n\n" REMOTES,
      "quipu pull\nquipu pull ../laptop/store\nquipu pull ssh://git@example.org/memory.git", NULL, cmd_pull },
    { "push", "give another store what is here", "[REMOTE]", 0, 1, NULL,
      "Gives another store or plain bare git repository what is here. Where it has something new, that is pulled and "
      "merged first.\n\n" REMOTES,
      "quipu push\nquipu push /mnt/backup/memory.git", NULL, cmd_push },
    { "clone", "make a store from another one", "REMOTE", 1, 1, NULL,
      "Makes the store, which must not hold records yet, a copy of another one with all its history, and remembers "
      "that "
      "one as \"origin\" for push and pull.\n\n" REMOTES,
      "quipu clone ssh://git@example.org/memory.git --store ~/memory", NULL, cmd_clone },
    { "conflicts", "show what a merge could not decide", "", 0, 0, NULL,
      "Shows the conflict records: for each field that both sides changed differently what it was, what the store kept "
      "(ours) and what the other side had (theirs). Which side is kept does not depend on who merges: that with the "
      "later updated_at.",
      "quipu conflicts\nquipu list --filter '{\"kind\":\"conflict\"}'", NULL, cmd_conflicts },
    { "settle", "decide a conflict", "ID --ours|--theirs|--record JSON", 1, 1, settle_options,
      "Gives the record the state that is chosen and deletes the conflict record, as one revision. ID is that of the "
      "conflict record. Fields that are not open keep what they have now.",
      "quipu settle conflict-0b0c5f7e1b0a4c1e9d6f6b1f0f3c2a11 --theirs", NULL, cmd_settle },
    { "stats", "show figures about the store", "", 0, 0, NULL,
      "Shows where the store is, which backend keeps it, and what that backend tells: the number of records and more.",
      "quipu stats --json", NULL, cmd_stats },
    { "plugins", "show the plugins that are there", "", 0, 0, plugins_options,
      "Shows every plugin in $QUIPU_PLUGIN_PATH, beside the program and in the installed folder, from the note in its "
      "file; no code of it runs. With --load each one is loaded and checked, its backends and embedders are named, "
      "and all faults of those that are refused.",
      "quipu plugins\nquipu plugins --load", NULL, cmd_plugins },
    { "verify", "check everything that is stored, and repair it", "", 0, 0, verify_options,
      "Reads every object, whether what it names is there, every ref, every record and the index, and says what is "
      "wrong: a "
      "line for each finding, and how many of each were checked. It opens also stores that no other command opens.\n\n"
      "With --repair it mends what can be mended: indexes are made anew, what is sound in a damaged pack is saved and "
      "single "
      "flipped bits are flipped back, a lost branch is put back where that is clear, a record that cannot be read gets "
      "its "
      "last readable version by a commit that says so, files that are no records move out of records/. Nothing is "
      "deleted: what is taken out of its place is in the store's folder quipu/aside, with a note. A repair that was "
      "cut "
      "short can be run again.",
      "quipu verify\nquipu verify --repair\nquipu verify --json | jq .counts",
      "1 where damage was found, or remains after --repair; 3 where it could not be checked.", cmd_verify },
    { "models", "show the models on this machine", "", 0, 0, NULL,
      "Shows the folders that hold a model, and the places that were looked in: $QUIPU_MODELS, the data folder, and "
      "the "
      "cache of the Hugging Face tools. Nothing is downloaded.",
      "quipu models\nquipu models --json", NULL, cmd_models },
    { "reembed", "make the vectors that are still to be made", "", 0, 0, NULL,
      "Makes the vectors that are pending, with a bar. With --embedder NAME those of another embedder are made from "
      "the "
      "texts, beside the ones that are there; once all are made, NAME becomes the store's embedder, and until then the "
      "store "
      "goes on answering by the old one. What an interrupted run has made is kept: run it again.",
      "quipu reembed\nquipu reembed --embedder bert", NULL, cmd_reembed },
    { "maintain", "make the store small, purge what has expired", "", 0, 0, maintain_options,
      "Takes away records whose time has passed (--expires), as commits of their own that can be seen and taken back "
      "like "
      "any other, and stores everything in one well compressed pack. Others may read and write meanwhile. Needed "
      "only for room: packs are merged as they come, and what has expired is hidden anyway.",
      "quipu maintain\nquipu maintain --memory-limit 256 --time-limit 60",
      "1 where a limit ended it early; the store is as it was then.", cmd_maintain },
    { "swap", "keep the store in another backend", "BACKEND", 1, 1, swap_options,
      "Fills a new store of another backend, compares every record and some searches, and makes it the store. Others "
      "may read and write "
      "meanwhile: what they write comes along, and from the moment of the switch on they are told the new place. The "
      "history comes along, "
      "revision by revision, where both backends keep one; where it would stay behind, you are asked, or give "
      "--yes.\n\n"
      "The old store is left as it was, with a mark that says where to go: opening it leads to the new one. --backend "
      "with the old one's "
      "name opens the old one, to read. To go back, swap to the old backend again, with --to and the old place.\n\n"
      "Where anything is in doubt, or on a signal, nothing is switched; running it again goes on where it was. The "
      "name of the backend that "
      "is active already, without --to, compares what its plugin file of today shows with what the running one does: "
      "for hosts that stay "
      "open, after an update.",
      "quipu swap sqlite\nquipu swap sqlite --shadow\nquipu swap git --to ~/memory --with "
      "'{\"durability\":\"relaxed\"}'",
      "1 where the two backends do not agree.", cmd_swap },
    { "serve", "answer hosts over HTTP", "", 0, 0, serving_options,
      "Serves the store to programs that speak the REST interfaces of mem0 (its self-hosted server, "
      "and its platform), of Hindsight, of nullclaw and of MCP (/mcp), and tells how it is doing: /healthz, /readyz, "
      "/metrics for Prometheus, "
      "/openapi.json for the list of all routes. It runs "
      "until a signal ends it: requests that were begun are finished then, for ten seconds at most.\n\n"
      "It listens to this machine alone. Without a key (`quipu keys add`) every program of this machine may use it; "
      "once "
      "there is one, each request needs one, as `Authorization: Token KEY`, `Authorization: Bearer KEY` or `X-API-Key: "
      "KEY`. --user and the like bind everybody to that scope.\n\n"
      "Each event is one line of JSON on standard error; no key and nothing of what is remembered is in it.",
      "quipu serve\nquipu serve --port 0 --json\n"
      "quipu keys add --label phone --user ana && quipu serve --listen 0.0.0.0 --allow-host box.local",
      "0 after SIGTERM or SIGINT.", cmd_serve },
    { "keys", "make, list and remove keys for `quipu serve`", "[list|add|remove ID]", 0, 2, keys_options,
      "Without a word, or with list, shows the keys. add makes one and prints it, once: the file keeps a hash. With "
      "--user, --agent, --session or --app it is bound to that scope: nothing else is seen or written with it. remove "
      "takes one back. A running server knows of it at its next request.",
      "quipu keys add --role read --label dashboard\nquipu keys add --user ana\nquipu keys\n"
      "quipu keys remove 3f2a91c00b1d",
      "1 where there is no such key.", cmd_keys },
    { "validate", "check whether a plugin keeps the contract", "[FILE.so]", 0, 1, validate_options,
      "Loads a plugin and tries it: what the file says, what loading it does to the process, how it takes bad input, "
      "whether its backends and embedders behave as they must, and what is left of a store when calls fail, the disk "
      "is full or "
      "the process is killed. Each check runs in a process of its own with a time limit, so "
      "that a plugin that crashes or hangs fails that check only.",
      "quipu validate build/plugins/git.so\nquipu validate ./mine.so --only contract --json\n"
      "quipu validate ./mine.so --level 4 --format junit\nquipu validate --list",
      "1 where a check failed, crashed or hung.", cmd_validate },
    { "new-plugin", "begin a backend of your own", "NAME", 1, 1, NULL,
      "Makes the folder NAME with a complete small backend, its Makefile, a test, a README and a CI file that runs the "
      "validator. "
      "`make check` in it builds the plugin and tries it.",
      "quipu new-plugin river\ncd river && make check", NULL, cmd_new_plugin },
    { "mcp", "serve the store to agents by the Model Context Protocol", "", 0, 0, mcp_options,
      "Serves the store as an MCP server on standard input and output, until the input ends; a host such as an editor "
      "or a "
      "chat program starts it. It speaks the revisions 2024-11-05 to 2025-11-25, which begin with `initialize`, and "
      "the "
      "stateless 2026-07-28, in one process.\n\n"
      "--user, --agent, --session and --app bind the server: what it writes belongs there, and nothing else is seen. "
      "Who "
      "acts, in the log, is what the client calls itself, unless one of these, $QUIPU_AUTHOR or the settings say "
      "it.\n\n"
      "Standard output carries the protocol alone; what there is to say goes to standard error.",
      "quipu mcp --user ana\nquipu mcp --read-only --store ~/memory", "0 when the input ended, or on SIGTERM.",
      cmd_mcp },
    { "help", "explain a command", "[COMMAND]", 0, 1, help_options, "Shows the commands, or all about one.",
      "quipu help search\nquipu help --man search | man -l -", NULL, cmd_help },
    { "version", "show the version", "", 0, 0, NULL,
      "Shows the versions of the program, of libquipu and of the plugin ABI.", "quipu version", NULL, cmd_version },
    { "completion", "print a completion script for a shell", "bash|zsh|fish", 1, 1, NULL,
      "Prints what makes the shell complete commands and options.",
      "quipu completion bash > ~/.local/share/bash-completion/completions/quipu\n"
      "quipu completion zsh > ~/.zfunc/_quipu\n"
      "quipu completion fish > ~/.config/fish/completions/quipu.fish",
      NULL, cmd_completion },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};

const command *command_find(const char *name)
{
    for (const command *row = cli_commands; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}
