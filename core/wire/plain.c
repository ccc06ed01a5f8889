/*
 * Bytes that are plain already are copied, in pieces as long as possible. Only extension
 * types are rewritten. Nothing recurses: open containers are frames on a stack. In a
 * message with references a first pass finds where each object begins, including those
 * inside parts that are left out.
 */
#include "plain.h"

#include <limits.h>
#include <stdlib.h>

#include "array.h"
#include "error.h"
#include "place.h"
#include "value_format.h"

enum { CONTAINER_ARRAY, CONTAINER_MAP, CONTAINER_PACKED };

static const uint32_t no_number = UINT32_MAX;

static int fail(luas__plain *p, int rc, const char *why)
{
    p->why = why;
    return rc;
}

static int refuse(luas__plain *p, int rc)
{
    return fail(p, rc, luas_strerror(rc));
}

static luas__plain_frame *top(const luas__plain *p)
{
    return &p->frames[p->depth - 1];
}

/* ---- where objects begin ---- */

static int add_object(luas__plain *p, const unsigned char *at)
{
    if (luas__array_reserve(&p->objects, &p->capacity, (size_t)p->count + 1,
                            sizeof *p->objects) < 0)
        return refuse(p, LUAS_ENOMEM);
    p->objects[p->count++] = (luas__plain_object){.from = (uint32_t)(at - p->start)};
    return 0;
}

static bool is_object(const luas__mp_token *t)
{
    if (t->type == MP_EXT)
        return t->ext == WIRE_FUNCTION || t->ext == WIRE_PACKED || t->ext == WIRE_NAME
            || t->ext == WIRE_STANDARD;
    return t->type == MP_ARRAY || t->type == MP_MAP;
}

/* Does this extension type contain values? */
static bool has_values(const luas__mp_token *t)
{
    return t->type == MP_EXT
        && (t->ext == WIRE_OBJECT || t->ext == WIRE_PACKED || t->ext == WIRE_FUNCTION);
}

/* Goes from token to token. The numbers of objects do not depend on the nesting. */
static int find_objects(luas__plain *p)
{
    luas__mp_reader in = p->in;
    luas__mp_token t;
    bool is_packed = false; /* the next array belongs to a PACKED and has no number */
    const unsigned char *at = in.at;
    int rc = 0, more;
    while (rc == 0 && (more = luas__mp_read(&in, &t)) != 0) {
        if (more < 0)
            return refuse(p, more);
        if (has_values(&t))
            in.at = (const unsigned char *)t.bytes;
        if (is_object(&t) && !is_packed)
            rc = add_object(p, at);
        is_packed = t.type == MP_EXT && t.ext == WIRE_PACKED;
        at = in.at;
    }
    return rc;
}

/* The number of the object that begins at `at`, if something could refer to it. The
   objects are ordered by place. */
static uint32_t number_of(const luas__plain *p, const unsigned char *at)
{
    uint32_t low = 0, high = p->count, from = (uint32_t)(at - p->start);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->objects[middle].from < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->count && p->objects[low].from == from ? low : no_number;
}

/* ---- the output ---- */

/* Makes room for `len` more bytes. */
static int reserve(luas__plain *p, size_t len)
{
    if (len > p->room)
        return fail(p, LUAS_ETOOBIG, "too large, as a table that stands in it several times "
                                     "is given each time");
    if (luas__buffer_reserve(p->out, len) < 0)
        return refuse(p, LUAS_ENOMEM);
    p->room -= len;
    return 0;
}

/* Copies the bytes up to `at`, and continues at `next`. */
static int go_on(luas__plain *p, const unsigned char *at, const unsigned char *next)
{
    size_t len = (size_t)(at - p->copied);
    int rc = reserve(p, len);
    if (rc == 0)
        rc = luas__buffer_append(p->out, p->copied, len);
    if (rc == 0)
        p->in.at = p->copied = next;
    return rc;
}

/* Where the byte at `at` is, or will be, in the output. */
static size_t place_of(const luas__plain *p, const unsigned char *at)
{
    return p->out->len + (size_t)(at - p->copied);
}

/* Raises the height of the innermost open container, if it is lower than this. */
static void note_height(luas__plain *p, uint32_t height)
{
    if (p->depth > 0 && top(p)->height < height)
        top(p)->height = height;
}

