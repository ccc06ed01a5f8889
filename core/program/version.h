/* What `luas -v` and `luas --version` print. */
#ifndef LUAS_VERSION_H
#define LUAS_VERSION_H

#include <stdbool.h>

/* The versions of luas and Lua, in a line as that of `lua -v`. With `all` also the commit that the
   program was built of, and which of the libraries that luas loads when it needs them are there. */
void luas__version_print(bool all);

#endif
