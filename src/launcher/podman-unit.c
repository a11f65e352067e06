/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A container of podman's inside of a unit of systemd's. Shim, podman, conmon, container-init and
 * connector are all below the unit (--cgroups=split), so that what bounds and ends the unit bounds and
 * ends the container, also if podman itself is killed.
 *
 * Images are never pulled here: that is an administrator's act, and a workload must not wait for a
 * registry or run what appeared there since. What podman gets is an argument vector of fixed words and of
 * what the plan says.
 *
 * Much here is due to podman 4.3, which Debian 12 has: what it can't do, does wrongly or waits for is
 * said at the place. */

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/hash.h"
#include "basic/strv.h"
#include "launcher/podman-unit.h"
#include "launcher/unit-property.h"
#include "runtime/connector-plan.h"

/* podman and conmon run in the same unit, beside the container's own limits. */
#define PODMAN_MEMORY (UINT64_C(256) << 20)
#define PODMAN_TASKS 128U
/* What is in private places in memory counts as the container's memory. */
#define PRIVATE_SIZE "512m"

/* What gantry-setup gives to "containers", less the last range, which would hold "no user". */
#define IDS_FIRST UINT64_C(2147549184) /* 2^31 + 2^16 */
#define IDS_EACH UINT64_C(65536)
#define IDS_RANGES UINT64_C(32000)

static const UnitProperty podman_properties[] = {
        { "Delegate", "b", "true", "podman makes control groups below the unit's (--cgroups=split)" },
        { "UMask", "u", "18", "0022: what podman makes the container's user must pass through" },
};

static const char *const fixed_arguments[] = {
        "--rm",                  /* nothing stays of it */
        "--pull=never",          /* what runs is what an administrator has brought here */
        "--cgroups=split",       /* in the unit's control group */
        "--cap-drop=all",        /* none, for ever */
        "--security-opt=no-new-privileges",
        "--read-only",           /* its own memory is all it can write */
        "--log-driver=passthrough", /* pipes go straight to the connector: nobody copies, nothing is kept */
        "--preserve-fds=1",      /* the socket over which configuration and end travel */
        "--hostname=gantry",     /* the host's name is nobody's business there */
        "--no-healthcheck",      /* no timers of the image's */
        /* podman 4.3 makes an image's WORKDIR on the host where a link of the image leads there (T20). Airbyte
         * runs connectors in a place of its own, too. */
        "--workdir=" CONNECTOR_HOME,
        "--image-volume=tmpfs",  /* what the image calls volumes is not made on the host's disk */
        "--shm-size=" PRIVATE_SIZE,
        "--init",                /* hands signals on, reaps, makes the files: container-init.c */
};

/* A directory of hooks that is not there is none for podman: it would look at no image. */
int podman_unit_probe(const char *hooks, Error **reterr_error) {
        _cleanup_free_ char *hook = NULL;

        if (access(PODMAN_PROGRAM, X_OK) < 0)
                return error_set(reterr_error, -ENOENT,
                                 "Connectors in images need podman, and this host has none (" PODMAN_PROGRAM
                                 "): 'apt install podman' brings it");
        if (asprintf(&hook, "%s/" PODMAN_HOOK, strempty(hooks)) < 0) {
                hook = NULL;
                return -ENOMEM;
        }
        return access(hook, R_OK) < 0 ? error_set_errno(reterr_error, -errno, "Images can't be looked at: '%s'", hook)
                : 0;
}

/* A range of ids made of the unit's name, as other connectors have one id. podman's own choice
 * (--userns=auto) waits for itself for ever, in 4.3, holding the lock of all images and containers, when
 * another podman has changed something meanwhile (docs/decisions/0015).
 *
 * Connectors with files are the user whose the files are, and in their container nobody else exists: what the
 * image gives to other users is nobody's there. Ranges with a hole for that user would be better, but podman
 * 4.3 can't mount an image's layers through them; idmapped mounts are not for every file system. */
