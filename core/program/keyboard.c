/* What is typed, and the signals that come meanwhile. */
#define _GNU_SOURCE
#include "keyboard.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>
#include <wchar.h>

#include "fd.h"
#include "line.h"

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

/* ---- text from the background ---- */

/* The thread that edits holds the lock for moments only, so that it never waits with it. */
static struct {
    pthread_mutex_t lock;
    pthread_t editor;
    bool edits;             /* there is a line */
    bool rests;             /* it is drawn, and a key is waited for */
    bool overwritten;       /* it has to be drawn again */
    int row;                /* of the cursor, from the first row of the line on */
} typed = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The place behind a character, where the terminal has broken the line. */
static size_t behind(size_t place, wchar_t c, size_t columns)
{
    if (c == L'\t')
        return (place / 8 + 1) * 8;
    if (c == L'\n')
        return (place / columns + 1) * columns;
    int width = wcwidth(c);
    return place + (size_t)(width < 0 ? 2 : width); /* as ^X */
}

static size_t measure(size_t place, const char *text, size_t len, size_t columns)
{
    mbstate_t state = {0};
    bool hidden = false;
    wchar_t c;
    for (size_t at = 0; at < len;) {
        size_t n = mbrtowc(&c, text + at, len - at, &state);
        if (n == 0 || n > len - at)
            return place;
        if (c == L'\1')
            hidden = !hidden;
        else if (!hidden)
            place = behind(place, c, columns);
        at += n;
    }
    return place;
}

static int row_of_cursor(const luas__keyboard *k)
{
    const LineInfo *line = k->lib->el_line(k->el);
    int width = 0;
    bool known = k->lib->el_get(k->el, EL_GETTC, "co", &width) == 0 && width > 0;
    size_t columns = known ? (size_t)width : 80;
    size_t place = measure(0, k->prompt, strlen(k->prompt), columns);
    return (int)(measure(place, line->buffer, (size_t)(line->cursor - line->buffer), columns) / columns);
}

static void rest(const luas__keyboard *k, bool rests)
{
    int row = rests ? row_of_cursor(k) : 0;
    pthread_mutex_lock(&typed.lock);
    typed.row = row;
    typed.rests = rests;
    pthread_mutex_unlock(&typed.lock);
}

static void show(const char *text)
{
    luas__fd_show(STDOUT_FILENO, text, strlen(text));
}

static void lift(void)
{
    char up[24] = "";
    pthread_mutex_lock(&typed.lock);
    if (!typed.edits || !typed.rests || typed.overwritten)
        return;
    if (typed.row > 0)
        snprintf(up, sizeof up, "\33[%dA", typed.row);
    show(up);
    show("\r\33[J");
}

static void lower(void)
{
    if (typed.edits) {
        typed.overwritten = true;
        pthread_kill(typed.editor, SIGWINCH);
    }
    pthread_mutex_unlock(&typed.lock);
}

static void edit(bool edits)
{
    static const luas__line_typed hooks = {lift, lower};
    pthread_mutex_lock(&typed.lock);
    typed.editor = pthread_self();
    typed.edits = edits;
    typed.rests = typed.overwritten = false;
    pthread_mutex_unlock(&typed.lock);
    luas__line_set_typed(&hooks);
}

static void draw_again(void)
{
    pthread_mutex_lock(&typed.lock);
    typed.overwritten = false;
    pthread_mutex_unlock(&typed.lock);
}

/* ---- signals ---- */

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
    edit(true);
}

/* The mask is restored last, so that a waiting signal goes to the handler from before. */
void luas__keyboard_give_back(luas__keyboard *k)
{
    bool terminated = was_caught(SIGTERM);

    edit(false);
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
        draw_again();
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
        rest(k, true);
        int ready = pselect(STDIN_FILENO + 1, &fds, NULL, NULL, NULL, &k->mask);
        rest(k, false);
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
