/* A connection: what libnats' threads bring, and what is sent. */
#define _GNU_SOURCE
#include "connection.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fd.h"
#include "fork_detect.h"
#include "luas.h"
#include "libnats.h"
#include "server.h"

enum { MOST_SUBJECTS = 8, INBOX = 40, BUFFER = 64 << 20 };

/* Seconds, and ms, of libnats' waits. */
enum { CONNECT_MS = 5000, RECONNECT_MS = 250, PING_MS = 10000, CLOSE_SECONDS = 5 };

typedef struct subject {
    luas__connection *link;
    natsSubscription *subscription;
    char kind;
} subject;

struct luas__connection {
    const luas__libnats *nats;
    natsConnection *connection;
    luas__fork_detect here;
    luas__seal seal;
    luas__desk desk;
    char inbox[INBOX];
    subject subjects[MOST_SUBJECTS];
    int subjects_n;
    int pipe[2];            /* has a byte while the list is not empty */
    luas__buffer scratch;
    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t quiet;
    int callbacks;          /* of libnats that may still come */
    luas__connection_event *first, **last;
    uint64_t reconnects, refused;
    char error[96];
};

/* ---- what comes: in threads of libnats ---- */

void luas__connection_free(luas__connection_event *event)
{
    luas__buffer_release(&event->text);
    free(event->subject);
    free(event->reply);
    free(event);
}

static void enqueue(luas__connection *link, luas__connection_event *event)
{
    pthread_mutex_lock(&link->lock);
    bool was_empty = link->first == NULL;
    *link->last = event;
    link->last = &event->next;
    pthread_mutex_unlock(&link->lock);
    ssize_t n = was_empty ? write(link->pipe[1], "", 1) : 0;
    (void)n; /* it may be full: then it is readable anyway */
}

/* Sends a message in answer to an event, from whatever thread. */
static void reply(luas__connection *link, const luas__connection_event *event, const luas__sealed *m)
{
    luas__buffer bytes = LUAS__BUFFER_INIT;
    if (event->reply[0] != '\0' && luas__seal_write(&link->seal, m, &bytes) == 0)
        (void)link->nats->natsConnection_Publish(link->connection, event->reply, luas__buffer_bytes(&bytes),
                                                 (int)bytes.len);
    luas__buffer_release(&bytes);
}

/* Who has sent a result need not send it again: it is in this process, which is as far as it can get. */
static void confirm(luas__connection *link, const luas__connection_event *event)
{
    const luas__sealed *m = &event->message;
    luas__sealed done = {.type = LUAS__SEAL_DONE, .run = m->run, .agent = m->agent, .token = m->token, .body = ""};
    reply(link, event, &done);
}

static void answer(luas__connection *link, luas__connection_event *event)
{
    luas__buffer body = LUAS__BUFFER_INIT;
    const luas__sealed *m = &event->message;
    int type = luas__desk_answer(&link->desk, m, &body, &event->verdict);
    luas__sealed back = {
        .type = (enum luas__seal_type)type, .run = m->run, .agent = m->agent, .token = m->token,
        .body = luas__buffer_bytes(&body), .len = body.len,
    };
    if (type != 0)
        reply(link, event, &back);
    luas__buffer_release(&body);
}

static char kind_of(const luas__connection *link, const subject *s, const char *name)
{
    size_t len = strlen(link->inbox);
    bool is_inbox = s->kind == '_' && strncmp(name, link->inbox, len) == 0 && name[len] == '.';
    return is_inbox ? name[len + 1] : s->kind;
}

static int status_of(const luas__libnats *nats, natsMsg *msg)
{
    const char *text = NULL;
    return nats->natsMsgHeader_Get(msg, "Status", &text) == LUAS__NATS_OK && text != NULL ? atoi(text) : 0;
}

