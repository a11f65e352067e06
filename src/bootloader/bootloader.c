/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-bootloader(8): makes the database what the daemons of this version need, before any of them opens
 * it. Doing it again changes nothing.
 *
 * Order: the key is loaded before anything is touched, for a first start without one would make an
 * application whose secret nobody can show. Then the lock, the schema step by step, the platform's first
 * objects, the definitions that this version brings; each of the last three is its own transaction and is
 * found done when it is run again. So an upgrade that is cut off at any point is finished by the next
 * start.
 *
 * --restore puts a backup into the database's place, which is all that it does: the next start goes on from
 * there, migrates an older schema and tells of secrets that don't open. The file may be anybody's; what is
 * asked of it is in db/restore.c. It is opened with the caller's rights, then read without any.
 *
 * Every unit that opens the database waits for this one's end and does without its success: the daemon says
 * why it can't be used, and its next start has this one tried again. The exit code says whether a later try
 * may help (75) or a person has to do something first (78). One thing only warns: secrets that this
 * machine's key doesn't open, after a restore elsewhere. */

#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/log.h"
#include "basic/path-util.h"
#include "bootloader/bootstrap.h"
#include "db/definition-seed.h"
#include "db/migrate.h"
#include "db/restore.h"
#include "shared/env-event.h"
#include "shared/journal.h"

enum {
        EXIT_USAGE = 2,
        EXIT_TRY_AGAIN = 75, /* somebody else is at it, or the disk is full */
        EXIT_CONFIG = 78,    /* a person has to do something first */
};

typedef struct Options {
        const char *database, *data, *restore;
        bool check;
} Options;

static int exit_code(int r) {
        switch (r) {
        case -EBUSY:
        case -ENOSPC:
                return EXIT_TRY_AGAIN;
        case -EPROTO:
        case -ENOKEY:
        case -EINVAL:
                return EXIT_CONFIG;
        default:
                return EXIT_FAILURE;
        }
}

static void help(void) {
        printf("gantry-bootloader [--database=PATH] [--data=DIR] [--check]\n\n"
               "Make the database of Gantry, or bring it up to date.\n\n"
               "  --database=PATH  The database (%s)\n"
               "  --data=DIR       Where definitions.d and specs are (%s)\n"
               "  --check          Only compare the schema\n"
               "  --restore=FILE   Put a backup into the place of the database, if it is a sound one\n"
               "  --help, --version\n",
               db_path(), DATADIR);
}

