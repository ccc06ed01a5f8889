/*
 * This uses the native interface of libedit, not its imitation of readline. Only with a
 * character function of our own can we see every signal that comes while a line is edited,
 * without a moment in which one could be missed.
 */
#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <lauxlib.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "editline.h"
#include "keyboard.h"
#include "luas.h"
#include "paste.h"

#define EDITOR "luas.editor"
#define HISTORY 1000

typedef struct editor {
    EditLine *el;
    History *history;
    locale_t locale; /* characters as the user's terminal has them */
    pid_t owner;     /* the process that uses the terminal; not a forked child */

    /* While a line is read: */
    lua_State *L; /* stack index 2 is the prompt, 3 the completer */
    const char *prompt;
    const char *keys;   /* to be read before those of the terminal, or NULL */
    char *pasted;       /* what comes after the line; NULL: nothing was pasted, or one line */
    char *tail;         /* the last line of it, which is still edited, or NULL */
    luas__keyboard keyboard;
    mbstate_t partial;
} editor;

static luas__editline lib; /* loaded with the first editor */

/* libedit's EL_GETCFN. Bytes that are no character are skipped. */
static int read_key(EditLine *el, wchar_t *key)
{
    editor *ed;
    char byte;

    lib.el_get(el, EL_CLIENTDATA, (void **)&ed);
    if (ed->keys != NULL && *ed->keys != '\0') {
        *key = (wchar_t)*ed->keys++;
        return 1;
    }
    for (;;) {
        int rc = luas__keyboard_read(&ed->keyboard, &byte);
        if (rc <= 0) {
            return rc;
        }
        size_t used = mbrtowc(key, &byte, 1, &ed->partial);
        if (used <= 1) {
            return 1;
        }
        if (used == (size_t)-1) {
            memset(&ed->partial, 0, sizeof ed->partial);
        }
    }
}

static char *current_prompt(EditLine *el)
{
    editor *ed;

    lib.el_get(el, EL_CLIENTDATA, (void **)&ed);
    return (char *)ed->prompt;
}

static int columns(EditLine *el)
{
    int width = 0;

    return lib.el_get(el, EL_GETTC, "co", &width) == 0 && width > 0 ? width : 80;
}

/* Runs in protected mode, because frames of libedit are below on the C stack. Takes the editor,
   returns its code. */
static int complete_line(lua_State *L)
{
    editor *ed = lua_touserdata(L, 1);
    const LineInfo *line = lib.el_line(ed->el);

    lua_pushlstring(L, line->buffer, (size_t)(line->cursor - line->buffer));
    lua_pushinteger(L, columns(ed->el));
    lua_call(L, 2, 2);
    const char *insert = lua_tostring(L, -2);
    const char *listing = lua_tostring(L, -1);
    int code = CC_ERROR;
    if (insert != NULL && *insert != '\0') {
        code = lib.el_insertstr(ed->el, insert) == 0 ? CC_REFRESH : CC_ERROR;
    } else if (listing != NULL) {
        printf("\n%s\n", listing);
        code = CC_REDISPLAY;
    }
    lua_pushinteger(L, code);
    return 1;
}

/* libedit's command for Tab. */
static unsigned char complete(EditLine *el, int key)
{
    editor *ed;
    int code = CC_ERROR;

    (void)key;
    lib.el_get(el, EL_CLIENTDATA, (void **)&ed);
    lua_pushcfunction(ed->L, complete_line);
    lua_pushlightuserdata(ed->L, ed);
    lua_pushvalue(ed->L, 3);
    if (lua_pcall(ed->L, 2, 1, 0) == LUA_OK) {
        code = (int)lua_tointeger(ed->L, -1);
    }
    lua_pop(ed->L, 1);
    return (unsigned char)code;
}

/* Pasted text. */

static int next_byte(void *context, char *byte)
{
    return luas__keyboard_read(context, byte);
}

