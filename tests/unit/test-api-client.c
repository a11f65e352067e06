/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Against a server that really listens. */

#include "client/workload-client.h"
#include "shared/env-event.h"
#include "unit/api-harness.h"

TEST_MAIN()

typedef struct Outcome {
        Env *env;
        unsigned status;
        bool answered;
        char text[200];
} Outcome;

static void on_reply(const ApiReply *reply, const Error *error, void *userdata) {
        Outcome *o = userdata;

        o->answered = true;
        if (reply) {
                o->status = reply->status;
                snprintf(o->text, sizeof(o->text), "%s",
                         reply->body ? json_object_to_json_string_ext(reply->body, JSON_C_TO_STRING_PLAIN)
                                 : "");
        } else
                snprintf(o->text, sizeof(o->text), "%s", error_message(error, 0));
        o->env->ops->exit(o->env, 0);
}

static Outcome call(const Server *s, ApiCall c) {
        _cleanup_(env_event_freep) Env *env = NULL;
        ApiClient *client = NULL;
        Outcome o = {};

        ASSERT_OK(env_event_new(&env));
        o.env = env;
        ASSERT_OK(api_client_new(env, s->path, &client));
        c.method = c.method ?: "GET";
        c.path = "/x";
        ASSERT_OK(api_client_call(client, &c, on_reply, &o, NULL));
        ASSERT_OK(env->ops->run(env));
        assert_true(o.answered);
        assert_int_equal(api_client_n_pending(client), 0);
        api_client_free(client);
        return o;
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
#define BUSY "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
#define GONE "HTTP/1.1 410 Gone\r\nContent-Length: 17\r\n\r\n{\"message\":\"old\"}"

TEST(an_answer_comes_with_its_status_and_body) {
        static const char *const answers[] = { OK, NULL };
        Server s;

        server_start(&s, answers);
        Outcome o = call(&s, (ApiCall) { .method = "POST", .body = "{}", .n_body = 2, .token = "t" });
        server_stop(&s);
        assert_int_equal(o.status, 200);
        assert_string_equal(o.text, "{\"a\":1}");
}

TEST(what_may_be_repeated_is_repeated) {
        static const char *const answers[] = { BUSY, "", OK, NULL };
        Server s;

        server_start(&s, answers);
        Outcome o = call(&s, (ApiCall) { .idempotent = true });
        server_stop(&s);
        assert_int_equal(o.status, 200);
}

TEST(what_may_not_be_repeated_is_not) {
        static const char *const answers[] = { BUSY, OK, NULL };
        Server s;

        server_start(&s, answers);
        Outcome o = call(&s, (ApiCall) {});
        server_stop(&s);
        assert_int_equal(o.status, 503);
}

TEST(an_end_is_no_reason_to_try_again) {
        static const char *const answers[] = { GONE, OK, NULL };
        Server s;

        server_start(&s, answers);
        Outcome o = call(&s, (ApiCall) { .idempotent = true });
        server_stop(&s);
        assert_int_equal(o.status, 410);
        assert_string_equal(o.text, "{\"message\":\"old\"}");
}

TEST(patience_ends) {
        Server s = { .path = "/nonexistent/sock" };
        Outcome o = call(&s, (ApiCall) { .patience = 300 * USEC_PER_MSEC });

        assert_int_equal(o.status, 0);
        assert_non_null(strstr(o.text, "/nonexistent/sock"));
}

TEST(an_answer_that_is_not_json_is_none) {
        static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", NULL };
        Server s;

        server_start(&s, answers);
        Outcome o = call(&s, (ApiCall) {});
        server_stop(&s);
        assert_int_equal(o.status, 0);
        assert_non_null(strstr(o.text, "not JSON"));
}

TEST(waiting_gives_the_same) {
        static const char *const answers[] = { "HTTP/1.1 204 No\r\n\r\n", BUSY, "HTTP/1.1 204 No\r\n\r\n", NULL };
        _cleanup_(env_event_freep) Env *env = NULL;
        WorkloadClient *client = NULL;
        Server s;

        server_start(&s, answers);
        ASSERT_OK(env_event_new(&env));
        ASSERT_OK(workload_client_new(env, s.path, &client));
        ASSERT_OK(workload_client_state_wait(client, &(WorkloadLease) { "w", 1 }, "[]", "[]",
                                             10 * USEC_PER_SEC, NULL));
        workload_client_free(client);
        server_stop(&s);
}

TEST(refused_numbers_keep_no_state_back) {
        static const char *const answers[] = { "HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n",
                                               "HTTP/1.1 204 No\r\n\r\n", NULL };
        _cleanup_(env_event_freep) Env *env = NULL;
        WorkloadClient *client = NULL;
        Server s;

        server_start(&s, answers);
        ASSERT_OK(env_event_new(&env));
        ASSERT_OK(workload_client_new(env, s.path, &client));
        ASSERT_OK(workload_client_state_wait(client, &(WorkloadLease) { "w", 1 }, "[]", "[]", USEC_PER_SEC, NULL));
        workload_client_free(client);
        server_stop(&s);
}

TEST(a_lost_lease_is_told_apart) {
        static const char *const answers[] = { GONE, NULL };
        _cleanup_(env_event_freep) Env *env = NULL;
        _cleanup_error_ Error *e = NULL;
        WorkloadClient *client = NULL;
        Server s;

        server_start(&s, answers);
        ASSERT_OK(env_event_new(&env));
        ASSERT_OK(workload_client_new(env, s.path, &client));
        assert_int_equal(workload_client_state_wait(client, &(WorkloadLease) { "w", 1 }, "[]", "[]",
                                                    USEC_PER_SEC, &e), -ESTALE);
        assert_non_null(strstr(e->message, "old"));
        workload_client_free(client);
        server_stop(&s);
}
