/* What is sealed with a key opens with that key only, and as it was. */
#define _GNU_SOURCE
#include "seal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "luas.h"
#include "testing.h"

static char folder[] = "/tmp/luas-seal-XXXXXX";
static char path[64], why[LUAS__KEY_WHY];

static const char *file(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static luas__seal with_key(const char *name)
{
    luas__seal s;
    (void)unlink(file(name));
    CHECK_INT(luas__key_make(file(name), why), 0);
    CHECK_INT(luas__seal_init(&s, file(name), why), 0);
    CHECK(s.has_key);
    return s;
}

static const luas__sealed sample = {
    .type = LUAS__SEAL_RESULT, .run = 0x123456789abcdef0, .agent = 7, .token = UINT64_MAX, .body = "body\0!", .len = 6,
};

static void test_there_and_back(void)
{
    luas__seal with = with_key("a"), without;
    CHECK_INT(luas__seal_init(&without, NULL, why), 0);
    luas__seal *seals[] = {&with, &without};
    for (int i = 0; i < 2; i++) {
        luas__buffer bytes = LUAS__BUFFER_INIT, text = LUAS__BUFFER_INIT;
        luas__sealed m;
        CHECK_INT(luas__seal_write(seals[i], &sample, &bytes), 0);
        CHECK(bytes.len <= sample.len + LUAS__SEAL_MOST);
        CHECK_INT(luas__seal_open(seals[i], luas__buffer_bytes(&bytes), bytes.len, &text, &m), 0);
        CHECK(m.type == sample.type && m.run == sample.run && m.agent == sample.agent && m.token == sample.token);
        CHECK_INT(m.len, sample.len);
        CHECK_BYTES(m.body, sample.body, sample.len);
        luas__buffer_release(&bytes);
        luas__buffer_release(&text);
    }
    luas__seal_release(&with);
}

/* Each byte that is changed, and each that is missing, is noticed. */
static void test_changes_are_refused(void)
{
    luas__seal s = with_key("a");
    luas__buffer bytes = LUAS__BUFFER_INIT, text = LUAS__BUFFER_INIT;
    luas__sealed m;
    CHECK_INT(luas__seal_write(&s, &sample, &bytes), 0);
    char *at = luas__buffer_bytes(&bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        at[i] ^= 1;
        CHECK_INT(luas__seal_open(&s, at, bytes.len, &text, &m), LUAS_EPROTO);
        at[i] ^= 1;
        CHECK_INT(luas__seal_open(&s, at, i, &text, &m), LUAS_EPROTO);
    }
    CHECK_INT(luas__seal_open(&s, at, bytes.len, &text, &m), 0);
    luas__buffer_release(&bytes);
    luas__buffer_release(&text);
    luas__seal_release(&s);
}

static void test_keys_differ(void)
{
    luas__seal a = with_key("a"), b = with_key("b"), none;
    luas__buffer sealed = LUAS__BUFFER_INIT, open = LUAS__BUFFER_INIT, text = LUAS__BUFFER_INIT;
    luas__sealed m;
    CHECK_INT(luas__seal_init(&none, NULL, why), 0);
    CHECK_INT(luas__seal_write(&a, &sample, &sealed), 0);
    CHECK_INT(luas__seal_write(&none, &sample, &open), 0);
    CHECK_INT(luas__seal_open(&b, luas__buffer_bytes(&sealed), sealed.len, &text, &m), LUAS_EPROTO);
    CHECK_INT(luas__seal_open(&none, luas__buffer_bytes(&sealed), sealed.len, &text, &m), LUAS_EPROTO);
    CHECK_INT(luas__seal_open(&a, luas__buffer_bytes(&open), open.len, &text, &m), LUAS_EPROTO);
    CHECK(memmem(luas__buffer_bytes(&sealed), sealed.len, "body", 4) == NULL);
    luas__buffer_release(&sealed);
    luas__buffer_release(&open);
    luas__buffer_release(&text);
    luas__seal_release(&a);
    luas__seal_release(&b);
}

/* Bytes of the head that nobody writes. */
static void test_heads_are_checked(void)
{
    luas__seal none;
    luas__buffer text = LUAS__BUFFER_INIT;
    luas__sealed m;
    char bytes[3 + LUAS__SEAL_HEAD] = "LP0";
    CHECK_INT(luas__seal_init(&none, NULL, why), 0);
    const int types[] = {0, LUAS__SEAL_TYPES, 127, -1};
    for (int i = 0; i < 4; i++) {
        bytes[3] = (char)types[i];
        CHECK_INT(luas__seal_open(&none, bytes, sizeof bytes, &text, &m), LUAS_EPROTO);
    }
    bytes[3] = LUAS__SEAL_TASK;
    CHECK_INT(luas__seal_open(&none, bytes, sizeof bytes, &text, &m), 0);
    CHECK_INT(luas__seal_open(&none, bytes, sizeof bytes - 1, &text, &m), LUAS_EPROTO);
    luas__buffer_release(&text);
}

/* ---- key files ---- */

static void refused(const char *reason)
{
    unsigned char key[LUAS__KEY_BYTES];
    CHECK(luas__key_read(path, key, why) < 0);
    CHECK(strstr(why, path) != NULL);
    CHECK(strstr(why, reason) != NULL);
}

static void put(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, strlen(text)), strlen(text));
    CHECK_INT(close(fd), 0);
}

static void test_key_files(void)
{
    unsigned char first[LUAS__KEY_BYTES], second[LUAS__KEY_BYTES];
    struct stat s;
    CHECK_INT(luas__key_make(file("k"), why), 0);
    CHECK_INT(stat(path, &s), 0);
    CHECK_INT(s.st_mode & 07777, 0600);
    CHECK_INT(luas__key_read(path, first, why), 0);
    CHECK_INT(luas__key_make(path, why), -EEXIST);
    CHECK_INT(luas__key_read(path, second, why), 0);
    CHECK_BYTES(first, second, sizeof first);
    const mode_t modes[] = {0640, 0604, 0620, 0602};
    for (int i = 0; i < 4; i++) {
        CHECK_INT(chmod(path, modes[i]), 0);
        refused("others may read or write it");
    }
    CHECK_INT(chmod(path, 0600), 0);
    const char *texts[] = {"", "luas-key-1 ", "luas-key-2 00", "luas-key-1 0000000000000000000000000000000000000000"
                           "00000000000000000000000g\n", "luas-key-1 00000000000000000000000000000000000000000000"
                           "00000000000000000000\nmore"};
    for (int i = 0; i < 5; i++) {
        put(texts[i]);
        refused("it is no key");
    }
    CHECK_INT(luas__key_make(file("no/k"), why), -ENOENT);
    file("missing");
    refused("No such file");
    snprintf(path, sizeof path, "%s", folder);
    refused("it is no file");
}

int main(void)
{
    umask(0); /* the mode is the key's own */
    CHECK(mkdtemp(folder) != NULL);
    RUN(test_there_and_back);
    RUN(test_changes_are_refused);
    RUN(test_keys_differ);
    RUN(test_heads_are_checked);
    RUN(test_key_files);
    const char *names[] = {"a", "b", "k"};
    for (int i = 0; i < 3; i++)
        (void)unlink(file(names[i]));
    CHECK_INT(rmdir(folder), 0);
}
