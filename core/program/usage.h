/* What `luas --help` prints: all options, in groups, with an example for each group. */
#ifndef LUAS_USAGE_H
#define LUAS_USAGE_H

void luas__usage_print(void);

#endif
