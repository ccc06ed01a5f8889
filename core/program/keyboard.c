/* What is typed, and the signals that come meanwhile. */
#include "keyboard.h"

#include <errno.h>
#include <stdio.h>
#include <sys/select.h>
#include <unistd.h>

enum { WATCHED = LUAS__KEYBOARD_SIGNALS };

static const int watched[WATCHED] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};

/* Handlers write nothing else. It is read with signals blocked. */
static volatile sig_atomic_t caught[WATCHED];

static int slot_of(int signo)
{
    int i = 0;

    while (i < WATCHED - 1 && watched[i] != signo) {
        i++;
    }
    return i;
}

static void note(int signo)
{
    caught[slot_of(signo)] = 1;
}

static bool was_caught(int signo)
{
    bool was = caught[slot_of(signo)] != 0;

    caught[slot_of(signo)] = 0;
    return was;
}

void luas__keyboard_take(luas__keyboard *k)
{
    struct sigaction action = {.sa_handler = note};
    sigset_t set;

    sigemptyset(&action.sa_mask);
    sigemptyset(&set);
    for (int i = 0; i < WATCHED; i++) {
        sigaddset(&set, watched[i]);
    }
    pthread_sigmask(SIG_BLOCK, &set, &k->mask);
    for (int i = 0; i < WATCHED; i++) {
        caught[i] = 0;
        sigaction(watched[i], &action, &k->actions[i]);
        sigdelset(&k->mask, watched[i]);
    }
}

/* The mask is restored last, so that a waiting signal goes to the handler from before. */
void luas__keyboard_give_back(luas__keyboard *k)
{
    bool terminated = was_caught(SIGTERM);

    for (int i = 0; i < WATCHED; i++) {
        sigaction(watched[i], &k->actions[i], NULL);
    }
    pthread_sigmask(SIG_SETMASK, &k->mask, NULL);
    if (terminated) {
        putchar('\n');
        raise(SIGTERM);
    }
}

/*
 * Gives the terminal to the shell while we are stopped. The kernel decides whether we are
 * stopped: not if there is no shell to continue us, or if the signal is ignored.
 */
static void suspend(luas__keyboard *k)
{
    struct sigaction ours;
    sigset_t blocked;

    k->lib->el_set(k->el, EL_PREP_TERM, 0);
    putchar('\n');
    fflush(stdout);
    sigaction(SIGTSTP, &k->actions[slot_of(SIGTSTP)], &ours);
    raise(SIGTSTP);
    pthread_sigmask(SIG_SETMASK, &k->mask, &blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    sigaction(SIGTSTP, &ours, NULL);
    k->lib->el_set(k->el, EL_PREP_TERM, 1);
    k->lib->el_set(k->el, EL_REFRESH);
}

/* Returns false when the line must end here. */
static bool heed_signals(luas__keyboard *k)
{
    k->dropped = was_caught(SIGINT);
    if (k->dropped || caught[slot_of(SIGTERM)]) {
        return false;
    }
    if (was_caught(SIGTSTP)) {
        suspend(k);
    }
    if (was_caught(SIGWINCH)) {
        k->lib->el_resize(k->el);
        k->lib->el_set(k->el, EL_REFRESH);
    }
    return true;
}

int luas__keyboard_read(luas__keyboard *k, char *byte)
{
    for (;;) {
        fd_set fds;
        FD_ZERO(&fds);
        FD_SET(STDIN_FILENO, &fds);
        int ready = pselect(STDIN_FILENO + 1, &fds, NULL, NULL, NULL, &k->mask);
        if (ready < 0 && errno != EINTR) {
            return -1;
        }
        if (!heed_signals(k)) {
            return -1;
        }
        if (ready > 0) {
            ssize_t n = read(STDIN_FILENO, byte, 1);
            if (n >= 0 || (errno != EINTR && errno != EAGAIN)) {
                return (int)n;
            }
        }
    }
}
