/* What is around a process, as bytes and back. */
#define _GNU_SOURCE
#include <locale.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "surroundings_message.h"
#include "testing.h"

static luas__surroundings *change_all(luas__surroundings *before)
{
    CHECK(chdir("/usr") == 0 && setenv("ADDED", "a=b", 1) == 0 && setenv("CHANGED", "new", 1) == 0
          && unsetenv("GONE") == 0 && umask(077) == 022 && setlocale(LC_ALL, "C.UTF-8") != NULL);
    luas__surroundings *after = luas__surroundings_now(before);
    CHECK(after != NULL && after != before);
    return after;
}

static luas__surroundings *begin(void)
{
    CHECK(chdir("/") == 0 && setenv("CHANGED", "old", 1) == 0 && setenv("GONE", "", 1) == 0
          && unsetenv("ADDED") == 0 && setlocale(LC_ALL, "C") != NULL);
    umask(022);
    luas__surroundings *s = luas__surroundings_now(NULL);
    CHECK(s != NULL && s->mask == 022);
    return s;
}

static void check_old(void)
{
    char path[64];
    CHECK(strcmp(getcwd(path, sizeof path), "/") == 0 && getenv("ADDED") == NULL
          && strcmp(getenv("CHANGED"), "old") == 0 && strcmp(getenv("GONE"), "") == 0
          && strcmp(setlocale(LC_ALL, NULL), "C") == 0 && umask(022) == 022);
}

static void check_new(void)
{
    char path[64];
    CHECK(strcmp(getcwd(path, sizeof path), "/usr") == 0 && strcmp(getenv("ADDED"), "a=b") == 0
          && strcmp(getenv("CHANGED"), "new") == 0 && getenv("GONE") == NULL
          && strcmp(setlocale(LC_ALL, NULL), "C.UTF-8") == 0 && umask(077) == 077);
}

static void test_what_has_not_changed_is_the_same(void)
{
    luas__surroundings *s = begin();
    CHECK(luas__surroundings_now(s) == s && s->users == 2);
    luas__surroundings_release(s);
    luas__surroundings_release(s);
}

static void test_changes_are_read_as_they_were_written(void)
{
    luas__surroundings *before = begin(), *after = change_all(before), *read;
    luas__buffer bytes = LUAS__BUFFER_INIT;
    CHECK_INT(luas__surroundings_message_write(&bytes, before, after), 0);
    luas__mp_reader r = {(const unsigned char *)bytes.data, (const unsigned char *)bytes.data + bytes.len};
    CHECK_INT(luas__surroundings_enter(before), 0);
    check_old();
    CHECK_INT(luas__surroundings_message_read(&read, before, &r), 0);
    CHECK(r.at == r.end);
    CHECK_INT(luas__surroundings_enter(read), 0);
    check_new();
    CHECK(setenv("CHANGED", "by a task", 1) == 0 && unsetenv("ADDED") == 0 && clearenv() == 0
          && setenv("GONE", "back", 1) == 0);
    CHECK_INT(luas__surroundings_enter(read), 0);
    check_new();
    CHECK_INT(luas__surroundings_enter(before), 0);
    check_old();
    luas__surroundings_release(after);
    luas__surroundings_release(read);
    luas__buffer_release(&bytes);
    environ = NULL; /* it is the strings of `before` */
    luas__surroundings_release(before);
}

static void test_torn_bytes_are_refused(void)
{
    luas__surroundings *before = begin(), *after = change_all(before), *read;
    luas__buffer bytes = LUAS__BUFFER_INIT;
    CHECK_INT(luas__surroundings_message_write(&bytes, before, after), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        luas__mp_reader r = {(const unsigned char *)bytes.data, (const unsigned char *)bytes.data + len};
        CHECK_INT(luas__surroundings_message_read(&read, before, &r), LUAS_EPROTO);
        CHECK(read == NULL);
    }
    luas__buffer_release(&bytes);
    luas__surroundings_release(after);
    luas__surroundings_release(before);
}

int main(void)
{
    test_what_has_not_changed_is_the_same();
    test_changes_are_read_as_they_were_written();
    test_torn_bytes_are_refused();
    return 0;
}
