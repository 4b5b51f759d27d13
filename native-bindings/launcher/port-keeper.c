/* The port keeper's control socket and event loop. See port-keeper.h. */
#include "port-keeper.h"
#include "kernel.h"
#include "modes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

struct control {
	struct source source;
	int fd;
	int passed; /* a descriptor that came with the frame being read */
	size_t have;
	struct frame frame;
	struct frame owed; /* an answer that the socket has not taken yet: until it does nothing is read */
	bool owes, is_waiting;
	bool is_listing;
	struct port *next_listed;
};

struct keeper_limits keeper_limits;
struct port *keeper_ports;
static int keeper_epoll;
static int listener = 3;
static struct source listener_source;
static struct control controls[MAX_CONTROLS];
static void *garbage[1024];
static size_t garbage_count;

int watch(int fd, struct source *source, uint32_t events)
{
	return epoll_ctl(keeper_epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = events, .data.ptr = source});
}

int rewatch(int fd, struct source *source, uint32_t events)
{
	return epoll_ctl(keeper_epoll, EPOLL_CTL_MOD, fd, &(struct epoll_event){.events = events, .data.ptr = source});
}

void free_later(void *memory)
{
	if (garbage_count < sizeof(garbage) / sizeof(garbage[0]))
		garbage[garbage_count++] = memory;
	/* else: rather lost than used again too early */
}

int64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void set_target(struct port *port)
{
	const struct frame *frame = &port->frame;

	if (frame->families & 2) {
		struct sockaddr_in6 *six = (struct sockaddr_in6 *)&port->target;

		six->sin6_family = AF_INET6;
		six->sin6_port = frame->container_port;
		memcpy(&six->sin6_addr, frame->container, 16);
		port->target_length = sizeof(*six);
	} else {
		struct sockaddr_in *four = (struct sockaddr_in *)&port->target;

		four->sin_family = AF_INET;
		four->sin_port = frame->container_port;
		memcpy(&four->sin_addr, frame->container, 4);
		port->target_length = sizeof(*four);
	}
}

static bool is_same_port(const struct frame *a, const struct frame *b)
{
	return a->protocol == b->protocol && (a->families & 1) == (b->families & 1) && a->host_port == b->host_port && memcmp(a->host, b->host, 16) == 0;
}

static uint8_t remove_port(const struct frame *frame)
{
	for (struct port **place = &keeper_ports; *place; place = &(*place)->next) {
		struct port *port = *place;

		if (!is_same_port(&port->frame, frame))
			continue;
		*place = port->next;
		for (int i = 0; i < MAX_CONTROLS; i++) {
			if (controls[i].next_listed == port)
				controls[i].next_listed = port->next;
		}
		/* The daemon may have the socket open as well: then closing it here does not end what epoll reports. */
		epoll_ctl(keeper_epoll, EPOLL_CTL_DEL, port->fd, NULL);
		port->source.ready = NULL;
		close(port->fd);
		tcp_close_all(port);
		udp_close_all(port);
		free_later(port);
		return 0;
	}
	return ENOENT;
}

struct port *greediest_port(uint8_t protocol)
{
	struct port *most = NULL;

	for (struct port *port = keeper_ports; port; port = port->next) {
		if (port->frame.protocol == protocol && port->used > 0 && (!most || port->used > most->used))
			most = port;
	}
	return most;
}

static uint8_t add_port(const struct frame *frame, int fd)
{
	struct port *port;

	if (fd < 0)
		return EBADF;
	if (frame->protocol != IPPROTO_TCP && frame->protocol != IPPROTO_UDP && frame->protocol != IPPROTO_SCTP) {
		close(fd);
		return EPROTONOSUPPORT;
	}
	port = calloc(1, sizeof(*port));
	if (!port) {
		close(fd);
		return ENOMEM;
	}
	remove_port(frame);
	port->fd = fd;
	port->frame = *frame;
	set_target(port);
	port->source.ready = frame->protocol == IPPROTO_TCP ? tcp_accept : udp_receive;
	/* SCTP is only held. */
	if ((frame->protocol == IPPROTO_TCP || frame->protocol == IPPROTO_UDP) &&
	    (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || watch(fd, &port->source, EPOLLIN) < 0)) {
		close(fd);
		free(port);
		return ENOSPC;
	}
	port->next = keeper_ports;
	keeper_ports = port;
	return 0;
}

static void drop_control(struct control *control)
{
	if (control->passed >= 0)
		close(control->passed);
	close(control->fd);
	control->fd = -1;
	control->next_listed = NULL;
}

enum progress { BROKEN, BLOCKED, DONE };

static enum progress say(const struct control *control, const struct frame *frame)
{
	ssize_t sent = send(control->fd, frame, sizeof(*frame), MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent == (ssize_t)sizeof(*frame))
		return DONE;
	/* A frame is taken whole or not at all: it is far smaller than what a socket takes at once. */
	return sent < 0 && (errno == EAGAIN || errno == EINTR) ? BLOCKED : BROKEN;
}

/* What is owed, as far as the socket takes it. */
static enum progress settle(struct control *control)
{
	enum progress progress;

