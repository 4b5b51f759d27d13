/* The monitor's loop. Single-threaded, nothing in it blocks but writes to the log's disk. */
#include "monitor.h"

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_SIGNALS, POLL_STATUS, POLL_LISTENER, POLL_OOM, POLL_OUTPUT, POLL_INPUT = POLL_OUTPUT + 2, POLL_CLIENTS, POLL_COUNT = POLL_CLIENTS + MAX_CLIENTS };

enum { REST_MS = 250 };

static void fail_start(struct monitor *monitor, int32_t index, int32_t error, const char *detail, size_t length)
{
	monitor->has_failed = true;
	clients_failed(monitor, index, error, detail, length);
}

static void started(struct monitor *monitor)
{
	static const char detail[] = "write the start record";

	close(monitor->status);
	monitor->status = -1;
	monitor->started_ns = now_ns();
	if (write_started(monitor) < 0) {
		fail_start(monitor, -1, errno, detail, sizeof(detail) - 1);
		return;
	}
	monitor->is_started = true;
	clients_started(monitor);
}

struct status_packet {
	struct status_message message;
	size_t detail_length;
	int attached; /* fd, or -1 */
	pid_t sender;
};

static void read_control(struct msghdr *header, struct status_packet *packet)
{
	struct ucred sender;

	packet->attached = -1;
	packet->sender = 0;
	for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
		if (control->cmsg_level != SOL_SOCKET)
			continue;
		if (control->cmsg_type == SCM_RIGHTS && control->cmsg_len == CMSG_LEN(sizeof(int))) {
			memcpy(&packet->attached, CMSG_DATA(control), sizeof(int));
		} else if (control->cmsg_type == SCM_CREDENTIALS && control->cmsg_len == CMSG_LEN(sizeof(sender))) {
			memcpy(&sender, CMSG_DATA(control), sizeof(sender));
			packet->sender = sender.pid;
		}
	}
}

