/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The journal of one file: two slots, so that a torn write leaves the one before. */

#include "connectors/lib/target-file.h"

/* Reads the newest whole slot. 1 found, 0 there is none (`ret` is empty then). */
int target_journal_read(int fd, TargetJournal *ret);
/* Writes the next slot; with `sync`, durable when it returns. */
int target_journal_write(int fd, TargetJournal *j, bool sync);
