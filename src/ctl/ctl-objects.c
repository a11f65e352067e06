/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* People say names, the API says ids. A name is looked up in the list of its kind, so that a wrong one
 * can be answered with the nearest that exists, and one that two objects share is refused rather than
 * guessed. A list is read whole for that, in pages of a thousand; who has more than that gives ids, which
 * are found in the same list.
 *
 * Bodies are the HTTP API's, sent as memfds: secrets come from a file or standard input and are never an
 * argument, which every process of the host could read. */

#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/json-scan.h"
#include "basic/suggest.h"
#include "ctl/ctl-objects.h"
#include "ctl/ctl-output.h"
#include "shared/memfd.h"

#define PAGE 1000U
#define CONFIG_MAX (1024U * 1024U)
#define UUID_LENGTH 36U
/* Some ten ids: more of them help nobody. */
#define AMBIGUOUS_IDS_LENGTH_MAX 400U

const CtlKind ctl_kind_connection = { "connection", "ListConnections", "CreateConnection",
                                      CTL_SERVICE ".Connection", "connectionId" };
const CtlKind ctl_kind_destination = { "destination", "ListDestinations", "CreateDestination",
                                       CTL_SERVICE ".Destination", "destinationId" };
const CtlKind ctl_kind_job = { "job", "ListJobs", NULL, CTL_SERVICE ".Job", "jobId" };
const CtlKind ctl_kind_source = { "source", "ListSources", "CreateSource", CTL_SERVICE ".Source", "sourceId" };
const CtlKind ctl_kind_tag = { "tag", "ListTags", "CreateTag", NULL, "tagId" };
const CtlKind ctl_kind_workspace = { "workspace", "ListWorkspaces", "CreateWorkspace", NULL, "workspaceId" };

/* Appends the rows of one reply and says how many there were. */
static int take_rows(sd_bus_message *reply, JsonObject *rows, Error **reterr_error) {
        const char *text;
        int n = 0, r;

        r = sd_bus_message_enter_container(reply, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(reply, "s", &text)) > 0) {
                JsonObject *row = NULL;

                r = json_parse(text, strlen(text), &row, reterr_error);
                if (r >= 0 && json_object_array_add(rows, row) < 0)
                        r = -ENOMEM;
                n++;
        }
        return r < 0 ? r : n;
}

int ctl_list_pages(Ctl *c, CtlListCall call, void *userdata, size_t limit, JsonObject **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *rows = json_object_new_array();
        size_t n, wanted;

        if (!rows)
                return -ENOMEM;
        do {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
                int r;

                n = json_object_array_length(rows);
                wanted = limit > 0 ? MIN(limit - n, PAGE) : PAGE;
                r = call(c, userdata, &m, reterr_error);
                if (r >= 0)
                        r = sd_bus_message_append(m, "tu", (uint64_t) n, (uint32_t) wanted);
                if (r >= 0)
                        r = ctl_send(c, m, &reply, reterr_error);
                if (r >= 0)
                        r = take_rows(reply, rows, reterr_error);
                if (r < 0)
                        return r;
                n = (size_t) r;
        } while (n == PAGE && (limit == 0 || json_object_array_length(rows) < limit));
        *ret = TAKE_PTR(rows);
        return 0;
}

typedef struct KindCall {
        const CtlKind *kind;
        const char *workspace_id;
} KindCall;

static int new_kind_call(Ctl *c, void *userdata, sd_bus_message **ret, Error **reterr_error) {
        const KindCall *k = userdata;
        int r;

        r = ctl_new_call(c, k->kind->list, ret, reterr_error);
        return r < 0 ? r : sd_bus_message_append(*ret, "s", k->workspace_id);
}

int ctl_list_in(Ctl *c, const CtlKind *kind, const char *workspace_id, JsonObject **ret, Error **reterr_error) {
        KindCall call = { kind, workspace_id };

        return ctl_list_pages(c, new_kind_call, &call, /* limit= */ 0, ret, reterr_error);
}

