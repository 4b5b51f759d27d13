/*
 * The launcher: reads a program, runs its first part, makes the child with clone3 and becomes its monitor. It decides nothing; what
 * a container is, the program says. Given by the daemon: 0 the program, 1 the control socket, 2 the null device, 3 and up the
 * program's files; argv[1] is the container's id, for process lists. Under other names it is what modes.h says.
 */
#include "child.h"
#include "kernel.h"
#include "modes.h"
#include "monitor.h"
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Namespaces and nothing else: CLONE_VM, CLONE_FILES or CLONE_PARENT would undo what the monitor relies on. */
static const int64_t clone_flags_allowed =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | 0x80 /* CLONE_NEWTIME */;

static struct monitor monitor;

static int clean_up_fds(void)
{
	struct stat unused;

	/* A program that has been started by hand has not got these. */
	if (fstat(0, &unused) < 0 || fstat(1, &unused) < 0 || fstat(2, &unused) < 0)
		return -1;
	return (int)syscall(SYS_close_range, 3U, ~0U, KERNEL_CLOSE_RANGE_CLOEXEC);
}

/* Read rather than mapped: what has been checked cannot change under us. */
static int read_program(struct program *program, struct program_error *error)
{
	uint8_t *bytes;
	struct stat file;
	size_t length, got = 0;
	ssize_t count;

	*error = (struct program_error){.index = -1, .error = EINVAL, .text = "read the program"};
	if (fstat(0, &file) < 0 || file.st_size <= 0 || file.st_size > PROGRAM_MAX_BYTES)
		return -1;
	length = (size_t)file.st_size;
	bytes = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		return -1;
	while (got < length) {
		count = pread(0, bytes + got, length - got, (off_t)got);
		if (count <= 0)
			return -1;
		got += (size_t)count;
	}
	return program_check(program, bytes, length, error);
}

/* SIGCHLD by fd; what a terminal or an init system sends to whole groups is not for the monitor, whose end is the container's. */
static int take_signals(int floor)
{
	static const int ignored[] = {SIGPIPE, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGXFSZ, SIGTTOU, SIGTTIN, SIGTSTP};
	sigset_t set;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -1;
	return place_above(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), floor);
}

/* A directory of the engine's: the monitor's alone from here on, the child never has it. */
static int take_over(int fd, int floor)
{
	if (fd < PROGRAM_FIRST_FD) {
		errno = EBADF;
		return -1;
	}
	return place_above(fd, floor);
}

static int run_monitor_operation(const struct operation *op, struct child *child, int floor)
{
	uint32_t sequence, files;
	int directory;

	switch (op->code) {
	case OP_log:
		if (unsigned32(op->arg[1].number, &sequence) < 0 || unsigned32(op->arg[3].number, &files) < 0)
			return -1;
		directory = take_over((int)op->arg[0].number, floor);
		if (directory < 0 || log_open(&monitor.log, directory, sequence, (uint64_t)op->arg[2].number, files) < 0)
			return -1;
		if (monitor.log.file >= 0 && (monitor.log.file = place_above(monitor.log.file, floor)) < 0)
			return -1;
		/* Until the daemon says otherwise it needs everything: an attach from before the start loses nothing. */
		monitor.clients[0].hold = monitor.log.held = sequence;
		return 0;
	case OP_rundir:
		monitor.rundir = take_over((int)op->arg[0].number, floor);
		if (monitor.rundir < 0)
			return -1;
		monitor.listener = place_above(listen_in(monitor.rundir), floor);
		return monitor.listener < 0 ? -1 : 0;
	case OP_stdio:
		return 0;
	case OP_oom:
		child->detail = op->arg[0].text;
		if (oom_open(&monitor.oom, op->arg[0].text, op->arg[1].text) < 0)
			return -1;
		monitor.oom.fd = place_above(monitor.oom.fd, floor);
		return monitor.oom.fd < 0 ? -1 : 0;
	default:
		return run_operation(child, op);
	}
}

