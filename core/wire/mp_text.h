/*
 * Values as a person would write them, from their MessagePack: for logs and
 * reports, where Lua is not at hand. Extension types are named by what they
 * stand for. Nothing here allocates or fails: what does not fit is cut.
 */
#ifndef LUAS_MP_TEXT_H
#define LUAS_MP_TEXT_H

#include "msgpack.h"

/* Writes the elements of an array (arguments or results) into `out`, separated
   by commas, and a zero: at most `size` bytes with it, cut between characters
   and with an ellipsis. A string alone has no quotes. Gives the length. */
size_t luas__mp_text(const char *bytes, size_t len, char *out, size_t size);

/* The same for one string, which is made printable: UTF-8, in one line. */
size_t luas__mp_text_line(const char *string, size_t len, char *out, size_t size);

/* Copies text as the inside of a JSON string, escaped, and a zero. */
size_t luas__mp_text_json(const char *text, char *out, size_t size);

#endif