int ctl_list(Ctl *c, const CtlKind *kind, JsonObject **ret, Error **reterr_error) {
        _cleanup_free_ char *workspace_id = NULL;
        int r;

        if (c->given[CTL_OPTION_WORKSPACE] && kind != &ctl_kind_workspace) {
                r = ctl_find(c, &ctl_kind_workspace, c->values[CTL_OPTION_WORKSPACE], &workspace_id, NULL,
                             reterr_error);
                if (r < 0)
                        return r;
        }
        return ctl_list_in(c, kind, strempty(workspace_id), ret, reterr_error);
}

const char *ctl_text(JsonObject *o, const char *key) {
        JsonObject *value = json_member(o, key);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static int not_found(const CtlKind *kind, JsonObject *rows, const char *name, Error **reterr_error) {
        size_t n = json_object_array_length(rows);
        _cleanup_free_ const char **names = calloc(n + 1, sizeof(*names));
        const char *hint;

        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                names[i] = ctl_text(json_object_array_get_idx(rows, i), "name");
        hint = suggest_nearest(name, (char *const *) names);
        if (hint)
                return error_set(reterr_error, -ENOENT, "There is no %s '%s', did you mean '%s'?", kind->name, name,
                                 hint);
        return error_set(reterr_error, -ENOENT, "There is no %s '%s'", kind->name, name);
}

static int take_found(JsonObject *row, const CtlKind *kind, char **ret_id, char **ret_name) {
        char *id = strdup(ctl_text(row, kind->id_key)), *name = ret_name ? strdup(ctl_text(row, "name")) : NULL;

        if (!id || (ret_name && !name)) {
                free(id);
                free(name);
                return -ENOMEM;
        }
        *ret_id = id;
        if (ret_name)
                *ret_name = name;
        return 0;
}

/* The ids of those that share a name, for who has to choose one. */
static int ambiguous(const CtlKind *kind, JsonObject *rows, const char *key, const char *name, unsigned n,
                     Error **reterr_error) {
        _cleanup_buffer_ Buffer ids = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(rows); i++) {
                JsonObject *row = json_object_array_get_idx(rows, i);

                if (!streq(ctl_text(row, key), name))
                        continue;
                if (ids.len > AMBIGUOUS_IDS_LENGTH_MAX) {
                        r = buffer_append_string(&ids, ", …");
                        break;
                }
                r = buffer_appendf(&ids, "%s%s", ids.len > 0 ? ", " : "", ctl_text(row, kind->id_key));
        }
        if (r < 0 || !buffer_string(&ids))
                return -ENOMEM;
        return error_set(reterr_error, -EEXIST, "%u %ss are called '%s', give an id: %s", n, kind->name,
                         name, buffer_string(&ids));
}

/* An id is asked for by itself: lists may be long. 0: there is none, or it is in another workspace than was
 * asked for; the list decides. */
static int find_by_id(Ctl *c, const CtlKind *kind, const char *id, char **ret_id, char **ret_name,
                      Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        if (strlen(id) != UUID_LENGTH || strspn(id, "0123456789abcdef-") != UUID_LENGTH ||
            !kind->interface || c->given[CTL_OPTION_WORKSPACE])
                return 0;
        r = ctl_object_call(c, kind, id, "Get", &o, &error);
        if (r < 0)
                return r == -ENOENT ? 0 : error_set(reterr_error, r, "%s", error_message(error, r));
        r = take_found(o, kind, ret_id, ret_name);
        return r < 0 ? r : 1;
}

int ctl_find_row(const CtlKind *kind, JsonObject *rows, const char *name, char **ret_id, char **ret_name,
                 Error **reterr_error) {
        JsonObject *found = NULL;
        unsigned n = 0;

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                JsonObject *row = json_object_array_get_idx(rows, i);

                if (streq(ctl_text(row, kind->id_key), name))
                        return take_found(row, kind, ret_id, ret_name);
                if (streq(ctl_text(row, "name"), name)) {
                        found = row;
                        n++;
                }
        }
        if (n == 0)
                return not_found(kind, rows, name, reterr_error);
        if (n > 1)
                return ambiguous(kind, rows, "name", name, n, reterr_error);
        return take_found(found, kind, ret_id, ret_name);
}

