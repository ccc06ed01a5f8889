/* Trying the locks of the C library. */
#define _GNU_SOURCE
#include "locks.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

void luas__locks_set_alarm(long us)
{
    struct itimerval time = {.it_value = {.tv_sec = us / 1000000, .tv_usec = us % 1000000}};
    setitimer(ITIMER_REAL, &time, NULL);
    if (us > 0)
        return;
    signal(SIGALRM, SIG_IGN); /* forgets one that has come and was not seen yet, as under valgrind */
    signal(SIGALRM, SIG_DFL);
}

void luas__locks_try(void)
{
    struct tm parts;
    time_t now = 0;
    (void)localtime_r(&now, &parts);
    (void)wctomb(NULL, L'\0');
    (void)strerror(EINTR);
    unsetenv("LUAS_NO_SUCH_VARIABLE");
    locale_t copy = duplocale(LC_GLOBAL_LOCALE);
    if (copy != (locale_t)0)
        freelocale(copy);
}
