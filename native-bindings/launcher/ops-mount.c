/*
 * Operations on mounts. Targets are looked up with openat2 inside the new root and used through the fd, so that neither a
 * symlink in the image nor one swapped in by a neighbour moves a mount elsewhere.
 */
#include "child.h"
#include "kernel.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

enum { MOVE_MAKE_DIRECTORY = 1, MOVE_MAKE_FILE = 2, MOVE_NO_SYMLINKS = 4 };

/* Makes `path` the working directory; mount(2) and umount2(2) then take "." and no path can change in between. */
static int enter(const char *path)
{
	int fd = open_in_root(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);
	int result;

	if (fd < 0)
		return -1;
	result = fchdir(fd);
	close(fd);
	return result;
}

int op_mount(struct child *child, const struct operation *op)
{
	const char *source = op->arg[0].text, *type = op->arg[2].text, *data = op->arg[4].text;
	int result;

	child->detail = op->arg[1].text;
	if (enter(op->arg[1].text) < 0)
		return -1;
	result = mount(source, ".", *type ? type : NULL, (unsigned long)op->arg[3].number, *data ? data : NULL);
	return result < 0 ? -1 : chdir("/");
}

int op_umount2(const struct operation *op)
{
	uint32_t flags;

	if (unsigned32(op->arg[1].number, &flags) < 0 || enter(op->arg[0].text) < 0)
		return -1;
	/* A mount that is somebody's working directory is busy: only a lazy unmount can work on ".". */
	return umount2(".", (int)(flags | MNT_DETACH)) < 0 ? -1 : chdir("/");
}

static int set_option(int context, const char *option)
{
	char key[64];
	const char *equals = strchr(option, '=');
	size_t length = equals ? (size_t)(equals - option) : strlen(option);

	if (length >= sizeof(key)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(key, option, length);
	key[length] = 0;
	if (!equals)
		return (int)syscall(SYS_fsconfig, context, KERNEL_FSCONFIG_SET_FLAG, key, NULL, 0);
	return (int)syscall(SYS_fsconfig, context, KERNEL_FSCONFIG_SET_STRING, key, equals + 1, 0);
}

int op_fsmount(struct child *child, const struct operation *op)
{
	const char *at = NULL, *option;
	uint32_t attributes;
	int context, mounted = -1, saved;

	child->detail = op->arg[1].text;
	if (unsigned32(op->arg[2].number, &attributes) < 0)
		return -1;
	context = (int)syscall(SYS_fsopen, op->arg[1].text, KERNEL_FSOPEN_CLOEXEC);
	if (context < 0)
		return -1;
	for (uint32_t i = 0; i < op->arg[3].count; i++) {
		option = list_item(&op->arg[3], &at);
		if (set_option(context, option) < 0) {
			child->detail = option;
			goto out;
		}
	}
	if (syscall(SYS_fsconfig, context, KERNEL_FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mounted = (int)syscall(SYS_fsmount, context, KERNEL_FSMOUNT_CLOEXEC, attributes);
out:
	saved = errno;
	close(context);
	errno = saved;
	return place_fd(mounted, (int)op->arg[0].number) < 0 ? -1 : 0;
}

int op_open_tree(const struct operation *op)
{
	const char *path = op->arg[2].text;
	int directory = (int)op->arg[1].number, fd = directory, tree, saved;
	uint32_t flags;

	if (unsigned32(op->arg[3].number, &flags) < 0)
		return -1;
	if (*path) {
		fd = open_in_root(directory, path, O_PATH | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0), 0);
		if (fd < 0)
			return -1;
	}
	flags |= AT_EMPTY_PATH | KERNEL_OPEN_TREE_CLOEXEC;
	tree = (int)syscall(SYS_open_tree, fd, "", flags);
	saved = errno;
	if (fd != directory)
		close(fd);
	errno = saved;
	return place_fd(tree, (int)op->arg[0].number) < 0 ? -1 : 0;
}

int op_mount_setattr(const struct operation *op)
{
	struct kernel_mount_attr attributes = {
	    .attr_set = (uint64_t)op->arg[2].number,
	    .attr_clr = (uint64_t)op->arg[3].number,
	    .propagation = (uint64_t)op->arg[4].number,
	};
	uint32_t flags;

	if (unsigned32(op->arg[1].number, &flags) < 0)
		return -1;
	return (int)syscall(SYS_mount_setattr, (int)op->arg[0].number, "", flags | AT_EMPTY_PATH, &attributes, sizeof(attributes));
}

/*
 * What the engine itself puts over paths of /proc and /sys is said by their names, without a link on the way. Anything else that turns out
 * to lie there was led by a link of the image, past the checks of names.
 */
static bool is_kernels(int fd)
{
	struct statfs filesystem;

	return fstatfs(fd, &filesystem) < 0 || filesystem.f_type == KERNEL_PROC_MAGIC || filesystem.f_type == KERNEL_SYSFS_MAGIC;
}

int op_move_mount(const struct operation *op)
{
	int64_t flags = op->arg[2].number;
	enum missing make = MISSING_IS_ERROR;
	int target, result, saved;

	if (flags & ~(int64_t)(MOVE_MAKE_DIRECTORY | MOVE_MAKE_FILE | MOVE_NO_SYMLINKS)) {
		errno = EINVAL;
		return -1;
	}
	if (flags & MOVE_MAKE_DIRECTORY)
		make = MISSING_DIRECTORY;
	else if (flags & MOVE_MAKE_FILE)
		make = MISSING_FILE;
	target = open_or_make(op->arg[1].text, make, flags & MOVE_NO_SYMLINKS ? KERNEL_RESOLVE_NO_SYMLINKS : 0);
	if (target < 0)
		return -1;
	if (!(flags & MOVE_NO_SYMLINKS) && is_kernels(target)) {
		close(target);
		errno = EOPNOTSUPP;
		return -1;
	}
	result = (int)syscall(SYS_move_mount, (int)op->arg[0].number, "", target, "",
			      KERNEL_MOVE_MOUNT_F_EMPTY_PATH | KERNEL_MOVE_MOUNT_T_EMPTY_PATH);
	saved = errno;
	close(target);
	errno = saved;
	return result;
}

/*
 * pivot_root(".", ".") stacks the old root on the new one, so that no directory in the image is needed for it; the unmount of "."
 * then takes the upper of the two, the old root. Detached, because this process still holds fds into it until execve.
 */
int op_pivot_root(const struct operation *op)
{
	if (fchdir((int)op->arg[0].number) < 0)
		return -1;
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return -1;
	if (umount2(".", MNT_DETACH) < 0)
		return -1;
	return chdir("/");
}
