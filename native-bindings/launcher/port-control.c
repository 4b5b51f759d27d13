/* The port keeper's control socket: frames in, ports added, removed and listed, frames out. See port-keeper.h. */
#include "port-keeper.h"
#include "kernel.h"

#include <errno.h>
#include <string.h>

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

static struct control controls[MAX_CONTROLS];

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

int control_add(int fd)
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

void controls_open(void)
{
	for (int i = 0; i < MAX_CONTROLS; i++)
		controls[i].fd = -1;
}

bool controls_any(void)
{
	for (int i = 0; i < MAX_CONTROLS; i++) {
		if (controls[i].fd >= 0)
			return true;
	}
	return false;
}

void controls_skip(const struct port *port)
{
	for (int i = 0; i < MAX_CONTROLS; i++) {
		if (controls[i].next_listed == port)
			controls[i].next_listed = port->next;
	}
}
