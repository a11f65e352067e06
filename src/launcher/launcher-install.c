/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Installations, from the launcher's side: their places are made, and what came to be there is published when
 * the unit and all its processes are gone. The API hears of a success only after that: whoever asks for the
 * connector then finds it. */

#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/log.h"
#include "basic/path-util.h"
#include "launcher/launcher-internal.h"
#include "runtime/suite-store.h"

#define WHAT "installation"

static char *place_of(const Run *r) {
        return path_join(SUITE_STAGING, r->auto_id);
}

/* ---- The beginning ---- */

static int read_reference(JsonObject *input, ConnectorRef **ret, Error **reterr_error) {
        const char *text = NULL;
        int r = json_get_string(json_member(input, "actor"), "reference", &text, WHAT, reterr_error);

        if (r == 0)
                return error_set(reterr_error, -EINVAL, "The workload does not say what to install");
        if (r > 0)
                r = connector_ref_parse(text, CONNECTOR_ANY_ROLE, ret, reterr_error);
        if (r >= 0 && (*ret)->kind != CONNECTOR_PYPI && (*ret)->kind != CONNECTOR_NPM)
                return error_set(reterr_error, -EINVAL, "'%s' is nothing to install", text);
        return r;
}

static int output_of(const InstalledConnector *c, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add_string(o, "reference", c->reference) : -ENOMEM;

        if (r >= 0)
                r = json_add_string(o, "version", c->version);
        if (r >= 0)
                r = json_add_string(o, "directory", c->directory);
        if (r >= 0)
                r = json_add(o, "already", json_object_new_boolean(true));
        if (r >= 0 && c->built_from_source)
                r = json_add(o, "builtFromSource", json_object_new_boolean(true));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int make_directory(const char *parent, const char *name, unsigned mode, const struct passwd *owner) {
        _cleanup_free_ char *path = path_join(parent, name);

        if (!path)
                return -ENOMEM;
        if (mkdir(path, mode) < 0 && errno != EEXIST)
                return -errno;
        return owner ? RET_NERRNO(chown(path, owner->pw_uid, owner->pw_gid)) : 0;
}

/* The place is root's, and so is the note of what is wanted: what is published is what was asked for. */
static int make_place(const Run *run, const ConnectorRef *ref, const struct passwd *owner, Error **reterr_error) {
        _cleanup_free_ char *place = place_of(run), *note = NULL, *text = connector_ref_to_string(ref);
        int r;

        note = place ? path_join(place, SUITE_STAGED_REFERENCE) : NULL;
        if (!note || !text)
                return -ENOMEM;
        r = make_directory(SUITE_STORE, ".staging", 0700, NULL);
        if (r >= 0)
                r = make_directory(SUITE_STAGING, run->auto_id, 0700, NULL);
        if (r >= 0)
                r = make_directory(place, SUITE_STAGED_STORE, 0700, owner);
        if (r >= 0)
                r = make_directory(place, SUITE_STAGED_SCRATCH, 0700, owner);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to make '%s'", place);
        return write_file_atomic(note, text, strlen(text), 0600, reterr_error);
}

int run_install_begin(Run *r, JsonObject *input, JsonObject **ret_output, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *there = NULL;
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        const struct passwd *owner = getpwnam(INSTALL_USER);
        int k;

        k = read_reference(input, &ref, reterr_error);
        if (k < 0)
                return k;
        if (ref->version && connector_store_find(ref, &there, NULL) >= 0) {
                k = output_of(there, ret_output);
                return k < 0 ? k : 1;
        }
        if (r->launcher->install.error)
                return error_set(reterr_error, -EINVAL, "%s", error_message(r->launcher->install.error, -EINVAL));
        if (!owner)
                return error_set(reterr_error, -EINVAL, "There is no user '" INSTALL_USER "' to install as");
        return make_place(r, ref, owner, reterr_error);
}

int run_install_plan(Run *r, JsonObject *input, const LaunchRequest *base, LaunchPlan **ret, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *installer = NULL;
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_free_ char *place = place_of(r), *text = NULL;
        const struct passwd *owner = getpwnam(INSTALL_USER);
        _cleanup_json_ JsonObject *own = NULL;
        LaunchRequest q = *base;
        InstallPlan plan = {};
        int k;

        if (!place || !r->launcher->installer)
                return -ENOMEM;
        k = read_reference(input, &ref, reterr_error);
        if (k < 0)
                return k;
        installer = launch_install_connector(r->launcher->installer, ref->kind == CONNECTOR_NPM);
        text = connector_ref_to_string(ref);
        if (!installer || !text)
                return -ENOMEM;
        k = launch_install_input(&r->launcher->install, text, &own);
        if (k >= 0)
                k = launch_install_plan_init(place, owner ? owner->pw_uid : 0, owner ? owner->pw_gid : 0, &plan);
        if (k < 0)
                return k;
        q.input = own;
        q.connectors[0] = installer;
        q.install = &plan;
        k = launch_plan_new(&q, ret, reterr_error);
        launch_install_plan_done(&plan);
        return k;
}

/* ---- The end ---- */

static int run_tool(Run *r, const char *verb, ToolDone done, Error **reterr_error) {
        char *const argv[] = { r->launcher->installer, (char *) verb, r->auto_id, NULL };

        r->tool = tool_free(r->tool);
        return tool_start(r->launcher->env, argv, TOOL_PATIENCE_USEC, done, r, &r->tool, reterr_error);
}

static void on_published(int code, const char *said, void *userdata) {
        _cleanup_json_ JsonObject *output = NULL;
        Run *r = userdata;

        if (code == 0 && json_parse(said, strlen(said), &output, NULL) >= 0 && output) {
                log_debug("%s is installed", strempty(json_object_get_string(json_member(output, "reference"))));
                run_succeed(r, output);
        } else
                run_fail(r, *said ? said : "What was installed could not be put into its place");
}

static void on_units_gone(int r, const Error *error, void *userdata) {
        _cleanup_error_ Error *why = NULL;
        Run *run = userdata;

        /* Processes of it may live on: what they could still change is not published. */
        if (r < 0)
                run_fail(run, error_message(error, r));
        else if ((r = run_tool(run, "publish", on_published, &why)) < 0)
                run_fail(run, error_message(why, r));
}

void run_install_publish(Run *r) {
        ExecutorHandle h = { .epoch = r->epoch, .slice = r->slice };

        snprintf(h.auto_id, sizeof(h.auto_id), "%s", r->auto_id);
        r->state = RUN_PUBLISHING;
        if (r->launcher->executor->ops->cancel(r->launcher->executor, &h, on_units_gone, r) < 0)
                run_fail(r, "The units of the installation could not be stopped");
}

static void on_discarded(int code, const char *said, void *userdata) {
        Run *r = userdata;

        if (code != 0)
                log_warning("The place of '%s' is not cleared: %s", r->id, said);
        run_gone(r);
}

void run_install_discard(Run *r) {
        _cleanup_free_ char *place = place_of(r);

        r->state = RUN_ENDING;
        if (!place || !path_exists(place) || run_tool(r, "discard", on_discarded, NULL) < 0)
                run_gone(r);
}

/* ---- What earlier launchers left ---- */

static void on_swept(int code, const char *said, void *userdata) {
        Launcher *l = userdata;

        if (code != 0)
                log_warning("The places of earlier installations are not cleared: %s", said);
        l->sweeping = tool_free(l->sweeping);
        l->swept(l);
}

static int sweep(Launcher *l) {
        _cleanup_strv_ char **argv = NULL;
        int r = strv_extend(&argv, l->installer);

        if (r >= 0)
                r = strv_extend(&argv, "sweep");
        for (const Run *run = l->runs; r >= 0 && run; run = run->next)
                r = strv_extend(&argv, run->auto_id);
        return r < 0 ? r : tool_start(l->env, argv, TOOL_PATIENCE_USEC, on_swept, l, &l->sweeping, NULL);
}

void launcher_install_sweep(Launcher *l, void (*done)(Launcher *l)) {
        l->swept = done;
        if (!l->claimed_known || !l->installer || !path_exists(l->staging) || sweep(l) < 0)
                done(l);
}

/* ---- Removing ---- */

static void on_removed(int code, const char *said, void *userdata) {
        Launcher *l = userdata;

        l->removing = tool_free(l->removing);
        l->removed(code, said, l->removed_userdata);
}

int launcher_remove_connector(Launcher *l, const char *reference, ToolDone done, void *userdata, Error **reterr_error) {
        char *const argv[] = { l->installer, (char *) "remove", (char *) reference, NULL };

        if (!l->installer)
                return error_set(reterr_error, -ENOENT, "gantry-installer is missing");
        if (l->removing)
                return error_set(reterr_error, -EBUSY, "Another connector is being removed");
        l->removed = done;
        l->removed_userdata = userdata;
        return tool_start(l->env, argv, TOOL_PATIENCE_USEC, on_removed, l, &l->removing, reterr_error);
}
