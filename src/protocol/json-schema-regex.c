/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "pattern" is ECMA 262, and PCRE2 is the engine. Most of a pattern means the same in both; what doesn't
 * is rewritten on the way (white space, long names of categories, a bracket in a class) or chosen by an
 * option (an escape for a character's number, the empty class, a reference to a group that didn't match,
 * "$" only at the very end).
 *
 * Patterns come from connectors and values from anybody, so a match that backtracks for ever is an attack
 * (threat T39). Length, steps and memory of each are limited. There is no just-in-time compiler: it needs
 * memory that is writable and executable, which the services' units forbid (MemoryDenyWriteExecute=). A
 * match that meets a limit is undecided, -ETIME, and never counts as one that failed: "not" would turn
 * that into a yes. */

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "basic/buffer.h"
#include "protocol/json-schema-regex.h"

/* The longest pattern among 400 public connectors has 400 bytes. */
#define PATTERN_MAX 16384U
/* Steps of one match: some 20 ms. A pattern that isn't pathological needs a few for each byte. */
#define MATCH_LIMIT 1000000U
#define HEAP_LIMIT_KIB 20480U

struct SchemaRegex {
        pcre2_code *code;
        pcre2_match_context *context;
};

/* White space as ECMA 262 means it; PCRE2's \s is ASCII's. */
#define SPACES "\\t-\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"

/* Long names of general categories, which PCRE2 knows by their short names alone. */
static const struct {
        const char *name, *short_name;
} categories[] = {
        { "Letter", "L" },       { "Lowercase_Letter", "Ll" }, { "Uppercase_Letter", "Lu" },
        { "Titlecase_Letter", "Lt" },
        { "Modifier_Letter", "Lm" }, { "Other_Letter", "Lo" }, { "Mark", "M" },              { "Number", "N" },
        { "Decimal_Number", "Nd" },  { "digit", "Nd" },        { "Letter_Number", "Nl" },    { "Other_Number", "No" },
        { "Punctuation", "P" },      { "punct", "P" },         { "Symbol", "S" },            { "Math_Symbol", "Sm" },
        { "Currency_Symbol", "Sc" }, { "Separator", "Z" },     { "Space_Separator", "Zs" },  { "Other", "C" },
        { "Control", "Cc" },         { "Format", "Cf" },       { "Unassigned", "Cn" },
};

static const char *category_short_name(const char *name, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(categories); i++)
                if (strlen(categories[i].name) == n && memcmp(categories[i].name, name, n) == 0)
                        return categories[i].short_name;
        return NULL;
}

/* "\p{Letter}" at `p`: appended with the short name. Returns how many bytes were taken, 0 = leave it to
 * PCRE2. */
static int translate_property(Buffer *b, const char *p, const char *end) {
        const char *name = p + 3, *close;
        const char *short_name;
        int r;

        if (end - p < 4 || p[2] != '{')
                return 0;
        close = memchr(name, '}', (size_t) (end - name));
        if (!close)
                return 0;
        short_name = category_short_name(name, (size_t) (close - name));
        if (!short_name)
                return 0;
        r = buffer_appendf(b, "\\%c{%s}", p[1], short_name);
        return r < 0 ? r : (int) (close + 1 - p);
}

/* Escapes that ECMA 262 has; others are errors where the pattern must be of its dialect. */
static bool is_ecma_escape(char c) {
        return (unsigned char) c >= 0x80 || strchr("dDwWsSbBtnrvfcxukpP0123456789^$\\.*+?()[]{}|/-", c);
}

/* The escape at `p` (its backslash). Returns the bytes taken. */
static int translate_escape(Buffer *b, const char *p, const char *end, bool in_class, bool strict) {
        int r;

        if (end - p < 2 || !p[1])
                return -EINVAL;
        if (strict && !is_ecma_escape(p[1]))
                return -EINVAL;
        switch (p[1]) {
        case 's':
                r = buffer_append_string(b, in_class ? SPACES : "[" SPACES "]");
                return r < 0 ? r : 2;
        case 'S':
                /* Inside a class it stays PCRE2's: a negated set can't stand in a set. */
                r = buffer_append_string(b, in_class ? "\\S" : "[^" SPACES "]");
                return r < 0 ? r : 2;
        case 'p':
        case 'P':
                r = translate_property(b, p, end);
                if (r != 0)
                        return r;
                break;
        }
        r = buffer_append(b, p, 2);
        return r < 0 ? r : 2;
}

