/* How many CPUs there are for workers: the affinity that the process began with, and the
   quota of its cgroup, rounded up. At least 1. Linux only; elsewhere the CPUs that are
   online. */
#ifndef LUAS_CPUS_H
#define LUAS_CPUS_H

int luas__cpus_count(void);

/* Gives this thread the CPUs that the main thread had when the library was loaded. A thread
   that was bound to some of them passes that on to its children otherwise. */
void luas__cpus_unbind(void);

/* These CPUs, as bytes; and in a program that was given such bytes: unbinds to them, from now on. */
enum { LUAS__CPUS_SIZE = 128 };
void luas__cpus_give(unsigned char bytes[LUAS__CPUS_SIZE]);
void luas__cpus_take(const unsigned char bytes[LUAS__CPUS_SIZE]);

#endif
