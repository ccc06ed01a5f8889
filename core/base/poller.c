/* epoll, timerfd and eventfd. */
#define _GNU_SOURCE
#include "poller.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"

enum { MOST_EVENTS = 64 };

static int watch(luas__poller *p, int *slot, int fd, uint64_t key)
{
    *slot = fd;
    return fd < 0 ? -errno : luas__poller_add(p, fd, 0, key);
}

int luas__poller_open(luas__poller *p)
{
    *p = (luas__poller)LUAS__POLLER_INIT;
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    int rc = p->fd < 0 ? -errno : 0;
    if (rc == 0)
        rc = watch(p, &p->timer, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                   LUAS__ALARM);
    if (rc == 0)
        rc = watch(p, &p->wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), LUAS__WAKE);
    if (rc < 0)
        luas__poller_close(p);
    return rc;
}

void luas__poller_close(luas__poller *p)
{
    luas__fd_close(&p->timer);
    luas__fd_close(&p->wake);
    luas__fd_close(&p->fd);
}

void luas__poller_abandon(const luas__poller *p, luas__fd_closing *closing)
{
    luas__fd_closing_add(closing, p->fd);
    luas__fd_closing_add(closing, p->timer);
    luas__fd_closing_add(closing, p->wake);
}

int luas__poller_add(luas__poller *p, int fd, int writable, uint64_t key)
{
    struct epoll_event event = {.events = writable ? EPOLLOUT : EPOLLIN, .data.u64 = key};
    return epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void luas__poller_remove(luas__poller *p, int fd)
{
    if (fd >= 0)
        epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
}

int luas__poller_alarm(luas__poller *p, int64_t when)
{
    if (p->alarm != 0 && p->alarm <= when)
        return 0;
    struct itimerspec t = {.it_value = {.tv_sec = when / LUAS__SECOND,
                                        .tv_nsec = when % LUAS__SECOND}};
    if (timerfd_settime(p->timer, TFD_TIMER_ABSTIME, &t, NULL) < 0)
        return -errno;
    p->alarm = when;
    return 0;
}

void luas__poller_wake(luas__poller *p)
{
    uint64_t one = 1;
    ssize_t n = write(p->wake, &one, sizeof one);
    (void)n; /* fails only when it was woken already */
}

void luas__poller_acknowledge(luas__poller *p, uint64_t key)
{
    uint64_t count;
    ssize_t n = read(key == LUAS__ALARM ? p->timer : p->wake, &count, sizeof count);
    if (key == LUAS__ALARM && n > 0)
        p->alarm = 0;
}

static int milliseconds(int64_t ns)
{
    if (ns < 0)
        return -1;
    int64_t ms = (ns + LUAS__MS - 1) / LUAS__MS;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int luas__poller_wait(luas__poller *p, luas__event *events, int most, int64_t timeout)
{
    struct epoll_event got[MOST_EVENTS];
    if (most > MOST_EVENTS)
        most = MOST_EVENTS;
    int n = epoll_wait(p->fd, got, most, milliseconds(timeout));
    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++)
        events[i].key = got[i].data.u64;
    return n;
}
