/* The server of a cluster, as its URL names it, and what is asked of a connection to it. */
#ifndef LUAS_SERVER_H
#define LUAS_SERVER_H

#include <stdbool.h>

#include "key.h"

enum { LUAS__SERVER_URL = 512, LUAS__SERVER_PUBLIC = 64 };

typedef struct luas__server {
    char url[LUAS__SERVER_URL];         /* for libnats */
    char shown[LUAS__SERVER_URL];       /* for people: without user and password */
    bool is_local;                      /* on this machine */
    bool is_tls;
    char public_key[LUAS__SERVER_PUBLIC];   /* of the nkey, or "" */
} luas__server;

/*
 * Reads nats://[user:password@]host[:port] or tls://..., and the seed of an nkey from its file, if one is
 * given. Refuses, with the reason for people: what is no such URL; a server elsewhere without a key. To a
 * server elsewhere the connection is always by TLS. Returns 0 or negative.
 */
int luas__server_read(luas__server *s, const char *url, bool has_key, const char *nkey, char why[LUAS__KEY_WHY]);

/* Makes a new nkey of a user of the server: its seed in a file with mode 0600, its public key as text. A file
   that exists stays as it is: -EEXIST. */
int luas__server_make_nkey(const char *path, char public_key[LUAS__SERVER_PUBLIC], char why[LUAS__KEY_WHY]);

#endif
