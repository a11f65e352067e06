/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The journal of one file: two slots of 512 bytes of text, each with a sequence number and a checksum,
 * written in turn. A write that was torn leaves a slot whose sum is wrong, and the other one, which is
 * older by one step, counts. 512 bytes are what disks write whole; the sum is there for those that do
 * not. */

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/hash.h"
#include "connectors/lib/target-journal.h"

#define SLOT_SIZE 512U
#define SLOT_FORMAT "gantry1 %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %d %d %d %d %d %" PRIi64 " %" PRIi64

/* Text, so that a person can read what a program believed when it died. */
static bool parse_slot(const char *slot, TargetJournal *ret) {
        int clean, rewrite_is_new, has_final, has_new, final_generation, new_generation;
        const char *mark = strstr(slot, " sum ");
        unsigned long long sum;
        TargetJournal j = {};

        if (!mark || sscanf(mark, " sum %llx", &sum) != 1 || hash64(HASH64_START, slot, (size_t) (mark - slot)) != sum)
                return false;
        if (sscanf(slot, SLOT_FORMAT, &j.sequence, &j.length, &j.new_length, &j.rewrite_length,
                   &rewrite_is_new,
                   &clean, &has_final, &has_new, &final_generation, &new_generation, &j.history.final_generation_id,
                   &j.history.new_generation_id) != 12)
                return false;
        j.clean = clean;
        j.rewrite_is_new = rewrite_is_new;
        j.history.has_final = has_final;
        j.history.has_new = has_new;
        j.history.final_has_generation = final_generation;
        j.history.new_has_generation = new_generation;
        *ret = j;
        return true;
}

int target_journal_read(int fd, TargetJournal *ret) {
        int found = 0;

        *ret = (TargetJournal) {};
        for (unsigned i = 0; i < 2; i++) {
                char slot[SLOT_SIZE + 1];
                TargetJournal j;
                ssize_t k = pread(fd, slot, SLOT_SIZE, (off_t) (i * SLOT_SIZE));

                if (k < 0)
                        return -errno;
                slot[k] = 0;
                if (parse_slot(slot, &j) && (!found || j.sequence > ret->sequence)) {
                        *ret = j;
                        found = 1;
                }
        }
        return found;
}

int target_journal_write(int fd, TargetJournal *j, bool sync) {
        const GenerationHistory *h = &j->history;
        char slot[SLOT_SIZE];
        ssize_t k;
        int n;

        j->sequence++;
        n = snprintf(slot, sizeof(slot), SLOT_FORMAT, j->sequence, j->length, j->new_length,
                     j->rewrite_length,
                     j->rewrite_is_new, j->clean, h->has_final, h->has_new, h->final_has_generation,
                     h->new_has_generation, h->final_generation_id, h->new_generation_id);
        n += snprintf(slot + n, sizeof(slot) - (size_t) n, " sum %016llx",
                      (unsigned long long) hash64(HASH64_START, slot, (size_t) n));
        memset(slot + n, ' ', sizeof(slot) - (size_t) n);
        slot[sizeof(slot) - 1] = '\n';
        k = pwrite(fd, slot, sizeof(slot), (off_t) (j->sequence % 2 * SLOT_SIZE));
        if (k < 0)
                return -errno;
        if ((size_t) k < sizeof(slot))
                return -ENOSPC;
        return sync ? RET_NERRNO(fdatasync(fd)) : 0;
}
