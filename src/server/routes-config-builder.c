/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Projects of Airbyte's connector builder, as far as PyAirbyte asks for them. A project is where a manifest
 * is worked on before it is published; here a manifest is what its definition has, so that each declarative
 * definition is its own project and none has a draft. Of what only the builder has and older clients may try
 * (testing values, operations) it is said that it isn't there. */

#include "server/definition-service.h"
#include "server/routes-config-builder.h"

static int get_declarative(Call *c, const char *key, Definition **ret) {
        const char *workspace_id, *id;
        int r = body_need_string(c, c->body, "workspaceId", &workspace_id);

        if (r >= 0)
                r = body_need_string(c, c->body, key, &id);
        return r < 0 ? r : definition_service_get_custom(c, workspace_id, ACTOR_SOURCE, /* declarative= */ true, id,
                                                         ROLE_READER, ret);
}

static int get_for_definition(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_out_ Out out = out_object();
        int r = get_declarative(c, "actorDefinitionId", &d);

        if (r < 0)
                return r;
        out_string(&out, "builderProjectId", d->id);
        out_string(&out, "workspaceId", d->workspace_id);
        return out_take(&out, ret);
}

static int view_project(const Definition *d, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_string(&out, "builderProjectId", d->id);
        out_string(&out, "name", d->name);
        out_string(&out, "sourceDefinitionId", d->id);
        out_i64(&out, "activeDeclarativeManifestVersion", d->manifest_version);
        out_bool(&out, "hasDraft", false);
        return out_take(&out, ret);
}

static int view_manifest(const Definition *d, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_json(&out, "manifest", d->manifest);
        out_i64(&out, "version", d->manifest_version);
        out_bool(&out, "isDraft", false);
        return out_take(&out, ret);
}

static int get_with_manifest(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_out_ Out out = out_object();
        JsonObject *project = NULL, *manifest = NULL;
        int r = get_declarative(c, "builderProjectId", &d);

        if (r >= 0)
                r = view_project(d, &project);
        if (r >= 0)
                r = view_manifest(d, &manifest);
        out_value(&out, "builderProject", project);
        out_value(&out, "declarativeManifest", manifest);
        return r < 0 ? r : out_take(&out, ret);
}

static int refuse(Call *c, HttpRequest *q, JsonObject **ret) {
        return call_fail(c, -ENOSYS, NULL, "Gantry does not have this");
}

#define ROW(path_, handler_) { "POST", "/api/v1/" path_, handler_, API_CONFIG | API_OPTIONAL_BODY | API_HIDDEN }

static const ApiRoute routes_config_builder_rows[] = {
        ROW("connector_builder_projects/get_for_definition_id", get_for_definition),
        ROW("connector_builder_projects/get_with_manifest", get_with_manifest),
        ROW("connector_builder_projects/update_testing_values", refuse),
        ROW("operations/get", refuse),
        ROW("operations/create", refuse),
        ROW("operations/update", refuse),
        ROW("operations/delete", refuse),
};
API_TABLE(routes_config_builder);
