/* Surroundings (surroundings.h) on their way to another process. */
#ifndef LUAS_SURROUNDINGS_MESSAGE_H
#define LUAS_SURROUNDINGS_MESSAGE_H

#include "buffer.h"
#include "msgpack.h"
#include "surroundings.h"

/* Appends what `to` has that `from` does not, and what changed between them and is the same again: a
   worker may have changed it itself. As an array: of the directory (nil: the same one, false: not
   known), its device and inode, the locale, the mask, the time zone (nil: the same one), and an array
   of variables, NAME=VALUE or just NAME for those that are gone. */
int luas__surroundings_message_write(luas__buffer *out, const luas__surroundings *from,
                             const luas__surroundings *to);

/* Makes of `from` what another process has written. Returns 0, or negative with *to NULL. */
int luas__surroundings_message_read(luas__surroundings **to, const luas__surroundings *from,
                            luas__mp_reader *changes);

#endif
