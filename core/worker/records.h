/*
 * The records of a chunk, in a worker, which reads them itself if they are in a file.
 *
 * luas__records_begin for each chunk; luas__records_next for each of its tasks, also for one that
 * does not run. The file stays open for the next chunk.
 */
#ifndef LUAS_RECORDS_H
#define LUAS_RECORDS_H

#include "msgpack.h"
#include "text.h"

typedef struct luas__records {
    int fd;                     /* of the last file, or -1 */
    luas__text text;            /* what is known of the text; its name is in the request */
    luas__buffer read;          /* bytes of the file */
    const char *at, *end;       /* what is left of the passage */
    const char *record;         /* of the running task; NULL: it is not there any more */
    size_t len;
    size_t name_len;
    uint64_t number;            /* of this record in its text */
    bool cut;                   /* there is less than there was */
    int failed;                 /* why the file could not be read, or 0 */
} luas__records;

#define LUAS__RECORDS_INIT {.fd = -1}

/* Reads the fields of a RECORDS message that follow its count. Returns 0 also if the file cannot
   be read; LUAS_EPROTO if that is no such message. */
int luas__records_begin(luas__records *r, luas__mp_reader *body);
void luas__records_next(luas__records *r);

/* Nothing of the job is needed any more: closes the file. */
void luas__records_end(luas__records *r);

#endif
