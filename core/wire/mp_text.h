/*
 * Turns MessagePack into text for people, for logs and reports, where there is no Lua.
 * An extension type is shown as a word for what it stands for. Nothing here allocates
 * or fails: text that does not fit is cut.
 */
#ifndef LUAS_MP_TEXT_H
#define LUAS_MP_TEXT_H

#include "msgpack.h"

/* Writes the elements of an array (arguments or results) into `out`, with commas between
   them and a zero at the end: at most `size` bytes in all. Longer text is cut between
   two characters and ends in an ellipsis. A single string has no quotes. Returns the
   length. */
size_t luas__mp_text(const char *bytes, size_t len, char *out, size_t size);

/* The same for one string. It is made printable: UTF-8, in one line. */
size_t luas__mp_text_line(const char *string, size_t len, char *out, size_t size);

/* Copies text, escaped for the inside of a JSON string, and a zero. */
size_t luas__mp_text_json(const char *text, char *out, size_t size);

#endif
