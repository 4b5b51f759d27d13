/*
 * Clients: the control socket and whoever connects to monitor.sock. A message is u8 type, three zero bytes, u32le length, payload.
 * Nothing here blocks: a client that does not read misses only positions of the log, and is told the newest when it reads again; one
 * that sends stdin faster than the container takes it is not read for a while.
 */
#include "monitor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER_BYTES = 8, MESSAGES_AT_ONCE = 32, DETAIL_MAX = 4096 };

static void put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

/* Rotation waits for the slowest reader that asked for it. */
static void update_hold(struct monitor *monitor)
{
	uint32_t lowest = NO_HOLD;

	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (monitor->clients[i].fd >= 0 && monitor->clients[i].hold < lowest)
			lowest = monitor->clients[i].hold;
	}
	monitor->log.held = lowest;
}

void client_close(struct monitor *monitor, struct client *client)
{
	close(client->fd);
	client->fd = -1;
	update_hold(monitor);
}

/* A message this small is taken whole by a stream socket or not at all. */
static bool send_message(struct client *client, uint8_t type, uint8_t *message, size_t payload)
{
	ssize_t sent;

	memset(message, 0, HEADER_BYTES);
	message[0] = type;
	put32(message + 4, (uint32_t)payload);
	sent = send(client->fd, message, HEADER_BYTES + payload, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return false;
	if ((size_t)sent != HEADER_BYTES + payload)
		shutdown(client->fd, SHUT_RDWR);
	return true;
}

static void send_started(struct monitor *monitor, struct client *client)
{
	uint8_t message[HEADER_BYTES + 8];

	put32(message + HEADER_BYTES, (uint32_t)monitor->child);
	put32(message + HEADER_BYTES + 4, MONITOR_PROTOCOL);
	/* A new connection's buffer is empty; a client that cannot be told is of no use. */
	if (!send_message(client, 'S', message, 8))
		client_close(monitor, client);
}

void client_send_log(struct monitor *monitor, struct client *client)
{
	uint8_t message[HEADER_BYTES + 16];

	put32(message + HEADER_BYTES, monitor->log.sequence);
	put32(message + HEADER_BYTES + 4, 0);
	put32(message + HEADER_BYTES + 8, (uint32_t)monitor->log.size);
	put32(message + HEADER_BYTES + 12, (uint32_t)(monitor->log.size >> 32));
	if (send_message(client, 'L', message, 16))
		client->owes_log = false;
	else if (errno == EAGAIN)
		client->owes_log = true;
	else
		client_close(monitor, client);
}

void clients_log_grew(struct monitor *monitor)
{
	for (int i = 0; i < MAX_CLIENTS; i++) {
		struct client *client = &monitor->clients[i];

		/* One that owes a position already sends the newest when its socket drains. */
		if (client->fd >= 0 && client->wants_log && !client->owes_log)
			client_send_log(monitor, client);
	}
}

static void send_oom(struct monitor *monitor, struct client *client)
{
	uint8_t message[HEADER_BYTES + 8];

	put32(message + HEADER_BYTES, monitor->oom.told);
	put32(message + HEADER_BYTES + 4, monitor->oom.told_stalls);
	/* Totals: one that a full socket does not take is made up for by the next. */
	if (!send_message(client, 'O', message, 8) && errno != EAGAIN)
		client_close(monitor, client);
}

void clients_oom(struct monitor *monitor)
{
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (monitor->clients[i].fd >= 0 && monitor->clients[i].wants_oom)
			send_oom(monitor, &monitor->clients[i]);
	}
}

void clients_started(struct monitor *monitor)
{
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (monitor->clients[i].fd >= 0)
			send_started(monitor, &monitor->clients[i]);
	}
}

void clients_failed(struct monitor *monitor, int32_t index, int32_t error, const char *detail, size_t length)
{
	uint8_t message[HEADER_BYTES + 8 + DETAIL_MAX];

	if (length > DETAIL_MAX)
		length = DETAIL_MAX;
	put32(message + HEADER_BYTES, (uint32_t)index);
	put32(message + HEADER_BYTES + 4, (uint32_t)error);
	memcpy(message + HEADER_BYTES + 8, detail, length);
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (monitor->clients[i].fd >= 0)
			send_message(&monitor->clients[i], 'F', message, 8 + length);
	}
}

bool client_has_slot(const struct monitor *monitor)
{
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (monitor->clients[i].fd < 0)
			return true;
	}
	return false;
}