/* 1: go on; 0: done; -EINVAL: usage. */
static int parse(int argc, char *argv[], Options *ret) {
        static const struct option options[] = {
                { "database", required_argument, NULL, 'd' }, { "data", required_argument, NULL, 'D' },
                { "check", no_argument, NULL, 'c' },          { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },        { "restore", required_argument, NULL, 'r' },
                {},
        };
        int c;

        *ret = (Options) { .database = db_path(), .data = DATADIR };
        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'd':
                        ret->database = optarg;
                        break;
                case 'D':
                        ret->data = optarg;
                        break;
                case 'c':
                        ret->check = true;
                        break;
                case 'r':
                        ret->restore = optarg;
                        break;
                case 'h':
                        help();
                        return 0;
                case 'V':
                        printf("gantry-bootloader %s\n", PACKAGE_VERSION);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                log_error("gantry-bootloader: unexpected argument '%s', see --help", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

static int check(const Options *o, Error **reterr_error) {
        _cleanup_(db_freep) Db *db = NULL;
        int r;

        r = db_open(o->database, DB_READ_ONLY, &db, reterr_error);
        if (r >= 0)
                log_info("%s has schema %d, as needed", o->database, db_schema_known());
        return r;
}

/* One bootloader at a time. The file stays: removing it would let two of them hold different ones. */
static int lock(Env *e, const char *database, int *ret, Error **reterr_error) {
        _cleanup_free_ char *directory = path_dirname(database), *path = NULL;
        int r;

        if (!directory || asprintf(&path, "%s.lock", database) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = mkdir_parents(directory, 0750);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Can't make the directory '%s'", directory);
        r = e->ops->file_lock(e, path, ret);
        if (r == -EBUSY)
                return error_set(reterr_error, r, "Another gantry-bootloader is at work");
        return r < 0 ? error_set_errno(reterr_error, r, "Can't lock '%s'", path) : 0;
}

/* A file of unknown origin is read by nobody who has privileges: root becomes the owner of the
 * database's directory. */
static int become_owner(const char *database, Error **reterr_error) {
        _cleanup_free_ char *directory = path_dirname(database);
        struct stat st;

        if (!directory)
                return -ENOMEM;
        if (stat(directory, &st) < 0)
                return error_set_errno(reterr_error, -errno, "Can't look at '%s'", directory);
        if (geteuid() != 0 || st.st_uid == 0)
                return 0;
        if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
            setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
                return error_set_errno(reterr_error, -errno, "Can't become the owner of '%s'", directory);
        return 0;
}

/* A copy by cp has its log beside it, where SQLite looks for it: behind a link. Nobody has named that file,
 * so it is not a link itself. -ENOENT: there is none. */
static int open_log(const char *file) {
        _cleanup_free_ char *real = realpath(file, NULL), *log = NULL;

        if (!real)
                return -errno;
        if (asprintf(&log, "%s-wal", real) < 0) {
                log = NULL;
                return -ENOMEM;
        }
        return RET_NERRNO(open(log, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW));
}

static int restore(const Options *o, Env *e, Error **reterr_error) {
        _cleanup_close_ int lock_fd = -EBADF, fd = -EBADF, log_fd = -EBADF;
        int version, r;

        fd = open(o->restore, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return error_set_errno(reterr_error, -errno, "Can't open '%s'", o->restore);
        log_fd = open_log(o->restore);
        if (log_fd < 0 && log_fd != -ENOENT)
                return error_set_errno(reterr_error, log_fd, "Can't open the log of '%s', '-wal'", o->restore);
        r = become_owner(o->database, reterr_error);
        if (r >= 0)
                r = lock(e, o->database, &lock_fd, reterr_error);
        if (r >= 0)
                r = db_restore(&(RestoreSource) { fd, log_fd, o->restore }, o->database, &version, reterr_error);
        if (r > 0)
                log_warning("'%s' is in WAL mode and has no log beside it: SQLite's own copies are whole so, but if it "
                            "was copied with cp from a database in use, it lacks what was written last",
                            o->restore);
        if (r >= 0)
                log_info("%s is '%s' now, with schema %d; what was there before is %s" DB_BEFORE_RESTORE,
                         o->database, o->restore, version, o->database);
        return r;
}

static void report(const Options *o, int from, const Bootstrap *made, const Seeded *seeded) {
        char schema[64];

        if (from == db_schema_known())
                (void) snprintf(schema, sizeof(schema), "schema %d", from);
        else if (from == 0)
                (void) snprintf(schema, sizeof(schema), "made with schema %d", db_schema_known());
        else
                (void) snprintf(schema, sizeof(schema), "migrated from schema %d to %d", from,
                                db_schema_known());
        log_info("%s: %s%s%s%s%s; %u definitions, %u of them new or changed", o->database, schema,
                 made->deployment ? ", new deployment" : "", made->workspace ? ", default workspace" : "",
                 made->application ? ", first application" : "", made->dataplane ? ", local dataplane" : "",
                 seeded->definitions, seeded->changed);
}

static int run(const Options *o, Env *e, Error **reterr_error) {
        _cleanup_(sealing_keys_freep) SealingKeys *keys = NULL;
        _cleanup_(db_freep) Db *db = NULL;
        _cleanup_error_ Error *warning = NULL;
        _cleanup_close_ int lock_fd = -EBADF;
        Bootstrap made = {};
        _cleanup_seeded_ Seeded seeded = {};
        int from, r;

        r = sealing_keys_load(&keys, reterr_error);
        if (r < 0)
                return r;
        r = lock(e, o->database, &lock_fd, reterr_error);
        if (r >= 0)
                r = db_open(o->database, DB_MIGRATE, &db, reterr_error);
        if (r >= 0)
                r = db_migrate(db, env_now(e, ENV_CLOCK_REALTIME), &from, reterr_error);
        if (r >= 0)
                r = bootstrap_platform(db, e, keys, &made, reterr_error);
        if (r >= 0)
                r = definition_seed_directory(db, o->data, env_now(e, ENV_CLOCK_REALTIME), &seeded, reterr_error);
        if (r < 0)
                return r;
        report(o, from, &made, &seeded);
        /* T74: syncs will fail for want of their secrets; everything else can be seen and mended. */
        r = bootstrap_check_key(db, keys, &warning);
        if (r < 0)
                journal_message(LOG_LEVEL_WARNING, MESSAGE_SECRETS_UNREADABLE,
                                JOURNAL_FIELDS({ "GANTRY_DATABASE", o->database }),
                                "The secrets in %s can't be used: %s", o->database, error_message(warning, r));
        return 0;
}

int main(int argc, char *argv[]) {
        _cleanup_(env_event_freep) Env *e = NULL;
        _cleanup_error_ Error *error = NULL;
        Options options;
        int r;

        r = parse(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
        (void) umask(0027);
        r = env_event_new(&e);
        if (r >= 0)
                r = options.check ? check(&options, &error) : options.restore ? restore(&options, e, &error) :
                                                              run(&options, e, &error);
        if (r < 0) {
                r = db_blame_disk(options.database, r, &error);
                journal_start_failure(r, error_message(error, r));
                return exit_code(r);
        }
        return EXIT_SUCCESS;
}
