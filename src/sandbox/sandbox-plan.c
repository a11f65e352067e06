/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a sandbox will be, as data. Making a plan and carrying it out are apart so that the first can be
 * tested without privileges and shown to people, and so that the shim needs no knowledge of connectors.
 *
 * Mounts are kept sorted by path, components first, so that each is mounted after what it lies in. What a
 * mount above shows already is not added again, and which of two for one place wins is said at
 * mount_change(). /proc, /dev and /sys are the sandbox's own and can't be given. */

#include <stdio.h>
#include <sys/stat.h>

#include "basic/path-util.h"
#include "basic/string-table.h"
#include "sandbox/sandbox-plan.h"

static const char *const network_class_table[_NETWORK_CLASS_MAX] = {
        [NETWORK_NONE] = "none",
        [NETWORK_ANY] = "any",
};

static const char *const sandbox_layer_table[_SANDBOX_LAYER_MAX] = {
        [SANDBOX_USER_NAMESPACE] = "user-namespace",
        [SANDBOX_MOUNT_NAMESPACE] = "mount-namespace",
        [SANDBOX_PID_NAMESPACE] = "pid-namespace",
        [SANDBOX_IPC_NAMESPACE] = "ipc-namespace",
        [SANDBOX_UTS_NAMESPACE] = "uts-namespace",
        [SANDBOX_CGROUP_NAMESPACE] = "cgroup-namespace",
        [SANDBOX_NETWORK_NAMESPACE] = "network-namespace",
        [SANDBOX_PROC] = "proc",
        [SANDBOX_CAPABILITIES] = "capabilities",
        [SANDBOX_NO_NEW_PRIVS] = "no-new-privileges",
        [SANDBOX_LANDLOCK] = "landlock",
        [SANDBOX_LANDLOCK_SCOPE] = "landlock-scope",
        [SANDBOX_SECCOMP] = "seccomp",
        [SANDBOX_LIMITS] = "limits",
        [SANDBOX_TASKS_LIMIT] = "tasks-limit",
};

/* What the sandbox makes itself: a host's tree there would hand out devices, other processes or kernel
 * switches. */
static const char *const reserved_targets[] = { "/proc", "/dev", "/sys" };

DEFINE_STRING_TABLE_LOOKUP(network_class, NetworkClass)

DEFINE_STRING_TABLE_LOOKUP(sandbox_layer, SandboxLayer)

SandboxPlan *sandbox_plan_new(void) {
        SandboxPlan *p = calloc(1, sizeof(*p));

        if (p)
                p->network = NETWORK_NONE;
        return p;
}

SandboxPlan *sandbox_plan_free(SandboxPlan *p) {
        if (!p)
                return NULL;
        strv_free(p->argv);
        strv_free(p->environment);
        free(p->working_directory);
        free(p->image);
        for (size_t i = 0; i < p->n_mounts; i++) {
                free(p->mounts[i].source);
                free(p->mounts[i].target);
        }
        free(p->mounts);
        for (size_t i = 0; i < p->n_files; i++)
                free(p->files[i].target);
        free(p->scratch_directory);
        free(p);
        return NULL;
}

/* Normal and absolute: with ".." in it, a target would be sorted by one path and mounted at another. */
static int check_target(const char *target) {
        _cleanup_free_ char *normal = NULL;

        if (target[0] != '/')
                return -EINVAL;
        normal = path_absolute(target);
        if (!normal)
                return -ENOMEM;
        if (!streq(normal, target) || streq(target, "/"))
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(reserved_targets); i++)
                if (path_is_under(target, reserved_targets[i]))
                        return streq(target, "/dev/shm") ? 0 : -EPERM;
        return 0;
}

/* Whether `target` shows `source` already because its parent mount `m` does, with these rights. */
static bool mount_covers(const SandboxMount *m, const char *source, const char *target, bool writable) {
        if (!m->source || !source || (writable && !m->writable) || !path_is_under(target, m->target))
                return false;
        return path_is_under(source, m->source) && streq(target + strlen(m->target),
                                                         source + strlen(m->source));
}

