/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a resolver must know of DNS messages (RFC 1035, 3596): questions for one name, answers with
 * addresses. Nothing is allocated, no name is decompressed. */

#include "network/network-address.h"

#define DNS_NAME_MAX 253U
/* What every client takes in a datagram; our answers stay below. */
#define DNS_MESSAGE_MAX 512U
/* Of a kind; with the longest name both fit. */
#define DNS_ADDRESSES_MAX 6U

typedef enum DnsType {
        DNS_TYPE_A = 1,
        DNS_TYPE_AAAA = 28,
} DnsType;

typedef enum DnsCode {
        DNS_OK = 0,
        DNS_FORMAT_ERROR = 1,
        DNS_SERVER_FAILURE = 2,
        DNS_NO_SUCH_NAME = 3,
        DNS_NOT_IMPLEMENTED = 4,
} DnsCode;

typedef struct DnsQuery {
        char name[DNS_NAME_MAX + 1]; /* as asked, no dot at the end; "" is the root */
        uint16_t type, class;
        size_t length;               /* of header and question, which an answer repeats */
} DnsQuery;

/* -EBADMSG: no question that can be answered, not even by an error. -EOPNOTSUPP: answer DNS_NOT_IMPLEMENTED;
 * `length` is set. */
int dns_query_parse(const uint8_t *p, size_t n, DnsQuery *ret);

/* Writes the answer to the query at `p` and returns its length. Of the addresses those of the type that was
 * asked for are in it. */
size_t dns_answer(const uint8_t *p, const DnsQuery *q, DnsCode code, const struct in6_addr addresses[], size_t n,
                  uint8_t ret[static DNS_MESSAGE_MAX]);
