/* The child: waits for the monitor's word, runs the program and reports the first operation that fails. */
#include "child.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

int send_status(const struct child *child, int32_t kind, int attached_fd)
{
	struct status_message message = {.kind = kind};
	struct iovec part = {.iov_base = &message, .iov_len = offsetof(struct status_message, detail)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};

	if (attached_fd >= 0) {
		memset(&control, 0, sizeof(control));
		packet.msg_control = &control;
		packet.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), &attached_fd, sizeof(int));
	}
	return sendmsg(child->status, &packet, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int announce_exec(struct child *child)
{
	if (child->has_announced)
		return 0;
	child->has_announced = true;
	return send_status(child, STATUS_EXEC, -1);
}

bool await_go(const struct child *child)
{
	char go;

	return recv(child->status, &go, 1, 0) == 1 && go == STATUS_GO;
}

static _Noreturn void fail(const struct child *child, uint32_t index, int error)
{
	struct status_message message = {.kind = STATUS_FAILED, .index = (int32_t)index, .error = error};
	size_t length = strnlen(child->detail, sizeof(message.detail));

	memcpy(message.detail, child->detail, length);
	send(child->status, &message, offsetof(struct status_message, detail) + length, MSG_NOSIGNAL);
	_exit(127);
}

static int op_ifup(const struct operation *op)
{
	struct ifreq request = {.ifr_flags = 0};
	int fd, result, saved;

	if (op->arg[0].length >= sizeof(request.ifr_name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(request.ifr_name, op->arg[0].text, op->arg[0].length);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	result = ioctl(fd, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP;
	if (result == 0)
		result = ioctl(fd, SIOCSIFFLAGS, &request);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

/*
 * Ignored and blocked signals outlive execve: a container must not inherit the monitor's, nor what the daemon left. By system call,
 * because the C library hides 32 and 33, which its posix_spawn leaves ignored. All zero is SIG_DFL in every layout of the struct.
 */
static void reset_signals(void)
{
	static const uint8_t by_default[64];
	sigset_t none;

	for (int number = 1; number <= 64; number++)
		syscall(SYS_rt_sigaction, number, by_default, NULL, 8UL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static const char **pointers(const struct argument *list)
{
	const char *at = NULL;
	const char **all = mmap(NULL, (list->count + 1) * sizeof(*all), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED)
		return NULL;
	for (uint32_t i = 0; i < list->count; i++)
		all[i] = list_item(list, &at);
	return all;
}

enum { INTERPRETER_MAX = 255 }; /* BINPRM_BUF_SIZE: the kernel reads no more either */

/*
 * ENOENT of a file that is there is about its interpreter. Into `detail`: the path, and behind a newline what "#!" names, if that is what
 * it begins with. False: the file is not there, or a filter does not let us see.
 */
static bool lacks_interpreter(const char *path, char *detail, size_t room)
{
	char head[INTERPRETER_MAX + 1];
	size_t begin, length;
	ssize_t count;
	int fd;

	if (access(path, F_OK) < 0)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	count = fd < 0 ? 0 : read(fd, head, INTERPRETER_MAX);
	if (fd >= 0)
		close(fd);
	head[count > 0 ? count : 0] = 0;
	begin = strncmp(head, "#!", 2) == 0 ? 2 + strspn(head + 2, " \t") : strlen(head);
	length = strcspn(head + begin, " \t\n");
	if (strlen(path) + 1 + length >= room)
		return false;
	memcpy(detail, path, strlen(path));
	detail += strlen(path);
	*detail++ = '\n';
	memcpy(detail, head + begin, length);
	detail[length] = 0;
	return true;
}

/* As execvp does with PATH: what is missing is passed over, what may not be run is remembered, anything else is final. */
int op_execve(struct child *child, const struct operation *op)
{
	const char **candidates = pointers(&op->arg[0]), **argv = pointers(&op->arg[1]), **envp = pointers(&op->arg[2]);
	const char *forbidden = NULL;
	static char broken[STATUS_DETAIL_MAX];

	if (!candidates || !argv || !envp || !argv[0]) {
		errno = candidates && argv && envp ? EINVAL : ENOMEM;
		return -1;
	}
	umask(child->mask);
	/* Every fd is close-on-exec already; this does not depend on that. A filter may refuse it: op_seccomp has done it then. */
	syscall(SYS_close_range, 3U, ~0U, KERNEL_CLOSE_RANGE_CLOEXEC);
	if (announce_exec(child) < 0)
		_exit(1);
	errno = ENOENT;
	for (uint32_t i = 0; i < op->arg[0].count; i++) {
		child->detail = candidates[i];
		execve(candidates[i], (char *const *)argv, (char *const *)envp);
		if (errno == EACCES && !forbidden)
			forbidden = candidates[i];
		else if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return -1;
	}
	if (forbidden) {
		child->detail = forbidden;
		errno = EACCES;
		return -1;
	}
	for (uint32_t i = 0; i < op->arg[0].count; i++) {
		if (lacks_interpreter(candidates[i], broken, sizeof(broken))) {
			child->detail = broken;
			errno = ELIBACC;
			return -1;
		}
	}
	errno = ENOENT;
	return -1;
}

int run_operation(struct child *child, const struct operation *op)
{
	uint32_t number;

	switch (op->code) {
	case OP_setns:
		if (setns((int)op->arg[0].number, (int)op->arg[1].number) < 0)
			return -1;
		return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	case OP_unshare:
		return unshare((int)op->arg[0].number);
	case OP_mount:
		return op_mount(child, op);
	case OP_umount2:
		return op_umount2(op);
	case OP_fsmount:
		return op_fsmount(child, op);
	case OP_open_tree:
		return op_open_tree(op);
	case OP_mount_setattr:
		return op_mount_setattr(op);
	case OP_move_mount:
		return op_move_mount(op);
	case OP_mkdirat:
		return op_mkdirat(op);
	case OP_mknodat:
		return op_mknodat(op);
	case OP_fchownat:
		return op_fchownat(op);
	case OP_symlinkat:
		return op_symlinkat(op);
	case OP_openat2:
		return op_openat2(op);
	case OP_write:
		return op_write(op);
	case OP_close:
		return close((int)op->arg[0].number);
	case OP_pivot_root:
		return op_pivot_root(op);
	case OP_chdir:
		return op_chdir(op);
	case OP_sethostname:
		return sethostname(op->arg[0].text, op->arg[0].length);
	case OP_setdomainname:
		return setdomainname(op->arg[0].text, op->arg[0].length);
	case OP_setrlimit:
		return op_setrlimit(op);
	case OP_setgroups:
		return op_setgroups(op);
	case OP_setresgid:
		return op_setresgid(op);
	case OP_setresuid:
		return op_setresuid(op);
	case OP_capset:
		return op_capset(op);
	case OP_capbset:
		return op_capbset(op);
	case OP_prctl:
		return op_prctl(child, op);
	case OP_seccomp:
		return op_seccomp(child, op);
	case OP_keyctl_session:
		return op_keyctl_session(op);
	case OP_setsid:
		return setsid() < 0 ? -1 : 0;
	case OP_pty:
		return op_pty(child, op);
	case OP_dup_stdio:
		return op_dup_stdio(child, op);
	case OP_umask:
		if (unsigned32(op->arg[0].number, &number) < 0)
			return -1;
		child->mask = number & 0777;
		return 0;
	case OP_ifup:
		return op_ifup(op);
	case OP_init:
		return op_init(child);
	case OP_fork:
		return op_fork(child);
	case OP_execve:
		return op_execve(child, op);
	default:
		errno = ENOSYS;
		return -1;
	}
}

/* The operand that a reader of an error would want to see first: a path, a name, an option. */
static const char *first_text(const struct operation *op)
{
	static const uint8_t with_path[] = {OP_mkdirat, OP_mknodat, OP_fchownat, OP_openat2, OP_open_tree, OP_write, OP_move_mount};

	for (size_t i = 0; i < sizeof(with_path); i++) {
		if (op->code == with_path[i])
			return op->code == OP_openat2 || op->code == OP_open_tree ? op->arg[2].text : op->arg[1].text;
	}
	if (op->code == OP_symlinkat)
		return op->arg[2].text;
	switch (op->code) {
	case OP_umount2:
	case OP_chdir:
	case OP_sethostname:
	case OP_setdomainname:
	case OP_keyctl_session:
	case OP_ifup:
		return op->arg[0].text;
	default:
		return "";
	}
}

/* Closes all fds above `floor` but the child's own: what the monitor has open leads to the host. */
static void close_monitors(const struct child *child, int floor)
{
	for (int from = floor + 1;;) {
		int next = -1;

		if (child->status >= from)
			next = child->status;
		for (int i = 0; i < 3; i++) {
			if (child->stdio[i] >= from && (next < 0 || child->stdio[i] < next))
				next = child->stdio[i];
		}
		if (next < 0) {
			syscall(SYS_close_range, (unsigned)from, ~0U, 0U);
			return;
		}
		if (next > from)
			syscall(SYS_close_range, (unsigned)from, (unsigned)next - 1, 0U);
		from = next + 1;
	}
}

_Noreturn void child_run(struct child *child, struct cursor cursor)
{
	struct operation op;

	/* The monitor's control socket and program must not be seen by anything that runs here. */
	if (dup2(2, 0) < 0 || dup2(2, 1) < 0)
		_exit(1);
	close_monitors(child, child->program->highest_fd);
	/* The end of the socket without a word: the monitor has died or given up. */
	if (!await_go(child))
		_exit(1);
	reset_signals();
	umask(0);
	while (program_next(child->program, &cursor, &op)) {
		child->detail = first_text(&op);
		if (run_operation(child, &op) == 0)
			continue;
		if ((op.flags & OPERATION_IGNORE_MISSING) && (errno == ENOENT || errno == ENOTDIR))
			continue;
		fail(child, op.index, errno);
	}
	child->detail = "the program ended before execve";
	fail(child, child->program->count, EINVAL);
}
