/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Everything that an attempt's processes share exists before any of them does. The packets wait in the
 * sockets that become the units' fd 0; SEQPACKET keeps each whole, with its descriptors. As soon as
 * systemd has copies of those sockets, the launcher closes its own ends of everything: a pipe's reader
 * then sees the end when its writer dies, and a launcher that is killed takes nothing along.
 *
 * Secrets go into memfds: memory without a name, sealed, which is gone with its last holder. The order of
 * descriptors in a packet is a contract (docs/INTERFACES.md); the receiver knows from the plan which of
 * them are there.
 *
 * A message with descriptors that nobody has read yet keeps them open. That is what carries them over the
 * moment between the launcher's and the unit's turn, and also what frees them if the unit never starts:
 * the socket goes, and the queue with it. */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/json-write.h"
#include "launcher/launch-io.h"
#include "sandbox/shim-protocol.h"

/* Records move in large blocks; the kernel gives that much to anybody (/proc/sys/fs/pipe-max-size). */
#define PIPE_SIZE (1024 * 1024)
/* The worker's: its input, and at most four of the destination and three of the source. */
#define FDS_MAX 8U

/* The worker's and the connector's end of everything. */
typedef struct ConnectorIo {
        int control[2]; /* worker's, shim's */
        int near[3];    /* worker's ends of stdin, stdout, stderr */
        int far[3];     /* the connector's */
        int files[SANDBOX_FILES_MAX];
} ConnectorIo;

static void io_init(ConnectorIo *io) {
        *io = (ConnectorIo) { .control = { -EBADF, -EBADF } };
        for (size_t i = 0; i < 3; i++)
                io->near[i] = io->far[i] = -EBADF;
        for (size_t i = 0; i < SANDBOX_FILES_MAX; i++)
                io->files[i] = -EBADF;
}

static void io_done(ConnectorIo *io) {
        (void) safe_close(io->control[0]);
        (void) safe_close(io->control[1]);
        for (size_t i = 0; i < 3; i++) {
                (void) safe_close(io->near[i]);
                (void) safe_close(io->far[i]);
        }
        for (size_t i = 0; i < SANDBOX_FILES_MAX; i++)
                (void) safe_close(io->files[i]);
}

static int make_pair(int ret[2]) {
        return RET_NERRNO(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret));
}

/* Pipe 0 leads to the connector, 1 and 2 away from it. */
static int make_pipe(ConnectorIo *io, int i) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        /* Messages for people need no such room; and smaller pipes work, too. */
        if (i < 2)
                (void) fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE);
        io->near[i] = ends[i == 0 ? 1 : 0];
        io->far[i] = ends[i == 0 ? 0 : 1];
        return 0;
}

