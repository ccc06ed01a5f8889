/* What is in a message, or in a queue or table, lives on though no process has it. */
#ifndef LUAS_ARENA_KEEP_H
#define LUAS_ARENA_KEEP_H

#include "arena.h"

/* Call it when the id of the object goes into a message; or, while the arena `collects`, into
   something that will keep it. Until that does this process has a reference of its own to each of the
   `packed`, which it drops by luas__arena_keep_release. */
int luas__arena_keep_pack(const luas__object *o);
void luas__arena_keep_release(luas__arena *a, const uint64_t *ids, uint32_t count);

/* luas__arena_keep_add: these objects live at least as long as `keeper`. Returns 0 or negative. Each
   call is undone by one of luas__arena_keep_remove. */
int luas__arena_keep_add(const luas__object *keeper, const uint64_t *ids, uint32_t count);
void luas__arena_keep_remove(const luas__object *keeper, const uint64_t *ids, uint32_t count);

#endif
