/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small language helpers that every file uses: cleanup attributes, ownership transfer, sizes. */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))
#define _noreturn_ __attribute__((noreturn))
#define _pure_ __attribute__((pure))
#define _must_check_ __attribute__((warn_unused_result))
#define _likely_(x) __builtin_expect(!!(x), 1)
#define _unlikely_(x) __builtin_expect(!!(x), 0)

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#define STRLEN(s) (sizeof("" s "") - 1)
#define MIN(a, b)                                      \
        ({                                             \
                typeof(a) _min_a = (a);                \
                typeof(b) _min_b = (b);                \
                _min_a < _min_b ? _min_a : _min_b;     \
        })
#define MAX(a, b)                                      \
        ({                                             \
                typeof(a) _max_a = (a);                \
                typeof(b) _max_b = (b);                \
                _max_a > _max_b ? _max_a : _max_b;     \
        })

/* Hands an owned value over: reads it and leaves the local empty, so that its cleanup does nothing. */
#define TAKE_PTR(p)                       \
        ({                                \
                typeof(p) _taken = (p);   \
                (p) = NULL;               \
                _taken;                   \
        })
#define TAKE_FD(fd)                \
        ({                         \
                int _taken = (fd); \
                (fd) = -EBADF;     \
                _taken;            \
        })

/* Defines foop(), the cleanup function of a local `Foo *` whose destructor is foo_free(). */
#define DEFINE_CLEANUP(type, func)                          \
        static inline void func##p(type **p) {              \
                if (*p)                                     \
                        func(*p);                           \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}
#define _cleanup_free_ _cleanup_(freep)

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* NULL equals NULL and nothing else. */
static inline bool streq_ptr(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

static inline const char *strempty(const char *s) {
        return s ?: "";
}

/* Runs a call that sets errno and returns its result, or the negative errno. */
#define RET_NERRNO(expr)                       \
        ({                                     \
                __typeof__(expr) _r = (expr);  \
                _r < 0 ? -errno : _r;          \
        })
