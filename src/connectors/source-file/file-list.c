/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From what the person wrote to files, once for each verb. Globs find regular files only, and don't
 * follow a link as the last step: whoever may put a file into the directory could else make us read what
 * lies outside. A name that was written out is followed wherever it leads.
 *
 * Names of streams are made of the last part of the path that gives one, without what says the format,
 * and are made unique by a number. They must come out the same each time, since states and catalogs go by
 * them: the order is that of the locations, and within a glob of the names. */

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/hash.h"
#include "connectors/source-file/file-list.h"
#include "fetch/fetch.h"

void file_list_done(FileList *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->entries[i].url);
                free(l->entries[i].location);
        }
        free(l->entries);
        strv_free(l->streams);
        *l = (FileList) {};
}

static bool has_glob(const char *s) {
        return strpbrk(s, "*?[") != NULL;
}

static int add_entry(FileList *l, const FileEntry *entry, Error **reterr_error) {
        if (l->n >= FILES_MAX)
                return error_set(reterr_error, -E2BIG, "path: the pattern matches more than %u files",
                                 FILES_MAX);
        if ((l->n & (l->n - 1)) == 0) { /* grows at 0, 1, 2, 4, 8, … */
                FileEntry *more = reallocarray(l->entries, MAX(l->n * 2, (size_t) 1), sizeof(FileEntry));

                if (!more)
                        return -ENOMEM;
                l->entries = more;
        }
        l->entries[l->n] = *entry;
        l->entries[l->n].url = strdup(entry->url);
        if (!l->entries[l->n].url)
                return -ENOMEM;
        l->n++;
        return 0;
}

static int add_file(FileList *l, const char *path, const struct stat *st, Error **reterr_error) {
        FileEntry entry = {
                .url = (char *) path,
                .modified = (int64_t) st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000,
                .size = st->st_size,
        };

        return add_entry(l, &entry, reterr_error);
}

static int add_exact(FileList *l, const char *path, Error **reterr_error) {
        struct stat st;

        if (stat(path, &st) < 0)
                return error_set_errno(reterr_error, -errno, "The file '%s' cannot be read", path);
        if (S_ISDIR(st.st_mode))
                return error_set(reterr_error, -EISDIR, "'%s' is a directory; name files in it, as in '%s/*.csv'", path,
                                 path);
        if (!S_ISREG(st.st_mode))
                return error_set(reterr_error, -EINVAL, "'%s' is not a regular file", path);
        if (access(path, R_OK) < 0)
                return error_set_errno(reterr_error, -errno, "The file '%s' cannot be read", path);
        return add_file(l, path, &st, reterr_error);
}

static void glob_done(glob_t *g) {
        globfree(g);
}

