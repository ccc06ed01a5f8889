/*
 * A file in memory, which processes map that do not inherit each other's mappings.
 */
#ifndef LUAS_MEMFILE_H
#define LUAS_MEMFILE_H

#include <stddef.h>

/* A new file of `size` zero bytes; its pages are made when they are written to. Returns its
   descriptor, close-on-exec and above stderr, or -errno: -EFBIG where a limit forbids files of
   that size, -ENOSYS where there are no such files. */
int luas__memfile_make(size_t size);

/* Maps it for reading and writing, or returns NULL. */
void *luas__memfile_map(int fd, size_t size);

#endif