int sandbox_mount_check(const SandboxMount *m, const struct stat *st) {
        bool same = m->device == (uint64_t) st->st_dev && m->inode == ((uint64_t) st->st_ino & INT64_MAX);

        return !m->checked || same ? 0 : -ESTALE;
}

/* The mount that is nearest above `target`, itself included, or NULL. Mounts are sorted, so it is the
 * last that fits. */
static SandboxMount *mount_above(SandboxPlan *p, const char *target) {
        for (size_t i = p->n_mounts; i > 0; i--)
                if (path_is_under(target, p->mounts[i - 1].target))
                        return &p->mounts[i - 1];
        return NULL;
}

/* Order of paths by component, so that "a" comes before "a/b" and that before "a-b". */
static unsigned path_rank(char c) {
        return c == 0 ? 0U : c == '/' ? 1U : (unsigned char) c + 1U;
}

static int path_compare(const char *a, const char *b) {
        for (; *a && *a == *b; a++, b++)
                ;
        return (int) path_rank(*a) - (int) path_rank(*b);
}

/* What is mounted there already is replaced: a path of the host that somebody names wins over an empty
 * one, a later one over an earlier, a writable one over a read-only one. */
static int mount_change(SandboxMount *m, const char *source, bool writable, bool optional) {
        char *s;

        if (streq_ptr(m->source, source)) {
                m->writable = m->writable || writable;
                m->optional = m->optional && optional;
                return 0;
        }
        s = source ? strdup(source) : NULL;
        if (source && !s)
                return -ENOMEM;
        free(m->source);
        m->source = s;
        m->writable = writable;
        m->optional = optional;
        return 0;
}

/* Takes the strings of `m` over. */
static int mount_insert(SandboxPlan *p, const SandboxMount *m) {
        SandboxMount *grown = reallocarray(p->mounts, p->n_mounts + 1, sizeof(*grown));
        size_t at = 0;

        if (!grown)
                return -ENOMEM;
        p->mounts = grown;
        while (at < p->n_mounts && path_compare(p->mounts[at].target, m->target) < 0)
                at++;
        memmove(&p->mounts[at + 1], &p->mounts[at], (p->n_mounts - at) * sizeof(*grown));
        p->mounts[at] = *m;
        p->n_mounts++;
        return 0;
}

int sandbox_plan_add_mount(SandboxPlan *p, const char *source, const char *target, bool writable,
                           bool optional) {
        SandboxMount *above, m = { .writable = writable, .optional = optional };
        int r;

        r = check_target(target);
        if (r < 0)
                return r;
        above = mount_above(p, target);
        if (above && streq(above->target, target))
                return mount_change(above, source, writable, optional);
        if (above && mount_covers(above, source, target, writable))
                return 0;
        m.source = source ? strdup(source) : NULL;
        m.target = strdup(target);
        r = m.target && (m.source || !source) ? mount_insert(p, &m) : -ENOMEM;
        if (r < 0) {
                free(m.source);
                free(m.target);
        }
        return r;
}

int sandbox_plan_add_file(SandboxPlan *p, const char *target, unsigned mode) {
        const SandboxMount *above;
        int r = check_target(target);

        if (r < 0)
                return r;
        above = mount_above(p, target);
        if (!above || above->source || streq(above->target, target) || mode > 0777)
                return -EINVAL;
        if (p->n_files >= SANDBOX_FILES_MAX)
                return -E2BIG;
        p->files[p->n_files] = (SandboxFile) { .target = strdup(target), .mode = mode };
        return p->files[p->n_files++].target ? 0 : -ENOMEM;
}