static int translate(const char *p, size_t n, bool strict, Buffer *b) {
        const char *end = p + n;
        bool in_class = false;
        int r;

        while (p < end) {
                if (*p == '\\') {
                        r = translate_escape(b, p, end, in_class, strict);
                        if (r < 0)
                                return r;
                        p += r;
                        continue;
                }
                if (*p == '[' && in_class)
                        /* Plain in ECMA 262; PCRE2 would look for [:alpha:]. */
                        r = buffer_append_string(b, "\\[");
                else {
                        in_class = in_class ? *p != ']' : *p == '[';
                        r = buffer_append_char(b, *p);
                }
                if (r < 0)
                        return r;
                p++;
        }
        return 0;
}

static pcre2_code *compile_code(const char *p, size_t n, int *ret_error) {
        pcre2_compile_context *context = pcre2_compile_context_create(NULL);
        pcre2_code *code;
        size_t at;

        if (!context) {
                *ret_error = PCRE2_ERROR_NOMEMORY;
                return NULL;
        }
        /* "\u{1F600}" is ECMA's way to name a character. */
        pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
        code = pcre2_compile((PCRE2_SPTR) p, n,
                             PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |
                                     PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C,
                             ret_error, &at, context);
        pcre2_compile_context_free(context);
        return code;
}

int schema_regex_compile(const char *pattern, size_t n, bool strict, SchemaRegex **ret,
                         Error **reterr_error) {
        _cleanup_(schema_regex_freep) SchemaRegex *regex = calloc(1, sizeof(SchemaRegex));
        _cleanup_buffer_ Buffer b = {};
        char reason[256] = "";
        int r, error = 0;

        if (!regex)
                return -ENOMEM;
        if (n > PATTERN_MAX)
                return error_set(reterr_error, -E2BIG, "a pattern of more than %u bytes", PATTERN_MAX);
        r = translate(pattern, n, strict, &b);
        if (r == -EINVAL)
                return error_set(reterr_error, r, "an escape that regular expressions don't have");
        if (r < 0 || !buffer_string(&b))
                return -ENOMEM;
        regex->code = compile_code(buffer_bytes(&b), b.len, &error);
        if (!regex->code) {
                if (error == PCRE2_ERROR_NOMEMORY)
                        return -ENOMEM;
                pcre2_get_error_message(error, (PCRE2_UCHAR *) reason, sizeof(reason));
                return error_set(reterr_error, -EINVAL, "not a regular expression: %s", reason);
        }
        regex->context = pcre2_match_context_create(NULL);
        if (!regex->context)
                return -ENOMEM;
        pcre2_set_match_limit(regex->context, MATCH_LIMIT);
        pcre2_set_heap_limit(regex->context, HEAP_LIMIT_KIB);
        *ret = TAKE_PTR(regex);
        return 0;
}

SchemaRegex *schema_regex_free(SchemaRegex *r) {
        if (!r)
                return NULL;
        pcre2_code_free(r->code);
        pcre2_match_context_free(r->context);
        free(r);
        return NULL;
}

int schema_regex_match(const SchemaRegex *r, const char *s, size_t n) {
        pcre2_match_data *data = pcre2_match_data_create(1, NULL);
        int found;

        if (!data)
                return -ENOMEM;
        found = pcre2_match(r->code, (PCRE2_SPTR) s, n, 0, 0, data, r->context);
        pcre2_match_data_free(data);
        if (found >= 0)
                return 1;
        if (found == PCRE2_ERROR_NOMEMORY)
                return -ENOMEM;
        if (found == PCRE2_ERROR_MATCHLIMIT || found == PCRE2_ERROR_DEPTHLIMIT ||
            found == PCRE2_ERROR_HEAPLIMIT)
                return -ETIME;
        return 0; /* no match, or a text that isn't UTF-8 */
}
