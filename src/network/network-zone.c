/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a definition and a configuration to rules, and what the rules say. The configuration names hosts
 * anywhere: all its texts are searched for what looks like one, in URLs, lists and connection strings
 * alike. To find too many costs little (a name that nobody asks for), to miss one breaks a sync.
 *
 * A template may only fill in a part of a name that can't become another host: no slash, colon or at-sign
 * gets through. What a definition lists opens public addresses; this machine, and in class `hosts` a
 * site's network, are opened by a person's own words alone, the configuration.
 *
 * The resolver's address is a hash of the unit's name: nobody keeps a list of those that are taken.
 * Should two units have the same, the second can't bind it and doesn't start. */

#include <ctype.h>
#include <stdio.h>

#include "basic/hash.h"
#include "basic/strv.h"
#include "network/network-zone.h"

#define WHAT "zone"
#define DNS_PORT 53
/* Longer texts are keys and certificates. */
#define TEXT_MAX 4096U
#define DEPTH_MAX 64U
/* Resolvers have the upper half of 127.64.0.0/10 … 127.127.255.255; nobody else uses it by habit. */
#define RESOLVER_NET UINT32_C(0x7f400000)
#define RESOLVER_COUNT UINT32_C(0x3ffffe)

static bool is_name_character(char c) {
        return isalnum((unsigned char) c) || c == '-' || c == '_' || c == '.';
}

/* Between "//" and the next '/', '?' or '#', less the user; else what is left of a '/'. */
static void find_authority(const char **s, size_t *n) {
        const char *scheme = memmem(*s, *n, "://", 3);
        const char *end = *s + *n, *at;

        if (scheme)
                *s = scheme + 3;
        for (const char *p = *s; p < end; p++)
                if (strchr("/?#", *p))
                        end = p;
        at = memrchr(*s, '@', (size_t) (end - *s));
        if (at)
                *s = at + 1;
        *n = (size_t) (end - *s);
}

static bool is_port(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!isdigit((unsigned char) s[i]))
                        return false;
        return n <= 5;
}

/* Takes ":port" off. An address of IPv6 has brackets, or more colons than one. */
static void cut_port(const char *s, size_t *n) {
        const char *bracket = s[0] == '[' ? memchr(s, ']', *n) : NULL;
        const char *colon = memrchr(s, ':', *n);

        if (bracket)
                *n = (size_t) (bracket - s) + 1;
        else if (colon && memchr(s, ':', *n) == colon && is_port(colon + 1, (size_t) (s + *n - colon - 1)))
                *n = (size_t) (colon - s);
}

int network_host_of(const char *s, size_t n, char **ret) {
        char text[ADDRESS_TEXT_MAX];
        _cleanup_free_ char *host = NULL;
        struct in6_addr a;

        find_authority(&s, &n);
        if (n == 0)
                return -EINVAL;
        cut_port(s, &n);
        while (n > 0 && s[n - 1] == '.')
                n--;
        if (n == 0 || n > NETWORK_NAME_MAX || memchr(s, 0, n))
                return -EINVAL;
        host = strndup(s, n);
        if (!host)
                return -ENOMEM;
        if (address_parse(host, &a) >= 0) {
                free(host);
                host = strdup(address_to_string(&a, text));
                if (!host)
                        return -ENOMEM;
        } else
                for (char *p = host; *p; p++) {
                        if (!is_name_character(*p))
                                return -EINVAL;
                        *p = (char) tolower((unsigned char) *p);
                }
        *ret = TAKE_PTR(host);
        return 0;
}

/* ---- What the configuration names ---- */

