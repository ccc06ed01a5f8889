/* URLs of servers, and nkeys. */
#define _GNU_SOURCE
#include "server.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing.h"

static char why[LUAS__KEY_WHY];

static void test_this_machine(void)
{
    const char *urls[] = {"nats://127.0.0.1:4222", "nats://127.9.8.7", "nats://localhost:1", "nats://[::1]:4222",
                          "nats://me:secret@localhost:4222"};
    luas__server s;
    for (int i = 0; i < 5; i++) {
        CHECK_INT(luas__server_read(&s, urls[i], false, NULL, why), 0);
        CHECK(s.is_local);
        CHECK(!s.is_tls);
        CHECK(strcmp(s.url, urls[i]) == 0);
        CHECK(strstr(s.shown, "secret") == NULL);
    }
    CHECK_INT(luas__server_read(&s, "tls://localhost", false, NULL, why), 0);
    CHECK(s.is_tls);
}

/* TLS is enforced there, and a key asked for. */
static void test_other_machines(void)
{
    const char *urls[] = {"nats://10.0.0.1:4222", "tls://example.org", "nats://localhost.example.org:4222",
                          "nats://128.0.0.1", "nats://me:secret@example.org:4222", "nats://127.0.0.1@example.org",
                          "nats://127.0.0.1.example.org", "nats://[::2]:4222"};
    luas__server s;
    for (int i = 0; i < 8; i++) {
        CHECK(luas__server_read(&s, urls[i], false, NULL, why) < 0);
        CHECK(strstr(why, "needs a key") != NULL);
        CHECK(strstr(why, "secret") == NULL);
        CHECK_INT(luas__server_read(&s, urls[i], true, NULL, why), 0);
        CHECK(!s.is_local);
        CHECK(s.is_tls);
        CHECK(strncmp(s.shown, "tls://", 6) == 0);
    }
}

static void test_what_is_no_url(void)
{
    char long_url[600] = "nats://";
    memset(long_url + 7, 'a', sizeof long_url - 8);
    const char *urls[] = {"", "nats", "http://localhost", "nats:/localhost", "nats://", "nats://:4222", "nats://@",
                          "nats://a,nats://b", "nats://a b", "nats://localhost/pool", long_url};
    luas__server s;
    for (int i = 0; i < 11; i++)
        CHECK(luas__server_read(&s, urls[i], true, NULL, why) < 0);
}

/* The public key that NATS' own documents have for this seed. */
static void test_nkey(void)
{
    const char *seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n";
    char path[] = "/tmp/luas-nkey-XXXXXX";
    luas__server s;
    int fd = mkstemp(path);
    CHECK_INT(write(fd, seed, strlen(seed)), strlen(seed));
    CHECK_INT(luas__server_read(&s, "nats://localhost", false, path, why), 0);
    CHECK(strcmp(s.public_key, "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4") == 0);
    CHECK_INT(fchmod(fd, 0644), 0);
    CHECK(luas__server_read(&s, "nats://localhost", false, path, why) < 0);
    CHECK(strstr(why, "others may read") != NULL);
    CHECK_INT(fchmod(fd, 0600), 0);
    CHECK_INT(pwrite(fd, "A", 1, 20), 1);
    CHECK(luas__server_read(&s, "nats://localhost", false, path, why) < 0);
    CHECK(strstr(why, "no seed") != NULL);
    CHECK(strstr(why, "SUAM") == NULL);
    CHECK_INT(ftruncate(fd, 10), 0);
    CHECK(luas__server_read(&s, "nats://localhost", false, path, why) < 0);
    CHECK_INT(close(fd), 0);
    CHECK_INT(unlink(path), 0);
    CHECK(luas__server_read(&s, "nats://localhost", false, path, why) < 0);
}

static void test_new_nkeys(void)
{
    char path[] = "/tmp/luas-nkey-XXXXXX", public_key[LUAS__SERVER_PUBLIC];
    luas__server s;
    struct stat status;
    CHECK_INT(close(mkstemp(path)), 0);
    CHECK_INT(luas__server_make_nkey(path, public_key, why), -EEXIST);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(luas__server_make_nkey(path, public_key, why), 0);
    CHECK_INT(strlen(public_key), 56);
    CHECK(public_key[0] == 'U');
    CHECK_INT(stat(path, &status), 0);
    CHECK_INT(status.st_mode & 0777, 0600);
    CHECK_INT(luas__server_read(&s, "nats://localhost", false, path, why), 0);
    CHECK(strcmp(s.public_key, public_key) == 0);
    CHECK_INT(unlink(path), 0);
}

int main(void)
{
    RUN(test_this_machine);
    RUN(test_other_machines);
    RUN(test_what_is_no_url);
    RUN(test_nkey);
    RUN(test_new_nkeys);
}
