/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tokens, the claim, and what is said under a lease.
 *
 * Of a launcher only the hash of its token is stored; registering again makes a new one and so ends the
 * old. The id stands in the token, so that one row is looked up and one hash compared. A runner's token
 * is a JWT that is stored nowhere: it names workload and epoch, and whether that lease still holds is
 * asked at every call. The limits that it says itself are only a net below that.
 *
 * The claim is committed before its input is made. If making it fails for good (a secret is gone, its key
 * is another one), the workload ends here with the reason, for a launcher could only try for ever; if it
 * fails for now, the launcher claims again: one that has claimed but not launched may, and gets a new
 * epoch. The same way out serves a reply that was lost.
 *
 * Order within a call: the lease is checked in the transaction that stores (src/db/workload-report.c).
 * Logs are files, so theirs is checked just before; with one thread, nothing comes in between. */

#include <stdio.h>

#include "basic/utf8.h"
#include "basic/uuid.h"
#include "db/dataplane-store.h"
#include "db/secret-store.h"
#include "db/state-store.h"
#include "secrets/sealing.h"
#include "secrets/token.h"
#include "workload/claim-input.h"
#include "workload/log-store.h"
#include "workload/workload-json.h"
#include "workload/workload-lease.h"
#include "workload/workload-manager-internal.h"

#define JWT_AUDIENCE "workload"
/* "gld_<dataplane id>.<random>" */
#define LAUNCHER_PREFIX "gld_"
#define UUID_LENGTH (UUID_STRING_MAX - 1)
#define NAME_MAX_BYTES 100U

/* -- Tokens -- */

WorkloadCaller *workload_caller_free(WorkloadCaller *c) {
        if (!c)
                return NULL;
        free(c->dataplane_id);
        free(c->workload_id);
        free(c);
        return NULL;
}

static int refuse_token(Error **reterr_error) {
        return error_set(reterr_error, -EKEYREJECTED, "The token is not valid");
}

/* Compared in constant time, and refused with the same words whatever is wrong with it. */
static int authenticate_launcher(WorkloadManager *m, const char *token, WorkloadCaller *c, Error **reterr_error) {
        _cleanup_(dataplane_freep) Dataplane *d = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        id = strndup(token + STRLEN(LAUNCHER_PREFIX), UUID_LENGTH);
        if (!id)
                return -ENOMEM;
        if (!uuid_is_valid(id))
                return refuse_token(reterr_error);
        r = dataplane_store_get(m->options.db, id, &d, NULL);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r < 0 || !d->enabled || !token_matches(token, d->token_hash.p, d->token_hash.n))
                return refuse_token(reterr_error);
        c->dataplane_id = TAKE_PTR(id);
        return 0;
}

static int gone(const char *id, Error **reterr_error) {
        return error_set(reterr_error, -ESTALE, "This token's lease of '%s' is over", id);
}

/* A token is worth what its lease is worth: nothing once the workload has ended, was claimed again, or has not
 * been heard of for too long. */
static int check_token_lease(WorkloadManager *m, const WorkloadCaller *c, bool repeats_end, Error **reterr_error) {
        _cleanup_(workload_freep) Workload *w = NULL;
        int r;

        r = workload_store_get_head(m->options.db, c->workload_id, &w, NULL);
        if (r == -ENOENT)
                return gone(c->workload_id, reterr_error);
        if (r < 0)
                return r;
        if (w->lease_epoch != c->lease_epoch)
                return gone(c->workload_id, reterr_error);
        if (workload_status_is_terminal(w->status))
                return repeats_end ? 0 : gone(c->workload_id, reterr_error);
        if (w->deadline >= manager_now(m))
                return 0;
        /* The next sweep would find it, unless it is a time in which nobody is judged. */
        r = workload_manager_sweep(m, reterr_error);
        return r > 0 ? gone(c->workload_id, reterr_error) : r;
}

