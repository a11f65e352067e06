/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What people write instead of a reference: a scheme and a path, a file whose name says what it is, the
 * short name of a native connector. Tables only; the side on which it is written decides which connector
 * it means. A scheme that we don't have, or that goes in one direction only, is refused with what to
 * write instead. */

#include <strings.h>

#include "runtime/connector-shorthand.h"

/* Which connector stands for a scheme on which side, the setting that takes the path, and what else is
 * set. */
typedef struct Shorthand {
        const char *scheme;
        ConnectorRole role;
        const char *connector;
        const char *path_key;
        const char *format; /* NULL: the connector finds out by the file's name */
} Shorthand;

static const Shorthand shorthands[] = {
        { "sqlite", CONNECTOR_SOURCE,      "source-sqlite",      "path", NULL    },
        { "csv",    CONNECTOR_SOURCE,      "source-file",        "path", "csv"   },
        { "tsv",    CONNECTOR_SOURCE,      "source-file",        "path", "tsv"   },
        { "json",   CONNECTOR_SOURCE,      "source-file",        "path", "json"  },
        { "jsonl",  CONNECTOR_SOURCE,      "source-file",        "path", "jsonl" },
        { "file",   CONNECTOR_SOURCE,      "source-file",        "path", NULL    },
        { "http",   CONNECTOR_SOURCE,      "source-file",        "path", NULL    },
        { "https",  CONNECTOR_SOURCE,      "source-file",        "path", NULL    },
        { "sqlite", CONNECTOR_DESTINATION, "destination-sqlite", "path", NULL    },
        { "csv",    CONNECTOR_DESTINATION, "destination-csv",    "path", NULL    },
        { "jsonl",  CONNECTOR_DESTINATION, "destination-jsonl",  "path", NULL    },
};

/* File names that need no scheme. Compressed ones can be read, not written. */
static const struct {
        const char *extension, *scheme;
        bool compressible;
} extensions[] = {
        { ".csv",     "csv",    true  },
        { ".tsv",     "tsv",    true  },
        { ".json",    "json",   true  },
        { ".jsonl",   "jsonl",  true  },
        { ".ndjson",  "jsonl",  true  },
        { ".db",      "sqlite", false },
        { ".sqlite",  "sqlite", false },
        { ".sqlite3", "sqlite", false },
};

/* Native connectors by the word that one would type. */
static const struct {
        const char *name;
        ConnectorRole role;
        const char *connector;
} short_names[] = {
        { "faker",   CONNECTOR_SOURCE,      "source-faker"         },
        { "file",    CONNECTOR_SOURCE,      "source-file"          },
        { "sqlite",  CONNECTOR_SOURCE,      "source-sqlite"        },
        { "csv",     CONNECTOR_DESTINATION, "destination-csv"      },
        { "devnull", CONNECTOR_DESTINATION, "destination-devnull"  },
        { "jsonl",   CONNECTOR_DESTINATION, "destination-jsonl"    },
        { "sqlite",  CONNECTOR_DESTINATION, "destination-sqlite"   },
};

/* URIs of design §4 that no connector of ours serves yet. */
static char *const later_schemes[] = { (char *) "postgres", (char *) "postgresql", (char *) "mysql",
                                       (char *) "mariadb", (char *) "s3", (char *) "gs", (char *) "sftp", NULL };

char *const connector_schemes[] = {
        (char *) "native", (char *) "pypi", (char *) "npm", (char *) "exec", (char *) "image",
        (char *) "sqlite", (char *) "csv", (char *) "tsv", (char *) "json", (char *) "jsonl",
        (char *) "file", (char *) "http", (char *) "https", NULL,
};

/* NULL with errno 0: there is no scheme; with ENOMEM it could not be told. */
char *connector_scheme(const char *s) {
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

        errno = 0;
        return n > 0 && s[n] == ':' ? strndup(s, n) : NULL;
}

static bool role_fits(ConnectorRole wanted, ConnectorRole have) {
        return wanted == CONNECTOR_ANY_ROLE || wanted == have;
}

/* One scheme can stand for two connectors, by the side that it is written on. */
static const Shorthand *find_shorthand(const char *scheme, ConnectorRole role) {
        for (size_t i = 0; i < ELEMENTSOF(shorthands); i++)
                if (strcasecmp(scheme, shorthands[i].scheme) == 0 && role_fits(role, shorthands[i].role))
                        return shorthands + i;
        return NULL;
}

