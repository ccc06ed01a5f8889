/* From the application to its workers: a letter to the zygote, which prepares a state. */
#define _GNU_SOURCE
#include "embed_worker.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc_huge.h"
#include "by_name.h"
#include "codec.h"
#include "embed_letter.h"
#include "embed_program.h"
#include "embed_shared.h"
#include "error.h"
#include "fd.h"
#include "frame.h"
#include "fresh.h"
#include "orphan.h"
#include "quiet.h"
#include "serve.h"
#include "serving.h"
#include "surroundings_message.h"
#include "worker.h"

/* ---- the state ---- */

typedef struct prepared {
    lua_State *L;       /* or NULL */
    bool is_ready;      /* what is at the top of its stack is the function to run first, and not
                           a message */
    const luas__embed_kit *kit;
} prepared;

static luas__embed_words words_of(const luas__embed_kit *k)
{
    return luas__embed_kit_words(luas__buffer_bytes(&k->words), k->words.len);
}

static void set_up(lua_State *L, const luas__embed_kit *k)
{
    int rc = k->setup != NULL ? k->setup(L, k->setup_data) : 0;
    lua_settop(L, 0);
    if (rc != 0)
        luaL_error(L, "setup: result %d", rc);
}

/* Upvalues: the kit, the script's function. */
static int begin(lua_State *L)
{
    const luas__embed_kit *k = lua_touserdata(L, lua_upvalueindex(1));
    luas__embed_words words = words_of(k);
    set_up(L, k);
    lua_pushvalue(L, lua_upvalueindex(2));
    int n = luas__decode(L, words.arguments, words.len, 0, LUAS__FUNCTIONS);
    if (n < 0)
        return luaL_error(L, "arguments: %s", lua_tostring(L, -1));
    lua_call(L, n, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__SCRIPT_KEY);
    if (*words.init != '\0') {
        luas__by_name_push(L, words.init);
        lua_call(L, 0, 0);
    }
    return 0;
}

/* Upvalue: the kit. The function need not be there before the end. */
static int end(lua_State *L)
{
    luas__by_name_push(L, words_of(lua_touserdata(L, lua_upvalueindex(1))).exit);
    lua_call(L, 0, 0);
    return 0;
}

static int prepare_state(lua_State *L)
{
    const luas__embed_kit *k = lua_touserdata(L, 1);
    luaL_openlibs(L);
    luas_openlibs(L);
    int rc = k->shared != NULL ? luas_shared_use(L, k->shared) : 0;
    if (rc < 0)
        return luaL_error(L, "shared memory: %s", luas_strerror(rc));
    lua_pushvalue(L, 1);
    if (luas__embed_script_load(L, &k->script) != LUA_OK)
        return lua_error(L);
    lua_pushcclosure(L, begin, 2);
    return 1;
}

static prepared prepare(const luas__embed_kit *k)
{
    prepared p = {.L = luas__alloc_huge_state(), .kit = k};
    if (p.L == NULL)
        return p;
    luas__serving_watch_forks();
    lua_pushcfunction(p.L, prepare_state);
    lua_pushlightuserdata(p.L, (void *)(uintptr_t)k);
    p.is_ready = lua_pcall(p.L, 1, 1, 0) == LUA_OK;
    return p;
}

/* Makes what an end needs: memory may be short later. Arguments: the kit, the worker's number. */
static int prepare_end(lua_State *L)
{
    luas__embed_words words = words_of(lua_touserdata(L, 1));
    lua_pushfstring(L, "%s %d", words.name, (int)lua_tointeger(L, 2));
    lua_setfield(L, LUA_REGISTRYINDEX, LUAS__WORKER_NAME_KEY);
    lua_settop(L, 1);
    if (*words.exit != '\0')
        lua_pushcclosure(L, end, 1);
    return lua_gettop(L) - (*words.exit == '\0');
}

/* Leaves the exit function, if there is one, above the first. */
static bool name_worker(const prepared *p, int number)
{
    lua_pushcfunction(p->L, prepare_end);
    lua_pushlightuserdata(p->L, (void *)(uintptr_t)p->kit);
    lua_pushinteger(p->L, number);
    return lua_pcall(p->L, 2, LUA_MULTRET, 0) == LUA_OK;
}

/* This process ends after it. An error is reported to the host. */
static int run(const prepared *p, luas__channel *channel)
{
    int init = p->L != NULL ? lua_gettop(p->L) : 0;
    if (!p->is_ready || !name_worker(p, channel->worker)) {
        luas__serve_fail(channel, p->L != NULL ? lua_tostring(p->L, -1) : "no memory for a Lua state");
        return EXIT_FAILURE;
    }
    int status = luas__serve(p->L, channel, &(luas__serve_options){
        .init = init, .exit = lua_gettop(p->L) > init ? init + 1 : 0,
        .memory = p->kit->memory, .is_weighed = p->kit->is_weighed});
    if (status < 0)
        return EXIT_FAILURE;
    lua_close(p->L);
    luas__serve_flush();
    return status;
}

