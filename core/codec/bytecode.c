/*
 * A reader of Lua 5.4 bytecode. It mirrors Lua's own reader, but checks every length against
 * the bytes that are left. Nested functions are walked with an explicit stack. After them a
 * dump has only debug information.
 */
#include "bytecode.h"

#include <lua.h>
#include <string.h>

#include "error.h"

#if LUA_VERSION_NUM != 504
#error "bytecode.c reads the bytecode of Lua 5.4"
#endif

enum { NESTED = 250, SHORT_CONSTANTS = 256 };

/* Constant tags, and the four instructions that can name an upvalue's field. */
enum { K_NIL = 0, K_FALSE = 1, K_TRUE = 17, K_INT = 3, K_FLOAT = 19, K_SHORT = 4, K_LONG = 20 };
enum { OP_GETUPVAL = 9, OP_SETUPVAL = 10, OP_GETTABUP = 11, OP_SETTABUP = 15 };

typedef struct reader {
    const unsigned char *at, *end;
    int bad;
} reader;

typedef struct text {
    const char *bytes;      /* NULL for a constant that is no string */
    size_t len;
} text;

typedef struct function {
    reader code, constants;
    uint32_t instructions, count;
    text *named;            /* constants that instructions can name as fields */
} function;

typedef struct level {
    uint32_t left;          /* nested functions that are left */
    luas__upvalues env;
} level;

/* The members that every dump needs come first. Most functions are small, and a worker that was
   just forked copies each page of its stack that it writes to. */
typedef struct walk {
    reader in;
    luas__bytecode_sink sink;           /* NULL: only check */
    void *context;
    int depth, rc;
    int dynamic;                    /* it may use other globals: all constants are given */
    luas__buffer *bare;             /* what is not about lines is appended, and the sink is given */
    const unsigned char *copied;    /* constants; NULL: only names */
    function now;
    level levels[NESTED];           /* by depth */
    text named[SHORT_CONSTANTS];
} walk;

static const unsigned char *take(reader *r, uint64_t n)
{
    const unsigned char *p = r->at;
    if (r->bad || n > (uint64_t)(r->end - p)) {
        r->bad = 1;
        r->at = r->end;
        return NULL;
    }
    r->at = p + n;
    return p;
}

static unsigned char take_byte(reader *r)
{
    const unsigned char *p = take(r, 1);
    return p == NULL ? 0 : *p;
}

/* Seven bits in a byte, the most significant first; the last byte has its top bit set. */
static uint64_t take_varint(reader *r)
{
    uint64_t value = 0;
    for (int i = 0; i < 9; i++) {
        const unsigned char *p = take(r, 1);
        if (p == NULL)
            return 0;
        value = value << 7 | (*p & 0x7f);
        if (*p & 0x80)
            return value;
    }
    r->bad = 1;
    return 0;
}

/* Takes a count of items of at least `size` bytes each. */
static uint32_t take_count(reader *r, size_t size)
{
    uint64_t n = take_varint(r);
    if (n > INT32_MAX || n > (uint64_t)(r->end - r->at) / size)
        r->bad = 1;
    return r->bad ? 0 : (uint32_t)n;
}

static text take_text(reader *r)
{
    text t = {NULL, 0};
    uint64_t size = take_varint(r);
    if (size > 0) {
        t.bytes = (const char *)take(r, size - 1);
        t.len = t.bytes == NULL ? 0 : (size_t)size - 1;
    }
    return t;
}

static text take_constant(reader *r)
{
    text none = {NULL, 0};
    switch (take_byte(r)) {
    case K_NIL: case K_FALSE: case K_TRUE:
        return none;
    case K_INT:
        take(r, sizeof(lua_Integer));
        return none;
    case K_FLOAT:
        take(r, sizeof(lua_Number));
        return none;
    case K_SHORT: case K_LONG:
        return take_text(r);
    default:
        r->bad = 1;
        return none;
    }
}

static void take_constants(reader *r, function *f)
{
    f->count = take_count(r, 1);
    f->constants = *r;
    for (uint32_t i = 0; i < f->count && !r->bad; i++) {
        text t = take_constant(r);
        if (i < SHORT_CONSTANTS)
            f->named[i] = t;
    }
}

