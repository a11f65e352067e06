/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* T48: whether the time of a comparison tells how much of a secret is right. As dudect does it: two inputs
 * in random turns, one wrong from its first byte on, the other right for a while; Welch's t over the times,
 * also without the slowest ones, which are somebody else's. Above 4.5 the two can be told apart.
 *
 * A machine that is busy makes noise, not differences between the two; a value above the limit that is
 * chance does not come five times in a row. That the method sees what is there, a comparison that stops
 * at the first wrong byte shows in the same run, and with all samples memcmp().
 *
 * `make check` takes 20,000 samples for some lengths, which show a loop (|t| of 60 to 200) but must hold on any
 * machine, hence its limit of 15; GANTRY_TEST_FULL=1 takes 10^6 for all. */

#include <math.h>
#include <sodium.h>
#include <time.h>

#include "db/application-store.h"
#include "db/permission-store.h"
#include "secrets/jwt.h"
#include "secrets/sealing.h"
#include "secrets/token.h"
#include "server/auth.h"
#include "shared/env-event.h"
#include "unit/db-harness.h"

#define LIMIT (is_full() ? 4.5 : 15.0)
#define TRIES 5U
#define INPUT_MAX 512U
#define WARM_UP 2000U

/* Something that takes an input and says whether it is right. */
typedef struct Subject {
        const char *name;
        size_t length; /* how many bytes of an input are secret; `length` right ones: all */
        void (*make)(size_t right, char input[static INPUT_MAX]);
        bool (*takes)(const char *input);
} Subject;

static char token[TOKEN_MAX];
static uint8_t hash[TOKEN_HASH_SIZE];
static volatile unsigned sink;

static bool is_full(void) {
        return getenv("GANTRY_TEST_FULL");
}

static size_t n_samples(void) {
        return is_full() ? 1000000 : 20000;
}

static inline uint64_t ticks(void) {
#if defined(__x86_64__)
        uint64_t t;

        __builtin_ia32_lfence();
        t = __builtin_ia32_rdtsc();
        __builtin_ia32_lfence();
        return t;
#elif defined(__aarch64__)
        uint64_t t;

        asm volatile("isb; mrs %0, cntvct_el0; isb" : "=r"(t) : : "memory");
        return t;
#else
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
#endif
}

/* Both classes come from one place in memory, put there the same way. */
static void sample(const Subject *s, char inputs[2][INPUT_MAX], uint32_t *times, uint8_t *classes, size_t n) {
        static char input[INPUT_MAX];
        uint8_t random[64];

        for (size_t i = 0; i < n + WARM_UP; i++) {
                uint64_t from, to;
                unsigned class;

                if (i % (8 * sizeof(random)) == 0)
                        randombytes_buf(random, sizeof(random));
                class = random[i / 8 % sizeof(random)] >> i % 8 & 1;
                memcpy(input, inputs[class], INPUT_MAX);
                asm volatile("" : : "r"(input) : "memory");
                from = ticks();
                sink += s->takes(input);
                to = ticks();
                if (i < WARM_UP)
                        continue;
                times[i - WARM_UP] = (uint32_t) MIN(to - from, (uint64_t) UINT32_MAX);
                classes[i - WARM_UP] = (uint8_t) class;
        }
}

static double welch(const uint32_t *times, const uint8_t *classes, size_t n, uint32_t most) {
        double mean[2] = {}, m2[2] = {}, count[2] = {}, variance;

        for (size_t i = 0; i < n; i++) {
                double delta;
                int c = classes[i];

                if (times[i] > most)
                        continue;
                count[c]++;
                delta = times[i] - mean[c];
                mean[c] += delta / count[c];
                m2[c] += delta * (times[i] - mean[c]);
        }
        if (count[0] < 100 || count[1] < 100)
                return 0;
        variance = m2[0] / (count[0] - 1) / count[0] + m2[1] / (count[1] - 1) / count[1];
        return variance > 0 ? (mean[0] - mean[1]) / sqrt(variance) : mean[0] == mean[1] ? 0 : INFINITY;
}

