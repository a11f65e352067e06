/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Server-sent events: what changes, told to whoever listens (GET /api/v1/events). An event is a row of
 * `change`; its id is the seq, so that a client that comes back with Last-Event-ID hears what it has
 * missed. */

#include "server/call.h"

/* Streams at a time; more are answered 503. */
#define EVENT_STREAMS_MAX 128U
/* A comment is sent after so long without an event: proxies keep the connection, and a reader that has
 * gone is noticed. */
#define EVENT_PING_USEC (15 * USEC_PER_SEC)

int event_feed_new(Server *s, EventFeed **ret);
/* Ends all streams. */
EventFeed *event_feed_free(EventFeed *f);
DEFINE_CLEANUP(EventFeed, event_feed_free);

/* Answers the call with a stream of what changes behind `since` (negative: from now on), as far as the
 * caller may see it. */
int event_feed_subscribe(EventFeed *f, Call *c, int64_t since);
/* Rows up to `seq` exist: by our own writing or by another daemon's signal. */
void event_feed_notify(EventFeed *f);
/* How far a job of that workspace is, to those who may see it. Not stored: who is away misses it. */
void event_feed_progress(EventFeed *f, const char *workspace_id, JsonObject *progress);
