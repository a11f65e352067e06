/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/hashmap.h"
#include "connectors/lib/target-set.h"

/* Names are encoded without loss, but a cut one carries a hash, which somebody could make collide. */
static int refuse_shared_file(Hashmap *names, const TargetFile *f, Error **reterr_error) {
        int r = hashmap_put_string(names, f->display, (void *) f);

        if (r == -EEXIST)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, r, "Two streams would be written into '%s'",
                                      f->display);
        return r;
}

int target_set_open(TargetSet *s, const char *path, const ConfiguredCatalog *catalog, const TargetFormat *format,
                    void *const *userdata, Emitter *out, Error **reterr_error) {
        _cleanup_hashmap_ Hashmap *names = hashmap_new(NULL);
        int r;

        s->directory = TARGET_DIRECTORY_INIT;
        s->files = calloc(catalog->n_streams + 1, sizeof(*s->files));
        if (!s->files || !names)
                return -ENOMEM;
        r = target_directory_open(&s->directory, path, format->extension, catalog->n_streams, reterr_error);
        for (size_t i = 0; i < catalog->n_streams && r >= 0; i++) {
                s->n_files++;
                r = target_file_open(s->files + i, &s->directory, catalog->streams + i, format,
                                     userdata ? userdata[i] : NULL, out, reterr_error);
                if (r >= 0)
                        r = refuse_shared_file(names, s->files + i, reterr_error);
        }
        return r;
}

int target_set_commit(TargetSet *s, Error **reterr_error) {
        int r = 0;

        for (size_t i = 0; i < s->n_files && r >= 0; i++)
                r = target_file_commit(s->files + i, reterr_error);
        return r;
}

int target_set_close(TargetSet *s, bool clean, Error **reterr_error) {
        int r = 0;

        for (size_t i = 0; i < s->n_files; i++) {
                if (clean && r >= 0)
                        r = target_file_settle(s->files + i, reterr_error);
                target_file_close(s->files + i);
        }
        free(s->files);
        target_directory_close(&s->directory);
        *s = (TargetSet) { .directory = TARGET_DIRECTORY_INIT };
        return r;
}
