/*
 * A connection to the server of a cluster, by libnats, whose threads put what comes into a list. The
 * owner: 1. luas__connection_open(); 2. luas__connection_listen() to subjects; 3. luas__connection_wait(), then
 * luas__connection_take() until it gives NULL; 4. luas__connection_close(). The library reconnects by itself.
 *
 * What is sealed is opened before it comes into the list; what does not open is counted and dropped, but for
 * what came out of a stream (kind '_', with a reply): of that there is an event without text.
 * Requests of CLAIM and GET are answered at once (desk.h), and a RESULT with DONE, by the thread that has them.
 *
 * The calls are for one thread, in the process that opened it: in a forked child there are none of
 * the threads, and luas__connection_close leaves everything as it is.
 */
#ifndef LUAS_CONNECTION_H
#define LUAS_CONNECTION_H

#include "desk.h"

typedef struct luas__connection luas__connection;

/* Texts may be NULL where they are not given. */
typedef struct luas__connection_options {
    const char *url;        /* nats:// or tls://, [user:password@]host[:port] */
    const char *key;        /* a file (key.h). Needed where the server is not on this machine */
    const char *ca;         /* a file with the certificates that are trusted, instead of the system's */
    const char *nkey;       /* a file with the seed of an nkey (server.h) */
    const char *name;       /* for the server's list of connections */
    const char *lua;        /* what is compared at a claim */
} luas__connection_options;

/* What has come. */
typedef struct luas__connection_event {
    struct luas__connection_event *next;
    char kind;              /* of its subject */
    bool is_sealed;         /* `message` has it; else `text` */
    int status;             /* of a message of the server's without bytes, such as 503: nobody is there; or 0 */
    int verdict;            /* of a claim that was answered */
    luas__sealed message;
    luas__buffer text;
    char *subject, *reply;  /* "" where there is no reply */
} luas__connection_event;

/* Returns 0; or negative, with the reason for people, in which no password and no key stands. */
int luas__connection_open(luas__connection **link, const luas__connection_options *options, char why[LUAS__KEY_WHY]);
void luas__connection_close(luas__connection *link);

/* Is this the process that opened it? */
bool luas__connection_is_here(const luas__connection *link);

/* What comes on this subject has that kind. On the inbox (`inbox.KIND.anything`) it is the letter KIND; of
   these messages those of kind 'P' are the server's own and not sealed. */
int luas__connection_listen(luas__connection *link, const char *subject, char kind);
const char *luas__connection_inbox(const luas__connection *link);

/* Sends a sealed message, or bytes as they are. `reply` may be NULL. Returns 0, LUAS_ETOOBIG, or another
   negative number: while the connection is down messages are kept, up to some megabytes. */
int luas__connection_send(luas__connection *link, const char *subject, const char *reply, const luas__sealed *m);
int luas__connection_post(luas__connection *link, const char *subject, const char *reply, const char *bytes, size_t len);

/* Asks the server's API, for at most so many ms, and appends what it says. */
int luas__connection_ask(luas__connection *link, const char *subject, const char *bytes, size_t len, int64_t ms,
                   luas__buffer *answer, char why[LUAS__KEY_WHY]);

/* Waits until there is something to take, or `fd` (or -1) is readable, or a signal comes: at most so many
   ns. Returns 1 if something is there, or 0. */
int luas__connection_wait(luas__connection *link, int64_t ns, int fd);

/* Readable when there is something to take. */
int luas__connection_fd(const luas__connection *link);

/* The oldest; the caller frees it. Or NULL. */
luas__connection_event *luas__connection_take(luas__connection *link);
void luas__connection_free(luas__connection_event *event);

luas__desk *luas__connection_desk(luas__connection *link);

/* How it is. `error` is what the server said last. */
typedef struct luas__connection_state {
    bool is_connected, is_closed;
    uint64_t reconnects, refused;
    size_t most;            /* bytes of a message's body */
    const char *error;
} luas__connection_state;

luas__connection_state luas__connection_look(luas__connection *link);

#endif
