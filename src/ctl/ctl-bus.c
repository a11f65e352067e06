/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls are made one after the other and waited for: a command has nothing else to do. The connection
 * allows interactive authorization unless --no-ask-password was given, so that polkit may ask the person at
 * the terminal through an agent, that of the session or one of ours (ctl-agent.c); the daemon's answer then
 * takes as long as the person.
 *
 * Errors are sorted by who speaks: the bus (nobody is there: 69), polkit and the bus policy (denied: 5), or
 * one of ours, whose sentence is shown as it is. A call that went to a daemon which was stopped just then
 * is made once more, if nobody has seen it or it only reads. With -H the same calls go through ssh to the
 * other host's bus, and nothing else here knows of it. */

#include "basic/path-util.h"
#include "basic/time-util.h"
#include "ctl/ctl-agent.h"
#include "ctl/ctl-bus.h"
#include "shared/bus-error.h"
#include "shared/memfd.h"

#define JSON_MAX (256U * 1024U * 1024U)

static int open_bus(const Ctl *c, sd_bus **ret) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        const char *address = getenv("GANTRY_BUS_ADDRESS");
        int r;

        if (c->host)
                return sd_bus_open_system_remote(ret, c->host);
        if (!address)
                return sd_bus_open_system(ret);
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                *ret = TAKE_PTR(bus);
        return r;
}

/* ssh says by itself what it misses, on standard error; what reaches us is that it went away. */
static int no_host(const char *host, int r, Error **reterr_error) {
        bool went_away = r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN;

        return error_set(reterr_error, -ECONNREFUSED, "Failed to reach the bus of '%s' over ssh%s%s", host,
                         went_away ? "; does 'ssh HOST systemd-stdio-bridge' work?" : ": ",
                         went_away ? "" : strerror(-r));
}

int ctl_bus_open(Ctl *c, Error **reterr_error) {
        int r;

        if (c->bus)
                return 0;
        r = open_bus(c, &c->bus);
        if (r < 0 && c->host)
                return no_host(c->host, r, reterr_error);
        if (r < 0)
                return error_set(reterr_error, -ECONNREFUSED, "Failed to connect to the bus: %s", strerror(-r));
        (void) sd_bus_set_allow_interactive_authorization(c->bus, c->ask_password);
        return 0;
}

int ctl_new_call_to(Ctl *c, const char *service, const char *path, const char *interface, const char *member,
                    sd_bus_message **ret, Error **reterr_error) {
        int r;

        r = ctl_bus_open(c, reterr_error);
        return r < 0 ? r : sd_bus_message_new_method_call(c->bus, ret, service, path, interface, member);
}

int ctl_new_call(Ctl *c, const char *member, sd_bus_message **ret, Error **reterr_error) {
        return ctl_new_call_to(c, CTL_SERVICE, CTL_MANAGER_PATH, CTL_MANAGER, member, ret, reterr_error);
}

/* What the bus itself says when it cannot give the call to anybody. */
static bool is_unavailable(const sd_bus_error *e) {
        return sd_bus_error_has_names(e, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                      SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_DISCONNECTED, SD_BUS_ERROR_TIMEOUT,
                                      "org.freedesktop.systemd1.NoSuchUnit") ||
               bus_error_is_undelivered(e);
}

/* "/org/gantry/Server1/job/_31" is job 1. */
static int unknown_object(const char *path, Error **reterr_error) {
        _cleanup_free_ char *kind_path = path_dirname(path), *id = NULL;

        if (!kind_path || sd_bus_path_decode(path, kind_path, &id) <= 0)
                return error_set(reterr_error, -ENOENT, "There is no object '%s'", path);
        return error_set(reterr_error, -ENOENT, "There is no %s '%s'", path_basename(kind_path), id);
}

static bool only_reads(sd_bus_message *m) {
        static const char *const verbs[] = { "Get", "List", "Read" };
        const char *member = sd_bus_message_get_member(m);

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (strncmp(member, verbs[i], strlen(verbs[i])) == 0)
                        return true;
        return false;
}

/* The error is the last try's. */
static int call(sd_bus *bus, sd_bus_message *m, uint64_t timeout, sd_bus_error *reterr_bus,
                sd_bus_message **ret_reply) {
        for (bool again = false;; again = true) {
                int r = sd_bus_call(bus, m, timeout, reterr_bus, ret_reply);

                if (r >= 0 || again)
                        return r;
                if (!bus_error_is_undelivered(reterr_bus) &&
                    !(bus_error_is_lost(reterr_bus) && only_reads(m)))
                        return r;
                sd_bus_error_free(reterr_bus);
        }
}

int ctl_send(Ctl *c, sd_bus_message *m, sd_bus_message **ret_reply, Error **reterr_error) {
        return ctl_send_long(c, m, CTL_CALL_USEC, ret_reply, reterr_error);
}

int ctl_send_long(Ctl *c, sd_bus_message *m, uint64_t timeout, sd_bus_message **ret_reply,
                  Error **reterr_error) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        r = call(c->bus, m, timeout, &e, ret_reply);
        if (sd_bus_error_has_name(&e, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) &&
            ctl_agent_open(c) > 0) {
                sd_bus_error_free(&e);
                r = call(c->bus, m, timeout, &e, ret_reply);
        }
        if (r >= 0)
                return 0;
        if (c->host && (r == -ENOTCONN || r == -EPIPE || r == -ECONNRESET))
                return no_host(c->host, r, reterr_error);
        if (is_unavailable(&e))
                return error_set(reterr_error, -ECONNREFUSED, "The server does not answer: %s",
                                 e.message ?: strerror(-r));
        if (sd_bus_error_has_name(&e, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                return error_set(reterr_error, -EACCES,
                                 "%s: run it as root, or as a member of the group gantry-admin", e.message);
        if (sd_bus_error_has_names(&e, SD_BUS_ERROR_ACCESS_DENIED, SD_BUS_ERROR_AUTH_FAILED))
                return error_set(reterr_error, -EACCES, "%s", e.message ?: "Access denied");
        /* An object below the manager's that isn't there. */
        if (sd_bus_error_has_name(&e, SD_BUS_ERROR_UNKNOWN_OBJECT))
                return unknown_object(sd_bus_message_get_path(m), reterr_error);
        return bus_error_to(&e, r, reterr_error);
}

int ctl_read_json(sd_bus_message *m, JsonObject **ret, Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        const char *s = NULL;
        char type;
        size_t n;
        int fd, r;

        r = sd_bus_message_peek_type(m, &type, NULL);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        if (type == SD_BUS_TYPE_UNIX_FD) {
                r = sd_bus_message_read(m, "h", &fd);
                if (r >= 0)
                        r = memfd_read(fd, JSON_MAX, &text, &n, reterr_error);
                s = text;
        } else {
                r = sd_bus_message_read(m, "s", &s);
                n = r >= 0 ? strlen(s) : 0;
        }
        return r < 0 ? r : json_parse(s, n, ret, reterr_error);
}
