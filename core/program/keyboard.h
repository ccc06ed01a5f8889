/*
 * What is typed while a line is edited: bytes of the terminal, and SIGINT, SIGTERM, SIGTSTP and SIGWINCH.
 * These are blocked except while a byte is waited for, so that none comes unseen between two checks.
 * One keyboard at a time is taken, by the thread that edits.
 *
 * While it waits, text that the library passes on (core/proc/line.h) goes above the line, which is then
 * drawn again. Another thread writes that text, and wakes the one that edits by a SIGWINCH.
 */
#ifndef LUAS_KEYBOARD_H
#define LUAS_KEYBOARD_H

#include <signal.h>
#include <stdbool.h>

#include "editline.h"

enum { LUAS__KEYBOARD_SIGNALS = 4 };

typedef struct luas__keyboard {
    const luas__editline *lib;
    EditLine *el;           /* of the line */
    const char *prompt;     /* before the line; what stands between two \1 takes no room */
    bool dropped;           /* Ctrl-C has dropped the line */
    sigset_t mask;          /* the signal mask before; also used while waiting for a byte */
    struct sigaction actions[LUAS__KEYBOARD_SIGNALS];   /* those before */
} luas__keyboard;

/* Signals come to it, until they are given back. A SIGTERM that has come is then raised. */
void luas__keyboard_take(luas__keyboard *k);
void luas__keyboard_give_back(luas__keyboard *k);

/* Returns 1 with a byte of the terminal, 0 at its end, -1 to end the line. Ctrl-Z stops the process
   here, and another size of the terminal draws the line anew. */
int luas__keyboard_read(luas__keyboard *k, char *byte);

#endif
