/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "launcher/launch-install.h"
#include "launcher/launch-plan.h"
#include "unit/test.h"

TEST_MAIN()

#define AUTO_ID "0190a6c2-7c1e-7abc-8def-0123456789ab"
#define SECRET "hunter22-secret"

static char program[] = "/usr/lib/gantry/connectors/source-faker";
static char *command[] = { program, NULL };
static const InstalledConnector connector = {
        .reference = (char *) "native:source-faker", .directory = (char *) "/usr/lib/gantry/connectors",
                .command = command,
};

static JsonObject *parse(const char *text) {
        JsonObject *o = NULL;

        ASSERT_OK(json_parse(text, strlen(text), &o, NULL));
        return o;
}

static LaunchRequest request(const char *type, JsonObject *input) {
        return (LaunchRequest) {
                .id = "an id; $(reboot) %n ../x", .auto_id = AUTO_ID, .type = type, .job_id = 7,
                        .attempt = 2, .epoch = 3,
                .input = input, .connectors = { &connector, &connector },
                        .shim = "/usr/lib/gantry/gantry-shim",
                .worker = "/usr/lib/gantry/gantry-worker", .api = "/run/gantry/workload.sock", .worker_group = 903,
                .fence = "/usr/lib/gantry/gantry-fence",
                .files_uid = 901, .files_gid = 902,
        };
}

#define ACTOR(role, more)                                                                      \
        "{\"reference\":\"native:source-faker\",\"role\":\"" role "\",\"executor\":\"lite\","   \
        "\"network\":\"none\","                                                                 \
        "\"limits\":{\"memoryMax\":104857600,\"cpuQuota\":50,\"tasksMax\":9},"                  \
        "\"configuration\":{\"password\":\"" SECRET "\"}" more "}"
#define NO_STREAMS "{\"streams\":[]}"
#define SYNC                                                                                   \
        "{\"syncId\":1,\"source\":" ACTOR("source", "")                                         \
        ",\"destination\":" ACTOR("destination", "")                                            \
        ",\"sourceCatalog\":" NO_STREAMS ",\"destinationCatalog\":" NO_STREAMS                  \
        ",\"streams\":[],\"state\":[{\"type\":\"LEGACY\",\"data\":{}}]}"

static LaunchPlan *plan(const char *type, const char *input) {
        _cleanup_json_ JsonObject *o = parse(input);
        LaunchRequest q = request(type, o);
        LaunchPlan *p = NULL;

        ASSERT_OK(launch_plan_new(&q, &p, NULL));
        return p;
}

static JsonObject *property(const UnitPlan *u, const char *name) {
        JsonObject *pair = json_member(u->properties, name);

        return pair ? json_object_array_get_idx(pair, 1) : NULL;
}

TEST(a_sync_is_three_units_in_a_slice) {
        _cleanup_(launch_plan_freep) LaunchPlan *p = plan("sync", SYNC);

        assert_string_equal(p->slice, "gantry-jobs-j7a2.slice");
        assert_int_equal(p->n_units, 3);
        assert_string_equal(p->units[0].name, "gantry-run-" AUTO_ID "-e3-source.service");
        assert_string_equal(p->units[1].name, "gantry-run-" AUTO_ID "-e3-destination.service");
        assert_string_equal(p->units[2].name, "gantry-run-" AUTO_ID "-e3-worker.service");
        for (size_t i = 0; i < p->n_units; i++) {
                assert_string_equal(json_object_get_string(property(&p->units[i], "Slice")), p->slice);
                assert_string_equal(json_object_get_string(property(&p->units[i], "Type")), "exec");
                assert_true(json_object_get_boolean(property(&p->units[i], "RemainAfterExit")));
        }
        assert_true(p->units[1].wants_stdin && p->units[1].sandbox->hold_term_until_stdin_ends);
        assert_false(p->units[0].wants_stdin);
}

