/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-cron(8): does one of the suite's regular duties and ends. Systemd's timers call it
 * (gantry-cron@.service), or a person does.
 *
 * One duty at a time, by a lock beside the database; another one waits for it. Each can be killed at any
 * moment and does the rest when it is run again. The exit code says whether another hour may mend it (75)
 * or a person must (78). */

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/path-util.h"
#include "cron/cron.h"
#include "cron/duty-backup.h"
#include "cron/duty-care.h"
#include "cron/duty-definitions.h"
#include "cron/duty-prune.h"
#include "cron/duty-reseal.h"
#include "shared/conf-file.h"
#include "shared/env-event.h"
#include "shared/exit-codes.h"
#include "shared/journal.h"

typedef struct Duty {
        const char *name, *help;
        int (*run)(Cron *c, Error **reterr_error);
        const char *failed; /* the message that says so; NULL: a plain one */
} Duty;

static const Duty duties[] = {
        { "prune", "delete jobs, histories and logs that are older than gantry.conf keeps", duty_prune, NULL },
        { "backup", "copy the database, check the copy, remove the oldest copies", duty_backup,
          MESSAGE_BACKUP_FAILED },
        { "vacuum", "give pages of the database that hold nothing back to the disk", duty_vacuum, NULL },
        { "check", "read the whole database and see whether it is sound", duty_check, NULL },
        { "definitions", "take over definitions of connectors that are new or changed", duty_definitions,
          MESSAGE_DEFINITIONS_REFUSED },
        { "reseal", "seal secrets under the present key (gantry-rotate-key.service)", duty_reseal,
          MESSAGE_SECRETS_UNREADABLE },
};

static void cron_done(Cron *c) {
        db_free(c->db);
        env_event_free(c->env);
}

static void help(void) {
        printf("gantry-cron [OPTION…] DUTY\n\nDo one of the suite's regular duties.\n\n");
        for (size_t i = 0; i < ELEMENTSOF(duties); i++)
                printf("  %-16s %s\n", duties[i].name, duties[i].help);
        printf("\n     --database=PATH  the database (%s)\n"
               "     --logs=DIR       the logs of attempts (" CRON_LOGS ")\n"
               "     --backups=DIR    where backups go (" CRON_BACKUPS ")\n"
               "     --config=PATH    the settings (" CONF_FILE_PATH ")\n"
               "     --data=DIR       where definitions.d and specs are (" DATADIR ")\n"
               "  -h --help\n     --version\n",
               db_path());
}

/* 1: go on; 0: done; -EINVAL: usage. */
static int parse(int argc, char *argv[], Cron *c, const Duty **ret) {
        static const struct option options[] = {
                { "database", required_argument, NULL, 'd' }, { "logs", required_argument, NULL, 'l' },
                { "backups", required_argument, NULL, 'b' },  { "config", required_argument, NULL, 'c' },
                { "data", required_argument, NULL, 'D' },
                { "help", no_argument, NULL, 'h' },           { "version", no_argument, NULL, 'V' },
                {},
        };
        int o;

        while ((o = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (o) {
                case 'd':
                        c->database = optarg;
                        break;
                case 'l':
                        c->logs = optarg;
                        break;
                case 'b':
                        c->backups = optarg;
                        break;
                case 'c':
                        c->settings = optarg;
                        break;
                case 'D':
                        c->data = optarg;
                        break;
                case 'h':
                        help();
                        return 0;
                case 'V':
                        printf("gantry-cron %s\n", PACKAGE_VERSION);
                        return 0;
                default:
                        return -EINVAL;
                }
        for (size_t i = 0; optind == argc - 1 && i < ELEMENTSOF(duties); i++)
                if (streq(argv[optind], duties[i].name)) {
                        *ret = &duties[i];
                        return 1;
                }
        log_error("gantry-cron: exactly one duty is needed, see --help");
        return -EINVAL;
}

/* One duty at a time; a second one waits. The file stays: removing it would let two hold different ones. */
static int lock(Cron *c, int *ret, Error **reterr_error) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (asprintf(&path, "%s.cron-lock", c->database) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_set_errno(reterr_error, -errno, "Can't open '%s'", path);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                log_info("Another duty is at work; waiting for its end");
                if (flock(fd, LOCK_EX) < 0)
                        return error_set_errno(reterr_error, -errno, "Can't lock '%s'", path);
        }
        *ret = TAKE_FD(fd);
        return 0;
}

static int run(Cron *c, const Duty *duty, Error **reterr_error) {
        _cleanup_close_ int lock_fd = -EBADF;
        int r;

        r = retention_load(c->settings, &c->keep, reterr_error);
        if (r < 0)
                return r;
        /* A host where Gantry was installed and never used. */
        if (!path_exists(c->database))
                return 0;
        r = env_event_new(&c->env);
        if (r >= 0)
                r = lock(c, &lock_fd, reterr_error);
        if (r >= 0)
                r = db_open(c->database, DB_READ_WRITE, &c->db, reterr_error);
        return r < 0 ? r : duty->run(c, reterr_error);
}

static int report(const Cron *c, const Duty *duty, int r, const Error *error) {
        const char *id = r == -EBADMSG ? MESSAGE_DATABASE_DAMAGED :
                         r == -EPROTO  ? MESSAGE_SCHEMA_REFUSED :
                                         duty->failed;

        if (id)
                journal_message(LOG_LEVEL_ERROR, id, JOURNAL_FIELDS({ "GANTRY_DATABASE", c->database }), "%s of %s: %s",
                                duty->name, c->database, error_message(error, r));
        else
                log_error("%s of %s: %s", duty->name, c->database, error_message(error, r));
        switch (r) {
        case -EBUSY:
        case -ENOSPC:
                return EXIT_TRY_AGAIN;
        case -EPROTO:
        case -EINVAL:
        case -ENOKEY:
                return EXIT_CONFIGURATION;
        default:
                return EXIT_FAILED;
        }
}

int main(int argc, char *argv[]) {
        _cleanup_(cron_done) Cron c = { .database = db_path(), .logs = CRON_LOGS, .backups = CRON_BACKUPS,
                                        .settings = CONF_FILE_PATH, .data = DATADIR };
        _cleanup_error_ Error *error = NULL;
        const Duty *duty;
        int r;

        r = parse(argc, argv, &c, &duty);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_OK;
        (void) umask(0027);
        r = run(&c, duty, &error);
        return r < 0 ? report(&c, duty, r, error) : EXIT_OK;
}
