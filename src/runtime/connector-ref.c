/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* References to connectors. Everything that a person may write on a command line comes through here, so
 * the order in which meanings are tried is part of the interface:
 *
 *   FILE.yaml            a file with `connector:` and `config:`
 *   scheme:…             a shorthand (sqlite:, csv:, https:), then a kind (pypi:, image:, exec:, …)
 *   word                 a short name (faker), then a file name by its extension, then an installed connector
 *
 * A query (`?key=value`) may follow all but URLs, whose own it is. What matches nothing is an error that
 * says what was probably meant; nothing is guessed that could start a program. */

#include <ctype.h>
#include <strings.h>

#include "basic/file-util.h"
#include "basic/suggest.h"
#include "runtime/connector-query.h"
#include "runtime/connector-ref.h"
#include "runtime/connector-shorthand.h"
#include "runtime/yaml-util.h"

#define REFERENCE_MAX (64U * 1024U)
#define CONNECTOR_FILE_MAX (4U * 1024U * 1024U)
#define PACKAGE_NAME_MAX 214U /* npm's limit; PyPI has none, no package comes near */
#define VERSION_MAX 64U
/* As registries have it (OCI distribution): the name, the tag; a digest is "@sha256:" and 64 digits. */
#define IMAGE_REPOSITORY_MAX 255U
#define IMAGE_TAG_MAX 128U
#define IMAGE_NAME_MAX (IMAGE_REPOSITORY_MAX + 1 + IMAGE_TAG_MAX + 72)

static const char *const kind_names[_CONNECTOR_KIND_MAX] = {
        [CONNECTOR_NATIVE] = "native",
        [CONNECTOR_PYPI] = "pypi",
        [CONNECTOR_NPM] = "npm",
        [CONNECTOR_EXEC] = "exec",
        [CONNECTOR_IMAGE] = "image",
        [CONNECTOR_INSTALLED] = NULL,
};

ConnectorRef *connector_ref_free(ConnectorRef *r) {
        if (!r)
                return NULL;
        free(r->name);
        free(r->version);
        json_object_put(r->config);
        free(r);
        return NULL;
}

const char *connector_kind_to_string(ConnectorKind kind) {
        assert(kind >= 0 && kind < _CONNECTOR_KIND_MAX);
        return kind_names[kind] ?: "installed";
}

/* Names and versions become directory names and arguments of package managers: nothing in them may look
 * like an option, a path or a second requirement. */
static bool is_name(const char *s, const char *more) {
        size_t n = strlen(s);

        if (n == 0 || n > PACKAGE_NAME_MAX || !isalnum((unsigned char) s[0]))
                return false;
        for (; *s; s++)
                if (!isalnum((unsigned char) *s) && !strchr(more, *s))
                        return false;
        return true;
}

bool connector_version_is_valid(const char *s) {
        return strlen(s) <= VERSION_MAX && is_name(s, ".+!-_");
}

/* Scoped names are two of the plain kind. */
static bool is_npm_name(const char *s) {
        _cleanup_free_ char *scope = NULL;
        const char *slash;

        if (s[0] != '@')
                return is_name(s, "-._");
        slash = strchr(s, '/');
        scope = slash ? strndup(s + 1, (size_t) (slash - s - 1)) : NULL;
        return scope && is_name(scope, "-._") && is_name(slash + 1, "-._");
}

/* PyPI's rule (PEP 503): letters in lower case, runs of "-", "_" and "." are one "-". */
void pypi_normalize_name(char *name) {
        char *to = name;

        for (const char *p = name; *p; p++) {
                if (!strchr("-_.", *p))
                        *to++ = (char) tolower((unsigned char) *p);
                else if (to > name && to[-1] != '-')
                        *to++ = '-';
        }
        *to = 0;
}

/* Cuts the version off `ref->name` where `separator` stands. */
static int split_version(ConnectorRef *ref, char *separator, size_t n_separator, Error **reterr_error) {
        if (!separator)
                return 0;
        ref->version = strdup(separator + n_separator);
        if (!ref->version)
                return -ENOMEM;
        *separator = 0;
        if (!connector_version_is_valid(ref->version))
                return error_set(reterr_error, -EINVAL, "'%s' is no version of %s: write one like 1.2.3",
                                 ref->version,
                                 ref->name);
        return 0;
}

