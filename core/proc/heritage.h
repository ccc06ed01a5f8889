/*
 * The descriptors that the program was started with, beside stdin, stdout and stderr: those
 * of make's job server, for example, or a socket on which it shall listen. Its environment
 * names them for programs that it starts, so its children keep them.
 *
 * They are those that are open when the library is loaded. That is before main, unless
 * an interpreter loads the library in the middle of a script.
 */
#ifndef LUAS_HERITAGE_H
#define LUAS_HERITAGE_H

#include "fd_set.h"

/* Was the program started with this descriptor, and is it still that file? */
bool luas__heritage_has(int fd);

/* Adds those to the set for which that holds. */
void luas__heritage_add_to(luas__fd_set *s);

/*
 * The library was loaded after the program had opened files of its own. What was open then
 * counts if the parent has it open, too, or if several numbers below it were free: the
 * program's own files take the lowest. (One was free if popen made it: the other end of that
 * pipe is closed.) Where the parent does not let us look, all of it counts. Only the first
 * call does something.
 */
void luas__heritage_loaded_late(void);

#endif
