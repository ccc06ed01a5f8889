/* How many CPUs this process may use: its affinity, and its cgroup's quota
   rounded up. At least 1. Linux only; elsewhere the CPUs that are online. */
#ifndef LUAS_CPUS_H
#define LUAS_CPUS_H

int luas__cpus_count(void);

#endif
