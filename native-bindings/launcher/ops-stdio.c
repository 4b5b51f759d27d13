/* Operations on the terminal and on what becomes 0, 1 and 2. */
#include "child.h"
#include "kernel.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int close_and_fail(int fd, int error)
{
	close(fd);
	errno = error;
	return -1;
}

/*
 * The peer is asked for on the master (TIOCGPTPEER), never opened as /dev/pts/N: that name belongs to the container
 * (CVE-2025-52565). With docker exec the directory does too, so it and the master are looked at before they are trusted.
 */
int op_pty(struct child *child, const struct operation *op)
{
	int directory = (int)op->arg[0].number, master, slave, unlock = 0;
	struct statfs filesystem;
	struct stat device;

	child->detail = "ptmx";
	if (fstatfs(directory, &filesystem) < 0)
		return -1;
	if (filesystem.f_type != KERNEL_DEVPTS_MAGIC) {
		child->detail = "not a devpts";
		errno = ENODEV;
		return -1;
	}
	master = openat(directory, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (master < 0)
		return -1;
	if (fstat(master, &device) < 0 || !S_ISCHR(device.st_mode) || device.st_rdev != makedev(5, 2))
		return close_and_fail(master, ENODEV);
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return close_and_fail(master, errno);
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return close_and_fail(master, errno);
	if (send_status(child, STATUS_MASTER, master) < 0)
		return close_and_fail(master, errno);
	/* Before the slave is placed: the master may have taken the number that is meant for it. */
	close(master);
	if (place_fd(slave, (int)op->arg[1].number) < 0)
		return -1;
	/* The process must never see its terminal without the size that is known for it. */
	if (!await_go(child))
		_exit(1);
	return 0;
}

/*
 * The container's own null device, as a process without stdin expects it. Looked at before it is used: an image or a volume may
 * have put something else there (CVE-2025-31133). A container without one reads an empty pipe instead.
 */
static int open_null(void)
{
	struct stat device;
	int fd = open_in_root(AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW, KERNEL_RESOLVE_NO_SYMLINKS), ends[2];

	if (fd < 0 && errno == ENOENT) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -1;
		close(ends[1]);
		return ends[0];
	}
	if (fd < 0)
		return -1;
	if (fstat(fd, &device) < 0 || !S_ISCHR(device.st_mode) || device.st_rdev != makedev(1, 3))
		return close_and_fail(fd, ENODEV);
	if (fcntl(fd, F_SETFL, O_RDWR) < 0)
		return close_and_fail(fd, errno);
	return fd;
}

/* Whoever the process is to be may open /dev/stdout again, so the pipe or terminal is made theirs. */
static int give_to(int fd, int64_t owner)
{
	return owner < 0 ? 0 : fchown(fd, (uid_t)owner, (gid_t)-1);
}

static int use_terminal(int slave, int64_t owner)
{
	if (give_to(slave, owner) < 0)
		return -1;
	for (int fd = 0; fd <= 2; fd++) {
		if (dup2(slave, fd) < 0)
			return -1;
	}
	return ioctl(0, TIOCSCTTY, 0);
}

static int use_pipes(const struct child *child, int64_t owner)
{
	for (int fd = 0; fd <= 2; fd++) {
		int source = child->stdio[fd];

		if (source < 0) {
			source = open_null();
			if (source < 0 || dup2(source, fd) < 0)
				return -1;
			close(source);
			continue;
		}
		if (give_to(source, owner) < 0 || dup2(source, fd) < 0)
			return -1;
	}
	return 0;
}

int op_dup_stdio(struct child *child, const struct operation *op)
{
	int64_t slave = op->arg[0].number, owner = op->arg[1].number;

	if (owner < -1 || owner >= UINT32_MAX) {
		errno = EINVAL;
		return -1;
	}
	child->detail = slave < 0 ? "/dev/null" : "terminal";
	return slave < 0 ? use_pipes(child, owner) : use_terminal((int)slave, owner);
}
