/* A text is cut into the same records however its bytes come. */
#define _GNU_SOURCE
#include "cutter.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "testing.h"

static void open_text(luas__cutter *c, const char *sep, int fd)
{
    luas__text *t = luas__text_new("a text", sep, strlen(sep));
    CHECK(t != NULL);
    luas__text_share(t, fd);
    CHECK_INT(luas__cutter_open(c, t, fd, NULL, 0), 0);
}

/* The passages of a stream that is written so many bytes at a time, one after the other, each
   record with a '|' behind it. */
static void cut_stream(const char *sep, const char *text, size_t step, luas__buffer *out)
{
    int fds[2];
    luas__cutter c;
    luas__passage p;
    luas__buffer bytes = LUAS__BUFFER_INIT;
    CHECK_INT(pipe(fds), 0);
    open_text(&c, sep, fds[0]);
    size_t len = strlen(text), number = 1;
    for (size_t at = 0;; at += step) {
        size_t n = at >= len ? 0 : len - at < step ? len - at : step;
        if (n > 0)
            CHECK_INT(write(fds[1], text + at, n), n);
        else if (fds[1] >= 0)
            CHECK_INT(close(fds[1]), 0), fds[1] = -1;
        if (n > 0 && !luas__cutter_is_ready(&c))
            continue;
        luas__buffer_truncate(&bytes, 0);
        if (n > 0 && luas__text_find(c.text, text + at, text + at + n) == NULL)
            continue; /* it would wait for the end of the record */
        int rc = luas__cutter_passage(&c, UINT32_MAX, &p, &bytes);
        if (rc == 0)
            break;
        CHECK_INT(rc, 1);
        CHECK_INT(p.number, number);
        number += c.count;
        for (uint32_t i = 0; i < c.count; i++) {
            size_t from = i > 0 ? c.ends[i - 1] : 0;
            const char *record = luas__buffer_bytes(&bytes) + from;
            luas__buffer_append(out, record, luas__text_bare(c.text, record, c.ends[i] - from));
            luas__buffer_append(out, "|", 1);
        }
    }
    luas__buffer_release(&bytes);
    luas__cutter_close(&c);
}

static void check_stream(const char *sep, const char *text, const char *records)
{
    for (size_t step = 1; step < 12; step++) {
        luas__buffer out = LUAS__BUFFER_INIT;
        cut_stream(sep, text, step, &out);
        CHECK_INT(out.len, strlen(records));
        CHECK_BYTES(luas__buffer_bytes(&out), records, out.len);
        luas__buffer_release(&out);
    }
}

static void test_streams_in_pieces(void)
{
    check_stream("\n", "a\nbb\n\nccc\n", "a|bb||ccc|");
    check_stream("\n", "a\nbb\nccc", "a|bb|ccc|");
    check_stream("\n", "no end at all", "no end at all|");
}

static int make_file(const char *text, size_t len)
{
    char name[] = "/tmp/cutter_test_XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, len), len);
    CHECK_INT(unlink(name), 0);
    CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* The passages of a file touch, and each is read where it says it is. */
static void check_file(const char *sep, const char *text, size_t block, uint32_t most)
{
    luas__cutter c;
    luas__passage p;
    luas__buffer all = LUAS__BUFFER_INIT, none = LUAS__BUFFER_INIT;
    open_text(&c, sep, make_file(text, strlen(text)));
    CHECK(c.text->fd >= 0);
    c.block = block;
    int rc;
    while ((rc = luas__cutter_passage(&c, most, &p, &none)) == 1) {
        CHECK_INT(p.from, all.len);
        CHECK(c.count >= 1 && c.count <= most);
        for (uint32_t i = 0; i + 1 < c.count; i++)
            CHECK(c.ends[i] < block); /* the next one begins there */
        CHECK_INT(luas__text_read(c.text->fd, p.from, c.ends[c.count - 1], &all), 0);
    }
    CHECK_INT(rc, 0);
    CHECK_INT(none.len, 0);
    CHECK_INT(all.len, strlen(text));
    CHECK(all.len == 0 || memcmp(luas__buffer_bytes(&all), text, all.len) == 0);
    luas__buffer_release(&all);
    luas__cutter_close(&c);
}

static void test_files(void)
{
    static const char *const texts[] = {"", "\n", "a", "a\nbb\n\nccc\n", "a\nbb\nccc", "a--b---c--", "----"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t block = 1; block < 14; block++)
            for (uint32_t most = 1; most < 5; most++) {
                check_file("\n", texts[i], block, most);
                check_file("--", texts[i], block, most);
            }
}

/* A separator that lies across two reads is found. */
static void test_long_separators(void)
{
    size_t len = (1 << 18) + 100;
    char *text = malloc(len + 1);
    CHECK(text != NULL);
    for (size_t at = (1 << 18) - 4; at < (1 << 18) + 4; at++) {
        memset(text, 'x', len);
        memcpy(text + at, "<end>", 5);
        text[len] = '\0';
        luas__cutter c;
        const char *record;
        size_t n;
        open_text(&c, "<end>", make_file(text, len));
        CHECK_INT(luas__cutter_record(&c, false, &record, &n), 1);
        CHECK_INT(n, at);
        CHECK_INT(luas__cutter_record(&c, false, &record, &n), 1);
        CHECK_INT(n, len - at - 5);
        CHECK_INT(luas__cutter_record(&c, false, &record, &n), 0);
        luas__cutter_close(&c);
    }
    free(text);
}

/* Records and passages are taken in turn. */
static void test_both_ways(void)
{
    luas__cutter c;
    luas__passage p;
    const char *record;
    size_t n;
    luas__buffer none = LUAS__BUFFER_INIT;
    open_text(&c, "\n", make_file("head\na\nb\nlast", 13));
    CHECK_INT(luas__cutter_record(&c, false, &record, &n), 1);
    CHECK_INT(n, 4);
    CHECK_INT(luas__cutter_passage(&c, 1, &p, &none), 1);
    CHECK_INT(p.from, 5);
    CHECK_INT(p.number, 2);
    CHECK_INT(luas__cutter_record(&c, false, &record, &n), 1);
    CHECK_BYTES(record, "b", 1);
    CHECK_INT(luas__cutter_passage(&c, 9, &p, &none), 1);
    CHECK_INT(p.number, 4);
    CHECK_INT(c.ends[0], 4);
    CHECK_INT(luas__cutter_passage(&c, 9, &p, &none), 0);
    luas__cutter_close(&c);
}

int main(void)
{
    RUN(test_streams_in_pieces);
    RUN(test_files);
    RUN(test_long_separators);
    RUN(test_both_ways);
}
