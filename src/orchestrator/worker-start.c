/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one packet is there before the program starts, so there is nothing to wait for and no time-out. Its
 * descriptors have no names: which they are follows from the workload's type and from whether it has a
 * source, by the order in docs/INTERFACES.md. All that came and isn't taken is closed.
 *
 * What is read here comes from the launcher, but consists of what people and connectors have written
 * (catalogs, states); the worker has confined itself before. */

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "orchestrator/worker-start.h"

#define PACKET_MAX (64U * 1024U)
#define FDS_MAX 8U
/* Catalogs of 10,000 streams and their states have room. */
#define INPUT_MAX (512U * 1024U * 1024U)
#define WHAT "start packet"

typedef struct Packet {
        char text[PACKET_MAX];
        size_t n;
        int fds[FDS_MAX];
        size_t n_fds, used;
} Packet;

static int receive(int fd, Packet *p, Error **reterr_error) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
        } control;
        struct iovec iov = { p->text, sizeof(p->text) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                            .msg_controllen = sizeof(control) };
        ssize_t n;

        do
                n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return error_set_errno(reterr_error, -errno, "Failed to receive the " WHAT);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
                        p->n_fds = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t) FDS_MAX);
                        memcpy(p->fds, CMSG_DATA(c), p->n_fds * sizeof(int));
                }
        p->n = (size_t) n;
        if (n == 0 || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return error_set(reterr_error, -EBADMSG, n == 0
                                 ? "The launcher went away before it sent the " WHAT
                                                                : "The " WHAT " is too large");
        return 0;
}

static int next_fd(Packet *p) {
        return p->used < p->n_fds ? p->fds[p->used++] : -EBADF;
}

static int take_connector(Packet *p, bool has_stdin, WorkerConnector *ret, Error **reterr_error) {
        if (p->n_fds - p->used < (has_stdin ? 4U : 3U))
                return error_set(reterr_error, -EBADMSG, "The " WHAT " came with %zu descriptors only",
                                 p->n_fds);
        ret->control = next_fd(p);
        ret->fds[0] = has_stdin ? next_fd(p) : -EBADF;
        ret->fds[1] = next_fd(p);
        ret->fds[2] = next_fd(p);
        return 0;
}

static int get_text(JsonObject *o, const char *key, char **ret, Error **reterr_error) {
        const char *s = NULL;
        int r = json_get_string(o, key, &s, WHAT, reterr_error);

        if (r == 0)
                return error_set(reterr_error, -EBADMSG, WHAT ": '%s' is missing", key);
        if (r < 0)
                return r;
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

static int read_ticket(const Packet *p, WorkerStart *s, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        int r = json_parse(p->text, p->n, &o, reterr_error);

        if (r >= 0)
                r = get_text(o, "workloadId", &s->id, reterr_error);
        if (r >= 0)
                r = get_text(o, "type", &s->type, reterr_error);
        if (r >= 0)
                r = get_text(o, "token", &s->token, reterr_error);
        if (r >= 0)
                r = get_text(o, "api", &s->api, reterr_error);
        if (r >= 0)
                r = json_get_i64(o, "leaseEpoch", &s->epoch, WHAT, reterr_error);
        return r < 0 ? r : 0;
}

static int read_input(int fd, WorkerStart *s, Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        int r;

        /* The launcher's place in it is ours, too: one open file. */
        if (lseek(fd, 0, SEEK_SET) < 0)
                return error_set_errno(reterr_error, -errno, "The workload's input can't be read");
        r = read_file_fd(fd, "the workload's input", INPUT_MAX, &text, &n, reterr_error);
        if (r >= 0)
                r = json_parse(text, n, &s->input, reterr_error);
        if (r >= 0 && !json_object_is_type(s->input, json_type_object))
                r = error_set(reterr_error, -EBADMSG, "The workload's input is no object");
        if (r >= 0)
                r = json_get_strv(s->input, "secrets", &s->secrets, "input", reterr_error);
        return r < 0 ? r : 0;
}

/* The limit that the launcher has given it. */
static uint64_t memory_max(JsonObject *actor) {
        int64_t n = 0;

        (void) json_get_i64(json_member(actor, "limits"), "memoryMax", &n, "limits", NULL);
        return (uint64_t) MAX(n, (int64_t) 0);
}

static int take_connectors(Packet *p, WorkerStart *s, Error **reterr_error) {
        JsonObject *source = json_member(s->input, "source");
        int r = 0;

        s->connector.memory_max = memory_max(json_member(s->input, "actor"));
        s->source.memory_max = memory_max(source);
        s->destination.memory_max = memory_max(json_member(s->input, "destination"));
        if (!worker_start_is_sync(s))
                return take_connector(p, /* has_stdin= */ false, &s->connector, reterr_error);
        if (json_object_is_type(source, json_type_object))
                r = take_connector(p, /* has_stdin= */ false, &s->source, reterr_error);
        return r < 0 ? r : take_connector(p, /* has_stdin= */ true, &s->destination, reterr_error);
}

static void connector_init(WorkerConnector *c) {
        *c = (WorkerConnector) { .control = -EBADF, .fds = { -EBADF, -EBADF, -EBADF } };
}

static void connector_done(WorkerConnector *c) {
        (void) safe_close(c->control);
        for (size_t i = 0; i < 3; i++)
                (void) safe_close(c->fds[i]);
        connector_init(c);
}

void worker_start_done(WorkerStart *s) {
        connector_done(&s->source);
        connector_done(&s->destination);
        connector_done(&s->connector);
        free(s->id);
        free(s->type);
        free(s->token);
        free(s->api);
        json_object_put(s->input);
        strv_free(s->secrets);
}

int worker_start_receive(int fd, WorkerStart *ret, Error **reterr_error) {
        _cleanup_free_ Packet *p = calloc(1, sizeof(*p));
        WorkerStart s = {};
        int r;

        if (!p)
                return -ENOMEM;
        connector_init(&s.source);
        connector_init(&s.destination);
        connector_init(&s.connector);
        r = receive(fd, p, reterr_error);
        if (r >= 0)
                r = read_ticket(p, &s, reterr_error);
        if (r >= 0) {
                _cleanup_close_ int input = next_fd(p);

                r = read_input(input, &s, reterr_error);
        }
        if (r >= 0)
                r = take_connectors(p, &s, reterr_error);
        while (p->used < p->n_fds)
                (void) safe_close(next_fd(p));
        if (r < 0) {
                worker_start_done(&s);
                return r;
        }
        *ret = s;
        return 0;
}
