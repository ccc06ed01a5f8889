/*
 * Frames: what a pipe between host and worker carries.
 *
 * A frame is its body's length as four bytes, most significant first, and the
 * body: a sequence of MessagePack objects (value_format.h says which extension types
 * values use). The first object is the message's code, then come its fields:
 *
 *   host to worker
 *     BLOB    id, definition            bytes that jobs refer to, sent once
 *     DROP    id                        forget a definition
 *     JOB     job, flags, seed          a job begins (flags: LUAS__JOB_*)
 *     DEFINE  job, id                   apply a definition to the job's space
 *     RUN     job, seq, index, count, then count times: size, arguments
 *     RANGE   job, seq, index, count    the same over inherited inputs
 *     RECORDS job, seq, index, count, pid, fd, device, inode, from, length, number, whole,
 *             delimiter, name, separator    the same over records of a text (text.h), which are in the
 *                                       file that this process has open; pid 0: they follow
 *     AGAIN   attempts                  the next chunk's tasks were started so often
 *     AROUND  changes                   what is around the tasks that come next (surroundings.h),
 *                                       from how it was when the worker was forked
 *     FORGET  job
 *     STOP    status                    exit when what came before is done
 *   worker to host
 *     VALUE   seq, results              an array
 *     ERROR   seq, [value, message, traceback, seconds]
 *     LARGE   at, length                in the worker's slot: such a frame's body
 *     PROGRESS seq, done, total, note   of the running task; a total of 0 is unknown
 *     GLOBAL  name                      `init` or a task has made this global, which the
 *                                       host did not have when the worker was forked
 *     READY                             init has run
 *     FAILED  message                   init has failed; the worker exits
 *
 * A VALUE with few bytes has a short form: a byte 0x80 + n, the low byte of seq, and
 * n bytes of results (1 to 127). Most values are that short.
 *
 * In a stamped job (LUAS__JOB_STAMPED) 16 bytes follow the results of a VALUE or the
 * fields of an ERROR: when the task started and when it ended, in ns, big-endian.
 *
 * `seq` counts the tasks sent to one worker from 1 (32 bits, wrapping),
 * `index` counts a job's tasks from 1, `size` is the length in bytes of the
 * arguments that follow it. In VALUE and ERROR seq is always a uint 32: so all
 * their heads have the same length, and a run of values is found quickly.
 *
 * No body is longer than LUAS__FRAME_MAX: a longer one would look like a short form.
 * A reader never allocates more than twice the bytes that have arrived.
 */
#ifndef LUAS_FRAME_H
#define LUAS_FRAME_H

#include <stdbool.h>

#include "buffer.h"
#include "msgpack.h"

#define LUAS__FRAME_HEAD 4
#define LUAS__OUTCOME_HEAD (LUAS__FRAME_HEAD + 6)   /* with code and seq */
#define LUAS__FRAME_MAX INT32_MAX   /* so that no length looks like a short form */

enum luas__message {
    LUAS__MSG_DEFINITION = 1, LUAS__MSG_DROP, LUAS__MSG_JOB, LUAS__MSG_DEFINE,
    LUAS__MSG_RUN, LUAS__MSG_RANGE, LUAS__MSG_FORGET, LUAS__MSG_STOP,
    LUAS__MSG_AGAIN, LUAS__MSG_AROUND, LUAS__MSG_RECORDS,
    LUAS__MSG_VALUE = 16, LUAS__MSG_ERROR, LUAS__MSG_READY, LUAS__MSG_FAILED, LUAS__MSG_LARGE,
    LUAS__MSG_PROGRESS, LUAS__MSG_GLOBAL
};

