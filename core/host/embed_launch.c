/* A letter for each worker, as the surroundings may have changed since the last one. */
#define _GNU_SOURCE
#include "embed_launch.h"

#include <stdio.h>

#include "embed_letter.h"
#include "embed_program.h"
#include "embed_shared.h"
#include "error.h"
#include "fresh.h"
#include "surroundings_message.h"

/* From nothing: the program has the variables already. */
static int write_around(luas__buffer *out, const luas__surroundings *around)
{
    const luas__surroundings nothing = {.mask = (mode_t)-1};
    return luas__surroundings_message_write(out, &nothing, around);
}

pid_t luas__embed_launch(void *launcher, const luas__zygote_request *wanted,
                         const luas__surroundings *around, const luas__bulk *bulk, char *why)
{
    const luas__embed_kit *k = launcher;
    luas__buffer here = LUAS__BUFFER_INIT;
    int rc = write_around(&here, around);
    int fd = rc < 0 ? rc : luas__embed_letter_post(k, bulk, &here);
    luas__buffer_release(&here);
    if (fd < 0)
        return fd;
    const char *path = luas__buffer_bytes(&k->program);
    pid_t pid = luas__fresh_spawn(path, luas__embed_program_tag(), around->variables, &(luas__fresh_request){
        .worker = *wanted, .letter = fd, .bulk = bulk->fd,
        .shared = k->shared != NULL ? k->shared->arena.fd : -1});
    luas__fd_close(&fd);
    if (pid < 0)
        snprintf(why, LUAS__LAUNCH_WORDS, "cannot run %s: %s", path, luas_strerror(pid));
    return pid;
}
