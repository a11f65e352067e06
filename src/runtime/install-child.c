/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Package managers as children: which environment they get, where their words go, and what their failure
 * means. The environment is a list of what is let through, with caches of our own: whoever installs has
 * secrets in theirs, and a setup script of a stranger may run below. Output is kept in a memfd, so nobody
 * has to read while the child works; after a failure its end is shown, and the line that says most
 * becomes the error (install-reason.c knows the common ones by name).
 *
 * Everything waits: installing is one thing at a time, and a Ctrl-C reaches the child as well. */

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/path-util.h"
#include "basic/utf8.h"
#include "runtime/install-child.h"
#include "runtime/install-reason.h"

/* A package manager that says more is cut off in our report, not in its work. */
#define OUTPUT_MAX (8U * 1024U * 1024U)
#define TAIL_LINES 12U

extern char **environ;

/* ---- Environment ---- */

/* Without regard to case: pip and npm read their variables either way. */
static bool has_prefix(const char *s, const char *prefix) {
        return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

static bool names(const char *variable, const char *name) {
        size_t n = strlen(name);

        return strncasecmp(variable, name, n) == 0 && variable[n] == '=';
}

/* A list of what is let through: the environment of whoever calls us holds their secrets. */
static bool is_kept(const char *variable) {
        static const char *const whole[] = { "PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
                                             "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "http_proxy", "https_proxy",
                                             "all_proxy", "no_proxy" };
        /* These would put the packages somewhere else. */
        static const char *const dropped[] = { "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON",
                                               "PIP_REQUIRE_VIRTUALENV", "UV_PYTHON", "UV_TARGET", "UV_PREFIX",
                                               "UV_SYSTEM_PYTHON", "NPM_CONFIG_PREFIX", "NPM_CONFIG_GLOBAL" };

        for (size_t i = 0; i < ELEMENTSOF(dropped); i++)
                if (names(variable, dropped[i]))
                        return false;
        for (size_t i = 0; i < ELEMENTSOF(whole); i++)
                if (names(variable, whole[i]))
                        return true;
        return has_prefix(variable, "PIP_") || has_prefix(variable, "UV_") || has_prefix(variable,
                "NPM_CONFIG_");
}

/* Adds NAME=VALUE unless the environment has NAME already. */
static int add_default(char ***env, const char *name, const char *value) {
        STRV_FOREACH(v, *env)
                if (names(*v, name))
                        return 0;
        return strv_extendf(env, "%s=%s", name, value);
}

/* The user may have pointed a cache elsewhere; then that stays. */
static int add_cache(char ***env, const char *name, const char *cache, const char *tail) {
        _cleanup_free_ char *path = path_join(cache, tail);

        return path ? add_default(env, name, path) : -ENOMEM;
}

int install_environment(const char *cache, char ***ret) {
        static const struct {
                const char *name, *value;
        } fixed[] = {
                { "LANG", "C.UTF-8" },
                { "PATH", "/usr/local/bin:/usr/bin:/bin" },
                { "PIP_DISABLE_PIP_VERSION_CHECK", "1" },
                { "PIP_NO_INPUT", "1" },
                { "UV_PYTHON_DOWNLOADS", "never" },
                { "UV_NO_PROGRESS", "1" },
                { "NPM_CONFIG_UPDATE_NOTIFIER", "false" },
                /* A registry that is away is told after seconds, as pip and uv do, and not after minutes. */
                { "NPM_CONFIG_FETCH_RETRY_MINTIMEOUT", "1000" },
                { "NPM_CONFIG_FETCH_RETRY_MAXTIMEOUT", "5000" },
        };
        _cleanup_strv_ char **env = NULL;
        int r = 0;

        STRV_FOREACH(v, environ)
                if (r >= 0 && is_kept(*v))
                        r = strv_extend(&env, *v);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fixed); i++)
                r = add_default(&env, fixed[i].name, fixed[i].value);
        if (r >= 0)
                r = add_cache(&env, "HOME", cache, "home");
        if (r >= 0)
                r = add_cache(&env, "PIP_CACHE_DIR", cache, "pip");
        if (r >= 0)
                r = add_cache(&env, "UV_CACHE_DIR", cache, "uv");
        if (r >= 0)
                r = add_cache(&env, "NPM_CONFIG_CACHE", cache, "npm");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(env);
        return 0;
}