TEST(a_secret_is_in_a_file_and_nowhere_else) {
        _cleanup_(launch_plan_freep) LaunchPlan *p = plan("sync", SYNC);
        _cleanup_json_ JsonObject *shown = NULL;
        _cleanup_free_ char *text = NULL, *input = NULL;

        ASSERT_OK(launch_plan_to_json(p, &shown));
        text = json_to_string(shown);
        input = json_to_string(p->input);
        assert_null(strstr(text, SECRET));
        assert_null(strstr(input, SECRET));
        assert_non_null(strstr(p->units[0].files[0], SECRET));
        assert_string_equal(p->units[0].sandbox->files[0].target, "/run/gantry/config.json");
        assert_int_equal(p->units[0].sandbox->files[0].mode, 0600);
        /* Catalog and, for the source alone, state. */
        assert_int_equal(p->units[0].sandbox->n_files, 3);
        assert_int_equal(p->units[1].sandbox->n_files, 2);
        assert_string_equal(p->units[0].files[2], "{}"); /* a LEGACY state goes without its message */
}

TEST(each_connector_has_a_user_of_its_own) {
        _cleanup_(launch_plan_freep) LaunchPlan *p = plan("sync", SYNC);

        assert_true(p->units[0].sandbox->uid >= 0x7f000000 && p->units[0].sandbox->uid < 0x7ffd0000);
        assert_int_not_equal(p->units[0].sandbox->uid, p->units[1].sandbox->uid);
}

TEST(connectors_with_files_are_the_user_of_the_files) {
        _cleanup_(launch_plan_freep) LaunchPlan *p =
                plan("check", "{\"actor\":" ACTOR("source",
                                                  ",\"paths\":[{\"path\":\"/srv/gantry/a\",\"write\":false}]") "}");

        assert_int_equal(p->units[0].sandbox->uid, 901);
        assert_int_equal(p->units[0].sandbox->gid, 902);
}

TEST(a_url_is_no_path_of_this_host) {
        _cleanup_(launch_plan_freep) LaunchPlan
                *remote = plan("check", "{\"actor\":" ACTOR("source", ",\"paths\":[{\"path\":\"https://h/a.csv\"}]") "}"),
                *local = plan("check", "{\"actor\":" ACTOR("source", ",\"paths\":[{\"path\":\"file:///srv/gantry/a\"}]") "}");

        assert_int_not_equal(remote->units[0].sandbox->uid, 901);
        assert_int_equal(local->units[0].sandbox->uid, 901);
}

TEST(limits_become_properties) {
        _cleanup_(launch_plan_freep) LaunchPlan *p = plan("check", "{\"actor\":" ACTOR("source", "") "}");

        assert_string_equal(p->slice, "gantry-jobs-check0190a6c27c1e7abc8def0123456789ab.slice");
        assert_int_equal(json_object_get_int64(property(&p->units[0], "MemoryMax")), 104857600);
        assert_int_equal(json_object_get_int64(property(&p->units[0], "CPUQuotaPerSecUSec")), 500000);
        assert_int_equal(json_object_get_int64(property(&p->units[0], "TasksMax")), 11);
}

TEST(a_clear_has_no_source) {
        _cleanup_(launch_plan_freep) LaunchPlan *p = NULL;
        _cleanup_json_ JsonObject *o = parse("{\"source\":null,\"destination\":" ACTOR("destination", "")
                                             ",\"destinationCatalog\":{\"streams\":[]}}");
        LaunchRequest q = request("sync", o);

        q.connectors[0] = NULL;
        ASSERT_OK(launch_plan_new(&q, &p, NULL));
        assert_int_equal(p->n_units, 2);
        assert_int_equal(p->units[0].role, UNIT_DESTINATION);
}

static void refuse(const char *type, const char *auto_id, const char *input, const char *why) {
        _cleanup_json_ JsonObject *o = parse(input);
        _cleanup_error_ Error *e = NULL;
        LaunchRequest q = request(type, o);
        LaunchPlan *p = NULL;

        q.auto_id = auto_id;
        assert_true(launch_plan_new(&q, &p, &e) < 0);
        assert_null(p);
        assert_non_null(strstr(error_message(e, 0), why));
}

