/*
 * Operations on identity and limits: by system call, because the C library's wrappers keep other threads in step and there are none.
 * A change of identity makes a process dumpable again where fs.suid_dumpable is 1; until execve this one must not be, or a container
 * that it has joined could read its fds and memory (CVE-2016-9962).
 */
#include "child.h"
#include "kernel.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

int unsigned32(int64_t number, uint32_t *value)
{
	if (number < 0 || number > UINT32_MAX) {
		errno = EINVAL;
		return -1;
	}
	*value = (uint32_t)number;
	return 0;
}

static int stay_undumpable(long result)
{
	if (result < 0)
		return -1;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int op_setrlimit(const struct operation *op)
{
	/* -1 becomes RLIM64_INFINITY. */
	const uint64_t limit[2] = {(uint64_t)op->arg[1].number, (uint64_t)op->arg[2].number};
	uint32_t resource;

	if (unsigned32(op->arg[0].number, &resource) < 0)
		return -1;
	return (int)syscall(SYS_prlimit64, 0, resource, limit, NULL);
}

int op_setgroups(const struct operation *op)
{
	enum { MAX_GROUPS = 65536 }; /* NGROUPS_MAX since Linux 2.6.4 */
	static uint32_t groups[MAX_GROUPS];
	const uint8_t *at = (const uint8_t *)op->arg[0].text;
	size_t count = op->arg[0].length / 4;

	if (op->arg[0].length % 4 != 0 || count > MAX_GROUPS) {
		errno = EINVAL;
		return -1;
	}
	/* The bytes of a program have no alignment. */
	memcpy(groups, at, count * 4);
	return stay_undumpable(syscall(SYS_setgroups, count, groups));
}

/* (uid_t)-1 would mean "leave as it is": root. */
static int identity(int64_t number, uint32_t *value)
{
	if (unsigned32(number, value) < 0)
		return -1;
	if (*value == UINT32_MAX) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

int op_setresgid(const struct operation *op)
{
	uint32_t gid;

	if (identity(op->arg[0].number, &gid) < 0)
		return -1;
	return stay_undumpable(syscall(SYS_setresgid, gid, gid, gid));
}

int op_setresuid(const struct operation *op)
{
	uint32_t uid;

	if (identity(op->arg[0].number, &uid) < 0)
		return -1;
	return stay_undumpable(syscall(SYS_setresuid, uid, uid, uid));
}

int op_capset(const struct operation *op)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	const uint64_t permitted = (uint64_t)op->arg[0].number, effective = (uint64_t)op->arg[1].number;
	const uint64_t inheritable = (uint64_t)op->arg[2].number, ambient = (uint64_t)op->arg[3].number;

	for (int i = 0; i < 2; i++) {
		data[i].permitted = (uint32_t)(permitted >> (32 * i));
		data[i].effective = (uint32_t)(effective >> (32 * i));
		data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return -1;
	/* The kernel keeps ambient within inheritable: with that empty there is nothing to clear, and no call that a filter might refuse. */
	if (inheritable != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -1;
	for (unsigned long capability = 0; capability < 64; capability++) {
		if ((ambient >> capability & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
			return -1;
	}
	/* Capabilities can only be lost here, which leaves a process as undumpable as it was. */
	return 0;
}

/*
 * Capabilities that this kernel does not know answer EINVAL: the set ends there. Whoever may not drop any (EPERM) has nothing to drop
 * where there is none.
 */
int op_capbset(const struct operation *op)
{
	const uint64_t keep = (uint64_t)op->arg[0].number;

	for (unsigned long capability = 0; capability < 64; capability++) {
		if ((keep >> capability & 1) || prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL)
			return 0;
		if (errno != EPERM || prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1)
			return -1;
	}
	return 0;
}

/*
 * A parent that died before PR_SET_PDEATHSIG sends nothing any more, and getppid() is no help in a pid namespace. Its end of the
 * status socket closes when it dies.
 */
int op_prctl(const struct child *child, const struct operation *op)
{
	struct pollfd peer = {.fd = child->status};

	if (syscall(SYS_prctl, op->arg[0].number, op->arg[1].number, op->arg[2].number, op->arg[3].number, op->arg[4].number) < 0)
		return -1;
	if (op->arg[0].number != PR_SET_PDEATHSIG)
		return 0;
	if (poll(&peer, 1, 0) > 0 && (peer.revents & (POLLHUP | POLLERR)))
		_exit(1);
	return 0;
}

/* What the launcher needs after this is done before it, as far as it can be: the filter may refuse it. */
int op_seccomp(struct child *child, const struct operation *op)
{
	static struct sock_filter instructions[BPF_MAXINSNS];
	struct sock_fprog filter = {.filter = instructions};
	size_t count = op->arg[0].length / sizeof(instructions[0]);
	uint32_t flags;

	if (op->arg[0].length % sizeof(instructions[0]) != 0 || count == 0 || count > BPF_MAXINSNS) {
		errno = EINVAL;
		return -1;
	}
	if (unsigned32(op->arg[1].number, &flags) < 0)
		return -1;
	memcpy(instructions, op->arg[0].text, op->arg[0].length);
	filter.len = (unsigned short)count;
	if (announce_exec(child) < 0)
		return -1;
	syscall(SYS_close_range, 3U, ~0U, KERNEL_CLOSE_RANGE_CLOEXEC);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

/* A kernel without keyrings has none to share. */
int op_keyctl_session(const struct operation *op)
{
	if (syscall(SYS_keyctl, KERNEL_KEYCTL_JOIN_SESSION_KEYRING, op->arg[0].text) < 0 && errno != ENOSYS)
		return -1;
	return 0;
}