/* libedit's command for pasted text. Its first line joins what is typed. If there are more, that is
   the end of the line. */
static unsigned char paste(EditLine *el, int key)
{
    editor *ed;

    (void)key;
    lib.el_get(el, EL_CLIENTDATA, (void **)&ed);
    char *text = luas__paste_read(next_byte, &ed->keyboard);
    if (text == NULL) {
        return CC_ERROR;
    }
    char *end = strchr(text, '\n');
    if (end != NULL) {
        *end = '\0';
    }
    if (*text != '\0') {
        lib.el_insertstr(el, text);
    }
    if (end == NULL) {
        free(text);
        return CC_REFRESH;
    }
    memmove(text, end + 1, strlen(end + 1) + 1);
    free(ed->pasted);
    ed->pasted = text;
    ed->keys = "\n";
    return CC_REFRESH;
}

/* The command for a key that only this file sends: the last line of what was pasted is edited. */
static unsigned char edit_tail(EditLine *el, int key)
{
    editor *ed;

    (void)key;
    lib.el_get(el, EL_CLIENTDATA, (void **)&ed);
    if (ed->tail != NULL && *ed->tail != '\0') {
        lib.el_insertstr(el, ed->tail);
    }
    return CC_REFRESH;
}

static editor *check_editor(lua_State *L)
{
    editor *ed = luaL_checkudata(L, 1, EDITOR);

    luaL_argcheck(L, ed->el != NULL, 1, "editor is closed");
    return ed;
}

static void put_mode(const char *sequence)
{
    const char *terminal = getenv("TERM");

    if (terminal != NULL && strcmp(terminal, "dumb") != 0) {
        fputs(sequence, stdout);
        fflush(stdout);
    }
}

/* Sets the locale for this call only: scripts run in "C", as in lua. */
static const char *edit_line(editor *ed, int *length)
{
    locale_t before = uselocale(ed->locale);

    memset(&ed->partial, 0, sizeof ed->partial);
    ed->keyboard.dropped = false;
    ed->keyboard.prompt = ed->prompt;
    luas__keyboard_take(&ed->keyboard);
    lib.el_set(ed->el, EL_PREP_TERM, 1); /* before the prompt is seen */
    put_mode(LUAS__PASTE_ON);
    const char *line = lib.el_gets(ed->el, length);
    put_mode(LUAS__PASTE_OFF);
    luas__keyboard_give_back(&ed->keyboard);
    uselocale(before);
    return line;
}

static void forget_paste(editor *ed)
{
    free(ed->pasted);
    ed->pasted = NULL;
    ed->tail = NULL;
    ed->keys = NULL;
}

/* Shows the lines that were pasted after the first one, and adds them to the text. Returns whether
   the last one is still edited: one that was pasted without its end. */
static bool add_pasted(editor *ed, luaL_Buffer *text)
{
    char *last = ed->pasted == NULL ? NULL : strrchr(ed->pasted, '\n');

    ed->tail = last == NULL ? ed->pasted : last + 1;
    if (last != NULL) {
        *last = '\0';
        puts(ed->pasted);
        luaL_addchar(text, '\n');
        luaL_addstring(text, ed->pasted);
    }
    ed->keys = LUAS__PASTE_END;
    return ed->tail != NULL && *ed->tail != '\0';
}

/* Reads a line with all that is pasted into it. Returns false at the end of input, or where the user
   dropped it. */
static bool read_text(editor *ed, luaL_Buffer *text)
{
    int length = 0;
    const char *line = edit_line(ed, &length);

    if (line == NULL || ed->keyboard.dropped) {
        return false;
    }
    luaL_addlstring(text, line, (size_t)length - (line[length - 1] == '\n'));
    while (add_pasted(ed, text)) {
        char *pasted = ed->pasted;
        ed->pasted = NULL;
        ed->prompt = "";
        line = edit_line(ed, &length);
        free(pasted);
        ed->tail = NULL;
        if (line == NULL || ed->keyboard.dropped) {
            return false;
        }
        luaL_addchar(text, '\n');
        luaL_addlstring(text, line, (size_t)length - (line[length - 1] == '\n'));
    }
    return true;
}

