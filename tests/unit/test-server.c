/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/strv.h"
#include "basic/time-util.h"
#include "server/configuration-path.h"
#include "server/connection-schedule.h"

static ConfFile *load(const char *main_text, const char *drop_in, int expected) {
        char directory[] = "/tmp/test-server-XXXXXX", path[64], sub[80], file[96];
        _cleanup_error_ Error *e = NULL;
        ConfFile *c = NULL;

        assert_non_null(mkdtemp(directory));
        (void) snprintf(path, sizeof(path), "%s/gantry.conf", directory);
        (void) snprintf(sub, sizeof(sub), "%s.d", path);
        (void) snprintf(file, sizeof(file), "%s/50-x.conf", sub);
        ASSERT_OK(write_file_atomic(path, main_text, strlen(main_text), 0600, NULL));
        if (drop_in) {
                assert_int_equal(mkdir(sub, 0700), 0);
                ASSERT_OK(write_file_atomic(file, drop_in, strlen(drop_in), 0600, NULL));
        }
        assert_int_equal(conf_file_load(path, &c, &e), expected);
        if (expected < 0)
                assert_non_null(strstr(e->message, "gantry.conf:"));
        ASSERT_OK(remove_tree(directory));
        return c;
}

TEST(gantry_conf_is_read_with_its_drop_ins) {
        _cleanup_(conf_file_freep) ConfFile *c = load("# a comment\n[Files]\nReadRoots = /a  /b\t/c\n; another\nX=y=z\n",
                                                      "[Files]\nX=\n[Other]\nKey=v\n", 0);
        _cleanup_strv_ char **roots = NULL, **none = NULL;

        ASSERT_OK(conf_file_get_strv(c, "Files", "ReadRoots", &roots));
        assert_true(strv_equal(roots, (char *[]) { (char *) "/a", (char *) "/b", (char *) "/c", NULL }));
        assert_string_equal(conf_file_get(c, "Files", "X"), "");
        assert_string_equal(conf_file_get(c, "Other", "Key"), "v");
        assert_null(conf_file_get(c, "Files", "Key"));
        ASSERT_OK(conf_file_get_strv(c, "Files", "Key", &none));
        assert_null(none);
}

TEST(gantry_conf_with_a_broken_line_is_refused_and_a_missing_one_is_empty) {
        _cleanup_(conf_file_freep) ConfFile *missing = NULL;

        assert_null(load("[Files]\nno assignment\n", NULL, -EBADMSG));
        assert_null(load("Key=before any section\n", NULL, -EBADMSG));
        assert_null(load("[Open\n", NULL, -EBADMSG));
        ASSERT_OK(conf_file_load("/nonexistent/gantry.conf", &missing, NULL));
        assert_null(conf_file_get(missing, "Files", "X"));
}

static bool allowed(const ConfFile *c, const char *path, bool write) {
        _cleanup_free_ char *why = NULL;
        int r = configuration_path_check(c, path, write, &why);

        assert_true(r == 0 || (r == -EPERM && why));
        return r == 0;
}

TEST(paths_stay_below_their_roots) {
        _cleanup_(conf_file_freep) ConfFile *c = load("[Files]\nReadRoots=/in/ /also\nWriteRoots=/out\n", NULL, 0);
        _cleanup_(conf_file_freep) ConfFile *none = load("", NULL, 0);

        assert_true(allowed(c, "/in", false));
        assert_true(allowed(c, "/in/a/b*.csv", false));
        assert_true(allowed(c, "/in/a, b: \"'\\ % $", false));
        assert_false(allowed(c, "/in/a\nExecStopPost=x", false));
        assert_false(allowed(c, "/in/\x7f", false));
        assert_true(allowed(c, "file:///also/x", false));
        assert_true(allowed(c, "https://example.com/../x", false));
        assert_true(allowed(c, "/out/..x/y", true));
        assert_false(allowed(c, "/in/x", true));
        assert_false(allowed(c, "/inside", false));
        assert_false(allowed(c, "/in/../etc", false));
        assert_false(allowed(c, "/in/a/..", false));
        assert_false(allowed(c, "file:///etc/passwd", false));
        assert_false(allowed(c, "in/x", false));
        assert_false(allowed(c, "", false));
        assert_true(allowed(none, "/srv/gantry/x", true));
        assert_false(allowed(none, "/srv/gantry2", true));
}

static bool differs(const char *a, const char *b) {
        _cleanup_json_ JsonObject *x = NULL, *y = NULL;

        ASSERT_OK(json_parse(a, strlen(a), &x, NULL));
        ASSERT_OK(json_parse(b, strlen(b), &y, NULL));
        return configuration_place_differs(x, y);
}

