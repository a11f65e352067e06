/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whose links are followed. Root's can only be made by root: without it that half is not tried. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/path-trusted.h"
#include "unit/test.h"

TEST_MAIN()

#define STRANGER 12345

/* A directory with "there/inside", and links that the test makes. */
typedef struct Place {
        char path[64], there[96];
        struct stat inside;
} Place;

static void place_init(Place *p) {
        char inside[128];

        snprintf(p->path, sizeof(p->path), "/tmp/path-trusted-XXXXXX");
        assert_non_null(mkdtemp(p->path));
        snprintf(p->there, sizeof(p->there), "%s/there", p->path);
        snprintf(inside, sizeof(inside), "%s/inside", p->there);
        assert_int_equal(mkdir(p->there, 0755), 0);
        assert_int_equal(mkdir(inside, 0755), 0);
        assert_int_equal(stat(inside, &p->inside), 0);
}

static void place_done(Place *p) {
        ASSERT_OK(remove_tree(p->path));
}

static void make_link(const Place *p, const char *name, const char *to, uid_t owner) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", p->path, name);
        (void) unlink(path);
        assert_int_equal(symlink(to, path), 0);
        if (geteuid() == 0)
                assert_int_equal(lchown(path, owner, owner), 0);
}

/* 0 when it leads to "inside", else the error. */
static int leads(const Place *p, const char *relative, char **ret_link) {
        _cleanup_close_ int fd = -EBADF;
        char path[128];
        struct stat st;

        snprintf(path, sizeof(path), "%s/%s", p->path, relative);
        fd = path_open_trusted(path, ret_link);
        if (fd < 0)
                return fd;
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_ino, p->inside.st_ino);
        return 0;
}

TEST(a_path_without_links_leads_where_it_says) {
        _cleanup_(place_done) Place p;

        place_init(&p);
        ASSERT_OK(leads(&p, "there/inside", NULL));
        ASSERT_OK(leads(&p, "there//./inside/", NULL));
        assert_int_equal(leads(&p, "there/nothing", NULL), -ENOENT);
        assert_int_equal(path_open_trusted("there", NULL), -EINVAL);
}

TEST(where_a_path_lies_is_told) {
        _cleanup_free_ char *wanted = NULL, *found = NULL, *missing = NULL;
        _cleanup_close_ int fd = -EBADF;
        _cleanup_(place_done) Place p;
        char path[160];

        if (geteuid() != 0)
                skip();
        place_init(&p);
        make_link(&p, "link", p.there, 0);
        snprintf(path, sizeof(path), "%s/link/inside", p.path);
        fd = path_open_trusted(path, &found);
        ASSERT_OK(fd);
        assert_true(asprintf(&wanted, "%s/inside", p.there) > 0);
        assert_string_equal(found, wanted);
        snprintf(path, sizeof(path), "%s/link/nothing/below", p.path);
        assert_int_equal(path_open_trusted(path, &missing), -ENOENT);
        assert_true(strncmp(missing, p.there, strlen(p.there)) == 0 &&
                    strcmp(missing + strlen(p.there), "/nothing") == 0);
}

TEST(a_strangers_link_leads_to_a_name_beside_it_and_nowhere_else) {
        _cleanup_(place_done) Place p;
        _cleanup_free_ char *link = NULL;

        place_init(&p);
        make_link(&p, "link", "there", STRANGER);
        ASSERT_OK(leads(&p, "link/inside", NULL));
        make_link(&p, "link", p.there, STRANGER);
        assert_int_equal(leads(&p, "link/inside", &link), -ENOLINK);
        assert_true(strncmp(link, p.path, strlen(p.path)) == 0 && strcmp(link + strlen(p.path), "/link") == 0);
        make_link(&p, "link", "there/inside", STRANGER);
        assert_int_equal(leads(&p, "link", NULL), -ENOLINK);
        make_link(&p, "link", "..", STRANGER);
        assert_int_equal(leads(&p, "link", NULL), -ENOLINK);
        /* Where one can't rename what others have made. */
        make_link(&p, "link", "there", STRANGER);
        assert_int_equal(chmod(p.path, 01777), 0);
        assert_int_equal(leads(&p, "link/inside", NULL), -ENOLINK);
}

TEST(roots_links_are_followed) {
        _cleanup_(place_done) Place p;

        if (geteuid() != 0)
                skip();
        place_init(&p);
        make_link(&p, "link", p.there, 0);
        ASSERT_OK(leads(&p, "link/inside", NULL));
        make_link(&p, "link", "../../tmp/../tmp", 0);
        assert_int_equal(leads(&p, "link/there/inside", NULL), -ENOENT);
        make_link(&p, "link", "there/../there/inside", 0);
        ASSERT_OK(leads(&p, "link", NULL));
        /* A stranger's behind root's is a stranger's. */
        make_link(&p, "second", p.there, STRANGER);
        make_link(&p, "link", "second", 0);
        assert_int_equal(leads(&p, "link/inside", NULL), -ENOLINK);
        make_link(&p, "link", "link", 0);
        assert_int_equal(leads(&p, "link", NULL), -ELOOP);
}
