/* What the files behind luas.h know of a luas_shared. */
#ifndef LUAS_EMBED_SHARED_H
#define LUAS_EMBED_SHARED_H

#include "arena.h"

struct luas_shared {
    luas__arena arena;
};

#endif
