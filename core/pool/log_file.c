/* Records gathered, and written out. */
#define _GNU_SOURCE
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>

#include "clock.h"
#include "fd.h"

enum { MUCH = 1 << 16 };
#define OLD (LUAS__SECOND / 5)

int luas__log_file_open(luas__log_file *f, const char *path)
{
    *f = (luas__log_file){.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
    f->written_at = luas__now();
    return f->fd < 0 ? -errno : 0;
}

void luas__log_file_add(luas__log_file *f, const char *text, size_t len)
{
    if (f->error == 0)
        f->error = luas__buffer_append(&f->pending, text, len);
}

void luas__log_file_settle(luas__log_file *f, int64_t now)
{
    if (f->pending.len > MUCH || (f->pending.len > 0 && now - f->written_at > OLD)) {
        luas__log_file_flush(f);
        f->written_at = now;
    }
}

int luas__log_file_flush(luas__log_file *f)
{
    if (f->error == 0 && f->pending.len > 0)
        f->error = luas__fd_write_file(f->fd, luas__buffer_bytes(&f->pending), f->pending.len);
    luas__buffer_truncate(&f->pending, 0);
    return f->error;
}

void luas__log_file_close(luas__log_file *f)
{
    luas__fd_close(&f->fd);
    luas__buffer_release(&f->pending);
}