static int editor_readline(lua_State *L)
{
    editor *ed = check_editor(L);
    luaL_Buffer text;

    ed->prompt = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    lua_settop(L, 3);
    luaL_checkstack(L, 8, NULL);
    ed->L = L;
    luaL_buffinit(L, &text);
    bool has_line = read_text(ed, &text);
    forget_paste(ed);
    if (ed->keyboard.dropped) {
        puts("^C");
        lua_pushboolean(L, 0);
    } else if (!has_line) {
        lua_pushnil(L);
    } else {
        luaL_pushresult(&text);
    }
    return 1;
}

static int editor_remember(lua_State *L)
{
    editor *ed = check_editor(L);
    const char *text = luaL_checkstring(L, 2);
    HistEvent event;

    if (lib.history(ed->history, &event, H_ENTER, text) < 0) {
        return luaL_error(L, "history: %s", event.str);
    }
    return 0;
}

/* Makes the folders above the last part of a path. Cuts `path` meanwhile and restores it. */
static int make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = mkdir(path, 0700);
        *slash = '/';
        if (rc != 0 && errno != EEXIST) {
            return -1;
        }
    }
    return 0;
}

static int editor_prepare(lua_State *L)
{
    size_t length;
    const char *path = luaL_checklstring(L, 2, &length);
    char *copy = lua_newuserdatauv(L, length + 1, 0);

    luaL_argcheck(L, length > 0, 2, "a path is expected");
    memcpy(copy, path, length + 1);
    int fd = make_folders(copy) < 0 ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return luaL_fileresult(L, 0, path);
    }
    return luaL_fileresult(L, close(fd) == 0, path);
}

static int editor_close(lua_State *L)
{
    editor *ed = luaL_checkudata(L, 1, EDITOR);

    if (ed->el != NULL && ed->owner == getpid()) {
        lib.el_end(ed->el);
        lib.history_end(ed->history);
        freelocale(ed->locale);
    }
    forget_paste(ed);
    ed->el = NULL;
    return 0;
}

/* Without a locale UTF-8 is the best guess; bytes that are not UTF-8 are skipped. */
static locale_t open_locale(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);

    if (locale == (locale_t)0 || strcmp(nl_langinfo_l(CODESET, locale), "ANSI_X3.4-1968") == 0) {
        locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        if (utf8 != (locale_t)0) {
            if (locale != (locale_t)0) {
                freelocale(locale);
            }
            return utf8;
        }
    }
    return locale == (locale_t)0 ? newlocale(LC_CTYPE_MASK, "C", (locale_t)0) : locale;
}

/* Binds keys as people expect. The user's ~/.editrc is read later and may change them. */
static void bind_keys(EditLine *el)
{
    static const char *const keys[][2] = {
        {"^I", "luas-complete"},      {"^R", "em-inc-search-prev"},
        {LUAS__PASTE_BEGIN, "luas-paste"}, {LUAS__PASTE_END, "luas-edit-tail"},
        {"\\e[5~", "ed-search-prev-history"}, {"\\e[6~", "ed-search-next-history"},
        {"^W", "ed-delete-prev-word"}, {"\\e[3~", "ed-delete-next-char"},
        {"\\e[1~", "ed-move-to-beg"}, {"\\e[4~", "ed-move-to-end"},
        {"\\e[1;5C", "em-next-word"}, {"\\e[1;5D", "ed-prev-word"},
    };

    lib.el_set(el, EL_EDITOR, "emacs");
    /* The wide call keeps these pointers; the narrow one loses copies of them. */
    lib.el_wset(el, EL_ADDFN, L"luas-complete", L"complete a name", complete);
    lib.el_wset(el, EL_ADDFN, L"luas-paste", L"take what was pasted", paste);
    lib.el_wset(el, EL_ADDFN, L"luas-edit-tail", L"edit the last line that was pasted", edit_tail);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        lib.el_set(el, EL_BIND, keys[i][0], keys[i][1], NULL);
    }
    lib.el_source(el, NULL);
}

