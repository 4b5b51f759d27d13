/* The port keeper's TCP connections: bytes go both ways through pipes, without being looked at. */
#include "port-keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024 };

/* After so many chunks the others have their turn. */
enum { MOST_ROUNDS = 16 };

/* Edge-triggered: what could not be moved now can be when an edge tells so, on either side. */
static const uint32_t SIDE_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

struct connection;

struct side {
	struct source source; /* NULL when the connection is closed */
	struct connection *connection;
	int fd;
	int pipe[2];	/* from this side to the other */
	size_t filled;	/* bytes in it */
	bool is_ended;	/* nothing more comes from this side */
	bool is_passed; /* and the other knows */
};

struct connection {
	struct side side[2]; /* the client, the container */
	struct port *port;
	bool is_connected;
	struct connection *newer, *older;
};

/* In the order of their last use: what has been idle for the longest makes room. */
static struct connection *newest, *oldest;
static unsigned connection_count;

static void unlink_connection(struct connection *connection)
{
	*(connection->newer ? &connection->newer->older : &newest) = connection->older;
	*(connection->older ? &connection->older->newer : &oldest) = connection->newer;
}

static void link_newest(struct connection *connection)
{
	connection->newer = NULL;
	connection->older = newest;
	*(newest ? &newest->newer : &oldest) = connection;
	newest = connection;
}

static void close_connection(struct connection *connection)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &connection->side[i];

		side->source.ready = NULL;
		if (side->fd >= 0)
			close(side->fd);
		if (side->pipe[0] >= 0) {
			close(side->pipe[0]);
			close(side->pipe[1]);
		}
	}
	unlink_connection(connection);
	connection->port->used--;
	connection_count--;
	free_later(connection);
}

/* Returns false when the connection is broken. */
static bool move(struct side *from, struct side *to)
{
	ssize_t count;
	bool has_moved = true;

	for (int round = 0; has_moved; round++) {
		if (round == MOST_ROUNDS)
			/* Told anew that it takes bytes: at once, or when it does. */
			return rewatch(to->fd, &to->source, SIDE_EVENTS) == 0;
		has_moved = false;

		if (!from->is_ended && from->filled < CHUNK) {
			count = splice(from->fd, NULL, from->pipe[1], NULL, CHUNK - from->filled, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (count > 0)
				from->filled += (size_t)count;
			else if (count == 0)
				from->is_ended = true;
			else if (errno != EAGAIN)
				return false;
			has_moved = count > 0;
		}
		if (from->filled > 0) {
			count = splice(from->pipe[0], NULL, to->fd, NULL, from->filled, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (count > 0)
				from->filled -= (size_t)count;
			else if (count < 0 && errno != EAGAIN)
				return false;
			has_moved = has_moved || count > 0;
		}
	}
	if (from->is_ended && from->filled == 0 && !from->is_passed) {
		from->is_passed = true;
		shutdown(to->fd, SHUT_WR);
	}
	return true;
}

static bool finish_connect(struct connection *connection)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(connection->side[1].fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 || error != 0)
		return false;
	connection->is_connected = true;
	return true;
}

static void side_ready(struct source *source, uint32_t events)
{
	struct connection *connection = ((struct side *)source)->connection;
	struct side *client = &connection->side[0], *container = &connection->side[1];

	if (connection != newest) {
		unlink_connection(connection);
		link_newest(connection);
	}
	if (!connection->is_connected) {
		if (source != &container->source)
			return;
		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		if (!finish_connect(connection)) {
			close_connection(connection);
			return;
		}
	}
	if (!move(client, container) || !move(container, client) || (client->is_passed && container->is_passed))
		close_connection(connection);
}

static bool open_side(struct connection *connection, int index, int fd)
{
	struct side *side = &connection->side[index];

	*side = (struct side){.source.ready = side_ready, .connection = connection, .fd = fd, .pipe = {-1, -1}};
	return fd >= 0 && pipe2(side->pipe, O_CLOEXEC | O_NONBLOCK) == 0;
}

static bool start(struct connection *connection, const struct port *port)
{
	int fd = connection->side[1].fd;

	if (connect(fd, (const struct sockaddr *)&port->target, port->target_length) < 0 && errno != EINPROGRESS)
		return false;
	return watch(fd, &connection->side[1].source, SIDE_EVENTS) == 0 &&
	       watch(connection->side[0].fd, &connection->side[0].source, SIDE_EVENTS) == 0;
}

static void drop_idlest(const struct port *port)
{
	struct connection *connection = oldest;

	while (connection && connection->port != port)
		connection = connection->newer;
	if (connection)
		close_connection(connection);
}

/* No port can be cut off by what others have: one that has its half, or the most where all is taken, gives up its own idlest. */
static void make_room(struct port *port)
{
	if (port->used > 0 && port->used >= keeper_limits.connections / 2)
		drop_idlest(port);
	else if (connection_count >= keeper_limits.connections)
		drop_idlest(greediest_port(IPPROTO_TCP));
}

void tcp_accept(struct source *source, uint32_t events)
{
	struct port *port = (struct port *)source;
	int client = accept4(port->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *connection;
	bool is_open;
	static const int on = 1;

	(void)events;
	if (client < 0) {
		/* Waiting would be a busy loop, and those who wait would not be told. */
		if (errno == EMFILE || errno == ENFILE)
			drop_idlest(greediest_port(IPPROTO_TCP));
		return;
	}
	make_room(port);
	connection = calloc(1, sizeof(*connection));
	if (!connection) {
		close(client);
		return;
	}
	/* A client that is gone without a word is found out by the kernel. */
	setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	connection->port = port;
	link_newest(connection);
	port->used++;
	connection_count++;
	is_open = open_side(connection, 0, client);
	is_open = open_side(connection, 1, socket(port->target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) && is_open;
	if (!is_open || !start(connection, port))
		close_connection(connection);
}

void tcp_close_all(const struct port *port)
{
	for (struct connection *connection = newest, *next; connection; connection = next) {
		next = connection->older;
		if (!port || connection->port == port)
			close_connection(connection);
	}
}