int workload_manager_authenticate(WorkloadManager *m, const char *token, bool repeats_end, WorkloadCaller **ret,
                                  Error **reterr_error) {
        _cleanup_(workload_caller_freep) WorkloadCaller *c = calloc(1, sizeof(*c));
        _cleanup_(jwt_claims_done) JwtClaims claims = {};
        int r;

        if (!c)
                return -ENOMEM;
        if (strncmp(token, LAUNCHER_PREFIX, STRLEN(LAUNCHER_PREFIX)) == 0)
                r = authenticate_launcher(m, token, c, reterr_error);
        else {
                r = jwt_verify(m->jwt, token, JWT_AUDIENCE, manager_now(m), &claims);
                if (r < 0)
                        return r == -ENOMEM ? r : refuse_token(reterr_error);
                c->workload_id = TAKE_PTR(claims.subject);
                c->lease_epoch = claims.epoch;
                r = check_token_lease(m, c, repeats_end, reterr_error);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

static int find_dataplane(WorkloadManager *m, const char *name, char **ret_id, Error **reterr_error) {
        _cleanup_(dataplane_freep) Dataplane *d = NULL;
        int r;

        r = dataplane_store_get_by_name(m->options.db, name, &d, reterr_error);
        if (r >= 0) {
                if (!d->enabled)
                        return error_set(reterr_error, -EACCES, "The dataplane '%s' is disabled", name);
                *ret_id = TAKE_PTR(d->id);
                return 0;
        }
        if (r != -ENOENT)
                return r;
        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->id = uuid7_new_string(m->options.env);
        d->name = strdup(name);
        d->enabled = true;
        if (!d->id || !d->name)
                return -ENOMEM;
        r = dataplane_store_insert(m->options.db, d, manager_now(m), reterr_error);
        if (r < 0)
                return r;
        *ret_id = TAKE_PTR(d->id);
        return 0;
}

/* In one transaction with the look for the name: two launchers that begin at once share one row, and the
 * token of the later one is what counts. */
int workload_manager_register(WorkloadManager *m, const char *name, char **ret_id, char **ret_token,
                              Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_free_ char *id = NULL, *token = NULL;
        uint8_t hash[TOKEN_HASH_SIZE];
        Blob blob = { hash, sizeof(hash) };
        char random[TOKEN_MAX];
        int r;

        if (!*name || strlen(name) > NAME_MAX_BYTES)
                return error_set(reterr_error, -EINVAL, "The dataplane's name is empty or too long");
        r = db_begin_immediate(m->options.db, &transaction, reterr_error);
        if (r >= 0)
                r = find_dataplane(m, name, &id, reterr_error);
        if (r < 0)
                return r;
        token_generate(random);
        if (asprintf(&token, LAUNCHER_PREFIX "%s.%s", id, random) < 0)
                return -ENOMEM;
        token_hash(token, hash);
        r = dataplane_store_set_token(m->options.db, id, &blob, manager_now(m), reterr_error);
        if (r >= 0)
                r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret_id = TAKE_PTR(id);
        *ret_token = TAKE_PTR(token);
        return manager_done(m, 0);
}

int workload_manager_dataplane_beat(WorkloadManager *m, const char *dataplane_id, Error **reterr_error) {
        return dataplane_store_heartbeat(m->options.db, dataplane_id, manager_now(m), reterr_error);
}

/* -- The queue -- */

int workload_manager_poll(WorkloadManager *m, int priority, unsigned quantity, WorkloadArray *ret,
                          Error **reterr_error) {
        static const WorkloadPriority order[] = { WORKLOAD_HIGH, WORKLOAD_DEFAULT };
        _cleanup_(workload_array_done) WorkloadArray found = {};

        quantity = MIN(quantity, WORKLOAD_POLL_MAX);
        for (size_t i = 0; i < ELEMENTSOF(order) && found.n < quantity; i++) {
                _cleanup_(workload_array_done) WorkloadArray some = {};
                int r;

                if (priority >= 0 && priority != (int) order[i])
                        continue;
                r = workload_store_poll(m->options.db, order[i], quantity - found.n, manager_now(m), &some,
                                        reterr_error);
                for (size_t k = 0; r >= 0 && k < some.n; k++) {
                        r = model_array_append((void ***) &found.items, &found.n, some.items[k]);
                        if (r >= 0)
                                some.items[k] = NULL;
                }
                if (r < 0)
                        return r;
        }
        *ret = found;
        found = (WorkloadArray) {};
        return 0;
}

int workload_manager_depth(WorkloadManager *m, int64_t ret[static _WORKLOAD_PRIORITY_MAX], Error **reterr_error) {
        return workload_store_depth(m->options.db, ret, reterr_error);
}

/* -- The claim -- */

void workload_claim_done(WorkloadClaim *c) {
        wipe_and_free(c->token);
        claim_buffer_erase(&c->input);
        *c = (WorkloadClaim) {};
}

typedef struct Resolution {
        WorkloadManager *manager;
        const char *workload_id;
} Resolution;

static int on_secret(const char *id, const char *owner, char **ret, Error **reterr_error, void *userdata) {
        Resolution *v = userdata;
        _cleanup_(secret_freep) Secret *s = NULL;
        int r;

        r = secret_store_get(v->manager->options.db, id, &s, reterr_error);
        if (r < 0)
                return r;
        /* The value is bound to its row and owner, but which row is meant says a configuration, which isn't (T75). */
        if (owner && !streq(owner, strempty(s->owner_id)))
                return error_set(reterr_error, -EBADMSG, "The secret '%s' belongs to another source or destination",
                                 id);
        return sealing_open(v->manager->options.keys,
                            &(SealingPlace) { "secret", s->id, strempty(s->owner_id) }, s->sealed.p, s->sealed.n,
                            ret, NULL, reterr_error);
}

static int on_sealed(const char *text, char **ret, Error **reterr_error, void *userdata) {
        Resolution *v = userdata;

        return sealing_open_text(v->manager->options.keys, &(SealingPlace) { "workload", v->workload_id, "" }, text,
                                 ret, reterr_error);
}

static int write_input(WorkloadManager *m, const Workload *w, Buffer *b, Error **reterr_error) {
        _cleanup_claim_secrets_ char **secrets = NULL;
        _cleanup_json_ JsonObject *input = NULL;
        _cleanup_free_ char *state = NULL;
        Resolution resolution = { m, w->id };
        const ClaimResolver resolver = { on_secret, on_sealed, &resolution };
        size_t n_state = 0;
        int r;

        r = json_parse(w->input, strlen(w->input), &input, reterr_error);
        if (r >= 0)
                r = claim_input_resolve(input, &resolver, &secrets, reterr_error);
        if (r >= 0 && w->type == WORKLOAD_SYNC)
                r = state_store_get(m->options.db, w->connection_id, &state, &n_state, reterr_error);
        if (r < 0)
                return r;
        return claim_input_write(b, input, state ?: "[]", state ? n_state : 2, secrets);
}

static int make_token(WorkloadManager *m, const Workload *w, int64_t epoch, char **ret) {
        usec_t now = manager_now(m);
        JwtClaims claims = {
                .subject = w->id,
                .audience = (char *) JWT_AUDIENCE,
                .epoch = epoch,
                .issued_at = now,
                .expires_at = now + (w->type == WORKLOAD_SYNC ? WORKLOAD_TOKEN_SYNC_USEC :
                                                                WORKLOAD_TOKEN_OTHER_USEC),
        };

        return jwt_make(m->jwt, &claims, ret);
}

/* Whether waiting and claiming again would give something else. */
static bool is_lasting(int r) {
        return r == -ENOENT || r == -EBADMSG || r == -ENOKEY || r == -EINVAL;
}

int workload_manager_claim(WorkloadManager *m, const char *id, const char *dataplane_id, WorkloadClaim *ret,
                           Error **reterr_error) {
        _cleanup_(workload_claim_done) WorkloadClaim claim = {};
        _cleanup_(workload_freep) Workload *w = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = workload_store_claim(m->options.db, id, dataplane_id, manager_now(m), &claim.lease_epoch, reterr_error);
        /* It may have ended by this. */
        if (r <= 0)
                return r < 0 ? r : manager_ended(m, /* claimed= */ true, 0);
        (void) manager_done(m, 0);
        r = workload_store_get(m->options.db, id, &w, reterr_error);
        if (r < 0)
                return r;
        r = write_input(m, w, &claim.input, &error);
        if (r < 0 && is_lasting(r)) {
                /* It can't run, today or later: its end says why. */
                r = workload_manager_failure(m, id, claim.lease_epoch, "workload-manager", error_message(error, r),
                                             NULL, reterr_error);
                return r < 0 ? r : 0;
        }
        if (r >= 0)
                r = make_token(m, w, claim.lease_epoch, &claim.token);
        if (r < 0)
                return error_set(reterr_error, r, "%s", error_message(error, r));
        *ret = claim;
        claim = (WorkloadClaim) {};
        return 0;
}

/* -- Under a lease -- */

int workload_manager_launched(WorkloadManager *m, const char *id, int64_t epoch, Error **reterr_error) {
        return manager_done(m, workload_store_advance(m->options.db, id, epoch, WORKLOAD_LAUNCHED, manager_now(m),
                                                      reterr_error));
}

int workload_manager_running(WorkloadManager *m, const char *id, int64_t epoch, Error **reterr_error) {
        return manager_done(m, workload_store_advance(m->options.db, id, epoch, WORKLOAD_RUNNING, manager_now(m),
                                                      reterr_error));
}

int workload_manager_heartbeat(WorkloadManager *m, const char *id, int64_t epoch, Error **reterr_error) {
        int r;

        r = workload_store_heartbeat(m->options.db, id, epoch, manager_now(m), reterr_error);
        /* Who beats before it runs is not the runner that we know of. */
        return r == -EINVAL ? -ESTALE : r;
}

int workload_manager_check_launchers(WorkloadManager *m, const char *id, Error **reterr_error) {
        _cleanup_(workload_freep) Workload *w = NULL;
        int r;

        r = workload_store_get_head(m->options.db, id, &w, reterr_error);
        if (r >= 0 && w->type != WORKLOAD_INSTALL)
                r = error_set(reterr_error, -EACCES, "The success of '%s' is its runner's to tell", id);
        return r;
}

/* 1 from the store means that it ended now, 0 that this was said before: the workflow is told only once
 * of each end, and again only if it has not answered. */
int workload_manager_success(WorkloadManager *m, const char *id, int64_t epoch, const char *output,
                             Error **reterr_error) {
        int r;

        r = workload_store_finish(m->options.db, id, epoch, WORKLOAD_SUCCESS, output, NULL, NULL, manager_now(m),
                                  reterr_error);
        return r <= 0 ? r : manager_ended(m, /* claimed= */ true, 0);
}

/* Cuts at a character's end. */
static char *cut_text(const char *s, size_t max) {
        size_t n = 0;

        for (size_t step; s[n]; n += step) {
                step = utf8_sequence(s + n, s + n + strnlen(s + n, 4));
                step = MAX(step, 1U);
                if (n + step > max)
                        break;
        }
        return strndup(s, n);
}

int workload_manager_failure(WorkloadManager *m, const char *id, int64_t epoch, const char *source,
                             const char *reason, const char *output, Error **reterr_error) {
        _cleanup_free_ char *cut = cut_text(reason, WORKLOAD_REASON_MAX);
        int r;

        if (!cut)
                return -ENOMEM;
        if (strlen(source) > NAME_MAX_BYTES)
                return error_set(reterr_error, -EINVAL, "'source' is longer than %u bytes", NAME_MAX_BYTES);
        r = workload_store_finish(m->options.db, id, epoch, WORKLOAD_FAILURE, output, source, cut, manager_now(m),
                                  reterr_error);
        return r <= 0 ? r : manager_ended(m, /* claimed= */ true, 0);
}

int workload_manager_state(WorkloadManager *m, const char *id, int64_t epoch, JsonSlice states,
                           Error **reterr_error) {
        int r;

        r = workload_store_merge_state(m->options.db, id, epoch, states.p, states.n, manager_now(m), reterr_error);
        if (r == -EINVAL)
                r = -EDOM;
        else if (r == -E2BIG)
                r = -EFBIG;
        return manager_done(m, r);
}

int workload_manager_stats(WorkloadManager *m, const char *id, int64_t epoch, JsonObject *streams,
                           Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = workload_stats_check(streams, reterr_error);
        if (r < 0)
                return r == -EINVAL ? -EDOM : r;
        text = json_to_string(streams);
        if (!text)
                return -ENOMEM;
        return manager_done(m, workload_store_set_stats(m->options.db, id, epoch, text, manager_now(m),
                                                        reterr_error));
}

static int make_progress(const Workload *w, JsonObject *streams, char **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add(o, "jobId", json_object_new_int64(w->job_id)) : -ENOMEM;

        if (r >= 0)
                r = json_add(o, "attempt", json_object_new_int64(w->attempt));
        if (r >= 0)
                r = json_add(o, "streams", json_object_get(streams));
        if (r < 0)
                return r;
        *ret = json_to_string(o);
        return *ret ? 0 : -ENOMEM;
}

int workload_manager_progress(WorkloadManager *m, const char *id, int64_t epoch, JsonObject *streams,
                              Error **reterr_error) {
        usec_t now = env_now(m->options.env, ENV_CLOCK_MONOTONIC);
        _cleanup_(workload_freep) Workload *w = NULL;
        _cleanup_free_ char *text = NULL;
        KnownWorkload *k;
        int r;

        r = workload_stats_check(streams, reterr_error);
        if (r < 0)
                return r == -EINVAL ? -EDOM : r;
        r = workload_store_check_lease(m->options.db, id, epoch, reterr_error);
        if (r >= 0)
                r = workload_store_get_head(m->options.db, id, &w, reterr_error);
        if (r >= 0)
                r = manager_known(m, id, &k, reterr_error);
        if (r < 0)
                return r;
        /* A sync's are of interest, and a runner that says more than anybody can follow is heard out. */
        if (w->type != WORKLOAD_SYNC || w->job_id == 0 ||
            (k->progress_at > 0 && now < k->progress_at + WORKLOAD_PROGRESS_USEC))
                return 0;
        r = make_progress(w, streams, &text);
        if (r < 0)
                return r;
        k->progress_at = now;
        m->options.hooks.progress(text, m->options.hooks.userdata);
        return 0;
}

int workload_manager_logs(WorkloadManager *m, const char *id, int64_t epoch, const char *lines, size_t n,
                          Error **reterr_error) {
        KnownWorkload *k;
        int r;

        r = log_lines_check(lines, n, reterr_error);
        if (r < 0)
                return r == -EINVAL ? -EDOM : r;
        r = workload_store_check_lease(m->options.db, id, epoch, reterr_error);
        if (r >= 0)
                r = manager_known(m, id, &k, reterr_error);
        if (r >= 0)
                r = log_store_append(m->options.log_root, k->log_place, lines, n, manager_now(m), reterr_error);
        return r < 0 ? r : 0;
}

/* A bucket of WORKLOAD_CONTROL_BURST tokens that gets one back every WORKLOAD_CONTROL_INTERVAL_USEC. */
static bool take_control_token(WorkloadManager *m, KnownWorkload *k) {
        usec_t now = env_now(m->options.env, ENV_CLOCK_MONOTONIC);
        usec_t gained = (now - k->control_at) / WORKLOAD_CONTROL_INTERVAL_USEC;

        k->control_tokens = (unsigned) MIN(k->control_tokens + gained, WORKLOAD_CONTROL_BURST);
        k->control_at += gained * WORKLOAD_CONTROL_INTERVAL_USEC;
        if (k->control_tokens == 0)
                return false;
        k->control_tokens--;
        return true;
}

int workload_manager_control(WorkloadManager *m, const char *id, int64_t epoch, const char *role,
                             size_t n_configuration, char **ret_actor_id, Error **reterr_error) {
        bool source = streq(role, "source");
        const char *actor_id;
        KnownWorkload *k;
        int r;

        if (!source && !streq(role, "destination"))
                return error_set(reterr_error, -EINVAL, "'role' is neither source nor destination");
        if (n_configuration > WORKLOAD_CONTROL_MAX)
                return error_set(reterr_error, -EFBIG, "A configuration of %zu bytes is more than %u",
                                 n_configuration, WORKLOAD_CONTROL_MAX);
        r = workload_store_check_lease(m->options.db, id, epoch, reterr_error);
        if (r >= 0)
                r = manager_known(m, id, &k, reterr_error);
        if (r < 0)
                return r;
        if (!take_control_token(m, k))
                return error_set(reterr_error, -EDQUOT, "More CONTROL messages than one in %u s",
                                 (unsigned) (WORKLOAD_CONTROL_INTERVAL_USEC / USEC_PER_SEC));
        actor_id = source ? k->source_id : k->destination_id;
        *ret_actor_id = actor_id ? strdup(actor_id) : NULL;
        return actor_id && !*ret_actor_id ? -ENOMEM : 0;
}