int install_find_program(const char *name, char **ret) {
        _cleanup_strv_ char **dirs = strv_split(getenv("PATH") ?: "/usr/local/bin:/usr/bin:/bin", ":");

        if (!dirs)
                return -ENOMEM;
        STRV_FOREACH(dir, dirs) {
                _cleanup_free_ char *path = NULL;
                struct stat st;

                if ((*dir)[0] != '/')
                        continue;
                path = path_join(*dir, name);
                if (!path)
                        return -ENOMEM;
                if (stat(path, &st) >= 0 && S_ISREG(st.st_mode) && access(path, X_OK) >= 0) {
                        *ret = TAKE_PTR(path);
                        return 0;
                }
        }
        return -ENOENT;
}

/* ---- Running ---- */

/* 0, or a negative errno. `fds` become 0, 1 and 2; a Ctrl-C at the terminal reaches the child too. */
static int start_child(char *const *argv, char *const *environment, const int fds[3], pid_t *ret) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes) != 0) {
                posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }
        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&attributes, &all);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        for (int i = 0; r == 0 && i < 3; i++)
                r = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
        if (r == 0)
                r = posix_spawn(ret, argv[0], &actions, &attributes, argv, environment);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* The exit code, or 128 and the signal, as a shell says it. */
static int wait_child(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* In memory, and a file rather than a pipe: nobody has to read while the child writes. */
static int make_output(void) {
        return RET_NERRNO(memfd_create("output", MFD_CLOEXEC));
}

static int read_output(int fd, char **ret) {
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        return read_file_fd(fd, "output", OUTPUT_MAX, ret, NULL, NULL);
}

static bool is_blank(const char *s) {
        return s[strspn(s, " \t\r")] == 0;
}

/* The line that says most: the last that calls itself an error, else the last that isn't empty. */
static const char *telling_line(char **lines, size_t n) {
        const char *last = NULL;

        for (size_t i = n; i-- > 0;) {
                if (is_blank(lines[i]))
                        continue;
                if (has_prefix(lines[i], "error") || has_prefix(lines[i], "npm err"))
                        return lines[i];
                if (!last)
                        last = lines[i];
        }
        return last;
}

/* Shows the end of what was said and picks the line for the error. */
static int explain(int fd, char **ret, const InstallReason **ret_reason) {
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        _cleanup_buffer_ Buffer b = {};
        const char *line;
        size_t n;

        *ret = NULL;
        if (fd < 0 || read_output(fd, &text) < 0)
                return 0;
        *ret_reason = install_reason_find(text);
        lines = strv_split(text, "\n");
        if (!lines)
                return -ENOMEM;
        n = strv_length(lines);
        for (size_t i = n > TAIL_LINES ? n - TAIL_LINES : 0; i < n; i++) {
                if (is_blank(lines[i]))
                        continue;
                buffer_reset(&b);
                if (utf8_append_printable(&b, lines[i], strlen(lines[i]), false) >= 0)
                        fprintf(stderr, "    %s\n", strempty(buffer_string(&b)));
        }
        line = telling_line(lines, n);
        buffer_reset(&b);
        if (!line || utf8_append_printable(&b, line, strlen(line), false) < 0)
                return 0;
        *ret = buffer_steal_string(&b);
        return 0;
}

int install_run(char *const *argv, char *const *environment, bool verbose, char **ret_stdout,
                Error **reterr_error) {
        _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC), out = -EBADF, err = -EBADF;
        const InstallReason *reason = NULL;
        _cleanup_free_ char *words = NULL;
        pid_t pid;
        int r, code;

        if (null < 0)
                return -errno;
        if (!verbose) {
                err = make_output();
                if (err < 0)
                        return err;
        }
        if (ret_stdout) {
                out = make_output();
                if (out < 0)
                        return out;
        }
        r = start_child(argv, environment,
                        (int[]) { null, out >= 0 ? out : verbose ? STDERR_FILENO : err, verbose ? STDERR_FILENO : err },
                        &pid);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to start '%s'", argv[0]);
        code = wait_child(pid);
        if (code < 0)
                return error_set_errno(reterr_error, code, "Failed to wait for '%s'", argv[0]);
        if (code == 0)
                return ret_stdout ? read_output(out, ret_stdout) : 0;
        r = explain(err, &words, &reason);
        if (r < 0)
                return r;
        if (reason)
                return error_set(reterr_error, reason->code, "%s (%s: %s)", reason->sentence,
                                 path_basename(argv[0]), strempty(words));
        return error_set(reterr_error, -EIO, "'%s' failed with %s %d%s%s", path_basename(argv[0]),
                         code > 128 ? "signal" : "exit code", code > 128 ? code - 128 : code, words ? ": " : "",
                         strempty(words));
}
