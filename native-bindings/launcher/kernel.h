/*
 * System calls by number, with the constants that go with them: the C library of the build host may be older than the kernel
 * (5.15 at least) this runs on, and its wrappers for credentials do more than the kernel's calls (they signal threads).
 */
#ifndef TSDOCKER_KERNEL_H
#define TSDOCKER_KERNEL_H

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

#define KERNEL_CLOSE_RANGE_CLOEXEC 4U
#define KERNEL_OPEN_TREE_CLOEXEC 02000000U
#define KERNEL_MOVE_MOUNT_F_EMPTY_PATH 0x04U
#define KERNEL_MOVE_MOUNT_T_EMPTY_PATH 0x40U
#define KERNEL_FSOPEN_CLOEXEC 1U
#define KERNEL_FSMOUNT_CLOEXEC 1U
#define KERNEL_FSCONFIG_SET_FLAG 0U
#define KERNEL_FSCONFIG_SET_STRING 1U
#define KERNEL_FSCONFIG_CMD_CREATE 6U
#define KERNEL_RESOLVE_NO_MAGICLINKS 0x02U
#define KERNEL_RESOLVE_NO_SYMLINKS 0x04U
#define KERNEL_RESOLVE_IN_ROOT 0x10U
#define KERNEL_CLONE_INTO_CGROUP 0x200000000ULL
#define KERNEL_DEVPTS_MAGIC 0x1cd1
#define KERNEL_PROC_MAGIC 0x9fa0
#define KERNEL_SYSFS_MAGIC 0x62656572
#define KERNEL_KEYCTL_JOIN_SESSION_KEYRING 1

struct kernel_mount_attr {
	uint64_t attr_set, attr_clr, propagation, userns_fd;
};

struct kernel_open_how {
	uint64_t flags, mode, resolve;
};

struct kernel_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

#endif