static int add_user(char ***argv, const char *unit, const LaunchRequest *q, const ConnectorStart *start) {
        uint64_t base = IDS_FIRST + hash64(HASH64_START, unit, strlen(unit)) % IDS_RANGES * IDS_EACH;
        int r;

        if (!start->read_paths && !start->write_paths) {
                r = strv_extendf(argv, "--uidmap=0:%" PRIu64 ":%" PRIu64, base, IDS_EACH);
                return r < 0 ? r : strv_extendf(argv, "--gidmap=0:%" PRIu64 ":%" PRIu64, base, IDS_EACH);
        }
        r = strv_extendf(argv, "--uidmap=0:%" PRIu64 ":1", q->files_uid);
        if (r >= 0)
                r = strv_extendf(argv, "--gidmap=0:%" PRIu64 ":1", q->files_gid);
        if (r >= 0)
                r = strv_extend(argv, "--user=0:0");
        /* Who is in its group may read what it writes. */
        return r >= 0 && start->write_paths ? strv_extend(argv, "--umask=0027") : r;
}

/* With a network it is the host's, as for other connectors: the unit's fence decides what is reached, and its
 * resolver has an address of the host's. A network of podman's would be one behind the host's, which that address
 * is not in, and changes the host's firewall. */
static const char *network_argument(const UnitPlan *u) {
        return u->zone ? "--network=host" : "--network=none";
}

static int append_field(Buffer *b, const char *key, const char *value) {
        int r = buffer_appendf(b, ",\"%s=", key);

        for (const char *c = value; r >= 0 && *c; c++)
                r = *c == '"' ? buffer_append(b, "\"\"", 2) : buffer_append(b, c, 1);
        return r < 0 ? r : buffer_append(b, "\"", 1);
}

/* podman takes a --volume apart at colons, whatever is in the path; a --mount is a line of comma-separated
 * values, with their rules of quoting. */
static int add_bind(char ***argv, const SandboxMount *m) {
        _cleanup_buffer_ Buffer b = {};
        int r = buffer_appendf(&b, "--mount=type=bind");

        if (r >= 0)
                r = append_field(&b, "source", m->source);
        if (r >= 0)
                r = append_field(&b, "target", m->target);
        if (r >= 0)
                r = buffer_appendf(&b, ",%s,nosuid,nodev,noexec", m->writable ? "rw" : "ro");
        return r < 0 ? r : strv_extend(argv, buffer_string(&b));
}

static int add_mounts(char ***argv, const SandboxPlan *p) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < p->n_mounts; i++) {
                const SandboxMount *m = &p->mounts[i];

                if (m->source)
                        r = add_bind(argv, m);
                else
                        r = strv_extendf(argv, "--tmpfs=%s:rw,nosuid,nodev,noexec,mode=1777,size=" PRIVATE_SIZE,
                                         m->target);
        }
        return r;
}

static int add_limits(char ***argv, const LaunchActor *a) {
        int r = 0;

        if (a->memory_max > 0)
                r = strv_extendf(argv, "--memory=%" PRIu64 "b", a->memory_max);
        if (r >= 0 && a->memory_max > 0)
                r = strv_extendf(argv, "--memory-swap=%" PRIu64 "b", a->memory_max);
        if (r >= 0 && a->tasks_max > 0)
                r = strv_extendf(argv, "--pids-limit=%" PRIu64, a->tasks_max);
        return r;
}

/* What the plan gives the connector; its PATH and language are the image's. podman itself gets a PATH that has
 * the tools of its networks, and the names of proxies, which it hands on. */
