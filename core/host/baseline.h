/*
 * Baselines: what lies behind a module's fields, as it was when workers were forked. That is upvalues
 * of its functions, the tables and functions in these, and so on, and the metatables of all tables on
 * the way. A change there is sent to workers as settings (settings.h). A change of the fields
 * themselves is not (table_watch.h).
 *
 *   core.baseline(name, names, module, W, met) -> B    of this module. `names` has the names of
 *                                   modules by table: a baseline ends at another one. W is the
 *                                   watch of its fields. Adds the names of modules that it ends
 *                                   at to the set `met`
 *   core.baseline_of_state(files, names, met) -> B     of what the state has one of: of the files
 *                                   of io, or else of all others (settings.h)
 *   core.is_at_baseline(B) -> boolean    is all as it was? Not if something was noted
 *   core.note_changes(B)            workers were forked now, and others before: what differs now may
 *                                   differ in them from now on, also if it becomes what it was
 *   J:settle(list) -> true, modules sends the job's tasks what differs from these baselines, or was
 *                                   noted: and the names of modules that they need for it. Or nil
 *                                   and why that cannot be sent. What differs is noted, unless that is
 *                                   much: a task may change it in its worker, and the script set it back
 *
 * A worker must have been forked after a baseline was made to be sent what differs from it. A module
 * is looked at as far as there is not too much of it; what is beyond, and what libraries keep in C
 * or in coroutines, is compared by identity alone.
 */
#ifndef LUAS_BASELINE_H
#define LUAS_BASELINE_H

#include <lua.h>
#include <stdbool.h>

int luas__baseline_make(lua_State *L);
int luas__baseline_of_state(lua_State *L);
int luas__baseline_compare_is_same(lua_State *L);
int luas__baseline_compare_note(lua_State *L);

/*
 * Notes and pushes what differs from the baselines in the list at this index: a table of settings, and one of
 * the objects in the baselines, as luas__carried has it. Returns false, with nothing pushed, if that
 * is too much.
 */
bool luas__baseline_compare_changes(lua_State *L, int list);

#endif
