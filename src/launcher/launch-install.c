/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The installer is planned as a connector: its ACTOR has a network of the class "hosts", the indexes as
 * allowed hosts, limits and a configuration. So it is fenced in by the code that fences connectors in,
 * and what is true of them (no host's files, no other addresses) is true of pip and npm and whatever
 * build script a package brings.
 *
 * It has a user of its own, since what it writes must be told from what root has judged; its two
 * directories are all that lasts. An index's password is part of a URL and is masked in the installer's
 * words, which are shown to people. */

#include <stdio.h>
#include <strings.h>

#include "basic/path-util.h"
#include "launcher/launch-install.h"
#include "runtime/suite-store.h"

#define SECTION "Connectors"
/* pip and the compilation of bytecode; builds of what exists as source only. */
#define MEMORY_MAX (INT64_C(2) << 30)
#define TASKS_MAX 256

static const char *const public_hosts[] = { "pypi.org", "files.pythonhosted.org", "registry.npmjs.org" };

/* The host in "scheme://user:password@host:port/path". */
static char *host_of(const char *url) {
        const char *start = strstr(url, "://"), *end, *at;

        if (!start)
                return NULL;
        start += STRLEN("://");
        end = start + strcspn(start, "/?#");
        at = memrchr(start, '@', (size_t) (end - start));
        start = at ? at + 1 : start;
        if (*start == '[')
                return strndup(start + 1, strcspn(start + 1, "]"));
        return strndup(start, MIN((size_t) (end - start), strcspn(start, ":")));
}

/* The password in such a URL, or NULL. */
static char *password_of(const char *url) {
        const char *start = strstr(url, "://"), *end, *at, *colon;

        if (!start)
                return NULL;
        start += STRLEN("://");
        end = start + strcspn(start, "/?#");
        at = memrchr(start, '@', (size_t) (end - start));
        colon = at ? memchr(start, ':', (size_t) (at - start)) : NULL;
        return colon ? strndup(colon + 1, (size_t) (at - colon - 1)) : NULL;
}

static bool is_this_machine(const char *host) {
        return streq(host, "localhost") || strncmp(host, "127.", 4) == 0 || streq(host, "::1");
}

int launch_install_check_url(const char *url, Error **reterr_error) {
        _cleanup_free_ char *host = host_of(url);

        if (!host || !*host ||
            (strncasecmp(url, "https://", STRLEN("https://")) != 0 &&
             strncasecmp(url, "http://", STRLEN("http://")) != 0))
                return error_set(reterr_error, -EINVAL, "gantry.conf: a package index is an https:// URL");
        if (strncasecmp(url, "http://", STRLEN("http://")) == 0 && !is_this_machine(host))
                return error_set(reterr_error, -EINVAL,
                                 "gantry.conf: the package index on '%s' must be reached by https:// so that "
                                 "nobody on the way can change what is installed", host);
        return 0;
}

static void read_url(const ConfFile *conf, const char *key, char **ret, InstallSettings *s) {
        const char *url = conf_file_get(conf, SECTION, key);

        if (!url || !*url || launch_install_check_url(url, &s->error) < 0)
                return;
        *ret = strdup(url);
        if (!*ret)
                (void) error_set(&s->error, -ENOMEM, "Out of memory");
}

void launch_install_settings_load(const ConfFile *conf, InstallSettings *ret) {
        read_url(conf, "IndexUrl", &ret->index_url, ret);
        read_url(conf, "NpmRegistryUrl", &ret->npm_registry_url, ret);
        if (conf_file_get_strv(conf, SECTION, "IndexHosts", &ret->hosts) < 0)
                (void) error_set(&ret->error, -ENOMEM, "Out of memory");
}

void launch_install_settings_done(InstallSettings *s) {
        free(s->index_url);
        free(s->npm_registry_url);
        strv_free(s->hosts);
        error_free(s->error);
}

int launch_install_plan_init(const char *staged, uint64_t uid, uint64_t gid, InstallPlan *ret) {
        InstallPlan p = { .uid = uid, .gid = gid };

        p.mounts[0] = (SandboxMount) { .source = path_join(staged, SUITE_STAGED_STORE), .target = (char *) SUITE_STORE,
                                       .writable = true };
        p.mounts[1] = (SandboxMount) { .source = path_join(staged, SUITE_STAGED_SCRATCH),
                                       .target = (char *) SUITE_SCRATCH, .writable = true };
        if (!p.mounts[0].source || !p.mounts[1].source) {
                launch_install_plan_done(&p);
                return -ENOMEM;
        }
        *ret = p;
        return 0;
}

void launch_install_plan_done(InstallPlan *p) {
        free(p->mounts[0].source);
        free(p->mounts[1].source);
}

static int add_text(JsonObject *list, const char *text) {
        JsonObject *o = text ? json_object_new_string(text) : NULL;

        if (!o || json_object_array_add(list, o) < 0) {
                json_object_put(o);
                return -ENOMEM;
        }
        return 0;
}

/* The public indexes, or those that stand for them; and where they send to. An index of one's own takes
 * the public one's place: nothing is fetched from where the administrator did not send it. */
static int make_hosts(const InstallSettings *s, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        const char *const urls[] = { s->index_url, s->npm_registry_url };
        int r = list ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(urls); i++) {
                _cleanup_free_ char *host = urls[i] ? host_of(urls[i]) : NULL;

                r = urls[i] ? add_text(list, host) : 0;
        }
        /* Two of Python's, then npm's. */
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(public_hosts); i++)
                r = (i < 2 ? s->index_url : s->npm_registry_url) ? 0 : add_text(list, public_hosts[i]);
        STRV_FOREACH(host, s->hosts)
                if (r >= 0)
                        r = add_text(list, *host);
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

