/* From the application to its workers: a letter to the zygote, which prepares a state. */
#define _GNU_SOURCE
#include "embed_worker.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_huge.h"
#include "by_name.h"
#include "codec.h"
#include "embed_shared.h"
#include "error.h"
#include "fd.h"
#include "memfile.h"
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

/* ---- the letter ---- */

/* Host and zygote are the same program: so addresses of functions mean the same in both. After
   it come the data for setup, which is aligned for that, the script's text, its name, the words, and
   what is around the host. */
typedef struct letter {
    _Alignas(max_align_t) luas__bulk bulk;
    luas_setup *setup;
    void *setup_data;
    size_t setup_size, text, name, words, around;   /* how many bytes */
    size_t memory;
    bool is_weighed;
    uint64_t shared;        /* the limit of the shared memory */
} letter;

static int write_letter(luas__buffer *out, const luas__embed_kit *k,
                        const luas__surroundings *around, const luas__bulk *bulk)
{
    letter l = {.bulk = *bulk, .setup = k->setup, .setup_data = k->setup_data,
                .setup_size = k->setup_size, .text = k->script.len,
                .name = strlen(k->script.name) + 1, .words = k->words.len,
                .memory = k->memory, .is_weighed = k->is_weighed,
                .shared = k->shared != NULL ? k->shared->arena.limit : 0};
    int rc = luas__buffer_append(out, &l, sizeof l);
    if (rc == 0)
        rc = luas__buffer_append(out, k->setup_data, l.setup_size);
    if (rc == 0)
        rc = luas__buffer_append(out, k->script.text, l.text);
    if (rc == 0)
        rc = luas__buffer_append(out, k->script.name, l.name);
    if (rc == 0)
        rc = luas__buffer_append(out, luas__buffer_bytes(&k->words), l.words);
    size_t before = out->len;
    if (rc == 0)
        rc = luas__quiet_compare(out, around);
    if (rc < 0)
        return rc;
    l.around = out->len - before;
    memcpy(luas__buffer_bytes(out), &l, sizeof l);
    return 0;
}

static int post(const luas__buffer *bytes)
{
    int fd = luas__memfile_make(bytes->len);
    void *p = fd < 0 ? NULL : luas__memfile_map(fd, bytes->len);
    if (p == NULL) {
        luas__fd_close(&fd);
        return fd < 0 ? fd : LUAS_ENOMEM;
    }
    memcpy(p, luas__buffer_bytes(bytes), bytes->len);
    munmap(p, bytes->len);
    return fd;
}

int luas__embed_worker_bear(void *bearer, luas__zygote *z, const luas__surroundings *around,
                            const luas__bulk *bulk)
{
    const luas__embed_kit *k = bearer;
    luas__buffer bytes = LUAS__BUFFER_INIT;
    int rc = write_letter(&bytes, k, around, bulk);
    int fd = rc < 0 ? rc : post(&bytes);
    luas__buffer_release(&bytes);
    if (fd < 0)
        return fd;
    rc = luas__quiet_bear(z, fd, bulk->fd, k->shared != NULL ? k->shared->arena.fd : -1);
    luas__fd_close(&fd);
    return rc;
}

/* ---- the zygote ---- */

/* Does this process have the code? Not if the application has loaded that later. */
static bool is_here(luas_setup *setup)
{
    Dl_info info;
    void *address;
    memcpy(&address, &setup, sizeof address);
    return setup == NULL || dladdr(address, &info) != 0;
}

static void enter(const char *bytes, size_t len)
{
    const unsigned char *at = (const unsigned char *)bytes;
    luas__mp_reader r = {at, at + len};
    luas__surroundings *own = luas__surroundings_now(NULL), *next = NULL;
    if (own == NULL || luas__surroundings_message_read(&next, own, &r) < 0)
        _exit(EXIT_FAILURE);
    luas__surroundings_enter(next); /* where it cannot go no worker could */
    luas__surroundings_release(own);
}

/* Everything in *k lies in the letter, but for a copy of the words. */
static const letter *open_letter(int fd, luas__embed_kit *k)
{
    struct stat s;
    const letter *l = fstat(fd, &s) < 0 ? NULL : luas__memfile_map(fd, (size_t)s.st_size);
    if (l == NULL || !is_here(l->setup))
        _exit(EXIT_FAILURE);
    const char *at = (const char *)(l + 1);
    k->memory = l->memory;
    k->is_weighed = l->is_weighed;
    k->setup = l->setup;
    k->setup_size = l->setup_size;
    k->setup_data = l->setup_size > 0 ? (void *)(uintptr_t)at : l->setup_data;
    at += l->setup_size;
    k->script = (luas__script){.text = at, .len = l->text, .name = at + l->text};
    at += l->text + l->name;
    if (luas__buffer_append(&k->words, at, l->words) < 0)
        _exit(EXIT_FAILURE);
    enter(at + l->words, l->around);
    return l;
}

static void be_zygote(luas__zygote *own, int letter_fd, int bulk, int shared)
{
    luas_shared memory = {.arena = {.fd = shared}};
    luas__embed_kit k = {.shared = shared >= 0 ? &memory : NULL};
    const letter *l = open_letter(letter_fd, &k);
    memory.arena.limit = l->shared;
    prepared p = prepare(&k);
    luas__zygote_request wanted;
    luas__channel channel;
    luas__fd_close(&letter_fd);
    luas__zygote_serve(own, &wanted);
    luas__bulk_attach(&l->bulk, bulk, &wanted.slot);
    luas__fd_close(&bulk);
    luas__fd_close(&shared);
    if (luas__worker_wake(&channel, &wanted) < 0)
        _exit(EXIT_FAILURE);
    luas__orphan_exit(run(&p, &channel));
}

int luas__embed_worker_prepare(void)
{
    return luas__quiet_prepare(be_zygote);
}

int luas__embed_worker_hold(void)
{
    return luas__quiet_hold(be_zygote);
}