static int compare_times(const void *a, const void *b) {
        const uint32_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* The largest |t|, of all times and of those up to some quantiles. */
static double measure(const Subject *s, size_t right) {
        static const double quantiles[] = { 1, 0.999, 0.99, 0.95, 0.9, 0.75, 0.5 };
        size_t n = n_samples();
        _cleanup_free_ uint32_t *times = calloc(n, sizeof(*times)), *sorted = calloc(n, sizeof(*sorted));
        _cleanup_free_ uint8_t *classes = calloc(n, 1);
        char inputs[2][INPUT_MAX] = {};
        double largest = 0;

        assert_non_null(times);
        assert_non_null(sorted);
        assert_non_null(classes);
        s->make(0, inputs[0]);
        s->make(right, inputs[1]);
        sample(s, inputs, times, classes, n);
        memcpy(sorted, times, n * sizeof(*times));
        qsort(sorted, n, sizeof(*sorted), compare_times);
        for (size_t i = 0; i < ELEMENTSOF(quantiles); i++) {
                size_t at = (size_t) (quantiles[i] * (double) (n - 1));

                largest = fmax(largest, fabs(welch(times, classes, n, sorted[at])));
        }
        return largest;
}

/* Whether no number of right bytes up to `last` is told by the time. */
static void check_even(const Subject *s, size_t last) {
        double worst = 0;
        unsigned again = 0, lengths = 0;

        for (size_t right = 1; right <= last; right += is_full() ? 1 : 7) {
                double t = INFINITY;

                for (unsigned i = 0; i < TRIES && t >= LIMIT; i++) {
                        t = measure(s, right);
                        again += i > 0;
                }
                if (t >= LIMIT)
                        fail_msg("%s: %zu right bytes are told from none, |t| = %.1f, %u times", s->name,
                                 right, t, TRIES);
                worst = fmax(worst, t);
                lengths++;
        }
        print_message("# %s: %u lengths of %zu samples, |t| up to %.2f, %u measured again\n", s->name, lengths,
                      n_samples(), worst, again);
}

/* The control: it is told. */
static void check_uneven(const Subject *s, size_t right) {
        double t = 0;

        for (unsigned i = 0; i < TRIES && t < LIMIT; i++)
                t = measure(s, right);
        print_message("# %s: %zu right bytes, |t| = %.1f\n", s->name, right, t);
        assert_true(t >= LIMIT);
}

__attribute__((constructor)) static void set_up(void) {
        /* Under valgrind, and on a machine that builds beside it, time is not what is measured. */
        if (getenv("GANTRY_TEST_SPARSE")) {
                puts("1..0 # SKIP time is not measured here");
                exit(EXIT_SUCCESS);
        }
        if (sodium_init() < 0)
                abort();
        token_generate(token);
        token_hash(token, hash);
}

/* The first byte that is wrong is so by one bit. */
static void make_text(const char *text, size_t n, size_t right, char *input) {
        memcpy(input, text, n + 1);
        if (right < n)
                input[right] = input[right] == 'A' ? 'B' : 'A';
}

static void make_token(size_t right, char *input) {
        make_text(token, TOKEN_MAX - 1, right, input);
}

static void make_hash(size_t right, char *input) {
        memcpy(input, hash, sizeof(hash));
        if (right < sizeof(hash))
                input[right] ^= 1;
}

/* --- the controls --- */

static bool stops_early(const char *input) {
        const volatile char *p = input, *q = token;

        for (size_t i = 0; i < TOKEN_MAX - 1; i++)
                if (p[i] != q[i])
                        return false;
        return true;
}

static bool by_memcmp(const char *input) {
        /* Not the compiler's own. */
        static int (*volatile compare)(const void *, const void *, size_t) = memcmp;

        return compare(input, token, TOKEN_MAX - 1) == 0;
}

TEST(T48_a_comparison_that_stops_early_is_told_by_its_time) {
        static const Subject early = { "a loop", TOKEN_MAX - 1, make_token, stops_early };
        static const Subject library = { "memcmp()", TOKEN_MAX - 1, make_token, by_memcmp };

        check_uneven(&early, TOKEN_MAX - 2);
        check_uneven(&early, 16);
        /* It looks at up to 32 bytes at a time: the difference is some cycles. */
        if (is_full())
                check_uneven(&library, TOKEN_MAX - 2);
}

/* --- client id and secret in Basic, through the database --- */

static Server server;

static void make_basic(size_t right, char *input) {
        char wrong[INPUT_MAX], pair[INPUT_MAX];
        int n;

        make_token(right, wrong);
        n = snprintf(pair, sizeof(pair), "client:%s", wrong);
        memcpy(input, "Basic ", 6);
        (void) sodium_bin2base64(input + 6, INPUT_MAX - 6, (const uint8_t *) pair, (size_t) n,
                                 sodium_base64_VARIANT_ORIGINAL);
}

static bool is_identified(const char *input) {
        Call *c = call_new(&server);
        bool taken;

        assert_non_null(c);
        taken = auth_identify(c, input) >= 0;
        call_unref(c);
        /* Many wrong ones have another answer. */
        server.failures = (AuthFailures) {};
        return taken;
}

TEST(T48_how_much_of_a_client_secret_is_right_does_not_show) {
        static const Subject s = { "Basic", TOKEN_MAX - 1, make_basic, is_identified };
        _cleanup_(env_event_freep) Env *env = NULL;
        _cleanup_test_db_ TestDb t = {};
        Application a = { .id = (char *) "app", .name = (char *) "A", .client_id = (char *) "client",
                          .secret_hash = { (char *) hash, sizeof(hash) } };
        char good[INPUT_MAX];

        test_db_new(&t);
        ASSERT_OK(application_store_insert(t.db, &a, NOW, NULL));
        ASSERT_OK(env_event_new(&env));
        server = (Server) { .env = env, .db = t.db };
        make_basic(s.length, good);
        assert_true(is_identified(good));
        /* A call takes some microseconds, and a right secret another way from there. */
        for (size_t right = is_full() ? 1 : 21; right < s.length; right += 20) {
                double value = INFINITY;

                for (unsigned i = 0; i < TRIES && value >= LIMIT; i++)
                        value = measure(&s, right);
                print_message("# %s: %zu right bytes, %zu samples, |t| = %.2f\n", s.name, right, n_samples(), value);
                assert_true(value < LIMIT);
        }
}

/* --- what we compare with --- */

static bool matches_token(const char *input) {
        return token_matches(token, input, TOKEN_HASH_SIZE);
}

static bool matches_hash(const char *input) {
        return token_matches(input, hash, sizeof(hash));
}

TEST(T48_how_much_of_a_hash_is_right_does_not_show) {
        static const Subject s = { "token_matches(), by the hash", TOKEN_HASH_SIZE, make_hash,
                                   matches_token };

        check_even(&s, s.length);
}

TEST(T48_how_much_of_a_token_is_right_does_not_show) {
        static const Subject s = { "token_matches(), by the token", TOKEN_MAX - 1, make_token,
                                   matches_hash };

        check_even(&s, s.length);
}

/* --- tokens that say who they are of --- */

static const uint8_t key[SEALING_KEY_SIZE] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static JwtKey *jwt;
static char *signed_token;

static void make_signature(size_t right, char *input) {
        size_t n = strlen(signed_token), start = (size_t) (strrchr(signed_token, '.') + 1 - signed_token);

        make_text(signed_token, n, start + right, input);
}

static bool verifies(const char *input) {
        JwtClaims claims;

        if (jwt_verify(jwt, input, "api", NOW, &claims) < 0)
                return false;
        jwt_claims_done(&claims);
        return true;
}

TEST(T48_how_much_of_a_signature_is_right_does_not_show) {
        /* 43 characters; the last has bits that must be 0 and is refused when they aren't. */
        static const Subject s = { "jwt_verify()", 42, make_signature, verifies };
        _cleanup_(sealing_keys_freep) SealingKeys *keys = NULL;
        JwtClaims claims = { .subject = (char *) "app", .audience = (char *) "api", .issued_at = NOW,
                             .expires_at = NOW + 900 * USEC_PER_SEC };

        ASSERT_OK(sealing_keys_new(key, NULL, &keys));
        ASSERT_OK(jwt_key_new(keys, "deployment", &jwt));
        ASSERT_OK(jwt_make(jwt, &claims, &signed_token));
        assert_true(verifies(signed_token));
        check_even(&s, s.length - 1);
        free(signed_token);
        jwt = jwt_key_free(jwt);
}

TEST_MAIN()
