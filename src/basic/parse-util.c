/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <strings.h>

#include "basic/parse-util.h"

int parse_u64(const char *s, uint64_t *ret) {
        unsigned long long v;
        char *end;

        if (!isdigit((unsigned char) s[0]))
                return -EINVAL;
        errno = 0;
        v = strtoull(s, &end, 10);
        if (errno > 0)
                return -errno;
        if (*end)
                return -EINVAL;
        *ret = v;
        return 0;
}

int parse_i64(const char *s, int64_t *ret) {
        long long v;
        char *end;

        if (!isdigit((unsigned char) s[0]) && !(s[0] == '-' && isdigit((unsigned char) s[1])))
                return -EINVAL;
        errno = 0;
        v = strtoll(s, &end, 10);
        if (errno > 0)
                return -errno;
        if (*end)
                return -EINVAL;
        *ret = v;
        return 0;
}

int parse_double(const char *s, double *ret) {
        char *end;
        double v;

        if (!s[0] || isspace((unsigned char) s[0]))
                return -EINVAL;
        errno = 0;
        v = strtod(s, &end);
        if (errno > 0)
                return -errno;
        if (*end)
                return -EINVAL;
        *ret = v;
        return 0;
}

int parse_boolean(const char *s, bool *ret) {
        static const struct {
                const char *word;
                bool value;
        } words[] = {
                { "1", true },  { "yes", true }, { "y", true }, { "true", true },   { "t", true },  { "on", true },
                { "0", false }, { "no", false }, { "n", false }, { "false", false }, { "f", false }, { "off", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasecmp(s, words[i].word) == 0) {
                        *ret = words[i].value;
                        return 0;
                }
        return -EINVAL;
}

int parse_bytes(const char *s, uint64_t *ret) {
        static const char units[] = "BKMGTPE";
        const char *unit;
        char *end;
        unsigned long long v;

        if (streq(s, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        if (!isdigit((unsigned char) s[0]))
                return -EINVAL;
        errno = 0;
        v = strtoull(s, &end, 10);
        if (errno > 0)
                return -errno;
        end += strspn(end, " \t");
        unit = *end ? strchr(units, *end) : units;
        if (!unit || (*end && end[1]))
                return -EINVAL;
        for (; unit > units; unit--)
                if (__builtin_mul_overflow(v, 1024ULL, &v))
                        return -ERANGE;
        *ret = v;
        return 0;
}