int ctl_find(Ctl *c, const CtlKind *kind, const char *name, char **ret_id, char **ret_name, Error **reterr_error) {
        _cleanup_json_ JsonObject *rows = NULL;
        int r;

        r = find_by_id(c, kind, name, ret_id, ret_name, reterr_error);
        if (r != 0)
                return r < 0 ? r : 0;
        r = ctl_list(c, kind, &rows, reterr_error);
        return r < 0 ? r : ctl_find_row(kind, rows, name, ret_id, ret_name, reterr_error);
}

int ctl_new_object_call(Ctl *c, const CtlKind *kind, const char *id, const char *member, sd_bus_message **ret,
                        Error **reterr_error) {
        _cleanup_free_ char *path = NULL, *prefix = NULL;
        int r;

        r = ctl_bus_open(c, reterr_error);
        if (r < 0)
                return r;
        if (asprintf(&prefix, CTL_MANAGER_PATH "/%s", kind->name) < 0)
                return -ENOMEM;
        r = sd_bus_path_encode(prefix, id, &path);
        return r < 0 ? r : sd_bus_message_new_method_call(c->bus, ret, CTL_SERVICE, path, kind->interface, member);
}

int ctl_object_call(Ctl *c, const CtlKind *kind, const char *id, const char *member, JsonObject **ret,
                    Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = ctl_new_object_call(c, kind, id, member, &m, reterr_error);
        if (r >= 0)
                r = ctl_send(c, m, &reply, reterr_error);
        return r < 0 || !ret ? r : ctl_read_json(reply, ret, reterr_error);
}

/* Sets `name_key` of a row to the name of the object that its `id_key` holds. The names of a hundred rows are
 * few, so each is asked for once and remembered in `names`. An object that is gone keeps its id as its name. */
static int name_row(Ctl *c, JsonObject *row, const CtlKind *kind, const char *name_key, JsonObject *names) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        const char *id = ctl_text(row, kind->id_key);
        JsonObject *known = json_member(names, id);
        int r;

        if (!*id)
                return 0;
        if (!known) {
                r = ctl_object_call(c, kind, id, "Get", &o, &error);
                r = json_add_string(names, id, r >= 0 ? ctl_text(o, "name") : id);
                if (r < 0)
                        return r;
                known = json_member(names, id);
        }
        return json_add_string(row, name_key, json_object_get_string(known));
}

int ctl_add_names(Ctl *c, JsonObject *rows, const CtlKind *kind, const char *name_key) {
        _cleanup_json_ JsonObject *names = json_object_new_object();
        int r = names ? 0 : -ENOMEM;

        if (c->json)
                return 0;
        if (!json_object_is_type(rows, json_type_array))
                return r >= 0 ? name_row(c, rows, kind, name_key, names) : r;
        for (size_t i = 0; r >= 0 && i < json_object_array_length(rows); i++)
                r = name_row(c, json_object_array_get_idx(rows, i), kind, name_key, names);
        return r;
}

int ctl_append_memfd(sd_bus_message *m, JsonObject *o) {
        _cleanup_free_ char *text = o ? json_to_string(o) : strdup("");
        _cleanup_close_ int fd = -EBADF;

        if (!text)
                return -ENOMEM;
        fd = memfd_new("json", text, strlen(text));
        return fd < 0 ? fd : sd_bus_message_append(m, "h", fd);
}

/* The API takes two objects of one name; a person who then says this name would be asked which one. */
static int refuse_taken(Ctl *c, const CtlKind *kind, const char *name, Error **reterr_error) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r = ctl_find(c, kind, name, &id, NULL, &error);

        if (r >= 0 || r == -EEXIST)
                return error_set(reterr_error, -EEXIST, "There is a %s '%s' already", kind->name, name);
        if (r != -ENOENT)
                return error_set(reterr_error, r, "%s", error_message(error, r));
        return 0;
}