/* Puts what the message holds into the event: false if it is refused. */
static bool read_event(luas__connection *link, natsMsg *msg, luas__connection_event *event)
{
    const char *bytes = link->nats->natsMsg_GetData(msg);
    size_t len = (size_t)link->nats->natsMsg_GetDataLength(msg);
    if (event->kind == 'P' || (len == 0 && event->status != 0))
        return luas__buffer_append(&event->text, bytes, len) == 0;
    event->is_sealed = true;
    return luas__seal_open(&link->seal, bytes, len, &event->text, &event->message) == 0;
}

static luas__connection_event *new_event(const luas__libnats *nats, natsMsg *msg)
{
    luas__connection_event *event = calloc(1, sizeof *event);
    const char *reply = nats->natsMsg_GetReply(msg);
    if (event == NULL)
        return NULL;
    event->subject = strdup(nats->natsMsg_GetSubject(msg));
    event->reply = strdup(reply != NULL ? reply : "");
    if (event->subject != NULL && event->reply != NULL)
        return event;
    luas__connection_free(event);
    return NULL;
}

/* What came out of the stream must leave it all the same: the owner is told that something was there. */
static void refuse(luas__connection *link, luas__connection_event *event)
{
    pthread_mutex_lock(&link->lock);
    link->refused++;
    pthread_mutex_unlock(&link->lock);
    if (event->kind != '_' || event->reply[0] == '\0') {
        luas__connection_free(event);
        return;
    }
    event->is_sealed = false;
    luas__buffer_truncate(&event->text, 0);
    enqueue(link, event);
}

/* What was read, goes on to the owner, or is answered here. */
static void hand_on(luas__connection *link, luas__connection_event *event)
{
    enum luas__seal_type type = event->is_sealed ? event->message.type : LUAS__SEAL_TYPES;
    if (type == LUAS__SEAL_CLAIM || type == LUAS__SEAL_GET)
        answer(link, event);
    if (type == LUAS__SEAL_RESULT)
        confirm(link, event);
    if (type == LUAS__SEAL_GET)
        luas__connection_free(event);
    else
        enqueue(link, event);
}

/* A message is lost where there is no memory for it: whoever waits for it asks again. */
static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *closure)
{
    subject *s = closure;
    luas__connection *link = s->link;
    (void)connection;
    (void)subscription;
    luas__connection_event *event = new_event(link->nats, msg);
    if (event != NULL) {
        event->kind = kind_of(link, s, event->subject);
        event->status = status_of(link->nats, msg);
        if (read_event(link, msg, event))
            hand_on(link, event);
        else
            refuse(link, event);
    }
    link->nats->natsMsg_Destroy(msg);
}

static void on_error(natsConnection *connection, natsSubscription *subscription, int code, void *closure)
{
    luas__connection *link = closure;
    (void)connection;
    (void)subscription;
    pthread_mutex_lock(&link->lock);
    snprintf(link->error, sizeof link->error, "%s", link->nats->natsStatus_GetText(code));
    pthread_mutex_unlock(&link->lock);
}

static void on_reconnect(natsConnection *connection, void *closure)
{
    luas__connection *link = closure;
    (void)connection;
    pthread_mutex_lock(&link->lock);
    link->reconnects++;
    pthread_mutex_unlock(&link->lock);
}

static void on_last(void *closure)
{
    luas__connection *link = closure;
    pthread_mutex_lock(&link->lock);
    link->callbacks--;
    pthread_cond_signal(&link->quiet);
    pthread_mutex_unlock(&link->lock);
}

static void on_close(natsConnection *connection, void *closure)
{
    (void)connection;
    on_last(closure);
}

/* ---- opening and closing ---- */