int sandbox_plan_add_base(SandboxPlan *p) {
        /* Programs and libraries; /bin and its like are links into /usr where the host has them so. The
         * rest is what the dynamic linker, time zones and MIME guesses read, and with a network resolver and
         * TLS: no more, since each costs time at every start. passwd, group and nsswitch.conf are made up by
         * the sandbox: the host's tell who lives there. */
        static const char *const always[] = {
                "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives",
                "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/timezone",
        };
        static const char *const with_network[] = {
                "/etc/ca-certificates", "/etc/crypto-policies", "/etc/gai.conf", "/etc/host.conf", "/etc/hosts",
                "/etc/pki/ca-trust/extracted", "/etc/pki/tls/certs", "/etc/protocols", "/etc/resolv.conf",
                "/etc/services", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
        };
        static const char *const private[] = { "/dev/shm", "/tmp", "/var/tmp" };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(always); i++) {
                r = sandbox_plan_add_mount(p, always[i], always[i], /* writable= */ false,
                                           /* optional= */ true);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; p->network != NETWORK_NONE && i < ELEMENTSOF(with_network); i++) {
                r = sandbox_plan_add_mount(p, with_network[i], with_network[i], false, true);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < ELEMENTSOF(private); i++) {
                r = sandbox_plan_add_mount(p, NULL, private[i], /* writable= */ true, /* optional= */ false);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What `value` (a path, or the path behind NAME= ) is called on the host; NULL when out of memory. */
static char *translate(SandboxPlan *p, const char *value, bool assignment) {
        const char *path = assignment ? strchr(value, '=') : value;
        SandboxMount *m;
        char *s;

        path = path && assignment ? path + 1 : path;
        m = path && path[0] == '/' ? mount_above(p, path) : NULL;
        if (!m || !m->source)
                return strdup(value);
        if (asprintf(&s, "%.*s%s%s", (int) (path - value), value, m->source, path + strlen(m->target)) < 0)
                return NULL;
        return s;
}

/* Without a mount namespace there are no targets: paths in arguments and in NAME=PATH become those of the
 * host. */
static int translate_all(SandboxPlan *p, char **l, bool assignment) {
        for (; l && *l; l++) {
                char *s = translate(p, *l, assignment);

                if (!s)
                        return -ENOMEM;
                free(*l);
                *l = s;
        }
        return 0;
}

bool sandbox_plan_runs_from(const SandboxPlan *p, const char *path) {
        return p->argv && path_is_under(p->argv[0], path);
}

int sandbox_plan_flatten(SandboxPlan *p) {
        int r;

        for (size_t i = 0; i < p->n_mounts; i++) {
                SandboxMount *m = &p->mounts[i];

                if (m->source || !p->scratch_directory)
                        continue;
                if (asprintf(&m->source, "%s/private-%zu", p->scratch_directory, i) < 0) {
                        m->source = NULL;
                        return -ENOMEM;
                }
                if (mkdir(m->source, 0700) < 0 && errno != EEXIST)
                        return -errno;
        }
        r = translate_all(p, p->argv, /* assignment= */ false);
        for (size_t i = 0; r >= 0 && i < p->n_files; i++) {
                char *s = translate(p, p->files[i].target, false);

                if (!s)
                        return -ENOMEM;
                free(p->files[i].target);
                p->files[i].target = s;
        }
        if (r >= 0)
                r = translate_all(p, p->environment, /* assignment= */ true);
        if (r >= 0 && p->working_directory) {
                char *s = translate(p, p->working_directory, false);

                if (!s)
                        return -ENOMEM;
                free(p->working_directory);
                p->working_directory = s;
        }
        return r;
}

static int add_strv(JsonObject *o, const char *key, char *const *l) {
        JsonObject *array = json_object_new_array();
        int r = array ? json_add(o, key, array) : -ENOMEM;

        STRV_FOREACH(s, l) {
                JsonObject *v = r >= 0 ? json_object_new_string(*s) : NULL;

                if (!v)
                        return -ENOMEM;
                if (json_object_array_add(array, v) < 0) {
                        json_object_put(v);
                        return -ENOMEM;
                }
        }
        return r;
}

static int add_bool(JsonObject *o, const char *key, bool b) {
        JsonObject *v = json_object_new_boolean(b);

        return v ? json_add(o, key, v) : -ENOMEM;
}

/* JSON integers are 64 bits signed here: what is above is no limit in practice. */
static int add_u64(JsonObject *o, const char *key, uint64_t n) {
        JsonObject *v = json_object_new_int64((int64_t) MIN(n, (uint64_t) INT64_MAX));

        return v ? json_add(o, key, v) : -ENOMEM;
}

/* Defaults are left out; a plan is read by people when something does not work. */
static int mount_to_json(const SandboxMount *m, JsonObject *array) {
        JsonObject *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        if (json_object_array_add(array, o) < 0) {
                json_object_put(o);
                return -ENOMEM;
        }
        r = m->source ? json_add_string(o, "source", m->source) : 0;
        if (r >= 0)
                r = json_add_string(o, "target", m->target);
        if (r >= 0 && m->writable)
                r = add_bool(o, "writable", true);
        if (r >= 0 && m->optional)
                r = add_bool(o, "optional", true);
        if (r >= 0 && m->checked)
                r = add_u64(o, "device", m->device);
        if (r >= 0 && m->checked)
                r = add_u64(o, "inode", m->inode);
        return r;
}

/* Layers by name, since their numbers change between versions. */
static int layers_to_json(uint32_t mask, const char *key, JsonObject *o) {
        _cleanup_strv_ char **names = NULL;

        for (int i = 0; i < _SANDBOX_LAYER_MAX; i++)
                if (mask & SANDBOX_LAYER_BIT(i) && strv_extend(&names, sandbox_layer_table[i]) < 0)
                        return -ENOMEM;
        return add_strv(o, key, names);
}

typedef struct NumberField {
        const char *key;
        size_t offset;
} NumberField;

static const NumberField number_fields[] = {
        { "memory_max", offsetof(SandboxPlan, memory_max) },
        { "tasks_max", offsetof(SandboxPlan, tasks_max) },
        { "file_size_max", offsetof(SandboxPlan, file_size_max) },
        { "files_max", offsetof(SandboxPlan, files_max) },
        { "stop_grace_usec", offsetof(SandboxPlan, stop_grace_usec) },
        { "uid", offsetof(SandboxPlan, uid) },
        { "gid", offsetof(SandboxPlan, gid) },
};

static int files_to_json(const SandboxPlan *p, JsonObject *o) {
        JsonObject *array = json_object_new_array();
        int r = array ? json_add(o, "files", array) : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < p->n_files; i++) {
                JsonObject *f = json_object_new_object();

                if (!f)
                        return -ENOMEM;
                if (json_object_array_add(array, f) < 0) {
                        json_object_put(f);
                        return -ENOMEM;
                }
                r = json_add_string(f, "target", p->files[i].target);
                if (r >= 0)
                        r = add_u64(f, "mode", p->files[i].mode);
        }
        return r;
}

