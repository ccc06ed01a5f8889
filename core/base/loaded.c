/* Asks the dynamic linker. */
#define _GNU_SOURCE
#include "loaded.h"

#include <link.h>
#include <string.h>
#include <sys/auxv.h>

typedef struct search {
    uintptr_t address;
    const char *path;   /* instead of an address */
    size_t len;
    unsigned count;     /* how many were looked at before */
    const struct dl_phdr_info *found;
    luas__loaded at;
    uintptr_t base;
} search;

static bool lies_in(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && address - info->dlpi_addr - part->p_vaddr < part->p_memsz)
            return true;
    }
    return false;
}

/* Returns 1 at the library, to end the search. The program, which comes first, has no path. */
static int look(struct dl_phdr_info *info, size_t size, void *context)
{
    search *s = context;
    (void)size;
    unsigned index = s->count++;
    bool is_it = s->path == NULL ? lies_in(info, s->address)
        : strlen(info->dlpi_name) == s->len && memcmp(info->dlpi_name, s->path, s->len) == 0;
    if (!is_it)
        return 0;
    s->base = info->dlpi_addr;
    s->at = (luas__loaded){info->dlpi_name, s->address - info->dlpi_addr, index};
    return 1;
}

bool luas__loaded_find(const void *address, luas__loaded *at)
{
    search s = {.address = (uintptr_t)address};
    if (dl_iterate_phdr(look, &s) == 0 || *s.at.path == '\0')
        return false;
    *at = s.at;
    return true;
}

void *luas__loaded_at(const char *path, size_t len, uint64_t offset)
{
    search s = {.path = path, .len = len};
    if (len == 0 || dl_iterate_phdr(look, &s) == 0)
        return NULL;
    return (void *)(s.base + (uintptr_t)offset);
}

static int count(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)info;
    (void)size;
    ++*(unsigned *)context;
    return 0;
}

unsigned luas__loaded_count(void)
{
    unsigned n = 0;
    dl_iterate_phdr(count, &n);
    return n;
}

/* The kernel gives each program that it starts 16 random bytes. The C library makes secrets of them,
   so they are not told. */
uint64_t luas__loaded_family(void)
{
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    uint64_t family = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; random != NULL && i < 16; i++)
        family = (family ^ random[i]) * UINT64_C(0x100000001b3);
    family ^= family >> 29;
    return family * UINT64_C(0x9e3779b97f4a7c15);
}