static void give_constants(walk *w)
{
    reader r = w->now.constants;
    for (uint32_t i = 0; i < w->now.count && w->rc == 0; i++) {
        text t = take_constant(&r);
        if (t.bytes != NULL)
            w->rc = w->sink(w->context, t.bytes, t.len, 0);
    }
}

/* Appends what was read since the last time. */
static void copy_read(walk *w)
{
    if (w->bare == NULL)
        return;
    if (w->rc == 0)
        w->rc = luas__buffer_append(w->bare, w->copied, (size_t)(w->in.at - w->copied));
    w->copied = w->in.at;
}

static void take_lines(walk *w)
{
    copy_read(w);
    take_varint(&w->in);
    take_varint(&w->in);
    w->copied = w->in.at;
}

static int is_identifier(text t)
{
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.bytes[i], letter = c | 0x20;
        if (!(letter >= 'a' && letter <= 'z') && c != '_' && !(i > 0 && c >= '0' && c <= '9'))
            return 0;
    }
    return t.bytes != NULL && t.len > 0;
}

static int is(text t, const char *word)
{
    return t.len == strlen(word) && memcmp(t.bytes, word, t.len) == 0;
}

static void give_name(walk *w, text t, int is_written)
{
    if (is(t, "_G") || is(t, "load") || is(t, "loadfile") || is(t, "dofile"))
        w->dynamic = 1;
    if (w->rc == 0)
        w->rc = w->sink(w->context, t.bytes, t.len, is_written);
}

static void give_all_constants(walk *w)
{
    reader r = w->now.constants;
    for (uint32_t i = 0; i < w->now.count; i++) {
        text t = take_constant(&r);
        if (is_identifier(t))
            give_name(w, t, 0);
    }
}

/* Gives the sink the field of env that this instruction names. An instruction that uses env in
   another way makes the function dynamic. */
static void give_field(walk *w, uint32_t instruction, const luas__upvalues *env)
{
    unsigned a = instruction >> 7 & 0xff, b = instruction >> 16 & 0xff, c = instruction >> 24;
    unsigned upvalue = b, name = c;
    switch (instruction & 0x7f) {
    case OP_GETUPVAL: case OP_SETUPVAL:
        w->dynamic |= luas__bytecode_has_upvalue(env, b);
        return;
    case OP_SETTABUP:
        upvalue = a;
        name = b;
        break;
    case OP_GETTABUP:
        break;
    default:
        return;
    }
    if (!luas__bytecode_has_upvalue(env, upvalue))
        return;
    if (name < w->now.count && w->now.named[name].bytes != NULL)
        give_name(w, w->now.named[name], (instruction & 0x7f) == OP_SETTABUP);
    else
        w->dynamic = 1;
}

static void give_names(walk *w, const luas__upvalues *env)
{
    for (uint32_t i = 0; i < w->now.instructions; i++) {
        uint32_t instruction;
        memcpy(&instruction, w->now.code.at + (size_t)i * sizeof instruction, sizeof instruction);
        give_field(w, instruction, env);
    }
    if (w->dynamic)
        give_all_constants(w);
}

/* Finds the upvalues of a nested function that hold the globals: it shares them with its
   parent. */
static void take_upvalues(walk *w, const luas__upvalues *parent, luas__upvalues *own)
{
    uint32_t n = take_count(&w->in, 3);
    for (uint32_t i = 0; i < n; i++) {
        int in_stack = take_byte(&w->in);
        unsigned index = take_byte(&w->in);
        take_byte(&w->in);
        if (parent != NULL && !in_stack && luas__bytecode_has_upvalue(parent, index) && i < 256)
            luas__bytecode_set_upvalue(own, i);
    }
}

/* Reads everything before the nested functions, and pushes a level for these. */
static void enter_function(walk *w, const luas__upvalues *parent)
{
    reader *r = &w->in;
    luas__upvalues *env = &w->levels[w->depth].env;
    take_text(r);
    take_lines(w);
    take(r, 3);
    w->now.instructions = take_count(r, 4);
    w->now.code = *r;
    take(r, (uint64_t)w->now.instructions * 4);
    take_constants(r, &w->now);
    if (parent != NULL)
        *env = (luas__upvalues){{0, 0, 0, 0}};
    take_upvalues(w, parent, env);
    if (w->bare != NULL && !r->bad)
        give_constants(w);
    else if (w->sink != NULL && !r->bad)
        give_names(w, env);
    w->levels[w->depth].left = take_count(r, 1);
}