/* Appends another copy of an object that is in the output already. */
static int repeat(luas__plain *p, const luas__plain_object *o)
{
    if (p->depth + o->height > LUAS__PLAIN_DEPTH)
        return refuse(p, LUAS_EDEEP);
    int rc = reserve(p, o->len); /* first: the copy must not move what it reads */
    if (rc == 0)
        rc = luas__buffer_append(p->out, luas__buffer_bytes(p->out) + o->at, o->len);
    note_height(p, o->height);
    return rc;
}

/* ---- containers ---- */

static int make_frames(luas__plain *p)
{
    p->frames = malloc(LUAS__PLAIN_DEPTH * sizeof *p->frames);
    return p->frames == NULL ? refuse(p, LUAS_ENOMEM) : 0;
}

/* Opens a container of `count` values, whose plain form begins with the byte at `at`. */
static int open_frame(luas__plain *p, int kind, uint32_t number, const unsigned char *at,
                      uint64_t values)
{
    if (values > (size_t)(p->in.end - p->in.at))
        return refuse(p, LUAS_EPROTO);
    if (number != no_number && p->objects[number].is_open)
        return fail(p, LUAS_EUNSENT, "refers to itself");
    if (p->depth == LUAS__PLAIN_DEPTH)
        return refuse(p, LUAS_EDEEP);
    if (p->frames == NULL && make_frames(p) < 0)
        return LUAS_ENOMEM;
    if (number != no_number)
        p->objects[number].is_open = true;
    p->frames[p->depth++] = (luas__plain_frame){
        .kind = (unsigned char)kind, .number = number, .left = values, .at = place_of(p, at)};
    return 0;
}

static int close_frame(luas__plain *p)
{
    luas__plain_frame f = p->frames[--p->depth];
    uint32_t height = f.height + 1;
    if (f.end != NULL && p->in.at > f.end)
        return refuse(p, LUAS_EPROTO);
    if (f.number != no_number) {
        luas__plain_object *o = &p->objects[f.number];
        o->at = f.at;
        o->len = (uint32_t)(place_of(p, p->in.at) - f.at);
        o->height = height;
        o->is_open = false;
    }
    note_height(p, height);
    return f.next != NULL ? go_on(p, p->in.at, f.next) : 0;
}

static int open_table(luas__plain *p, const unsigned char *at, const luas__mp_token *t)
{
    if (t->type == MP_ARRAY)
        return open_frame(p, CONTAINER_ARRAY, number_of(p, at), at, t->len);
    return open_frame(p, CONTAINER_MAP, number_of(p, at), at, 2 * (uint64_t)t->len);
}

/* ---- extension types ---- */

/* Leaves out the rest of the ext around the innermost frame: its class. */
static void leave_class(luas__plain *p, const luas__mp_token *ext)
{
    top(p)->end = top(p)->next = (const unsigned char *)ext->bytes + ext->len;
}

/* Reads the head of the table that must come next. */
static int read_table(luas__plain *p, luas__mp_token *t)
{
    if (luas__mp_read(&p->in, t) != 1 || (t->type != MP_ARRAY && t->type != MP_MAP))
        return refuse(p, LUAS_EPROTO);
    return 0;
}

static int open_object(luas__plain *p, const unsigned char *at, const luas__mp_token *t)
{
    luas__mp_token head;
    int rc = go_on(p, at, (const unsigned char *)t->bytes);
    if (rc == 0)
        rc = read_table(p, &head);
    if (rc == 0)
        rc = open_table(p, p->copied, &head);
    if (rc == 0)
        leave_class(p, t);
    return rc;
}

/* Leaves out the head of an array of one element. */
static int open_packed(luas__plain *p, const unsigned char *at, const luas__mp_token *t)
{
    luas__mp_token head;
    int rc = go_on(p, at, (const unsigned char *)t->bytes);
    if (rc == 0)
        rc = read_table(p, &head);
    if (rc < 0 || head.type != MP_ARRAY)
        return rc < 0 ? rc : refuse(p, LUAS_EPROTO);
    if (head.len == 1)
        p->copied = p->in.at;
    rc = open_frame(p, CONTAINER_PACKED, number_of(p, at), p->copied, head.len);
    if (rc == 0)
        leave_class(p, t);
    return rc;
}

static int take_item(luas__plain *p);

/* Writes an object, where something refers to it, that was left out in its own place. */
static int give_elsewhere(luas__plain *p, const unsigned char *at, const luas__plain_object *o)
{
    const unsigned char *next = p->in.at;
    int rc = go_on(p, at, p->start + o->from);
    if (rc == 0)
        rc = take_item(p); /* opens a frame: every object with a plain form does */
    if (rc == 0)
        top(p)->next = next;
    return rc;
}

