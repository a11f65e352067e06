/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The programs are written in the kernel's instructions: they are short, and a compiler for them is much
 * to ask of whoever builds this. linux/bpf.h and Documentation/bpf/instruction-set.rst tell what is what.
 *
 * Three places are watched, each by a program that looks up one table: connect() and sendto() by address,
 * so that a refusal is an error at once, and every packet that leaves, which no call can go round. The
 * key is an address with its prefix, the longest match decides, no match is a refusal. The value says yes
 * or no and for which port.
 *
 * A program is attached beside those of systemd, and all must agree. It lives as long as the control
 * group; the table lives as long as a program uses it or a descriptor is open. */

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/strv.h"
#include "network/network-filter.h"

#define CGROUP_TEXT_MAX (64U * 1024U)
#define ALLOWED 0x10000

/* htons() and htonl() are no constants. */
#if __BYTE_ORDER == __LITTLE_ENDIAN
#define NET16(x) __builtin_bswap16(x)
#define NET32(x) __builtin_bswap32(x)
#else
#define NET16(x) (x)
#define NET32(x) (x)
#endif

typedef struct FilterKey {
        uint32_t prefix;
        uint8_t address[16];
} FilterKey;

/* One instruction each; the names are those of the operations. */
#define INSN(c, d, s, o, i) { .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (int32_t) (i) }
#define MOV_IMM(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD_IMM(d, i) INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define AND_IMM(d, i) INSN(BPF_ALU64 | BPF_AND | BPF_K, d, 0, 0, i)
#define SHL_IMM(d, i) INSN(BPF_ALU64 | BPF_LSH | BPF_K, d, 0, 0, i)
#define LOAD(size, d, s, o) INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, o, s) INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define STORE_IMM(size, d, o, i) INSN(BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define JUMP(o) INSN(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define JEQ_IMM(d, i, o) INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, i)
#define JNE_IMM(d, i, o) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, o, i)
#define JEQ(d, s, o) INSN(BPF_JMP | BPF_JEQ | BPF_X, d, s, o, 0)
#define CALL(f) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT() INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define LOAD_MAP(d) INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, 0), INSN(0, 0, 0, 0, 0)

/* The key lies at the end of the stack; r6 is the port, as the network has it, or 0. */
#define KEY_ADDRESS (-16)
#define KEY (KEY_ADDRESS - 4)
#define BEGIN_KEY() STORE_IMM(BPF_W, BPF_REG_10, KEY, 128)
#define BEGIN_KEY_V4()                                                                                  \
        BEGIN_KEY(), STORE_IMM(BPF_DW, BPF_REG_10, KEY_ADDRESS, 0),                                     \
                STORE_IMM(BPF_W, BPF_REG_10, KEY_ADDRESS + 8, NET32(0xffff))

#define DECIDE()                                                                                        \
        MOV(BPF_REG_2, BPF_REG_10), ADD_IMM(BPF_REG_2, KEY), LOAD_MAP(BPF_REG_1),                       \
                CALL(BPF_FUNC_map_lookup_elem), JEQ_IMM(BPF_REG_0, 0, 6),                               \
                LOAD(BPF_W, BPF_REG_0, BPF_REG_0, 0), MOV(BPF_REG_1, BPF_REG_0),                        \
                AND_IMM(BPF_REG_1, ALLOWED), JEQ_IMM(BPF_REG_1, 0, 2), AND_IMM(BPF_REG_0, 0xffff),      \
                /* Any port, or this one. */                                                            \
                JEQ_IMM(BPF_REG_0, 0, 3), JEQ(BPF_REG_0, BPF_REG_6, 2), MOV_IMM(BPF_REG_0, 0), EXIT(),  \
                MOV_IMM(BPF_REG_0, 1), EXIT()

#define SOCK_ADDR(member, more) ((int16_t) (offsetof(struct bpf_sock_addr, member) + (more)))
#define COPY_V6(i)                                                                                      \
        LOAD(BPF_W, BPF_REG_2, BPF_REG_1, SOCK_ADDR(user_ip6, 4 * (i))),                                \
                STORE(BPF_W, BPF_REG_10, KEY_ADDRESS + 4 * (i), BPF_REG_2)

/* Of connect(), sendto() and sendmsg(). */
static const struct bpf_insn call_v4[] = {
        LOAD(BPF_W, BPF_REG_6, BPF_REG_1, SOCK_ADDR(user_port, 0)),
        AND_IMM(BPF_REG_6, 0xffff),
        BEGIN_KEY_V4(),
        LOAD(BPF_W, BPF_REG_2, BPF_REG_1, SOCK_ADDR(user_ip4, 0)),
        STORE(BPF_W, BPF_REG_10, KEY_ADDRESS + 12, BPF_REG_2),
        DECIDE(),
};

