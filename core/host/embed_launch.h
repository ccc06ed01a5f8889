/* Starts workers that are fresh programs, for who has a kit: pools of luas.h and of scripts. */
#ifndef LUAS_EMBED_LAUNCH_H
#define LUAS_EMBED_LAUNCH_H

#include "embed_kit.h"
#include "state.h"

/* As luas__pool_launch: `launcher` is the luas__embed_kit, which has a program and no setup function. */
pid_t luas__embed_launch(void *launcher, const luas__zygote_request *wanted,
                         const luas__surroundings *around, const luas__bulk *bulk, char *why);

#endif
