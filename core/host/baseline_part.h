/*
 * The inside of a baseline: objects and what they had. baseline.c makes it, baseline_compare.c
 * compares it.
 */
#ifndef LUAS_BASELINE_PART_H
#define LUAS_BASELINE_PART_H

#include "baseline.h"
#include "settings.h"
#include "word.h"

/* One setting (settings.h); of SETTING_FIELD, all fields of the object. */
typedef struct luas__baseline_check {
    uint32_t object;        /* its index in the list */
    int kind;
    int key;                /* an upvalue's index, or what of the state */
    uint32_t first, count;  /* its fields */
    luas__word value;       /* the value of any other */
} luas__baseline_check;

/*
 * User values: the objects in order, and by their addresses the objects that are values: both weak,
 * as a module may have let go of them since. (The second has garbage at 0: it is gone when a cycle of
 * the collector has ended. Then words of objects that are gone are made GONE, because other
 * objects may get their addresses.) By their addresses, the keys of fields; and what was noted
 * (baseline_compare.c), or nil.
 */
enum { BASELINE_OBJECTS = 1, BASELINE_VALUES, BASELINE_KEYS, BASELINE_NOTED };
enum { GONE = -2 };     /* no value has this type, nor the address 1 */

typedef struct luas__baseline {
    const char *class;      /* of which no other userdata has the address there */
    bool has_noted;
    bool is_of_state;       /* its first checks, of settings of the state, hold if `state` does */
    int last_mode;          /* of the collector, when it was looked at */
    luas__state_settings state;
    uint64_t number;        /* of the list of objects, among those that workers keep */
    uint32_t objects, checks;
    size_t fields_at;       /* offset of the fields in what follows */
    char content[];         /* checks, then fields */
} luas__baseline;

/* The baseline at this index. Raises if there is none. */
luas__baseline *luas__baseline_part_check(lua_State *L, int index);

static inline const luas__baseline_check *luas__baseline_part_checks(const luas__baseline *b)
{
    return (const void *)b->content;
}

static inline const luas__word_field *luas__baseline_part_fields(const luas__baseline *b)
{
    return (const void *)(b->content + b->fields_at);
}

#endif
