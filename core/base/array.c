/* Growing by doubling. */
#include "array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

enum { FEWEST = 8 };

int luas__array_reserve(void *items, size_t *cap, size_t count, size_t size)
{
    if (count <= *cap)
        return 0;
    size_t more = *cap < FEWEST / 2 ? FEWEST : 2 * *cap;
    more = more < count ? count : more;
    if (more > SIZE_MAX / 2 / size)
        return LUAS_ENOMEM;
    void *array; /* of whatever type: its pointer is copied as bytes */
    memcpy(&array, items, sizeof array);
    array = realloc(array, more * size);
    if (array == NULL)
        return LUAS_ENOMEM;
    memcpy(items, &array, sizeof array);
    *cap = more;
    return 0;
}
