/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* polkit is asked first, and asynchronously: bus_method_handler() returns without an answer, and sd-bus
 * dispatches the same message again when polkit has spoken (shared/bus-polkit.h). Only then is a Call
 * made. A caller over the bus acts on the whole instance, with the role of the method's row; who of the
 * instance's users may call is polkit's and the administrator's to say.
 *
 * A call that runs anew (call_retry()) rewinds its message and reads the arguments again: nothing of them
 * is kept but the message. */

#include <stdio.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "server/bus-manager.h"
#include "server/bus-objects.h"
#include "server/bus.h"
#include "server/job-service.h"
#include "server/out.h"
#include "shared/bus-error.h"
#include "shared/bus-sender.h"
#include "shared/memfd.h"

/* As over HTTP. */
#define MEMFD_MAX (32U * 1024U * 1024U)

static const BusMethod *find_method(sd_bus_message *m) {
        static const BusMethod *const tables[] = { bus_manager_methods, bus_object_methods };

        for (size_t i = 0; i < ELEMENTSOF(tables); i++)
                for (const BusMethod *k = tables[i]; k->member; k++)
                        if (streq(k->interface, sd_bus_message_get_interface(m)) &&
                            streq(k->member, sd_bus_message_get_member(m)))
                                return k;
        return NULL;
}

/* The sentence, and behind it what is wrong with which field. */
static int reply_failure(Call *c, int r) {
        _cleanup_buffer_ Buffer b = {};
        _cleanup_error_ Error *e = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        JsonObject *errors = json_member(c->problem_data, "errors");

        (void) buffer_append_string(&b, error_message(c->error, r));
        for (size_t i = 0; errors && i < json_object_array_length(errors); i++) {
                JsonObject *o = json_object_array_get_idx(errors, i);

                (void) buffer_appendf(&b, "%s%s %s", i == 0 ? ": " : "; ",
                                      json_object_get_string(json_member(o, "field")),
                                      json_object_get_string(json_member(o, "message")));
        }
        (void) error_set(&e, r, "%s", strempty(buffer_string(&b)));
        (void) bus_error_from(&error, r, e);
        return sd_bus_reply_method_error(c->message, &error);
}

static void on_complete(Call *c, int r, JsonObject *result) {
        const BusMethod *k = c->handler;
        sd_bus_message *reply = NULL;

        if (r >= 0)
                r = sd_bus_message_new_method_return(c->message, &reply);
        if (r >= 0 && k->write)
                r = k->write(c, result, reply);
        if (r < 0)
                (void) reply_failure(c, r);
        else
                (void) sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
}

static void run(Call *c) {
        const BusMethod *k = c->handler;
        _cleanup_json_ JsonObject *result = NULL;
        int r = sd_bus_message_rewind(c->message, /* complete= */ true);

        if (r >= 0)
                r = k->run(c, c->message, &result);
        if (r != CALL_LATER)
                on_complete(c, r, result);
}

static int set_sender(Call *c, sd_bus_message *m) {
        uid_t uid = 0;
        int r = bus_sender_uid(m, &uid);

        if (r < 0)
                return r;
        c->kind = PRINCIPAL_UID;
        return asprintf(&c->principal_id, "%u", (unsigned) uid) < 0 ? -ENOMEM : 0;
}

/* As polkit_check(). Without an action it is for the suite's own daemons: the same user, or root. */
static int authorize(Server *s, const BusMethod *k, sd_bus_message *m, sd_bus_error *reterr) {
        char action[64];
        uid_t uid = 0;
        int r;

        if (k->action) {
                (void) snprintf(action, sizeof(action), "org.gantry.%s", k->action);
                return polkit_check(s->polkit, m, action, NULL, reterr);
        }
        r = bus_sender_uid(m, &uid);
        if (r < 0)
                return r;
        if (uid != 0 && uid != geteuid())
                return sd_bus_error_set(reterr, BUS_ERROR_ACCESS_DENIED,
                                        "This call is for Gantry's own daemons");
        return 1;
}

