/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Three kinds of credentials lead to a principal. A bearer token with dots is a JWT of ours, good for 15
 * minutes and checked against the application's row, so that deleting the application ends it at once.
 * One without is a session's; sessions are stored by hash. Basic carries client id and secret for clients
 * that know nothing else.
 *
 * Only wrong ids and secrets are counted, not wrong tokens: a signature isn't found by trying. The count
 * is one for all, because every peer is the proxy on a unix socket and an address is only what a header
 * says. Nothing that is right is ever refused for it, hence there is nothing to lock out.
 *
 * All refusals have the same words and, where a secret is compared, take the same time. */

#include <strings.h>

#include "basic/log.h"
#include "db/application-store.h"
#include "db/session-store.h"
#include "secrets/token.h"
#include "server/auth.h"

#define AUDIENCE "api"
/* Of "id:secret" in Basic; real ones have some 100 bytes. */
#define BASIC_MAX 1024U
/* A client that is configured wrongly tries some times a minute; a thousand are somebody's attempt. */
#define FAILURES_MAX 100U
#define FAILURES_TIME (60 * USEC_PER_SEC)

static int refuse(Call *c) {
        return call_fail(c, -EKEYREJECTED, NULL, "The credentials are not valid");
}

/* The answer to wrong credentials. It tells nothing about which part is wrong, and says slow down when there are
 * many (T47). */
static int refuse_credentials(Call *c) {
        AuthFailures *f = &c->server->failures;
        usec_t now = env_now(c->server->env, ENV_CLOCK_MONOTONIC);

        if (f->n == 0 || now - f->since > FAILURES_TIME)
                *f = (AuthFailures) { .since = now };
        if (f->n < FAILURES_MAX) {
                f->n++;
                return refuse(c);
        }
        if (f->n == FAILURES_MAX) {
                f->n++;
                log_warning("%u wrong client ids or secrets within a minute", FAILURES_MAX);
        }
        if (c->request)
                (void) http_reply_add_header(c->request, "Retry-After", "60");
        return call_fail(c, -EDQUOT, NULL, "Too many credentials were wrong of late");
}

/* The application with these credentials. Takes the same time for an unknown id as for a wrong secret. */
static int find_application(Call *c, const char *client_id, const char *client_secret, Application **ret) {
        static const uint8_t nothing[TOKEN_HASH_SIZE];
        _cleanup_(application_freep) Application *a = NULL;
        int r = application_store_get_by_client_id(c->server->db, client_id, &a, &c->error);

        if (r == -ENOENT) {
                (void) token_matches(client_secret, nothing, sizeof(nothing));
                return refuse_credentials(c);
        }
        if (r < 0)
                return r;
        if (!token_matches(client_secret, a->secret_hash.p, a->secret_hash.n))
                return refuse_credentials(c);
        *ret = TAKE_PTR(a);
        return 0;
}

static int set_principal(Call *c, PrincipalKind kind, const char *id) {
        c->kind = kind;
        free(c->principal_id);
        c->principal_id = strdup(id);
        return c->principal_id ? 0 : -ENOMEM;
}

int auth_issue_token(Call *c, const char *client_id, const char *client_secret, char **ret_token) {
        _cleanup_(application_freep) Application *a = NULL;
        JwtClaims claims = { .audience = (char *) AUDIENCE };
        int r = find_application(c, client_id, client_secret, &a);

        if (r < 0)
                return r;
        claims.subject = a->id;
        claims.issued_at = server_now(c->server) / USEC_PER_SEC * USEC_PER_SEC;
        claims.expires_at = claims.issued_at + TOKEN_LIFETIME_SEC * USEC_PER_SEC;
        return jwt_make(c->server->jwt, &claims, ret_token);
}

/* A deleted application's tokens are no longer good. */
static int identify_token(Call *c, const char *token) {
        _cleanup_(application_freep) Application *a = NULL;
        _cleanup_(jwt_claims_done) JwtClaims claims = {};
        int r = jwt_verify(c->server->jwt, token, AUDIENCE, server_now(c->server), &claims);

        if (r == -EKEYEXPIRED)
                return call_fail(c, r, NULL, "The token has expired");
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return refuse(c);
        r = application_store_get(c->server->db, claims.subject, &a, &c->error);
        if (r == -ENOENT)
                return refuse(c);
        return r < 0 ? r : set_principal(c, PRINCIPAL_APPLICATION, a->id);
}

static int identify_session(Call *c, const char *token) {
        _cleanup_(session_freep) Session *s = NULL;
        uint8_t hash[TOKEN_HASH_SIZE];
        int r;

        token_hash(token, hash);
        r = session_store_get(c->server->db, &(Blob) { hash, sizeof(hash) }, server_now(c->server), &s,
                              &c->error);
        if (r == -ENOENT || (r >= 0 && s->kind != SESSION_COOKIE))
                return refuse(c);
        return r < 0 ? r : set_principal(c, s->principal_kind, s->principal_id);
}

static int identify_basic(Call *c, const char *encoded) {
        _cleanup_(application_freep) Application *a = NULL;
        char pair[BASIC_MAX], *colon;
        int r;

        if (credentials_decode(encoded, pair, sizeof(pair)) < 0 || !(colon = strchr(pair, ':')))
                return refuse_credentials(c);
        *colon = 0;
        r = find_application(c, pair, colon + 1, &a);
        wipe(pair, sizeof(pair));
        return r < 0 ? r : set_principal(c, PRINCIPAL_APPLICATION, a->id);
}

int auth_identify(Call *c, const char *authorization) {
        if (!authorization)
                return call_fail(c, -EKEYREJECTED, NULL, "The Authorization header is missing");
        if (strncasecmp(authorization, "Basic ", 6) == 0)
                return identify_basic(c, authorization + 6);
        if (strncasecmp(authorization, "Bearer ", 7) != 0)
                return refuse(c);
        return strchr(authorization + 7, '.') ? identify_token(c, authorization + 7) :
                                                identify_session(c, authorization + 7);
}
