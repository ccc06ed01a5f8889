/*
 * luas: run Lua functions in a pool of processes.
 *
 * Two ways to embed it. An application with a lua_State of its own calls
 * luas_openlibs(L) and has the modules `pool` and `process` in its scripts.
 * An application without one opens a pool here:
 *
 *   1. fill a luas_options and luas_pool_open(): the workers load the script;
 *   2. luas_submit() calls of the script's global functions, as many as wanted;
 *   3. poll luas_pool_fd() for POLLIN beside other descriptors, and then
 *      luas_next() until it returns 0, once for each wake-up;
 *   4. luas_pool_close().
 *
 * Functions returning int give 0 or more on success and a negative LUAS_E* or
 * -errno on failure. None of them prints, exits, blocks for good, waits for a
 * child that is not its own, or touches the process's signal handlers.
 * A pool belongs to the process that opened it; calls on one pool must not
 * overlap, but different threads may use different pools.
 */
#ifndef LUAS_H
#define LUAS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LUAS_VERSION "0.1.0"

#define LUAS_EFIRST (-10000)
#define LUAS_ERRORS(X) \
    X(LUAS_ENOMEM,    -10000, "not enough memory") \
    X(LUAS_EINVAL,    -10001, "invalid argument") \
    X(LUAS_EPROTO,    -10002, "malformed message") \
    X(LUAS_ETOOBIG,   -10003, "message too large") \
    X(LUAS_ECLOSED,   -10004, "pool is closed") \
    X(LUAS_EFOREIGN,  -10005, "pool belongs to another process") \
    X(LUAS_EBROKEN,   -10006, "workers cannot start") \
    X(LUAS_ETIMEDOUT, -10007, "timed out") \
    X(LUAS_EINTR,     -10008, "interrupted by a signal") \
    X(LUAS_EDEEP,     -10009, "value nested too deeply") \
    X(LUAS_EUNSENT,   -10010, "value cannot travel between processes")

enum luas_error {
#define LUAS_ERROR_ENUM(name, value, text) name = value,
    LUAS_ERRORS(LUAS_ERROR_ENUM)
#undef LUAS_ERROR_ENUM
    LUAS_ELAST = -10011
};

/* A static string for a code that any function here returned. */
const char *luas_strerror(int code);

#ifdef __cplusplus
}
#endif
#endif
