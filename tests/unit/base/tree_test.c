/* A walk gives each file once, in the order of paths, whatever the tree is like. */
#define _GNU_SOURCE
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "testing.h"

static char folder[] = "/tmp/luas-tree-XXXXXX";

static void run(const char *command)
{
    CHECK_INT(system(command), 0);
}

/* All that a walk gives, each with '|' behind it; what cannot be read with '!'. */
static void walk(const char *path, bool follows, luas__buffer *out)
{
    luas__tree t;
    int rc;
    luas__buffer_truncate(out, 0);
    CHECK_INT(luas__tree_open(&t, path, follows), 0);
    while ((rc = luas__tree_next(&t)) != 0) {
        CHECK_INT(strlen(luas__buffer_bytes(&t.path)), t.path.len);
        luas__buffer_append(out, luas__buffer_bytes(&t.path), t.path.len);
        luas__buffer_append(out, rc > 0 ? "|" : "!", 1);
    }
    CHECK_INT(luas__tree_next(&t), 0);
    luas__buffer_append(out, "", 1);
    luas__tree_close(&t);
}

static void check(const char *path, bool follows, const char *expected)
{
    luas__buffer out = LUAS__BUFFER_INIT;
    walk(path, follows, &out);
    CHECK(strcmp(luas__buffer_bytes(&out), expected) == 0);
    luas__buffer_release(&out);
}

static void test_order_is_that_of_paths(void)
{
    run("mkdir -p o/a/c o/empty && touch o/a.b o/a/x o/a/c/y o/a0 o/A o/z o/a/.h && mkfifo o/pipe");
    check("o", false, "o/A|o/a.b|o/a/.h|o/a/c/y|o/a/x|o/a0|o/z|");
    check("o/", false, "o/A|o/a.b|o/a/.h|o/a/c/y|o/a/x|o/a0|o/z|");
    check("o/a/x", false, "o/a/x|");
    check("o/empty", false, "");
}

static void test_links_are_followed_on_request(void)
{
    run("mkdir -p l/d && touch l/d/f && ln -s d l/e && ln -s ../.. l/d/up && ln -s f l/d/g && ln -s none l/h && ln -s . l/d/me");
    check("l/d", false, "l/d/f|");
    check("l/e", false, "l/e/f|");
    check("l", false, "l/d/f|");
    luas__buffer out = LUAS__BUFFER_INIT;
    walk("l", true, &out);
    CHECK(strstr(luas__buffer_bytes(&out), "l/d/f|l/d/g|") != NULL);
    CHECK(strstr(luas__buffer_bytes(&out), "l/e/f|l/e/g|") != NULL);
    CHECK(strstr(luas__buffer_bytes(&out), "me/") == NULL);
    luas__buffer_release(&out);
}

/* Longer than what the kernel takes as one path, and deeper than there are descriptors. */
static void test_deep_trees_have_no_end(void)
{
    char name[201];
    struct rlimit few = {40, 40}, many;
    luas__tree t;
    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    int at = open(".", O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 60; i++) {
        CHECK_INT(mkdirat(at, name, 0700), 0);
        int below = openat(at, name, O_DIRECTORY | O_CLOEXEC);
        CHECK_INT(close(at), 0);
        at = below;
    }
    int file = openat(at, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(file >= 0);
    CHECK_INT(close(file), 0);
    CHECK_INT(close(at), 0);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &many), 0);
    few.rlim_max = many.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
    CHECK_INT(luas__tree_open(&t, name, false), 0);
    CHECK_INT(luas__tree_next(&t), 1);
    CHECK_INT(t.path.len, 60 * sizeof name + 1);
    CHECK_INT(luas__tree_next(&t), 0);
    luas__tree_close(&t);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &many), 0);
}

static void test_unreadable_folders_are_told_and_passed(void)
{
    run("mkdir -p u/a u/b u/c u/d && touch u/a/f u/b/g u/c/h && chmod 755 . u u/a u/c && chmod 0 u/b");
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && seteuid(65534) < 0)
            _exit(3);
        check("u", false, "u/a/f|u/b/!u/c/h|");
        luas__tree t;
        CHECK_INT(luas__tree_open(&t, "u/b", false), -EACCES);
        _exit(0);
    }
    int status;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    run("chmod 700 u/b");
}

static void test_what_is_gone_has_no_files(void)
{
    luas__tree t;
    run("mkdir -p g/a g/b g/c && touch g/a/1 g/b/2 g/c/3");
    CHECK_INT(luas__tree_open(&t, "g", false), 0);
    CHECK_INT(luas__tree_next(&t), 1);
    run("rm -r g/b && ln -s c g/b");
    CHECK_INT(luas__tree_next(&t), 1);
    CHECK(strcmp(luas__buffer_bytes(&t.path), "g/c/3") == 0);
    CHECK_INT(luas__tree_next(&t), 0);
    luas__tree_close(&t);
    CHECK_INT(luas__tree_open(&t, "nowhere", false), -ENOENT);
    CHECK_INT(luas__tree_open(&t, "", false), -ENOENT);
    CHECK_INT(luas__tree_open(&t, "/dev/null", false), -EINVAL);
    luas__tree_close(&t);
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL);
    CHECK_INT(chdir(folder), 0);
    RUN(test_order_is_that_of_paths);
    RUN(test_links_are_followed_on_request);
    RUN(test_deep_trees_have_no_end);
    RUN(test_unreadable_folders_are_told_and_passed);
    RUN(test_what_is_gone_has_no_files);
    CHECK_INT(chdir("/"), 0);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    run(command);
}