int sandbox_plan_to_json(const SandboxPlan *p, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        JsonObject *mounts = json_object_new_array();
        int r;

        if (!o || !mounts) {
                json_object_put(mounts);
                return -ENOMEM;
        }
        r = json_add(o, "mounts", mounts);
        for (size_t i = 0; r >= 0 && i < p->n_mounts; i++)
                r = mount_to_json(&p->mounts[i], mounts);
        if (r >= 0 && p->n_files > 0)
                r = files_to_json(p, o);
        if (r >= 0)
                r = add_strv(o, "argv", p->argv);
        if (r >= 0)
                r = add_strv(o, "environment", p->environment);
        if (r >= 0 && p->working_directory)
                r = json_add_string(o, "working_directory", p->working_directory);
        if (r >= 0 && p->image)
                r = json_add_string(o, "image", p->image);
        if (r >= 0)
                r = json_add_string(o, "network", network_class_to_string(p->network));
        if (r >= 0)
                r = add_bool(o, "allow_write_exec", p->allow_write_exec);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(number_fields); i++)
                r = add_u64(o, number_fields[i].key,
                            *(const uint64_t *) ((const char *) p + number_fields[i].offset));
        if (r >= 0)
                r = add_bool(o, "hold_term_until_stdin_ends", p->hold_term_until_stdin_ends);
        if (r >= 0 && p->scratch_directory)
                r = json_add_string(o, "scratch_directory", p->scratch_directory);
        if (r >= 0 && p->without)
                r = layers_to_json(p->without, "without", o);
        if (r >= 0 && p->outside)
                r = layers_to_json(p->outside, "outside", o);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

