/*
 * The loop of the encoder. A step works on the innermost container until it meets a value that
 * is no scalar. It leaves that at the top of the stack and says what it is. Only the loop
 * encodes such a value, and that may open another container. The step goes on when this was
 * closed. Opening a container may move the others: so no pointer to one may be kept meanwhile.
 */
#include "encoder.h"

static int step_list(luas__encoder *e, luas__container *f)
{
    if (f->count == f->limit) {
        luas__container_close(e);
        return 0;
    }
    lua_pushvalue(e->L, f->base + (int)f->count++);
    return ENCODE_ITEM;
}

static int step_class(luas__encoder *e, luas__container *f)
{
    f->phase = PHASE_END;
    lua_pushvalue(e->L, f->base + 1);
    return ENCODE_CLASS;
}

static int end_ext(luas__encoder *e, luas__container *f)
{
    luas__container_ext_close(e, f->head);
    luas__container_close(e);
    return 0;
}

static int step_object(luas__encoder *e, luas__container *f)
{
    switch (f->phase) {
    case PHASE_CONTENT:
        f->phase = PHASE_CLASS;
        lua_pushvalue(e->L, f->base);
        return luas__encode_table_content(e);
    case PHASE_CLASS:
        return step_class(e, f);
    default:
        return end_ext(e, f);
    }
}

static int step_packed(luas__encoder *e, luas__container *f)
{
    if (f->phase == PHASE_END)
        return end_ext(e, f);
    if (f->count == f->limit)
        return step_class(e, f);
    lua_pushvalue(e->L, f->base + 1 + (int)++f->count);
    return ENCODE_ITEM;
}

static int step(luas__encoder *e, luas__container *f)
{
    switch ((luas__container_kind)f->kind) {
    case CONTAINER_LIST: return step_list(e, f);
    case CONTAINER_ARRAY: return luas__encode_table_array(e, f);
    case CONTAINER_MAP: return luas__encode_table_map(e, f);
    case CONTAINER_OBJECT: return step_object(e, f);
    case CONTAINER_PACKED: return step_packed(e, f);
    case CONTAINER_FUNCTION: return luas__encode_function_step(e, f);
    case CONTAINER_DEFINE: return luas__encode_define_step(e, f);
    }
    return LUAS_EINVAL;
}

/* Encodes the class at the top, after a definition of it if one is needed. */
static int encode_class(luas__encoder *e)
{
    int rc = luas__encode_item_class(e, 1);
    if (rc != ENCODE_DEFINITION)
        return rc;
    lua_pushvalue(e->L, -1);
    rc = luas__encode_run_define(e);
    return rc < 0 ? rc : luas__encode_item_class(e, 0);
}

int luas__encode_run(luas__encoder *e, uint32_t bottom)
{
    int rc = 0;
    while (rc == 0 && e->scratch->depth > bottom) {
        rc = step(e, luas__encoder_top(e));
        if (rc == ENCODE_ITEM)
            rc = luas__encode_item(e);
        else if (rc == ENCODE_CLASS)
            rc = encode_class(e);
    }
    return rc;
}

/* A define message is separate from the message that needs it: it has its own cells and output.
   */
int luas__encode_run_define(luas__encoder *e)
{
    luas__encoder d = *e;
    uint32_t bottom = e->scratch->depth;
    d.out = e->defines;
    d.start = d.out->len;
    d.most = d.start + d.limit;
    d.pause = d.budget > 0 ? d.start : d.most;
    d.defining = 1;
    d.cells = 0;
    d.first = d.space->count;
    d.seen = &e->scratch->seen[1];
    luas__ptrmap_clear(d.seen);
    int rc = luas__container_open(&d, CONTAINER_DEFINE, lua_gettop(e->L));
    if (rc == 0)
        rc = luas__encode_run(&d, bottom);
    if (rc == 0 && d.out->len > d.most)
        rc = LUAS_ETOOBIG;
    e->dynamic |= d.dynamic;
    e->packs |= d.packs;
    e->again |= d.again;
    e->described |= d.described;
    e->refreshed = d.refreshed;
    return rc;
}