/* Returns 1 with a packet, 0 at the end of the socket, -1 when there is nothing now. */
static int receive_status(int fd, struct status_packet *packet)
{
	struct iovec part = {.iov_base = &packet->message, .iov_len = sizeof(packet->message)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	const size_t fixed = offsetof(struct status_message, detail);
	ssize_t length = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	/* The other end was closed with something of ours unread; what it has sent is still here. */
	if (length < 0 && errno == ECONNRESET)
		length = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	if (length < (ssize_t)fixed)
		return 0;
	packet->detail_length = (size_t)length - fixed;
	read_control(&header, packet);
	return 1;
}

/* Made non-blocking here, where the master's only reader and writer is. */
static void take_master(struct monitor *monitor, int master)
{
	static const char go = STATUS_GO;

	if (master < 0)
		return;
	if (!monitor->is_terminal || monitor->output[0] >= 0) {
		close(master);
		return;
	}
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	terminal_arrived(monitor, master);
	send(monitor->status, &go, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Not reaped, so that the number cannot be another's. */
static bool is_own_child(pid_t pid)
{
	siginfo_t unused;

	return pid > 0 && waitid(P_PID, (id_t)pid, &unused, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/*
 * Whoever may look into the process while it becomes the container's can have taken the socket (pidfd_getfd) and say what it likes. The
 * kernel tells who speaks: the child, the one other process that the program makes, or the child of an init.
 */
static bool is_believed(const struct monitor *monitor, const struct status_packet *packet)
{
	if (packet->message.kind == STATUS_PROCESS)
		return monitor->awaits_process && is_own_child(packet->sender);
	return packet->sender == monitor->child || monitor->has_init;
}

static void take_status(struct monitor *monitor, const struct status_packet *packet)
{
	const struct status_message *message = &packet->message;

	if (!is_believed(monitor, packet)) {
		if (packet->attached >= 0)
			close(packet->attached);
		return;
	}
	switch (message->kind) {
	case STATUS_MASTER:
		take_master(monitor, packet->attached);
		return;
	case STATUS_PROCESS:
		/* The one before it may have been reaped by now. */
		monitor->awaits_process = false;
		monitor->child = packet->sender;
		monitor->has_exited = false;
		return;
	case STATUS_EXEC:
		monitor->announced_exec = true;
		return;
	case STATUS_FAILED:
		fail_start(monitor, message->index, message->error, message->detail, packet->detail_length);
		return;
	default:
		return;
	}
}

/* All that is there: a process whose end is reaped next must have been made known before. */
static void read_status(struct monitor *monitor)
{
	static const char early[] = "the process ended before execve";
	struct status_packet packet;

	while (!monitor->has_failed) {
		switch (receive_status(monitor->status, &packet)) {
		case 1:
			take_status(monitor, &packet);
			break;
		case 0:
			if (monitor->announced_exec)
				started(monitor);
			else
				fail_start(monitor, -1, ECHILD, early, sizeof(early) - 1);
			return;
		default:
			return;
		}
	}
}

/*
 * Being the subreaper, the monitor also inherits what daemonises in a container without a pid namespace of its own. Looked at before it
 * is reaped: what a process has said on the status socket may be the only sign that it is the container's (STATUS_PROCESS).
 */
static void reap(struct monitor *monitor)
{
	for (;;) {
		siginfo_t ended = {.si_pid = 0};
		int status;

		if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) < 0 || ended.si_pid == 0)
			return;
		if (monitor->status >= 0)
			read_status(monitor);
		if (waitpid(ended.si_pid, &status, 0) == ended.si_pid && ended.si_pid == monitor->child) {
			monitor->has_exited = true;
			monitor->wait_status = status;
		}
	}
}

static void read_signals(struct monitor *monitor)
{
	struct signalfd_siginfo info;

	while (read(monitor->signals, &info, sizeof(info)) > 0)
		;
	reap(monitor);
}

static struct pollfd watch(int fd, short events)
{
	/* Without events the fd is left out: poll would report a hang-up for ever. */
	return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

static void fill(struct monitor *monitor, struct pollfd *polls)
{
	bool has_room = log_room(&monitor->log) > 0, has_input = monitor->input_length > 0;

	polls[POLL_SIGNALS] = watch(monitor->signals, POLLIN);
	polls[POLL_STATUS] = watch(monitor->status, POLLIN);
	polls[POLL_OOM] = watch(monitor->oom.watched, monitor->oom.is_eventfd ? POLLIN : POLLPRI);
	polls[POLL_LISTENER] = watch(monitor->listener, client_has_slot(monitor) && !monitor->listener_rests ? POLLIN : 0);
	for (int i = 0; i < 2; i++)
		polls[POLL_OUTPUT + i] = watch(monitor->output[i], has_room && !monitor->terminal_rests ? POLLIN : 0);
	polls[POLL_INPUT] = watch(monitor->input, has_input ? POLLOUT : 0);
	for (int i = 0; i < MAX_CLIENTS; i++) {
		struct client *client = &monitor->clients[i];
		bool waits = client->waits && !input_is_ready(monitor);

		polls[POLL_CLIENTS + i] = watch(client->fd, (short)((waits ? 0 : POLLIN) | (client->owes_log ? POLLOUT : 0)));
	}
}

/* What it waited with may be all that it has sent: nothing more comes that poll would tell of. */
static bool may_go_on(const struct monitor *monitor, const struct client *client)
{
	return client->fd >= 0 && client->waits && input_is_ready(monitor);
}

static bool some_may_go_on(const struct monitor *monitor)
{
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (may_go_on(monitor, &monitor->clients[i]))
			return true;
	}
	return false;
}

static void serve(struct monitor *monitor, const struct pollfd *polls)
{
	/* The status first: what it says about execve happened before the end of the process. */
	if (polls[POLL_STATUS].revents)
		read_status(monitor);
	if (polls[POLL_SIGNALS].revents)
		read_signals(monitor);
	if ((polls[POLL_OOM].revents || monitor->oom.looks > 0) && monitor->oom.watched >= 0 && oom_poll(&monitor->oom))
		clients_oom(monitor);
	for (int i = 0; i < 2; i++) {
		if (polls[POLL_OUTPUT + i].revents && monitor->output[i] >= 0)
			output_readable(monitor, i);
	}
	if (polls[POLL_INPUT].revents)
		input_flush(monitor);
	for (int i = 0; i < MAX_CLIENTS; i++) {
		struct client *client = &monitor->clients[i];
		short events = polls[POLL_CLIENTS + i].revents;

		if (client->fd < 0)
			continue;
		if (events & POLLOUT)
			client_send_log(monitor, client);
		if (client->fd >= 0 && ((events & ~POLLOUT) || may_go_on(monitor, client)))
			client_readable(monitor, client);
	}
	if (polls[POLL_LISTENER].revents)
		client_accept(monitor);
}

static int end(struct monitor *monitor)
{
	if (monitor->has_failed) {
		/* It never became a container: whatever of it still runs goes with it. Once reaped its number may be another's. */
		if (!monitor->has_exited) {
			kill(monitor->child, SIGKILL);
			waitpid(monitor->child, NULL, 0);
		}
		return 1;
	}
	output_drain(monitor);
	/* Before the end of the connection, which is the end of the run. */
	if (monitor->oom.watched >= 0 && oom_look(&monitor->oom))
		clients_oom(monitor);
	return write_exit(monitor) < 0;
}

/* poll(2) takes no more entries than there may be open files: those behind the last that is used are left out. */
static nfds_t used(const struct pollfd *polls)
{
	nfds_t count = POLL_COUNT;

	while (count > 0 && polls[count - 1].fd < 0)
		count--;
	return count;
}

static int next_timeout(const struct monitor *monitor)
{
	if (some_may_go_on(monitor))
		return 0;
	if (monitor->oom.looks > 0 && monitor->oom.watched >= 0)
		return LOOK_MS;
	return monitor->listener_rests || monitor->terminal_rests ? REST_MS : -1;
}

/*
 * The child is gone and says no more; somebody else may hold the other end of the socket for as long as it likes (see is_believed), so its
 * end is not waited for. One that forks once more is not the last to speak.
 */
static void settle_start(struct monitor *monitor)
{
	static const char early[] = "the process ended before execve";

	if (monitor->status < 0 || !monitor->has_exited || monitor->awaits_process || monitor->has_failed || monitor->has_init)
		return;
	if (monitor->announced_exec)
		started(monitor);
	else
		fail_start(monitor, -1, ECHILD, early, sizeof(early) - 1);
}

int monitor_run(struct monitor *monitor)
{
	struct pollfd polls[POLL_COUNT];
	int ready, timeout;

	for (;;) {
		settle_start(monitor);
		/* A process may end while its last words about the start are still to be read. */
		if (monitor->has_failed || (monitor->has_exited && monitor->status < 0))
			return end(monitor);
		fill(monitor, polls);
		timeout = next_timeout(monitor);
		ready = poll(polls, used(polls), timeout);
		monitor->listener_rests = monitor->terminal_rests = false;
		if (ready >= 0)
			serve(monitor, polls);
		else if (errno != EINTR)
			poll(NULL, 0, REST_MS);
	}
}
