/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/strv.h"
#include "network/dns-message.h"
#include "network/network-filter.h"
#include "network/network-zone.h"
#include "unit/test.h"

TEST_MAIN()

static JsonObject *parse(const char *text) {
        JsonObject *o = NULL;

        ASSERT_OK(json_parse(text, strlen(text), &o, NULL));
        return o;
}

static NetworkZone *zone(bool any, const char *templates, const char *configuration) {
        _cleanup_json_ JsonObject *t = templates ? parse(templates) : NULL, *c = parse(configuration);
        NetworkZone *z = NULL;

        ASSERT_OK(network_zone_new(any, t, c, "gantry-run-x.service", &z));
        return z;
}

static void host_is(const char *text, const char *host) {
        _cleanup_free_ char *found = NULL;
        int r = network_host_of(text, strlen(text), &found);

        if (host)
                assert_string_equal(r < 0 ? "(none)" : found, host);
        else if (r >= 0)
                fail_msg("'%s' is said to be the host '%s'", text, found);
}

TEST(a_host_is_found_where_people_write_it) {
        host_is("Db.Example.COM", "db.example.com");
        host_is("db.example.com.", "db.example.com");
        host_is("db.example.com:5432", "db.example.com");
        host_is("https://user:p%40ss@h.example:8443/path?x=http://other/", "h.example");
        host_is("http://ok.example@evil.example/", "evil.example");
        host_is("http://evil.example#@ok.example/", "evil.example");
        host_is("http://evil.example?@ok.example/", "evil.example");
        host_is("jdbc:postgresql://h:5432/db", "h");
        host_is("http://[2001:db8::1]:80/", "2001:db8::1");
        host_is("2001:DB8::1", "2001:db8::1");
        host_is("0x7f.1", "127.0.0.1");
        host_is("http://2130706433/", "127.0.0.1");
        host_is("", NULL);
        host_is("http://", NULL);
        host_is("a b", NULL);
        host_is("*", NULL);
        host_is("*.example.com", NULL);
        host_is(".", NULL);
        host_is("host:port", NULL);
        host_is("b\303\274cher.example", NULL);
}

TEST(templates_are_filled_from_the_configuration) {
        _cleanup_(network_zone_freep) NetworkZone *z = zone(
                false, "[\"${host}\",\"${tunnel_method.tunnel_host}\",\"${sub}.zendesk.com\",\"*.Example.com\",\"api.x.io.\"]",
                "{\"host\":\"DB1:5432, db2\",\"tunnel_method\":{\"tunnel_host\":\"ssh://jump.example:22\"},\"sub\":\"acme\"}");
        static const char *const yes[] = { "db1", "DB2.", "jump.example", "acme.zendesk.com", "a.example.com",
                                           "a.b.example.com", "API.x.io" };
        static const char *const no[] = { "db3", "example.com", ".example.com", "zendesk.com", "x.acme.zendesk.com",
                                          "a.example.com.evil", "aexample.com", "", "." };

        for (size_t i = 0; i < ELEMENTSOF(yes); i++)
                if (!network_zone_may_ask(z, yes[i]))
                        fail_msg("%s is refused", yes[i]);
        for (size_t i = 0; i < ELEMENTSOF(no); i++)
                if (network_zone_may_ask(z, no[i]))
                        fail_msg("%s is allowed", no[i]);
}

TEST(a_configuration_widens_nothing_by_its_values) {
        _cleanup_(network_zone_freep) NetworkZone *z = zone(
                false, "[\"${host}\",\"${sub}.zendesk.com\",\"${missing}\",\"x${nothing}.io\",\"${object}\"]",
                "{\"host\":\"*\",\"sub\":\"evil.example/\",\"object\":{\"_secret\":\"*\"}}");

        assert_false(network_zone_may_ask(z, "evil.example"));
        assert_false(network_zone_may_ask(z, "a.zendesk.com"));
        assert_false(network_zone_may_ask(z, "x.io"));
        assert_null(z->patterns);
}

