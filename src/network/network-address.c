/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which addresses are what. All are kept as 128 bits, IPv4 mapped, so that one comparison and one table
 * in the kernel serve both. The lists of blocked ranges are what a connector must not reach by accident
 * or by a name that lies: this machine, its links, the metadata services of clouds. Each IPv4 range is
 * blocked again in the forms in which IPv6 carries it (NAT64, 6to4), as routers would translate it back.
 *
 * Text is read as the C library reads addresses, "127.1" and "0x7f000001" included: what connect() would
 * take for an address must not pass for a name here. */

#include <arpa/inet.h>
#include <string.h>

#include "network/network-address.h"

static const AddressRange blocked_v4[] = {
        /* RFC 1122: this host on this network; Linux connects to itself. */
        { AF_INET, { 0 }, 8, ADDRESS_LOOPBACK },
        { AF_INET, { 127 }, 8, ADDRESS_LOOPBACK },
        /* RFC 3927; most clouds have 169.254.169.254 in it. */
        { AF_INET, { 169, 254 }, 16, ADDRESS_LINK },
        { AF_INET, { 100, 100, 100, 200 }, 32, ADDRESS_METADATA }, /* Alibaba */
        { AF_INET, { 168, 63, 129, 16 }, 32, ADDRESS_METADATA },   /* Azure */
        { AF_INET, { 192, 0, 0, 192 }, 32, ADDRESS_METADATA },     /* Oracle */
        /* Multicast finds neighbours; 240/4 is reserved and ends with the broadcast. */
        { AF_INET, { 224 }, 4, ADDRESS_LINK },
        { AF_INET, { 240 }, 4, ADDRESS_LINK },
};

static const AddressRange blocked_v6[] = {
        /* ::, ::1 and the IPv4-compatible addresses, which RFC 4291 gave up. */
        { AF_INET6, { 0 }, 96, ADDRESS_LOOPBACK },
        { AF_INET6, { 0xfe, 0x80 }, 10, ADDRESS_LINK },
        { AF_INET6, { 0xff }, 8, ADDRESS_LINK },
        { AF_INET6, { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 }, 128, ADDRESS_METADATA }, /* Amazon */
        { AF_INET6, { 0xfd, 0x20, 0, 0xce, [14] = 0x02, [15] = 0x54 }, 128, ADDRESS_METADATA }, /* Google */
        { AF_INET6, { 0xfd, 0, 0, 0x42, [15] = 0x42 }, 128, ADDRESS_METADATA },                 /* Scaleway */
};

static const AddressRange private_ranges[] = {
        { AF_INET, { 10 }, 8, ADDRESS_PRIVATE },
        { AF_INET, { 172, 16 }, 12, ADDRESS_PRIVATE },
        { AF_INET, { 192, 168 }, 16, ADDRESS_PRIVATE },
        { AF_INET, { 100, 64 }, 10, ADDRESS_PRIVATE }, /* carriers' NAT, and overlay networks */
        { AF_INET6, { 0xfc }, 7, ADDRESS_PRIVATE },
        { AF_INET6, { 0xfe, 0xc0 }, 10, ADDRESS_PRIVATE }, /* site-local, given up but routed */
};

/* Prefixes behind which routers find an IPv4 address: RFC 6052's and RFC 3056's. */
static const struct {
        uint8_t bytes[12];
        unsigned at; /* where the four bytes lie */
} translated[] = {
        { { 0x00, 0x64, 0xff, 0x9b }, 12 },
        { { 0x20, 0x02 }, 2 },
};

#define N_BLOCKED (ELEMENTSOF(blocked_v4) * (1 + ELEMENTSOF(translated)) + ELEMENTSOF(blocked_v6))

const AddressRange *address_blocked_ranges(size_t *ret_n) {
        static AddressRange all[N_BLOCKED];
        size_t n = 0;

        memcpy(all, blocked_v4, sizeof(blocked_v4));
        n += ELEMENTSOF(blocked_v4);
        memcpy(&all[n], blocked_v6, sizeof(blocked_v6));
        n += ELEMENTSOF(blocked_v6);
        for (size_t t = 0; t < ELEMENTSOF(translated); t++)
                for (size_t i = 0; i < ELEMENTSOF(blocked_v4); i++) {
                        AddressRange *r = &all[n++];

                        *r = (AddressRange) { .family = AF_INET6, .kind = blocked_v4[i].kind,
                                              .prefix = translated[t].at * 8 + blocked_v4[i].prefix };
                        memcpy(r->address, translated[t].bytes, sizeof(translated[t].bytes));
                        memcpy(r->address + translated[t].at, blocked_v4[i].address, 4);
                }
        *ret_n = n;
        return all;
}

static bool is_in(const uint8_t *address, const AddressRange *r) {
        unsigned whole = r->prefix / 8, rest = r->prefix % 8;

        return memcmp(address, r->address, whole) == 0 &&
                (rest == 0 || (address[whole] ^ r->address[whole]) >> (8 - rest) == 0);
}

static AddressKind find(int family, const uint8_t *address, const AddressRange ranges[], size_t n) {
        for (size_t i = 0; i < n; i++)
                if (ranges[i].family == family && is_in(address, &ranges[i]))
                        return ranges[i].kind;
        return ADDRESS_PUBLIC;
}

AddressKind address_kind(const struct in6_addr *a) {
        bool v4 = IN6_IS_ADDR_V4MAPPED(a);
        const uint8_t *bytes = v4 ? a->s6_addr + 12 : a->s6_addr;
        int family = v4 ? AF_INET : AF_INET6;
        size_t n;
        const AddressRange *blocked = address_blocked_ranges(&n);
        AddressKind kind = find(family, bytes, blocked, n);

        if (kind == ADDRESS_PUBLIC)
                kind = find(family, bytes, private_ranges, ELEMENTSOF(private_ranges));
        for (size_t t = 0; kind == ADDRESS_PUBLIC && !v4 && t < ELEMENTSOF(translated); t++)
                if (memcmp(bytes, translated[t].bytes, translated[t].at) == 0)
                        kind = find(AF_INET, bytes + translated[t].at, private_ranges,
                                    ELEMENTSOF(private_ranges));
        return kind;
}

void address_from_v4(const void *v4, struct in6_addr *ret) {
        *ret = (struct in6_addr) { .s6_addr = { [10] = 0xff, [11] = 0xff } };
        memcpy(ret->s6_addr + 12, v4, 4);
}

int address_parse(const char *s, struct in6_addr *ret) {
        char text[ADDRESS_TEXT_MAX];
        struct in_addr v4;
        struct in6_addr v6;
        size_t n = strlen(s);

        if (n > 2 && s[0] == '[' && s[n - 1] == ']') {
                s++;
                n -= 2;
        }
        /* inet_aton() ends at the first space; an address does not. */
        if (strcspn(s, " \t\r\n\v\f") == n && inet_aton(s, &v4)) {
                address_from_v4(&v4, ret);
                return 0;
        }
        /* The zone is which link; no address depends on it. */
        n = MIN(n, strcspn(s, "%"));
        if (n >= sizeof(text))
                return -EINVAL;
        memcpy(text, s, n);
        text[n] = 0;
        if (inet_pton(AF_INET6, text, &v6) != 1)
                return -EINVAL;
        *ret = v6;
        return 0;
}

const char *address_to_string(const struct in6_addr *a, char buffer[static ADDRESS_TEXT_MAX]) {
        bool v4 = IN6_IS_ADDR_V4MAPPED(a);

        return inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->s6_addr + 12 : a->s6_addr, buffer,
                         ADDRESS_TEXT_MAX);
}