static int make_ref(const Shorthand *s, const char *path, ConnectorRef **ret) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = calloc(1, sizeof(*ref));
        int r;

        if (!ref)
                return -ENOMEM;
        ref->kind = CONNECTOR_NATIVE;
        ref->name = strdup(s->connector);
        ref->config = json_object_new_object();
        if (!ref->name || !ref->config)
                return -ENOMEM;
        r = json_add_string(ref->config, s->path_key, path);
        if (r >= 0 && s->format)
                r = json_add_string(ref->config, "format", s->format);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(ref);
        return 1;
}

/* 1 found, 0 not a shorthand; known schemes on the wrong side or of a later version are errors with a
 * hint. */
static int with_scheme(const char *scheme, const char *head, ConnectorRole role, ConnectorRef **ret,
                       Error **reterr_error) {
        const char *path = head + strlen(scheme) + 1;
        const Shorthand *s = find_shorthand(scheme, role);
        bool url = strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0;

        if (!s && find_shorthand(scheme, CONNECTOR_ANY_ROLE))
                return error_set(reterr_error, -EOPNOTSUPP,
                                 "'%s' can be read, not written: write to sqlite:PATH, "
                                 "csv:PATH or jsonl:PATH", head);
        STRV_FOREACH(later, later_schemes)
                if (strcasecmp(scheme, *later) == 0)
                        return error_set(reterr_error, -EOPNOTSUPP,
                                         "There is no native connector for '%s' yet: name an installed one", head);
        if (!s)
                return 0;
        /* "file:///x" and "sqlite:///x" name the absolute path, as such URIs do everywhere. */
        if (!url && strncmp(path, "///", 3) == 0)
                path += 2;
        if (url ? strncmp(path, "//", 2) != 0 || path[2] == 0 : *path == 0)
                return error_set(reterr_error, -EINVAL, "'%s' names no %s", head, url ? "host" : "file");
        return make_ref(s, url ? head : path, ret);
}

static bool ends_with(const char *s, size_t n, const char *tail) {
        size_t m = strlen(tail);

        return n > m && strncasecmp(s + n - m, tail, m) == 0;
}

/* Only where no scheme stands before it: `exec:./make.csv` is a program. */
static int by_extension(const char *head, ConnectorRole role, ConnectorRef **ret, Error **reterr_error) {
        size_t n = strlen(head), bare = n;

        if (ends_with(head, n, ".gz"))
                bare = n - 3;
        else if (ends_with(head, n, ".zst"))
                bare = n - 4;
        for (size_t i = 0; i < ELEMENTSOF(extensions); i++) {
                const Shorthand *s;

                if (!ends_with(head, bare, extensions[i].extension) || (bare < n &&
                        !extensions[i].compressible))
                        continue;
                s = find_shorthand(extensions[i].scheme, role);
                if (!s || (bare < n && s->role == CONNECTOR_DESTINATION))
                        return error_set(reterr_error, -EOPNOTSUPP,
                                         "'%s' can be read, not written: write to "
                                         "sqlite:PATH, csv:PATH or jsonl:PATH", head);
                return make_ref(s, head, ret);
        }
        return 0;
}

/* No configuration is made: what is missing is told by the specification. */
static int by_short_name(const char *head, ConnectorRole role, ConnectorRef **ret) {
        for (size_t i = 0; i < ELEMENTSOF(short_names); i++) {
                _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;

                if (!streq(head, short_names[i].name) || !role_fits(role, short_names[i].role))
                        continue;
                ref = calloc(1, sizeof(*ref));
                if (!ref)
                        return -ENOMEM;
                ref->kind = CONNECTOR_NATIVE;
                ref->name = strdup(short_names[i].connector);
                if (!ref->name)
                        return -ENOMEM;
                *ret = TAKE_PTR(ref);
                return 1;
        }
        return 0;
}

int connector_shorthand_parse(const char *head, ConnectorRole role, ConnectorRef **ret,
                              Error **reterr_error) {
        _cleanup_free_ char *scheme = connector_scheme(head);
        int r;

        if (!scheme && errno == ENOMEM)
                return -ENOMEM;
        if (scheme)
                return with_scheme(scheme, head, role, ret, reterr_error);
        r = by_short_name(head, role, ret);
        return r != 0 ? r : by_extension(head, role, ret, reterr_error);
}