enum luas__job_flags {
    LUAS__JOB_TIMED = 1,    /* note in the scoreboard when each task starts */
    LUAS__JOB_INHERIT = 2,  /* the worker has the function since it was forked */
    LUAS__JOB_CALL = 4,     /* the first argument names a global function, for a host
                               without Lua */
    LUAS__JOB_SEEDED = 8,   /* math.random starts from (seed, index) */
    LUAS__JOB_CAPTURE = 16, /* what a task prints goes into its outcome */
    LUAS__JOB_PROCESS = 32, /* one task that owns its worker */
    LUAS__JOB_STAR = 64,    /* an inherited input is a table of arguments */
    LUAS__JOB_DISCARD = 128, /* nobody wants the results: send an empty array */
    LUAS__JOB_EACH = 256,   /* for the host alone: each worker gets one task */
    LUAS__JOB_ASYNC = 512,  /* for the host alone: it goes on while nobody can fork */
    LUAS__JOB_NAMES = 2048, /* for the host alone: outcomes other than values name the input */
    LUAS__JOB_BARE = 4096,  /* a record is no argument: the task reads it where it is */
    LUAS__JOB_STAMPED = 1024 /* results end in when their task started and ended */
};

/* The length of that stamp in bytes. */
enum { LUAS__STAMP = 16 };

/* Starts a frame of the given message, and of integers, at the end of `b`. Pass *mark to
   luas__frame_end. On failure `b` is as before. */
int luas__frame_begin(luas__buffer *b, enum luas__message code, size_t *mark);
int luas__frame_begin_with(luas__buffer *b, enum luas__message code, const int64_t *fields,
                           int count, size_t *mark);

/* Completes the frame. On LUAS_ETOOBIG it removes the frame from `b`. */
int luas__frame_end(luas__buffer *b, size_t mark);

/* Writes a whole frame of a code and integers. On failure `b` is as before. */
int luas__frame_write(luas__buffer *b, enum luas__message code,
                      const int64_t *fields, int count);

/* Looks at the frame at the front of `b`. Returns 1 and its body, which stays in `b`
   until luas__frame_drop; or 0 while the frame is not complete. */
int luas__frame_peek(const luas__buffer *b, luas__mp_reader *body);
void luas__frame_drop(luas__buffer *b);

/* Writes the code and seq of a VALUE or ERROR frame at p; returns where the results go. */
enum { LUAS__OUTCOME_BODY = LUAS__OUTCOME_HEAD - LUAS__FRAME_HEAD };
char *luas__frame_put_outcome(char *p, enum luas__message code, uint32_t seq);

/* Starts a VALUE or ERROR frame. On failure `b` is as before. */
int luas__frame_begin_outcome(luas__buffer *b, enum luas__message code, uint32_t seq,
                              size_t *mark);

/* The short form: the largest number of bytes of results, and the bytes before them. */
enum { LUAS__SHORT = 127, LUAS__SHORT_HEAD = 2 };

static inline void luas__frame_put_short(char *head, uint32_t seq, size_t n)
{
    head[0] = (char)(0x80 | n);
    head[1] = (char)seq;
}

static inline bool luas__frame_is_short(const char *frame)
{
    return *frame & 0x80;
}

/* Turns a whole outcome frame into the short form, in place, if that is possible. The
   frame still ends where it did; the result is where it starts now. */
char *luas__frame_shorten(char *frame, size_t size);

/* Is there a complete short form at the front of `b`? */
bool luas__frame_has_short(const luas__buffer *b);

/* Counts the complete VALUE frames at the front of `b` that belong to the tasks seq,
   seq + 1 and so on: at most `most`. *len gets their bytes, at most UINT32_MAX. */
uint32_t luas__frame_values(const luas__buffer *b, uint32_t seq, uint32_t most, size_t *len);

/* Returns the results in the first of these frames; *at moves on to the next frame. */
static inline const char *luas__frame_next_value(const char **at, uint32_t *len)
{
    const char *value = *at;
    if (luas__frame_is_short(value)) {
        *len = (unsigned char)*value & LUAS__SHORT;
        value += LUAS__SHORT_HEAD;
    } else {
        *len = luas__mp_get_4((const unsigned char *)value) - LUAS__OUTCOME_BODY;
        value += LUAS__OUTCOME_HEAD;
    }
    *at = value + *len;
    return value;
}

#endif