#define WHAT "sandbox plan"

static int copy_string(JsonObject *o, const char *key, char **ret, Error **reterr_error) {
        const char *s = NULL;
        int r = json_get_string(o, key, &s, WHAT, reterr_error);

        if (r <= 0)
                return r;
        *ret = strdup(s);
        return *ret ? 1 : -ENOMEM;
}

/* What a mount must be, if that is said. */
static int parse_identity(JsonObject *o, SandboxMount *ret, Error **reterr_error) {
        int64_t device = 0, inode = 0;
        int r = json_get_i64(o, "device", &device, WHAT, reterr_error), k;

        k = r < 0 ? r : json_get_i64(o, "inode", &inode, WHAT, reterr_error);
        if (k < 0)
                return k;
        *ret = (SandboxMount) { .checked = r > 0 && k > 0, .device = (uint64_t) device,
                                 .inode = (uint64_t) inode };
        return 0;
}

/* Through the same door as every mount: what is refused there is refused here. */
static int mounts_from_json(JsonObject *o, SandboxPlan *p, Error **reterr_error) {
        JsonObject *array = NULL;
        int r = json_get_array(o, "mounts", &array, WHAT, reterr_error);

        if (r <= 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                JsonObject *m = json_object_array_get_idx(array, i);
                const char *source = NULL, *target = NULL;
                bool writable = false, optional = false;
                SandboxMount said;

                if (json_get_string(m, "source", &source, WHAT, reterr_error) < 0 ||
                    json_get_bool(m, "writable", &writable, WHAT, reterr_error) < 0 ||
                    json_get_bool(m, "optional", &optional, WHAT, reterr_error) < 0)
                        return -EINVAL;
                r = json_get_string(m, "target", &target, WHAT, reterr_error);
                if (r <= 0)
                        return r < 0 ? r : error_set(reterr_error, -EINVAL,
                                                     WHAT ": mount %zu has no target", i);
                if (source && source[0] != '/')
                        return error_set(reterr_error, -EINVAL, WHAT ": mount source '%s' is not absolute",
                                         source);
                r = sandbox_plan_add_mount(p, source, target, writable, optional);
                if (r < 0)
                        return error_set_errno(reterr_error, r, WHAT ": nothing can be mounted at '%s'",
                                               target);
                r = parse_identity(m, &said, reterr_error);
                if (r < 0)
                        return r;
                /* None where the mount is part of another one. */
                for (size_t j = 0; said.checked && j < p->n_mounts; j++)
                        if (streq(p->mounts[j].target, target)) {
                                p->mounts[j].checked = true;
                                p->mounts[j].device = said.device;
                                p->mounts[j].inode = said.inode;
                        }
        }
        return 0;
}

static int files_from_json(JsonObject *o, SandboxPlan *p, Error **reterr_error) {
        JsonObject *array = NULL;
        int r = json_get_array(o, "files", &array, WHAT, reterr_error);

        if (r <= 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                JsonObject *f = json_object_array_get_idx(array, i);
                const char *target = NULL;
                int64_t mode = 0;

                if (json_get_string(f, "target", &target, WHAT, reterr_error) < 0 ||
                    json_get_i64(f, "mode", &mode, WHAT, reterr_error) < 0)
                        return -EINVAL;
                r = target && mode >= 0 && mode <= 0777 ? sandbox_plan_add_file(p, target, (unsigned) mode)
                        : -EINVAL;
                if (r < 0)
                        return error_set_errno(reterr_error, r, WHAT ": file %zu ('%s') cannot be made", i,
                                               strempty(target));
        }
        return 0;
}

