/* luas_values (luas.h) as plain MessagePack, and back. */
#ifndef LUAS_PLAIN_VALUE_H
#define LUAS_PLAIN_VALUE_H

#include <stdbool.h>

#include "luas.h"
#include "msgpack.h"

/* Appends one value. LUAS_EINVAL for one that there is not; else as the writers of msgpack.h. The
   bytes of LUAS_OTHER are appended as they are. */
int luas__plain_value_write(luas__buffer *b, const luas_value *v);

/* Makes a value of a token that is one by itself. The bytes of a string are the token's: no zero
   is after them. Returns false if more tokens belong to it, or if C has no such value. */
bool luas__plain_value_set(luas_value *v, const luas__mp_token *t);

#endif