/* Threads of the library take no signal: those are for threads that look at what came. */
static void block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static void restore_signals(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* Calls a setter, and keeps the first failure. */
#define SET(rc, call) ((rc) = (rc) == LUAS__NATS_OK ? (call) : (rc))

static int set_options(luas__connection *link, natsOptions *o, const luas__connection_options *given, const luas__server *server)
{
    const luas__libnats *nats = link->nats;
    int rc = nats->natsOptions_SetURL(o, server->url);
    SET(rc, nats->natsOptions_SetSendAsap(o, true));
    SET(rc, nats->natsOptions_SetTimeout(o, CONNECT_MS));
    SET(rc, nats->natsOptions_SetMaxReconnect(o, INT32_MAX));
    SET(rc, nats->natsOptions_SetReconnectWait(o, RECONNECT_MS));
    SET(rc, nats->natsOptions_SetReconnectJitter(o, RECONNECT_MS, RECONNECT_MS));
    SET(rc, nats->natsOptions_SetPingInterval(o, PING_MS));
    SET(rc, nats->natsOptions_SetReconnectBufSize(o, BUFFER));
    SET(rc, nats->natsOptions_SetErrorHandler(o, on_error, link));
    SET(rc, nats->natsOptions_SetReconnectedCB(o, on_reconnect, link));
    SET(rc, nats->natsOptions_SetClosedCB(o, on_close, link));
    if (given->name != NULL)
        SET(rc, nats->natsOptions_SetName(o, given->name));
    if (server->is_tls)
        SET(rc, nats->natsOptions_SetSecure(o, true)); /* the URL alone does not enforce it */
    if (given->ca != NULL)
        SET(rc, nats->natsOptions_LoadCATrustedCertificates(o, given->ca));
    if (given->nkey != NULL)
        SET(rc, nats->natsOptions_SetNKeyFromSeed(o, server->public_key, given->nkey));
    return rc;
}

/* A server's challenge is another one each time. Debian's libnats 3.4 answers one in about 300 wrongly,
   and is refused: then it is asked again. */
enum { TRIES_WITH_NKEY = 3 };

static int try_to_connect(luas__connection *link, natsOptions *o, const luas__connection_options *given)
{
    int rc, tries = given->nkey != NULL ? TRIES_WITH_NKEY : 1;
    do
        rc = link->nats->natsConnection_Connect(&link->connection, o);
    while (--tries > 0 && rc == LUAS__NATS_REFUSED);
    return rc;
}

static int connect_to(luas__connection *link, const luas__connection_options *given, const luas__server *server, char *why)
{
    natsOptions *o = NULL;
    sigset_t before;
    block_signals(&before);
    int rc = link->nats->natsOptions_Create(&o);
    SET(rc, set_options(link, o, given, server));
    SET(rc, try_to_connect(link, o, given));
    if (o != NULL)
        link->nats->natsOptions_Destroy(o);
    restore_signals(&before);
    if (rc == LUAS__NATS_OK)
        return 0;
    link->connection = NULL;
    snprintf(why, LUAS__KEY_WHY, "cannot connect to %.120s: %s", server->shown, link->nats->natsStatus_GetText(rc));
    return LUAS_EINVAL;
}

/* The last part of subjects that nobody else listens to. */
static int name_inbox(luas__connection *link)
{
    uint64_t n[2];
    if (getentropy(n, sizeof n) < 0)
        return -errno;
    snprintf(link->inbox, sizeof link->inbox, "_INBOX.%016" PRIx64 "%08" PRIx32, n[0], (uint32_t)n[1]);
    return 0;
}

static luas__connection *new_link(const luas__libnats *nats, const char *lua)
{
    luas__connection *link = calloc(1, sizeof *link);
    if (link == NULL)
        return NULL;
    link->nats = nats;
    link->last = &link->first;
    link->callbacks = 1; /* that it is closed */
    link->pipe[0] = link->pipe[1] = -1;
    pthread_mutex_init(&link->lock, NULL);
    pthread_cond_init(&link->quiet, NULL);
    luas__fork_detect_open(&link->here);
    if (luas__desk_init(&link->desk, lua != NULL ? lua : "") == 0 && name_inbox(link) == 0
        && luas__fd_pipe(link->pipe) == 0 && luas__fd_set_nonblocking(link->pipe[0]) == 0
        && luas__fd_set_nonblocking(link->pipe[1]) == 0)
        return link;
    luas__connection_close(link);
    return NULL;
}

int luas__connection_open(luas__connection **made, const luas__connection_options *o, char why[LUAS__KEY_WHY])
{
    const char *reason;
    luas__server server;
    *made = NULL;
    int rc = luas__server_read(&server, o->url, o->key != NULL, o->nkey, why);
    if (rc < 0)
        return rc;
    const luas__libnats *nats = luas__libnats_load(&reason);
    if (nats == NULL) {
        snprintf(why, LUAS__KEY_WHY, "%s", reason);
        return LUAS_EINVAL;
    }
    luas__connection *link = new_link(nats, o->lua);
    if (link == NULL) {
        snprintf(why, LUAS__KEY_WHY, "%s", luas_strerror(LUAS_ENOMEM));
        return LUAS_ENOMEM;
    }
    rc = luas__seal_init(&link->seal, o->key, why);
    if (rc == 0)
        rc = connect_to(link, o, &server, why);
    if (rc < 0) {
        luas__connection_close(link);
        return rc;
    }
    *made = link;
    return 0;
}

/* Waits for the last call of libnats, a few seconds at most. Returns whether there was one. */
static bool await_quiet(luas__connection *link)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += CLOSE_SECONDS;
    pthread_mutex_lock(&link->lock);
    int rc = 0;
    while (link->callbacks > 0 && rc == 0)
        rc = pthread_cond_timedwait(&link->quiet, &link->lock, &end);
    bool is_quiet = link->callbacks == 0;
    pthread_mutex_unlock(&link->lock);
    return is_quiet;
}