void client_add(struct monitor *monitor, int fd)
{
	for (int i = 0; i < MAX_CLIENTS; i++) {
		struct client *client = &monitor->clients[i];

		if (client->fd >= 0)
			continue;
		*client = (struct client){.fd = fd, .hold = NO_HOLD};
		if (monitor->is_started)
			send_started(monitor, client);
		return;
	}
	close(fd);
}

/* The socket's mode keeps others out; this does too should the directory be made accessible one day. */
void client_accept(struct monitor *monitor)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	int fd = accept4(monitor->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		/* Out of files, maybe: the connection waits, and so do we rather than be told of it again at once. */
		monitor->listener_rests = true;
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 || (peer.uid != 0 && peer.uid != geteuid())) {
		close(fd);
		return;
	}
	client_add(monitor, fd);
}

/* The length that a message of this type must have, or -1. For I the payload is anything up to PAYLOAD_MAX. */
static int64_t expected_length(uint8_t type, uint32_t length)
{
	switch (type) {
	case 'W':
	case 'O':
		return 1;
	case 'R':
	case 'K':
	case 'G':
		return 4;
	case 'Z':
		return 0;
	case 'I':
		return length <= PAYLOAD_MAX ? (int64_t)length : -1;
	default:
		return -1;
	}
}

static void act(struct monitor *monitor, struct client *client)
{
	const uint8_t *body = client->body;

	switch (client->header[0]) {
	case 'W':
		client->wants_log = body[0] != 0;
		client->owes_log = false;
		/* The subscriber may have looked at the file before this took effect. */
		if (client->wants_log)
			client_send_log(monitor, client);
		return;
	case 'O':
		client->wants_oom = body[0] != 0;
		if (client->wants_oom) {
			oom_watch(&monitor->oom);
			oom_look(&monitor->oom);
			send_oom(monitor, client);
		}
		return;
	case 'R':
		terminal_resize(monitor, get16(body), get16(body + 2));
		return;
	case 'K':
		client->hold = get32(body);
		update_hold(monitor);
		return;
	case 'G':
		/* Not reaped yet, so the pid is still this container's. */
		if (!monitor->has_exited && monitor->child > 0 && get32(body) >= 1 && get32(body) <= (uint32_t)SIGRTMAX)
			kill(monitor->child, (int)get32(body));
		return;
	case 'Z':
		input_close(monitor);
		return;
	default:
		return;
	}
}

/* Receives into `at`. False when there is nothing more to do now, or when the client is gone. */
static bool receive(struct monitor *monitor, struct client *client, uint8_t *at, size_t length, size_t *got)
{
	ssize_t count = recv(client->fd, at, length, MSG_DONTWAIT);

	if (count <= 0) {
		if (count == 0 || (errno != EAGAIN && errno != EINTR))
			client_close(monitor, client);
		return false;
	}
	*got = (size_t)count;
	return true;
}

static bool receive_header(struct monitor *monitor, struct client *client)
{
	uint32_t length;
	int64_t expected;
	size_t got;

	if (!receive(monitor, client, client->header + client->have, HEADER_BYTES - client->have, &got))
		return false;
	client->have += (uint32_t)got;
	if (client->have < HEADER_BYTES)
		return true;
	length = get32(client->header + 4);
	expected = expected_length(client->header[0], length);
	if (expected != (int64_t)length || client->header[1] || client->header[2] || client->header[3]) {
		client_close(monitor, client);
		return false;
	}
	client->in_payload = true;
	client->length = length;
	client->have = 0;
	return true;
}

static bool receive_input(struct monitor *monitor, struct client *client)
{
	size_t room, got;
	uint8_t *space = input_space(monitor, &room);

	if (!receive(monitor, client, space, client->length < room ? client->length : room, &got))
		return false;
	client->length -= (uint32_t)got;
	input_added(monitor, got);
	return true;
}

static bool receive_body(struct monitor *monitor, struct client *client)
{
	size_t got;

	if (!receive(monitor, client, client->body + client->have, client->length, &got))
		return false;
	client->have += (uint32_t)got;
	client->length -= (uint32_t)got;
	return true;
}

void client_readable(struct monitor *monitor, struct client *client)
{
	for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
		uint8_t type = client->header[0];
		bool is_stdin = type == 'I' || type == 'Z';

		client->waits = client->in_payload && is_stdin && !input_is_ready(monitor);
		if (client->waits)
			return;
		if (!client->in_payload) {
			if (!receive_header(monitor, client))
				return;
			continue;
		}
		if (client->length > 0) {
			if (!(type == 'I' ? receive_input : receive_body)(monitor, client))
				return;
			if (client->length > 0)
				continue;
		}
		client->in_payload = false;
		client->have = 0;
		act(monitor, client);
		if (client->fd < 0)
			return;
	}
}
