/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a fuzz target over its stored inputs: each file of tests/fuzz/corpus/NAME, and of the small ones every prefix.
 * NAME is what stands behind "replay-" in the program's own name; with arguments, it runs those files instead.
 * Prints TAP. Each input is its own allocation of exactly its size, so that sanitizers and valgrind see every byte
 * that is read too many. */

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fuzz/fuzz.h"

#define PREFIXES_OF_AT_MOST 1024
#define INPUT_MAX (1024 * 1024)

static void run_one(const uint8_t *data, size_t size) {
        uint8_t *copy = malloc(size > 0 ? size : 1);

        if (!copy)
                abort();
        if (size > 0)
                memcpy(copy, data, size);
        /* As libFuzzer does: never NULL. */
        (void) LLVMFuzzerTestOneInput(copy, size);
        free(copy);
}

static int run_file(const char *path) {
        static uint8_t data[INPUT_MAX];
        FILE *f = fopen(path, "re");
        size_t n;

        if (!f)
                return -errno;
        n = fread(data, 1, sizeof(data), f);
        fclose(f);
        if (n <= PREFIXES_OF_AT_MOST)
                for (size_t i = 0; i < n; i++)
                        run_one(data, i);
        run_one(data, n);
        return 0;
}

static unsigned n_tests, n_failed;

static void report(const char *path) {
        int r;

        /* Said before: where the target aborts, the log shows with which input. */
        printf("# %s\n", path);
        fflush(stdout);
        r = run_file(path);
        printf("%s %u - %s\n", r < 0 ? "not ok" : "ok", ++n_tests, strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
        if (r < 0)
                printf("# %s\n", strerror(-r));
        n_failed += r < 0;
}

static int is_input(const struct dirent *e) {
        return e->d_name[0] != '.';
}

static int replay_corpus(const char *program) {
        const char *name = strstr(program, "replay-"), *srcdir = getenv("srcdir");
        struct dirent **entries;
        char *path;
        int n;

        for (const char *next; name && (next = strstr(name + 1, "replay-"));)
                name = next;
        if (!name || asprintf(&path, "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", name + strlen("replay-")) < 0)
                return -EINVAL;
        n = scandir(path, &entries, is_input, alphasort);
        if (n <= 0)
                printf("not ok 1 - %s has inputs\n", path);
        n_tests += n <= 0;
        n_failed += n <= 0;
        for (int i = 0; i < n; i++) {
                char *file;

                if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
                        abort();
                report(file);
                free(file);
                free(entries[i]);
        }
        if (n >= 0)
                free(entries);
        free(path);
        return 0;
}

int main(int argc, char *argv[]) {
        if (argc == 1 && replay_corpus(argv[0]) < 0) {
                fprintf(stderr, "Usage: %s FILE…\n", argv[0]);
                return 2;
        }
        for (int i = 1; i < argc; i++)
                report(argv[i]);
        printf("1..%u\n", n_tests);
        return n_failed > 0;
}
