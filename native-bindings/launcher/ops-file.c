/* Operations on files and directories. Parents are looked up in the root that the operation names; see path.c. */
#include "child.h"
#include "kernel.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { CHDIR_MAKE = 1 };

static int finish(int fd, int result)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return result;
}

/* A directory that is there already is what was asked for; anything else of that name is not. */
int op_mkdirat(const struct operation *op)
{
	char name[NAME_MAX + 1];
	struct stat found;
	uint32_t mode;
	int parent, result;

	if (unsigned32(op->arg[2].number, &mode) < 0)
		return -1;
	parent = open_parent((int)op->arg[0].number, op->arg[1].text, name);
	if (parent < 0)
		return -1;
	result = mkdirat(parent, name, mode);
	if (result < 0 && errno == EEXIST && fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(found.st_mode))
			result = 0;
		else
			errno = EEXIST;
	}
	return finish(parent, result);
}

int op_mknodat(const struct operation *op)
{
	char name[NAME_MAX + 1];
	uint32_t mode;
	int parent;

	if (unsigned32(op->arg[2].number, &mode) < 0)
		return -1;
	parent = open_parent((int)op->arg[0].number, op->arg[1].text, name);
	return parent < 0 ? -1 : finish(parent, mknodat(parent, name, mode, (dev_t)op->arg[3].number));
}

int op_fchownat(const struct operation *op)
{
	char name[NAME_MAX + 1];
	uint32_t uid, gid;
	int parent;

	if (unsigned32(op->arg[2].number, &uid) < 0 || unsigned32(op->arg[3].number, &gid) < 0)
		return -1;
	parent = open_parent((int)op->arg[0].number, op->arg[1].text, name);
	return parent < 0 ? -1 : finish(parent, fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW));
}

int op_symlinkat(const struct operation *op)
{
	char name[NAME_MAX + 1];
	int parent = open_parent((int)op->arg[1].number, op->arg[2].text, name);

	return parent < 0 ? -1 : finish(parent, symlinkat(op->arg[0].text, parent, name));
}

int op_openat2(const struct operation *op)
{
	int fd = open_beneath((int)op->arg[1].number, op->arg[2].text, (uint64_t)op->arg[3].number, (uint64_t)op->arg[4].number);

	return place_fd(fd, (int)op->arg[0].number) < 0 ? -1 : 0;
}

/* One write(2), because files of cgroupfs and procfs take a value whole or not at all. Never creates a file. */
int op_write(const struct operation *op)
{
	int fd = open_beneath((int)op->arg[0].number, op->arg[1].text, O_WRONLY | O_NOCTTY | O_NOFOLLOW, (uint64_t)op->arg[2].number);
	ssize_t written;

	if (fd < 0)
		return -1;
	written = write(fd, op->arg[3].text, op->arg[3].length);
	if (written >= 0 && (size_t)written != op->arg[3].length) {
		errno = EIO;
		written = -1;
	}
	return finish(fd, written < 0 ? -1 : 0);
}

/*
 * After fchdir the kernel is asked where we are: a directory outside the root (CVE-2024-21626: WORKDIR /proc/self/fd/N), or one that
 * has been removed, has no absolute name. open_in_root refuses the magic links already; this does not depend on it.
 */
int op_chdir(const struct operation *op)
{
	char where[PATH_MAX];
	int64_t flags = op->arg[1].number;
	int fd;

	if (flags & ~(int64_t)CHDIR_MAKE) {
		errno = EINVAL;
		return -1;
	}
	fd = open_or_make(op->arg[0].text, flags & CHDIR_MAKE ? MISSING_DIRECTORY : MISSING_IS_ERROR, 0);
	if (fd < 0)
		return -1;
	if (finish(fd, fchdir(fd)) < 0)
		return -1;
	if (syscall(SYS_getcwd, where, sizeof(where)) < 0)
		return -1;
	if (where[0] != '/') {
		errno = ENOENT;
		return -1;
	}
	return 0;
}
