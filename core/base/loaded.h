/* The shared libraries that this process has loaded, and where they lie. */
#ifndef LUAS_LOADED_H
#define LUAS_LOADED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct luas__loaded {
    const char *path;   /* the dynamic linker's; valid while the library is loaded */
    uint64_t offset;    /* of an address in it */
    unsigned index;     /* how many were loaded before it, the program itself among them */
} luas__loaded;

/* The library in which this address lies. Returns false if it lies in none, or in the program. */
bool luas__loaded_find(const void *address, luas__loaded *at);

/* The address at this offset of a library; NULL if that is not loaded. */
void *luas__loaded_at(const char *path, size_t len, uint64_t offset);

/* How many there are, the program itself among them. */
unsigned luas__loaded_count(void);

/* A number that a process has in common with its forks, and hardly with any other. */
uint64_t luas__loaded_family(void);

#endif
