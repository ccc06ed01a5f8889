/* What the workers of a pool of luas.h begin with: copied from the application's options. */
#ifndef LUAS_EMBED_KIT_H
#define LUAS_EMBED_KIT_H

#include <stdbool.h>

#include "embed_script.h"
#include "luas.h"

/* All zero is empty. */
typedef struct luas__embed_kit {
    luas__script script;        /* in `text` */
    luas_setup *setup;          /* or NULL */
    void *setup_data;
    size_t setup_size;          /* if that is a copy; or 0 */
    luas__buffer words;         /* names, a zero after each: of the functions to call first and last,
                                   and of the workers; then the script's arguments, as MessagePack */
    size_t memory;              /* bytes for a state; 0: no limit */
    bool is_weighed;            /* workers are, by their memory */
    const luas_shared *shared;  /* or NULL */
    luas__buffer text;
    luas__buffer program;       /* the path of what workers are, a zero after it; or empty */
} luas__embed_kit;

/* What `words` says. */
typedef struct luas__embed_words {
    const char *init, *exit;    /* "": none */
    const char *name;
    const char *arguments;
    size_t len;                 /* of these */
} luas__embed_words;

luas__embed_words luas__embed_kit_words(const char *words, size_t len);

bool luas__embed_kit_has_exit(const luas__embed_kit *k);

/* Reads and compiles the script. On failure nothing is left; `why` gets what is known of it beside
   the code. */
int luas__embed_kit_read(luas__embed_kit *k, const luas_options *options, luas__buffer *why);

void luas__embed_kit_release(luas__embed_kit *k);

#endif