TEST(T57_another_place_is_noticed_wherever_it_stands) {
        assert_false(differs("{\"host\":\"a\",\"user\":\"x\"}", "{\"host\":\"a\",\"user\":\"y\"}"));
        assert_false(differs("{\"host\":\"a\"}", "{}"));
        assert_false(differs("{\"p\":{\"_secret\":\"1\"}}", "{\"p\":{\"_secret\":\"1\"}}"));
        assert_true(differs("{\"host\":\"a\"}", "{\"host\":\"b\"}"));
        assert_true(differs("{}", "{\"proxy_url\":\"b\"}"));
        assert_true(differs("{\"x\":\"http://a\"}", "{\"x\":\"http://b\"}"));
        assert_true(differs("{\"x\":\"plain\"}", "{\"x\":\"ftp://b\"}"));
        assert_true(differs("{\"t\":{\"Tunnel_Host\":\"a\"}}", "{\"t\":{\"Tunnel_Host\":\"b\"}}"));
        assert_true(differs("{\"l\":[{\"endpoint\":\"a\"}]}", "{\"l\":[{\"endpoint\":\"b\"}]}"));
        assert_true(differs("{\"l\":[\"a\"]}", "{\"l\":[\"http://b\"]}"));
        assert_true(differs("{\"port\":1}", "{\"port\":2}"));
}

TEST(timestamps_are_read_back) {
        static const struct { const char *text; usec_t usec; } good[] = {
                { "1970-01-01T00:00:00Z", 0 },
                { "2026-11-23T05:26:53Z", UINT64_C(1795411613000000) },
                { "2026-11-23T06:26:53.5+01:00", UINT64_C(1795411613500000) },
                { "2024-02-29T00:00:00.1234567-00:30", UINT64_C(1709166600123456) },
        };
        static const char *const bad[] = { "", "now", "2026-11-23", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
                                           "2026-11-23T05:26:53", "2026-11-23T05:26:53Zx", "1969-12-31T23:59:59Z",
                                           "2026-11-23T25:00:00Z", "2026-11-23T05:26:53.Z", "2026-11-23T05:26:53+1:00" };
        usec_t t;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                ASSERT_OK(parse_timestamp(good[i].text, &t));
                assert_true(t == good[i].usec);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (parse_timestamp(bad[i], &t) != -EINVAL)
                        fail_msg("taken: %s", bad[i]);
}

static int apply(Connection *connection, const char *body) {
        _cleanup_(call_unrefp) Call *c = call_new(NULL);
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        assert_non_null(c);
        ASSERT_OK(json_parse(body, strlen(body), &o, NULL));
        r = connection_schedule_apply(c, o, connection);
        assert_true(r >= 0 || c->error);
        return r;
}

TEST(schedules_come_in_both_forms_and_go_out_in_one) {
        _cleanup_(connection_freep) Connection *connection = calloc(1, sizeof(*connection));
        _cleanup_json_ JsonObject *cron = NULL, *basic = NULL;

        assert_non_null(connection);
        ASSERT_OK(apply(connection, "{\"schedule\":{\"scheduleType\":\"cron\",\"cronExpression\":\"0 0 12 ? * MON-FRI UTC\"}}"));
        ASSERT_OK(connection_schedule_view(connection, &cron));
        assert_string_equal(json_object_get_string(json_member(cron, "cronExpression")), "0 0 12 ? * MON-FRI UTC");
        ASSERT_OK(apply(connection, "{\"scheduleType\":\"basic\",\"scheduleData\":{\"basicSchedule\":"
                                    "{\"units\":3,\"timeUnit\":\"days\"}}}"));
        ASSERT_OK(connection_schedule_view(connection, &basic));
        assert_string_equal(json_object_get_string(json_member(basic, "basicTiming")), "Every 3 DAYS");
        /* What was read may be sent back. */
        ASSERT_OK(apply(connection, "{\"schedule\":{\"scheduleType\":\"basic\",\"basicTiming\":\"Every 3 DAYS\"}}"));
        assert_int_equal(connection->schedule_type, SCHEDULE_BASIC);
        ASSERT_OK(apply(connection, "{\"schedule\":{\"scheduleType\":\"manual\"}}"));
        assert_null(connection->schedule_data);
        ASSERT_ERROR(apply(connection, "{\"schedule\":{\"scheduleType\":\"basic\"}}"), EINVAL);
        ASSERT_ERROR(apply(connection, "{\"scheduleType\":\"cron\",\"scheduleData\":{\"cron\":{\"cronExpression\":"
                                       "\"0 0 12 * * ?\",\"cronTimeZone\":\"Etc/UTC\"}}}"), EINVAL);
        ASSERT_ERROR(apply(connection, "{\"scheduleType\":\"basic\",\"scheduleData\":{\"basicSchedule\":"
                                       "{\"units\":0,\"timeUnit\":\"days\"}}}"), EINVAL);
        assert_int_equal(connection->schedule_type, SCHEDULE_MANUAL);
}

TEST_MAIN()
