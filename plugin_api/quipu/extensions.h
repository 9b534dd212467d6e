/*
 * extensions.h - the ids by which a backend's further abilities are found, and the place that each will have.
 *
 * An extension is one header under ext/ with one table, returned by quipu_backend_api.get_extension. Its revision is part
 * of the id from the first day; a draft keeps its id when it becomes stable; a vendor's own extension takes a
 * reverse-DNS id. A table obeys base.h like every other struct, so it can grow at its end; what cannot grow becomes "/2"
 * beside "/1". Nothing of the core moves when one is added, because the core already carries what they need:
 *
 *   as_of      in quipu_get, quipu_scan and quipu_search: history/1 gives it meaning
 *   change_id  in quipu_change_set: sync/1 and migrate/1 send again what may have arrived
 *   receipt    names the revision: watch/1 continues from one, branches/1 merges them, erase/1 replaces them
 *   MOVED      the answer of a store whose fence was set: migrate/1 sets it, and the new place is in the error's message
 */
#ifndef QUIPU_EXTENSIONS_H
#define QUIPU_EXTENSIONS_H

/* Has a header now. */
#define QUIPU_EXT_HISTORY "quipu.history/1" /* ext/history.h: log, differences, revert, restore, reading as of */
#define QUIPU_EXT_VERIFY "quipu.verify/1"   /* ext/verify.h: checks everything that is stored; repair is a flag there */
#define QUIPU_EXT_MIGRATE "quipu.migrate/1" /* ext/migrate.h: fast bulk in; the fence of a moved store */
#define QUIPU_EXT_BRANCHES "quipu.branches/1" /* ext/branches.h: list, create, switch, merge */
#define QUIPU_EXT_SYNC "quipu.sync/1"         /* ext/sync.h: push and pull with another store, merging by record */
#define QUIPU_EXT_MAINTAIN "quipu.maintain/1" /* ext/maintain.h: compacts, purges what expired, within limits */
#define QUIPU_EXT_VECTORS "quipu.vectors/1"   /* ext/vectors.h: vectors that are still to be made */

/* The id is taken, the header comes with its first implementation. All of them take (self, ..., call, error) and answer
 * through visitors, as those above do. */
#define QUIPU_EXT_ERASE "quipu.erase/1" /* takes a record out of every revision; answers with a receipt */
#define QUIPU_EXT_WATCH "quipu.watch/1" /* shows changes as they land, from a revision on; a pollable fd */

#endif