static bool disconnect(luas__connection *link)
{
    if (link->connection == NULL)
        return true;
    (void)link->nats->natsConnection_FlushTimeout(link->connection, 500);
    link->nats->natsConnection_Close(link->connection);
    bool is_quiet = await_quiet(link);
    for (int i = 0; i < link->subjects_n && is_quiet; i++)
        link->nats->natsSubscription_Destroy(link->subjects[i].subscription);
    if (is_quiet)
        link->nats->natsConnection_Destroy(link->connection);
    return is_quiet;
}

/* What a thread of the library may still use is left behind. */
void luas__connection_close(luas__connection *link)
{
    luas__connection_event *event;
    if (!luas__fork_detect_is_here(&link->here) || !disconnect(link))
        return;
    while ((event = luas__connection_take(link)) != NULL)
        luas__connection_free(event);
    luas__fd_close(&link->pipe[0]);
    luas__fd_close(&link->pipe[1]);
    luas__buffer_release(&link->scratch);
    luas__desk_release(&link->desk);
    luas__seal_release(&link->seal);
    luas__fork_detect_close(&link->here);
    pthread_mutex_destroy(&link->lock);
    pthread_cond_destroy(&link->quiet);
    free(link);
}

bool luas__connection_is_here(const luas__connection *link)
{
    return luas__fork_detect_is_here(&link->here);
}

/* ---- what the owner does ---- */

static int add_subject(luas__connection *link, const char *name, subject *s)
{
    int rc = link->nats->natsConnection_Subscribe(&s->subscription, link->connection, name, on_message, s);
    if (rc != LUAS__NATS_OK)
        return LUAS_EINVAL;
    link->subjects_n++;
    if (link->nats->natsSubscription_SetOnCompleteCB(s->subscription, on_last, link) == LUAS__NATS_OK) {
        pthread_mutex_lock(&link->lock);
        link->callbacks++;
        pthread_mutex_unlock(&link->lock);
    }
    rc = link->nats->natsSubscription_SetPendingLimits(s->subscription, -1, -1);
    return rc == LUAS__NATS_OK ? 0 : LUAS_EINVAL;
}

int luas__connection_listen(luas__connection *link, const char *name, char kind)
{
    sigset_t before;
    if (link->subjects_n == MOST_SUBJECTS)
        return LUAS_EINVAL;
    subject *s = &link->subjects[link->subjects_n];
    *s = (subject){.link = link, .kind = kind};
    block_signals(&before);
    int rc = add_subject(link, name, s);
    restore_signals(&before);
    return rc;
}