static int add_glob(FileList *l, const char *pattern, Error **reterr_error) {
        _cleanup_(glob_done) glob_t found = {};
        int r;

        r = glob(pattern, 0, NULL, &found);
        if (r == GLOB_NOSPACE)
                return -ENOMEM;
        for (size_t i = 0; i < found.gl_pathc; i++) {
                struct stat st;

                /* A link that lies in the directory may point anywhere; whoever put it there need not be
                 * who named the pattern. FIFOs and devices would hang or never end. */
                if (lstat(found.gl_pathv[i], &st) < 0 || !S_ISREG(st.st_mode))
                        continue;
                r = add_file(l, found.gl_pathv[i], &st, reterr_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A query may hold a token: it goes to the server and nowhere else. Its hash keeps apart what only it
 * keeps apart. */
static int add_remote(FileList *l, const char *location, Error **reterr_error) {
        FileEntry entry = { .remote = true, .modified = -1, .size = -1 };
        _cleanup_free_ char *shown = fetch_shown_url(location), *named = NULL;
        const char *query = strchr(location, '?');
        uint64_t hash = query ? hash64(HASH64_START, query, strlen(query)) : 0;
        int r;

        if (!shown)
                return -ENOMEM;
        if (query && asprintf(&named, "%s#%016llx", shown, (unsigned long long) hash) < 0) {
                named = NULL;
                return -ENOMEM;
        }
        entry.url = named ?: shown;
        r = add_entry(l, &entry, reterr_error);
        if (r < 0)
                return r;
        l->entries[l->n - 1].location = strdup(location);
        return l->entries[l->n - 1].location ? 0 : -ENOMEM;
}

static int add_location(FileList *l, const char *location, Error **reterr_error) {
        if (fetch_is_url(location))
                return add_remote(l, location, reterr_error);
        if (strncmp(location, "file://", STRLEN("file://")) == 0) {
                location += STRLEN("file://");
                if (*location != '/')
                        return error_set(reterr_error, -EINVAL,
                                         "path: 'file://%s' names another host; use file:///path",
                                         location);
                /* In a URL nothing is a pattern. */
                return add_exact(l, location, reterr_error);
        }
        if (strstr(location, "://"))
                return error_set(reterr_error, -EINVAL, "path: '%s' is not an http, https or file URL",
                                 location);
        if (!has_glob(location) || access(location, F_OK) == 0)
                return add_exact(l, location, reterr_error);
        return add_glob(l, location, reterr_error);
}

static bool is_name_byte(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80) ||
               strchr("_-.", c);
}

/* The end of a file's name without what says its format: "a.csv.gz" → "a". */
static const char *strip_suffixes(const char *base, const char *end) {
        static const char *const suffixes[] = { ".gz",  ".zst",  ".csv",   ".tsv",    ".tab",
                                                ".txt", ".json", ".jsonl", ".ndjson" };

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                size_t k = strlen(suffixes[i]);

                if ((size_t) (end - base) > k && strncasecmp(end - k, suffixes[i], k) == 0) {
                        end -= k;
                        i = SIZE_MAX; /* look again from the start */
                }
        }
        return end;
}

/* A component of a path as a name: runs of other characters become one "_", none at the ends. May be "". */
static char *clean_name(const char *base, const char *end) {
        char *name = malloc((size_t) (end - base) + 1);
        size_t n = 0;

        if (!name)
                return NULL;
        for (const char *p = base; p < end; p++)
                if (is_name_byte(*p) && (*p != '.' || n > 0))
                        name[n++] = *p;
                else if (n > 0 && name[n - 1] != '_')
                        name[n++] = '_';
        while (n > 0 && strchr("_-.", name[n - 1]))
                n--;
        name[n] = '\0';
        return name;
}

/* "dir/orders-2024.csv.gz" → "orders-2024", "in/part-?.csv" → "part", "in/?.csv" → "in": the last
 * component that gives a name. */
static char *name_from_location(const char *location) {
        const char *start = fetch_is_url(location) ? strstr(location, "://") + 3 : location;
        const char *end = start + strcspn(start, fetch_is_url(location) ? "?#" : "");

        while (end > start) {
                const char *base = memrchr(start, '/', (size_t) (end - start));
                _cleanup_free_ char *name = NULL;

                base = base ? base + 1 : start;
                name = clean_name(base, strip_suffixes(base, end));
                if (!name)
                        return NULL;
                if (*name)
                        return TAKE_PTR(name);
                end = base > start ? base - 1 : start;
        }
        return strdup("file");
}

static int add_stream(FileList *l, const char *name) {
        _cleanup_free_ char *candidate = strdup(name);
        int r;

        for (unsigned suffix = 2; candidate && strv_contains(l->streams, candidate); suffix++) {
                free(TAKE_PTR(candidate));
                if (asprintf(&candidate, "%s_%u", name, suffix) < 0)
                        candidate = NULL;
        }
        if (!candidate)
                return -ENOMEM;
        r = strv_consume(&l->streams, TAKE_PTR(candidate));
        if (r >= 0)
                l->n_streams++;
        return r;
}

static int name_streams(FileList *l, const FileConfig *config, Error **reterr_error) {
        int r;

        if (!config->stream_per_file) {
                _cleanup_free_ char *name = config->stream_name ? strdup(config->stream_name) :
                                                                 name_from_location(config->locations[0]);

                return name ? add_stream(l, name) : -ENOMEM;
        }
        if (l->n > STREAMS_MAX)
                return error_set(reterr_error, -E2BIG, "stream_per_file: %zu files are more than %u streams",
                                 l->n,
                                 STREAMS_MAX);
        for (size_t i = 0; i < l->n; i++) {
                _cleanup_free_ char *name = name_from_location(l->entries[i].url);

                if (!name)
                        return -ENOMEM;
                l->entries[i].stream = l->n_streams;
                r = add_stream(l, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

int file_list_make(const FileConfig *config, FileList *ret, Error **reterr_error) {
        _cleanup_(file_list_done) FileList l = {};
        int r;

        STRV_FOREACH(location, config->locations) {
                r = add_location(&l, *location, reterr_error);
                if (r < 0)
                        return r;
        }
        if (l.n == 0)
                return error_set(reterr_error, -ENOENT, "No file matches '%s'", config->locations[0]);
        r = name_streams(&l, config, reterr_error);
        if (r < 0)
                return r;
        *ret = l;
        l = (FileList) {};
        return 0;
}
