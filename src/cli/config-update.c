/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connector may announce a new configuration while it runs (CONTROL), mostly because a token was
 * renewed that can be used once. It is hostile until proven otherwise, so of that configuration only what
 * the specification calls secret is taken over, into the file that the configuration came from,
 * atomically and with the file's mode. A changed host stays unwritten and is told: it would let the
 * connector choose where the secrets go next time.
 *
 * The whole new configuration must fit the specification, although only its secrets are taken. Nothing of
 * it is used in this run but for masking: the connector has it already. Where the file only refers to a
 * secret, that secret has another home and the update is refused; YAML is never rewritten. */

#include <sys/stat.h>

#include "basic/file-util.h"
#include "basic/log.h"
#include "cli/config-file.h"
#include "cli/config-update.h"

typedef struct Update {
        JsonObject *stored; /* as the file has it, references unresolved */
        size_t n_changed;
        Error **reterr_error;
} Update;

/* One secret of the new configuration. */
static int on_secret(const char *pointer, JsonObject *value, void *userdata) {
        Update *u = userdata;
        JsonObject *old = NULL, *copy;

        if (json_pointer_get(u->stored, pointer, &old) >= 0 && json_equal(old, value))
                return 0;
        if (old && json_object_is_type(old, json_type_object))
                return error_set(u->reterr_error, -EOPNOTSUPP, "'%s' is a reference in the file", pointer);
        copy = json_clone(value);
        if (!copy)
                return -ENOMEM;
        if (json_pointer_set(&u->stored, pointer, copy) < 0) {
                json_object_put(copy);
                return error_set(u->reterr_error, -EOPNOTSUPP, "'%s' has no place in the file", pointer);
        }
        u->n_changed++;
        return 0;
}

/* Unknown or changed plain fields (a host, say) must not move unattended: a connector would choose where
 * the secrets go. */
static void warn_plain_changes(const Endpoint *e, JsonObject *config, JsonObject *stored) {
        json_object_object_foreach(config, key, value) {
                JsonObject *old = json_member(e->config, key);

                if (!json_equal(old, value) && json_equal(json_member(stored, key), old))
                        log_warning("The connector '%s' wants to change '%s' in its configuration; only "
                                    "secrets are kept",
                                    e->connector->reference, key);
        }
}

static int store(const char *file, JsonObject *stored, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};
        const char *text = json_object_to_json_string_ext(stored, JSON_C_TO_STRING_PRETTY |
                                                                          JSON_C_TO_STRING_NOSLASHESCAPE);
        struct stat st;
        int r;

        if (!text)
                return -ENOMEM;
        if (stat(file, &st) < 0)
                return error_set_errno(reterr_error, -errno, "'%s'", file);
        r = buffer_append_string(&b, text);
        if (r >= 0)
                r = buffer_append_char(&b, '\n');
        if (r < 0)
                return r;
        return write_file_atomic(file, buffer_bytes(&b), b.len, st.st_mode & 0777, reterr_error);
}

int config_update(const Endpoint *e, const char *file, JsonObject *config, Error **reterr_error) {
        _cleanup_json_ JsonObject *stored = NULL;
        Update u = { .reterr_error = reterr_error };
        const char *dot;
        int r;

        if (!file)
                return error_set(reterr_error, -EOPNOTSUPP, "the configuration didn't come from a file");
        dot = strrchr(file, '.');
        if (dot && (streq(dot, ".yaml") || streq(dot, ".yml")))
                return error_set(reterr_error, -EOPNOTSUPP, "'%s' is YAML, whose comments would be lost", file);
        r = connector_spec_check_config(e->spec, config, reterr_error);
        if (r < 0)
                return r;
        r = config_file_load(file, &stored, reterr_error);
        if (r < 0)
                return r;
        u.stored = stored;
        r = connector_spec_foreach_secret(e->spec, config, on_secret, &u);
        if (r < 0)
                return r;
        warn_plain_changes(e, config, stored);
        if (u.n_changed == 0)
                return 0;
        r = store(file, stored, reterr_error);
        return r < 0 ? r : 1;
}
