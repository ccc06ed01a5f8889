/*
 * A letter: what a process needs in order to make workers of an application's script, in a file in
 * memory. It goes to a zygote, which is a copy of the application, or to a fresh program.
 */
#ifndef LUAS_EMBED_LETTER_H
#define LUAS_EMBED_LETTER_H

#include "bulk.h"
#include "embed_kit.h"
#include "surroundings.h"

/* `around` is what luas__surroundings_message_write has written. Returns the descriptor of the letter,
   for the caller to close, or negative. */
int luas__embed_letter_post(const luas__embed_kit *k, const luas__bulk *bulk, const luas__buffer *around);

/* What else is in a letter. */
typedef struct luas__embed_letter {
    const luas__bulk *bulk;     /* the host's */
    uint64_t shared;            /* the limit of the shared memory */
    const char *around;
    size_t len;                 /* of that */
    luas__surroundings *entered;    /* the same, once the process has them; it stays */
} luas__embed_letter;

/* Returns false if it cannot be read, or its setup function is not in this process. What *k has lies in
   the letter, which stays, but for a copy of the words. */
bool luas__embed_letter_open(luas__embed_letter *l, int fd, luas__embed_kit *k);

#endif