static int split_environment(char ***argv, SandboxPlan *p) {
        _cleanup_strv_ char **own = NULL;
        int r = strv_extend(&own, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");

        STRV_FOREACH(s, p->environment) {
                if (r < 0)
                        return r;
                if (strncmp(*s, "HOME=", 5) == 0 || strncmp(*s, "TMPDIR=", 7) == 0)
                        r = strv_extendf(argv, "--env=%s", *s);
                else if (strncmp(*s, "PATH=", 5) != 0)
                        r = strv_extend(&own, *s);
        }
        if (r < 0)
                return r;
        strv_free(p->environment);
        p->environment = TAKE_PTR(own);
        return 0;
}

/* The container's name is the unit's without its suffix. */
static int make_command(UnitPlan *u, const LaunchRequest *q, const LaunchActor *a, const ConnectorStart *start,
                        const char *name) {
        _cleanup_strv_ char **argv = NULL;
        SandboxPlan *p = u->sandbox;
        int r = strv_extend(&argv, PODMAN_PROGRAM);

        if (r >= 0)
                r = strv_extendf(&argv, "--hooks-dir=%s", q->container_hooks);
        if (r >= 0)
                r = strv_extend(&argv, "--runtime=crun"); /* … of which the shim knows the version */
        if (r >= 0)
                r = strv_extend(&argv, "run");
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fixed_arguments); i++)
                r = strv_extend(&argv, fixed_arguments[i]);
        if (r >= 0)
                r = strv_extendf(&argv, "--init-path=%s", q->container_init);
        if (r >= 0)
                r = strv_extendf(&argv, "--name=%s", name);
        if (r >= 0)
                r = strv_extendf(&argv, "--label=" PODMAN_LABEL "=%s", u->name);
        if (r >= 0 && u->wants_stdin)
                r = strv_extend(&argv, "--interactive");
        if (r >= 0)
                r = strv_extend(&argv, network_argument(u));
        if (r >= 0)
                r = add_user(&argv, u->name, q, start);
        if (r >= 0)
                r = add_limits(&argv, a);
        if (r >= 0)
                r = add_mounts(&argv, p);
        if (r >= 0)
                r = split_environment(&argv, p);
        if (r >= 0)
                r = strv_extend(&argv, p->image);
        STRV_FOREACH(s, p->argv)
                if (r >= 0)
                        r = strv_extend(&argv, *s);
        if (r < 0)
                return r;
        strv_free(p->argv);
        p->argv = TAKE_PTR(argv);
        return 0;
}

/* However the unit comes to its end, with shim, podman and conmon killed, too: systemd has podman forget the
 * container. With none there it does nothing. */
static int add_removal(UnitPlan *u, const char *name) {
        _cleanup_buffer_ Buffer b = {};
        JsonObject *list = NULL;
        int r = buffer_appendf(&b,
                               "[[\"" PODMAN_PROGRAM "\",[\"" PODMAN_PROGRAM "\",\"rm\",\"--force\",\"--ignore\","
                               "\"--time=0\",\"--volumes\",\"%s\"],true]]",
                               name);

        /* The name is of letters, digits and dashes: see unit_name_parse(). */
        if (r >= 0)
                r = json_parse(buffer_bytes(&b), b.len, &list, NULL);
        return r < 0 ? r : unit_property_add(u->properties, "ExecStopPost", "a(sasb)", list);
}

int podman_unit_add(UnitPlan *u, const LaunchRequest *q, const LaunchActor *a, const ConnectorStart *start) {
        _cleanup_free_ char *name = strndup(u->name, strlen(u->name) - STRLEN(".service"));
        int r;

        if (!name)
                return -ENOMEM;
        /* The shim stays root in the host's namespaces; all else is podman's to arrange. */
        u->sandbox->uid = u->sandbox->gid = 0;
        u->sandbox->outside = SANDBOX_LAYER_BIT(_SANDBOX_LAYER_MAX) - 1;
        r = make_command(u, q, a, start, name);
        if (r >= 0)
                r = unit_property_add_table(u->properties, podman_properties, ELEMENTSOF(podman_properties));
        if (r >= 0 && a->memory_max > 0)
                r = unit_property_add_u64(u->properties, "MemoryMax", a->memory_max + PODMAN_MEMORY);
        if (r >= 0 && a->tasks_max > 0)
                r = unit_property_add_u64(u->properties, "TasksMax", a->tasks_max + PODMAN_TASKS);
        return r < 0 ? r : add_removal(u, name);
}
