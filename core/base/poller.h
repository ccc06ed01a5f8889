/*
 * Waits for many descriptors and one alarm at once. The poller has one descriptor of
 * its own, which an application can poll. On Linux it is an epoll instance with a
 * timerfd in it. For another system (kqueue) another poller.c would be written.
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

/* In a forked child: adds its descriptors to `closing`. */
void luas__poller_abandon(const luas__poller *p, luas__fd_closing *closing);

/* Reports `key` while fd is readable (or writable). Remove a descriptor before you
   close it: where a forked child has a copy, epoll would go on reporting it. */
int luas__poller_add(luas__poller *p, int fd, int writable, uint64_t key);
void luas__poller_remove(luas__poller *p, int fd);

/* Reports LUAS__ALARM once, at this time of luas__now(). An earlier alarm that is set
   already stays, and the later one is dropped. */
int luas__poller_alarm(luas__poller *p, int64_t when);

/* Ends a wait in another thread. */
void luas__poller_wake(luas__poller *p);

/* Waits at most `timeout` ns (negative: until something happens). Returns the number of
   events, 0 when the time is over, -EINTR after a signal. */
int luas__poller_wait(luas__poller *p, luas__event *events, int most, int64_t timeout);

/* Call it after LUAS__ALARM or LUAS__WAKE was reported, so that the next one can be. */
void luas__poller_acknowledge(luas__poller *p, uint64_t key);

#endif