int luas__embed_worker_main(const luas__embed_kit *k, luas__channel *channel)
{
    prepared p = prepare(k);
    return run(&p, channel);
}

/* ---- the zygote ---- */

int luas__embed_worker_bear(void *bearer, luas__zygote *z, const luas__surroundings *around,
                            const luas__bulk *bulk)
{
    const luas__embed_kit *k = bearer;
    luas__buffer differs = LUAS__BUFFER_INIT;
    int rc = luas__quiet_compare(&differs, around);
    int fd = rc < 0 ? rc : luas__embed_letter_post(k, bulk, &differs);
    luas__buffer_release(&differs);
    if (fd < 0)
        return fd;
    rc = luas__quiet_bear(z, fd, bulk->fd, k->shared != NULL ? k->shared->arena.fd : -1);
    luas__fd_close(&fd);
    return rc;
}

/* Where it cannot go no worker could. */
static void enter(luas__embed_letter *letter)
{
    const unsigned char *at = (const unsigned char *)letter->around;
    luas__mp_reader r = {at, at + letter->len};
    luas__surroundings *own = luas__surroundings_now(NULL);
    if (own == NULL || luas__surroundings_message_read(&letter->entered, own, &r) < 0)
        _exit(EXIT_FAILURE);
    luas__surroundings_enter(letter->entered);
    luas__surroundings_release(own);
}

/* Prepares a state of what the letter says. The memory is in use until the end. */
static prepared unpack(int fd, int shared, luas__embed_letter *letter, luas__embed_kit *k, luas_shared *memory)
{
    *memory = (luas_shared){.arena = {.fd = shared}};
    *k = (luas__embed_kit){.shared = shared >= 0 ? memory : NULL};
    if (!luas__embed_letter_open(letter, fd, k))
        _exit(EXIT_FAILURE);
    luas__fd_close(&fd);
    memory->arena.limit = letter->shared;
    enter(letter);
    return prepare(k);
}

/* Of a process that is the worker from now on. */
static _Noreturn void live(const prepared *p, const luas__embed_letter *letter, int bulk, int shared,
                           luas__zygote_request *wanted)
{
    luas__channel channel;
    luas__bulk_attach(letter->bulk, bulk, &wanted->slot);
    luas__fd_close(&bulk);
    luas__fd_close(&shared);
    if (luas__worker_wake(&channel, wanted) < 0)
        _exit(EXIT_FAILURE);
    luas__orphan_exit(run(p, &channel));
}

static void be_zygote(luas__zygote *own, int letter_fd, int bulk, int shared)
{
    luas_shared memory;
    luas__embed_kit k;
    luas__embed_letter letter;
    prepared p = unpack(letter_fd, shared, &letter, &k, &memory);
    luas__zygote_request wanted;
    luas__zygote_serve(own, &wanted);
    live(&p, &letter, bulk, shared, &wanted);
}

int luas__embed_worker_prepare(void)
{
    return luas__quiet_prepare(be_zygote);
}

int luas__embed_worker_hold(void)
{
    return luas__quiet_hold(be_zygote);
}

/* ---- the fresh program ---- */

/* To a host of another version: the frame that says that a worker cannot start is the same in all. */
static int refuse(luas__fresh_request *r, const char *other)
{
    char words[3 * LUAS__FRESH_TAG];
    luas__buffer frame = LUAS__BUFFER_INIT;
    size_t mark;
    snprintf(words, sizeof words, "its program is %s, but its host is %s", luas__embed_program_tag(), other);
    if (luas__frame_begin(&frame, LUAS__MSG_FAILED, &mark) == 0
        && luas__mp_write_string(&frame, words, strlen(words)) == 0 && luas__frame_end(&frame, mark) == 0)
        luas__fd_write_waiting(r->worker.out, luas__buffer_bytes(&frame), frame.len);
    luas__buffer_release(&frame);
    return EXIT_FAILURE;
}

int luas__embed_worker_program(void)
{
    luas__fresh_request r;
    char other[LUAS__FRESH_TAG];
    int rc = luas__fresh_take(luas__embed_program_tag(), &r, other);
    if (rc == LUAS_EPROTO)
        return refuse(&r, other);
    if (rc <= 0)
        return rc;
    luas_shared memory;
    luas__embed_kit k;
    luas__embed_letter letter;
    prepared p = unpack(r.letter, r.shared, &letter, &k, &memory);
    live(&p, &letter, r.bulk, r.shared, &r.worker);
}
