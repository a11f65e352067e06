/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A rotation ends when nothing is sealed under the old key. The values are opened and sealed again row by
 * row, each update naming the blob that was read: one that a daemon has replaced meanwhile is newer and
 * sealed under the present key already. It may be killed and run again; the old key can be removed when
 * it has said success. A value that neither key opens is counted and left as it is. */

#include <inttypes.h>

#include "basic/log.h"
#include "cron/duty-reseal.h"
#include "db/application-store.h"
#include "db/secret-store.h"
#include "secrets/sealing.h"
#include "shared/journal.h"

#define PAGE 100U

/* Names the table that an application's secret is bound to. */
#define APPLICATION_TABLE "application"
#define SECRET_TABLE "secret"

typedef struct Reseal {
        SealingKeys *keys;
        char *after;       /* the id before the next page */
        bool applications; /* secrets come first */
        uint64_t n, n_lost;
} Reseal;

static void reseal_done(Reseal *s) {
        sealing_keys_free(s->keys);
        free(s->after);
}

/* 1 and the value under the present key; 0: it is that already, or it can't be opened. */
static int seal_anew(Reseal *s, const SealingPlace *place, const Blob *old, Blob *ret) {
        _cleanup_error_ Error *why = NULL;
        _cleanup_wipe_ char *value = NULL;
        size_t n;
        int r;

        if (!old->p || !sealing_is_old(s->keys, old->p, old->n))
                return 0;
        r = sealing_open(s->keys, place, old->p, old->n, &value, &n, &why);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                s->n_lost++;
                log_error("%s '%s' can't be opened: %s", place->table, place->row_id, error_message(why, r));
                return 0;
        }
        r = sealing_seal(s->keys, place, value, n, &ret->p, &ret->n);
        wipe(value, n);
        return r < 0 ? r : 1;
}

/* Somebody else has stored another value: theirs is the newer. */
static int count(Reseal *s, int r) {
        if (r >= 0)
                s->n++;
        return r == -ESTALE ? 0 : r;
}

static int reseal_secret(Cron *c, Reseal *s, const Secret *secret, Error **reterr_error) {
        const SealingPlace place = { SECRET_TABLE, secret->id, strempty(secret->owner_id) };
        Blob sealed = {};
        int r;

        r = seal_anew(s, &place, &secret->sealed, &sealed);
        if (r > 0)
                r = count(s, secret_store_reseal(c->db, secret->id, &secret->sealed, &sealed, cron_now(c),
                                                 reterr_error));
        free(sealed.p);
        return r;
}

static int reseal_application(Cron *c, Reseal *s, const Application *a, Error **reterr_error) {
        const SealingPlace place = { APPLICATION_TABLE, a->id, "" };
        Blob sealed = {};
        int r;

        r = seal_anew(s, &place, &a->sealed_secret, &sealed);
        if (r > 0)
                r = count(s, application_store_reseal(c->db, a->id, &a->sealed_secret, &sealed, reterr_error));
        free(sealed.p);
        return r;
}

static int go_on_after(Reseal *s, const char *id) {
        char *copy = strdup(id);

        if (!copy)
                return -ENOMEM;
        free(s->after);
        s->after = copy;
        return 1;
}

static int secrets_step(Cron *c, Reseal *s, Error **reterr_error) {
        const ListOptions options = { .after = s->after, .limit = PAGE };
        _cleanup_(secret_array_done) SecretArray page = {};
        int r;

        r = secret_store_list(c->db, &options, &page, reterr_error);
        for (size_t i = 0; r >= 0 && i < page.n; i++)
                r = reseal_secret(c, s, page.items[i], reterr_error);
        if (r < 0)
                return r;
        if (page.n > 0)
                return go_on_after(s, page.items[page.n - 1]->id);
        s->applications = true;
        return go_on_after(s, "");
}

static int applications_step(Cron *c, Reseal *s, Error **reterr_error) {
        const ListOptions options = { .after = s->after, .limit = PAGE };
        _cleanup_(application_array_done) ApplicationArray page = {};
        int r;

        r = application_store_list(c->db, &options, &page, reterr_error);
        for (size_t i = 0; r >= 0 && i < page.n; i++)
                r = reseal_application(c, s, page.items[i], reterr_error);
        return r < 0 ? r : page.n > 0 ? go_on_after(s, page.items[page.n - 1]->id) : 0;
}

static int step(Cron *c, void *userdata, Error **reterr_error) {
        Reseal *s = userdata;

        return s->applications ? applications_step(c, s, reterr_error) : secrets_step(c, s, reterr_error);
}

int duty_reseal(Cron *c, Error **reterr_error) {
        _cleanup_(reseal_done) Reseal s = {};
        int r;

        r = sealing_keys_load(&s.keys, reterr_error);
        if (r >= 0)
                r = cron_batches(c, step, &s, reterr_error);
        if (r < 0)
                return r;
        if (s.n > 0)
                journal_message(LOG_LEVEL_INFO, MESSAGE_SECRETS_RESEALED,
                                JOURNAL_FIELDS({ "GANTRY_DATABASE", c->database }),
                                "%" PRIu64 " secrets are sealed under the new key", s.n);
        return s.n_lost == 0 ? 0 : error_set(reterr_error, -ENOKEY, "%" PRIu64 " secrets are sealed under another key",
                                             s.n_lost);
}
