/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Histories hold what workloads were asked for, and thus configurations with markers. No marker is clear
 * text, but a sealed value is ciphertext that nobody has to see: a mask takes the place of each, wherever
 * in the tree it stands. The walk is over all of the tree and not by the specification, which may have
 * changed since. */

#include "workflow/workflow-view.h"

#define MASK "**********"

static int add_text(JsonObject *o, const char *key, const char *value) {
        return value && *value ? json_add_string(o, key, value) : 0;
}

static int add_number(JsonObject *o, const char *key, int64_t value) {
        return value > 0 ? json_add(o, key, json_object_new_int64(value)) : 0;
}

int workflow_view(const Workflow *w, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r;

        if (!o || (r = json_add_string(o, "id", w->id)) < 0 ||
            (r = json_add_string(o, "type", workflow_type_to_string(w->type))) < 0 ||
            (r = json_add_string(o, "status", workflow_status_to_string(w->status))) < 0 ||
            (r = add_text(o, "connectionId", w->connection_id)) < 0 || (r = add_number(o, "jobId", w->job_id)) < 0 ||
            (r = add_text(o, "workloadId", w->workload_id)) < 0 || (r = add_number(o, "events", w->last_event)) < 0 ||
            (r = add_number(o, "wakeAt", (int64_t) w->wake_at)) < 0 ||
            (r = add_number(o, "createdAt", (int64_t) w->created_at)) < 0 ||
            (r = add_number(o, "updatedAt", (int64_t) w->updated_at)) < 0 ||
            (r = add_number(o, "endedAt", (int64_t) w->ended_at)) < 0)
                return o ? r : -ENOMEM;
        *ret = TAKE_PTR(o);
        return 0;
}

static bool is_secret(JsonObject *o) {
        return json_object_is_type(o, json_type_object) &&
               (json_object_object_get_ex(o, "_secret", NULL) || json_object_object_get_ex(o, "_sealed", NULL));
}

/* The tree as it may be shown; a new reference. Depth is bounded by the parser. */
static int masked(JsonObject *value, JsonObject **ret) {
        int r = 0;

        if (is_secret(value)) {
                *ret = json_object_new_string(MASK);
                return *ret ? 0 : -ENOMEM;
        }
        if (json_object_is_type(value, json_type_object)) {
                json_object_object_foreach(value, key, member) {
                        JsonObject *shown = NULL;

                        r = masked(member, &shown);
                        if (r >= 0 && shown != member)
                                r = json_add(value, key, shown);
                        else
                                json_object_put(shown);
                        if (r < 0)
                                return r;
                }
        } else if (json_object_is_type(value, json_type_array))
                for (size_t i = 0; i < json_object_array_length(value); i++) {
                        JsonObject *member = json_object_array_get_idx(value, i), *shown = NULL;

                        r = masked(member, &shown);
                        if (r >= 0 && shown != member)
                                r = json_object_array_put_idx(value, i, shown) < 0 ? -ENOMEM : 0;
                        else
                                json_object_put(shown);
                        if (r < 0)
                                return r;
                }
        *ret = json_object_get(value);
        return 0;
}

/* A stored text as a tree that may be shown; nothing for none. */
static int add_masked(JsonObject *o, const char *key, const char *text) {
        _cleanup_json_ JsonObject *value = NULL;
        JsonObject *shown = NULL;
        int r;

        if (!text || !*text)
                return 0;
        r = json_parse(text, strlen(text), &value, NULL);
        if (r >= 0)
                r = masked(value, &shown);
        return r < 0 ? r : json_add(o, key, shown);
}

/* An event's payload is {"name","key","value"}. */
static int view_event(const WorkflowEvent *e, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *payload = NULL;
        static const char *const keys[] = { "name", "key", "value" };
        JsonObject *shown = NULL;
        int r;

        if (!o)
                return -ENOMEM;
        r = json_parse(strempty(e->payload), strlen(strempty(e->payload)), &payload, NULL);
        if (r >= 0)
                r = json_add(o, "seq", json_object_new_int64(e->seq));
        if (r >= 0)
                r = json_add_string(o, "type", e->type);
        if (r >= 0)
                r = json_add(o, "at", json_object_new_int64((int64_t) e->at));
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(keys); i++) {
                r = masked(json_member(payload, keys[i]), &shown);
                if (r >= 0 && shown)
                        r = json_add(o, keys[i], shown);
        }
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

int workflow_view_whole(const Workflow *w, const WorkflowEventArray *events, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = NULL, *history = json_object_new_array();
        int r;

        r = history ? workflow_view(w, &o) : -ENOMEM;
        if (r >= 0)
                r = add_masked(o, "input", w->input);
        if (r >= 0)
                r = add_masked(o, "result", w->result);
        for (size_t i = 0; r >= 0 && i < events->n; i++) {
                JsonObject *event = NULL;

                r = view_event(events->items[i], &event);
                if (r >= 0 && json_object_array_add(history, event) < 0)
                        r = -ENOMEM;
        }
        if (r >= 0)
                r = json_add(o, "history", TAKE_PTR(history));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}
