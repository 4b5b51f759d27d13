/*
 * What the port keeper gives up before it serves anybody: it talks to the whole network, and needs nothing but sockets. Its own were made
 * by the daemon; so it is nobody, without capabilities, with a short list of system calls, none of which takes a path.
 */
#include "port-keeper.h"
#include "confine.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { NOBODY = 65534 };

static int filter_system_calls(void)
{
	struct sock_filter program[] = {
	    LOAD(arch),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	    LOAD(nr),
	    ALLOW(splice),
	    ALLOW(epoll_pwait),
#ifdef SYS_epoll_wait
	    ALLOW(epoll_wait),
#endif
	    ALLOW(epoll_ctl),
	    ALLOW(accept4),
	    ALLOW(connect),
	    ALLOW(socket),
	    ALLOW(pipe2),
	    ALLOW(close),
	    ALLOW(shutdown),
	    ALLOW(getsockopt),
	    ALLOW(setsockopt),
	    ALLOW(recvfrom),
	    ALLOW(recvmsg),
	    ALLOW(sendto),
	    ALLOW(fcntl),
	    ALLOW(clock_gettime),
	    ALLOW(brk),
	    ALLOW(mmap),
	    ALLOW(munmap),
	    ALLOW(mremap),
	    ALLOW(madvise),
	    ALLOW(restart_syscall),
	    ALLOW(rt_sigreturn),
	    ALLOW(exit_group),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog filter = {.len = (unsigned short)(sizeof(program) / sizeof(program[0])), .filter = program};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

int confine(void)
{
	if (chdir("/") < 0 || setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) < 0)
		return -1;
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) < 0 || syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) < 0)
		return -1;
	/* The change of user cleared the capabilities, and made it dumpable again on some kernels. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return filter_system_calls();
}
