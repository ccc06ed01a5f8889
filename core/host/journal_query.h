/* SQL for Lua, over the connection of a journal. */
#ifndef LUAS_JOURNAL_QUERY_H
#define LUAS_JOURNAL_QUERY_H

#include <lua.h>

#include "events.h"

/* Arguments: a reader that is a journal, SQL, values. Returns a list of rows, which are lists; or nil and
   the reason. A value `true` says that the string after it is a blob. */
int luas__journal_query_rows(lua_State *L);

/* Writes what the journal has collected: 0, or -EIO */
int luas__journal_query_finish(luas__reader *reader);

#endif
