/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/parse-util.h"
#include "basic/path-util.h"
#include "orchestrator/worker-confine.h"
#include "sandbox/sandbox-self.h"

enum {
        ARG_UID = 1,
        ARG_GID,
        ARG_GROUP,
        ARG_SOCKET,
        N_ARGS,
};

static int parse_id(const char *s, bool zero, uint64_t *ret) {
        int64_t n;

        if (parse_i64(s, &n) < 0 || n < (zero ? 0 : 1) || n >= UINT32_MAX)
                return -EINVAL;
        *ret = (uint64_t) n;
        return 0;
}

int worker_confine(char *const *argv, Error **reterr_error) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *p = sandbox_plan_new();
        _cleanup_free_ char *directory = NULL;
        uint64_t group;
        gid_t groups[1];
        size_t n = 0;
        int r;

        if (!p)
                return -ENOMEM;
        while (argv[n])
                n++;
        if (n != N_ARGS || parse_id(argv[ARG_UID], /* zero= */ false, &p->uid) < 0 ||
            parse_id(argv[ARG_GID], /* zero= */ false, &p->gid) < 0 ||
            parse_id(argv[ARG_GROUP], /* zero= */ true, &group) < 0)
                return error_set(reterr_error, -EINVAL, "It is gantry-launcher that starts this program");
        groups[0] = (gid_t) group;
        p->network = NETWORK_NONE;
        /* The socket's directory, which has nothing else in it: the socket may be made anew. */
        directory = path_dirname(argv[ARG_SOCKET]);
        if (!directory)
                return -ENOMEM;
        r = sandbox_plan_add_mount(p, directory, directory, /* writable= */ false, /* optional= */ false);
        if (r < 0)
                return error_set(reterr_error, r, "'%s' is no socket to be connected to", argv[ARG_SOCKET]);
        return sandbox_enclose(p, groups, group > 0 ? 1 : 0, reterr_error);
}
