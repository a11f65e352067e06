/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the suite's connectors are, and where they come to be: agreed upon by gantry-launcher, which starts
 * an installation, and gantry-installer, which does it and publishes what it made.
 *
 *     /var/lib/gantry-connectors/pypi/NAME/VERSION/      root's, whole or not there
 *     /var/lib/gantry-connectors/.staging/AUTOID/
 *         reference                                     root's: what is wanted
 *         store/                                        gantry-install's: seen by the installation as the
 *                                                       directory above, so that all paths are right
 *         scratch/                                      gantry-install's: HOME, TMPDIR, caches */

#define SUITE_STORE "/var/lib/gantry-connectors"
#define SUITE_STAGING SUITE_STORE "/.staging"
#define SUITE_STAGED_REFERENCE "reference"
#define SUITE_STAGED_STORE "store"
#define SUITE_STAGED_SCRATCH "scratch"
/* Where the installation sees its scratch directory. */
#define SUITE_SCRATCH "/var/cache/gantry-install"
/* The hashes of all files of a version, as `sha256sum --check` reads them; beside the marker. */
#define SUITE_HASHES "gantry-files.sha256"
