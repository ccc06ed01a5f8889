/* From the options of an application to what its workers need. */
#define _GNU_SOURCE
#include "embed_kit.h"

#include <stdlib.h>
#include <string.h>

#include "embed_program.h"
#include "error.h"
#include "plain_value.h"

/* What an application gives by its size is copied: each worker gets it as it is now. */
static int read_setup(luas__embed_kit *k, const luas_options *o)
{
    k->setup = o->setup;
    k->setup_data = o->setup_data;
    if (o->setup_size == 0)
        return 0;
    k->setup_data = malloc(o->setup_size);
    if (k->setup_data == NULL)
        return LUAS_ENOMEM;
    memcpy(k->setup_data, o->setup_data, o->setup_size);
    k->setup_size = o->setup_size;
    return 0;
}

static int say(luas__buffer *why, const char *words)
{
    (void)luas__buffer_append(why, words, strlen(words) + 1);
    return LUAS_EINVAL;
}

/* What only a fork could take along is refused. */
static int read_start(luas__embed_kit *k, const luas_options *o, luas__buffer *why)
{
    if (o->start != LUAS_START_EXEC)
        return o->program == NULL ? 0 : say(why, "program: only with LUAS_START_EXEC");
    if (o->setup != NULL)
        return say(why, "setup: a fresh program does not have the application's functions");
    if (o->keep_files)
        return say(why, "keep_files: a fresh program has no files of the application");
    return luas__embed_program_find(o->program, &k->program, why);
}

static int read_script(luas__embed_kit *k, const luas_options *o, luas__buffer *why)
{
    luas__script *s = &k->script;
    int rc = o->source == NULL ? luas__embed_script_read(s, &k->text, o->script)
        : luas__embed_script_copy(s, &k->text, o->source,
                                  o->source_size > 0 ? o->source_size : strlen(o->source),
                                  o->script != NULL ? o->script : o->source);
    if (rc < 0 && rc > LUAS_EFIRST && o->script != NULL)
        (void)luas__buffer_append(why, o->script, strlen(o->script) + 1);
    return rc < 0 ? rc : luas__embed_script_check(s, why);
}

static int add_word(luas__embed_kit *k, const char *word, const char *standard)
{
    word = word != NULL ? word : standard;
    return luas__buffer_append(&k->words, word, strlen(word) + 1);
}

static int read_words(luas__embed_kit *k, const luas_options *o)
{
    int rc = add_word(k, o->init, "");
    if (rc == 0)
        rc = add_word(k, o->exit, "");
    if (rc == 0)
        rc = add_word(k, o->name, "worker");
    if (rc == 0)
        rc = luas__mp_write_array(&k->words, (uint32_t)o->count);
    for (int i = 0; i < o->count && rc == 0; i++)
        rc = luas__plain_value_write(&k->words, &o->arguments[i]);
    return rc;
}

luas__embed_words luas__embed_kit_words(const char *words, size_t len)
{
    luas__embed_words w = {.init = words};
    w.exit = w.init + strlen(w.init) + 1;
    w.name = w.exit + strlen(w.exit) + 1;
    w.arguments = w.name + strlen(w.name) + 1;
    w.len = len - (size_t)(w.arguments - words);
    return w;
}

bool luas__embed_kit_has_exit(const luas__embed_kit *k)
{
    return k->words.len > 0 && *luas__embed_kit_words(luas__buffer_bytes(&k->words), k->words.len).exit != '\0';
}

int luas__embed_kit_read(luas__embed_kit *k, const luas_options *o, luas__buffer *why)
{
    *k = (luas__embed_kit){.shared = o->shared, .memory = (size_t)o->memory,
                           .is_weighed = o->memory > 0 || o->max_memory > 0};
    int rc = read_start(k, o, why);
    if (rc == 0)
        rc = read_setup(k, o);
    if (rc == 0)
        rc = read_words(k, o);
    if (rc == 0)
        rc = read_script(k, o, why);
    if (rc < 0)
        luas__embed_kit_release(k);
    return rc;
}

void luas__embed_kit_release(luas__embed_kit *k)
{
    if (k->setup_size > 0)
        free(k->setup_data);
    luas__buffer_release(&k->words);
    luas__buffer_release(&k->text);
    luas__buffer_release(&k->program);
    *k = (luas__embed_kit){.setup = NULL};
}
