/*
 * The debug hook around a task that the host itself calls: what the task leaves is taken away after it,
 * as it would fail the next task, or the host's own code. Hooks of C, which a signal may have set, stay.
 */
#ifndef LUAS_INLINE_HOOK_H
#define LUAS_INLINE_HOOK_H

#include <lua.h>

typedef struct luas__inline_hook {
    lua_Hook f;     /* NULL: none */
    int mask, count;
} luas__inline_hook;

/* Notes the hook that is set now; it stays where it is until luas__inline_hook_forget. */
void luas__inline_hook_note(lua_State *L, luas__inline_hook *h);

/* Sets it again, if debug.sethook has set another one or taken it away. `own`: a hook that is taken for
   none. */
void luas__inline_hook_restore(lua_State *L, const luas__inline_hook *h, lua_Hook own);

void luas__inline_hook_forget(lua_State *L, const luas__inline_hook *h);

#endif
