/* The port keeper's UDP flows: each client of a port has a socket of its own towards the container, so that answers find their way. */
#include "port-keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DATAGRAM_MAX = 65536, IDLE_MS = 90 * 1000, BURST = 64 };

struct flow {
	struct source source;
	int fd;
	struct port *port;
	struct sockaddr_storage client;
	socklen_t client_length;
	int64_t used_ms;
	struct flow *next; /* the one that was used last comes first */
};

static struct flow *flows;
static unsigned flow_count;
static uint8_t datagram[DATAGRAM_MAX];

static void close_flow(struct flow **place)
{
	struct flow *flow = *place;

	*place = flow->next;
	flow->source.ready = NULL;
	close(flow->fd);
	flow->port->used--;
	flow_count--;
	free_later(flow);
}

static void move_to_front(struct flow **place)
{
	struct flow *flow = *place;

	*place = flow->next;
	flow->next = flows;
	flows = flow;
	flow->used_ms = now_ms();
}

static struct flow **find(const struct port *port, const struct sockaddr_storage *client, socklen_t length)
{
	struct flow **place = &flows;

	while (*place && ((*place)->port != port || (*place)->client_length != length || memcmp(&(*place)->client, client, length) != 0))
		place = &(*place)->next;
	return place;
}

static void flow_ready(struct source *source, uint32_t events)
{
	struct flow *flow = (struct flow *)source, **place = &flows;

	(void)events;
	for (int i = 0; i < BURST; i++) {
		/* An error is the container's "port unreachable": the client's next datagram may be luckier. */
		ssize_t length = recv(flow->fd, datagram, sizeof(datagram), MSG_DONTWAIT);

		if (length < 0)
			break;
		sendto(flow->port->fd, datagram, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&flow->client, flow->client_length);
	}
	while (*place != flow)
		place = &(*place)->next;
	move_to_front(place);
}

/* Of one port: what many clients of one do cuts off no other. */
static void drop_oldest(const struct port *port)
{
	struct flow **last = NULL;

	for (struct flow **place = &flows; *place; place = &(*place)->next) {
		if ((*place)->port == port)
			last = place;
	}
	if (last)
		close_flow(last);
}

static void make_room(const struct port *port)
{
	if (port->used > 0 && port->used >= keeper_limits.flows / 2)
		drop_oldest(port);
	else if (flow_count >= keeper_limits.flows)
		drop_oldest(greediest_port(IPPROTO_UDP));
}

static struct flow *open_flow(struct port *port, const struct sockaddr_storage *client, socklen_t length)
{
	struct flow *flow;

	make_room(port);
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return NULL;
	*flow = (struct flow){.source.ready = flow_ready, .port = port, .client = *client, .client_length = length, .used_ms = now_ms()};
	flow->fd = socket(port->target.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (flow->fd < 0 || connect(flow->fd, (const struct sockaddr *)&port->target, port->target_length) < 0 ||
	    watch(flow->fd, &flow->source, EPOLLIN) < 0) {
		if (flow->fd >= 0)
			close(flow->fd);
		free(flow);
		return NULL;
	}
	flow->next = flows;
	flows = flow;
	port->used++;
	flow_count++;
	return flow;
}

void udp_receive(struct source *source, uint32_t events)
{
	struct port *port = (struct port *)source;

	(void)events;
	for (int i = 0; i < BURST; i++) {
		struct sockaddr_storage client = {0};
		socklen_t length = sizeof(client);
		ssize_t count = recvfrom(port->fd, datagram, sizeof(datagram), MSG_DONTWAIT, (struct sockaddr *)&client, &length);
		struct flow **place;

		if (count < 0)
			return;
		place = find(port, &client, length);
		if (*place)
			move_to_front(place);
		else if (!open_flow(port, &client, length))
			continue;
		send(flows->fd, datagram, (size_t)count, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

void udp_close_all(const struct port *port)
{
	for (struct flow **place = &flows; *place;) {
		if (!port || (*place)->port == port)
			close_flow(place);
		else
			place = &(*place)->next;
	}
}

int udp_expire(void)
{
	int64_t now = now_ms(), oldest = -1;

	for (struct flow **place = &flows; *place;) {
		if (now - (*place)->used_ms >= IDLE_MS) {
			close_flow(place);
			continue;
		}
		oldest = (*place)->used_ms;
		place = &(*place)->next;
	}
	return oldest < 0 ? -1 : (int)(oldest + IDLE_MS - now + 1);
}
