/*
 * What the monitor gives up once the child is made: it may live for years, holds what leads to the host, and reads what a container writes.
 * It is root, for the files that it has are root's, with one capability: to signal a process of another user.
 */
#include "confine.h"
#include "monitor.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* As many clients as there is room for, whatever limit the daemon runs with; the child has its own by now. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max < 1024 ? limit.rlim_max : 1024;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int keep_one_capability(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	data[0] = (struct __user_cap_data_struct){.permitted = data[0].permitted & (1U << CAP_KILL), .effective = data[0].permitted & (1U << CAP_KILL)};
	data[1] = (struct __user_cap_data_struct){.permitted = 0};
	return (int)syscall(SYS_capset, &header, data);
}

/* The sanitizers of the tests' build make calls of their own. */
#if defined(__SANITIZE_ADDRESS__)
static int filter_system_calls(void)
{
	return 0;
}
#else
static int filter_system_calls(void)
{
	struct sock_filter program[] = {
	    LOAD(arch),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	    LOAD(nr),
#ifdef SYS_poll
	    ALLOW(poll),
#endif
	    ALLOW(ppoll),
	    ALLOW(read),
	    ALLOW(write),
	    ALLOW(recvfrom),
	    ALLOW(recvmsg),
	    ALLOW(sendto),
	    ALLOW(accept4),
	    ALLOW(getsockopt),
	    ALLOW(shutdown),
	    ALLOW(close),
	    ALLOW(close_range),
	    ALLOW(ioctl),
	    ALLOW(fcntl),
	    ALLOW(openat),
	    ALLOW(pread64),
	    ALLOW(pwrite64),
	    ALLOW(ftruncate),
	    ALLOW(lseek),
	    ALLOW(fstat),
	    ALLOW(newfstatat),
	    ALLOW(fsync),
	    ALLOW(fdatasync),
#ifdef SYS_renameat
	    ALLOW(renameat),
#endif
	    ALLOW(renameat2),
	    ALLOW(unlinkat),
	    ALLOW(eventfd2),
	    ALLOW(waitid),
	    ALLOW(wait4),
	    ALLOW(kill),
	    ALLOW(geteuid),
	    ALLOW(getpid),
	    ALLOW(clock_gettime),
	    ALLOW(brk),
	    ALLOW(mmap),
	    ALLOW(munmap),
	    ALLOW(madvise),
	    ALLOW(restart_syscall),
	    ALLOW(rt_sigreturn),
	    ALLOW(exit_group),
	    /* Refused rather than fatal: with the monitor its container would end. */
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	const struct sock_fprog filter = {.len = (unsigned short)(sizeof(program) / sizeof(program[0])), .filter = program};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}
#endif

int confine_monitor(void)
{
	raise_file_limit();
	if (keep_one_capability() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return filter_system_calls();
}
