/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/utf8.h"
#include "shared/bus-error.h"

/* The first errno of a name is what it becomes on the other side. */
static const struct {
        const char *name;
        int error;
} bus_errors[] = {
        { BUS_ERROR_NOT_FOUND, ENOENT },
        { BUS_ERROR_INVALID_ARGUMENT, EINVAL },
        { BUS_ERROR_CONFLICT, EEXIST },
        { BUS_ERROR_NOT_RUNNING, ESRCH },
        { BUS_ERROR_BUSY, EBUSY },
        { BUS_ERROR_ACCESS_DENIED, EACCES },
        { BUS_ERROR_UNAVAILABLE, EAGAIN },
        { BUS_ERROR_NO_SPACE, ENOSPC },
        { BUS_ERROR_FAILED, EIO },
        { BUS_ERROR_INVALID_ARGUMENT, EBADMSG },
        { BUS_ERROR_INVALID_ARGUMENT, EDOM },
        { BUS_ERROR_INVALID_ARGUMENT, ERANGE },
        { BUS_ERROR_INVALID_ARGUMENT, E2BIG },
        { BUS_ERROR_INVALID_ARGUMENT, EFBIG },
        { BUS_ERROR_CONFLICT, ESTALE },
        { BUS_ERROR_ACCESS_DENIED, EPERM },
};

/* The bus takes no text that isn't UTF-8: the call would go unanswered, and the connection with it. A
 * sentence may quote what a stranger wrote, or be cut in the middle of a character. */
static int set_message(sd_bus_error *reterr_bus, const char *name, const char *message) {
        _cleanup_buffer_ Buffer b = {};

        if (utf8_is_valid(message, strlen(message)))
                return sd_bus_error_set(reterr_bus, name, message);
        if (utf8_append_printable(&b, message, strlen(message), /* keep_newlines= */ true) < 0)
                return sd_bus_error_set(reterr_bus, name, "The reason is no text");
        return sd_bus_error_set(reterr_bus, name, buffer_string(&b));
}

int bus_error_from(sd_bus_error *reterr_bus, int r, const Error *e) {
        const char *name = BUS_ERROR_FAILED;

        assert(r < 0);
        for (size_t i = 0; i < ELEMENTSOF(bus_errors); i++)
                if (bus_errors[i].error == -r)
                        name = bus_errors[i].name;
        (void) set_message(reterr_bus, name, error_message(e, r));
        return r;
}

int bus_error_to(const sd_bus_error *bus, int r, Error **reterr_error) {
        for (size_t i = 0; bus->name && i < ELEMENTSOF(bus_errors); i++)
                if (streq(bus_errors[i].name, bus->name)) {
                        r = -bus_errors[i].error;
                        break;
                }
        if (r >= 0)
                r = -EIO;
        return error_set(reterr_error, r, "%s", bus->message ?: strerror(-r));
}

/* sd-bus calls its own time-outs "Timeout" (one that answers too late), the bus those of a start
 * "TimedOut". */
bool bus_error_is_undelivered(const sd_bus_error *e) {
        return sd_bus_error_has_name(e, "org.freedesktop.DBus.Error.TimedOut");
}

bool bus_error_is_lost(const sd_bus_error *e) {
        return sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY);
}
