/* Forking the quiet process, and asking it. */
#define _GNU_SOURCE
#include "quiet.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "atfork.h"
#include "descriptors.h"
#include "error.h"
#include "locks.h"
#include "stack.h"
#include "surroundings_message.h"

/* The first trial may take so long (us), and later ones longer. */
enum { MOST_TRIES = 40, SHORTEST_TRIAL = 2000, LONGEST_TRIAL = 100000 };

static struct {
    pthread_mutex_t lock;
    luas__quiet_main *main;
    luas__zygote zygote;            /* socket -1: there is none */
    luas__surroundings *around;     /* it, at its fork */
    int holds;
    bool stays;
    bool watches;                   /* `forget` is called in forked children */
} quiet = {.lock = PTHREAD_MUTEX_INITIALIZER, .zygote = LUAS__ZYGOTE_INIT};

/* ---- forks of the process ---- */

static bool list(luas__fd_closing *closing)
{
    if (pthread_mutex_trylock(&quiet.lock) != 0)
        return false;
    luas__zygote_abandon(&quiet.zygote, closing);
    pthread_mutex_unlock(&quiet.lock);
    return true;
}

bool luas__quiet_list(luas__fd_set *own)
{
    luas__fd_closing listing = {.set = own};
    return list(&listing);
}

/* In a forked child. A thread that holds the lock may have closed some descriptors just now. */
static void forget(void)
{
    luas__fd_closing closing = LUAS__FD_CLOSING_INIT;
    if (list(&closing))
        luas__fd_closing_end(&closing);
    pthread_mutex_init(&quiet.lock, NULL);
    quiet.zygote = (luas__zygote)LUAS__ZYGOTE_INIT;
    quiet.holds = 0;
    quiet.stays = false;
}

/* ---- the process ---- */

typedef struct life {
    luas__zygote own;
    int trial;          /* us; 0: nobody could have held a lock */
} life;

static void serve(void *argument)
{
    life *l = argument;
    luas__zygote_request wanted;
    if (l->trial > 0) {
        luas__locks_set_alarm(l->trial);
        luas__locks_try();
        (void)random();
        luas__locks_set_alarm(0);
    }
    luas__zygote_serve(&l->own, &wanted);
    luas__zygote z = LUAS__ZYGOTE_INIT;
    z.socket = wanted.in;
    quiet.main(&z, wanted.out, wanted.scoreboard, wanted.prints[0]);
    _exit(EXIT_FAILURE);
}

/* It needs no descriptor but its socket. */
static _Noreturn void live(luas__zygote *z, int trial)
{
    life l = {.own = luas__zygote_become(z), .trial = trial};
    luas__kept kept = {.keeping = LUAS__KEEP_NONE};
    luas__descriptors unknown = LUAS__DESCRIPTORS_INIT;
    luas__atfork_abandon_all();
    luas__fd_set_add(&kept.fds, l.own.socket);
    luas__descriptors_cut(&unknown, &kept, NULL);
    luas__fd_set_release(&kept.fds);
    luas__stack_run(serve, &l);
}

/* ---- forking it ---- */

static void end(luas__zygote *z)
{
    luas__zygote_end(z);
    luas__child_await(&z->child);
    luas__zygote_close(z);
    *z = (luas__zygote)LUAS__ZYGOTE_INIT;
}

/* Returns 1 if it is ready, 0 if it is not and another may be, or negative. */
static int fork_once(luas__zygote *z, int trial)
{
    luas__child_forks forks;
    int rc = luas__zygote_prepare(z);
    if (rc < 0)
        return rc;
    luas__child_forks_begin(&forks);
    pid_t pid = luas__child_fork(&forks);
    if (pid == 0)
        live(z, trial);
    luas__child_forks_end(&forks);
    if (pid < 0)
        luas__zygote_close(z);
    else
        luas__zygote_begin(z, pid);
    if (pid < 0 || luas__zygote_await(z))
        return pid < 0 ? pid : 1;
    end(z);
    return 0;
}

/* The folder has a folder for each thread. */
static bool has_threads(void)
{
    struct stat folder;
    return stat("/proc/self/task", &folder) < 0 || folder.st_nlink != 3;
}

/* The trials get longer: on a machine that is slow a healthy one may be late. */
static int fork_ready(luas__zygote *z)
{
    int rc = 0, trial = has_threads() ? SHORTEST_TRIAL : 0;
    for (int i = 0; i < MOST_TRIES && rc == 0; i++) {
        rc = fork_once(z, trial);
        trial += trial < LONGEST_TRIAL ? trial / 4 : 0;
    }
    return rc > 0 ? 0 : rc < 0 ? rc : LUAS_ETIMEDOUT;
}

static int begin(void)
{
    luas__zygote z;
    luas__surroundings *around = luas__surroundings_now(NULL);
    int rc = around == NULL ? LUAS_ENOMEM : fork_ready(&z);
    if (rc < 0) {
        luas__surroundings_release(around);
        return rc;
    }
    luas__surroundings_release(quiet.around);
    quiet.around = around;
    quiet.zygote = z;
    return 0;
}

/* A process that was killed is as good as none. */
static int see_to_it(void)
{
    if (quiet.zygote.socket >= 0 && luas__child_runs(&quiet.zygote.child))
        return 0;
    end(&quiet.zygote);
    return begin();
}

static int want(luas__quiet_main *main, int holds)
{
    pthread_mutex_lock(&quiet.lock);
    quiet.main = main;
    if (!quiet.watches)
        quiet.watches = pthread_atfork(NULL, NULL, forget) == 0;
    int rc = quiet.watches ? see_to_it() : LUAS_ENOMEM;
    if (rc == 0) {
        quiet.holds += holds;
        quiet.stays |= holds == 0;
    }
    pthread_mutex_unlock(&quiet.lock);
    return rc;
}

int luas__quiet_prepare(luas__quiet_main *main)
{
    return want(main, 0);
}

int luas__quiet_hold(luas__quiet_main *main)
{
    return want(main, 1);
}

void luas__quiet_drop(void)
{
    pthread_mutex_lock(&quiet.lock);
    if (--quiet.holds == 0 && !quiet.stays)
        end(&quiet.zygote);
    pthread_mutex_unlock(&quiet.lock);
}

/* ---- asking it ---- */

int luas__quiet_compare(luas__buffer *out, const luas__surroundings *around)
{
    pthread_mutex_lock(&quiet.lock);
    int rc = see_to_it();
    if (rc == 0)
        rc = luas__surroundings_message_write(out, quiet.around, around);
    pthread_mutex_unlock(&quiet.lock);
    return rc;
}

static pid_t ask(const luas__zygote *z, int letter, int bulk, int more)
{
    pthread_mutex_lock(&quiet.lock);
    pid_t pid = luas__zygote_spawn(&quiet.zygote, &(luas__zygote_request){
        .in = z->other, .out = letter, .scoreboard = bulk, .prints = {more, -1}});
    pthread_mutex_unlock(&quiet.lock);
    return pid;
}

int luas__quiet_bear(luas__zygote *z, int letter, int bulk, int more)
{
    int rc = luas__zygote_prepare(z);
    if (rc < 0)
        return rc;
    pid_t pid = ask(z, letter, bulk, more);
    if (pid < 0) {
        luas__zygote_close(z);
        return pid;
    }
    luas__zygote_begin(z, pid);
    return 0;
}