/* What the installer's words are masked for. */
static int make_secrets(const InstallSettings *s, JsonObject **ret) {
        _cleanup_json_ JsonObject *list = json_object_new_array();
        const char *const urls[] = { s->index_url, s->npm_registry_url };
        int r = list ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(urls); i++) {
                _cleanup_free_ char *password = urls[i] ? password_of(urls[i]) : NULL;

                r = password ? add_text(list, password) : 0;
        }
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

static int make_config(const InstallSettings *s, const char *reference, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add_string(o, "reference", reference) : -ENOMEM;

        if (r >= 0 && s->index_url)
                r = json_add_string(o, "indexUrl", s->index_url);
        if (r >= 0 && s->npm_registry_url)
                r = json_add_string(o, "npmRegistryUrl", s->npm_registry_url);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int make_limits(JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add(o, "memoryMax", json_object_new_int64(MEMORY_MAX)) : -ENOMEM;

        if (r >= 0)
                r = json_add(o, "tasksMax", json_object_new_int(TASKS_MAX));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

int launch_install_input(const InstallSettings *s, const char *reference, JsonObject **ret) {
        _cleanup_json_ JsonObject *actor = json_object_new_object(), *input = json_object_new_object(), *part = NULL;
        int r = actor && input ? json_add_string(actor, "reference", reference) : -ENOMEM;

        if (r >= 0)
                r = json_add_string(actor, "executor", "service");
        if (r >= 0)
                r = json_add_string(actor, "network", "hosts");
        if (r >= 0)
                r = make_hosts(s, &part);
        if (r >= 0)
                r = json_add(actor, "allowedHosts", TAKE_PTR(part));
        if (r >= 0)
                r = make_limits(&part);
        if (r >= 0)
                r = json_add(actor, "limits", TAKE_PTR(part));
        if (r >= 0)
                r = make_config(s, reference, &part);
        if (r >= 0)
                r = json_add(actor, "configuration", TAKE_PTR(part));
        if (r >= 0)
                r = json_add(input, "actor", TAKE_PTR(actor));
        if (r >= 0)
                r = make_secrets(s, &part);
        if (r >= 0)
                r = json_add(input, "secrets", TAKE_PTR(part));
        if (r >= 0)
                *ret = TAKE_PTR(input);
        return r;
}

InstalledConnector *launch_install_connector(const char *program, bool npm) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        c->kind = CONNECTOR_NATIVE;
        c->reference = strdup("gantry-installer");
        c->name = strdup("gantry-installer");
        c->version = strdup(PACKAGE_VERSION);
        c->directory = path_dirname(program);
        c->needs_network = true;
        c->allow_write_exec = npm; /* node compiles to memory */
        if (!c->reference || !c->name || !c->version || !c->directory || strv_extend(&c->command, program) < 0)
                return NULL;
        return TAKE_PTR(c);
}
