/*
 * Path lookup for the child. While it sets a container up it holds fds that lead to the host, and the tree it walks may be changed by
 * another container meanwhile (shared volumes): a symlink to /proc/self/fd/N, or one swapped in between check and use, is how
 * CVE-2021-30465 and CVE-2024-21626 got out. So: one openat2 per lookup, no magic links, and all work on the fd it returns.
 */
#include "path.h"

#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

/* The kernel's own limit of links in one path. */
enum { EAGAIN_RETRIES = 128, MAX_LINKS = 40 };

int open_beneath(int directory, const char *path, uint64_t flags, uint64_t resolve)
{
	struct kernel_open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
	long fd;

	for (int i = 0; i < EAGAIN_RETRIES; i++) {
		fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			return (int)fd;
	}
	return -1;
}

static void close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

int open_in_root(int directory, const char *path, uint64_t flags, uint64_t resolve)
{
	int root = directory;
	int fd;

	resolve |= KERNEL_RESOLVE_IN_ROOT | KERNEL_RESOLVE_NO_MAGICLINKS;
	if (directory == AT_FDCWD) {
		root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root < 0)
			return -1;
	}
	fd = open_beneath(root, path, flags, resolve);
	if (root != directory)
		close_quietly(root);
	return fd;
}

static int make_part(const char *parent_path, const char *name, enum missing make, uint64_t resolve)
{
	int parent = open_in_root(AT_FDCWD, parent_path, O_PATH | O_DIRECTORY, resolve);
	int made;

	if (parent < 0)
		return -1;
	if (make == MISSING_FILE) {
		made = openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDONLY | O_CLOEXEC, 0755);
		if (made >= 0)
			close(made);
	} else {
		made = mkdirat(parent, name, 0755);
	}
	close_quietly(parent);
	/* Another container that shares the volume may have made it just now. */
	return made >= 0 || errno == EEXIST ? 0 : -1;
}

/*
 * Where the link `name` of `parent` leads, with `rest` behind it, in `next`. Not in procfs: what the text of a magic link says is no path, and
 * the fd that this very function opens may be what /proc/self/fd/N names.
 */
static int read_link(const char *parent, const char *name, const char *rest, uint64_t resolve, char *next)
{
	char target[PATH_MAX];
	int directory = open_in_root(AT_FDCWD, parent, O_PATH | O_DIRECTORY, resolve);
	struct statfs where;
	ssize_t length = -1;
	int written;

	if (directory < 0)
		return -1;
	if (fstatfs(directory, &where) == 0 && where.f_type != PROC_SUPER_MAGIC)
		length = readlinkat(directory, name, target, sizeof(target) - 1);
	else
		errno = ENOENT;
	close_quietly(directory);
	if (length < 0)
		return -1;
	target[length] = 0;
	written = snprintf(next, PATH_MAX, "%s/%s%s", *target == '/' ? "" : parent, target, rest);
	if (written < 0 || written >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/* Opens `path` and makes what is missing. A link to nothing ends it: -1, and where it goes on in `next`, which else is empty. */
static int make_parts(const char *path, enum missing make, uint64_t resolve, char *next)
{
	char prefix[PATH_MAX], parent[PATH_MAX] = "/";
	size_t length = strlen(path), end = 0, start;
	int fd = open_in_root(AT_FDCWD, path, O_PATH, resolve);

	*next = 0;
	if (fd >= 0 || errno != ENOENT || make == MISSING_IS_ERROR)
		return fd;
	if (length >= sizeof(prefix)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (;;) {
		for (start = end; path[start] == '/'; start++)
			;
		for (end = start; path[end] && path[end] != '/'; end++)
			;
		if (end == start)
			return open_in_root(AT_FDCWD, path, O_PATH, resolve);
		memcpy(prefix, path, end);
		prefix[end] = 0;
		fd = open_in_root(AT_FDCWD, prefix, O_PATH, resolve);
		if (fd < 0) {
			bool is_last = path[end + strspn(path + end, "/")] == 0;

			if (errno != ENOENT || make_part(parent, prefix + start, is_last ? make : MISSING_DIRECTORY, resolve) < 0)
				return -1;
			fd = open_in_root(AT_FDCWD, prefix, O_PATH, resolve);
			if (fd < 0 && errno == ENOENT && read_link(parent, prefix + start, path + end, resolve, next) < 0)
				*next = 0;
			if (fd < 0)
				return -1;
		}
		close(fd);
		memcpy(parent, prefix, end + 1);
	}
}

int open_or_make(const char *path, enum missing make, uint64_t resolve)
{
	char current[PATH_MAX], next[PATH_MAX];
	int fd = make_parts(path, make, resolve, next);

	for (int links = 0; fd < 0 && *next; links++) {
		if (links == MAX_LINKS) {
			errno = ELOOP;
			return -1;
		}
		memcpy(current, next, sizeof(current));
		fd = make_parts(current, make, resolve, next);
	}
	return fd;
}

int open_parent(int directory, const char *path, char *name)
{
	char parent[PATH_MAX];
	size_t end = strlen(path), start, length;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/'; start--)
		;
	length = end - start;
	if (length > NAME_MAX || start >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name, path + start, length);
	name[length] = 0;
	if (length == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		errno = EINVAL;
		return -1;
	}
	memcpy(parent, path, start);
	parent[start] = 0;
	return open_in_root(directory, start ? parent : ".", O_PATH | O_DIRECTORY, 0);
}

int place_fd(int fd, int number)
{
	if (fd < 0 || fd == number)
		return fd;
	if (dup3(fd, number, O_CLOEXEC) < 0) {
		close_quietly(fd);
		return -1;
	}
	close(fd);
	return number;
}

int place_above(int fd, int floor)
{
	int moved;

	if (fd < 0)
		return -1;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, floor + 1);
	close_quietly(fd);
	return moved;
}