/* "a:1,b:2", "host=a port=1", URLs: every piece that looks like a host is one. */
static int add_hosts(char ***l, const char *text) {
        for (const char *p = text; *p && strv_length(*l) < NETWORK_HOSTS_MAX;) {
                size_t n = strcspn(p, ", \t\r\n;");
                const char *sign = memchr(p, '=', n), *from = p;
                _cleanup_free_ char *host = NULL;
                size_t length = n;
                int r;

                /* Not in an URL's query. */
                if (sign && !memmem(p, n, "://", 3)) {
                        from = sign + 1;
                        length = n - (size_t) (from - p);
                }
                r = network_host_of(from, length, &host);
                if (r == -ENOMEM)
                        return r;
                if (r >= 0 && !strv_contains(*l, host)) {
                        r = strv_consume(l, TAKE_PTR(host));
                        if (r < 0)
                                return r;
                }
                p += n + (p[n] != 0);
        }
        return 0;
}

static int collect(char ***l, JsonObject *o, unsigned depth) {
        int r = 0;

        if (depth > DEPTH_MAX)
                return 0;
        if (json_object_is_type(o, json_type_string))
                return (size_t) json_object_get_string_len(o) > TEXT_MAX ? 0
                        : add_hosts(l, json_object_get_string(o));
        if (json_object_is_type(o, json_type_array)) {
                for (size_t i = 0; r >= 0 && i < json_object_array_length(o); i++)
                        r = collect(l, json_object_array_get_idx(o, i), depth + 1);
        } else if (json_object_is_type(o, json_type_object)) {
                json_object_object_foreach(o, key, value) {
                        (void) key;
                        if (r >= 0)
                                r = collect(l, value, depth + 1);
                }
        }
        return r;
}

/* ---- Templates ---- */

/* The member that "a.b" names. */
static JsonObject *find_member(JsonObject *o, const char *path, size_t n) {
        while (n > 0 && o) {
                const char *dot = memchr(path, '.', n);
                size_t length = dot ? (size_t) (dot - path) : n;
                _cleanup_free_ char *key = strndup(path, length);

                o = key ? json_member(o, key) : NULL;
                length = MIN(length + 1, n);
                path += length;
                n -= length;
        }
        return o;
}

/* A part of a name, such as an account: nothing that could make another host of the whole. */
static bool is_name_part(const char *s) {
        if (!*s || strlen(s) > NETWORK_NAME_MAX)
                return false;
        for (; *s; s++)
                if (!is_name_character(*s))
                        return false;
        return true;
}

static int add_pattern(char ***l, const char *pattern) {
        _cleanup_free_ char *own = strdup(pattern);
        size_t n = strlen(pattern);

        if (!own)
                return -ENOMEM;
        for (char *p = own; *p; p++)
                *p = (char) tolower((unsigned char) *p);
        while (n > 0 && own[n - 1] == '.')
                own[--n] = 0;
        if (n == 0 || n > NETWORK_NAME_MAX || strv_contains(*l, own))
                return 0;
        return strv_consume(l, TAKE_PTR(own));
}

/* 0: a member that it needs is not there, or nothing that can be part of a name. */
static int fill(const char *template, JsonObject *configuration, Buffer *b) {
        for (;;) {
                const char *start = strstr(template, "${"), *end = start ? strchr(start, '}') : NULL, *text;
                JsonObject *value;
                int r;

                if (!end) {
                        r = buffer_append_string(b, template);
                        return r < 0 ? r : 1;
                }
                value = find_member(configuration, start + 2, (size_t) (end - start - 2));
                text = value ? json_object_get_string(value) : NULL;
                if (!text || !is_name_part(text))
                        return 0;
                r = buffer_append(b, template, (size_t) (start - template));
                if (r >= 0)
                        r = buffer_append_string(b, text);
                if (r < 0)
                        return r;
                template = end + 1;
        }
}

static int add_template(NetworkZone *z, const char *template, JsonObject *configuration) {
        _cleanup_buffer_ Buffer b = {};
        _cleanup_free_ char *host = NULL;
        size_t n = strlen(template);
        int r;

        /* One value alone may be an URL, several hosts, or a list of them. */
        if (strncmp(template, "${", 2) == 0 && strchr(template, '}') == template + n - 1)
                return collect(&z->patterns, find_member(configuration, template + 2, n - 3), 0);
        r = fill(template, configuration, &b);
        if (r <= 0)
                return r;
        if (strchr(buffer_string(&b), '*'))
                return add_pattern(&z->patterns, buffer_string(&b));
        r = network_host_of(buffer_bytes(&b), b.len, &host);
        if (r < 0)
                return r == -EINVAL ? 0 : r;
        return strv_contains(z->patterns, host) ? 0 : strv_consume(&z->patterns, TAKE_PTR(host));
}