int bus_method_handler(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Server *s = userdata;
        const BusMethod *k = find_method(m);
        _cleanup_(call_unrefp) Call *c = NULL;
        int r;

        if (!k)
                return sd_bus_error_set(reterr, SD_BUS_ERROR_UNKNOWN_METHOD, "There is no such method");
        /* What our own daemons tell is no reason to stay. */
        if (k->action)
                daemon_touch(s->daemon);
        r = authorize(s, k, m, reterr);
        if (r <= 0)
                return r < 0 ? r : 1;
        c = call_new(s);
        if (!c)
                return -ENOMEM;
        r = set_sender(c, m);
        if (r < 0)
                return r;
        c->instance_role = k->role;
        c->message = sd_bus_message_ref(m);
        c->handler = k;
        c->retry = run;
        c->complete = on_complete;
        run(c);
        return 1;
}

int bus_write_json(Call *c, JsonObject *result, sd_bus_message *reply) {
        _cleanup_free_ char *text = json_to_string(result);

        return text ? sd_bus_message_append(reply, "s", text) : -ENOMEM;
}

int bus_write_list(Call *c, JsonObject *result, sd_bus_message *reply) {
        int r = sd_bus_message_open_container(reply, 'a', "s");

        for (size_t i = 0; r >= 0 && i < json_object_array_length(result); i++)
                r = bus_write_json(c, json_object_array_get_idx(result, i), reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int bus_write_job(Call *c, JsonObject *result, sd_bus_message *reply) {
        return sd_bus_message_append(reply, "x", json_object_get_int64(json_member(result, "jobId")));
}

int bus_write_object(Call *c, JsonObject *result, sd_bus_message *reply) {
        return sd_bus_message_append(reply, "os", json_object_get_string(json_member(result, "path")),
                                     json_object_get_string(json_member(result, "id")));
}

int bus_write_memfd(Call *c, JsonObject *result, sd_bus_message *reply) {
        _cleanup_free_ char *text = json_to_string(result);
        _cleanup_close_ int fd = text ? memfd_new("gantry-json", text, strlen(text)) : -ENOMEM;

        return fd < 0 ? fd : sd_bus_message_append(reply, "h", fd);
}

int bus_read_memfd(Call *c, sd_bus_message *m, JsonObject **ret) {
        _cleanup_wipe_ char *text = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        size_t n = 0;
        int fd, r = sd_bus_message_read(m, "h", &fd);

        if (r >= 0)
                r = memfd_read(fd, MEMFD_MAX, &text, &n, &c->error);
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        r = json_parse(text, n, &o, &c->error);
        if (r < 0)
                return r;
        if (!json_object_is_type(o, json_type_object))
                return call_fail(c, -EINVAL, NULL, "The memfd must hold a JSON object");
        *ret = TAKE_PTR(o);
        return 0;
}

int bus_set_page(Call *c, uint64_t offset, uint32_t limit, Listing *l) {
        if (offset > INT64_MAX)
                return call_fail(c, -EINVAL, NULL, "The offset is too large");
        l->options.offset = offset;
        l->options.limit = limit == 0 || limit > BUS_LIST_MAX ? BUS_LIST_MAX : limit;
        return 0;
}

int bus_read_listing(Call *c, sd_bus_message *m, Listing *l) {
        const char *workspace;
        uint64_t offset;
        uint32_t limit;
        int r = sd_bus_message_read(m, "stu", &workspace, &offset, &limit);

        if (r >= 0)
                r = bus_set_page(c, offset, limit, l);
        if (r < 0)
                return r;
        return *workspace ? listing_set_workspaces(c, (char *const[]) { (char *) workspace, NULL }, l) : 0;
}

int bus_start_job(Call *c, sd_bus_message *m, const char *connection_id, JobType type) {
        _cleanup_json_ JsonObject *options = NULL;
        const char *text;
        int r = sd_bus_message_read(m, "s", &text);

        if (r >= 0 && *text)
                r = json_parse(text, strlen(text), &options, &c->error);
        return r < 0 ? r : job_service_start(c, connection_id, type, options);
}

int bus_object_path(const char *kind, const char *id, char **ret) {
        _cleanup_free_ char *prefix = NULL;

        if (asprintf(&prefix, SERVER_PATH "/%s", kind) < 0)
                return -ENOMEM;
        return sd_bus_path_encode(prefix, id, ret);
}

int bus_object_result(const char *kind, const char *id, JsonObject **ret) {
        _cleanup_free_ char *path = NULL;
        Out out;
        int r = bus_object_path(kind, id, &path);

        if (r < 0)
                return r;
        out = out_object();
        out_string(&out, "path", path);
        out_string(&out, "id", id);
        return out_take(&out, ret);
}
