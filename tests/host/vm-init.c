/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first program of the test machine, all that its initrd holds beside the modules that its disk needs: loads them, mounts
 * the disk, becomes systemd. Loads in a tenth of the time that udev and a Debian initrd take under emulation. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In the order of what needs what. */
static const char *const modules[] = {
        "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "overlay", "veth",
};

static void load(const char *name) {
        char path[128];
        int fd;

        (void) snprintf(path, sizeof(path), "/modules/%s.ko", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
                perror(path);
        if (fd >= 0)
                (void) close(fd);
}

int main(void) {
        static char *const systemd[] = { "/lib/systemd/systemd", NULL };

        (void) mkdir("/dev", 0755);
        (void) mkdir("/root", 0755);
        if (mount("dev", "/dev", "devtmpfs", 0, NULL) < 0)
                perror("/dev");
        for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
                load(modules[i]);
        /* The disk is found in its own time; qemu's end, not ours, bounds the wait. */
        while (mount("/dev/vda", "/root", "ext4", 0, NULL) < 0)
                (void) usleep(20000);
        if (mount("/dev", "/root/dev", NULL, MS_MOVE, NULL) < 0 || chdir("/root") < 0 ||
            mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
                perror("/root");
        (void) execv(systemd[0], systemd);
        perror(systemd[0]);
        return 1;
}
