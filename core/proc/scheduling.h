/*
 * A child of a thread that is scheduled in real time must not be so itself: its tasks would
 * take the CPU from all others. BATCH, IDLE and nice say how much a program cares, so
 * children keep these.
 */
#ifndef LUAS_SCHEDULING_H
#define LUAS_SCHEDULING_H

/* This thread: FIFO, RR and DEADLINE become OTHER. */
void luas__scheduling_usual(void);

/* A DEADLINE thread may fork only if its children are not. Makes it so, and returns 1, if this
   thread is one and that is needed. Then luas__scheduling_let_no_fork undoes it. */
int luas__scheduling_let_fork(void);
void luas__scheduling_let_no_fork(void);

#endif
