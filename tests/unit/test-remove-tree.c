/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* T05, T06: what a connector leaves in a directory of ours is removed without following it anywhere. */

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "unit/test.h"

TEST_MAIN()

/* In `make check`; GANTRY_TEST_FULL=1: ten times as many. */
#define TRIES 1000U

/* A place with "tree", which is removed, and "victim/file", which must stay. */
typedef struct Place {
        char root[64];
        int fd;
} Place;

static void place_done(Place *p) {
        (void) close(p->fd);
        (void) remove_tree(p->root);
}

static void make_file(const Place *p, const char *path) {
        int fd = openat(p->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        ASSERT_OK(RET_NERRNO(fd));
        (void) close(fd);
}

static void place_init(Place *p) {
        *p = (Place) { .root = "/tmp/gantry-tree-XXXXXX" };
        assert_non_null(mkdtemp(p->root));
        p->fd = open(p->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_OK(RET_NERRNO(p->fd));
        ASSERT_OK(RET_NERRNO(mkdirat(p->fd, "tree", 0700)));
        ASSERT_OK(RET_NERRNO(mkdirat(p->fd, "victim", 0700)));
        make_file(p, "victim/file");
}

static int remove_in(const Place *p, const char *name) {
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/%s", p->root, name);
        return remove_tree(path);
}

static bool is_there(const Place *p, const char *path) {
        return faccessat(p->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

TEST(T05_links_pipes_and_sockets_are_removed_and_not_followed) {
        _cleanup_(place_done) Place p;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct stat st;
        int s;

        place_init(&p);
        ASSERT_OK(RET_NERRNO(mkdirat(p.fd, "tree/deep", 0700)));
        ASSERT_OK(RET_NERRNO(symlinkat("../victim", p.fd, "tree/link")));
        ASSERT_OK(RET_NERRNO(symlinkat("../../victim", p.fd, "tree/deep/link")));
        ASSERT_OK(RET_NERRNO(symlinkat("/", p.fd, "tree/root")));
        ASSERT_OK(RET_NERRNO(symlinkat("nowhere", p.fd, "tree/dangling")));
        ASSERT_OK(RET_NERRNO(linkat(p.fd, "victim/file", p.fd, "tree/hard", 0)));
        /* Opening it would wait for ever. */
        ASSERT_OK(RET_NERRNO(mkfifoat(p.fd, "tree/pipe", 0600)));
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/tree/socket", p.root);
        s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT_OK(RET_NERRNO(bind(s, (struct sockaddr *) &address, sizeof(address))));
        (void) close(s);

        ASSERT_OK(remove_in(&p, "tree"));
        assert_false(is_there(&p, "tree"));
        assert_true(is_there(&p, "victim/file"));
        ASSERT_OK(RET_NERRNO(fstatat(p.fd, "victim/file", &st, 0)));
        assert_int_equal(st.st_nlink, 1);
}

TEST(T05_a_tree_that_is_a_link_is_only_unlinked) {
        _cleanup_(place_done) Place p;

        place_init(&p);
        ASSERT_OK(RET_NERRNO(unlinkat(p.fd, "tree", AT_REMOVEDIR)));
        ASSERT_OK(RET_NERRNO(symlinkat("victim", p.fd, "tree")));
        ASSERT_OK(remove_in(&p, "tree"));
        assert_true(is_there(&p, "victim/file"));
        assert_false(is_there(&p, "tree"));
}

static void swap(const Place *p) {
        (void) renameat2(p->fd, "tree/dir", p->fd, "link", RENAME_EXCHANGE);
}

/* The way that goes wrong: looks by path, then opens by path. */
static void remove_by_path(const Place *p) {
        struct stat st;
        struct dirent *e;
        DIR *d;
        int fd;

        ASSERT_OK(RET_NERRNO(fstatat(p->fd, "tree/dir", &st, AT_SYMLINK_NOFOLLOW)));
        assert_true(S_ISDIR(st.st_mode));
        swap(p);
        fd = openat(p->fd, "tree/dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fdopendir(fd);
        assert_non_null(d);
        while ((e = readdir(d)))
                (void) unlinkat(dirfd(d), e->d_name, 0);
        (void) closedir(d);
}

TEST(T06_a_removal_that_looks_by_path_can_be_led_away) {
        _cleanup_(place_done) Place p;

        place_init(&p);
        ASSERT_OK(RET_NERRNO(mkdirat(p.fd, "tree/dir", 0700)));
        ASSERT_OK(RET_NERRNO(symlinkat("../victim", p.fd, "link")));
        remove_by_path(&p);
        assert_false(is_there(&p, "victim/file"));
}

typedef struct Swapper {
        const Place *place;
        atomic_bool stop;
        atomic_ulong n;
} Swapper;

static void *swap_for_ever(void *argument) {
        Swapper *s = argument;

        /* Without a rest it would keep the directory's lock for itself. */
        for (; !atomic_load(&s->stop); atomic_fetch_add(&s->n, 1)) {
                swap(s->place);
                (void) nanosleep(&(struct timespec) { .tv_nsec = 1 }, NULL);
        }
        return NULL;
}

/* Each may fail, since somebody takes the directory away under its hands; none leaves the tree. */
TEST(T06_a_directory_that_becomes_a_link_leads_nowhere) {
        _cleanup_(place_done) Place p;
        Swapper s = { .place = &p };
        unsigned failed = 0, tries = TRIES * (getenv("GANTRY_TEST_FULL") ? 10 : 1);
        pthread_t thread;

        place_init(&p);
        assert_int_equal(pthread_create(&thread, NULL, swap_for_ever, &s), 0);
        while (atomic_load(&s.n) == 0)
                (void) sched_yield();
        for (unsigned i = 0; i < tries; i++) {
                (void) mkdirat(p.fd, "tree", 0700);
                (void) mkdirat(p.fd, "tree/dir", 0700);
                (void) mkdirat(p.fd, "tree/dir/deep", 0700);
                (void) !symlinkat("../victim", p.fd, "link");
                failed += remove_in(&p, "tree") < 0;
                if (!is_there(&p, "victim/file"))
                        break;
        }
        atomic_store(&s.stop, true);
        (void) pthread_join(thread, NULL);
        assert_true(is_there(&p, "victim/file"));
        assert_true(failed < tries);
        print_message("%u of %u removals were disturbed, %lu swaps\n", failed, tries, atomic_load(&s.n));
}