static int parse_pypi(ConnectorRef *ref, Error **reterr_error) {
        int r;

        r = split_version(ref, strstr(ref->name, "=="), 2, reterr_error);
        if (r < 0)
                return r;
        if (strpbrk(ref->name, "=<>~!@"))
                return error_set(reterr_error, -EINVAL, "'pypi:%s': a version is written NAME==VERSION",
                                 ref->name);
        if (!is_name(ref->name, "-._"))
                return error_set(reterr_error, -EINVAL, "'%s' is no name of a Python package", ref->name);
        pypi_normalize_name(ref->name);
        return 0;
}

/* "1.2.3", "1.2.3-rc.1": not a range ("1", "1.2") nor a tag ("latest"), which npm would take as well and
 * which are another version tomorrow. */
static bool is_exact_npm_version(const char *s) {
        for (unsigned part = 0; part < 3; part++) {
                size_t n = strspn(s, "0123456789");

                if (n == 0 || (part < 2 && s[n] != '.'))
                        return false;
                s += n + (part < 2);
        }
        return !*s || *s == '-' || *s == '+';
}

static int parse_npm(ConnectorRef *ref, Error **reterr_error) {
        char *at = ref->name[0] ? strchr(ref->name + 1, '@') : NULL;
        int r;

        r = split_version(ref, at, 1, reterr_error);
        if (r < 0)
                return r;
        if (!is_npm_name(ref->name))
                return error_set(reterr_error, -EINVAL, "'%s' is no name of an npm package", ref->name);
        if (ref->version && !is_exact_npm_version(ref->version))
                return error_set(reterr_error, -EINVAL, "'%s' names no exact version of %s: write one like 1.2.3",
                                 ref->version, ref->name);
        return 0;
}

/* Whether the program exists is looked at when it is wanted; a reference is only text. */
static int parse_exec(ConnectorRef *ref, Error **reterr_error) {
        if (ref->name[0] == 0)
                return error_set(reterr_error, -EINVAL, "'exec:' must be followed by the path of a program");
        return 0;
}

bool image_digest_is_valid(const char *s) {
        return strncmp(s, "sha256:", STRLEN("sha256:")) == 0 && strlen(s) == STRLEN("sha256:") + 64 &&
                strspn(s + STRLEN("sha256:"), "0123456789abcdef") == 64;
}

static bool is_tag(const char *s, size_t n) {
        if (n == 0 || n > IMAGE_TAG_MAX || s[0] == '.' || s[0] == '-')
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char) s[i]) && !strchr("._-", s[i]))
                        return false;
        return true;
}

int image_version_check(const char *s, Error **reterr_error) {
        const char *at = strchr(s, '@');
        bool digest = strncmp(s, "sha256:", STRLEN("sha256:")) == 0;

        if (!digest && !is_tag(s, at ? (size_t) (at - s) : strlen(s)))
                return error_set(reterr_error, -EINVAL, "is no tag of an image: letters, digits, '_', '.' and '-', at"
                                 " most %u, and no '.' or '-' first", IMAGE_TAG_MAX);
        if ((digest || at) && !image_digest_is_valid(digest ? s : at + 1))
                return error_set(reterr_error, -EINVAL, "has no digest of an image: one is 'sha256:' and 64 hexadecimal"
                                 " digits");
        return 0;
}

/* Words of small letters and digits with a '.', '_', "__" or hyphens between them. */
static bool is_path_part(const char *s, size_t n) {
        size_t i = 0;

        for (;;) {
                size_t word = i, gap;

                while (i < n && (isdigit((unsigned char) s[i]) || islower((unsigned char) s[i])))
                        i++;
                if (i == word || i == n)
                        return i > word;
                gap = strspn(s + i, "-");
                if (gap == 0)
                        gap = s[i] == '.' ? 1 : s[i] == '_' ? 1 + (s[i + 1] == '_') : 0;
                if (gap == 0)
                        return false;
                i += gap;
        }
}

/* What makes the first part a registry and no part of a path. */
static bool is_host(const char *s, size_t n) {
        const char *colon = memchr(s, ':', n);
        size_t host = colon ? (size_t) (colon - s) : n, port = colon ? n - host - 1 : 0;

        if (!colon && !memchr(s, '.', n) && !(n == STRLEN("localhost") && memcmp(s, "localhost", n) == 0))
                return false;
        if (host == 0 || (colon && (port == 0 || port > 5 || strspn(colon + 1, "0123456789") < port)))
                return false;
        for (size_t i = 0; i < host; i++)
                if (!isalnum((unsigned char) s[i]) && (i == 0 || !strchr(".-", s[i])))
                        return false;
        return true;
}

