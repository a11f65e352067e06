/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* getaddrinfo() waits and can't be cancelled, hence a thread for each question, detached. Nothing is
 * shared but the Lookup, which has one owner at a time: the loop, the thread from its start, the loop
 * again when the pointer arrives through a pipe. A thread touches the Lookup no more after it has
 * written. How many there may be is for resolver-zones.c to bound. */

#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "resolver/resolver-lookup.h"

/* The C library's own buffers lie on it. */
#define STACK_SIZE (512U * 1024U)

static void add_address(Lookup *l, const struct sockaddr *a) {
        struct in6_addr *to = &l->addresses[l->n_addresses];

        if (a->sa_family == AF_INET)
                address_from_v4(&((const struct sockaddr_in *) a)->sin_addr, to);
        else if (a->sa_family == AF_INET6)
                *to = ((const struct sockaddr_in6 *) a)->sin6_addr;
        else
                return;
        l->n_addresses++;
}

static DnsCode code_of(int r) {
        switch (r) {
        case 0:
        case EAI_NODATA:
        case EAI_ADDRFAMILY:
                return DNS_OK;
        case EAI_NONAME:
                return DNS_NO_SUCH_NAME;
        default:
                return DNS_SERVER_FAILURE;
        }
}

static void *run(void *argument) {
        /* Both families: a name that has only the other one exists all the same. */
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
        Lookup *l = argument;
        int r = getaddrinfo(l->query.name, NULL, &hints, &list);

        l->code = code_of(r);
        for (struct addrinfo *a = list; r == 0 && a && l->n_addresses < LOOKUP_ADDRESSES_MAX; a = a->ai_next)
                add_address(l, a->ai_addr);
        if (r == 0)
                freeaddrinfo(list);
        /* Nobody reads any more: the process ends. */
        (void) write_full(l->done_fd, &l, sizeof(l));
        return NULL;
}

int lookup_start(Lookup *l) {
        pthread_attr_t attributes;
        pthread_t thread;
        int r;

        r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;
        (void) pthread_attr_setstacksize(&attributes, STACK_SIZE);
        (void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        r = pthread_create(&thread, &attributes, run, l);
        (void) pthread_attr_destroy(&attributes);
        return -r;
}
