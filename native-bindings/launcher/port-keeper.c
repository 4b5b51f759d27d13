/* The port keeper's ports and event loop. See port-keeper.h. */
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

struct keeper_limits keeper_limits;
struct port *keeper_ports;
static int keeper_epoll;
static int listener = 3;
static struct source listener_source;
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

uint8_t remove_port(const struct frame *frame)
{
	for (struct port **place = &keeper_ports; *place; place = &(*place)->next) {
		struct port *port = *place;

		if (!is_same_port(&port->frame, frame))
			continue;
		*place = port->next;
		controls_skip(port);
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

uint8_t add_port(const struct frame *frame, int fd)
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

static void listener_ready(struct source *source, uint32_t events)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)events;
	if (fd >= 0 && control_add(fd) < 0)
		close(fd);
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
	controls_open();
	listener_source.ready = listener_ready;
	keeper_epoll = epoll_create1(EPOLL_CLOEXEC);
	/* splice(2) has no flag against it. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	if (keeper_epoll < 0 || set_limits() < 0 || fcntl(listener, F_SETFL, O_NONBLOCK) < 0 || watch(listener, &listener_source, EPOLLIN) < 0 || control_add(1) < 0 || confine() < 0)
		return 2;
	while (keeper_ports || controls_any()) {
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