/* Returns false, and leaves nothing behind, when memory is short. */
static bool start(editor *ed)
{
    HistEvent event;

    ed->locale = open_locale();
    locale_t before = uselocale(ed->locale);
    ed->history = lib.history_init();
    ed->el = ed->history == NULL ? NULL : lib.el_init("luas", stdin, stdout, stderr);
    if (ed->el != NULL) {
        lib.history(ed->history, &event, H_SETSIZE, HISTORY);
        ed->keyboard = (luas__keyboard){.lib = &lib, .el = ed->el};
        lib.el_set(ed->el, EL_CLIENTDATA, ed);
        lib.el_set(ed->el, EL_GETCFN, read_key);
        lib.el_set(ed->el, EL_PROMPT_ESC, current_prompt, '\1');
        lib.el_set(ed->el, EL_HIST, lib.history, ed->history);
        /* A key that sends a signal would throw away what is typed, and what we write just then. */
        lib.el_set(ed->el, EL_SETTY, "-d", "+noflsh", NULL);
        bind_keys(ed->el);
    }
    uselocale(before);
    if (ed->el == NULL) {
        if (ed->history != NULL) {
            lib.history_end(ed->history);
        }
        freelocale(ed->locale);
        return false;
    }
    return true;
}

static const luaL_Reg methods[] = {
    {"readline", editor_readline},
    {"remember", editor_remember},
    {"prepare", editor_prepare},
    {"__gc", editor_close},
    {NULL, NULL},
};

static bool can_edit(void)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return false;
    }
    const char *why = luas__editline_load(&lib);
    if (why != NULL) {
        fprintf(stderr, "luas: lines cannot be edited: %s\n"
                        "  On Debian: apt-get install libedit2\n", why);
    }
    return why == NULL;
}

/* Pushes an editor, or nil where there is no terminal or no libedit. */
static void open_editor(lua_State *L)
{
    if (!can_edit()) {
        lua_pushnil(L);
        return;
    }
    editor *ed = lua_newuserdatauv(L, sizeof *ed, 0);
    *ed = (editor){.owner = getpid()};
    if (luaL_newmetatable(L, EDITOR)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "terminal");
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
    if (!start(ed)) {
        luaL_error(L, "cannot edit lines: not enough memory");
    }
}

/*
 * Pushes a function of the Lua module luas.repl. Once the banner has loaded it,
 * a script may have done what it likes to `require`.
 */
static void push_function(lua_State *L, const char *name)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, "luas.repl") == LUA_TNIL) {
        lua_getglobal(L, "require");
        lua_pushliteral(L, "luas.repl");
        lua_call(L, 1, 1);
        lua_replace(L, -2);
    }
    lua_getfield(L, -1, name);
    lua_insert(L, -3);
    lua_pop(L, 2);
}

void luas__prompt_banner(lua_State *L)
{
    push_function(L, "banner");
    lua_pushliteral(L, LUAS_VERSION);
    lua_pushliteral(L, LUA_RELEASE);
    lua_call(L, 2, 1);
    const char *banner = lua_tostring(L, -1);
    puts(banner == NULL ? "" : banner);
    lua_pop(L, 1);
}

int luas__prompt(lua_State *L)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    lua_settop(L, 1);
    open_editor(L);
    if (lua_toboolean(L, -1)) {
        sigaction(SIGINT, &ignore, NULL);
    }
    push_function(L, "run");
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    lua_call(L, 2, 0);
    return 0;
}
