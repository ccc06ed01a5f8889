/* How many CPUs there are for workers: the affinity that the process began with, and the
   quota of its cgroup, rounded up. At least 1. Linux only; elsewhere the CPUs that are
   online. */
#ifndef LUAS_CPUS_H
#define LUAS_CPUS_H

int luas__cpus_count(void);

/* Gives this thread the CPUs that the main thread had when the library was loaded. A thread
   that was bound to some of them passes that on to its children otherwise. */
void luas__cpus_unbind(void);

#endif
