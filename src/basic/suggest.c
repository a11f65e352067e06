/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/suggest.h"

/* Longer words are not typed by hand; it bounds the table below. */
#define WORD_MAX 64U

/* Optimal string alignment distance, three rows of the table at a time. */
static size_t edit_distance(const char *a, size_t n_a, const char *b, size_t n_b) {
        size_t rows[3][WORD_MAX + 1];
        size_t *before = rows[0], *last = rows[1], *row = rows[2];

        for (size_t j = 0; j <= n_b; j++)
                last[j] = j;
        for (size_t i = 1; i <= n_a; i++) {
                size_t *turn;

                row[0] = i;
                for (size_t j = 1; j <= n_b; j++) {
                        size_t best = MIN(last[j], row[j - 1]) + 1;

                        best = MIN(best, last[j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                best = MIN(best, before[j - 2] + 1);
                        row[j] = best;
                }
                turn = before;
                before = last;
                last = row;
                row = turn;
        }
        return last[n_b];
}

const char *suggest_nearest(const char *word, char *const *candidates) {
        size_t n = strlen(word), nearest = SIZE_MAX;
        const char *found = NULL;

        if (n == 0 || n > WORD_MAX)
                return NULL;
        STRV_FOREACH(c, candidates) {
                size_t m = strlen(*c), d;

                if (m > WORD_MAX)
                        continue;
                d = edit_distance(word, n, *c, m);
                /* One slip in three letters still reads as the word that was meant. */
                if (d < nearest && d <= 1 + MAX(n, m) / 4 && d < MAX(n, m)) {
                        nearest = d;
                        found = *c;
                }
        }
        return found;
}
