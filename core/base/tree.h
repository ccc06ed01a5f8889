/*
 * A walk through a tree of folders: gives its files, in the order of their paths' bytes.
 *
 * 1. luas__tree_open; 2. luas__tree_next until it gives 0; 3. luas__tree_close.
 *
 * A folder is read whole when the walk comes to it. Between two calls one descriptor is open, that
 * of the uppermost folder, however deep the tree is.
 */
#ifndef LUAS_TREE_H
#define LUAS_TREE_H

#include <stdbool.h>

#include "buffer.h"

typedef struct luas__tree_level luas__tree_level;

typedef struct luas__tree {
    int root;               /* the uppermost folder; -1: there is none */
    bool follows;           /* symbolic links */
    bool is_file;           /* what was opened is a file, which is still to be given */
    luas__buffer path;      /* of what was found last, with a zero behind it */
    size_t above;           /* as many bytes of it are the uppermost folder's own */
    luas__tree_level *levels; /* folders that are open, from there down */
    size_t depth, cap;
} luas__tree;

/* All functions return negative numbers on failure. Where this one fails nothing is to be closed.
   The path itself may be a link. What is neither a file nor a folder is -EINVAL. */
int luas__tree_open(luas__tree *t, const char *path, bool follows);
void luas__tree_close(luas__tree *t);

/*
 * Returns 1 with the next file's path in t->path, 0 at the end. Only regular files are given, and with
 * `follows` links to such. A folder that cannot be read gives a negative number, with its path there;
 * the next call goes on behind it. One that is gone meanwhile has no files. No folder is entered
 * that the walk is in already.
 */
int luas__tree_next(luas__tree *t);

#endif
