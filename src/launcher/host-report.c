/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The gates stand where connectors are started: isolation in launcher-run.c, podman and its hook in
 * podman-unit.c, crun's version in the shim. Each is asked here with the same function and words, so that
 * what is shown is what will be said. Versions are asked for anew each time, since packages are upgraded
 * while the launcher runs; isolation is as it was tried after the boot. */

#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "launcher/host-report.h"
#include "launcher/launcher-internal.h"
#include "launcher/podman-unit.h"
#include "sandbox/container-runtime.h"

/* A program that says its version takes less on any machine. */
#define ASK_USEC (10 * USEC_PER_SEC)
/* The try takes a second or two where units start; who looks at a status doesn't wait for its whole
 * patience. */
#define WAIT_USEC (5 * USEC_PER_SEC)
#define WAIT_STEP_USEC (100 * USEC_PER_MSEC)

struct HostReport {
        Launcher *launcher;
        HostReportDone done;
        void *userdata;
        Tool *podman, *crun;
        char *podman_said, *crun_said; /* NULL: nothing that counts */
        EnvSource *wait;
        usec_t until;
        HostReport *next; /* of the launcher's */
};

static HostReport *host_report_free(HostReport *h) {
        if (!h)
                return NULL;
        for (HostReport **p = &h->launcher->reports; *p; p = &(*p)->next)
                if (*p == h) {
                        *p = h->next;
                        break;
                }
        tool_free(h->podman);
        tool_free(h->crun);
        env_source_free(h->launcher->env, h->wait);
        free(h->podman_said);
        free(h->crun_said);
        free(h);
        return NULL;
}
DEFINE_CLEANUP(HostReport, host_report_free);

/* Either is the end: it is known, or can't be. */
static bool isolation_is_open(const HostReport *h) {
        return !h->launcher->ready;
}

/* -- The report -- */

static int add_refusal(JsonObject *refused, const char *what, const char *why) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "what", what);
        if (r >= 0)
                r = json_add_string(o, "why", why);
        if (r >= 0 && json_object_array_add(refused, o) < 0)
                r = -ENOMEM;
        if (r >= 0)
                (void) TAKE_PTR(o);
        return r;
}

static int add_isolation(const HostReport *h, JsonObject *report, JsonObject *refused) {
        const Launcher *l = h->launcher;
        const char *missing = !l->isolation ? "it could not be tried" : isolation_missing(l->isolation);
        bool open = isolation_is_open(h);
        JsonObject *isolation = json_object_new_object();
        int r = json_add(report, "isolation", isolation);

        if (r >= 0)
                r = json_add_string(isolation, "state", open ? "being tried"
                                    : missing ? "incomplete" : "holds");
        if (r >= 0 && missing && !open)
                r = json_add_string(isolation, "missing", missing);
        if (r >= 0)
                r = json_add(isolation, "allowUnisolated", json_object_new_boolean(l->allow_unisolated));
        if (r < 0 || open || !missing || l->allow_unisolated)
                return r;
        return add_refusal(refused, "connectors that are not native", missing);
}

/* 2 is the unified hierarchy; the hybrid of some hosts counts as 1, where the limits are. */
static int cgroup_version(void) {
        struct statfs fs;

        if (statfs("/sys/fs/cgroup", &fs) < 0)
                return 0;
        return fs.f_type == CGROUP2_SUPER_MAGIC ? 2 : 1;
}