static void leave_function(walk *w)
{
    reader *r = &w->in;
    take(r, take_count(r, 1));
    for (uint32_t n = take_count(r, 2); n > 0; n--) {
        take_varint(r);
        take_varint(r);
    }
    for (uint32_t n = take_count(r, 3); n > 0; n--) {
        take_text(r);
        take_varint(r);
        take_varint(r);
    }
    for (uint32_t n = take_count(r, 1); n > 0; n--)
        take_text(r);
}

static void take_header(reader *r)
{
    static const unsigned char expected[] = LUA_SIGNATURE "\x54\x00\x19\x93\r\n\x1a\n";
    const lua_Integer integer = 0x5678;
    const lua_Number number = 370.5;
    const unsigned char sizes[] = {4, sizeof integer, sizeof number};
    const unsigned char *p = take(r, sizeof expected - 1 + sizeof sizes + sizeof integer + sizeof number);
    if (p == NULL || memcmp(p, expected, sizeof expected - 1) != 0
        || memcmp(p + sizeof expected - 1, sizes, sizeof sizes) != 0) {
        r->bad = 1;
        return;
    }
    p += sizeof expected - 1 + sizeof sizes;
    r->bad = memcmp(p, &integer, sizeof integer) != 0
        || memcmp(p + sizeof integer, &number, sizeof number) != 0;
}

static void walk_functions(walk *w)
{
    enter_function(w, NULL);
    while (!w->in.bad && w->rc == 0) {
        if (w->levels[w->depth].left > 0) {
            w->levels[w->depth].left--;
            if (w->depth + 1 == NESTED) {
                w->in.bad = 1;
                return;
            }
            w->depth++;
            enter_function(w, &w->levels[w->depth - 1].env);
        } else {
            leave_function(w);
            if (w->depth-- == 0)
                return;
        }
    }
}

static int walk_dump(walk *w)
{
    take_header(&w->in);
    take_byte(&w->in);
    if (!w->in.bad)
        walk_functions(w);
    if (w->in.bad || (w->rc == 0 && w->in.at != w->in.end))
        return LUAS_EPROTO;
    return w->rc != 0 ? w->rc : w->dynamic;
}

static void start(walk *w, const char *dump, size_t len)
{
    w->in.at = (const unsigned char *)dump;
    w->in.end = w->in.at + len;
    w->in.bad = w->depth = w->rc = 0;
    w->copied = w->in.at;
    w->now.named = w->named;
}

int luas__bytecode_check(const char *dump, size_t len)
{
    walk w;
    w.sink = NULL;
    w.bare = NULL;
    w.levels[0].env = (luas__upvalues){{0, 0, 0, 0}};
    w.dynamic = 0;
    start(&w, dump, len);
    return walk_dump(&w);
}

int luas__bytecode_names(const char *dump, size_t len, const luas__upvalues *env,
                     luas__bytecode_sink sink, void *context)
{
    walk w;
    w.sink = sink;
    w.bare = NULL;
    w.context = context;
    w.dynamic = 0;
    w.levels[0].env = *env;
    start(&w, dump, len);
    int rc = walk_dump(&w);
    if (rc != 1)
        return rc;
    /* The function is dynamic: so the constants of functions seen before count, too. */
    start(&w, dump, len);
    return walk_dump(&w);
}

int luas__bytecode_bare(const char *dump, size_t len, luas__buffer *out, luas__bytecode_sink sink, void *context)
{
    walk w;
    w.sink = sink;
    w.bare = out;
    w.context = context;
    w.levels[0].env = (luas__upvalues){{0, 0, 0, 0}};
    w.dynamic = 0;
    start(&w, dump, len);
    int rc = walk_dump(&w);
    if (rc == 0)
        copy_read(&w);
    return rc == 0 ? w.rc : rc;
}
