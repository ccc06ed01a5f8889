/* A walk through a tree of folders. */
#define _GNU_SOURCE
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "error.h"
#include "fd.h"

/* A folder's name ends in a slash. So names in their order give paths in theirs. */
struct luas__tree_level {
    char **names;
    size_t count, next, cap;
    size_t len;             /* of the folder's own path */
    dev_t device;
    ino_t inode;
};

/* ---- paths ---- */

static int set_path(luas__tree *t, size_t len, const char *name)
{
    luas__buffer_truncate(&t->path, len);
    int rc = luas__buffer_append(&t->path, name, strlen(name) + 1);
    if (rc == 0)
        t->path.len--;
    return rc;
}

static int open_again(int at, const char *path, int flags)
{
    int fd;
    do {
        fd = openat(at, path, flags | O_DIRECTORY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -errno;
    int rc = luas__fd_lift(&fd);
    return rc < 0 ? rc : fd;
}

/* A path may be longer than what the kernel takes: it is gone along in pieces. */
static int open_below(int root, const char *path, int flags)
{
    int at = root;
    while (at >= 0 && strlen(path) >= PATH_MAX) {
        char piece[PATH_MAX];
        memcpy(piece, path, sizeof piece - 1);
        piece[sizeof piece - 1] = '\0';
        char *slash = strrchr(piece, '/');
        if (slash == NULL)
            return -ENAMETOOLONG;
        *slash = '\0';
        path += slash - piece + 1;
        int fd = open_again(at, piece, O_PATH);
        if (at != root)
            luas__fd_close(&at);
        at = fd;
    }
    if (at < 0)
        return at;
    int fd = open_again(at, *path != '\0' ? path : ".", O_RDONLY | flags);
    if (at != root)
        luas__fd_close(&at);
    return fd;
}

/* ---- folders ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void release(luas__tree_level *level)
{
    while (level->count > 0)
        free(level->names[--level->count]);
    free(level->names);
}

static mode_t type_of(const luas__tree *t, int fd, const struct dirent *entry)
{
    struct stat file;
    bool is_link = entry->d_type == DT_LNK;
    if (entry->d_type != DT_UNKNOWN && !(is_link && t->follows))
        return DTTOIF(entry->d_type);
    return fstatat(fd, entry->d_name, &file, t->follows ? 0 : AT_SYMLINK_NOFOLLOW) == 0 ? file.st_mode & S_IFMT : 0;
}

static int add(luas__tree_level *level, const char *name, bool is_folder)
{
    size_t len = strlen(name);
    char *copy = malloc(len + 2);
    if (copy == NULL || luas__array_reserve(&level->names, &level->cap, level->count + 1, sizeof copy) < 0) {
        free(copy);
        return LUAS_ENOMEM;
    }
    memcpy(copy, name, len);
    memcpy(copy + len, is_folder ? "/" : "", is_folder ? 2 : 1);
    level->names[level->count++] = copy;
    return 0;
}

static int add_entry(const luas__tree *t, luas__tree_level *level, int fd, const struct dirent *entry)
{
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    mode_t type = type_of(t, fd, entry);
    return S_ISDIR(type) || S_ISREG(type) ? add(level, name, S_ISDIR(type)) : 0;
}

static int read_names(const luas__tree *t, luas__tree_level *level, DIR *folder)
{
    int rc = 0;
    while (rc == 0) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL)
            return -errno;
        rc = add_entry(t, level, dirfd(folder), entry);
    }
    return rc;
}

static bool is_inside(const luas__tree *t, const struct stat *folder)
{
    for (size_t i = 0; i < t->depth; i++)
        if (t->levels[i].device == folder->st_dev && t->levels[i].inode == folder->st_ino)
            return true;
    return false;
}

/* Takes over the descriptor. What could be read of a folder is walked through in any case. */
static int enter(luas__tree *t, int fd)
{
    struct stat file;
    int rc = fstat(fd, &file) < 0 ? -errno : luas__array_reserve(&t->levels, &t->cap, t->depth + 1, sizeof *t->levels);
    bool is_new = rc == 0 && !is_inside(t, &file);
    DIR *folder = is_new ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        luas__fd_close(&fd);
        return is_new ? LUAS_ENOMEM : rc;
    }
    luas__tree_level level = {.len = t->path.len, .device = file.st_dev, .inode = file.st_ino};
    rc = read_names(t, &level, folder);
    closedir(folder);
    if (level.count > 0)
        qsort(level.names, level.count, sizeof *level.names, compare);
    t->levels[t->depth++] = level;
    return rc;
}

/* Something else may have its name now, or nothing. With the slash a link would be followed. */
static int enter_folder(luas__tree *t)
{
    char *path = luas__buffer_bytes(&t->path) + t->above, *slash = luas__buffer_end(&t->path) - 1;
    *slash = '\0';
    int fd = open_below(t->root, slash > path ? path : "", t->follows ? 0 : O_NOFOLLOW);
    *slash = '/';
    if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
        return 0;
    return fd < 0 ? fd : enter(t, fd);
}

/* ---- the walk ---- */

/* A path that is a folder's with a slash, so that names are put behind it. */
static int open_root(luas__tree *t, const char *path)
{
    struct stat file;
    if (stat(path, &file) < 0)
        return -errno;
    if (S_ISREG(file.st_mode)) {
        t->is_file = true;
        return set_path(t, 0, path);
    }
    if (!S_ISDIR(file.st_mode))
        return -EINVAL;
    int rc = set_path(t, 0, path);
    size_t len = t->path.len;
    if (rc == 0 && path[len - 1] != '/')
        rc = set_path(t, len, "/");
    t->above = t->path.len;
    if (rc == 0)
        rc = t->root = open_again(AT_FDCWD, path, O_RDONLY);
    return rc < 0 ? rc : enter_folder(t);
}

int luas__tree_open(luas__tree *t, const char *path, bool follows)
{
    *t = (luas__tree){.root = -1, .follows = follows};
    int rc = open_root(t, path);
    if (rc < 0)
        luas__tree_close(t);
    return rc;
}

void luas__tree_close(luas__tree *t)
{
    while (t->depth > 0)
        release(&t->levels[--t->depth]);
    free(t->levels);
    t->levels = NULL;
    t->cap = 0;
    t->is_file = false;
    luas__buffer_release(&t->path);
    luas__fd_close(&t->root);
}

int luas__tree_next(luas__tree *t)
{
    if (t->is_file) {
        t->is_file = false;
        return 1;
    }
    while (t->depth > 0) {
        luas__tree_level *level = &t->levels[t->depth - 1];
        if (level->next == level->count) {
            release(level);
            t->depth--;
            continue;
        }
        const char *name = level->names[level->next++];
        int rc = set_path(t, level->len, name);
        if (rc == 0 && name[strlen(name) - 1] != '/')
            return 1;
        if (rc == 0)
            rc = enter_folder(t);
        if (rc < 0)
            return rc;
    }
    return 0;
}
