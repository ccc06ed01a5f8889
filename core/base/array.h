/* Arrays that grow. */
#ifndef LUAS_ARRAY_H
#define LUAS_ARRAY_H

#include <stddef.h>

/*
 * Makes room for `count` items in all, of `size` bytes each. `items` is the address
 * of a pointer that malloc gave or that is NULL. *cap is the number of items there
 * is room for; when it has to grow, it at least doubles. Returns 0, or LUAS_ENOMEM
 * with everything unchanged.
 */
int luas__array_reserve(void *items, size_t *cap, size_t count, size_t size);

#endif
