/*
 * The library libnats (Debian: libnats3.4). It is loaded when the first cluster is used. The
 * declarations are those of its nats.h 3.4. Only functions with plain arguments are used: what
 * JetStream does is asked for by messages, so no struct of the library must be known.
 */
#ifndef LUAS_LIBNATS_H
#define LUAS_LIBNATS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct luas__nats_options natsOptions;
typedef struct luas__nats_connection natsConnection;
typedef struct luas__nats_subscription natsSubscription;
typedef struct luas__nats_msg natsMsg;

typedef void natsMsgHandler(natsConnection *, natsSubscription *, natsMsg *, void *);
typedef void natsConnectionHandler(natsConnection *, void *);
typedef void natsOnCompleteCB(void *);
typedef void natsErrHandler(natsConnection *, natsSubscription *, int, void *);

enum { LUAS__NATS_OK = 0, LUAS__NATS_CONNECTED = 2, LUAS__NATS_CLOSED = 3, LUAS__NATS_REFUSED = 11,
       LUAS__NATS_NO_RESPONDERS = 34 };

#define LUAS__NATS(X) \
    X(const char *, natsStatus_GetText, (int)) \
    X(const char *, nats_GetLastError, (int *)) \
    X(int, natsOptions_Create, (natsOptions **)) \
    X(void, natsOptions_Destroy, (natsOptions *)) \
    X(int, natsOptions_SetURL, (natsOptions *, const char *)) \
    X(int, natsOptions_SetName, (natsOptions *, const char *)) \
    X(int, natsOptions_SetSendAsap, (natsOptions *, bool)) \
    X(int, natsOptions_SetTimeout, (natsOptions *, int64_t)) \
    X(int, natsOptions_SetMaxReconnect, (natsOptions *, int)) \
    X(int, natsOptions_SetReconnectWait, (natsOptions *, int64_t)) \
    X(int, natsOptions_SetReconnectJitter, (natsOptions *, int64_t, int64_t)) \
    X(int, natsOptions_SetPingInterval, (natsOptions *, int64_t)) \
    X(int, natsOptions_SetReconnectBufSize, (natsOptions *, int)) \
    X(int, natsOptions_SetSecure, (natsOptions *, bool)) \
    X(int, natsOptions_LoadCATrustedCertificates, (natsOptions *, const char *)) \
    X(int, natsOptions_SetNKeyFromSeed, (natsOptions *, const char *, const char *)) \
    X(int, natsOptions_SetErrorHandler, (natsOptions *, natsErrHandler *, void *)) \
    X(int, natsOptions_SetReconnectedCB, (natsOptions *, natsConnectionHandler *, void *)) \
    X(int, natsOptions_SetClosedCB, (natsOptions *, natsConnectionHandler *, void *)) \
    X(int, natsConnection_Connect, (natsConnection **, natsOptions *)) \
    X(void, natsConnection_Close, (natsConnection *)) \
    X(void, natsConnection_Destroy, (natsConnection *)) \
    X(int, natsConnection_Status, (natsConnection *)) \
    X(int64_t, natsConnection_GetMaxPayload, (natsConnection *)) \
    X(int, natsConnection_FlushTimeout, (natsConnection *, int64_t)) \
    X(int, natsConnection_Publish, (natsConnection *, const char *, const void *, int)) \
    X(int, natsConnection_PublishRequest, (natsConnection *, const char *, const char *, const void *, int)) \
    X(int, natsConnection_Request, (natsMsg **, natsConnection *, const char *, const void *, int, int64_t)) \
    X(int, natsConnection_Subscribe, (natsSubscription **, natsConnection *, const char *, \
                                      natsMsgHandler *, void *)) \
    X(int, natsSubscription_SetPendingLimits, (natsSubscription *, int, int)) \
    X(int, natsSubscription_SetOnCompleteCB, (natsSubscription *, natsOnCompleteCB *, void *)) \
    X(void, natsSubscription_Destroy, (natsSubscription *)) \
    X(const char *, natsMsg_GetSubject, (const natsMsg *)) \
    X(const char *, natsMsg_GetReply, (const natsMsg *)) \
    X(const char *, natsMsg_GetData, (const natsMsg *)) \
    X(int, natsMsg_GetDataLength, (const natsMsg *)) \
    X(int, natsMsgHeader_Get, (natsMsg *, const char *, const char **)) \
    X(void, natsMsg_Destroy, (natsMsg *))

typedef struct luas__libnats {
#define LUAS__NATS_FIELD(result, name, arguments) result (*name) arguments;
    LUAS__NATS(LUAS__NATS_FIELD)
#undef LUAS__NATS_FIELD
} luas__libnats;

/* The library's functions; NULL, and why, where it cannot be loaded. */
const luas__libnats *luas__libnats_load(const char **why);

#endif