static int add_containers(const HostReport *h, JsonObject *report, JsonObject *refused) {
        JsonObject *podman = json_object_new_object(), *crun = json_object_new_object();
        _cleanup_error_ Error *error = NULL;
        char version[CONTAINER_VERSION_MAX] = "";
        int r = json_add(report, "podman", podman), q;

        if (r >= 0)
                r = json_add(report, "crun", crun);
        else
                json_object_put(crun);
        if (r >= 0 && h->podman_said && sscanf(h->podman_said, "podman version %31s", version) == 1)
                r = json_add_string(podman, "version", version);
        if (r < 0)
                return r;
        q = podman_unit_probe(h->launcher->container_hooks, &error);
        if (q >= 0)
                q = container_runtime_check(h->crun_said, version, &error);
        else
                (void) container_runtime_check(h->crun_said, version, NULL);
        if (*version)
                r = json_add_string(crun, "version", version);
        if (r >= 0)
                r = json_add_string(crun, "oldest", CONTAINER_RUNTIME_OLDEST);
        return r < 0 || q >= 0 ? r : add_refusal(refused, "connectors in images", error_message(error, q));
}

static JsonObject *make_report(const HostReport *h) {
        _cleanup_json_ JsonObject *report = json_object_new_object();
        JsonObject *refused = json_object_new_array();
        int r = report ? 0 : -ENOMEM;

        if (r >= 0)
                r = add_isolation(h, report, refused);
        if (r >= 0)
                r = json_add(report, "cgroupVersion", json_object_new_int(cgroup_version()));
        if (r >= 0)
                r = add_containers(h, report, refused);
        if (r >= 0)
                r = json_add(report, "refused", json_object_get(refused));
        json_object_put(refused);
        return r < 0 ? NULL : TAKE_PTR(report);
}

/* -- What comes before it -- */

static void conclude(HostReport *h) {
        _cleanup_json_ JsonObject *report = NULL;

        if (h->podman || h->crun)
                return;
        if (isolation_is_open(h) && env_now(h->launcher->env, ENV_CLOCK_MONOTONIC) < h->until)
                return;
        report = make_report(h);
        h->done(report, h->userdata);
        host_report_free(h);
}

static int on_wait(EnvSource *s, usec_t now, void *userdata) {
        HostReport *h = userdata;

        (void) h->launcher->env->ops->timer_set(s, now + WAIT_STEP_USEC);
        conclude(h);
        return 0;
}

static void tool_ended(Tool **tool, int code, char **said) {
        if (code != 0 || tool_first_line(*tool, said) < 0)
                *said = NULL;
        *tool = tool_free(*tool);
}

static void on_podman(int code, const char *last, void *userdata) {
        HostReport *h = userdata;

        tool_ended(&h->podman, code, &h->podman_said);
        conclude(h);
}

static void on_crun(int code, const char *last, void *userdata) {
        HostReport *h = userdata;

        tool_ended(&h->crun, code, &h->crun_said);
        conclude(h);
}

/* One that isn't there has no version. */
static void ask(HostReport *h, const char *program, ToolDone done, Tool **ret) {
        char *argv[] = { (char *) program, (char *) "--version", NULL };

        if (access(program, X_OK) < 0 ||
            tool_start(h->launcher->env, argv, ASK_USEC, done, h, ret, NULL) < 0)
                *ret = NULL;
}

int host_report_begin(Launcher *l, HostReportDone done, void *userdata) {
        _cleanup_(host_report_freep) HostReport *h = calloc(1, sizeof(*h));
        usec_t now = env_now(l->env, ENV_CLOCK_MONOTONIC);
        int r;

        if (!h)
                return -ENOMEM;
        *h = (HostReport) { .launcher = l, .done = done, .userdata = userdata, .until = now + WAIT_USEC };
        /* It concludes even where there is nobody to ask. */
        r = l->env->ops->timer_add(l->env, now, on_wait, h, &h->wait);
        if (r < 0)
                return r;
        ask(h, PODMAN_PROGRAM, on_podman, &h->podman);
        ask(h, CONTAINER_RUNTIME, on_crun, &h->crun);
        h->next = l->reports;
        l->reports = TAKE_PTR(h);
        return 0;
}

void host_report_end_all(Launcher *l) {
        while (l->reports) {
                l->reports->done(NULL, l->reports->userdata);
                host_report_free(l->reports);
        }
}
