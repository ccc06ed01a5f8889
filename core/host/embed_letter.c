/* Letters: one struct, and bytes behind it. */
#define _GNU_SOURCE
#include "embed_letter.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "embed_shared.h"
#include "error.h"
#include "fd.h"
#include "memfile.h"

/* Host and zygote are the same program: so addresses of functions mean the same in both. A fresh program
   has the same version, and is given no such address. After
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

/* ---- writing ---- */

static int write_letter(luas__buffer *out, const luas__embed_kit *k, const luas__bulk *bulk,
                        const luas__buffer *around)
{
    letter l = {.bulk = *bulk, .setup = k->setup, .setup_data = k->setup_data,
                .setup_size = k->setup_size, .text = k->script.len,
                .name = strlen(k->script.name) + 1, .words = k->words.len, .around = around->len,
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
    return rc < 0 ? rc : luas__buffer_append(out, luas__buffer_bytes(around), l.around);
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

int luas__embed_letter_post(const luas__embed_kit *k, const luas__bulk *bulk, const luas__buffer *around)
{
    luas__buffer bytes = LUAS__BUFFER_INIT;
    int rc = write_letter(&bytes, k, bulk, around);
    int fd = rc < 0 ? rc : post(&bytes);
    luas__buffer_release(&bytes);
    return fd;
}

/* ---- reading ---- */

/* Does this process have the code? Not if the application has loaded that later. */
static bool is_here(luas_setup *setup)
{
    Dl_info info;
    void *address;
    memcpy(&address, &setup, sizeof address);
    return setup == NULL || dladdr(address, &info) != 0;
}

bool luas__embed_letter_open(luas__embed_letter *out, int fd, luas__embed_kit *k)
{
    struct stat s;
    const letter *l = fstat(fd, &s) < 0 ? NULL : luas__memfile_map(fd, (size_t)s.st_size);
    if (l == NULL || !is_here(l->setup))
        return false;
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
        return false;
    *out = (luas__embed_letter){.bulk = &l->bulk, .shared = l->shared, .around = at + l->words,
                                .len = l->around};
    return true;
}