TEST(bad_workloads_are_refused_with_a_reason) {
        static const char good[] = "{\"actor\":" ACTOR("source", "") "}";
        static const char *const ids[] = {
                "", "../etc", "0190a6c2-7c1e-7abc-8def-0123456789aB",
                        "0190a6c2-7c1e-7abc-8def-0123456789ab-x",
                "0190a6c2_7c1e_7abc_8def_0123456789ab", "0190a6c2-7c1e-7abc-8def-0123456789%n",
        };

        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                refuse("check", ids[i], good, "can't name a unit");
        refuse("dance", AUTO_ID, good, "dance");
        refuse("check", AUTO_ID, "{}", "actor");
        refuse("check", AUTO_ID, "{\"actor\":{\"reference\":\"native:x\"}}", "configuration");
        refuse("check", AUTO_ID, "{\"actor\":{\"reference\":\"native:x\",\"network\":\"all\"}}",
               "network class");
        refuse("check", AUTO_ID, "{\"actor\":{\"reference\":\"native:x\",\"limits\":{\"tasksMax\":-1}}}",
               "tasksMax");
        refuse("check", AUTO_ID, "{\"actor\":{\"reference\":\"native:x\",\"paths\":[{\"path\":\"a\"}]}}",
               "not absolute");
        refuse("check", AUTO_ID,
               "{\"actor\":{\"reference\":\"native:x\",\"configuration\":{},\"paths\":[{\"path\":\"/proc/1\"}]}}", "/proc/1");
        refuse("sync", AUTO_ID, "{\"source\":null}", "actor");
}

TEST(the_worker_is_told_who_to_become_and_fences_itself_in) {
        /* Properties for which systemd makes a mount or network namespace, or loads a filter: slow, and what
         * the worker does by itself. */
        static const char *const slow[] = {
                "BindPaths", "DynamicUser", "InaccessiblePaths", "MemoryDenyWriteExecute", "PrivateDevices", "PrivateIPC",
                "PrivateNetwork", "PrivateTmp", "ProtectHome", "ProtectProc", "ProtectSystem", "RestrictAddressFamilies",
                "RestrictNamespaces", "RootDirectory", "SystemCallFilter", "User",
        };
        _cleanup_(launch_plan_freep) LaunchPlan *p = plan("sync", SYNC);
        const UnitPlan *u = &p->units[2];
        JsonObject *argv = json_object_array_get_idx(json_object_array_get_idx(property(u, "ExecStart"), 0), 1);
        char uid[24];

        snprintf(uid, sizeof(uid), "%llu", (unsigned long long) unit_uid(u->name));
        assert_int_equal(json_object_array_length(argv), 5);
        assert_string_equal(json_object_get_string(json_object_array_get_idx(argv, 1)), uid);
        assert_string_equal(json_object_get_string(json_object_array_get_idx(argv, 2)), uid);
        assert_string_equal(json_object_get_string(json_object_array_get_idx(argv, 3)), "903");
        assert_string_equal(json_object_get_string(json_object_array_get_idx(argv, 4)), "/run/gantry/workload.sock");
        for (size_t i = 0; i < ELEMENTSOF(slow); i++)
                assert_null(property(u, slow[i]));
        /* What it needs for that, and no more: setgid, setuid, setpcap, sys_admin. */
        assert_int_equal(json_object_get_int64(property(u, "CapabilityBoundingSet")), 1 << 6 | 1 << 7 | 1 << 8 | 1 << 21);
        assert_true(json_object_get_boolean(property(u, "NoNewPrivileges")));
        assert_non_null(property(u, "MemoryMax"));
        assert_non_null(property(u, "TasksMax"));
}

TEST(names_of_units_are_read_as_they_are_made) {
        static const char *const bad[] = {
                "gantry-run-", "gantry-run-" AUTO_ID ".service", "gantry-run-" AUTO_ID "-e3-source.slice",
                "gantry-run-" AUTO_ID "-e3-nobody.service", "gantry-run-" AUTO_ID "-ex-source.service",
                "gantry-jun-" AUTO_ID "-e3-source.service", "gantry-run-" AUTO_ID "-e3-source.service.d",
        };
        char auto_id[37];
        int64_t epoch;
        UnitRole role;

        ASSERT_OK(unit_name_parse("gantry-run-" AUTO_ID "-e12-worker.service", auto_id, &epoch, &role));
        assert_string_equal(auto_id, AUTO_ID);
        assert_int_equal(epoch, 12);
        assert_int_equal(role, UNIT_WORKER);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_true(unit_name_parse(bad[i], auto_id, &epoch, &role) < 0);
}

