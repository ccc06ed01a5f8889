/* The script of a pool of luas.h: its text, which is read once. */
#ifndef LUAS_EMBED_SCRIPT_H
#define LUAS_EMBED_SCRIPT_H

#include <lua.h>

#include "buffer.h"

typedef struct luas__script {
    const char *text;   /* source or bytecode */
    size_t len;
    const char *name;   /* for messages, as luaL_loadbuffer takes it; a zero after its end */
} luas__script;

/* Reads the file, or copies the text. `out` gets the text, a zero, the name, and a zero; the
   script points there. LUAS_ENOMEM or -errno. */
int luas__embed_script_read(luas__script *s, luas__buffer *out, const char *path);
int luas__embed_script_copy(luas__script *s, luas__buffer *out, const char *text, size_t len,
                            const char *name);

/* Does it compile? If not this is LUAS_ESCRIPT, and `why` gets the message. */
int luas__embed_script_check(const luas__script *s, luas__buffer *why);

/* As luaL_loadbuffer: pushes its function or a message. */
int luas__embed_script_load(lua_State *L, const luas__script *s);

#endif