bool image_repository_is_valid(const char *s) {
        const char *slash = strchr(s, '/');

        if (strlen(s) > IMAGE_REPOSITORY_MAX)
                return false;
        if (slash && is_host(s, (size_t) (slash - s)))
                s = slash + 1;
        for (;;) {
                slash = strchrnul(s, '/');
                if (!is_path_part(s, (size_t) (slash - s)))
                        return false;
                if (!*slash)
                        return true;
                s = slash + 1;
        }
}

/* A registry's host, a path, a tag, a digest: podman takes it apart. An argument that begins with a letter
 * or digit is no option. */
static int parse_image(ConnectorRef *ref, Error **reterr_error) {
        const char *at = strchr(ref->name, '@');
        bool fits = isalnum((unsigned char) ref->name[0]) && strlen(ref->name) <= IMAGE_NAME_MAX;

        for (const char *p = ref->name; fits && *p; p++)
                fits = isalnum((unsigned char) *p) || strchr("._-/:@", *p);
        if (!fits)
                return error_set(reterr_error, -EINVAL, "'%s' is no name of an image: write one like NAME:TAG",
                                 ref->name);
        if (at && !image_digest_is_valid(at + 1))
                return error_set(reterr_error, -EINVAL,
                                 "'%s' is no digest of an image: one is 'sha256:' and 64 hexadecimal digits", at + 1);
        return 0;
}

static int parse_native(ConnectorRef *ref, Error **reterr_error) {
        if (!is_name(ref->name, "-"))
                return error_set(reterr_error, -EINVAL, "'%s' is no name of a native connector", ref->name);
        return 0;
}

/* A bare name: of an installed connector, else of a native one. */
static int parse_installed(ConnectorRef *ref, const char *whole, Error **reterr_error) {
        int r;

        r = split_version(ref, strstr(ref->name, "=="), 2, reterr_error);
        if (r < 0)
                return r;
        if (strchr(whole, '/') || whole[0] == '.')
                return error_set(reterr_error, -EINVAL,
                                 "'%s' is a path: write exec:%s for a program, csv:, jsonl:, sqlite: or file: for data",
                                 whole, whole);
        if (!is_name(ref->name, "-._"))
                return error_set(reterr_error, -EINVAL, "'%s' is no name of a connector", whole);
        return 0;
}

/* Kinds that Airbyte has and we do not yet are told apart from slips of the fingers. */
static int refuse_scheme(const char *scheme, const char *whole, Error **reterr_error) {
        const char *near = suggest_nearest(scheme, connector_schemes);

        if (streq(scheme, "manifest"))
                return error_set(reterr_error, -EOPNOTSUPP, "'%s': manifests are not supported yet; "
                                 "pypi:airbyte-source-declarative-manifest runs one", whole);
        return error_set(reterr_error, -EINVAL, "'%s': there are no connectors of kind '%s:'%s%s%s", whole, scheme,
                         near ? "; did you mean '" : "", near ?: "", near ? ":'?" : "");
}

/* `head`: the reference without its query. */
static int parse_head(const char *head, ConnectorRole role, ConnectorRef **ret, Error **reterr_error) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_free_ char *scheme = NULL;
        ConnectorKind kind = CONNECTOR_INSTALLED;
        int r;

        r = connector_shorthand_parse(head, role, ret, reterr_error);
        if (r != 0)
                return r;
        ref = calloc(1, sizeof(*ref));
        if (!ref)
                return -ENOMEM;
        scheme = connector_scheme(head);
        for (ConnectorKind k = 0; scheme && k < _CONNECTOR_KIND_MAX; k++)
                if (kind_names[k] && streq(scheme, kind_names[k]))
                        kind = k;
        if (scheme && kind == CONNECTOR_INSTALLED)
                return refuse_scheme(scheme, head, reterr_error);
        ref->kind = kind;
        ref->name = strdup(scheme ? head + strlen(scheme) + 1 : head);
        if (!ref->name)
                return -ENOMEM;
        r = kind == CONNECTOR_PYPI     ? parse_pypi(ref, reterr_error)
            : kind == CONNECTOR_NPM    ? parse_npm(ref, reterr_error)
            : kind == CONNECTOR_EXEC   ? parse_exec(ref, reterr_error)
            : kind == CONNECTOR_IMAGE  ? parse_image(ref, reterr_error)
            : kind == CONNECTOR_NATIVE ? parse_native(ref, reterr_error)
                                       : parse_installed(ref, head, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(ref);
        return 0;
}

