/* luas_reader believes no byte: any bytes, read to their end or to the first failure. */
#include <stdlib.h>
#include <string.h>

#include "walk_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of just that size, as in a mapped file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    walk w = walk_bytes(bytes, size);
    if (w.values > 2 * (uint64_t)size || (w.failure > 0))
        abort();
    free(bytes);
    return 0;
}
