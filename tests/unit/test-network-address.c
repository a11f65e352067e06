/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>

#include "network/network-address.h"
#include "unit/test.h"

TEST_MAIN()

static AddressKind kind_of(const char *s) {
        struct in6_addr a;

        if (address_parse(s, &a) < 0)
                fail_msg("'%s' is no address", s);
        return address_kind(&a);
}

TEST(this_machine_is_blocked_in_every_form) {
        static const char *const forms[] = {
                "127.0.0.1", "127.255.255.254", "127.1", "2130706433", "0x7f000001", "017700000001", "0177.0.0.1",
                "0x7f.1", "0.0.0.0", "0", "0.1.2.3", "::1", "[::1]", "::", "::ffff:127.0.0.1", "::ffff:7f00:1",
                "::127.0.0.1", "0:0:0:0:0:0:0:1", "64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "::1%lo",
        };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++)
                if (kind_of(forms[i]) != ADDRESS_LOOPBACK)
                        fail_msg("%s is %d", forms[i], kind_of(forms[i]));
}

TEST(links_and_metadata_are_blocked_in_every_form) {
        static const char *const forms[] = {
                "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "::ffff:169.254.169.254",
                "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::", "fe80::1", "fe80::1%eth0", "[fe80::1%2]", "febf::1",
                "fd00:ec2::254", "fd20:ce::254", "fd00:42::42", "100.100.100.200", "168.63.129.16", "192.0.0.192",
                "224.0.0.251", "239.255.255.250", "255.255.255.255", "ff02::fb",
        };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++)
                if (!ADDRESS_IS_BLOCKED(kind_of(forms[i])) || kind_of(forms[i]) == ADDRESS_LOOPBACK)
                        fail_msg("%s is %d", forms[i], kind_of(forms[i]));
}

TEST(networks_of_a_site_are_private_and_not_blocked) {
        static const char *const forms[] = {
                "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255",
                "100.100.100.201", "fc00::1", "fd12:3456::1", "fec0::1", "64:ff9b::10.0.0.1", "2002:c0a8:101::1",
                "::ffff:10.0.0.1",
        };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++)
                if (kind_of(forms[i]) != ADDRESS_PRIVATE)
                        fail_msg("%s is %d", forms[i], kind_of(forms[i]));
}

TEST(neighbours_of_the_ranges_are_public) {
        static const char *const forms[] = {
                "1.0.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0", "11.0.0.0", "9.255.255.255",
                "172.15.255.255", "172.32.0.0", "192.167.0.1", "192.169.0.1", "100.63.255.255", "100.128.0.0",
                "223.255.255.255", "2001:db8::1", "2a00::1", "64:ff9b::8.8.8.8", "2002:808:808::1", "::1:0:0",
        };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++)
                if (kind_of(forms[i]) != ADDRESS_PUBLIC)
                        fail_msg("%s is %d", forms[i], kind_of(forms[i]));
}

TEST(what_is_no_address_is_not_taken_for_one) {
        static const char *const texts[] = {
                "", "example.com", "127.0.0.1 evil", "256.1.1.1", "1.2.3.4.5", "::g", "[::1", "::1]", "[]", "127.0.0.1.",
                "127.0.0.1/8", "12345::", "[127.0.0.1", "fe80::1 ", "0x7g",
        };
        struct in6_addr a;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (address_parse(texts[i], &a) >= 0)
                        fail_msg("'%s' was taken", texts[i]);
}

/* A kernel's filter that has these ranges alone must say the same as address_kind(). */
TEST(the_table_blocks_what_the_function_blocks) {
        size_t n, found = 0;
        const AddressRange *all = address_blocked_ranges(&n);

        for (size_t i = 0; i < n; i++) {
                struct in6_addr a;

                if (all[i].family == AF_INET)
                        address_from_v4(all[i].address, &a);
                else
                        memcpy(&a, all[i].address, sizeof(a));
                assert_true(all[i].prefix <= (all[i].family == AF_INET ? 32U : 128U));
                assert_int_equal(address_kind(&a), all[i].kind);
                found += all[i].kind == ADDRESS_METADATA;
        }
        /* Three of IPv4, each translated twice more, and three of IPv6. */
        assert_int_equal(found, 12);
}

TEST(addresses_are_written_as_people_do) {
        char text[ADDRESS_TEXT_MAX];
        struct in6_addr a;

        ASSERT_OK(address_parse("0x7f.1", &a));
        assert_string_equal(address_to_string(&a, text), "127.0.0.1");
        ASSERT_OK(address_parse("[2001:DB8:0::1]", &a));
        assert_string_equal(address_to_string(&a, text), "2001:db8::1");
}
