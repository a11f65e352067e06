/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading one stream: its files one after the other, with states, statuses and what there is to report. */

#include "connectors/lib/emitter.h"
#include "connectors/source-file/columns.h"
#include "connectors/source-file/file-list.h"

/* The columns of stream number `stream` by a pass over its files. */
int file_stream_infer(const FileConfig *config, const FileList *files, size_t stream, Emitter *out,
                      Columns *ret,
                      Error **reterr_error);

/* Emits what is new since `state` (NULL = all). */
int file_stream_read(const FileConfig *config, const FileList *files, size_t stream,
                     const ConfiguredStream *configured, const char *state, size_t n_state, Emitter *out,
                     Error **reterr_error);
