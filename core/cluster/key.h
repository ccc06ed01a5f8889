/*
 * The key of a cluster: a file with one line, which its owner alone may read. Whoever has it may
 * have functions run by the agents, and read what they are given and what they give.
 *
 * Failures are negative, with the reason for people in `why`, which names the file and never says
 * anything of what is in it.
 */
#ifndef LUAS_KEY_H
#define LUAS_KEY_H

#include <stddef.h>

enum { LUAS__KEY_BYTES = 32, LUAS__KEY_WHY = 256 };

/* Makes a new key and the file, with mode 0600. A file that exists stays as it is: -EEXIST. */
int luas__key_make(const char *path, char why[LUAS__KEY_WHY]);

/* Makes a file of this user's alone that holds the text, of that length. As luas__key_make. */
int luas__key_write(const char *path, const char *text, size_t len, char why[LUAS__KEY_WHY]);

/* Reads a key. Refuses what is no regular file, what others than its owner may read or write, what
   belongs to another user than this one (or root), and what is no key. */
int luas__key_read(const char *path, unsigned char key[LUAS__KEY_BYTES], char why[LUAS__KEY_WHY]);

#endif
