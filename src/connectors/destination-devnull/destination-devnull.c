/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* destination-devnull: counts, and fails on request.
 *
 * For measuring and for tests of all that stands before a destination. Nothing is kept, so every commit
 * is at once done and every state comes back. The faults are those that a platform must survive: an error
 * in the protocol's words, an exit without any, a kill, a hang that no longer reads, a commit that fails,
 * counts that lie, a record that is rejected. Each strikes when a given number of records has come, and
 * so at the same place in every run. */

#include <inttypes.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "connectors/lib/destination.h"
#include "connectors/lib/emitter.h"

extern const char text_destination_devnull_spec[];

/* As the specification says of delay_microseconds. */
#define DELAY_MAX INT64_C(60000000)

/* What is to go wrong, once `after_records` have come. The frame and the platform are tested against
 * these, so each must look like the real thing: a crash is a signal, a hang reads no more. */
typedef enum Fault {
        FAULT_NONE,
        FAULT_ERROR,
        FAULT_EXIT,
        FAULT_CRASH,
        FAULT_HANG,
        FAULT_COMMIT_ERROR,
        FAULT_MISCOUNT,
        FAULT_REJECT,
        _FAULT_MAX,
        _FAULT_INVALID = -EINVAL,
} Fault;

static const char *const fault_table[_FAULT_MAX] = {
        [FAULT_NONE] = "none",         [FAULT_ERROR] = "error",
        [FAULT_EXIT] = "exit",         [FAULT_CRASH] = "crash",
        [FAULT_HANG] = "hang",         [FAULT_COMMIT_ERROR] = "commit_error",
        [FAULT_MISCOUNT] = "miscount", [FAULT_REJECT] = "reject",
};

typedef struct NullDestination {
        Emitter *out;
        Fault fault;
        int64_t after, exit_code, delay;
        uint64_t records, bytes;
} NullDestination;

static Fault fault_from_string(const char *s) {
        for (Fault f = 0; f < _FAULT_MAX; f++)
                if (streq(s, fault_table[f]))
                        return f;
        return _FAULT_INVALID;
}

/* The options of Airbyte's own dev-null, so that a configuration made for it does what it says. Logging shows
 * no records here: it is as silence. */
static int read_test_destination(NullDestination *d, JsonObject *config, Error **reterr_error) {
        static const char what[] = "test_destination";
        JsonObject *test = NULL;
        const char *type = "SILENT";
        int64_t millis = 0;
        int r;

        r = json_get_object(config, what, &test, "configuration", reterr_error);
        if (r <= 0)
                return r;
        r = json_get_string(test, "test_destination_type", &type, what, reterr_error);
        if (r >= 0 && streq(type, "THROTTLED")) {
                r = json_get_i64(test, "millis_per_record", &millis, what, reterr_error);
                d->delay = MAX(millis, 0) > DELAY_MAX / 1000 ? DELAY_MAX : MAX(millis, 0) * 1000;
        }
        if (r >= 0 && streq(type, "FAILING")) {
                r = json_get_i64(test, "num_messages", &d->after, what, reterr_error);
                d->fault = FAULT_ERROR;
        }
        return r < 0 ? r : 0;
}

static int devnull_open(JsonObject *config, const ConfiguredCatalog *catalog, Emitter *out,
                        void **ret_destination,
                        Error **reterr_error) {
        _cleanup_free_ NullDestination *d = calloc(1, sizeof(*d));
        static const char what[] = "configuration";
        const char *fault = "none";
        int r;

        if (!d)
                return -ENOMEM;
        d->out = out;
        d->exit_code = 1;
        r = json_get_string(config, "fault", &fault, what, reterr_error);
        if (r >= 0)
                r = json_get_i64(config, "after_records", &d->after, what, reterr_error);
        if (r >= 0)
                r = json_get_i64(config, "exit_code", &d->exit_code, what, reterr_error);
        if (r >= 0)
                r = json_get_i64(config, "delay_microseconds", &d->delay, what, reterr_error);
        if (r < 0)
                return r;
        d->fault = fault_from_string(fault);
        if (d->fault < 0)
                return error_set(reterr_error, -EINVAL, "Unknown fault '%s'", fault);
        r = read_test_destination(d, config, reterr_error);
        if (r < 0)
                return r;
        *ret_destination = TAKE_PTR(d);
        return 0;
}

/* Returns what the frame takes for the answer to a write; 2 makes it count one record too many. */
static int fail_now(NullDestination *d, Error **reterr_error) {
        switch (d->fault) {
        case FAULT_ERROR:
                return error_set(reterr_error, -EIO,
                                 "The fault that was asked for came after %" PRIu64 " records",
                                 d->records);
        case FAULT_EXIT:
                _exit((int) d->exit_code);
        case FAULT_CRASH:
                (void) raise(SIGKILL);
                return -EIO;
        case FAULT_HANG:
                for (;;)
                        (void) pause();
        case FAULT_MISCOUNT:
                return 2;
        case FAULT_REJECT:
                return error_set(reterr_error, -EINVAL, "a rejection was asked for"), 0;
        default:
                return 1;
        }
}

static int devnull_write(void *destination, size_t stream, const DestinationRecord *record,
                         Error **reterr_error) {
        NullDestination *d = destination;

        if (d->delay > 0) {
                struct timespec ts = { .tv_sec = d->delay / 1000000, .tv_nsec = d->delay % 1000000 * 1000 };

                (void) nanosleep(&ts, NULL);
        }
        d->bytes += record->data.n;
        return d->records++ == (uint64_t) d->after ? fail_now(d, reterr_error) : 1;
}

static int devnull_commit(void *destination, Error **reterr_error) {
        NullDestination *d = destination;

        if (d->fault == FAULT_COMMIT_ERROR && d->records >= (uint64_t) d->after)
                return error_set(reterr_error, -EIO,
                                 "The failure to commit that was asked for came after %" PRIu64
                                 " records", d->records);
        return 0;
}

static int devnull_finish_stream(void *destination, size_t stream, Error **reterr_error) {
        return 0;
}

static int devnull_close(void *destination, bool clean, Error **reterr_error) {
        _cleanup_free_ NullDestination *d = destination;

        return clean ? emitter_log(d->out, "INFO", "%" PRIu64 " records, %" PRIu64 " bytes of data",
                                   d->records, d->bytes)
                     : 0;
}

static int devnull_check(JsonObject *config, Emitter *out, Error **reterr_error) {
        bool fail = false;
        int r;

        r = json_get_bool(config, "fail_check", &fail, "configuration", reterr_error);
        if (r < 0)
                return r;
        return fail ? error_set(reterr_error, -EIO, "The failure that was asked for") : 0;
}

static const DestinationOps devnull_ops = {
        .open = devnull_open,
        .write = devnull_write,
        .commit = devnull_commit,
        .finish_stream = devnull_finish_stream,
        .close = devnull_close,
};

int main(int argc, char *argv[]) {
        const ConnectorInfo info = {
                .name = "destination-devnull",
                .spec_json = text_destination_devnull_spec,
                .check = devnull_check,
                .destination = &devnull_ops,
        };

        return connector_main(&info, argc, argv);
}
