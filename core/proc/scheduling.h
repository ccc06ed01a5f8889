/*
 * A child of a thread that is scheduled in real time must not be so itself: its tasks would
 * take the CPU from all others. BATCH, IDLE and nice say how much a program cares, so
 * children keep these.
 */
#ifndef LUAS_SCHEDULING_H
#define LUAS_SCHEDULING_H

/* This thread: FIFO and RR become OTHER. (The child of a DEADLINE thread is OTHER already.) */
void luas__scheduling_usual(void);

/* The kernel lets a DEADLINE thread fork only if its children are to be OTHER. If this thread is
   such a one and that is not set yet, this sets it and returns 1. Then
   luas__scheduling_let_no_fork unsets it. */
int luas__scheduling_let_fork(void);
void luas__scheduling_let_no_fork(void);

#endif