int network_zone_new(bool any, JsonObject *templates, JsonObject *configuration, const char *unit,
                     NetworkZone **ret) {
        _cleanup_(network_zone_freep) NetworkZone *z = calloc(1, sizeof(*z));
        uint32_t address = RESOLVER_NET + 1 + hash64(HASH64_START, unit, strlen(unit)) % RESOLVER_COUNT;
        int r;

        if (!z)
                return -ENOMEM;
        z->any = any;
        if (asprintf(&z->resolver, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff,
                     address & 0xff) < 0) {
                z->resolver = NULL;
                return -ENOMEM;
        }
        r = collect(&z->configured, configuration, 0);
        for (size_t i = 0; r >= 0 && !any && json_object_is_type(templates, json_type_array) &&
             i < json_object_array_length(templates) && i < NETWORK_HOSTS_MAX; i++) {
                JsonObject *t = json_object_array_get_idx(templates, i);

                if (json_object_is_type(t, json_type_string))
                        r = add_template(z, json_object_get_string(t), configuration);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(z);
        return 0;
}

NetworkZone *network_zone_free(NetworkZone *z) {
        if (!z)
                return NULL;
        strv_free(z->patterns);
        strv_free(z->configured);
        free(z->resolver);
        free(z);
        return NULL;
}

/* ---- JSON ---- */

static int add_list(JsonObject *o, const char *key, char *const *l) {
        JsonObject *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        STRV_FOREACH(s, l) {
                JsonObject *text = json_object_new_string(*s);

                if (!text || json_object_array_add(array, text) < 0) {
                        json_object_put(text);
                        json_object_put(array);
                        return -ENOMEM;
                }
        }
        return json_add(o, key, array);
}

int network_zone_to_json(const NetworkZone *z, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "class", z->any ? "any" : "hosts");
        if (r >= 0)
                r = add_list(o, "hosts", z->patterns);
        if (r >= 0)
                r = add_list(o, "configured", z->configured);
        if (r >= 0)
                r = json_add_string(o, "resolver", z->resolver);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

int network_zone_from_json(JsonObject *o, NetworkZone **ret, Error **reterr_error) {
        _cleanup_(network_zone_freep) NetworkZone *z = calloc(1, sizeof(*z));
        const char *class = NULL, *resolver = NULL;
        struct in6_addr a;
        int r;

        if (!z)
                return -ENOMEM;
        r = json_get_string(o, "class", &class, WHAT, reterr_error);
        if (r >= 0)
                r = json_get_strv(o, "hosts", &z->patterns, WHAT, reterr_error);
        if (r >= 0)
                r = json_get_strv(o, "configured", &z->configured, WHAT, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "resolver", &resolver, WHAT, reterr_error);
        if (r < 0)
                return r;
        z->any = streq_ptr(class, "any");
        if ((!z->any && !streq_ptr(class, "hosts")) || !resolver || address_parse(resolver, &a) < 0)
                return error_set(reterr_error, -EINVAL, WHAT ": no class, or no resolver");
        z->resolver = strdup(resolver);
        if (!z->resolver)
                return -ENOMEM;
        *ret = TAKE_PTR(z);
        return 0;
}

/* ---- Rules ---- */

/* '*' stands for one character and more, dots too. Only the last star is ever tried again, so that no
 * pattern takes long. */
static bool matches(const char *pattern, const char *s) {
        const char *star = NULL, *rest = NULL;

        for (;;)
                if (*pattern == '*') {
                        if (!*s)
                                return false;
                        star = ++pattern;
                        rest = ++s;
                } else if (*pattern && *pattern == *s) {
                        pattern++;
                        s++;
                } else if (!*pattern && !*s)
                        return true;
                else if (!star || !*rest)
                        return false;
                else {
                        pattern = star;
                        s = ++rest;
                }
}

static bool any_matches(char *const *patterns, const char *host) {
        STRV_FOREACH(p, patterns)
                if (matches(*p, host))
                        return true;
        return false;
}

/* To one form: small letters, no dot at the end. */
static bool normalize(const char *name, char ret[static NETWORK_NAME_MAX + 1]) {
        size_t n = strlen(name);

        while (n > 0 && name[n - 1] == '.')
                n--;
        if (n == 0 || n > NETWORK_NAME_MAX)
                return false;
        for (size_t i = 0; i < n; i++)
                ret[i] = (char) tolower((unsigned char) name[i]);
        ret[n] = 0;
        return true;
}

bool network_zone_may_ask(const NetworkZone *z, const char *name) {
        char host[NETWORK_NAME_MAX + 1];

        return normalize(name, host) && (z->any || any_matches(z->patterns, host));
}

bool network_zone_may_answer(const NetworkZone *z, const char *name, AddressKind kind) {
        char host[NETWORK_NAME_MAX + 1];
        bool configured = normalize(name, host) && strv_contains(z->configured, host);

        switch (kind) {
        case ADDRESS_PUBLIC:
                return true;
        case ADDRESS_PRIVATE:
                return z->any || configured;
        case ADDRESS_LOOPBACK:
                return configured;
        default:
                /* A service that is known by its address: whoever means it can say so. */
                return false;
        }
}

typedef struct Visit {
        NetworkZoneVisit visit;
        void *userdata;
} Visit;

static int allow_host(const Visit *v, const char *text) {
        struct in6_addr a;

        return address_parse(text, &a) >= 0 ? v->visit(&a, 128, /* allow= */ true, 0, v->userdata) : 0;
}

/* Inside, /etc/hosts knows these names; nobody is asked for them. */
static bool is_localhost(const char *host) {
        static const char *const names[] = { "localhost", "ip6-localhost", "ip6-loopback" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(host, names[i]))
                        return true;
        return false;
}

static int visit_blocked(const Visit *v, const struct in6_addr own[], size_t n_own) {
        size_t n;
        const AddressRange *blocked = address_blocked_ranges(&n);
        int r = v->visit(&in6addr_any, 0, /* allow= */ true, 0, v->userdata);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                bool v4 = blocked[i].family == AF_INET;
                struct in6_addr a;

                if (v4)
                        address_from_v4(blocked[i].address, &a);
                else
                        memcpy(&a, blocked[i].address, sizeof(a));
                r = v->visit(&a, blocked[i].prefix + (v4 ? 96 : 0), /* allow= */ false, 0, v->userdata);
        }
        for (size_t i = 0; r >= 0 && i < n_own; i++)
                r = v->visit(&own[i], 128, /* allow= */ false, 0, v->userdata);
        return r;
}

/* A definition's own list does not open what is blocked; a configuration that names it does. */
static int visit_host(const NetworkZone *z, const Visit *v, const char *host) {
        bool configured = strv_contains(z->configured, host);
        struct in6_addr a;
        int r = 0;

        if (configured && is_localhost(host)) {
                r = allow_host(v, "127.0.0.1");
                return r < 0 ? r : allow_host(v, "::1");
        }
        if (address_parse(host, &a) < 0 || (!configured && address_kind(&a) != ADDRESS_PUBLIC))
                return 0;
        return allow_host(v, host);
}

int network_zone_visit(const NetworkZone *z, const struct in6_addr own[], size_t n_own,
                       NetworkZoneVisit visit, void *userdata) {
        const Visit v = { visit, userdata };
        struct in6_addr resolver;
        int r = z->any ? visit_blocked(&v, own, n_own) : 0;

        STRV_FOREACH(host, z->any ? z->configured : z->patterns)
                if (r >= 0)
                        r = visit_host(z, &v, *host);
        if (r >= 0)
                r = address_parse(z->resolver, &resolver);
        return r < 0 ? r : visit(&resolver, 128, /* allow= */ true, DNS_PORT, userdata);
}