static int take_reference(luas__plain *p, const unsigned char *at, const luas__mp_token *t)
{
    uint64_t number = luas__mp_get_bytes((const unsigned char *)t->bytes, t->len);
    if ((t->len != 1 && t->len != 2 && t->len != 4) || number >= p->count
        || p->start + p->objects[number].from >= at)
        return refuse(p, LUAS_EPROTO);
    const luas__plain_object *o = &p->objects[number];
    if (o->is_open)
        return fail(p, LUAS_EUNSENT, "refers to itself");
    if (o->len == 0)
        return give_elsewhere(p, at, o);
    int rc = go_on(p, at, p->in.at);
    return rc < 0 ? rc : repeat(p, o);
}

/* NULL is nil, which is no key. */
static int take_light(luas__plain *p, const unsigned char *at, const luas__mp_token *t)
{
    bool is_key = p->depth > 0 && top(p)->kind == CONTAINER_MAP && top(p)->begun % 2 == 1;
    if (t->len > 0 || is_key)
        return fail(p, LUAS_EUNSENT, "light userdata has no plain form");
    int rc = go_on(p, at, p->in.at);
    if (rc == 0)
        rc = reserve(p, 1);
    return rc < 0 ? rc : luas__mp_write_nil(p->out);
}

static int take_ext(luas__plain *p, const unsigned char *at, const luas__mp_token *t)
{
    switch (t->ext) {
    case WIRE_REF: return take_reference(p, at, t);
    case WIRE_OBJECT: return open_object(p, at, t);
    case WIRE_PACKED: return open_packed(p, at, t);
    case WIRE_LIGHT: return take_light(p, at, t);
    case WIRE_FUNCTION: return fail(p, LUAS_EUNSENT, "a function has no plain form");
    case WIRE_GLOBALS: return fail(p, LUAS_EUNSENT, "the globals have no plain form");
    case WIRE_NAME: case WIRE_STANDARD: case WIRE_SPACE:
        return fail(p, LUAS_EUNSENT, "what is known by its name has no plain form");
    default: return refuse(p, LUAS_EPROTO);
    }
}

/* ---- values ---- */

/* Takes the next value; of a container it only begins it. */
static int take_item(luas__plain *p)
{
    luas__mp_token t;
    const unsigned char *at = p->in.at;
    if (luas__mp_read(&p->in, &t) != 1)
        return refuse(p, LUAS_EPROTO);
    switch (t.type) {
    case MP_ARRAY: case MP_MAP: return open_table(p, at, &t);
    case MP_EXT: return take_ext(p, at, &t);
    case MP_UINT: return refuse(p, LUAS_EPROTO);
    default: return 0;
    }
}

/* The length of the commonest scalars, by their lead byte; 0 for everything else. */
static size_t scalar_size(unsigned char lead)
{
    static const unsigned char sizes[] = {
        /* ca float */ 5, 9, /* cc uint */ 2, 3, 5, 0, /* d0 int */ 2, 3, 5, 9};
    if (lead < 0x80 || lead >= 0xe0)
        return 1;
    if ((lead & 0xe0) == 0xa0)
        return 1 + (lead & 0x1fU);
    return lead >= 0xca && lead <= 0xd3 ? sizes[lead - 0xca] : 0;
}

/* Skips the scalars that come next in the frame. */
static void pass_scalars(luas__plain *p, luas__plain_frame *f)
{
    const unsigned char *at = p->in.at, *last = at;
    uint64_t n = 0;
    size_t size;
    while (n < f->left && at < p->in.end && (size = scalar_size(*at)) > 0
           && size <= (size_t)(p->in.end - at)) {
        last = at;
        at += size;
        n++;
    }
    if (n > 0)
        f->key = last;
    f->begun += n;
    f->left -= n;
    p->in.at = at;
}

static int step(luas__plain *p)
{
    luas__plain_frame *f = top(p);
    pass_scalars(p, f);
    if (f->left == 0)
        return close_frame(p);
    f->left--;
    if (f->begun++ % 2 == 0)
        f->key = p->in.at;
    return take_item(p);
}

