/* What applications make arguments of, and how that travels. */
#include "plain_value.h"

#include <string.h>

#include "error.h"

luas_value luas_nil(void)
{
    return (luas_value){.type = LUAS_NIL};
}

luas_value luas_boolean(int boolean)
{
    return (luas_value){.type = LUAS_BOOLEAN, .as.boolean = boolean != 0};
}

luas_value luas_integer(int64_t integer)
{
    return (luas_value){.type = LUAS_INTEGER, .as.integer = integer};
}

luas_value luas_number(double number)
{
    return (luas_value){.type = LUAS_NUMBER, .as.number = number};
}

luas_value luas_string(const char *string)
{
    return luas_bytes(string, strlen(string));
}

luas_value luas_bytes(const char *bytes, size_t len)
{
    return (luas_value){.type = LUAS_STRING, .bytes = bytes, .len = len};
}

int luas__plain_value_write(luas__buffer *b, const luas_value *v)
{
    if (v->type >= LUAS_STRING && v->bytes == NULL && v->len > 0)
        return LUAS_EINVAL;
    switch (v->type) {
    case LUAS_NIL: return luas__mp_write_nil(b);
    case LUAS_BOOLEAN: return luas__mp_write_bool(b, v->as.boolean);
    case LUAS_INTEGER: return luas__mp_write_int(b, v->as.integer);
    case LUAS_NUMBER: return luas__mp_write_double(b, v->as.number);
    case LUAS_STRING: /* NULL with length 0 is an empty string */
        return luas__mp_write_string(b, v->bytes != NULL ? v->bytes : "", v->len);
    case LUAS_OTHER: return luas__buffer_append(b, v->bytes, v->len);
    }
    return LUAS_EINVAL;
}

bool luas__plain_value_set(luas_value *v, const luas__mp_token *t)
{
    switch (t->type) {
    case MP_NIL: *v = luas_nil(); return true;
    case MP_BOOL: *v = luas_boolean(t->as.i != 0); return true;
    case MP_INT: *v = luas_integer(t->as.i); return true;
    case MP_DOUBLE: *v = luas_number(t->as.d); return true;
    case MP_STR: case MP_BIN: *v = luas_bytes(t->bytes, t->len); return true;
    default: return false;
    }
}
