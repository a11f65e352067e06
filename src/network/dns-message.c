/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "network/dns-message.h"

#define HEADER 12U
#define LABEL_MAX 63U
#define CLASS_IN 1
/* The second half of the header's second word: what a client may have set. */
#define FLAG_RESPONSE 0x80
#define FLAG_RECURSION_DESIRED 0x01
#define FLAG_RECURSION_AVAILABLE 0x80
#define OPCODE_MASK 0x78
/* Short enough to follow a host that moves. */
#define TTL_SECONDS 30
#define POINTER_TO_QUESTION 0xc00c

static uint16_t read_u16(const uint8_t *p) {
        return (uint16_t) (p[0] << 8 | p[1]);
}

static size_t put_u16(uint8_t *p, unsigned n) {
        p[0] = (uint8_t) (n >> 8);
        p[1] = (uint8_t) n;
        return 2;
}

/* A label that isn't printable, or has a dot in it, would be another name as text. */
static bool is_label(const uint8_t *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (p[i] <= ' ' || p[i] >= 0x7f || p[i] == '.')
                        return false;
        return true;
}

static int parse_name(const uint8_t *p, size_t n, size_t *at, char ret[static DNS_NAME_MAX + 1]) {
        size_t length = 0;

        for (;;) {
                size_t label;

                if (*at >= n)
                        return -EBADMSG;
                label = p[(*at)++];
                if (label == 0)
                        break;
                /* Also refuses pointers: a question has nothing to point at. */
                if (label > LABEL_MAX || *at + label > n || !is_label(p + *at, label) ||
                    length + label + (length > 0) > DNS_NAME_MAX)
                        return -EBADMSG;
                if (length > 0)
                        ret[length++] = '.';
                memcpy(ret + length, p + *at, label);
                length += label;
                *at += label;
        }
        ret[length] = 0;
        return 0;
}

int dns_query_parse(const uint8_t *p, size_t n, DnsQuery *ret) {
        DnsQuery q = {};
        size_t at = HEADER;
        int r;

        if (n < HEADER || p[2] & FLAG_RESPONSE || read_u16(p + 4) != 1)
                return -EBADMSG;
        r = parse_name(p, n, &at, q.name);
        if (r < 0)
                return r;
        if (at + 4 > n)
                return -EBADMSG;
        q.type = read_u16(p + at);
        q.class = read_u16(p + at + 2);
        q.length = at + 4;
        *ret = q;
        return p[2] & OPCODE_MASK || q.class != CLASS_IN ? -EOPNOTSUPP : 0;
}

static size_t put_address(uint8_t *p, const DnsQuery *q, const struct in6_addr *a) {
        size_t length = q->type == DNS_TYPE_A ? 4 : 16, n = 0;

        n += put_u16(p, POINTER_TO_QUESTION);
        n += put_u16(p + n, q->type);
        n += put_u16(p + n, CLASS_IN);
        n += put_u16(p + n, 0);
        n += put_u16(p + n, TTL_SECONDS);
        n += put_u16(p + n, (unsigned) length);
        memcpy(p + n, a->s6_addr + 16 - length, length);
        return n + length;
}

size_t dns_answer(const uint8_t *p, const DnsQuery *q, DnsCode code, const struct in6_addr addresses[], size_t n,
                  uint8_t ret[static DNS_MESSAGE_MAX]) {
        size_t length = q->length;
        unsigned count = 0;

        memcpy(ret, p, q->length);
        ret[2] = FLAG_RESPONSE | (p[2] & (OPCODE_MASK | FLAG_RECURSION_DESIRED));
        ret[3] = FLAG_RECURSION_AVAILABLE | (uint8_t) code;
        for (size_t i = 0; i < n && count < DNS_ADDRESSES_MAX; i++) {
                if (q->type != (IN6_IS_ADDR_V4MAPPED(&addresses[i]) ? DNS_TYPE_A : DNS_TYPE_AAAA))
                        continue;
                length += put_address(ret + length, q, &addresses[i]);
                count++;
        }
        (void) put_u16(ret + 6, count);
        (void) put_u16(ret + 8, 0);
        (void) put_u16(ret + 10, 0);
        return length;
}
