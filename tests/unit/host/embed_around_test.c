/* What is around the application is around its calls, as it was when each was submitted. */
#define _GNU_SOURCE
#include <locale.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "embed_testing.h"

static const char functions[] =
    "function look(path)\n"
    "    local here = io.open('here')\n"
    "    os.remove(path)\n"
    "    io.open(path, 'w'):close()\n"
    "    local mask = io.popen('umask')\n"
    "    return tostring(here ~= nil), os.getenv 'LUAS_A' or '-', mask:read 'n', os.setlocale()\n"
    "end\n";

static void check_look(luas_pool *pool, const char *here, const char *a, int mask,
                       const char *locale)
{
    luas_outcome o;
    await(pool, &o);
    CHECK_INT(o.kind, LUAS_VALUE);
    CHECK_INT(o.count, 4);
    CHECK(strcmp(o.results[0].bytes, here) == 0);
    CHECK(strcmp(o.results[1].bytes, a) == 0);
    CHECK_INT(o.results[2].as.integer, mask);
    CHECK(strcmp(o.results[3].bytes, locale) == 0);
}

static void test_calls_have_what_was_around_their_submission(void)
{
    char folder[] = "/tmp/luas-around-XXXXXX", here[64], file[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(here, sizeof here, "%s/here", folder);
    snprintf(file, sizeof file, "%s/file", folder);
    FILE *f = fopen(here, "w");
    CHECK(f != NULL && fclose(f) == 0);
    write_script(functions);
    CHECK_INT(chdir("/"), 0);
    umask(022);
    luas_pool *pool = open_pool(&(luas_options){.script = script, .workers = 1});
    submit(pool, "look", luas_string(file));
    CHECK(chdir(folder) == 0 && setenv("LUAS_A", "set", 1) == 0 && umask(077) == 022
          && setlocale(LC_ALL, "C.UTF-8") != NULL);
    submit(pool, "look", luas_string(file));
    CHECK(chdir("/") == 0 && unsetenv("LUAS_A") == 0 && umask(0) == 077);
    submit(pool, "look", luas_string(file));
    CHECK(umask(022) == 0 && setlocale(LC_ALL, "C") != NULL);
    check_look(pool, "false", "-", 22, "C");
    check_look(pool, "true", "set", 77, "C.UTF-8");
    check_look(pool, "false", "-", 0, "C.UTF-8");
    close_pool(pool);
    CHECK(unlink(here) == 0 && unlink(file) == 0 && rmdir(folder) == 0);
}

int main(void)
{
    test_calls_have_what_was_around_their_submission();
    return 0;
}
