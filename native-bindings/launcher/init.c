/*
 * Operations that make another process. Process 1 of a container that asked for an init: reaps, passes signals on, ends with the status of the first child. Signals are taken
 * with sigwait: the kernel drops those that process 1 has neither handled nor blocked.
 */
#include "child.h"
#include "kernel.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static const char title[] = "tsdocker-init";

/* Reaps all that has ended; when that is `pid`, ends as it did. */
static void reap(pid_t pid)
{
	int status;
	pid_t ended;

	while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
		if (ended == pid)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	if (ended < 0 && errno == ECHILD)
		_exit(1);
}

/*
 * This process never reaches execve: nothing that close-on-exec was to close may stay open here, the status socket least of all, whose end
 * tells the monitor that the container has started. A filter may refuse close_range: then one by one.
 */
static void close_all(const struct child *child)
{
	if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0)
		return;
	for (int fd = PROGRAM_FIRST_FD; fd <= child->program->highest_fd; fd++)
		close(fd);
	for (int i = 0; i < 3; i++) {
		if (child->stdio[i] >= 0)
			close(child->stdio[i]);
	}
	close(child->status);
}

static _Noreturn void serve(struct child *child, pid_t pid, const sigset_t *all)
{
	close_all(child);
	prctl(PR_SET_NAME, title, 0, 0, 0);
	if (child->title_length >= sizeof(title)) {
		memset(child->title, 0, child->title_length);
		memcpy(child->title, title, sizeof(title));
	}
	for (;;) {
		int number;

		reap(pid);
		if (sigwait(all, &number) != 0)
			continue;
		/* A stop for reading or writing the terminal is about this process, which does neither. */
		if (number != SIGCHLD && number != SIGTTIN && number != SIGTTOU)
			kill(pid, number);
	}
}

/* In the child that will be the user's process: a group of its own, in the terminal's foreground, as an interactive shell expects. */
static int become_foreground(void)
{
	sigset_t none;

	setpgid(0, 0);
	/* SIGTTOU is still blocked here, so a group in the background may do this. */
	tcsetpgrp(0, getpid());
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * A process that joins a container's pid namespace is seen there from its first moment on. It must have left the host's root and
 * mounts by then: /proc/PID/root of one that has not is a way out for whoever holds CAP_SYS_PTRACE. So the one that joins the
 * other namespaces is not in this one, and its child, which is, becomes a child of the monitor.
 */
int op_fork(const struct child *child)
{
	long pid = syscall(SYS_clone, (unsigned long)(CLONE_PARENT | SIGCHLD), 0UL, NULL, NULL, 0UL);

	if (pid < 0)
		return -1;
	if (pid > 0)
		_exit(0);
	return send_status(child, STATUS_PROCESS, -1);
}

int op_init(struct child *child)
{
	sigset_t all;
	long pid;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return -1;
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return -1;
	/* clone rather than clone3: a seccomp filter that is in force already may answer ENOSYS to the latter. */
	pid = syscall(SYS_clone, (unsigned long)SIGCHLD, 0UL, NULL, NULL, 0UL);
	if (pid < 0)
		return -1;
	if (pid > 0)
		serve(child, (pid_t)pid, &all);
	/* Without a pid namespace of its own nothing else ends the command when this init is killed. A filter may refuse it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return become_foreground();
}
