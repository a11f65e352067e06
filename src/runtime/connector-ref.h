/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a person names a connector: `NAME`, `native:NAME`, `pypi:PKG[==V]`, `npm:PKG[@V]`, `exec:PATH`,
 * `image:NAME:TAG`, and the shorthands of design §4 that carry a configuration: `sqlite:PATH`, `csv:PATH`,
 * `jsonl:PATH`, `http(s)://…`, `FILE.yaml`, `CONNECTOR?key=value&…`. Pure text work, no disk but
 * FILE.yaml. */

#include "shared/json-util.h"

typedef enum ConnectorKind {
        CONNECTOR_NATIVE,
        CONNECTOR_PYPI,
        CONNECTOR_NPM,
        CONNECTOR_EXEC,
        CONNECTOR_IMAGE, /* a container image; podman's own name for it, tag included */
        CONNECTOR_INSTALLED, /* a bare name: an installed one, else a native one */
        _CONNECTOR_KIND_MAX,
        _CONNECTOR_KIND_INVALID = -EINVAL,
} ConnectorKind;

typedef enum ConnectorRole {
        CONNECTOR_SOURCE,
        CONNECTOR_DESTINATION,
        CONNECTOR_ANY_ROLE,
} ConnectorRole;

typedef struct ConnectorRef {
        ConnectorKind kind;
        char *name;         /* package, native name ("source-file") or path */
        char *version;      /* NULL = whichever */
        JsonObject *config; /* what the shorthand says; NULL = nothing */
} ConnectorRef;

/* "native", "pypi", …: what stands before the colon; "installed" for a bare name. */
const char *connector_kind_to_string(ConnectorKind kind);

ConnectorRef *connector_ref_free(ConnectorRef *r);
DEFINE_CLEANUP(ConnectorRef, connector_ref_free);

/* `role` tells `csv:x` the source from the destination. manifest: is known and refused with -EOPNOTSUPP and
 * a sentence that says so. */
int connector_ref_parse(const char *s, ConnectorRole role, ConnectorRef **ret, Error **reterr_error);
/* "pypi:airbyte-source-faker==7.2.1" */
char *connector_ref_to_string(const ConnectorRef *r);
/* A Python package's name as the index compares it: "Airbyte_Source.X" becomes "airbyte-source-x", in
 * place. */
void pypi_normalize_name(char *name);
/* Fit to be a directory's name and a package manager's argument, whoever says it. */
bool connector_version_is_valid(const char *s);
/* "sha256:" and 64 hexadecimal digits: what names one image for ever. */
bool image_digest_is_valid(const char *s);
/* How the registries' standard has it: "TAG", "sha256:…" or "TAG@sha256:…"; -EINVAL with a sentence that
 * begins behind the name of what is wrong: "'dockerImageTag' ". */
int image_version_check(const char *s, Error **reterr_error);
/* "airbyte/source-x", "localhost:5000/x": no tag, no digest, no capitals but in the host's name. */
bool image_repository_is_valid(const char *s);