static const SandboxMount *mount_at(const UnitPlan *u, const char *target) {
        for (size_t i = 0; i < u->sandbox->n_mounts; i++)
                if (streq(u->sandbox->mounts[i].target, target))
                        return &u->sandbox->mounts[i];
        return NULL;
}

TEST(a_unit_with_a_network_begins_with_its_fence) {
        static const char *const executors[] = { "lite", "service" };

        for (size_t i = 0; i < ELEMENTSOF(executors); i++) {
                _cleanup_free_ char *input = NULL, *none = NULL;
                _cleanup_(launch_plan_freep) LaunchPlan *p = NULL, *q = NULL;
                JsonObject *fence;

                assert_true(asprintf(&input, "{\"actor\":{\"reference\":\"native:x\",\"executor\":\"%s\",\"network\":"
                                     "\"hosts\",\"allowedHosts\":[\"${h}\"],\"configuration\":{\"h\":\"db\"}}}",
                                     executors[i]) > 0);
                assert_true(asprintf(&none, "{\"actor\":{\"reference\":\"native:x\",\"executor\":\"%s\",\"network\":"
                                     "\"none\",\"allowedHosts\":[\"x\"],\"configuration\":{}}}", executors[i]) > 0);
                p = plan("check", input);
                q = plan("check", none);
                fence = json_object_array_get_idx(property(&p->units[0], "ExecStartPreEx"), 0);
                assert_string_equal(json_object_get_string(json_object_array_get_idx(fence, 0)),
                                    "/usr/lib/gantry/gantry-fence");
                assert_string_equal(json_object_get_string(json_object_array_get_idx(
                        json_object_array_get_idx(fence, 1), 1)), p->units[0].name);
                assert_true(network_zone_may_ask(p->units[0].zone, "db"));
                assert_non_null(strstr(mount_at(&p->units[0], "/etc/resolv.conf")->source, p->units[0].name));
                assert_false(mount_at(&p->units[0], "/etc/hosts")->optional);
                assert_null(property(&q->units[0], "ExecStartPreEx"));
                assert_null(q->units[0].zone);
                assert_null(mount_at(&q->units[0], "/etc/resolv.conf"));
        }
}

TEST(a_specification_takes_no_network) {
        _cleanup_(launch_plan_freep) LaunchPlan *p =
                plan("spec", "{\"actor\":{\"reference\":\"native:x\",\"executor\":\"service\",\"network\":\"any\"}}");

        assert_null(p->units[0].zone);
        assert_true(json_object_get_boolean(property(&p->units[0], "PrivateNetwork")));
}

TEST(a_service_says_no_empty_list_of_binds) {
        _cleanup_(launch_plan_freep) LaunchPlan *p =
                plan("check",
                     "{\"actor\":{\"reference\":\"native:x\",\"executor\":\"service\",\"configuration\":{}}}");
        const UnitPlan *u = &p->units[0];

        assert_null(property(u, "BindPaths"));
        assert_non_null(property(u, "BindReadOnlyPaths"));
        assert_non_null(property(u, "RootDirectory"));
        assert_int_equal(u->sandbox->uid, 0);
        assert_true(json_object_get_boolean(property(u, "DynamicUser")));
}