int luas__plain_next(luas__plain *p, luas__buffer *out)
{
    size_t mark = out->len;
    p->out = out;
    p->copied = p->in.at;
    int rc = take_item(p);
    while (rc == 0 && p->depth > 0)
        rc = step(p);
    if (rc == 0)
        rc = go_on(p, p->in.at, p->in.at);
    if (rc < 0)
        luas__buffer_truncate(out, mark);
    return rc;
}

/* A message with references is wrapped into an ext. */
static int unwrap(luas__plain *p)
{
    luas__mp_reader ahead = p->in;
    luas__mp_token t;
    if (ahead.at == ahead.end || *ahead.at < 0xc7 || *ahead.at > 0xd8)
        return 0; /* not wrapped, like most messages */
    if (luas__mp_read(&ahead, &t) != 1 || t.type != MP_EXT || t.ext != WIRE_SHARED)
        return 0;
    if (ahead.at != ahead.end)
        return refuse(p, LUAS_EPROTO);
    p->in.at = (const unsigned char *)t.bytes;
    p->is_shared = true;
    return 0;
}

/* The outermost array has no number. Each value takes at least one byte. */
static int read_count(luas__plain *p)
{
    luas__mp_token t;
    if (luas__mp_read(&p->in, &t) != 1 || t.type != MP_ARRAY
        || t.len > (size_t)(p->in.end - p->in.at) || t.len > INT_MAX)
        return refuse(p, LUAS_EPROTO);
    return (int)t.len;
}

int luas__plain_open(luas__plain *p, const char *bytes, size_t len, bool is_array)
{
    luas__plain_close(p);
    p->start = p->in.at = (const unsigned char *)bytes;
    p->in.end = p->in.at + len;
    p->room = len + LUAS__PLAIN_MORE;
    if (len > WIRE_MAX)
        return refuse(p, LUAS_EPROTO);
    int rc = unwrap(p), count = 1;
    if (rc == 0 && is_array)
        rc = count = read_count(p);
    if (rc >= 0 && p->is_shared)
        rc = find_objects(p);
    return rc < 0 ? rc : count;
}

int luas__plain_end(luas__plain *p)
{
    return p->in.at == p->in.end ? 0 : refuse(p, LUAS_EPROTO);
}

void luas__plain_close(luas__plain *p)
{
    if (p->objects != NULL)
        free(p->objects);
    p->objects = NULL;
    p->count = p->depth = 0;
    p->capacity = 0;
    p->is_shared = false;
}

void luas__plain_release(luas__plain *p)
{
    luas__plain_close(p);
    free(p->frames);
    p->frames = NULL;
}

/* ---- what failed ---- */

static void add_key(luas__place *place, luas__mp_reader key)
{
    luas__mp_token t;
    luas__mp_read(&key, &t); /* it was read before */
    switch (t.type) {
    case MP_STR: case MP_BIN: luas__place_field(place, t.bytes, t.len); break;
    case MP_INT: luas__place_integer(place, t.as.i); break;
    case MP_DOUBLE: luas__place_float(place, t.as.d); break;
    case MP_BOOL: luas__place_key(place, t.as.i ? "[true]" : "[false]"); break;
    default: luas__place_key(place, "[table]"); break;
    }
}

static void add_frame(const luas__plain *p, luas__place *place, const luas__plain_frame *f)
{
    if (f->kind == CONTAINER_ARRAY)
        luas__place_integer(place, (int64_t)f->begun);
    else if (f->kind == CONTAINER_PACKED)
        luas__place_count(place, "value of __luas_pack", (uint32_t)f->begun);
    else if (f->begun % 2 == 0)
        add_key(place, (luas__mp_reader){f->key, p->in.end});
    else
        luas__place_step(place, "key");
}

int luas__plain_explain(const luas__plain *p, const char *place, luas__buffer *text)
{
    luas__place steps;
    luas__place_open(&steps, text);
    if (*place != '\0')
        luas__place_step(&steps, place);
    for (uint32_t i = 0; i < p->depth; i++) {
        if (p->depth > 2 * LUAS__PLACE_SHOWN && i == LUAS__PLACE_SHOWN) {
            i = p->depth - LUAS__PLACE_SHOWN;
            luas__place_gap(&steps);
        }
        add_frame(p, &steps, &p->frames[i]);
    }
    if (steps.rc == 0 && text->len > steps.start)
        steps.rc = luas__buffer_append(text, ": ", 2);
    return steps.rc == 0 ? luas__buffer_append(text, p->why, strlen(p->why)) : steps.rc;
}
