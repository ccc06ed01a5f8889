/* Records of a text. */
#include "records.h"

#include <string.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"

enum { PID, FD, DEVICE, INODE, FROM, LENGTH, NUMBER, WHOLE, DELIMITER, FIELDS };

static int read_string(luas__mp_reader *body, const char **bytes, size_t *len)
{
    luas__mp_token t;
    if (luas__mp_read(body, &t) != 1 || (t.type != MP_STR && t.type != MP_BIN))
        return LUAS_EPROTO;
    *bytes = t.bytes;
    *len = t.len;
    return 0;
}

static int read_fields(luas__records *r, luas__mp_reader *body, int64_t f[FIELDS])
{
    const char *name, *sep;
    size_t nsep;
    int rc = 0;
    for (int i = 0; rc == 0 && i < FIELDS; i++)
        rc = luas__mp_read_int(body, &f[i]);
    if (rc < 0 || read_string(body, &name, &r->name_len) < 0 || read_string(body, &sep, &nsep) < 0
        || nsep == 0 || nsep > LUAS__MOST_SEPARATOR || f[LENGTH] < 0)
        return LUAS_EPROTO;
    r->text.name = (char *)(uintptr_t)name;
    r->text.nsep = (unsigned char)nsep;
    memcpy(r->text.sep, sep, nsep);
    r->text.whole = f[WHOLE] != 0;
    r->text.delimiter = (char)f[DELIMITER];
    r->number = (uint64_t)f[NUMBER] - 1;
    return 0;
}

/* A task may have closed the descriptor, or made it another file's: that is looked at. */
static int open_file(luas__records *r, const int64_t f[FIELDS])
{
    char name[4096];
    uint64_t device = (uint64_t)f[DEVICE], inode = (uint64_t)f[INODE];
    if (r->fd >= 0 && luas__text_is(r->fd, device, inode))
        return 0;
    luas__records_end(r);
    if (r->name_len >= sizeof name)
        return LUAS_ETOOBIG;
    memcpy(name, r->text.name, r->name_len);
    name[r->name_len] = '\0';
    int fd = luas__text_open((pid_t)f[PID], (int)f[FD], name, device, inode);
    if (fd >= 0)
        r->fd = fd;
    return fd < 0 ? fd : 0;
}

static int read_file(luas__records *r, const int64_t f[FIELDS])
{
    luas__buffer_truncate(&r->read, 0);
    int rc = open_file(r, f);
    return rc < 0 ? rc : luas__text_read(r->fd, (uint64_t)f[FROM], (size_t)f[LENGTH], &r->read);
}

int luas__records_begin(luas__records *r, luas__mp_reader *body)
{
    int64_t f[FIELDS];
    int rc = read_fields(r, body, f);
    if (rc < 0)
        return rc;
    r->failed = f[PID] != 0 ? read_file(r, f) : 0;
    r->at = f[PID] == 0 ? (const char *)body->at : r->read.len > 0 ? luas__buffer_bytes(&r->read) : "";
    r->end = f[PID] == 0 ? (const char *)body->end : r->at + r->read.len;
    r->cut = (size_t)(r->end - r->at) < (size_t)f[LENGTH];
    body->at = body->end;
    return 0;
}

/* The last record of a file that is shorter than it was may be one half. */
void luas__records_next(luas__records *r)
{
    const char *sep = r->at < r->end && !r->text.whole ? luas__text_find(&r->text, r->at, r->end) : NULL;
    bool is_lost = r->failed < 0 || r->at == r->end || (sep == NULL && r->cut);
    r->number++;
    r->record = is_lost ? NULL : r->at;
    r->len = (size_t)((sep != NULL ? sep : r->end) - r->at);
    r->at = sep != NULL ? sep + r->text.nsep : r->end;
}

void luas__records_end(luas__records *r)
{
    luas__fd_close(&r->fd);
    if (r->read.cap > 1 << 22)
        luas__buffer_release(&r->read);
}