/* Memory that has no name anywhere and can't be changed any more. */
static int make_file(const char *text, size_t n) {
        _cleanup_close_ int fd = memfd_create("gantry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r = fd < 0 ? -errno : write_full(fd, text, n);

        if (r >= 0)
                r = RET_NERRNO(fcntl(fd, F_ADD_SEALS,
                                     F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
        return r < 0 ? r : TAKE_FD(fd);
}

static int send_packet(int fd, const Buffer *b, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
        } control = {};
        struct iovec iov = { buffer_bytes(b), b->len };
        struct msghdr m = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                        .msg_controllen = CMSG_SPACE(sizeof(int) * n_fds),
        };

        if (n_fds > FDS_MAX)
                return -E2BIG;
        control.header = (struct cmsghdr) {
                .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n_fds),
        };
        memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
        return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int open_connector(const UnitPlan *u, ConnectorIo *io) {
        int r = make_pair(io->control);

        for (int i = u->wants_stdin ? 0 : 1; r >= 0 && i < 3; i++)
                r = make_pipe(io, i);
        for (size_t i = 0; r >= 0 && i < u->sandbox->n_files; i++)
                r = io->files[i] = make_file(u->files[i], strlen(u->files[i]));
        return r < 0 ? r : 0;
}

static int send_plan(const UnitPlan *u, const ConnectorIo *io) {
        ShimRequest q = { .type = SHIM_REQUEST_PLAN, .plan = u->sandbox };
        _cleanup_buffer_ Buffer b = {};
        int fds[FDS_MAX], r;
        size_t n = 0;

        for (size_t i = 0; i < 3; i++) {
                q.fds[i] = io->far[i] >= 0;
                if (q.fds[i])
                        fds[n++] = io->far[i];
        }
        for (size_t i = 0; i < u->sandbox->n_files; i++)
                fds[n++] = io->files[i];
        r = shim_request_append(&b, &q);
        return r < 0 ? r : send_packet(io->control[0], &b, fds, n);
}

static int append_ticket(Buffer *b, const WorkerTicket *t) {
        int r = buffer_append_char(b, '{');

        if (r >= 0)
                r = json_write_member_string(b, "workloadId", t->workload_id);
        if (r >= 0)
                r = json_write_member_string(b, "type", t->type);
        if (r >= 0)
                r = json_write_member_i64(b, "leaseEpoch", t->epoch);
        if (r >= 0)
                r = json_write_member_string(b, "token", t->token);
        if (r >= 0)
                r = json_write_member_string(b, "api", t->api);
        return r < 0 ? r : buffer_append_char(b, '}');
}

static int send_ticket(const LaunchPlan *p, const WorkerTicket *t, const ConnectorIo io[], size_t n_io,
                       int to) {
        _cleanup_free_ char *input = json_to_string(p->input);
        _cleanup_close_ int file = -EBADF;
        _cleanup_buffer_ Buffer b = {};
        size_t n = 0;
        int fds[FDS_MAX], r;

        if (!input)
                return -ENOMEM;
        file = make_file(input, strlen(input));
        if (file < 0)
                return file;
        fds[n++] = file;
        for (size_t i = 0; i < n_io; i++) {
                fds[n++] = io[i].control[0];
                for (size_t k = 0; k < 3; k++)
                        if (io[i].near[k] >= 0)
                                fds[n++] = io[i].near[k];
        }
        r = append_ticket(&b, t);
        return r < 0 ? r : send_packet(to, &b, fds, n);
}

int launch_io_open_one(const UnitPlan *u, int *ret_unit_fd, int *ret_control, int ret_fds[static 3]) {
        ConnectorIo io;
        int r;

        io_init(&io);
        r = open_connector(u, &io);
        if (r >= 0)
                r = send_plan(u, &io);
        if (r >= 0) {
                *ret_unit_fd = TAKE_FD(io.control[1]);
                *ret_control = TAKE_FD(io.control[0]);
                for (size_t i = 0; i < 3; i++) {
                        ret_fds[i] = io.near[i];
                        io.near[i] = -EBADF;
                }
        }
        io_done(&io);
        return r;
}

int launch_io_open(const LaunchPlan *p, const WorkerTicket *t, int ret_fds[static LAUNCH_UNITS_MAX],
                   Error **reterr_error) {
        size_t n = p->n_units - 1;
        ConnectorIo io[LAUNCH_UNITS_MAX];
        int pair[2] = { -EBADF, -EBADF }, r = 0;

        for (size_t i = 0; i < LAUNCH_UNITS_MAX; i++)
                io_init(&io[i]);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = open_connector(&p->units[i], &io[i]);
                if (r >= 0)
                        r = send_plan(&p->units[i], &io[i]);
        }
        if (r >= 0)
                r = make_pair(pair);
        if (r >= 0)
                r = send_ticket(p, t, io, n, pair[0]);
        /* What has been sent waits in the socket after this end is gone. */
        (void) safe_close(pair[0]);
        for (size_t i = 0; i < LAUNCH_UNITS_MAX; i++)
                ret_fds[i] = r >= 0 && i < n ? TAKE_FD(io[i].control[1]) : -EBADF;
        if (r >= 0)
                ret_fds[n] = TAKE_FD(pair[1]);
        (void) safe_close(pair[1]);
        for (size_t i = 0; i < LAUNCH_UNITS_MAX; i++)
                io_done(&io[i]);
        return r < 0 ? error_set_errno(reterr_error, r, "Failed to prepare the units' pipes and files") : 0;
}