const char *luas__connection_inbox(const luas__connection *link)
{
    return link->inbox;
}

int luas__connection_post(luas__connection *link, const char *name, const char *reply, const char *bytes, size_t len)
{
    if (len > (size_t)link->nats->natsConnection_GetMaxPayload(link->connection))
        return LUAS_ETOOBIG;
    int rc = reply == NULL
        ? link->nats->natsConnection_Publish(link->connection, name, bytes, (int)len)
        : link->nats->natsConnection_PublishRequest(link->connection, name, reply, bytes, (int)len);
    return rc == LUAS__NATS_OK ? 0 : LUAS_EINVAL;
}

int luas__connection_send(luas__connection *link, const char *name, const char *reply, const luas__sealed *m)
{
    luas__buffer_truncate(&link->scratch, 0);
    int rc = luas__seal_write(&link->seal, m, &link->scratch);
    return rc < 0 ? rc : luas__connection_post(link, name, reply, luas__buffer_bytes(&link->scratch), link->scratch.len);
}

int luas__connection_ask(luas__connection *link, const char *name, const char *bytes, size_t len, int64_t ms,
                   luas__buffer *answer, char why[LUAS__KEY_WHY])
{
    natsMsg *msg = NULL;
    sigset_t before;
    block_signals(&before);
    int rc = link->nats->natsConnection_Request(&msg, link->connection, name, bytes, (int)len, ms);
    restore_signals(&before);
    if (rc != LUAS__NATS_OK) {
        bool is_missing = rc == LUAS__NATS_NO_RESPONDERS;
        snprintf(why, LUAS__KEY_WHY, "%s%s", link->nats->natsStatus_GetText(rc),
                 is_missing ? " (does the server run with JetStream: nats-server -js?)" : "");
        return LUAS_EINVAL;
    }
    rc = luas__buffer_append(answer, link->nats->natsMsg_GetData(msg),
                             (size_t)link->nats->natsMsg_GetDataLength(msg));
    link->nats->natsMsg_Destroy(msg);
    if (rc < 0)
        snprintf(why, LUAS__KEY_WHY, "%s", luas_strerror(rc));
    return rc;
}

int luas__connection_fd(const luas__connection *link)
{
    return link->pipe[0];
}

int luas__connection_wait(luas__connection *link, int64_t ns, int fd)
{
    struct pollfd fds[2] = {{.fd = link->pipe[0], .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    int64_t ms = ns / LUAS__MS + (ns % LUAS__MS > 0);
    int n = poll(fds, 2, ms < 60000 ? (int)ms : 60000);
    return n > 0;
}

luas__connection_event *luas__connection_take(luas__connection *link)
{
    char byte[16];
    pthread_mutex_lock(&link->lock);
    luas__connection_event *event = link->first;
    if (event != NULL) {
        link->first = event->next;
        if (link->first == NULL) {
            link->last = &link->first;
            while (read(link->pipe[0], byte, sizeof byte) > 0)
                continue;
        }
    }
    pthread_mutex_unlock(&link->lock);
    return event;
}

luas__desk *luas__connection_desk(luas__connection *link)
{
    return &link->desk;
}

luas__connection_state luas__connection_look(luas__connection *link)
{
    int status = link->nats->natsConnection_Status(link->connection);
    size_t most = (size_t)link->nats->natsConnection_GetMaxPayload(link->connection);
    pthread_mutex_lock(&link->lock);
    luas__connection_state state = {
        .is_connected = status == LUAS__NATS_CONNECTED, .is_closed = status == LUAS__NATS_CLOSED,
        .reconnects = link->reconnects, .refused = link->refused,
        .most = most > LUAS__SEAL_MOST ? most - LUAS__SEAL_MOST : 0, .error = link->error,
    };
    pthread_mutex_unlock(&link->lock);
    return state;
}