int ctl_create(Ctl *c, const CtlKind *kind, JsonObject *body, char **ret_id, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *id = NULL;
        int r;

        /* Tags are told apart by the server, in each workspace. */
        r = kind == &ctl_kind_tag ? 0 : refuse_taken(c, kind, ctl_text(body, "name"), reterr_error);
        if (r >= 0)
                r = ctl_new_call(c, kind->create, &m, reterr_error);
        if (r >= 0)
                r = ctl_append_memfd(m, body);
        if (r >= 0)
                r = ctl_send(c, m, &reply, reterr_error);
        if (r >= 0)
                r = sd_bus_message_has_signature(reply, "s") > 0 ? sd_bus_message_read(reply, "s", &id)
                                                                 : sd_bus_message_read(reply, "os", NULL, &id);
        if (r < 0)
                return r;
        *ret_id = strdup(id);
        return *ret_id ? 0 : -ENOMEM;
}

/* "FILE: line 3, column 7: …": where an editor would show it. */
static int not_json(const char *path, const char *text, size_t n, int r, Error **reterr_error) {
        size_t at = 0, line = 1, column = 1;

        if (n == strspn(text, " \t\r\n"))
                return error_set(reterr_error, -EINVAL, "%s is empty", path);
        if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                return error_set(reterr_error, -EINVAL, "%s begins with a byte order mark, JSON has none",
                                 path);
        (void) json_validate(text, n, &at);
        for (size_t i = 0; i < MIN(at, n); i++)
                if (text[i] == '\n') {
                        line++;
                        column = 1;
                } else
                        column++;
        return error_set(reterr_error, -EINVAL, "%s: line %zu, column %zu: %s", path, line, column,
                         r == -ELOOP      ? "The JSON is nested too deeply"
                         : r == -EILSEQ   ? "Not UTF-8"
                         : at == n        ? "The JSON ends too early"
                                          : "Not valid JSON");
}

int ctl_read_config_of(const Ctl *c, enum json_type type, JsonObject **ret, Error **reterr_error) {
        const char *path = c->values[CTL_OPTION_CONFIG];
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *text = NULL;
        bool from_stdin;
        size_t n = 0;
        int r;

        if (!path)
                return 0;
        from_stdin = streq(path, "-");
        path = from_stdin ? "standard input" : path;
        r = from_stdin ? read_file_fd(STDIN_FILENO, path, CONFIG_MAX, &text, &n, reterr_error) :
                         read_file(path, CONFIG_MAX, &text, &n, reterr_error);
        if (r < 0)
                return r;
        r = json_parse(text, n, &o, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : not_json(path, text, n, r, reterr_error);
        if (!json_object_is_type(o, type))
                return error_set(reterr_error, -EINVAL, "%s holds no JSON %s, which is wanted, but %s", path,
                                 json_type_to_name(type),
                                 o ? json_type_to_name(json_object_get_type(o)) : "null");
        *ret = TAKE_PTR(o);
        return 0;
}

int ctl_read_config(const Ctl *c, JsonObject **ret, Error **reterr_error) {
        return ctl_read_config_of(c, json_type_object, ret, reterr_error);
}

static int new_definitions_call(Ctl *c, void *userdata, sd_bus_message **ret, Error **reterr_error) {
        int r;

        r = ctl_new_call(c, "ListDefinitions", ret, reterr_error);
        return r < 0 ? r : sd_bus_message_append(*ret, "ss", (const char *) userdata, "");
}

int ctl_list_definitions(Ctl *c, const char *role, JsonObject **ret, Error **reterr_error) {
        return ctl_list_pages(c, new_definitions_call, (char *) role, /* limit= */ 0, ret, reterr_error);
}

/* Those that fit by one key: their number, the last, and the last that is a workspace's own. */
typedef struct Fitting {
        unsigned n, n_own;
        JsonObject *any, *own;
} Fitting;

static Fitting find_fitting(JsonObject *rows, const char *key, const char *name) {
        Fitting f = {};

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                JsonObject *row = json_object_array_get_idx(rows, i);

                if (!streq(ctl_text(row, key), name))
                        continue;
                f.n++;
                f.any = row;
                if (!json_object_get_boolean(json_member(row, "custom")))
                        continue;
                f.n_own++;
                f.own = row;
        }
        return f;
}

