/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A server that really listens: a child that answers what the test says, connection by connection, and keeps what it
 * was asked. */

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "unit/test.h"

typedef struct Server {
        char directory[64], path[96], requests[96];
        pid_t pid;
} Server;

/* Answers each connection with the next text; NULL: closes it without a word. The last one stands for all that follow. */
static void serve(int listener, int requests, const char *const answers[]) {
        for (size_t i = 0;; i += answers[i + 1] ? 1 : 0) {
                char request[4096];
                int peer = accept(listener, NULL, NULL);
                ssize_t n = read(peer, request, sizeof(request));

                /* Kept before it is answered. */
                if (n > 0 && answers[i][0])
                        (void) !(write(requests, request, (size_t) n) + write(peer, answers[i], strlen(answers[i])));
                (void) close(peer);
        }
}

static void server_start(Server *s, const char *const answers[]) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), requests;

        snprintf(s->directory, sizeof(s->directory), "/tmp/gantry-test-XXXXXX");
        assert_non_null(mkdtemp(s->directory));
        snprintf(s->path, sizeof(s->path), "%s/sock", s->directory);
        snprintf(s->requests, sizeof(s->requests), "%s/requests", s->directory);
        requests = open(s->requests, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        assert_true(requests >= 0);
        memcpy(address.sun_path, s->path, strlen(s->path) + 1);
        assert_int_equal(bind(listener, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(listener, 10), 0);
        s->pid = fork();
        if (s->pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails stops nobody */
                serve(listener, requests, answers);
        }
        (void) close(listener);
        (void) close(requests);
}

/* All that it was asked so far, one after the other. */
_unused_ static char *server_requests(const Server *s) {
        char *text = NULL;

        ASSERT_OK(read_file(s->requests, 1U << 20, &text, NULL, NULL));
        return text;
}

static void server_stop(Server *s) {
        if (s->pid > 0) {
                (void) kill(s->pid, SIGKILL);
                (void) waitpid(s->pid, NULL, 0);
        }
        (void) unlink(s->path);
        (void) unlink(s->requests);
        (void) rmdir(s->directory);
}