	while (control->is_listing && control->next_listed) {
		struct frame known = control->next_listed->frame;

		known.operation = 'p';
		known.status = 0;
		progress = say(control, &known);
		if (progress != DONE)
			return progress;
		control->next_listed = control->next_listed->next;
	}
	control->is_listing = false;
	if (!control->owes)
		return DONE;
	progress = say(control, &control->owed);
	if (progress == DONE)
		control->owes = false;
	return progress;
}

static bool obey(struct control *control)
{
	struct frame frame = control->frame;
	int fd = control->passed;

	control->passed = -1;
	if (frame.operation == 'A') {
		frame.status = add_port(&frame, fd);
		fd = -1;
	} else if (frame.operation == 'R') {
		frame.status = remove_port(&frame);
	} else if (frame.operation == 'L') {
		control->is_listing = true;
		control->next_listed = keeper_ports;
		frame.status = 0;
	} else if (frame.operation == 'H') {
		frame.status = 0;
		frame.host[0] = PROTOCOL_VERSION;
	} else {
		frame.operation = 0;
	}
	if (fd >= 0)
		close(fd);
	if (!frame.operation)
		return false;
	frame.operation = (uint8_t)(frame.operation - 'A' + 'a');
	control->owed = frame;
	control->owes = true;
	return true;
}

/* Takes one descriptor at the most; the kernel closes what does not fit. */
static ssize_t receive(struct control *control)
{
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} space;
	struct iovec part = {(uint8_t *)&control->frame + control->have, sizeof(control->frame) - control->have};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space.bytes, .msg_controllen = sizeof(space.bytes)};
	ssize_t count = recvmsg(control->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *item = count > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	if (item && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS && item->cmsg_len == CMSG_LEN(sizeof(int))) {
		if (control->passed >= 0)
			close(control->passed);
		memcpy(&control->passed, CMSG_DATA(item), sizeof(int));
	}
	return count;
}

static void control_ready(struct source *source, uint32_t events)
{
	struct control *control = (struct control *)source;

	(void)events;
	for (;;) {
		enum progress progress = settle(control);
		bool waits = progress == BLOCKED;
		ssize_t count;

		if (progress == BROKEN || (waits != control->is_waiting && rewatch(control->fd, source, waits ? EPOLLOUT : EPOLLIN) < 0)) {
			drop_control(control);
			return;
		}
		control->is_waiting = waits;
		if (waits)
			return;
		count = receive(control);
		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (count > 0)
			control->have += (size_t)count;
		if (count > 0 && control->have < sizeof(control->frame))
			continue;
		control->have = 0;
		if (count <= 0 || !obey(control)) {
			drop_control(control);
			return;
		}
	}
}

static int add_control(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 || peer.uid != 0)
		return -1;
	for (int i = 0; i < MAX_CONTROLS; i++) {
		if (controls[i].fd >= 0)
			continue;
		controls[i] = (struct control){.source.ready = control_ready, .fd = fd, .passed = -1};
		return watch(fd, &controls[i].source, EPOLLIN);
	}
	return -1;
}

static void listener_ready(struct source *source, uint32_t events)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)events;
	if (fd >= 0 && add_control(fd) < 0)
		close(fd);
}

static bool is_needed(void)
{
	if (keeper_ports)
		return true;
	for (int i = 0; i < MAX_CONTROLS; i++) {
		if (controls[i].fd >= 0)
			return true;
	}
	return false;
}

/* A connection takes six descriptors, a flow one; the ports come first. */
static int set_limits(void)
{
	enum { FOR_PORTS = 512, MOST = 4096, PER_CONNECTION = 6 };
	struct rlimit limit;
	rlim_t left;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	left = limit.rlim_cur > 2 * FOR_PORTS ? (limit.rlim_cur - FOR_PORTS) / 2 : FOR_PORTS / 2;
	keeper_limits.flows = left < MOST ? (unsigned)left : MOST;
	keeper_limits.connections = left / PER_CONNECTION < MOST ? (unsigned)(left / PER_CONNECTION) : MOST;
	return 0;
}

int run_port_keeper(void)
{
	struct epoll_event events[64];

	prctl(PR_SET_NAME, "tsdocker-ports", 0, 0, 0);
	for (int i = 0; i < MAX_CONTROLS; i++)
		controls[i].fd = -1;
	listener_source.ready = listener_ready;
	keeper_epoll = epoll_create1(EPOLL_CLOEXEC);
	/* splice(2) has no flag against it. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	if (keeper_epoll < 0 || set_limits() < 0 || fcntl(listener, F_SETFL, O_NONBLOCK) < 0 || watch(listener, &listener_source, EPOLLIN) < 0 || add_control(1) < 0 || confine() < 0)
		return 2;
	while (is_needed()) {
		int count = epoll_wait(keeper_epoll, events, 64, udp_expire());

		for (int i = 0; i < count; i++) {
			struct source *source = events[i].data.ptr;

			if (source->ready)
				source->ready(source, events[i].events);
		}
		while (garbage_count > 0)
			free(garbage[--garbage_count]);
	}
	return 0;
}