int ctl_find_definition(Ctl *c, const char *role, const char *name, JsonObject **ret, Error **reterr_error) {
        static const char *const keys[] = { "id", "name", "connectorType", "reference" };
        static const CtlKind kind = { .name = "connector", .id_key = "id" };
        _cleanup_json_ JsonObject *rows = NULL;
        int r;

        r = ctl_list_definitions(c, role, &rows, reterr_error);
        if (r < 0)
                return r;
        for (size_t k = 0; k < ELEMENTSOF(keys); k++) {
                Fitting f = find_fitting(rows, keys[k], name);

                if (f.n > 1 && f.n_own != 1)
                        return ambiguous(&kind, rows, keys[k], name, f.n, reterr_error);
                if (f.n > 0) {
                        *ret = json_object_get(f.n_own == 1 ? f.own : f.any);
                        return 0;
                }
        }
        return not_found(&kind, rows, name, reterr_error);
}

int ctl_print_created(Ctl *c, const CtlKind *kind, const char *name, const char *id) {
        _cleanup_json_ JsonObject *o = json_object_new_object();

        if (!c->json) {
                ctl_say(c, "Made the %s '%s', %s.", kind->name, name, id);
                return EXIT_OK;
        }
        if (!o || json_add_string(o, kind->id_key, id) < 0)
                return ctl_fail(c, NULL, -ENOMEM);
        return ctl_print_json(c, o);
}

int ctl_get(Ctl *c, const CtlKind *kind, const char *id, JsonObject **ret, int64_t *ret_revision,
            Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = ctl_new_object_call(c, kind, id, "Get", &m, reterr_error);
        if (r >= 0)
                r = ctl_send(c, m, &reply, reterr_error);
        if (r >= 0)
                r = ctl_read_json(reply, &o, reterr_error);
        if (r >= 0)
                r = sd_bus_message_read(reply, "x", ret_revision);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

int ctl_put(Ctl *c, const CtlKind *kind, const char *id, JsonObject *body, int64_t revision, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = ctl_new_object_call(c, kind, id, "Update", &m, reterr_error);
        if (r >= 0)
                r = ctl_append_memfd(m, body);
        if (r >= 0)
                r = sd_bus_message_append(m, "x", revision);
        return r < 0 ? r : ctl_send(c, m, &reply, reterr_error);
}

/* The revision is read just before: what a person has seen on the screen longer ago is not protected,
 * what somebody else writes meanwhile is. */
int ctl_update(Ctl *c, const CtlKind *kind, const char *name, JsonObject *body) {
        _cleanup_json_ JsonObject *before = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int64_t revision = 0;
        int r;

        r = ctl_find(c, kind, name, &id, NULL, &error);
        if (r >= 0)
                r = ctl_get(c, kind, id, &before, &revision, &error);
        if (r >= 0)
                r = ctl_put(c, kind, id, body, revision, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        ctl_say(c, "Changed the %s '%s'.", kind->name, name);
        return EXIT_OK;
}

/* "x revision": whatever is stored now, for who calls this has not looked. Workspaces and tags are no objects of the
 * bus. */
static int send_remove(Ctl *c, const CtlKind *kind, const char *id, Error **reterr_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        if (kind->interface) {
                r = ctl_new_object_call(c, kind, id, "Delete", &m, reterr_error);
                if (r >= 0)
                        r = sd_bus_message_append(m, "x", INT64_C(0));
        } else {
                r = ctl_new_call(c, kind == &ctl_kind_tag ? "DeleteTag" : "DeleteWorkspace", &m, reterr_error);
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", id);
        }
        return r < 0 ? r : ctl_send(c, m, &reply, reterr_error);
}

int ctl_remove(Ctl *c, const CtlKind *kind, const char *name) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        r = ctl_find(c, kind, name, &id, NULL, &error);
        if (r >= 0)
                r = send_remove(c, kind, id, &error);
        if (r < 0)
                return ctl_fail(c, error, r);
        ctl_say(c, "Removed the %s '%s'.", kind->name, name);
        return EXIT_OK;
}
