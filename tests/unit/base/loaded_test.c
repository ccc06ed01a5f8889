/* Libraries that are loaded, and addresses in them. */
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loaded.h"
#include "testing.h"

static int mark;

static void test_an_address_in_a_library(void)
{
    luas__loaded at;
    const void *inside = (const void *)(uintptr_t)&getenv;
    CHECK(luas__loaded_find(inside, &at));
    bool is_libc = strstr(at.path, "libc") != NULL || strstr(at.path, "musl") != NULL;
    CHECK(is_libc && at.index > 0 && at.index < luas__loaded_count());
    CHECK(luas__loaded_at(at.path, strlen(at.path), at.offset) == inside);
    CHECK(luas__loaded_at(at.path, strlen(at.path) - 1, at.offset) == NULL);
    CHECK(luas__loaded_at("/nowhere.so", 11, 0) == NULL && luas__loaded_at("", 0, 0) == NULL);
}

static void test_addresses_elsewhere(void)
{
    luas__loaded at;
    int here;
    void *block = malloc(1);
    CHECK(!luas__loaded_find(&mark, &at));
    CHECK(!luas__loaded_find(&here, &at) && !luas__loaded_find(block, &at));
    CHECK(!luas__loaded_find(NULL, &at) && !luas__loaded_find((void *)(uintptr_t)1, &at));
    CHECK(!luas__loaded_find((void *)UINTPTR_MAX, &at));
    free(block);
}

/* What another program says of itself: this one, started anew. */
static uint64_t family_of_another(const char *program)
{
    char command[4096];
    unsigned long long family = 0;
    snprintf(command, sizeof command, "%s family", program);
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL && fscanf(pipe, "%llu", &family) == 1);
    CHECK_INT(pclose(pipe), 0);
    return family;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        printf("%llu\n", (unsigned long long)luas__loaded_family());
        return 0;
    }
    RUN(test_an_address_in_a_library);
    RUN(test_addresses_elsewhere);
    uint64_t family = luas__loaded_family();
    pid_t child = fork();
    if (child == 0)
        _exit(luas__loaded_family() == family ? 0 : 1);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(family_of_another(argv[0]) != family);
}