/* A reference that is no file of ours. */
static int parse_text(const char *s, ConnectorRole role, ConnectorRef **ret, Error **reterr_error) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_free_ char *head = NULL;
        /* The query of a URL is the server's. */
        bool url = strncasecmp(s, "http://", 7) == 0 || strncasecmp(s, "https://", 8) == 0;
        const char *query = url ? NULL : connector_query_find(s);
        int r;

        head = query ? strndup(s, (size_t) (query - s)) : strdup(s);
        if (!head)
                return -ENOMEM;
        r = parse_head(head, role, &ref, reterr_error);
        if (r < 0)
                return r;
        if (query) {
                if (!ref->config)
                        ref->config = json_object_new_object();
                if (!ref->config)
                        return -ENOMEM;
                r = connector_query_apply(query + 1, ref->config, reterr_error);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(ref);
        return 0;
}

/* By its name alone: reading a file to find out what it is would be a surprise. */
static bool is_connector_file(const char *s) {
        size_t n = strlen(s);

        return (n > 5 && strcasecmp(s + n - 5, ".yaml") == 0) || (n > 4 && strcasecmp(s + n - 4,
                ".yml") == 0);
}

/* A misspelt `confg:` would otherwise start the connector with no configuration at all. */
static int check_members(const char *path, JsonObject *o, Error **reterr_error) {
        static char *const known[] = { (char *) "connector", (char *) "config", NULL };

        if (!json_object_is_type(o, json_type_object))
                return error_set(reterr_error, -EINVAL, "'%s' must hold 'connector:' and 'config:'", path);
        json_object_object_foreach(o, key, value) {
                const char *near = suggest_nearest(key, known);

                (void) value;
                if (!strv_contains(known, key))
                        return error_set(reterr_error, -EINVAL, "'%s': unknown member '%s'%s%s%s", path, key,
                                         near ? "; did you mean '" : "", near ?: "", near ? "'?" : "");
        }
        return 0;
}

/* FILE.yaml: `connector:` is a reference that is no file again, `config:` is laid over what that says. */
static int parse_file(const char *path, ConnectorRole role, ConnectorRef **ret, Error **reterr_error) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        const char *connector = NULL;
        JsonObject *config = NULL;
        size_t n;
        int r;

        r = read_file(path, CONNECTOR_FILE_MAX, &text, &n, reterr_error);
        if (r >= 0)
                r = yaml_to_json(text, n, path, &o, reterr_error);
        if (r >= 0)
                r = check_members(path, o, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "connector", &connector, path, reterr_error);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(reterr_error, -EINVAL, "'%s' has no 'connector:'", path);
        r = json_get_object(o, "config", &config, path, reterr_error);
        if (r < 0)
                return r;
        if (is_connector_file(connector))
                return error_set(reterr_error, -EINVAL, "'%s': 'connector:' cannot be another such file", path);
        r = parse_text(connector, role, &ref, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "'%s'", path);
        if (config && !ref->config)
                ref->config = json_object_get(config);
        else if (config) {
                json_object_object_foreach(config, key, value) {
                        r = json_add(ref->config, key, json_object_get(value));
                        if (r < 0)
                                return r;
                }
        }
        *ret = TAKE_PTR(ref);
        return 0;
}

int connector_ref_parse(const char *s, ConnectorRole role, ConnectorRef **ret, Error **reterr_error) {
        assert(s);
        assert(ret);

        if (s[0] == 0)
                return error_set(reterr_error, -EINVAL, "A connector must be named");
        if (strlen(s) > REFERENCE_MAX)
                return error_set(reterr_error, -EINVAL, "The reference is longer than %u bytes: use a file",
                                 REFERENCE_MAX);
        if (is_connector_file(s) && strncmp(s, "manifest:", 9) != 0)
                return parse_file(s, role, ret, reterr_error);
        return parse_text(s, role, ret, reterr_error);
}

char *connector_ref_to_string(const ConnectorRef *r) {
        const char *kind = kind_names[r->kind];
        _cleanup_buffer_ Buffer b = {};

        if (buffer_appendf(&b, "%s%s%s", strempty(kind), kind ? ":" : "", r->name) < 0)
                return NULL;
        if (r->version && buffer_appendf(&b, "%s%s", r->kind == CONNECTOR_NPM ? "@" : "==", r->version) < 0)
                return NULL;
        return buffer_steal_string(&b);
}
