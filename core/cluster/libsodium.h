/*
 * The library libsodium (Debian: libsodium23). It is loaded when the first key is used. The
 * declarations are those of its sodium.h, whose ABI is stable.
 */
#ifndef LUAS_LIBSODIUM_H
#define LUAS_LIBSODIUM_H

enum {
    LUAS__SODIUM_KEY = 32, LUAS__SODIUM_NONCE = 24, LUAS__SODIUM_MAC = 16 /* of crypto_secretbox */
};

#define LUAS__SODIUM(X) \
    X(int, sodium_init, (void)) \
    X(void, sodium_memzero, (void *, size_t)) \
    X(int, crypto_secretbox_easy, (unsigned char *, const unsigned char *, unsigned long long, \
                                   const unsigned char *, const unsigned char *)) \
    X(int, crypto_secretbox_open_easy, (unsigned char *, const unsigned char *, unsigned long long, \
                                        const unsigned char *, const unsigned char *)) \
    X(int, crypto_sign_seed_keypair, (unsigned char *, unsigned char *, const unsigned char *))

#include <stddef.h>

typedef struct luas__libsodium {
#define LUAS__SODIUM_FIELD(result, name, arguments) result (*name) arguments;
    LUAS__SODIUM(LUAS__SODIUM_FIELD)
#undef LUAS__SODIUM_FIELD
} luas__libsodium;

/* The library's functions; NULL, and why, where it cannot be loaded. */
const luas__libsodium *luas__libsodium_load(const char **why);

#endif
