/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connector for an image that holds nothing else: linked statically, no library of the tree. As a source it
 * sends "count" records of the stream "numbers" with a state after each thousand; as a destination it appends
 * the records' lines to "<path>/numbers.jsonl" and makes them durable before it echoes a state. "do" of the
 * configuration makes it end otherwise, in check, read and write:
 *
 *   exit:N  signal:N  hog  deaf (ignores SIGTERM and waits)  wait */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_MAX 65536
#define STATE_EVERY 1000
#define HOG_STEP (8UL << 20)

static char config[CONFIG_MAX];

/* What stands behind "key": in the configuration, which is flat; text up to the next quote or comma. */
static const char *option(const char *key, char *value, size_t size) {
        char pattern[64];
        const char *p;
        size_t n;

        snprintf(pattern, sizeof(pattern), "\"%s\"", key);
        p = strstr(config, pattern);
        if (!p)
                return NULL;
        p += strlen(pattern);
        p += strspn(p, " :\"");
        n = strcspn(p, "\",}");
        snprintf(value, size, "%.*s", (int) n, p);
        return value;
}

static const char *argument(int argc, char *argv[], const char *name) {
        for (int i = 2; i + 1 < argc; i++)
                if (strcmp(argv[i], name) == 0)
                        return argv[i + 1];
        return NULL;
}

static void read_config(const char *path) {
        int fd = path ? open(path, O_RDONLY) : -1;
        ssize_t n = fd >= 0 ? read(fd, config, sizeof(config) - 1) : -1;

        if (n < 0) {
                fprintf(stderr, "no configuration at '%s': %s\n", path ? path : "", strerror(errno));
                exit(3);
        }
        config[n] = 0;
        (void) close(fd);
}

static void say(const char *text) {
        printf("{\"type\":\"LOG\",\"log\":{\"level\":\"INFO\",\"message\":\"%s\"}}\n", text);
        (void) fflush(stdout);
}

static void misbehave(void) {
        char what[64];

        if (!option("do", what, sizeof(what)))
                return;
        if (strncmp(what, "exit:", 5) == 0)
                exit(atoi(what + 5));
        if (strncmp(what, "signal:", 7) == 0)
                (void) raise(atoi(what + 7));
        if (strcmp(what, "deaf") == 0)
                (void) signal(SIGTERM, SIG_IGN);
        if (strcmp(what, "hog") == 0)
                for (;;) {
                        char *p = malloc(HOG_STEP);

                        if (p)
                                memset(p, 1, HOG_STEP);
                }
        say("waiting");
        for (;;)
                (void) pause();
}

static void put_status(const char *status) {
        printf("{\"type\":\"TRACE\",\"trace\":{\"type\":\"STREAM_STATUS\",\"emitted_at\":1,\"stream_status\":{"
               "\"stream_descriptor\":{\"name\":\"numbers\"},\"status\":\"%s\"}}}\n", status);
}

static void read_records(void) {
        char text[32];
        long count = option("count", text, sizeof(text)) ? atol(text) : 10;

        put_status("STARTED");
        for (long i = 1; i <= count; i++) {
                printf("{\"type\":\"RECORD\",\"record\":{\"stream\":\"numbers\",\"data\":{\"id\":%ld,\"text\":\"number %ld\"},"
                       "\"emitted_at\":1}}\n", i, i);
                if (i % STATE_EVERY == 0 || i == count)
                        printf("{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{"
                               "\"name\":\"numbers\"},\"stream_state\":{\"last\":%ld}}}}\n", i);
        }
        put_status("COMPLETE");
}

static int write_records(void) {
        char path[4000], file[4096];
        char *line = NULL;
        size_t size = 0;
        FILE *out = NULL;

        if (option("path", path, sizeof(path))) {
                snprintf(file, sizeof(file), "%s/numbers.jsonl", path);
                out = fopen(file, "a");
                if (!out) {
                        fprintf(stderr, "'%s': %s\n", file, strerror(errno));
                        return 4;
                }
        }
        while (getline(&line, &size, stdin) > 0) {
                if (strstr(line, "\"RECORD\"") && out)
                        (void) fputs(line, out);
                else if (strstr(line, "\"STATE\"")) {
                        if (out && (fflush(out) != 0 || fsync(fileno(out)) < 0))
                                return 5;
                        (void) fputs(line, stdout);
                        (void) fflush(stdout);
                }
        }
        free(line);
        return out && fclose(out) != 0 ? 5 : 0;
}

int main(int argc, char *argv[]) {
        const char *verb = argc > 1 ? argv[1] : "";

        if (strcmp(verb, "spec") == 0) {
                puts("{\"type\":\"SPEC\",\"spec\":{\"connectionSpecification\":{\"type\":\"object\",\"properties\":{"
                     "\"count\":{\"type\":\"integer\"},\"do\":{\"type\":\"string\"},"
                     "\"password\":{\"type\":\"string\",\"airbyte_secret\":true},"
                     "\"path\":{\"type\":\"string\",\"gantry_path\":\"write\"}}},"
                     "\"supported_destination_sync_modes\":[\"append\",\"overwrite\"]}}");
                return 0;
        }
        read_config(argument(argc, argv, "--config"));
        if (strcmp(verb, "discover") == 0) {
                puts("{\"type\":\"CATALOG\",\"catalog\":{\"streams\":[{\"name\":\"numbers\",\"json_schema\":{\"type\":\"object\","
                     "\"properties\":{\"id\":{\"type\":\"integer\"},\"text\":{\"type\":\"string\"}}},"
                     "\"supported_sync_modes\":[\"full_refresh\",\"incremental\"],\"source_defined_cursor\":true}]}}");
                return 0;
        }
        misbehave();
        if (strcmp(verb, "check") == 0)
                puts("{\"type\":\"CONNECTION_STATUS\",\"connectionStatus\":{\"status\":\"SUCCEEDED\"}}");
        else if (strcmp(verb, "read") == 0)
                read_records();
        else if (strcmp(verb, "write") == 0)
                return write_records();
        else
                return 2;
        return fflush(stdout) == 0 ? 0 : 1;
}
