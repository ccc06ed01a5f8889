/*
 * Waiting for many descriptors and one alarm at once, itself behind one
 * descriptor that an application can poll. On Linux it is an epoll instance
 * with a timerfd in it; another system's (kqueue) would replace poller.c.
 */
#ifndef LUAS_POLLER_H
#define LUAS_POLLER_H

#include <stdint.h>

#include "fd.h"

typedef struct luas__poller {
    int fd;         /* readable when an event is waiting */
    int timer, wake;
    int64_t alarm;  /* ns; 0: none is set */
} luas__poller;

#define LUAS__POLLER_INIT {-1, -1, -1, 0}

typedef struct luas__event {
    uint64_t key;
} luas__event;

/* The keys under which the alarm and luas__poller_wake are reported. */
#define LUAS__ALARM UINT64_MAX
#define LUAS__WAKE (UINT64_MAX - 1)

int luas__poller_open(luas__poller *p);
void luas__poller_close(luas__poller *p);

/* In a forked child: gives the descriptors to be closed; it is closed then. */
void luas__poller_abandon(luas__poller *p, luas__fd_closing *closing);

/* Reports `key` while fd is readable (or writable). A descriptor must be
   removed before it is closed: forked children may hold copies of it. */
int luas__poller_add(luas__poller *p, int fd, int writable, uint64_t key);
void luas__poller_remove(luas__poller *p, int fd);

/* Reports LUAS__ALARM at a time of luas__now(), unless an earlier one is set;
   it is set once, and gone when it has been reported. */
int luas__poller_alarm(luas__poller *p, int64_t when);

/* Ends a wait in another thread. */
void luas__poller_wake(luas__poller *p);

/* Waits at most `timeout` ns (negative: until something happens): the number
   of events, 0 after the time, -EINTR after a signal. */
int luas__poller_wait(luas__poller *p, luas__event *events, int most, int64_t timeout);

/* After LUAS__ALARM or LUAS__WAKE was reported: makes ready for the next. */
void luas__poller_acknowledge(luas__poller *p, uint64_t key);

#endif