TEST(an_installation_writes_to_its_own_place_and_is_seen_as_the_store) {
        _cleanup_(installed_connector_freep) InstalledConnector *installer =
                launch_install_connector("/usr/lib/gantry/gantry-installer", /* npm= */ false);
        InstallSettings settings = { .index_url = (char *) "https://me:" SECRET "@mirror.example/simple/" };
        _cleanup_(launch_install_plan_done) InstallPlan install = {};
        _cleanup_json_ JsonObject *input = NULL, *shown = NULL;
        _cleanup_(launch_plan_freep) LaunchPlan *p = NULL;
        _cleanup_free_ char *text = NULL, *told = NULL;
        LaunchRequest q = request("install", NULL);

        ASSERT_OK(launch_install_input(&settings, "pypi:airbyte-source-x==1", &input));
        ASSERT_OK(launch_install_plan_init("/var/lib/gantry-connectors/.staging/" AUTO_ID, 903, 904, &install));
        q.input = input;
        q.connectors[0] = installer;
        q.install = &install;
        ASSERT_OK(launch_plan_new(&q, &p, NULL));
        assert_string_equal(p->slice, "gantry-jobs-install0190a6c27c1e7abc8def0123456789ab.slice");
        assert_string_equal(json_object_get_string(property(&p->units[0], "User")), "gantry-install");
        assert_null(property(&p->units[0], "DynamicUser"));
        assert_null(property(&p->units[0], "PrivateNetwork"));
        ASSERT_OK(launch_plan_to_json(p, &shown));
        text = json_to_string(shown);
        assert_non_null(strstr(text, "[\"/var/lib/gantry-connectors/.staging/" AUTO_ID
                                     "/store\",\"/var/lib/gantry-connectors\""));
        /* The mirror's password is where a connector's secrets are, and the worker masks it. */
        assert_null(strstr(text, SECRET));
        assert_non_null(strstr(p->units[0].files[0], SECRET));
        told = json_to_string(json_member(p->input, "secrets"));
        assert_string_equal(told, "[\"" SECRET "\"]");
        assert_null(json_member(json_member(p->input, "actor"), "configuration"));
        told = (free(told), json_to_string(json_member(json_member(p->input, "actor"), "allowedHosts")));
        assert_string_equal(told, "[\"mirror.example\",\"registry.npmjs.org\"]");
}

TEST(T24_a_package_index_is_reached_by_https_or_is_on_this_machine) {
        static const char *const good[] = { "https://pypi.org/simple/", "http://127.0.0.1:8098/simple/", "http://localhost/",
                                            "http://[::1]:8080/", "https://u:p@h/x", "HTTPS://h/" };
        static const char *const bad[] = { "http://mirror.example/simple/", "http://localhost@mirror.example/", "ftp://h/",
                                           "file:///etc/", "mirror.example", "https://", "http://127.0.0.1@10.0.0.1/",
                                           "http://localhost.example/" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                ASSERT_OK(launch_install_check_url(good[i], NULL));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (launch_install_check_url(bad[i], NULL) >= 0)
                        fail_msg("%s was taken", bad[i]);
}

/* ---- Images ---- */

static const InstalledConnector in_image = {
        .kind = CONNECTOR_IMAGE, .reference = (char *) "image:localhost/x:1", .name = (char *) "localhost/x:1",
};

#define IMAGE(more)                                                                             \
        "{\"actor\":{\"reference\":\"image:localhost/x:1\",\"role\":\"source\",\"executor\":\"podman\"," \
        "\"limits\":{\"memoryMax\":104857600,\"tasksMax\":9}" more "}}"

static LaunchPlan *image_plan(const char *type, const char *input) {
        _cleanup_json_ JsonObject *o = parse(input);
        LaunchRequest q = request(type, o);
        LaunchPlan *p = NULL;

        q.connectors[0] = &in_image;
        q.container_init = "/usr/lib/gantry/gantry-container-init";
        q.container_hooks = "/usr/lib/gantry/gantry-container-hooks";
        ASSERT_OK(launch_plan_new(&q, &p, NULL));
        return p;
}

static bool has_argument(const UnitPlan *u, const char *argument) {
        return strv_contains(u->sandbox->argv, argument);
}

TEST(a_connector_in_an_image_is_run_by_podman_in_the_units_group) {
        _cleanup_(launch_plan_freep) LaunchPlan *p =
                /* No host's name: those are in the zone. */
                image_plan("check", IMAGE(",\"network\":\"any\",\"configuration\":{\"password\":\"!" SECRET "\"}"));
        _cleanup_json_ JsonObject *printed = NULL;
        const UnitPlan *u = &p->units[0];

        assert_int_equal(u->kind, UNIT_PODMAN);
        assert_string_equal(u->sandbox->image, "localhost/x:1");
        assert_string_equal(u->sandbox->argv[0], "/usr/bin/podman");
        static const char *const wanted[] = { "--cgroups=split", "--cap-drop=all", "--read-only",
                                              "--pull=never", "--network=host", "--memory=104857600b",
                                              "--pids-limit=9", "--rm", "--runtime=crun",
                                              "--hooks-dir=/usr/lib/gantry/gantry-container-hooks", "--name=gantry-run-" AUTO_ID "-e3-connector",
                                              "--config" };
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++)
                if (!has_argument(u, wanted[i]))
                        fail_msg("'%s' is missing", wanted[i]);
        assert_int_equal(u->sandbox->uid, 0);
        /* A range of ids, and none of the host's. */
        bool mapped = false;
        STRV_FOREACH(s, u->sandbox->argv)
                mapped |= strncmp(*s, "--uidmap=0:2", 12) == 0 || strncmp(*s, "--uidmap=0:3", 12) == 0 ||
                        strncmp(*s, "--uidmap=0:4", 12) == 0;
        assert_true(mapped);
        assert_false(has_argument(u, "--userns=auto"));
        assert_true(json_object_get_boolean(property(u, "Delegate")));
        assert_non_null(property(u, "ExecStopPost"));
        /* The fence that every connector with a network has. */
        assert_non_null(u->zone);
        assert_non_null(property(u, "ExecStartPreEx"));
        /* podman fails under these. */
        static const char *const unwanted[] = { "CapabilityBoundingSet", "SystemCallFilter", "RootDirectory",
                                                "PrivateNetwork", "DynamicUser", "RestrictNamespaces" };
        for (size_t i = 0; i < ELEMENTSOF(unwanted); i++)
                assert_null(property(u, unwanted[i]));
        ASSERT_OK(launch_plan_to_json(p, &printed));
        assert_null(strstr(json_object_to_json_string(printed), SECRET));
        assert_non_null(strstr(u->files[0], SECRET));
}