static const struct bpf_insn call_v6[] = {
        LOAD(BPF_W, BPF_REG_6, BPF_REG_1, SOCK_ADDR(user_port, 0)),
        AND_IMM(BPF_REG_6, 0xffff),
        BEGIN_KEY(),
        COPY_V6(0),
        COPY_V6(1),
        COPY_V6(2),
        COPY_V6(3),
        DECIDE(),
};

/* Copies of a packet; a packet that ends before that gives 0 in r0 to nobody: the filter refuses. */
#define HEADER (-40)
#define PORT (-48)
#define COPY_PACKET(to, n)                                                                              \
        MOV(BPF_REG_1, BPF_REG_7), MOV(BPF_REG_3, BPF_REG_10), ADD_IMM(BPF_REG_3, to),                  \
                MOV_IMM(BPF_REG_4, n), CALL(BPF_FUNC_skb_load_bytes)
#define COPY_PACKET_LENGTH 5
#define REFUSE_LENGTH 2
#define IF_SHORT_REFUSE() JEQ_IMM(BPF_REG_0, 0, REFUSE_LENGTH), MOV_IMM(BPF_REG_0, 0), EXIT()
/* Reads the port at r2 into r6, then decides. */
#define PORT_LENGTH (COPY_PACKET_LENGTH + 3 + 1)
#define COPY_PORT()                                                                                     \
        COPY_PACKET(PORT, 2), IF_SHORT_REFUSE(), LOAD(BPF_H, BPF_REG_6, BPF_REG_10, PORT)

/* RFC 791, RFC 8200: where in a header things lie. */
static const struct bpf_insn packet_v4[] = {
        MOV(BPF_REG_7, BPF_REG_1),
        BEGIN_KEY_V4(),
        MOV_IMM(BPF_REG_6, 0),
        MOV_IMM(BPF_REG_2, 16),
        COPY_PACKET(KEY_ADDRESS + 12, 4),
        IF_SHORT_REFUSE(),
        MOV_IMM(BPF_REG_2, 0),
        COPY_PACKET(HEADER, 10),
        IF_SHORT_REFUSE(),
        /* Ports: of TCP and UDP, and of a first fragment. */
        LOAD(BPF_B, BPF_REG_1, BPF_REG_10, HEADER + 9),
        JEQ_IMM(BPF_REG_1, IPPROTO_TCP, 1),
        JNE_IMM(BPF_REG_1, IPPROTO_UDP, 3 + 4 + PORT_LENGTH),
        LOAD(BPF_H, BPF_REG_1, BPF_REG_10, HEADER + 6),
        AND_IMM(BPF_REG_1, NET16(0x1fff)),
        JNE_IMM(BPF_REG_1, 0, 4 + PORT_LENGTH),
        LOAD(BPF_B, BPF_REG_2, BPF_REG_10, HEADER),
        AND_IMM(BPF_REG_2, 0xf),
        SHL_IMM(BPF_REG_2, 2),
        ADD_IMM(BPF_REG_2, 2),
        COPY_PORT(),
        DECIDE(),
};

static const struct bpf_insn packet_v6[] = {
        MOV(BPF_REG_7, BPF_REG_1),
        BEGIN_KEY(),
        MOV_IMM(BPF_REG_6, 0),
        MOV_IMM(BPF_REG_2, 24),
        COPY_PACKET(KEY_ADDRESS, 16),
        IF_SHORT_REFUSE(),
        MOV_IMM(BPF_REG_2, 6),
        COPY_PACKET(HEADER, 1),
        IF_SHORT_REFUSE(),
        /* Behind an extension header there is no port for us. */
        LOAD(BPF_B, BPF_REG_1, BPF_REG_10, HEADER),
        JEQ_IMM(BPF_REG_1, IPPROTO_TCP, 1),
        JNE_IMM(BPF_REG_1, IPPROTO_UDP, 1 + PORT_LENGTH),
        MOV_IMM(BPF_REG_2, 40 + 2),
        COPY_PORT(),
        DECIDE(),
};

/* Which of the two: jumps in behind this. */
static const struct bpf_insn packet_choice[] = {
        LOAD(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct __sk_buff, protocol)),
        JEQ_IMM(BPF_REG_2, NET16(ETH_P_IP), 3),
        JEQ_IMM(BPF_REG_2, NET16(ETH_P_IPV6), 2 + ELEMENTSOF(packet_v4)),
        MOV_IMM(BPF_REG_0, 0),
        EXIT(),
};

#define PACKET_LENGTH (ELEMENTSOF(packet_choice) + ELEMENTSOF(packet_v4) + ELEMENTSOF(packet_v6))

static int bpf(enum bpf_cmd command, union bpf_attr *attr) {
        return RET_NERRNO((int) syscall(SYS_bpf, command, attr, sizeof(*attr)));
}