static int make_pipe(int *monitors, int *childs, bool child_reads, int floor)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*monitors = place_above(ends[child_reads], floor);
	*childs = place_above(ends[!child_reads], floor);
	if (*monitors < 0 || *childs < 0)
		return -1;
	/* Flags belong to one end of a pipe: the child's stays blocking. */
	return fcntl(*monitors, F_SETFL, (child_reads ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
}

static int make_stdio(struct child *child, const struct program *program)
{
	int floor = program->highest_fd;

	monitor.is_terminal = program->stdio_flags & STDIO_TTY;
	monitor.input_is_open = program->stdio_flags & STDIO_STDIN_OPEN;
	if (monitor.is_terminal)
		return 0;
	if (monitor.input_is_open && make_pipe(&monitor.input, &child->stdio[0], true, floor) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		if (make_pipe(&monitor.output[i], &child->stdio[i + 1], false, floor) < 0)
			return -1;
	}
	return 0;
}

static int make_status(struct child *child, int floor)
{
	static const int on = 1;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	monitor.status = place_above(ends[0], floor);
	child->status = place_above(ends[1], floor);
	if (monitor.status < 0 || child->status < 0)
		return -1;
	/* For STATUS_PROCESS: the kernel tells the sender's pid as it is in this pid namespace. */
	return setsockopt(monitor.status, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

static long clone_child(const struct operation *op)
{
	struct kernel_clone_args args = {.flags = (uint64_t)op->arg[0].number, .exit_signal = SIGCHLD};

	if (op->arg[0].number & ~clone_flags_allowed) {
		errno = EINVAL;
		return -1;
	}
	if (op->arg[1].number >= 0) {
		args.flags |= KERNEL_CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)op->arg[1].number;
	}
	return syscall(SYS_clone3, &args, sizeof(args));
}

/*
 * What the daemon sent ahead (the size of the terminal) takes effect before the process begins. False when the daemon has died: nobody
 * would know of this container.
 */
static bool hear_daemon(void)
{
	client_readable(&monitor, &monitor.clients[0]);
	return monitor.clients[0].fd >= 0;
}

/* After clone3, in the monitor: gives back everything that was only for the child. */
static int let_go(struct child *child, const struct program *program)
{
	static const char go = STATUS_GO;

	if (program->highest_fd >= PROGRAM_FIRST_FD)
		syscall(SYS_close_range, (unsigned)PROGRAM_FIRST_FD, (unsigned)program->highest_fd, 0U);
	for (int i = 0; i < 3; i++) {
		if (child->stdio[i] >= 0)
			close(child->stdio[i]);
	}
	close(child->status);
	munmap((void *)(uintptr_t)program->bytes, program->length);
	if (!hear_daemon()) {
		kill(monitor.child, SIGKILL);
		return -1;
	}
	return send(monitor.status, &go, 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

static int fail(int32_t index, int error, const char *detail)
{
	clients_failed(&monitor, index, error, detail, strlen(detail));
	return 1;
}

/* The first part of the program, up to and with clone3. Returns the launcher's exit status if that is the end, -1 to go on. */
static int run_first_part(struct child *child, struct program *program, char **argv)
{
	struct cursor cursor = {0};
	struct operation op;
	long pid;

	while (program_next(program, &cursor, &op)) {
		child->detail = "";
		if (op.code != OP_clone3) {
			if (run_monitor_operation(&op, child, program->highest_fd) < 0)
				return fail((int32_t)op.index, errno, child->detail);
			continue;
		}
		if (make_stdio(child, program) < 0 || make_status(child, program->highest_fd) < 0)
			return fail((int32_t)op.index, errno, "pipes");
		pid = clone_child(&op);
		if (pid < 0)
			return fail((int32_t)op.index, errno, "");
		if (pid == 0) {
			child->title = argv[0];
			child->title_length = argv[1] ? (size_t)(argv[1] - argv[0]) + strlen(argv[1]) + 1 : strlen(argv[0]) + 1;
			child_run(child, cursor);
		}
		monitor.child = (pid_t)pid;
		while (program_next(program, &cursor, &op)) {
			monitor.awaits_process = monitor.awaits_process || op.code == OP_fork;
			monitor.has_init = monitor.has_init || op.code == OP_init;
		}
		return -1;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct child child = {.stdio = {-1, -1, -1}, .status = -1, .mask = 022, .detail = ""};
	struct program program;
	struct program_error error;
	int status;

	monitor = (struct monitor){
	    .signals = -1, .listener = -1, .status = -1, .rundir = -1, .output = {-1, -1}, .input = -1, .exit_file = -1, .log = {.directory = -1, .held = NO_HOLD}, .oom = {.fd = -1, .watched = -1}};
	for (int i = 0; i < MAX_CLIENTS; i++)
		monitor.clients[i].fd = -1;
	if (argc < 1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || clean_up_fds() < 0)
		return 2;
	/* Fails for a group leader, which is then in a session of its own already. */
	setsid();
	if (strcmp(argv[0], "tsdocker-netns") == 0)
		return run_namespace_maker();
	if (strcmp(argv[0], "tsdocker-ports") == 0)
		return run_port_keeper();
	/* execve has named the process after the number of an fd. */
	prctl(PR_SET_NAME, "tsdocker-mon", 0, 0, 0);
	umask(0077);
	client_add(&monitor, 1);
	if (read_program(&program, &error) < 0)
		return fail(error.index, error.error, error.text);
	child.program = &program;
	/* What the daemon had open without knowing is not the monitor's to keep: it may live for years. */
	syscall(SYS_close_range, (unsigned)program.highest_fd + 1, ~0U, 0U);
	monitor.signals = take_signals(program.highest_fd);
	monitor.clients[0].fd = place_above(1, program.highest_fd);
	if (dup2(2, 0) < 0 || dup2(2, 1) < 0 || monitor.signals < 0 || chdir("/") < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return 2;
	status = run_first_part(&child, &program, argv);
	if (status >= 0)
		return status;
	if (confine_monitor() < 0)
		return fail(-1, errno, "confine the monitor");
	if (let_go(&child, &program) < 0)
		return 1;
	return monitor_run(&monitor);
}