TEST(an_image_gets_the_network_and_the_files_that_it_is_meant_to) {
        _cleanup_(launch_plan_freep) LaunchPlan *none =
                image_plan("check", IMAGE(",\"network\":\"none\",\"configuration\":{}"));
        _cleanup_(launch_plan_freep) LaunchPlan *spec = image_plan("spec", IMAGE(",\"network\":\"any\""));
        _cleanup_(launch_plan_freep) LaunchPlan *hosts =
                image_plan("check", IMAGE(",\"network\":\"hosts\",\"allowedHosts\":[\"a.example\"],\"configuration\":{}"));
        _cleanup_(launch_plan_freep) LaunchPlan *files =
                image_plan("check", IMAGE(",\"network\":\"none\",\"configuration\":{},"
                                          "\"paths\":[{\"path\":\"/srv/gantry/x\",\"write\":true}]"));

        assert_true(has_argument(&none->units[0], "--network=none"));
        assert_true(has_argument(&spec->units[0], "--network=none"));
        assert_null(none->units[0].zone);
        assert_null(spec->units[0].zone);
        assert_true(has_argument(&hosts->units[0], "--network=host"));
        assert_non_null(hosts->units[0].zone);
        assert_false(hosts->units[0].zone->any);
        assert_true(has_argument(&files->units[0], "--uidmap=0:901:1"));
}

TEST(images_and_executors_belong_together) {
        _cleanup_json_ JsonObject *native = parse("{\"actor\":{\"reference\":\"native:source-faker\",\"role\":\"source\","
                                                  "\"executor\":\"podman\",\"configuration\":{}}}");
        LaunchRequest q = request("check", native);
        _cleanup_error_ Error *error = NULL;
        LaunchPlan *p = NULL;

        assert_int_equal(launch_plan_new(&q, &p, &error), -EINVAL);
        assert_non_null(strstr(error_message(error, -EINVAL), "podman"));
}