TEST(stars_take_no_time) {
        _cleanup_(network_zone_freep) NetworkZone *z = zone(false, "[\"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b\"]", "{}");

        assert_false(network_zone_may_ask(z, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"));
}

/* T09: what an allowed name may lead to. */
TEST(answers_lead_where_the_name_may_lead) {
        const char *configuration = "{\"url\":\"postgres://u:p@db.corp:5432/x\"}";
        _cleanup_(network_zone_freep) NetworkZone *any = zone(true, NULL, configuration),
                *hosts = zone(false, "[\"${url}\",\"api.example\"]", configuration);

        for (int i = 0; i < 2; i++) {
                const NetworkZone *z = i == 0 ? any : hosts;

                assert_true(network_zone_may_answer(z, "api.example", ADDRESS_PUBLIC));
                assert_false(network_zone_may_answer(z, "api.example", ADDRESS_LOOPBACK));
                assert_true(network_zone_may_answer(z, "DB.corp.", ADDRESS_LOOPBACK));
                assert_true(network_zone_may_answer(z, "db.corp", ADDRESS_PRIVATE));
                assert_false(network_zone_may_answer(z, "db.corp", ADDRESS_LINK));
                assert_false(network_zone_may_answer(z, "db.corp", ADDRESS_METADATA));
        }
        assert_true(network_zone_may_answer(any, "other.corp", ADDRESS_PRIVATE));
        assert_false(network_zone_may_answer(hosts, "api.example", ADDRESS_PRIVATE));
}

typedef struct Table {
        struct {
                struct in6_addr address;
                unsigned prefix;
                bool allow;
                uint16_t port;
        } entries[256];
        size_t n;
} Table;

static int add_entry(const struct in6_addr *a, unsigned prefix, bool allow, uint16_t port, void *userdata) {
        Table *t = userdata;

        t->entries[t->n].address = *a;
        t->entries[t->n].prefix = prefix;
        t->entries[t->n].allow = allow;
        t->entries[t->n++].port = port;
        return 0;
}

/* As the kernel's table: the longest prefix, of equal ones the last. */
static bool passes(const NetworkZone *z, const char *address, uint16_t port) {
        struct in6_addr own, a;
        Table t = {};
        int best = -1;
        bool allow = false;

        ASSERT_OK(address_parse("198.51.100.7", &own));
        ASSERT_OK(address_parse(address, &a));
        ASSERT_OK(network_zone_visit(z, &own, 1, add_entry, &t));
        for (size_t i = 0; i < t.n; i++) {
                int prefix = (int) t.entries[i].prefix;
                bool in = true;

                for (int bit = 0; in && bit < prefix; bit++)
                        in = !((a.s6_addr[bit / 8] ^ t.entries[i].address.s6_addr[bit / 8]) & 0x80 >> bit % 8);
                if (in && prefix >= best) {
                        best = prefix;
                        allow = t.entries[i].allow && (t.entries[i].port == 0 || t.entries[i].port == port);
                }
        }
        return allow;
}

TEST(class_any_is_all_but_the_blocked) {
        _cleanup_(network_zone_freep) NetworkZone *z = zone(true, NULL, "{\"host\":\"db\"}"),
                *named = zone(true, NULL, "{\"a\":[{\"b\":\"LOCALHOST:1\"}],\"c\":\"http://169.254.169.254/x\",\"d\":\"127.0.0.9\"}");

        assert_true(passes(z, "8.8.8.8", 1) && passes(z, "10.0.0.1", 1) && passes(z, "2a00::1", 1));
        assert_false(passes(z, "127.0.0.1", 1) || passes(z, "::1", 1) || passes(z, "0.0.0.0", 1) || passes(z, "::", 1));
        assert_false(passes(z, "169.254.169.254", 80) || passes(z, "fe80::1", 1) || passes(z, "64:ff9b::127.0.0.1", 1));
        assert_false(passes(z, "198.51.100.7", 1));
        assert_true(passes(named, "127.0.0.1", 1) && passes(named, "::1", 1) && passes(named, "127.0.0.9", 1));
        assert_true(passes(named, "169.254.169.254", 80));
        assert_false(passes(named, "127.0.0.2", 1) || passes(named, "169.254.169.253", 80));
}

TEST(class_hosts_is_nothing_but_the_named) {
        _cleanup_(network_zone_freep) NetworkZone *z = zone(
                false, "[\"${host}\",\"192.0.2.5\",\"127.0.0.8\",\"10.0.0.8\",\"localhost\",\"*\"]",
                "{\"host\":\"0x7f000009\",\"other\":\"203.0.113.9\"}");
        _cleanup_(network_zone_freep) NetworkZone *local = zone(false, "[\"${host}\"]", "{\"host\":\"localhost\"}");

        assert_true(passes(z, "127.0.0.9", 1) && passes(z, "192.0.2.5", 1));
        assert_false(passes(z, "8.8.8.8", 1) || passes(z, "203.0.113.9", 1) || passes(z, "127.0.0.1", 1));
        /* The definition alone does not open this machine or a site's network. */
        assert_false(passes(z, "127.0.0.8", 1) || passes(z, "10.0.0.8", 1));
        assert_true(passes(local, "127.0.0.1", 1) && passes(local, "::1", 1));
}

TEST(the_resolver_is_reached_on_its_port_alone) {
        _cleanup_(network_zone_freep) NetworkZone *any = zone(true, NULL, "{}"), *hosts = zone(false, NULL, "{}");

        assert_true(passes(any, any->resolver, 53) && passes(hosts, hosts->resolver, 53));
        assert_false(passes(any, any->resolver, 54) || passes(hosts, hosts->resolver, 5432));
        assert_int_equal(strncmp(any->resolver, "127.", 4), 0);
}

TEST(a_zone_survives_its_text) {
        _cleanup_(network_zone_freep) NetworkZone *z = zone(false, "[\"*.a\",\"${h}\"]", "{\"h\":\"x,y\"}"), *again = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *e = NULL;

        ASSERT_OK(network_zone_to_json(z, &o));
        ASSERT_OK(network_zone_from_json(o, &again, NULL));
        assert_true(strv_equal(z->patterns, again->patterns) && strv_equal(z->configured, again->configured));
        assert_string_equal(z->resolver, again->resolver);
        ASSERT_OK(json_add_string(o, "class", "all"));
        ASSERT_ERROR(network_zone_from_json(o, &again, &e), EINVAL);
        assert_non_null(e);
}

#define QUERY "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"

static int parse_query(const char *p, size_t n, DnsQuery *q) {
        return dns_query_parse((const uint8_t *) p, n, q);
}

TEST(a_question_is_read_and_answered) {
        static const char text[] = QUERY "\x02" "Db\x04" "corp\x00\x00\x01\x00\x01";
        struct in6_addr addresses[20];
        uint8_t answer[DNS_MESSAGE_MAX];
        DnsQuery q;
        size_t n;

        ASSERT_OK(parse_query(text, sizeof(text) - 1, &q));
        assert_string_equal(q.name, "Db.corp");
        assert_int_equal(q.type, DNS_TYPE_A);
        for (size_t i = 0; i < ELEMENTSOF(addresses); i++)
                ASSERT_OK(address_parse(i % 2 ? "192.0.2.1" : "2001:db8::1", &addresses[i]));
        n = dns_answer((const uint8_t *) text, &q, DNS_OK, addresses, ELEMENTSOF(addresses), answer);
        assert_int_equal(n, sizeof(text) - 1 + 16 * DNS_ADDRESSES_MAX);
        assert_int_equal(answer[7], DNS_ADDRESSES_MAX);
        assert_memory_equal(answer + n - 4, "\xc0\x00\x02\x01", 4);
        q.type = DNS_TYPE_AAAA;
        n = dns_answer((const uint8_t *) text, &q, DNS_OK, addresses, ELEMENTSOF(addresses), answer);
        assert_int_equal(n, sizeof(text) - 1 + 28 * DNS_ADDRESSES_MAX);
        n = dns_answer((const uint8_t *) text, &q, DNS_NO_SUCH_NAME, NULL, 0, answer);
        assert_int_equal(n, sizeof(text) - 1);
        assert_int_equal(answer[3] & 0xf, DNS_NO_SUCH_NAME);
        assert_memory_equal(answer, "\x12\x34", 2);
}

TEST(the_longest_name_leaves_room_for_its_answer) {
        uint8_t text[DNS_MESSAGE_MAX] = QUERY, answer[DNS_MESSAGE_MAX];
        struct in6_addr addresses[DNS_ADDRESSES_MAX];
        DnsQuery q;
        size_t n = 12;

        /* Four labels: 63, 63, 63 and 61, which with their lengths are 254. */
        for (int i = 0; i < 4; i++) {
                size_t label = i < 3 ? 63 : 61;

                text[n++] = (uint8_t) label;
                memset(text + n, 'a', label);
                n += label;
        }
        memcpy(text + n, "\x00\x00\x1c\x00\x01", 5);
        ASSERT_OK(dns_query_parse(text, n + 5, &q));
        assert_int_equal(strlen(q.name), DNS_NAME_MAX);
        for (size_t i = 0; i < ELEMENTSOF(addresses); i++)
                ASSERT_OK(address_parse("2001:db8::1", &addresses[i]));
        assert_true(dns_answer(text, &q, DNS_OK, addresses, ELEMENTSOF(addresses), answer) <= DNS_MESSAGE_MAX);
        /* One more is no name. */
        text[12 + 64 * 3] = 62;
        text[n++] = 'a';
        memcpy(text + n, "\x00\x00\x1c\x00\x01", 5);
        ASSERT_ERROR(dns_query_parse(text, n + 5, &q), EBADMSG);
}

TEST(hostile_questions_are_refused) {
        static const struct {
                const char *text;
                size_t n;
        } bad[] = {
                { "", 0 },
                { QUERY, 11 },
                { QUERY, 12 },
                { QUERY "\x05" "abc", 16 },                         /* the label ends behind the packet */
                { QUERY "\xc0\x0c\x00\x01\x00\x01", 18 },           /* a pointer to itself */
                { QUERY "\x03" "a.b\x00\x00\x01\x00\x01", 21 },     /* a dot that is none */
                { QUERY "\x03" "a\0b\x00\x00\x01\x00\x01", 21 },    /* an end that is none */
                { QUERY "\x01" "\n\x00\x00\x01\x00\x01", 19 },
                { QUERY "\x01" "a\x00\x00\x01\x00", 18 },           /* half a class */
                { "\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01" "a\x00\x00\x01\x00\x01", 19 }, /* an answer */
                { "\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\x01" "a\x00\x00\x01\x00\x01", 19 }, /* two questions */
        };
        DnsQuery q;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (parse_query(bad[i].text, bad[i].n, &q) >= 0)
                        fail_msg("number %zu was taken", i);
        /* Another class, another operation: told so. */
        ASSERT_ERROR(parse_query(QUERY "\x01" "a\x00\x00\x01\x00\x03", 19, &q), EOPNOTSUPP);
        assert_int_equal(q.length, 19);
}

/* A filter stays with its control group: on another one than the unit's it would close off everything else. */
TEST(T18_a_filter_is_for_the_own_unit_and_for_nothing_else) {
        static const char *const units[] = { "no-such-unit.service", "", ".", "..", "slice" };

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                int fd = -EBADF, r = network_filter_open_cgroup(units[i], &fd);

                assert_true(r == -ENXIO || r == -EOPNOTSUPP);
                assert_int_equal(fd, -EBADF);
        }
}