int network_filter_new(int *ret_map) {
        union bpf_attr attr = {
                .map_type = BPF_MAP_TYPE_LPM_TRIE, .key_size = sizeof(FilterKey), .value_size = sizeof(uint32_t),
                .max_entries = NETWORK_FILTER_ENTRIES_MAX, .map_flags = BPF_F_NO_PREALLOC, .map_name = "gantry",
        };
        int fd = bpf(BPF_MAP_CREATE, &attr);

        if (fd < 0)
                return fd;
        *ret_map = fd;
        return 0;
}

static int load(uint32_t type, uint32_t attach_type, const struct bpf_insn *code, size_t n, int map) {
        struct bpf_insn own[PACKET_LENGTH];
        union bpf_attr attr = {
                .prog_type = type, .expected_attach_type = attach_type, .insn_cnt = (uint32_t) n,
                .insns = (uint64_t) (uintptr_t) own, .license = (uint64_t) (uintptr_t) "LGPL-2.1-or-later",
                .prog_name = "gantry",
        };

        assert(n <= ELEMENTSOF(own));
        memcpy(own, code, n * sizeof(*code));
        for (size_t i = 0; i < n; i++)
                if (own[i].code == (BPF_LD | BPF_DW | BPF_IMM) && own[i].src_reg == BPF_PSEUDO_MAP_FD)
                        own[i].imm = map;
        return bpf(BPF_PROG_LOAD, &attr);
}

static int attach(uint32_t type, uint32_t attach_type, const struct bpf_insn *code, size_t n, int map,
                  int cgroup) {
        _cleanup_close_ int program = load(type, attach_type, code, n, map);
        union bpf_attr attr = {
                .target_fd = (uint32_t) cgroup, .attach_bpf_fd = (uint32_t) program,
                /* Beside those of systemd: all of them must agree. */
                .attach_type = attach_type, .attach_flags = BPF_F_ALLOW_MULTI,
        };

        return program < 0 ? program : bpf(BPF_PROG_ATTACH, &attr);
}

int network_filter_attach(int map, int cgroup) {
        static const uint32_t calls_v4[] = { BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_UDP4_SENDMSG };
        static const uint32_t calls_v6[] = { BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_UDP6_SENDMSG };
        struct bpf_insn packet[PACKET_LENGTH];
        int r;

        memcpy(packet, packet_choice, sizeof(packet_choice));
        memcpy(packet + ELEMENTSOF(packet_choice), packet_v4, sizeof(packet_v4));
        memcpy(packet + ELEMENTSOF(packet_choice) + ELEMENTSOF(packet_v4), packet_v6, sizeof(packet_v6));
        r = attach(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, packet, PACKET_LENGTH, map, cgroup);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(calls_v4); i++)
                r = attach(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, calls_v4[i], call_v4, ELEMENTSOF(call_v4), map,
                           cgroup);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(calls_v6); i++)
                r = attach(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, calls_v6[i], call_v6, ELEMENTSOF(call_v6), map,
                           cgroup);
        return r < 0 ? r : 0;
}

int network_filter_set(int map, const struct in6_addr *a, unsigned prefix, bool allow, uint16_t port) {
        FilterKey key = { .prefix = prefix };
        uint32_t value = allow ? ALLOWED | htons(port) : 0;
        union bpf_attr attr = {
                .map_fd = (uint32_t) map, .key = (uint64_t) (uintptr_t) &key,
                .value = (uint64_t) (uintptr_t) &value, .flags = BPF_ANY,
        };

        memcpy(key.address, a->s6_addr, sizeof(key.address));
        return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

/* Whether one of the path's parts is the unit. */
static bool is_within(const char *path, const char *unit) {
        size_t n = strlen(unit);

        for (const char *part = strchr(path, '/'); part; part = strchr(part + 1, '/'))
                if (n > 0 && strncmp(part + 1, unit, n) == 0 && (part[n + 1] == '/' || !part[n + 1]))
                        return true;
        return false;
}

/* The line of the second version is "0::/PATH". */
int network_filter_open_cgroup(const char *unit, int *ret) {
        static const char *const mounts[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        int r = read_file("/proc/self/cgroup", CGROUP_TEXT_MAX, &text, NULL, NULL);

        if (r < 0)
                return r;
        lines = strv_split(text, "\n");
        if (!lines)
                return -ENOMEM;
        STRV_FOREACH(line, lines) {
                if (strncmp(*line, "0::/", 4) != 0)
                        continue;
                if (!is_within(*line + 3, unit))
                        return -ENXIO;
                for (size_t i = 0; i < ELEMENTSOF(mounts); i++) {
                        _cleanup_free_ char *path = NULL;
                        int fd;

                        if (asprintf(&path, "%s%s", mounts[i], *line + 3) < 0) {
                                path = NULL;
                                return -ENOMEM;
                        }
                        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (fd >= 0) {
                                *ret = fd;
                                return 0;
                        }
                }
        }
        return -EOPNOTSUPP;
}