/* All are 64 bits unsigned in the plan, so one table does for them. */
static int numbers_from_json(JsonObject *o, SandboxPlan *p, Error **reterr_error) {
        for (size_t i = 0; i < ELEMENTSOF(number_fields); i++) {
                int64_t n = 0;
                int r = json_get_i64(o, number_fields[i].key, &n, WHAT, reterr_error);

                if (r < 0)
                        return r;
                if (n < 0)
                        return error_set(reterr_error, -EINVAL, WHAT ": '%s' is negative",
                                         number_fields[i].key);
                *(uint64_t *) ((char *) p + number_fields[i].offset) = (uint64_t) n;
        }
        return 0;
}

/* An unknown layer is an error: leaving out what one has not heard of could be any layer. */
static int layers_from_json(JsonObject *o, const char *key, uint32_t *ret, Error **reterr_error) {
        _cleanup_strv_ char **names = NULL;
        int r = json_get_strv(o, key, &names, WHAT, reterr_error);

        if (r < 0)
                return r;
        STRV_FOREACH(s, names) {
                SandboxLayer l = sandbox_layer_from_string(*s);

                if (l < 0)
                        return error_set(reterr_error, -EINVAL, WHAT ": there is no layer '%s'", *s);
                *ret |= SANDBOX_LAYER_BIT(l);
        }
        return 0;
}

int sandbox_plan_from_json(JsonObject *o, SandboxPlan **ret, Error **reterr_error) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *p = sandbox_plan_new();
        const char *network = NULL;
        int r;

        if (!p)
                return -ENOMEM;
        if (!json_object_is_type(o, json_type_object))
                return error_set(reterr_error, -EINVAL, WHAT ": not an object");
        r = json_get_strv(o, "argv", &p->argv, WHAT, reterr_error);
        if (r >= 0 && (!p->argv || p->argv[0][0] != '/'))
                r = error_set(reterr_error, -EINVAL, WHAT ": 'argv' must begin with an absolute path");
        if (r >= 0)
                r = json_get_strv(o, "environment", &p->environment, WHAT, reterr_error);
        if (r >= 0)
                r = copy_string(o, "working_directory", &p->working_directory, reterr_error);
        if (r >= 0)
                r = copy_string(o, "image", &p->image, reterr_error);
        if (r >= 0)
                r = copy_string(o, "scratch_directory", &p->scratch_directory, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "network", &network, WHAT, reterr_error);
        if (r > 0) {
                p->network = network_class_from_string(network);
                if (p->network < 0)
                        r = error_set(reterr_error, -EINVAL, WHAT ": there is no network class '%s'",
                                      network);
        }
        if (r >= 0)
                r = json_get_bool(o, "allow_write_exec", &p->allow_write_exec, WHAT, reterr_error);
        if (r >= 0)
                r = json_get_bool(o, "hold_term_until_stdin_ends", &p->hold_term_until_stdin_ends, WHAT,
                                  reterr_error);
        if (r >= 0)
                r = numbers_from_json(o, p, reterr_error);
        if (r >= 0)
                r = layers_from_json(o, "without", &p->without, reterr_error);
        if (r >= 0)
                r = layers_from_json(o, "outside", &p->outside, reterr_error);
        if (r >= 0)
                r = mounts_from_json(o, p, reterr_error);
        if (r >= 0)
                r = files_from_json(o, p, reterr_error);
        /* Not even "(uid_t) -1", which means "nobody in particular" to the kernel. */
        if (r >= 0 && (p->uid >= UINT32_MAX || p->gid >= UINT32_MAX || (p->uid == 0) != (p->gid == 0)))
                r = error_set(reterr_error, -EINVAL, WHAT ": 'uid' and 'gid' do not name a user");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}
