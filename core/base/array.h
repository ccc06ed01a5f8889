/* Arrays that grow. */
#ifndef LUAS_ARRAY_H
#define LUAS_ARRAY_H

#include <stddef.h>

/*
 * Makes room for `count` items of `size` bytes in all: 0; or LUAS_ENOMEM, and
 * all is as before. `items` is the address of the pointer to them, which malloc
 * gave, or NULL; *cap, how many there is room for, at least doubles.
 */
int luas__array_reserve(void *items, size_t *cap, size_t count, size_t size);

#endif
